/* SPDX-License-Identifier: Apache-2.0 */
#include "topic.h"

#include <inttypes.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "link.h"
#include "pomona/base/codec.h"
#include "pomona/base/log.h"
#include "pomona/base/rand.h"

static const char cert_gone[] = "there is no push certificate for the topic";
static const char cert_over[] = "the push certificate has expired";
static const char unsendable[] = "the enrollment's push token or push magic cannot be used";
static const char too_large[] =
	"the enrollment's push magic makes a payload that APNs does not take";

static const char *const state_names[] = {
	[PUSH_TOPIC_IDLE] = "idle",
	[PUSH_TOPIC_CONNECTING] = "connecting",
	[PUSH_TOPIC_OPEN] = "open",
	[PUSH_TOPIC_WAITING] = "waiting",
	[PUSH_TOPIC_STOPPED] = "stopped",
	[PUSH_TOPIC_EXPIRED] = "expired",
	[PUSH_TOPIC_NO_CERTIFICATE] = "no_certificate",
};

const char *push_topic_state_name(enum push_topic_state state)
{
	_Static_assert(COUNT_OF(state_names) == PUSH_TOPIC_STATE_COUNT, "a name each");
	return (size_t)state < COUNT_OF(state_names) ? state_names[state] : "unknown";
}

int64_t shared_now_ms(const struct shared *shared)
{
	return clock_monotonic_us(shared->clock) / 1000;
}

void topic_call_soon(struct topic *topic)
{
	net_timer_set(topic->shared->soon, 0);
}

void topic_alarm(struct topic *topic, const char *kind, const char *text, bool is_clear)
{
	const struct push_alarm alarm = {
		.kind = kind,
		.subject = topic->name,
		.text = text,
		.is_clear = is_clear,
	};

	topic->shared->on_alarm(topic->shared->ctx, &alarm);
}

enum rc topic_new(struct shared *shared, const char *name, struct topic **topic_r, struct err *err)
{
	struct topic *topic = calloc(1, sizeof(*topic));

	*topic_r = topic;
	if (topic == NULL)
		return err_set(err, RC_NO_MEMORY, "push topic");
	topic->shared = shared;
	topic->name_len = strnlen(name, PUSH_TOPIC_BYTES_MAX);
	memcpy(topic->name, name, topic->name_len);
	topic->opens_left = TOPIC_OPENS_MAX;
	topic->more_links_at_ms = INT64_MIN;
	topic->reconnected_ms = INT64_MIN / 2;
	topic->down_since_ms = INT64_MIN;
	breaker_init(&topic->breaker);
	guard_init(&topic->guard);
	return RC_OK;
}

void topic_free(struct topic **topic)
{
	if (*topic == NULL)
		return;
	certificate_fini(&(*topic)->cert);
	free(*topic);
	*topic = NULL;
}

static bool is_over(const struct topic *topic)
{
	return topic->cert.not_after <= clock_unix_s(topic->shared->clock);
}

static bool is_full(const struct topic *topic)
{
	return topic->waiting.count >= TOPIC_WAITING_MAX || topic->held.count >= TOPIC_HELD_MAX;
}

static enum topics_verdict look(const struct topic *topic, bool is_test)
{
	if (topic->shared->is_stopped)
		return TOPICS_STOPPED;
	if (!topic->has_cert || is_over(topic))
		return TOPICS_NO_CERTIFICATE;
	if (!is_test && topic->breaker.state == BREAKER_STOPPED)
		return TOPICS_STOPPED;
	if (!is_test && !breaker_may_pass(&topic->breaker))
		return TOPICS_WAITING;
	return is_full(topic) ? TOPICS_FULL : TOPICS_TAKEN;
}

enum topics_verdict topic_look(struct topic *topic, bool is_test)
{
	enum topics_verdict verdict = look(topic, is_test);

	if (verdict != TOPICS_TAKEN)
		topic->is_room_wanted = true;
	return verdict;
}

