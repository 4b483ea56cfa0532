/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLIGHT_MAX = 64, TIMERS_MAX = 8 };

struct h2 {
	const struct h2_events *events;
	void *ctx;
	char cert[FAKE_TEXT_BYTES];
	bool is_open, is_going, is_retired, is_ended, is_freed;
	bool was_full; /* h2_room() was 0 when it was asked */
	struct fake_request flight[FLIGHT_MAX];
	size_t count;
};

struct net_timer {
	void (*fn)(void *ctx);
	void *ctx;
	bool is_set;
};

struct fake_net fake_net;

static struct h2 *links[FAKE_LINKS_MAX];
static size_t link_count;
static struct net_timer *timers[TIMERS_MAX];

void fake_net_reset(void)
{
	for (size_t i = 0; i < link_count; i++)
		free(links[i]);
	link_count = 0;
	fake_net = (struct fake_net){.streams_max = FLIGHT_MAX};
}

/* --- what the code under test sees */

enum rc net_timer_new(struct net_loop *loop, void (*fn)(void *ctx), void *ctx,
	struct net_timer **timer_r)
{
	(void)loop;
	for (size_t i = 0; i < TIMERS_MAX; i++) {
		if (timers[i] != NULL)
			continue;
		timers[i] = calloc(1, sizeof(*timers[i]));
		assert_non_null(timers[i]);
		*timers[i] = (struct net_timer){.fn = fn, .ctx = ctx};
		*timer_r = timers[i];
		return RC_OK;
	}
	return RC_NO_MEMORY;
}

void net_timer_set(struct net_timer *timer, int64_t delay_ms)
{
	assert_int_equal(delay_ms, 0); /* only "soon" is asked for */
	timer->is_set = true;
}

void net_timer_free(struct net_timer **timer)
{
	for (size_t i = 0; i < TIMERS_MAX; i++)
		if (timers[i] == *timer)
			timers[i] = NULL;
	free(*timer);
	*timer = NULL;
}

const char *h2_end_name(enum h2_end end)
{
	static const char *const names[] = {"connect", "tls", "goaway", "closed", "dead", "protocol",
		"memory", "retired"};

	return names[end];
}

enum rc h2_open(struct net_loop *loop, const struct h2_params *params, struct h2 **h2_r,
	struct err *err)
{
	struct h2 *h2;

	(void)loop;
	*h2_r = NULL;
	if (fake_net.open_rc != RC_OK)
		return err_set(err, fake_net.open_rc, "cannot be opened");
	assert_true(link_count < FAKE_LINKS_MAX);
	assert_string_equal(params->kept[APNS_KEPT_ID], "apns-id");
	assert_string_equal(params->kept[APNS_KEPT_RETRY_AFTER], "retry-after");
	h2 = calloc(1, sizeof(*h2));
	assert_non_null(h2);
	h2->events = params->events;
	h2->ctx = params->ctx;
	(void)snprintf(h2->cert, sizeof(h2->cert), "%.*s", SLICE_FMT(params->cert_pem));
	links[link_count++] = h2;
	fake_net.opened++;
	*h2_r = h2;
	return RC_OK;
}

static uint32_t room(const struct h2 *h2)
{
	if (!h2->is_open || h2->is_going || h2->is_retired || h2->is_ended ||
		h2->count >= fake_net.streams_max)
		return 0;
	return fake_net.streams_max - (uint32_t)h2->count;
}

uint32_t h2_room(const struct h2 *h2)
{
	assert_false(h2->is_freed);
	if (room(h2) == 0)
		for (size_t i = 0; i < link_count; i++)
			if (links[i] == h2)
				links[i]->was_full = true;
	return room(h2);
}

uint32_t h2_in_flight(const struct h2 *h2)
{
	return (uint32_t)h2->count;
}

void h2_retire(struct h2 *h2)
{
	assert_false(h2->is_freed);
	h2->is_retired = true;
}

void h2_free(struct h2 **h2)
{
	assert_false((*h2)->is_freed);
	(*h2)->is_freed = true;
	*h2 = NULL;
}

static void copy_field(const struct h2_field *field, struct fake_request *to)
{
	const struct {
		const char *name;
		char *text;
	} fields[] = {
		{":path", to->path},
		{"apns-topic", to->topic},
		{"apns-expiration", to->expiration},
		{"apns-priority", to->priority},
	};

	for (size_t i = 0; i < COUNT_OF(fields); i++)
		if (slice_is_str(field->name, fields[i].name))
			(void)snprintf(fields[i].text, FAKE_TEXT_BYTES, "%.*s", SLICE_FMT(field->value));
}

