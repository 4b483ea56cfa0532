/* SPDX-License-Identifier: Apache-2.0 */
#include "apns_check.h"

#include <string.h>

#include "pomona/base/codec.h"

#define TOKEN_PATH "/3/device/"
#define MDM_TOPIC_PREFIX "com.apple.mgmt."

/* Every reason that Apple documents, and one under the other name that is seen on the wire. */
static const struct apns_reason reasons[] = {
	{"BadCollapseId", 400},
	{"BadDeviceToken", 400},
	{"BadExpirationDate", 400},
	{"BadMessageId", 400},
	{"BadPriority", 400},
	{"BadTopic", 400},
	{"DeviceTokenNotForTopic", 400},
	{"DuplicateHeaders", 400},
	{"IdleTimeout", 400},
	{"InvalidPushType", 400},
	{"MissingDeviceToken", 400},
	{"MissingTopic", 400},
	{"PayloadEmpty", 400},
	{"TopicDisallowed", 400},
	{"BadCertificate", 403},
	{"BadCertificateEnvironment", 403},
	{"ExpiredProviderToken", 403},
	{"Forbidden", 403},
	{"InvalidProviderToken", 403},
	{"MissingProviderToken", 403},
	{"UnrelatedKeyIdInToken", 403},
	{"BadEnvironmentKeyIdInToken", 403},
	{"BadEnvironmentKeyInToken", 403},
	{"BadPath", 404},
	{"MethodNotAllowed", 405},
	{"ExpiredToken", 410},
	{"Unregistered", 410},
	{"PayloadTooLarge", 413},
	{"TooManyProviderTokenUpdates", 429},
	{"TooManyRequests", 429},
	{"InternalServerError", 500},
	{"ServiceUnavailable", 503},
	{"Shutdown", 503},
};

#define FIELD(text, bytes_max) \
	{ \
		text, sizeof(text) - 1, bytes_max \
	}

static const struct {
	const char *name;
	size_t name_len; /* most names of others differ in it */
	size_t bytes_max;
} fields[APNS_FIELD_COUNT] = {
	[APNS_FIELD_METHOD] = FIELD(":method", 16),
	[APNS_FIELD_PATH] = FIELD(":path", sizeof(TOKEN_PATH) - 1 + APNS_TOKEN_TEXT_BYTES - 1),
	[APNS_FIELD_ID] = FIELD("apns-id", APNS_ID_TEXT_BYTES - 1),
	[APNS_FIELD_TOPIC] = FIELD("apns-topic", APNS_TOPIC_BYTES_MAX),
	[APNS_FIELD_PUSH_TYPE] = FIELD("apns-push-type", 16),
	[APNS_FIELD_PRIORITY] = FIELD("apns-priority", 2),
	[APNS_FIELD_EXPIRATION] = FIELD("apns-expiration", 19),
	[APNS_FIELD_COLLAPSE_ID] = FIELD("apns-collapse-id", APNS_COLLAPSE_ID_BYTES_MAX),
};

const struct apns_reason *apns_reason_at(size_t index)
{
	return index < COUNT_OF(reasons) ? &reasons[index] : NULL;
}

static bool is_alnum(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
		(byte >= '0' && byte <= '9');
}

bool apns_reason_is_word(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_alnum(text.ptr[i]))
			return false;
	return text.len <= APNS_REASON_BYTES_MAX;
}

const struct apns_reason *apns_reason_find(struct slice name)
{
	for (size_t i = 0; i < COUNT_OF(reasons); i++)
		if (slice_is_str(name, reasons[i].name))
			return &reasons[i];
	return NULL;
}

const char *apns_field_name(enum apns_field field)
{
	return fields[field].name;
}

enum apns_field apns_field_of(struct slice name)
{
	enum apns_field field = APNS_FIELD_METHOD;

	while (field < APNS_FIELD_COUNT &&
		(name.len != fields[field].name_len || memcmp(name.ptr, fields[field].name, name.len) != 0))
		field++;
	return field;
}

size_t apns_field_bytes_max(enum apns_field field)
{
	return fields[field].bytes_max;
}

/* --- one check a row: true where nothing is wrong */

struct look {
	const struct apns_request *request;
	const struct apns_peer *peer;
	struct apns_push *push;
};

static bool has(const struct look *look, enum apns_field field)
{
	return (look->request->present & 1u << field) != 0;
}

static struct slice value(const struct look *look, enum apns_field field)
{
	return look->request->fields[field];
}

static bool is_post(const struct look *look)
{
	return slice_is_str(value(look, APNS_FIELD_METHOD), "POST");
}

/* "/3/device" and "/3/device/" are the path, but name no device. */
static bool is_path(const struct look *look)
{
	struct slice path = value(look, APNS_FIELD_PATH);

	return slice_has_prefix(path, TOKEN_PATH) || slice_is_str(path, "/3/device");
}

static struct slice token_text(const struct look *look)
{
	return slice_sub(value(look, APNS_FIELD_PATH), strlen(TOKEN_PATH), SIZE_MAX);
}

static bool names_device(const struct look *look)
{
	return token_text(look).len > 0;
}

/* Lower case only; 16 for what is no digit. */
static unsigned hex_value(uint8_t digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - (unsigned)'0';
	return digit >= 'a' && digit <= 'f' ? digit - (unsigned)'a' + 10 : 16;
}