/* Tells those that were turned away, once there is room enough for it to be worth while. */
static void tell_room(struct topic *topic)
{
	if (!topic->is_room_wanted || topic->waiting.count > TOPIC_WAITING_MAX / 2 ||
		look(topic, false) != TOPICS_TAKEN)
		return;
	topic->is_room_wanted = false;
	topic->shared->is_room_due = true;
	topic_call_soon(topic);
}

static void set_aside(struct carrier *carrier, const char *detail)
{
	carrier->detail = detail;
	queue_push(&carrier->topic->broken, carrier);
	topic_call_soon(carrier->topic);
}

/* False: it could not be sent now, and is in no queue. */
static bool try_send(struct carrier *carrier, struct link *link)
{
	enum rc rc = link_send(link, carrier);

	if (rc == RC_INVALID || rc == RC_LIMIT)
		set_aside(carrier, rc == RC_LIMIT ? too_large : unsendable);
	return rc == RC_OK || rc == RC_INVALID || rc == RC_LIMIT;
}

enum topics_verdict topic_send(struct topic *topic, struct parcel *parcel)
{
	enum topics_verdict verdict = topic_look(topic, parcel->is_test);
	struct carrier *carrier;
	struct link *link = NULL;

	if (verdict != TOPICS_TAKEN)
		return verdict;
	carrier = carrier_get(&topic->shared->pool, topic, parcel);
	if (carrier == NULL) {
		topic->is_room_wanted = true;
		return TOPICS_FULL;
	}
	if (!parcel->is_test)
		carrier->is_trial = breaker_pass(&topic->breaker);
	if (topic->waiting.count == 0)
		link = link_with_room(topic);
	if (link == NULL || !try_send(carrier, link)) {
		queue_push(&topic->waiting, carrier);
		link_want(topic);
	}
	return TOPICS_TAKEN;
}

void topic_pump(struct topic *topic)
{
	struct link *link;

	if (topic->waiting.count > 0 && (!topic->has_cert || is_over(topic))) {
		topic_call_soon(topic);
		return;
	}
	while (topic->waiting.count > 0 && (link = link_with_room(topic)) != NULL) {
		struct carrier *carrier = queue_pop(&topic->waiting);

		if (try_send(carrier, link))
			continue;
		queue_push_front(&topic->waiting, carrier);
		break; /* short of memory: at the next tick */
	}
	link_want(topic);
	tell_room(topic);
}

void topic_finish(struct carrier *carrier, const struct parcel_answer *answer)
{
	struct topic *topic = carrier->topic;
	struct parcel *parcel = carrier->parcel;

	if (carrier->is_trial)
		breaker_trial_end(&topic->breaker);
	parcel->carrier = NULL;
	carrier_put(&topic->shared->pool, carrier);
	parcel->done(parcel, answer);
}

void topic_finish_all(struct queue all, const struct parcel_answer *answer)
{
	struct carrier *carrier;

	while ((carrier = queue_pop(&all)) != NULL)
		topic_finish(carrier, answer);
}

static void hand_back(struct topic *topic, enum push_action action, enum push_answer answer,
	const char *detail)
{
	const struct parcel_answer all = {
		.action = action,
		.answer = answer,
		.reason = "",
		.apns_id = "",
		.detail = detail,
	};

	topic_finish_all(queue_take(&topic->waiting), &all);
	topic_finish_all(queue_take(&topic->held), &all);
}

bool topic_resend(struct carrier *carrier)
{
	struct topic *topic = carrier->topic;
	bool is_let = carrier->parcel->is_test || topic->breaker.state == BREAKER_CLOSED ||
		(topic->breaker.state == BREAKER_TRIAL && carrier->is_trial);

	if (topic->answers != carrier->answers_before)
		carrier->vain_resends = 0;
	if (!is_let || carrier->resends >= TOPIC_RESENDS_MAX ||
		carrier->vain_resends >= TOPIC_VAIN_RESENDS_MAX || topic->shared->is_stopped ||
		!topic->has_cert || is_over(topic))
		return false;
	carrier->resends++;
	carrier->vain_resends++;
	queue_insert(&topic->waiting, carrier);
	return true;
}

