/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "pomona/base/log.h"
#include "reason.h"

static void on_open(void *ctx)
{
	struct link *link = ctx;

	link->was_open = true;
	if (link->state == LINK_CONNECTING)
		link->state = LINK_OPEN;
	log_info("push_connected", LOG_STR("topic", link->topic->name));
	topic_pump(link->topic);
}

static void on_room(void *ctx)
{
	struct link *link = ctx;

	topic_pump(link->topic);
}

static void on_goaway(void *ctx, uint32_t error_code, struct slice debug)
{
	struct link *link = ctx;
	struct topic *topic = link->topic;
	char name[PUSH_REASON_BYTES_MAX + 1];
	int64_t timestamp_ms;
	const struct reason *reason;

	link->state = LINK_GOING;
	apns_read_reason(debug, name, &timestamp_ms);
	log_info("push_goaway", LOG_STR("topic", topic->name), LOG_INT("code", error_code),
		LOG_STR("reason", name));
	reason = reason_find_name(slice_of_str(name));
	if (reason != NULL && reason->effect == REASON_STOP && link->generation == topic->generation) {
		char why[TOPIC_WHY_BYTES];

		(void)snprintf(why, sizeof(why), "%s (GOAWAY). %s", reason->name, reason->advice);
		topic_halt(topic, why);
	}
	topic_pump(topic);
}

static void unlink_it(struct link *link)
{
	struct link **at = &link->topic->links;

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	link->topic->link_count--;
}

/* One that was of no use: the next one would not be either. A former certificate's ends unseen. */
static bool is_failure(const struct link *link)
{
	bool was_unused = link->was_open && link->sent == 0;

	return link->answered == 0 && !was_unused && !link->is_ours &&
		link->generation == link->topic->generation;
}

static void on_end(void *ctx, enum h2_end end, const char *text)
{
	struct link *link = ctx;
	struct topic *topic = link->topic;
	bool is_failed = is_failure(link) && end != H2_END_RETIRED;
	char why[TOPIC_WHY_BYTES];

	(void)snprintf(why, sizeof(why), "connection to APNs: %s: %s", h2_end_name(end), text);
	log_write(is_failed ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "push_disconnected",
		(const struct log_field[]){LOG_STR("topic", topic->name), LOG_STR("end", h2_end_name(end)),
			LOG_STR("reason", text), LOG_INT("answered", link->answered), {.key = NULL}});
	if (link->lost > 0)
		topic->window = (link->lost + 1) / 2;
	unlink_it(link);
	h2_free(&link->h2);
	free(link);
	if (is_failed)
		topic_link_failed(topic, why);
	topic_pump(topic);
}

static const struct h2_events events = {
	.on_open = on_open,
	.on_room = on_room,
	.on_goaway = on_goaway,
	.on_end = on_end,
};

static enum rc begin(struct topic *topic, struct link *link, struct err *err)
{
	const struct shared *shared = topic->shared;
	struct h2_params params = {
		.host = shared->host,
		.port = shared->port,
		.proxy = shared->proxy,
		.ca_pem = buf_slice(&shared->ca_pem),
		.cert_pem = buf_slice(&topic->cert.cert_pem),
		.key_pem = buf_slice(&topic->cert.key_pem),
		.connect_timeout_ms = TOPIC_CONNECT_MAX_MS,
		.ping_interval_ms = shared->ping_interval_ms,
		.events = &events,
		.ctx = link,
	};

	_Static_assert((int)APNS_KEPT_COUNT <= (int)H2_KEPT_MAX, "as many as are kept");
	for (size_t i = 0; i < APNS_KEPT_COUNT; i++)
		params.kept[i] = apns_kept_names[i];
	return h2_open(shared->loop, &params, &link->h2, err);
}

/* The oldest stays in front, and so in use. */
static void append(struct topic *topic, struct link *link)
{
	struct link **at = &topic->links;

	while (*at != NULL)
		at = &(*at)->next;
	*at = link;
	topic->link_count++;
}

static enum rc open_link(struct topic *topic, struct err *err)
{
	struct link *link = calloc(1, sizeof(*link));
	enum rc rc;

	if (link == NULL)
		return err_set(err, RC_NO_MEMORY, "connection to APNs");
	link->topic = topic;
	link->generation = topic->generation;
	rc = begin(topic, link, err);
	if (rc != RC_OK) {
		free(link);
		return rc;
	}
	append(topic, link);
	return RC_OK;
}

bool link_is_any(const struct topic *topic, enum link_state state)
{
	for (const struct link *link = topic->links; link != NULL; link = link->next)
		if (link->state == state)
			return true;
	return false;
}

static int count_staying(const struct topic *topic)
{
	int count = 0;

	for (const struct link *link = topic->links; link != NULL; link = link->next)
		count += link->state != LINK_GOING;
	return count;
}

/* One of them failed while another one works: that must do for a while. */
static bool is_enough(const struct topic *topic)
{
	return shared_now_ms(topic->shared) < topic->more_links_at_ms && link_is_any(topic, LINK_OPEN);
}

static bool may_open(const struct topic *topic)
{
	return topic->open_rc == RC_OK && topic->has_cert && !topic->shared->is_stopped &&
		!link_is_any(topic, LINK_CONNECTING) && count_staying(topic) < topic->shared->connections_max &&
		topic->link_count < TOPIC_LINKS_MAX && topic->opens_left > 0 && !is_enough(topic) &&
		(topic->window == 0 || count_staying(topic) == 0);
}

