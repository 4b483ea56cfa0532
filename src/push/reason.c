/* SPDX-License-Identifier: Apache-2.0 */
#include "reason.h"

static const char own_fault[] =
	"This is a fault of Pomona itself: please report it with the server's log. Other devices are not "
	"affected.";
static const char no_certificate[] =
	"APNs saw no push certificate of ours, as if the connection were meant for tokens: is there a proxy "
	"in between that opens TLS? Otherwise set the push certificate again (pomonactl pushcert set).";
static const char bad_certificate[] =
	"APNs does not accept the push certificate: it was revoked or replaced. Renew it in Apple's portal "
	"under the same Apple Account and set it (pomonactl pushcert set).";
static const char wrong_environment[] =
	"The push certificate belongs to Apple's other environment: production certificates work with "
	"api.push.apple.com, development ones with api.sandbox.push.apple.com.";
static const char forbidden[] =
	"APNs forbids pushes with this certificate. Look in Apple's portal whether it was revoked, then set "
	"a valid one (pomonactl pushcert set).";
static const char bad_token[] =
	"The token is not one of this environment, or it is damaged. The device is not pushed to until it "
	"sends a new token; if this befalls many devices, the push server or certificate is wrong.";
static const char foreign_token[] =
	"The device enrolled under another topic: the push certificate was replaced by another one instead "
	"of being renewed. Set the former certificate's renewal, or enroll the device again.";
static const char foreign_topic[] =
	"The push certificate may not push to this topic. Set the certificate that belongs to the topic "
	"(pomonactl pushcert set).";
static const char dead_token[] =
	"The device has no use for this token any more: it was erased, or its management was removed. It is "
	"not pushed to until it sends a new token; its management here stays as it is.";
static const char too_many[] =
	"APNs takes no more pushes to this device for the moment. It is tried again later.";
static const char overloaded[] =
	"APNs has trouble of its own and is tried again. If it lasts, look at Apple's system status page.";
static const char idle[] =
	"APNs had closed the connection because nothing was sent. It is tried again on a new one.";

#define OWN_FAULT(status, name) \
	{ \
		name, status, PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0, own_fault \
	}
#define STOP(status, name, advice) \
	{ \
		name, status, PUSH_TOPIC_STOP, REASON_STOP, LOG_LEVEL_ERROR, 0, advice \
	}
#define GONE(status, name) \
	{ \
		name, status, PUSH_TOKEN_DEAD, REASON_GONE, LOG_LEVEL_INFO, 0, dead_token \
	}
#define LATER(status, name, effect, after_s, advice) \
	{ \
		name, status, PUSH_RETRY, effect, LOG_LEVEL_WARNING, after_s, advice \
	}

enum { TOO_MANY_AFTER_S = 60 };