static void set_why(struct topic *topic, const char *why)
{
	(void)snprintf(topic->why, sizeof(topic->why), "%s", why);
}

void topic_halt(struct topic *topic, const char *why)
{
	if (topic->breaker.state == BREAKER_STOPPED)
		return;
	breaker_stop(&topic->breaker);
	set_why(topic, why);
	log_error("push_topic_stopped", LOG_STR("topic", topic->name), LOG_STR("reason", why));
	topic_alarm(topic, "push_topic_stopped", why, false);
	link_retire_all(topic);
	hand_back(topic, PUSH_TOPIC_STOP, PUSH_ANSWER_STOPPED, topic->why);
}

void topic_clear_alarms(struct topic *topic)
{
	topic_alarm(topic, "push_topic_stopped", "", true);
	topic_alarm(topic, "push_topic_unreachable", "", true);
	topic_alarm(topic, "push_tokens_bad", "", true);
}

/* As new: nothing is held against it. */
static void go_on(struct topic *topic)
{
	breaker_init(&topic->breaker);
	guard_init(&topic->guard);
	topic->down_since_ms = INT64_MIN;
	topic->is_down_told = false;
	topic->why[0] = '\0';
	topic->open_rc = RC_OK;
	topic->more_links_at_ms = INT64_MIN;
}

void topic_resume(struct topic *topic)
{
	const bool was_told = topic->breaker.state == BREAKER_STOPPED || topic->is_down_told;

	go_on(topic);
	log_info("push_topic_resumed", LOG_STR("topic", topic->name));
	if (was_told)
		topic_clear_alarms(topic);
	tell_room(topic);
}

/* Hands back what waits; the scheduler comes again when the breaker lets it. */
static void pause_it(struct topic *topic)
{
	int64_t pause_ms = topic->breaker.until_ms - shared_now_ms(topic->shared);
	bool is_open = topic->breaker.state == BREAKER_OPEN && pause_ms > 0;
	const struct parcel_answer answer = {
		.action = PUSH_RETRY,
		.answer = PUSH_ANSWER_UNREACHABLE,
		.reason = "",
		.apns_id = "",
		.detail = topic->why,
		.retry_after_s = is_open ? (pause_ms + 999) / 1000 : 0,
	};

	topic_finish_all(queue_take(&topic->waiting), &answer);
}

/* A pause is nothing to rise for; that no push gets through for long is. */
static void tell_if_down(struct topic *topic, int64_t now_ms)
{
	if (topic->down_since_ms == INT64_MIN)
		topic->down_since_ms = now_ms;
	if (topic->is_down_told || now_ms - topic->down_since_ms < TOPIC_DOWN_MS)
		return;
	topic->is_down_told = true;
	topic_alarm(topic, "push_topic_unreachable", topic->why, false);
}

static bool open_breaker(struct topic *topic, bool is_proof, const char *why)
{
	int64_t now_ms = shared_now_ms(topic->shared);
	uint32_t random;

	rand_bytes(&random, sizeof(random));
	if (!breaker_bad(&topic->breaker, is_proof, now_ms, random))
		return false;
	set_why(topic, why);
	log_warning("push_topic_waiting", LOG_STR("topic", topic->name), LOG_STR("reason", why),
		LOG_INT("pause_ms", topic->breaker.until_ms - now_ms));
	tell_if_down(topic, now_ms);
	return true;
}

void topic_fault(struct topic *topic, bool is_proof, const char *why)
{
	if (open_breaker(topic, is_proof, why))
		pause_it(topic);
}

void topic_link_failed(struct topic *topic, const char *why)
{
	if (link_is_any(topic, LINK_OPEN)) {
		topic->more_links_at_ms = shared_now_ms(topic->shared) + TOPIC_MORE_LINKS_MS;
		return;
	}
	topic->window = 1;
	/* Tests wait in spite of a stop or a pause: they too are told. */
	if (!open_breaker(topic, true, why) && topic->breaker.state == BREAKER_STOPPED)
		log_warning("push_test_failed", LOG_STR("topic", topic->name), LOG_STR("reason", why));
	pause_it(topic);
}

