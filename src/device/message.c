/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/identity/account.h"
#include "pomona/store/identity.h"

static enum rc read_checkin(struct message *message, struct err *err)
{
	return checkin_read(http_request_body(message->request), http_request_arena(message->request),
		&message->checkin, err);
}

static enum rc decide_checkin(struct message *message, struct txn *txn, struct err *err)
{
	return checkin_decide(txn, &message->settings.policy, &message->shown.held->credential,
		&message->checkin, &message->outcome, err);
}

static enum rc read_result(struct message *message, struct err *err)
{
	return result_read(http_request_body(message->request), http_request_arena(message->request),
		&message->result, err);
}

static enum rc decide_result(struct message *message, struct txn *txn, struct err *err)
{
	const struct result_policy policy = {.unenroll = message->settings.policy.unenroll,
		.setup = message->settings.policy.setup};

	return result_decide(txn, &policy, &message->shown.held->credential, &message->result,
		&message->outcome, err);
}

static const struct message_kind_row {
	const char *media_type;
	enum rc (*read)(struct message *message, struct err *err);
	enum rc (*decide)(struct message *message, struct txn *txn, struct err *err);
} kinds[MESSAGE_KIND_COUNT] = {
	[MESSAGE_CHECKIN] = {"application/x-apple-aspen-mdm-checkin", read_checkin, decide_checkin},
	[MESSAGE_COMMAND] = {"application/x-apple-aspen-mdm", read_result, decide_result},
};

/* By the media type in front of the parameters. MESSAGE_KIND_COUNT: no message of ours. */
static enum message_kind kind_of(const struct http_request *request)
{
	struct slice type = slice_of_str(http_request_header(request, "Content-Type"));
	const struct http_route *route = http_request_route(request);
	bool is_checkin_only = (route->flags & MESSAGE_ROUTE_CHECKIN_ONLY) != 0;
	size_t end;

	if (slice_find_byte(type, ';', &end))
		type = slice_sub(type, 0, end);
	type = slice_trim(type);
	if (slice_is_str_nocase(type, kinds[MESSAGE_CHECKIN].media_type))
		return MESSAGE_CHECKIN;
	if (slice_is_str_nocase(type, kinds[MESSAGE_COMMAND].media_type) && !is_checkin_only)
		return MESSAGE_COMMAND;
	return MESSAGE_KIND_COUNT;
}

static bool is_declared_over(const struct http_request *request, size_t limit)
{
	const char *length = http_request_header(request, "Content-Length");
	int64_t bytes;

	return length != NULL && int64_parse(slice_of_str(length), 0, INT64_MAX, &bytes, NULL) == RC_OK &&
		(uint64_t)bytes > limit;
}

size_t message_body_max(const struct http_request *request, void *device)
{
	struct device_settings settings = device_settings(device);
	size_t limit =
		kind_of(request) == MESSAGE_COMMAND ? settings.result_bytes_max : settings.checkin_bytes_max;

	if (is_declared_over(request, limit))
		report_too_large(device, request);
	return stranger_body_max(request, limit);
}

const struct claim *message_claim(const struct message *message)
{
	if (!message->is_read)
		return NULL;
	return message->kind == MESSAGE_CHECKIN ? &message->checkin.claim : &message->result.claim;
}

const char *message_name(const struct message *message)
{
	if (!message->is_read)
		return "";
	if (message->kind == MESSAGE_CHECKIN)
		return checkin_type_name(message->checkin.type);
	return result_status_name(message->result.status);
}

/* False: the outcome says why not. */
static bool tell_kind(struct message *message)
{
	const struct http_route *route = http_request_route(message->request);
	bool is_checkin_only = (route->flags & MESSAGE_ROUTE_CHECKIN_ONLY) != 0;
	char text[REFUSAL_TEXT_BYTES];

	message->kind = kind_of(message->request);
	if (message->kind != MESSAGE_KIND_COUNT) {
		atomic_fetch_add(&message->device->messages_by_kind[message->kind], 1);
		return true;
	}
	(void)snprintf(text, sizeof(text), "header Content-Type: want %s%s%s",
		kinds[MESSAGE_CHECKIN].media_type, is_checkin_only ? "" : " or ",
		is_checkin_only ? "" : kinds[MESSAGE_COMMAND].media_type);
	outcome_refuse(&message->outcome, REFUSAL_BAD_MESSAGE, text);
	return false;
}