static const struct reason table[] = {
	OWN_FAULT(400, "BadCollapseId"),
	OWN_FAULT(400, "BadExpirationDate"),
	OWN_FAULT(400, "BadMessageId"),
	OWN_FAULT(400, "BadPriority"),
	OWN_FAULT(400, "BadTopic"),
	OWN_FAULT(400, "DuplicateHeaders"),
	OWN_FAULT(400, "InvalidPushType"),
	OWN_FAULT(400, "MissingDeviceToken"),
	OWN_FAULT(400, "MissingTopic"),
	OWN_FAULT(400, "PayloadEmpty"),
	{"BadDeviceToken", 400, PUSH_TOKEN_DEAD, REASON_SUSPECT, LOG_LEVEL_WARNING, 0, bad_token},
	{"DeviceTokenNotForTopic", 400, PUSH_DROP, REASON_SUSPECT, LOG_LEVEL_WARNING, 0, foreign_token},
	STOP(400, "TopicDisallowed", foreign_topic),
	{"IdleTimeout", 400, PUSH_RETRY, REASON_IDLE, LOG_LEVEL_INFO, 0, idle},
	STOP(403, "BadCertificate", bad_certificate),
	STOP(403, "BadCertificateEnvironment", wrong_environment),
	STOP(403, "ExpiredProviderToken", no_certificate),
	STOP(403, "Forbidden", forbidden),
	STOP(403, "InvalidProviderToken", no_certificate),
	STOP(403, "MissingProviderToken", no_certificate),
	STOP(403, "UnrelatedKeyIdInToken", no_certificate),
	STOP(403, "BadEnvironmentKeyIdInToken", no_certificate),
	STOP(403, "BadEnvironmentKeyInToken", no_certificate), /* so on the wire */
	OWN_FAULT(404, "BadPath"),
	OWN_FAULT(405, "MethodNotAllowed"),
	GONE(410, "ExpiredToken"),
	GONE(410, "Unregistered"),
	OWN_FAULT(413, "PayloadTooLarge"),
	LATER(429, "TooManyRequests", REASON_NOTHING, TOO_MANY_AFTER_S, too_many),
	LATER(429, "TooManyProviderTokenUpdates", REASON_NOTHING, TOO_MANY_AFTER_S, too_many),
	LATER(500, "InternalServerError", REASON_OVERLOAD, 0, overloaded),
	LATER(503, "ServiceUnavailable", REASON_RECONNECT, 0, overloaded),
	LATER(503, "Shutdown", REASON_RECONNECT, 0, overloaded),
};

/* Reasons that we do not know: by the first row that the status fits. */
static const struct {
	unsigned from, to;
	struct reason row;
} classes[] = {
	{200, 299, {"", 0, PUSH_DONE, REASON_NOTHING, LOG_LEVEL_DEBUG, 0, "APNs has taken the push."}},
	{403, 403, STOP(0, "", forbidden)},
	{408, 408, LATER(0, "", REASON_NOTHING, 0, overloaded)},
	{410, 410, GONE(0, "")},
	{429, 429, LATER(0, "", REASON_NOTHING, TOO_MANY_AFTER_S, too_many)},
	{300, 499,
		{"", 0, PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0,
			"APNs refused the push for a reason that is not known here. Is the configured server really "
			"APNs? Otherwise please report it with the server's log."}},
	{500, 599, LATER(0, "", REASON_OVERLOAD, 0, overloaded)},
	{0, 0,
		LATER(0, "", REASON_NOTHING, 0,
			"APNs did not answer. Look whether this server reaches the configured push server (name, "
			"firewall, proxy); it is tried again by itself.")},
	{0, ~0U,
		LATER(0, "", REASON_OVERLOAD, 0,
			"The answer makes no sense. Is the configured server really APNs?")},
};

static const struct reason *find_class(unsigned status)
{
	size_t i = 0;

	while (status < classes[i].from || status > classes[i].to)
		i++; /* the last one fits all */
	return &classes[i].row;
}

const struct reason *reason_find_name(struct slice name)
{
	for (size_t i = 0; i < COUNT_OF(table); i++)
		if (slice_is_str(name, table[i].name))
			return &table[i];
	return NULL;
}

/* Names are unique in the table. */
const struct reason *reason_find(unsigned status, struct slice name)
{
	const struct reason *row = reason_find_name(name);

	return row != NULL && row->status / 100 == status / 100 ? row : find_class(status);
}

const struct reason *reason_table(size_t *count_r)
{
	*count_r = COUNT_OF(table);
	return table;
}

enum push_action push_reason_action(unsigned status, struct slice reason, int64_t timestamp_ms,
	int64_t token_updated_at)
{
	const struct reason *row = reason_find(status, reason);

	/* We know the second in which the token came, and so must judge by whole ones. */
	if (row->effect == REASON_GONE && timestamp_ms / 1000 <= token_updated_at)
		return PUSH_RETRY;
	return row->action;
}

enum log_level push_reason_level(unsigned status, const char *reason)
{
	return reason_find(status, slice_of_str(reason))->level;
}

const char *push_reason_advice(unsigned status, const char *reason)
{
	return reason_find(status, slice_of_str(reason))->advice;
}