enum rc h2_request(struct h2 *h2, struct h2_request *request, struct err *err)
{
	struct fake_request *to;

	assert_false(h2->is_freed);
	if (fake_net.request_rc != RC_OK)
		return err_set(err, fake_net.request_rc, "cannot be sent");
	assert_true(room(h2) > 0);
	if (fake_net.cert_wanted != NULL)
		assert_string_equal(h2->cert, fake_net.cert_wanted);
	to = &h2->flight[h2->count++];
	*to = (struct fake_request){.request = request};
	for (size_t i = 0; i < request->field_count; i++)
		copy_field(&request->fields[i], to);
	(void)snprintf(to->body, sizeof(to->body), "%.*s", SLICE_FMT(request->body));
	if (fake_net.on_request != NULL)
		fake_net.on_request(to, h2->cert);
	fake_net.requests++;
	return RC_OK;
}

/* --- what the test does */

struct h2 *fake_link(size_t index)
{
	for (size_t i = 0; i < link_count; i++)
		if (!links[i]->is_freed && index-- == 0)
			return links[i];
	return NULL;
}

size_t fake_link_count(void)
{
	size_t count = 0;

	while (fake_link(count) != NULL)
		count++;
	return count;
}

bool fake_link_is_open(const struct h2 *h2)
{
	return h2->is_open;
}

bool fake_link_is_staying(const struct h2 *h2)
{
	return !h2->is_going && !h2->is_retired && !h2->is_ended;
}

const char *fake_link_cert(const struct h2 *h2)
{
	return h2->cert;
}

size_t fake_flight(const struct h2 *h2)
{
	return h2->count;
}

const struct fake_request *fake_request(const struct h2 *h2, size_t index)
{
	assert_true(index < h2->count);
	return &h2->flight[index];
}

void fake_open(struct h2 *h2)
{
	h2->is_open = true;
	if (!h2->is_freed && !h2->is_retired)
		h2->events->on_open(h2->ctx);
}

void fake_reply(struct h2 *h2, size_t index, const struct h2_reply *reply)
{
	struct h2_request *request;

	assert_true(index < h2->count);
	request = h2->flight[index].request;
	h2->count--;
	memmove(&h2->flight[index], &h2->flight[index + 1], (h2->count - index) * sizeof(h2->flight[0]));
	request->done(request, reply);
}

void fake_answer(struct h2 *h2, unsigned status, const char *body)
{
	const struct h2_reply reply = {
		.fate = H2_ANSWERED,
		.status = status,
		.kept = {[APNS_KEPT_ID] = SLICE_LITERAL("eabeae54-14a8-11e5-b60b-1697f925ec7b")},
		.body = slice_of_str(body),
	};

	fake_reply(h2, 0, &reply);
}

void fake_goaway(struct h2 *h2, const char *debug, size_t keep)
{
	const struct h2_reply refused = {.fate = H2_REFUSED};

	h2->is_going = true;
	while (h2->count > keep && !h2->is_freed)
		fake_reply(h2, keep, &refused);
	if (!h2->is_freed)
		h2->events->on_goaway(h2->ctx, 0, slice_of_str(debug));
}

void fake_end(struct h2 *h2, enum h2_end end, const char *text)
{
	const struct h2_reply lost = {.fate = H2_LOST};

	h2->is_ended = true;
	while (h2->count > 0 && !h2->is_freed)
		fake_reply(h2, 0, &lost);
	if (!h2->is_freed)
		h2->events->on_end(h2->ctx, end, text);
}

static void turn_link(struct h2 *h2)
{
	if (h2->is_freed || h2->is_ended)
		return;
	if (h2->count == 0 && (h2->is_retired || h2->is_going)) {
		fake_end(h2, h2->is_retired ? H2_END_RETIRED : H2_END_GOAWAY, "");
		return;
	}
	if (h2->was_full && room(h2) > 0) {
		h2->was_full = false;
		h2->events->on_room(h2->ctx);
	}
}

static void sweep(void)
{
	size_t kept = 0;

	for (size_t i = 0; i < link_count; i++) {
		if (links[i]->is_freed)
			free(links[i]);
		else
			links[kept++] = links[i];
	}
	link_count = kept;
}

void fake_turn(void)
{
	sweep();
	for (size_t i = 0; i < link_count; i++)
		turn_link(links[i]);
	for (size_t i = 0; i < TIMERS_MAX; i++) {
		if (timers[i] == NULL || !timers[i]->is_set)
			continue;
		timers[i]->is_set = false;
		timers[i]->fn(timers[i]->ctx);
	}
}