/* How a fault in the message itself is refused; every other one is ours. */
static const enum refusal read_refusals[RC_COUNT] = {
	[RC_INVALID] = REFUSAL_BAD_MESSAGE,
	[RC_UNSUPPORTED] = REFUSAL_NOT_OFFERED,
	[RC_LIMIT] = REFUSAL_BAD_MESSAGE, /* too deep, too many: the body as a whole had its size */
};

static void take_access_token(struct message *message)
{
	struct claim *claim =
		message->kind == MESSAGE_CHECKIN ? &message->checkin.claim : &message->result.claim;

	claim->access_token =
		account_token_of_header(http_request_header(message->request, "Authorization"));
}

/* RC_OK with is_read false: the outcome says why not. */
static enum rc read_message(struct message *message, struct err *err)
{
	enum rc rc = kinds[message->kind].read(message, err);

	message->is_read = rc == RC_OK;
	if (rc == RC_OK)
		take_access_token(message);
	if (rc == RC_OK || read_refusals[rc] == REFUSAL_NONE)
		return rc;
	outcome_refuse(&message->outcome, read_refusals[rc], err->text);
	return RC_OK;
}

/* A certificate that does not do is refused without the writer, whose queue is for devices. */
static enum rc try_refuse(struct message *message, struct txn *txn, bool *is_answered_r,
	struct err *err)
{
	struct sender sender;
	enum rc rc =
		sender_establish(txn, &message->shown.held->credential, message_claim(message), &sender, err);

	if (rc != RC_OK || sender.refusal == REFUSAL_NONE)
		return rc;
	outcome_refuse(&message->outcome, sender.refusal, message->shown.text);
	*is_answered_r = true;
	return RC_OK;
}

static enum rc try_idle(struct message *message, struct txn *txn, bool *is_answered_r,
	struct err *err)
{
	enum rc rc = result_try_idle(txn, &message->shown.held->credential, &message->result,
		&message->outcome, is_answered_r, err);

	if (rc == RC_OK && *is_answered_r && message->outcome.refusal == REFUSAL_NONE)
		atomic_fetch_add(&message->device->polls_idle, 1);
	return rc;
}

/* What a snapshot of the database can answer, with nothing written. */
static enum rc try_snapshot(struct message *message, bool *is_answered_r, struct err *err)
{
	bool is_good = message->shown.held->credential.verdict == CERT_GOOD;
	bool is_idle = message->kind == MESSAGE_COMMAND && message->result.status == RESULT_IDLE;
	struct txn *txn = NULL;
	enum rc rc;

	*is_answered_r = false;
	if (is_good && !is_idle)
		return RC_OK;
	rc = store_read_begin(message->device->store, &txn, err);
	if (rc != RC_OK)
		return rc;
	if (is_good)
		rc = try_idle(message, txn, is_answered_r, err);
	else
		rc = try_refuse(message, txn, is_answered_r, err);
	store_read_end(message->device->store, &txn);
	return rc;
}

/* With the new verdict on record, the next connection is spared a full one. */
static enum rc renew_pin(struct message *message, struct txn *txn, struct err *err)
{
	const struct credential *credential = &message->shown.held->credential;
	int64_t identity_id;

	if (!message->shown.held->is_pin_stale || message->outcome.refusal != REFUSAL_NONE)
		return RC_OK;
	return identity_record(txn, &credential->facts, credential->chained_under, &identity_id, err);
}

/* Starts from a clean outcome, whatever a look at the snapshot left, and leaves one behind when it fails. */
static enum rc run(struct store_job *job, struct txn *txn, struct err *err)
{
	struct message *message = (struct message *)job;
	enum rc rc;

	outcome_fini(&message->outcome);
	outcome_init(&message->outcome);
	rc = kinds[message->kind].decide(message, txn, err);
	if (rc == RC_OK)
		rc = renew_pin(message, txn, err);
	if (rc != RC_OK) {
		outcome_fini(&message->outcome);
		outcome_init(&message->outcome);
	}
	return rc;
}
_Static_assert(offsetof(struct message, job) == 0, "a job is its message");

static void done(struct store_job *job, enum rc rc, const struct err *err)
{
	struct message *message = (struct message *)job;
	struct http_request *request = message->request;

	if (rc == RC_OK) {
		if (message->outcome.refusal == REFUSAL_NONE)
			message->shown.held->is_pin_stale = false;
		message_finish(message);
	} else {
		message_fail(message, err);
	}
	http_resume(request);
}

