/* SPDX-License-Identifier: Apache-2.0 */
#include "talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/command/command.h"
#include "pomona/plist/plist.h"

enum { KEYS_BYTES = 4096, ARENA_BYTES = 1 << 22 };

#define HEAD \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>" \
	"<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\"" \
	" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\"><plist version=\"1.0\"><dict>"
#define TAIL "</dict></plist>"

void talk_open(struct talk *talk)
{
	memset(talk, 0, sizeof(*talk));
	world_open(&talk->world);
	outcome_init(&talk->outcome);
	talk->policy.unenroll.fuse_per_hour = 10;
	talk->policy.user_authenticate = USER_AUTHENTICATE_GONE;
	(void)snprintf(talk->policy.realm, sizeof(talk->policy.realm), "r");
}

void talk_close(struct talk *talk)
{
	outcome_fini(&talk->outcome);
	world_close(&talk->world);
}

int talk_setup(void **state)
{
	struct talk *talk = calloc(1, sizeof(*talk));

	if (talk == NULL)
		return -1;
	talk_open(talk);
	*state = talk;
	return 0;
}

int talk_teardown(void **state)
{
	talk_close(*state);
	free(*state);
	return 0;
}

static struct slice wrap(struct arena *arena, const char *keys)
{
	struct buf text;
	struct slice copy;

	buf_init(&text, 1 << 20);
	buf_append_str(&text, HEAD);
	buf_append_str(&text, keys);
	buf_append_str(&text, TAIL);
	copy = arena_copy(arena, buf_slice(&text));
	assert_non_null(copy.ptr);
	buf_fini(&text);
	return copy;
}

struct decision {
	struct talk *talk;
	const struct credential *credential;
	const struct checkin_message *checkin;
	const struct result *result;
};

static void fresh_outcome(struct talk *talk)
{
	outcome_fini(&talk->outcome);
	outcome_init(&talk->outcome);
}

static enum rc decide(void *ctx, struct txn *txn, struct err *err)
{
	const struct decision *decision = ctx;
	struct talk *talk = decision->talk;
	struct result_policy policy;

	fresh_outcome(talk);
	if (decision->checkin != NULL)
		return checkin_decide(txn, &talk->policy, decision->credential, decision->checkin, &talk->outcome,
			err);
	policy.unenroll = talk->policy.unenroll;
	policy.setup = talk->policy.setup;
	return result_decide(txn, &policy, decision->credential, decision->result, &talk->outcome, err);
}

static unsigned refuse_unread(struct talk *talk)
{
	assert_true(talk->rc == RC_INVALID || talk->rc == RC_UNSUPPORTED || talk->rc == RC_LIMIT);
	assert_true(talk->err.text[0] != '\0');
	fresh_outcome(talk);
	outcome_refuse(&talk->outcome,
		talk->rc == RC_UNSUPPORTED ? REFUSAL_NOT_OFFERED : REFUSAL_BAD_MESSAGE, talk->err.text);
	return talk->outcome.http_status;
}

/* What holds of every outcome, whatever it is. */
static unsigned check_outcome(const struct talk *talk)
{
	const struct outcome *outcome = &talk->outcome;

	assert_int_equal(outcome->http_status, refusal_http_status(outcome->refusal));
	assert_true((outcome->content_type == NULL) == (outcome->body.len == 0));
	if (outcome->refusal != REFUSAL_NONE) {
		assert_int_equal(outcome->body.len, 0);
		assert_int_equal(outcome->channel_id, 0);
		assert_int_equal(outcome->contact, OUTCOME_CONTACT_NONE);
	}
	assert_true(outcome->contact == OUTCOME_CONTACT_NONE || outcome->channel_id != 0);
	return outcome->http_status;
}

static bool may_ask(struct talk *talk, const struct credential *credential,
	const struct checkin_message *message)
{
	struct txn *txn;
	bool may_ask = true;

	assert_int_equal(store_read_begin(talk->world.store, &txn, &talk->err), RC_OK);
	assert_int_equal(checkin_user_may_ask(txn, credential, message, &may_ask, &talk->err), RC_OK);
	store_read_end(talk->world.store, &txn);
	return may_ask;
}

static void ask_directory(struct talk *talk, const struct credential *credential,
	struct checkin_message *message, struct arena *arena)
{
	struct checkin_question question;

	if (!checkin_user_question(&talk->policy, message, &question, arena))
		return;
	assert_true(slice_is_str(question.query.realm, talk->policy.realm));
	assert_true(slice_is_equal(question.query.name, message->login.user_name));
	if (!may_ask(talk, credential, message))
		return;
	talk->asked++;
	message->login.is_asked = true;
	message->login.verdict = talk->directory_verdict;
}