static bool is_token(const struct look *look)
{
	struct slice text = token_text(look);

	if (text.len > 2 * (size_t)APNS_TOKEN_BYTES_MAX || text.len % 2 != 0)
		return false;
	for (size_t i = 0; i < text.len / 2; i++) {
		unsigned high = hex_value(text.ptr[2 * i]), low = hex_value(text.ptr[2 * i + 1]);

		if ((high | low) > 15)
			return false;
		look->push->token[i] = (uint8_t)(high << 4 | low);
	}
	look->push->token_len = text.len / 2;
	look->push->token_text = text;
	return true;
}

/* Without a certificate Apple takes the sender for one who has a provider token, and misses that. */
static bool is_known_sender(const struct look *look)
{
	return look->peer->is_anyone || look->peer->has_cert;
}

static bool has_no_twice(const struct look *look)
{
	return look->request->twice == 0;
}

static bool is_id(const struct look *look)
{
	struct slice id = value(look, APNS_FIELD_ID);

	if (!has(look, APNS_FIELD_ID))
		return true;
	if (id.len != APNS_ID_TEXT_BYTES - 1)
		return false;
	for (size_t i = 0; i < id.len; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
		bool is_digit = id.ptr[i] != '\0' && strchr("0123456789abcdefABCDEF", id.ptr[i]) != NULL;

		if (is_dash ? id.ptr[i] != '-' : !is_digit)
			return false;
	}
	look->push->id = id;
	return true;
}

static bool is_expiration(const struct look *look)
{
	look->push->expiration = -1;
	return !has(look, APNS_FIELD_EXPIRATION) ||
		int64_parse(value(look, APNS_FIELD_EXPIRATION), 0, INT64_MAX, &look->push->expiration, NULL) ==
		RC_OK;
}

static bool is_priority(const struct look *look)
{
	struct slice text = value(look, APNS_FIELD_PRIORITY);
	bool is_good = slice_is_str(text, "10") || slice_is_str(text, "5") || slice_is_str(text, "1");

	look->push->priority = 10;
	if (!has(look, APNS_FIELD_PRIORITY))
		return true;
	return is_good && int64_parse(text, 1, 10, &look->push->priority, NULL) == RC_OK;
}

static bool is_collapse_id(const struct look *look)
{
	return value(look, APNS_FIELD_COLLAPSE_ID).len <= APNS_COLLAPSE_ID_BYTES_MAX;
}

/* Of the push types only this one is for MDM's topics; without one Apple guesses it from the payload. */
static bool is_push_type(const struct look *look)
{
	look->push->push_type = value(look, APNS_FIELD_PUSH_TYPE);
	return !has(look, APNS_FIELD_PUSH_TYPE) || slice_is_str(look->push->push_type, "mdm");
}

/* A certificate for one topic says which is meant. */
static bool has_topic(const struct look *look)
{
	look->push->topic = value(look, APNS_FIELD_TOPIC);
	if (has(look, APNS_FIELD_TOPIC))
		return true;
	look->push->topic = slice_of_str(look->peer->is_anyone ? "" : look->peer->uid);
	return look->push->topic.len > 0;
}

static bool is_topic_allowed(const struct look *look)
{
	return look->peer->is_anyone || slice_is_str(look->push->topic, look->peer->uid);
}

/* As Apple names topics of MDM; one that a certificate is for is not looked at. */
static bool is_topic(const struct look *look)
{
	struct slice topic = look->push->topic;

	if (is_topic_allowed(look) && !look->peer->is_anyone)
		return true;
	for (size_t i = 0; i < topic.len; i++) {
		uint8_t byte = topic.ptr[i];

		if (!is_alnum(byte) && byte != '.' && byte != '-' && byte != '_')
			return false;
	}
	return topic.len <= APNS_TOPIC_BYTES_MAX && topic.len > strlen(MDM_TOPIC_PREFIX) &&
		slice_has_prefix(topic, MDM_TOPIC_PREFIX);
}

static bool is_small(const struct look *look)
{
	return look->request->body_bytes <= APNS_PAYLOAD_BYTES_MAX;
}

static bool is_payload(const struct look *look)
{
	return apns_payload_read(look->request->body, look->push->magic);
}

const struct apns_reason *apns_check(const struct apns_request *request,
	const struct apns_peer *peer, struct apns_push *push_r)
{
	static const struct {
		bool (*is_good)(const struct look *look);
		const char *reason;
	} checks[] = {
		{is_post, "MethodNotAllowed"},
		{is_path, "BadPath"},
		{names_device, "MissingDeviceToken"},
		{is_token, "BadDeviceToken"},
		{is_known_sender, "MissingProviderToken"},
		{has_no_twice, "DuplicateHeaders"},
		{is_id, "BadMessageId"},
		{is_expiration, "BadExpirationDate"},
		{is_priority, "BadPriority"},
		{is_collapse_id, "BadCollapseId"},
		{is_push_type, "InvalidPushType"},
		{has_topic, "MissingTopic"},
		{is_topic, "BadTopic"},
		{is_topic_allowed, "TopicDisallowed"},
		{is_small, "PayloadTooLarge"},
		{is_payload, "PayloadEmpty"},
	};
	const struct look look = {request, peer, push_r};

	push_r->token_len = 0;
	push_r->token_text = push_r->topic = push_r->push_type = push_r->id = (struct slice){0};
	push_r->priority = 10;
	push_r->expiration = -1;
	push_r->magic[0] = '\0';
	for (size_t i = 0; i < COUNT_OF(checks); i++)
		if (!checks[i].is_good(&look))
			return apns_reason_find(slice_of_str(checks[i].reason));
	return NULL;
}