static void warn_of_expiry(struct topic *topic, int64_t days)
{
	char text[TOPIC_WHY_BYTES];
	char at[TIME_TEXT_BYTES];

	time_format(topic->cert.not_after, at);
	log_warning("push_cert_expiring", LOG_STR("topic", topic->name), LOG_INT("days_left", days),
		LOG_STR("not_after", at));
	if (topic->expiry < EXPIRY_7_DAYS)
		return;
	(void)snprintf(text, sizeof(text),
		"The push certificate expires on %s, in %" PRId64
		" day(s): then no device can be woken. Renew it in Apple's portal under the same Apple Account.",
		at, days);
	topic_alarm(topic, "push_cert_expiring", text, false);
}

static void tell_of_end(struct topic *topic)
{
	log_error("push_cert_expired", LOG_STR("topic", topic->name));
	topic_alarm(topic, "push_cert_expiring", "", true);
	topic_alarm(topic, "push_cert_expired",
		"The push certificate has expired: no device of this topic can be woken. Renew it in Apple's "
		"portal under the same Apple Account.",
		false);
	link_retire_all(topic);
}

/* Says each step once. A clock that is set back makes an expired one good again. */
static void check_expiry(struct topic *topic)
{
	int64_t now_s = clock_unix_s(topic->shared->clock);
	enum cert_expiry before = topic->expiry;

	topic->expiry = expiry_of(topic->cert.not_after, now_s);
	if (before == EXPIRY_OVER && topic->expiry != EXPIRY_OVER) {
		topic_alarm(topic, "push_cert_expired", "", true);
		tell_room(topic);
	}
	if (topic->expiry > before && topic->expiry == EXPIRY_OVER)
		tell_of_end(topic);
	else if (topic->expiry > before)
		warn_of_expiry(topic, expiry_days(topic->cert.not_after, now_s));
	if (topic->expiry == EXPIRY_OVER)
		hand_back(topic, PUSH_TOPIC_STOP, PUSH_ANSWER_NO_CERTIFICATE, cert_over);
}

/* What was said of the former certificate, also by a process before this one. */
static void clear_cert_alarms(struct topic *topic, bool is_first)
{
	enum cert_expiry expiry = expiry_of(topic->cert.not_after, clock_unix_s(topic->shared->clock));

	if (expiry != EXPIRY_OVER)
		topic_alarm(topic, "push_cert_expired", "", true);
	if (expiry < EXPIRY_7_DAYS)
		topic_alarm(topic, "push_cert_expiring", "", true);
	if (is_first)
		return;
	topic_alarm(topic, "push_token_not_for_topic", "", true);
	topic_clear_alarms(topic);
}

void topic_set_cert(struct topic *topic, struct certificate *cert)
{
	bool is_first = topic->generation == 0;
	struct carrier *carrier;

	certificate_fini(&topic->cert);
	topic->cert = *cert;
	*cert = (struct certificate){.topic = ""};
	topic->has_cert = true;
	topic->generation++;
	topic->is_proven = false;
	topic->expiry = EXPIRY_FAR;
	topic->loaded_s = clock_unix_s(topic->shared->clock);
	topic->window = 0;
	link_retire_all(topic);
	go_on(topic);
	/* What was said with the former one is not held against a token. */
	while ((carrier = queue_pop(&topic->held)) != NULL)
		queue_insert(&topic->waiting, carrier);
	log_info("push_cert_loaded", LOG_STR("topic", topic->name));
	clear_cert_alarms(topic, is_first);
	check_expiry(topic);
	topic_pump(topic);
}

void topic_remove_cert(struct topic *topic)
{
	if (!topic->has_cert)
		return;
	topic->has_cert = false;
	topic->generation++;
	certificate_fini(&topic->cert);
	link_retire_all(topic);
	go_on(topic);
	log_info("push_cert_removed", LOG_STR("topic", topic->name));
	topic_clear_alarms(topic);
	topic_alarm(topic, "push_cert_expiring", "", true);
	topic_alarm(topic, "push_cert_expired", "", true);
	hand_back(topic, PUSH_TOPIC_STOP, PUSH_ANSWER_NO_CERTIFICATE, cert_gone);
}