unsigned talk_checkin(struct talk *talk, const struct credential *credential, const char *keys)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct checkin_message message;
	struct decision decision = {talk, credential, &message, NULL};

	assert_non_null(arena);
	talk->rc = checkin_read(wrap(arena, keys), arena, &message, &talk->err);
	if (talk->rc != RC_OK)
		return refuse_unread(talk);
	message.claim.access_token = slice_of_str(talk->access_token);
	ask_directory(talk, credential, &message, arena);
	world_write(&talk->world, decide, &decision);
	return check_outcome(talk);
}

/* Gives the status of the snapshot's answer; 0: the writer is to decide. */
static unsigned try_idle(struct talk *talk, const struct decision *decision)
{
	struct txn *txn;
	bool is_answered = false;

	fresh_outcome(talk);
	assert_int_equal(store_read_begin(talk->world.store, &txn, &talk->err), RC_OK);
	talk->rc = result_try_idle(txn, decision->credential, decision->result, &talk->outcome,
		&is_answered, &talk->err);
	store_read_end(talk->world.store, &txn);
	assert_int_equal(talk->rc, RC_OK);
	return is_answered ? check_outcome(talk) : 0;
}

unsigned talk_command(struct talk *talk, const struct credential *credential, const char *keys)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct result result;
	struct decision decision = {talk, credential, NULL, &result};
	enum outcome_contact contact;
	unsigned snapshot;

	assert_non_null(arena);
	talk->was_snapshot_enough = false;
	talk->rc = result_read(wrap(arena, keys), arena, &result, &talk->err);
	if (talk->rc != RC_OK)
		return refuse_unread(talk);
	result.claim.access_token = slice_of_str(talk->access_token);
	snapshot = try_idle(talk, &decision);
	talk->was_snapshot_enough = snapshot != 0;
	contact = talk->outcome.contact;
	if (snapshot != 0)
		assert_int_equal(talk->outcome.body.len, 0);
	/* The long way must say the same, so it is always gone. */
	world_write(&talk->world, decide, &decision);
	if (snapshot != 0) {
		assert_int_equal(talk->outcome.http_status, snapshot);
		assert_int_equal(talk->outcome.contact, contact);
		assert_int_equal(talk->outcome.body.len, 0);
	}
	return check_outcome(talk);
}

static unsigned send_checkin(struct talk *talk, const struct credential *credential,
	const char *type_keys, const char *id)
{
	char keys[KEYS_BYTES];

	assert_true(snprintf(keys, sizeof(keys), "%s%s", type_keys, id) < KEYS_BYTES);
	return talk_checkin(talk, credential, keys);
}

unsigned talk_authenticate(struct talk *talk, const struct credential *credential, const char *id)
{
	return send_checkin(talk, credential,
		TALK_STR("MessageType", "Authenticate") TALK_STR("Topic", "com.apple.mgmt.test")
			TALK_STR("SerialNumber", "SERIAL1"),
		id);
}

unsigned talk_token_update(struct talk *talk, const struct credential *credential, const char *id)
{
	return send_checkin(talk, credential,
		TALK_STR("MessageType", "TokenUpdate") TALK_STR("Topic", "com.apple.mgmt.test")
			TALK_STR("PushMagic", "MAGIC") "<key>Token</key><data>AAEC</data>",
		id);
}

unsigned talk_check_out(struct talk *talk, const struct credential *credential, const char *id)
{
	return send_checkin(talk, credential,
		TALK_STR("MessageType", "CheckOut") TALK_STR("Topic", "com.apple.mgmt.test"), id);
}

unsigned talk_idle(struct talk *talk, const struct credential *credential, const char *id)
{
	char keys[KEYS_BYTES];

	snprintf(keys, sizeof(keys), TALK_STR("Status", "Idle") "%s", id);
	return talk_command(talk, credential, keys);
}

unsigned talk_answer(struct talk *talk, const struct credential *credential, const char *id,
	const char *uuid, const char *status)
{
	char keys[KEYS_BYTES];

	snprintf(keys, sizeof(keys), TALK_STR("Status", "%s") TALK_STR("CommandUUID", "%s") "%s", status,
		uuid, id);
	return talk_command(talk, credential, keys);
}

void talk_enroll(struct talk *talk, const struct credential *credential, const char *id)
{
	assert_int_equal(talk_authenticate(talk, credential, id), 200);
	assert_int_equal(talk_token_update(talk, credential, id), 200);
}

struct enqueue {
	const char *ext_id, *uuid, *request_type;
	int64_t not_after;
	struct arena *arena;
};