/* From the submission on, the message and its request are the writer's. */
static void submit(struct message *message)
{
	struct http_request *request = message->request;
	struct err err = {0};

	message->job.run = run;
	message->job.done = done;
	if (store_submit(message->device->store, &message->job, &err) == RC_OK)
		return;
	message_fail(message, &err);
	http_resume(request);
}

static void user_was_asked(struct user_query *query)
{
	struct message *message = query->ctx;

	message->checkin.login.is_asked = true;
	message->checkin.login.verdict = query->verdict;
	submit(message);
}

/* From here on the message and its request are another's: the user directory's, if it must be asked, or the writer's. */
static void hand_on(struct message *message)
{
	struct device *device = message->device;

	http_defer(message->request);
	if (message->question == NULL) {
		submit(message);
		return;
	}
	(void)http_request_client(message->request, message->client);
	message->question->query.address = slice_of_str(message->client);
	message->question->query.done = user_was_asked;
	message->question->query.ctx = message;
	user_check_digest(device->users, &message->question->query);
}

static enum rc may_ask(struct message *message, bool *may_ask_r, struct err *err)
{
	struct store *store = message->device->store;
	struct txn *txn = NULL;
	enum rc rc = store_read_begin(store, &txn, err);

	if (rc != RC_OK)
		return rc;
	rc =
		checkin_user_may_ask(txn, &message->shown.held->credential, &message->checkin, may_ask_r, err);
	store_read_end(store, &txn);
	return rc;
}

/* The answer of a user's login is judged by the user directory, before the transaction. */
static enum rc prepare_question(struct message *message, struct err *err)
{
	struct arena *arena = http_request_arena(message->request);
	struct checkin_question *question;
	bool must_ask = false;
	enum rc rc;

	if (message->kind != MESSAGE_CHECKIN || message->checkin.type != CHECKIN_USER_AUTHENTICATE ||
		message->device->users == NULL)
		return RC_OK;
	question = arena_alloc(arena, sizeof(*question));
	if (question == NULL)
		return err_set(err, RC_NO_MEMORY, "login");
	if (!checkin_user_question(&message->settings.policy, &message->checkin, question, arena))
		return RC_OK;
	rc = may_ask(message, &must_ask, err);
	message->question = must_ask ? question : NULL;
	return rc;
}

/* RC_OK with *is_answered_r false: it is for the writer to decide. */
static enum rc answer_early(struct message *message, bool *is_answered_r, struct err *err)
{
	enum rc rc;

	*is_answered_r = true;
	if (!tell_kind(message))
		return RC_OK;
	rc = shown_read(message->device, message->request, true, &message->shown, err);
	if (rc != RC_OK)
		return rc;
	rc = read_message(message, err);
	if (rc != RC_OK || !message->is_read)
		return rc;
	if (message->shown.refusal != REFUSAL_NONE) {
		outcome_refuse(&message->outcome, message->shown.refusal, message->shown.text);
		return RC_OK;
	}
	/* It is what keeps the names, whose reading costs 100 us. The others compare digests and dates. */
	if (message->kind == MESSAGE_CHECKIN && message->checkin.type == CHECKIN_AUTHENTICATE)
		credential_read_names(message->shown.held, message->shown.leaf);
	rc = try_snapshot(message, is_answered_r, err);
	return rc == RC_OK && !*is_answered_r ? prepare_question(message, err) : rc;
}

struct message *message_new(struct device *device, struct http_request *request)
{
	struct arena *arena = http_request_arena(request);
	struct message *message = arena == NULL ? NULL : arena_alloc(arena, sizeof(*message));

	if (message == NULL)
		return NULL;
	message->device = device;
	message->request = request;
	message->settings = device_settings(device);
	outcome_init(&message->outcome);
	return message;
}

void message_no_memory(struct http_request *request)
{
	http_reply_header(request, "Retry-After", "5");
	http_reply_copy(request, 503, NULL, slice_of(NULL, 0));
}

void message_handle(struct http_request *request, void *device)
{
	struct message *message = message_new(device, request);
	bool is_answered = false;
	struct err err = {0};

	if (message == NULL) {
		message_no_memory(request);
	} else if (answer_early(message, &is_answered, &err) != RC_OK) {
		message_fail(message, &err);
	} else if (is_answered) {
		message_finish(message);
	} else {
		hand_on(message);
	}
}
