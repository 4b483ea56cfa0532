/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_rooms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pomona/base/codec.h"
#include "pomona/pki/cert_header.h"
#include "pomona/pki/message_signature.h"

struct trust {
	char letter;
};

struct fake_rooms rooms;
static struct trust trusts[] = {{'a'}, {'b'}};
static int trust_refs;

static int64_t now_ms(void *ctx)
{
	(void)ctx;
	return rooms.now_s * 1000;
}

static int64_t now_us(void *ctx)
{
	(void)ctx;
	return rooms.now_us;
}

/* Never looked into. */
static char push_stand_in;
struct push *const fake_push = (struct push *)&push_stand_in;

static char users_stand_in;
struct user_directory *const fake_users = (struct user_directory *)&users_stand_in;

void push_contact(struct push *push, const struct push_contact *contact)
{
	assert_ptr_equal(push, fake_push);
	assert_true(rooms.contact_count < COUNT_OF(rooms.contacts));
	assert_int_equal(rooms.reads_open, 0);
	assert_true(rooms.replied_to == NULL || !*rooms.replied_to);
	rooms.contacts[rooms.contact_count++] = *contact;
}

const struct clock fake_clock = {.unix_ms = now_ms, .monotonic_us = now_us};

struct trust *fake_trust(char letter)
{
	return &trusts[letter - 'a'];
}

int fake_trust_refs(void)
{
	return trust_refs;
}

void fake_rooms_reset(void)
{
	memset(&rooms, 0, sizeof(rooms));
	rooms.now_s = 1000;
	rooms.decision.http_status = 200;
}

void fake_turn(enum rc commit)
{
	struct store_job *job = rooms.waiting;
	struct err err = {.rc = commit, .text = "the disk said: secret"};
	enum rc rc;

	assert_non_null(job);
	rooms.waiting = NULL;
	rc = job->run(job, NULL, &err);
	job->done(job, rc == RC_OK ? commit : rc, &err);
}

struct trust *trust_ref(struct trust *trust)
{
	trust_refs++;
	return trust;
}

void trust_unref(struct trust **trust)
{
	trust_refs--;
	*trust = NULL;
}

void trust_fingerprint(const struct trust *trust, uint8_t out[static SHA256_BYTES])
{
	memset(out, trust->letter, SHA256_BYTES);
}

void sha256(struct slice bytes, uint8_t digest[static SHA256_BYTES])
{
	memset(digest, bytes.ptr[0], SHA256_BYTES);
}

static void fill_facts(struct slice der, struct cert_facts *facts_r)
{
	*facts_r = (struct cert_facts){.not_before = 500, .not_after = 2000};
	sha256(der, facts_r->sha256);
	(void)snprintf(facts_r->subject, sizeof(facts_r->subject), "CN=%.*s", SLICE_FMT(der));
}

enum rc cert_read_facts(struct slice der, struct cert_facts *facts_r, struct err *err)
{
	(void)err;
	rooms.named++;
	fill_facts(der, facts_r);
	return RC_OK;
}

enum cert_verdict trust_judge(const struct trust *trust, const struct slice *chain, size_t count,
	int64_t now_unix_s, struct cert_facts *facts_r)
{
	(void)trust;
	(void)now_unix_s;
	rooms.judged++;
	rooms.chain_count = count;
	fill_facts(chain[0], facts_r);
	return rooms.verdict;
}

struct message_signature {
	struct slice cert, body, time;
};

enum rc message_signature_parse(struct slice base64, struct message_signature **signature_r,
	struct err *err)
{
	struct message_signature *signature;
	size_t first, second;

	*signature_r = NULL;
	if (!slice_find_byte(base64, '|', &first) ||
		!slice_find_byte(slice_sub(base64, first + 1, base64.len), '|', &second))
		return err_set(err, RC_INVALID, "no CMS message");
	signature = calloc(1, sizeof(*signature));
	assert_non_null(signature);
	signature->cert = slice_sub(base64, 0, first);
	signature->body = slice_sub(base64, first + 1, second);
	signature->time = slice_sub(base64, first + second + 2, base64.len);
	*signature_r = signature;
	return RC_OK;
}

size_t message_signature_chain(const struct message_signature *signature,
	struct slice chain[static CERT_CHAIN_MAX])
{
	chain[0] = signature->cert;
	chain[1] = SLICE_LITERAL("helper");
	return 2;
}

