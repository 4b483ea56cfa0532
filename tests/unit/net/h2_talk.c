/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "h2_talk.h"

enum { GUARD_MS = 30000 };

struct certs talk_certs;

int talk_group_setup(void **state)
{
	(void)state;
	certs_make(&talk_certs);
	return 0;
}

/* --- what the client is told */

void talk_look(struct talk *talk)
{
	if (talk->until != NULL && talk->until(talk))
		net_loop_stop(talk->loop);
}

static void on_any(void *ctx)
{
	talk_look(ctx);
}

static void on_open(void *ctx)
{
	struct talk *talk = ctx;

	talk->opens++;
	if (talk->on_open != NULL)
		talk->on_open(talk);
	talk_look(talk);
}

static void on_room(void *ctx)
{
	struct talk *talk = ctx;

	talk->rooms++;
	if (talk->on_room != NULL)
		talk->on_room(talk);
	talk_look(talk);
}

static void on_goaway(void *ctx, uint32_t error_code, struct slice debug)
{
	struct talk *talk = ctx;

	talk->goaways++;
	talk->goaway_code = error_code;
	talk->answers_at_goaway = talk->answers;
	(void)snprintf(talk->goaway_debug, sizeof(talk->goaway_debug), "%.*s", SLICE_FMT(debug));
	talk_look(talk);
}

static void on_end(void *ctx, enum h2_end end, const char *text)
{
	struct talk *talk = ctx;

	talk->ends++;
	talk->end = end;
	talk->answers_at_end = talk->answers;
	(void)snprintf(talk->end_text, sizeof(talk->end_text), "%s", text);
	if (talk->frees_at_end)
		h2_free(&talk->h2);
	talk_look(talk);
}

static const struct h2_events events = {on_open, on_room, on_goaway, on_end};

/* --- life */

int talk_setup(void **state)
{
	static struct talk talk;

	memset(&talk, 0, sizeof(talk));
	*state = &talk;
	talk.params = (struct h2_params){.host = "localhost",
		.ca_pem = slice_of_str(talk_certs.ca.text),
		.kept = {"apns-id", "apns-unique-id"},
		.events = &events,
		.ctx = &talk};
	return net_loop_new(&talk.loop, NULL) == RC_OK ? 0 : -1;
}

int talk_teardown(void **state)
{
	struct talk *talk = *state;

	h2_free(&talk->h2);
	peer_stop(&talk->peer);
	net_timer_free(&talk->guard);
	net_loop_free(&talk->loop);
	return 0;
}

void talk_listen(struct talk *talk, struct peer_conf conf)
{
	if (conf.identity == NULL)
		conf.identity = &talk_certs.server;
	conf.on_any = on_any;
	conf.ctx = talk;
	peer_start(&talk->peer, talk->loop, &conf);
	talk->params.port = talk->peer.port;
}

void talk_open(struct talk *talk)
{
	struct err err = {.text = ""};

	if (h2_open(talk->loop, &talk->params, &talk->h2, &err) != RC_OK)
		fail_msg("h2_open: %s", err.text);
}

void talk_start(struct talk *talk, struct peer_conf conf)
{
	talk_listen(talk, conf);
	talk_open(talk);
	talk_wait(talk, talk_is_open);
	assert_int_equal(talk->opens, 1);
}

static void on_guard(void *ctx)
{
	struct talk *talk = ctx;

	net_timer_free(&talk->guard);
	net_loop_stop(talk->loop);
}

void talk_wait(struct talk *talk, bool (*until)(const struct talk *talk))
{
	if (until(talk))
		return;
	talk->until = until;
	assert_int_equal(net_timer_new(talk->loop, on_guard, talk, &talk->guard), RC_OK);
	net_timer_set(talk->guard, GUARD_MS);
	while (!until(talk) && talk->guard != NULL)
		net_loop_run(talk->loop);
	talk->until = NULL;
	if (!until(talk))
		fail_msg("what was waited for did not come; ends %u: %s %s", talk->ends, h2_end_name(talk->end),
			talk->end_text);
	net_timer_free(&talk->guard);
}

bool talk_is_open(const struct talk *talk)
{
	return talk->opens > 0 || talk->ends > 0;
}

bool talk_is_over(const struct talk *talk)
{
	return talk->ends > 0;
}

/* --- requests */

static void on_done(struct h2_request *request, const struct h2_reply *reply)
{
	struct ask *ask = (struct ask *)request; /* its first member */
	struct talk *talk = ask->talk;

	ask->done++;
	ask->fate = reply->fate;
	ask->status = reply->status;
	ask->error_code = reply->error_code;
	for (size_t i = 0; i < H2_KEPT_MAX; i++)
		(void)snprintf(ask->kept[i], sizeof(ask->kept[i]), "%.*s", SLICE_FMT(reply->kept[i]));
	assert_in_range(reply->body.len, 0, sizeof(ask->body));
	if (reply->body.len > 0)
		memcpy(ask->body, reply->body.ptr, reply->body.len);
	ask->body_len = reply->body.len;
	talk->answers++;
	if (talk->frees_at_answer)
		h2_free(&talk->h2);
	if (talk->on_answer != NULL)
		talk->on_answer(talk);
	talk_look(talk);
}

void ask_init(struct ask *ask, struct talk *talk, const char *path, struct slice body)
{
	memset(ask, 0, sizeof(*ask));
	ask->talk = talk;
	ask->fields[0] = (struct h2_field){SLICE_LITERAL(":method"), SLICE_LITERAL("POST"), false};
	ask->fields[1] = (struct h2_field){SLICE_LITERAL(":scheme"), SLICE_LITERAL("https"), false};
	ask->fields[2] = (struct h2_field){SLICE_LITERAL(":authority"), SLICE_LITERAL("localhost"), false};
	ask->fields[3] = (struct h2_field){SLICE_LITERAL(":path"), slice_of_str(path), true};
	ask->fields[4] = (struct h2_field){SLICE_LITERAL("apns-push-type"), SLICE_LITERAL("mdm"), false};
	ask->request =
		(struct h2_request){.fields = ask->fields, .field_count = 5, .body = body, .done = on_done};
}

void talk_ask(struct talk *talk, struct ask *ask, const char *path, const char *body)
{
	struct err err = {.text = ""};

	ask_init(ask, talk, path, slice_of_str(body));
	if (h2_request(talk->h2, &ask->request, &err) != RC_OK)
		fail_msg("h2_request: %s", err.text);
}

static unsigned answers_wanted;

static bool has_answers(const struct talk *talk)
{
	return talk->answers >= answers_wanted;
}

void talk_wait_answers(struct talk *talk, unsigned count)
{
	answers_wanted = count;
	talk_wait(talk, has_answers);
	assert_int_equal(talk->answers, count);
}