static enum rc make_row(const struct enqueue *enqueue, struct command_row *row_r, struct err *err)
{
	char text[KEYS_BYTES];

	snprintf(text, sizeof(text),
		HEAD TALK_STR("CommandUUID", "%s") "<key>Command</key><dict>" TALK_STR("RequestType",
			"%s") "</dict>" TAIL,
		enqueue->uuid, enqueue->request_type);
	return command_from_plist(slice_of_str(text), enqueue->arena, row_r, err);
}

static enum rc enqueue_one(void *ctx, struct txn *txn, struct err *err)
{
	const struct enqueue *enqueue = ctx;
	struct enrollment enrollment;
	struct command_row row;
	int64_t command_id;
	int64_t batch_id;
	bool was_queued;
	enum rc rc = make_row(enqueue, &row, err);

	if (rc == RC_OK)
		rc = enrollment_find(txn, slice_of_str(enqueue->ext_id), &enrollment, err);
	if (rc == RC_OK)
		rc = command_put(txn, &row, &command_id, err);
	if (rc == RC_OK)
		rc = batch_begin(txn, command_id, enqueue->not_after, &batch_id, err);
	if (rc == RC_OK)
		rc = batch_add(txn, batch_id, enrollment.id, &was_queued, err);
	return rc == RC_OK ? batch_publish(txn, batch_id, err) : rc;
}

void talk_enqueue(struct talk *talk, const char *ext_id, const char *uuid, const char *request_type,
	int64_t not_after)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct enqueue ctx = {ext_id, uuid, request_type, not_after, arena};

	assert_non_null(arena);
	world_write(&talk->world, enqueue_one, &ctx);
}

struct look {
	const char *ext_id, *uuid;
	enum queue_state state;
	bool is_late, is_cancelled;
};

/* From the list, as an administrator sees it. */
static enum rc look_up(void *ctx, struct txn *txn, struct err *err)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct look *look = ctx;
	struct enrollment enrollment;
	struct queue_view *views;
	struct queue_filter filter = {.limit = 1000};
	size_t count;
	enum rc rc = enrollment_find(txn, slice_of_str(look->ext_id), &enrollment, err);

	look->state = (enum queue_state)0;
	if (rc == RC_OK)
		rc = command_find(txn, slice_of_str(look->uuid), &filter.command_id, err);
	if (rc != RC_OK)
		return rc == RC_NOT_FOUND ? RC_OK : rc;
	rc = queue_list(txn, &filter, arena, &views, &count, err);
	for (size_t i = 0; rc == RC_OK && i < count; i++) {
		if (views[i].enrollment_id != enrollment.id)
			continue;
		look->state = views[i].state;
		look->is_late = views[i].is_late;
	}
	return rc;
}

enum queue_state talk_queue_state(struct talk *talk, const char *ext_id, const char *uuid,
	bool *is_late_r)
{
	struct look ctx = {.ext_id = ext_id, .uuid = uuid};

	world_write(&talk->world, look_up, &ctx);
	if (is_late_r != NULL)
		*is_late_r = ctx.is_late;
	return ctx.state;
}

static enum rc cancel(void *ctx, struct txn *txn, struct err *err)
{
	const struct look *look = ctx;
	struct enrollment enrollment;
	int64_t command_id;
	bool was_open;
	enum rc rc = enrollment_find(txn, slice_of_str(look->ext_id), &enrollment, err);

	if (rc == RC_OK)
		rc = command_find(txn, slice_of_str(look->uuid), &command_id, err);
	return rc == RC_OK ? queue_cancel(txn, enrollment.id, command_id, &was_open, err) : rc;
}

void talk_cancel(struct talk *talk, const char *ext_id, const char *uuid)
{
	struct look ctx = {.ext_id = ext_id, .uuid = uuid};

	world_write(&talk->world, cancel, &ctx);
}

const char *talk_given(struct talk *talk)
{
	static char uuid[COMMAND_UUID_BYTES_MAX + 1];
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	struct slice text;

	uuid[0] = '\0';
	if (talk->outcome.body.len == 0)
		return uuid;
	assert_string_equal(talk->outcome.content_type, "application/xml; charset=UTF-8");
	if (plist_parse(buf_slice(&talk->outcome.body), &doc, &talk->err) != RC_OK)
		fail_msg("%s", talk->err.text);
	assert_non_null(plist_dict_get(plist_dict_get(plist_root(doc), "Command"), "RequestType"));
	text = plist_string(plist_dict_get(plist_root(doc), "CommandUUID"));
	snprintf(uuid, sizeof(uuid), "%.*s", SLICE_FMT(text));
	return uuid;
}