int64_t message_signature_time(const struct message_signature *signature)
{
	int64_t time;

	return int64_parse(signature->time, 0, INT64_MAX, &time, NULL) == RC_OK
		? time
		: MESSAGE_SIGNATURE_NO_TIME;
}

enum rc message_signature_verify(const struct message_signature *signature, struct slice body,
	struct err *err)
{
	rooms.verified++;
	return slice_is_equal(signature->body, body) ? RC_OK : err_set(err, RC_DENIED, "other bytes");
}

void message_signature_free(struct message_signature **signature)
{
	free(*signature);
	*signature = NULL;
}

enum rc cert_header_parse(struct slice value, struct buf *der, struct err *err)
{
	if (!slice_has_prefix(value, "("))
		return err_set(err, RC_INVALID, "no certificate");
	buf_append(der, slice_sub(value, 1, value.len - 2));
	return RC_OK;
}

enum rc identity_find(struct txn *txn, const uint8_t digest[static SHA256_BYTES],
	struct identity *identity_r, struct err *err)
{
	(void)txn;
	assert_int_equal(rooms.reads_open, 1);
	if (!rooms.is_identity_known)
		return err_set(err, RC_NOT_FOUND, "no such identity");
	*identity_r = rooms.identity;
	memcpy(identity_r->sha256, digest, SHA256_BYTES);
	return RC_OK;
}

enum rc identity_record(struct txn *txn, const struct cert_facts *facts,
	const uint8_t chained_under[static SHA256_BYTES], int64_t *id_r, struct err *err)
{
	(void)txn;
	(void)err;
	assert_string_not_equal(facts->subject, "");
	memcpy(rooms.identity.chained_under, chained_under, SHA256_BYTES);
	rooms.recorded++;
	*id_r = 1;
	return RC_OK;
}

enum rc store_read_begin(struct store *store, struct txn **txn_r, struct err *err)
{
	(void)store;
	*txn_r = NULL;
	if (rooms.is_read_refused)
		return err_set(err, RC_IO, "the disk said: secret");
	rooms.reads_open++;
	return RC_OK;
}

void store_read_end(struct store *store, struct txn **txn)
{
	(void)store;
	(void)txn;
	rooms.reads_open--;
}

enum rc store_submit(struct store *store, struct store_job *job, struct err *err)
{
	(void)store;
	assert_int_equal(rooms.reads_open, 0);
	if (rooms.is_store_full)
		return err_set(err, RC_BUSY, "full: secret");
	rooms.waiting = job;
	return RC_OK;
}

enum rc store_run(struct store *store, enum rc (*fn)(void *ctx, struct txn *txn, struct err *err),
	void *ctx, struct err *err)
{
	(void)store;
	return fn(ctx, NULL, err);
}

bool txn_is_slice_over(const struct txn *txn)
{
	(void)txn;
	return false;
}

enum rc enrollment_seen(struct txn *txn, int64_t id, int64_t seen_at, bool *was_inactive_r,
	struct err *err)
{
	(void)txn;
	(void)id;
	(void)seen_at;
	(void)err;
	*was_inactive_r = false;
	return RC_OK;
}

enum rc enrollment_by_id(struct txn *txn, int64_t id, struct enrollment *enrollment_r,
	struct err *err)
{
	(void)txn;
	(void)id;
	*enrollment_r = (struct enrollment){0};
	return err_set(err, RC_NOT_FOUND, "nobody was inactive");
}

static enum refusal refuse(enum cert_verdict verdict)
{
	return verdict == CERT_MISSING ? REFUSAL_NO_CERTIFICATE : REFUSAL_NOT_CHAINED;
}

enum refusal sender_judge_certificate(const struct credential *credential, int64_t now)
{
	if (credential->verdict != CERT_GOOD)
		return refuse(credential->verdict);
	return now > credential->facts.not_after ? REFUSAL_EXPIRED : REFUSAL_NONE;
}

enum rc sender_establish(struct txn *txn, const struct credential *credential,
	const struct claim *claim, struct sender *sender_r, struct err *err)
{
	(void)txn;
	(void)claim;
	(void)err;
	assert_int_not_equal(credential->verdict, CERT_GOOD);
	*sender_r = (struct sender){.refusal = refuse(credential->verdict)};
	return RC_OK;
}