static void finish_broken(struct topic *topic)
{
	struct queue broken = queue_take(&topic->broken);
	struct carrier *carrier;

	while ((carrier = queue_pop(&broken)) != NULL) {
		const struct parcel_answer answer = {
			.action = PUSH_DROP,
			.answer = PUSH_ANSWER_REFUSED,
			.reason = "",
			.apns_id = "",
			.detail = carrier->detail,
		};

		log_error("push_unsendable", LOG_STR("topic", topic->name),
			LOG_INT("enrollment", carrier->parcel->enrollment_id), LOG_STR("reason", carrier->detail));
		topic_finish(carrier, &answer);
	}
}

static void take_open_fault(struct topic *topic)
{
	enum rc rc = topic->open_rc;
	char why[TOPIC_WHY_BYTES];

	topic->open_rc = RC_OK;
	(void)snprintf(why, sizeof(why), "%s", topic->open_why);
	if (rc == RC_INVALID)
		topic_halt(topic, why);
	if (rc != RC_OK)
		topic_link_failed(topic, why);
}

void topic_soon(struct topic *topic)
{
	finish_broken(topic);
	take_open_fault(topic);
	if (topic->has_cert)
		check_expiry(topic);
}

void topic_tick(struct topic *topic)
{
	if (topic->opens_left < TOPIC_OPENS_MAX)
		topic->opens_left++;
	if (breaker_tick(&topic->breaker, shared_now_ms(topic->shared)))
		log_info("push_topic_trying", LOG_STR("topic", topic->name));
	topic_soon(topic);
	answer_release_held(topic);
	link_check_all(topic);
	topic_pump(topic);
}

void topic_stop(struct topic *topic)
{
	const struct parcel_answer answer = {
		.action = PUSH_RETRY,
		.answer = PUSH_ANSWER_WAITING,
		.reason = "",
		.apns_id = "",
		.detail = "",
	};

	hand_back(topic, PUSH_RETRY, PUSH_ANSWER_WAITING, "");
	topic_finish_all(queue_take(&topic->broken), &answer);
	link_drop_all(topic, &answer);
}

bool topic_is_idle(const struct topic *topic)
{
	return topic->links == NULL && topic->waiting.count == 0 && topic->held.count == 0 &&
		topic->broken.count == 0;
}

static enum push_topic_state state_of(const struct topic *topic)
{
	if (!topic->has_cert)
		return PUSH_TOPIC_NO_CERTIFICATE;
	if (is_over(topic))
		return PUSH_TOPIC_EXPIRED;
	if (topic->breaker.state == BREAKER_STOPPED)
		return PUSH_TOPIC_STOPPED;
	if (topic->breaker.state != BREAKER_CLOSED)
		return PUSH_TOPIC_WAITING;
	if (link_is_any(topic, LINK_OPEN))
		return PUSH_TOPIC_OPEN;
	return link_is_any(topic, LINK_CONNECTING) ? PUSH_TOPIC_CONNECTING : PUSH_TOPIC_IDLE;
}

void topic_stats(const struct topic *topic, struct push_topic_stats *stats_r)
{
	*stats_r = (struct push_topic_stats){
		.state = state_of(topic),
		.not_after = topic->cert.not_after,
		.connections = (uint32_t)topic->link_count,
		.in_flight = link_in_flight(topic),
		.sent = topic->sent,
		.refused = topic->refused,
		.lost = topic->lost,
	};
	memcpy(stats_r->topic, topic->name, topic->name_len + 1);
	if (stats_r->state == PUSH_TOPIC_WAITING || stats_r->state == PUSH_TOPIC_STOPPED)
		(void)snprintf(stats_r->why, sizeof(stats_r->why), "%s", topic->why);
}