void link_want(struct topic *topic)
{
	struct err err = {.rc = RC_OK};

	if (topic->waiting.count == 0 || !may_open(topic))
		return;
	topic->opens_left--;
	topic->open_rc = open_link(topic, &err);
	if (topic->open_rc == RC_OK)
		return;
	(void)snprintf(topic->open_why, sizeof(topic->open_why), "connection to APNs: %.200s", err.text);
	topic_call_soon(topic);
}

/* What is in flight on connections that are going is not lost with the others. */
static bool is_window_full(const struct topic *topic)
{
	size_t count = 0;

	if (topic->window == 0)
		return false;
	for (const struct link *link = topic->links; link != NULL; link = link->next)
		if (link->state != LINK_GOING)
			count += link->flight.count;
	return count >= topic->window;
}

struct link *link_with_room(struct topic *topic)
{
	if (is_window_full(topic))
		return NULL;
	for (struct link *link = topic->links; link != NULL; link = link->next)
		if (link->state == LINK_OPEN && h2_room(link->h2) > 0)
			return link;
	return NULL;
}

static void lose(struct topic *topic, struct carrier *carrier, enum h2_fate fate)
{
	static const char refused[] = "APNs did not process the push";
	static const char lost[] = "the connection to APNs ended before an answer";
	const struct parcel_answer answer = {
		.action = PUSH_RETRY,
		.answer = PUSH_ANSWER_UNREACHABLE,
		.reason = "",
		.apns_id = "",
		.detail = fate == H2_REFUSED ? refused : lost,
	};

	topic->lost += fate == H2_LOST;
	if (!topic_resend(carrier))
		topic_finish(carrier, &answer);
}

static void on_done(struct h2_request *request, const struct h2_reply *reply)
{
	struct carrier *carrier = (struct carrier *)request;
	struct link *link = carrier->link;
	struct topic *topic = carrier->topic;

	queue_remove(&link->flight, carrier);
	carrier->link = NULL;
	if (reply->fate == H2_ANSWERED) {
		link->answered++;
		link->lost = 0;
		topic->answers++;
		if (topic->window > 0 && ++topic->window > TOPIC_WINDOW_MAX)
			topic->window = 0;
		answer_take(link, carrier, reply);
	} else {
		link->lost += reply->fate == H2_LOST;
		lose(topic, carrier, reply->fate);
	}
	topic_pump(topic);
}

enum rc link_send(struct link *link, struct carrier *carrier)
{
	struct topic *topic = link->topic;
	struct shared *shared = topic->shared;
	struct err err;
	enum rc rc = apns_write(&shared->frame, slice_of(topic->name, topic->name_len), carrier->parcel,
		clock_unix_s(shared->clock), shared->expiration_s, &err);

	if (rc != RC_OK)
		return rc;
	carrier->request = (struct h2_request){
		.fields = shared->frame.fields,
		.field_count = APNS_FIELD_COUNT,
		.body = shared->frame.body,
		.done = on_done,
	};
	rc = h2_request(link->h2, &carrier->request, &err);
	if (rc != RC_OK)
		return rc;
	carrier->link = link;
	carrier->since_ms = shared_now_ms(shared);
	carrier->answers_before = topic->answers;
	queue_push(&link->flight, carrier);
	link->sent++;
	return RC_OK;
}

void link_retire(struct link *link)
{
	if (link->is_ours)
		return;
	link->state = LINK_GOING;
	link->is_ours = true;
	h2_retire(link->h2);
}

void link_retire_all(struct topic *topic)
{
	for (struct link *link = topic->links; link != NULL; link = link->next)
		link_retire(link);
}

/* Gives back what was in flight. */
static struct queue drop(struct link *link)
{
	struct queue flight = queue_take(&link->flight);

	unlink_it(link);
	h2_free(&link->h2);
	free(link);
	return flight;
}

static struct link *find_silent(struct topic *topic)
{
	int64_t before_ms = shared_now_ms(topic->shared) - TOPIC_ANSWER_MAX_MS;

	for (struct link *link = topic->links; link != NULL; link = link->next)
		if (link->flight.head != NULL && link->flight.head->since_ms < before_ms)
			return link;
	return NULL;
}

void link_check_all(struct topic *topic)
{
	static const char why[] = "connection to APNs: a push was not answered in time";
	const struct parcel_answer answer = {
		.action = PUSH_RETRY,
		.answer = PUSH_ANSWER_UNREACHABLE,
		.reason = "",
		.apns_id = "",
		.detail = why,
	};
	struct link *link;

	while ((link = find_silent(topic)) != NULL) {
		bool is_current = link->generation == topic->generation;
		struct queue flight = drop(link);

		log_warning("push_unanswered", LOG_STR("topic", topic->name), LOG_INT("pushes", flight.count));
		topic->lost += flight.count;
		if (is_current)
			topic_link_failed(topic, why);
		topic_finish_all(flight, &answer);
	}
}

void link_drop_all(struct topic *topic, const struct parcel_answer *answer)
{
	struct link *next;

	for (struct link *link = topic->links; link != NULL; link = next) {
		next = link->next;
		topic_finish_all(drop(link), answer);
	}
}

uint32_t link_in_flight(const struct topic *topic)
{
	size_t count = 0;

	for (const struct link *link = topic->links; link != NULL; link = link->next)
		count += link->flight.count;
	return (uint32_t)count;
}