static void note_token(const struct claim *claim)
{
	(void)snprintf(rooms.access_token, sizeof(rooms.access_token), "%.*s",
		SLICE_FMT(claim->access_token));
}

static enum rc decide(const struct credential *credential, struct outcome *outcome, struct err *err)
{
	struct buf body = outcome->body;

	assert_int_equal(credential->verdict, CERT_GOOD);
	assert_int_equal(body.len, 0); /* each run starts from nothing */
	rooms.decided++;
	*outcome = rooms.decision;
	outcome->body = body;
	if (rooms.decision_body != NULL)
		buf_append_str(&outcome->body, rooms.decision_body);
	return rooms.decide_rc == RC_OK ? RC_OK : err_set(err, rooms.decide_rc, "a row said: secret");
}

static enum rc read_any(struct claim *claim, struct err *err)
{
	claim->ext_id = SLICE_LITERAL("UDID-1");
	return rooms.read_rc == RC_OK ? RC_OK : err_set(err, rooms.read_rc, "key \"UDID\": missing");
}

enum rc checkin_read(struct slice raw, struct arena *arena, struct checkin_message *message_r,
	struct err *err)
{
	(void)raw;
	(void)arena;
	message_r->type = rooms.checkin_type;
	return read_any(&message_r->claim, err);
}

enum rc checkin_decide(struct txn *txn, const struct checkin_policy *policy,
	const struct credential *credential, const struct checkin_message *message,
	struct outcome *outcome, struct err *err)
{
	(void)txn;
	(void)policy;
	if (message->type == CHECKIN_AUTHENTICATE)
		assert_string_not_equal(credential->facts.subject, ""); /* it is kept with the enrollment */
	assert_int_equal(message->login.is_asked, rooms.asked > 0);
	note_token(&message->claim);
	return decide(credential, outcome, err);
}

bool checkin_user_question(const struct checkin_policy *policy, struct checkin_message *message,
	struct checkin_question *question_r, struct arena *arena)
{
	(void)policy;
	(void)message;
	(void)arena;
	*question_r = (struct checkin_question){.query.method_count = 0};
	return rooms.has_question;
}

enum rc checkin_user_may_ask(struct txn *txn, const struct credential *credential,
	const struct checkin_message *message, bool *may_ask_r, struct err *err)
{
	(void)txn;
	(void)message;
	(void)err;
	assert_int_equal(credential->verdict, CERT_GOOD);
	assert_int_equal(rooms.reads_open, 1);
	*may_ask_r = rooms.may_ask;
	return RC_OK;
}

void user_check_digest(struct user_directory *directory, struct user_query *query)
{
	assert_ptr_equal(directory, fake_users);
	assert_int_equal(rooms.reads_open, 0); /* it may take its time */
	rooms.asked++;
	(void)snprintf(rooms.asked_from, sizeof(rooms.asked_from), "%.*s", SLICE_FMT(query->address));
	query->verdict = USER_GOOD;
	query->done(query);
}

const char *checkin_type_name(enum checkin_type type)
{
	return type == CHECKIN_AUTHENTICATE ? "Authenticate" : "?";
}

enum rc result_read(struct slice raw, struct arena *arena, struct result *result_r, struct err *err)
{
	(void)raw;
	(void)arena;
	result_r->status = rooms.status;
	return read_any(&result_r->claim, err);
}

enum rc result_try_idle(struct txn *txn, const struct credential *credential,
	const struct result *result, struct outcome *outcome, bool *is_answered_r, struct err *err)
{
	(void)txn;
	(void)credential;
	(void)err;
	assert_int_equal(result->status, RESULT_IDLE);
	*is_answered_r = rooms.is_idle_answered;
	if (rooms.idle_refusal != REFUSAL_NONE)
		outcome_refuse(outcome, rooms.idle_refusal, NULL);
	else if (rooms.is_idle_answered) {
		outcome->channel_id = 7;
		outcome->contact = OUTCOME_CONTACT_MESSAGE;
	}
	return RC_OK;
}

enum rc result_decide(struct txn *txn, const struct result_policy *policy,
	const struct credential *credential, const struct result *result, struct outcome *outcome,
	struct err *err)
{
	(void)txn;
	(void)policy;
	note_token(&result->claim);
	return decide(credential, outcome, err);
}

const char *result_status_name(enum result_status status)
{
	return status == RESULT_IDLE ? "Idle" : "Acknowledged";
}
