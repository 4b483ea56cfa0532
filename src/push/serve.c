/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/log.h"

/* A push on its way, with what it was decided on. */
struct flight {
	struct parcel parcel; /* first: the lower half hands it back */
	struct push *push;
	struct entry *entry;
	int64_t seq;
};

bool serve_can(const struct push *push)
{
	return push->flight_count < FLIGHTS_MAX && push->now_us >= push->store_us &&
		outcomes_waiting(push->outcomes) + push->flight_count < OUTCOMES_MAX &&
		ready_is_any(&push->ready);
}

static void tell(struct push *push, int64_t enrollment_id, enum push_answer answer,
	const char *detail)
{
	const struct ask_answer told = {
		.answer = answer,
		.reason = "",
		.apns_id = "",
		.detail = detail,
	};

	asks_answer(&push->asks, enrollment_id, &told);
}

/* --- what became of it */

static void flight_free(struct flight *flight)
{
	explicit_bzero(flight, sizeof(*flight)); /* magics are secrets */
	free(flight);
}

static void copy_token(struct note *note, const struct parcel *parcel)
{
	memcpy(note->token, parcel->token, parcel->token_len);
	note->token_len = (uint8_t)parcel->token_len;
}
_Static_assert(PUSH_TOKEN_BYTES_MAX <= UINT8_MAX, "note.token_len");

static void note_outcome(struct push *push, const struct flight *flight,
	const struct parcel_answer *answer)
{
	struct note *note = outcomes_note(push->outcomes, NOTE_OUTCOME, flight->entry->id);

	if (note == NULL)
		return; /* it costs an extra push after a restart */
	note->seq = answer->action == PUSH_DONE ? flight->seq : 0;
	note->at = clock_unix_s(push->clock);
	note->status = answer->status;
	note->tries = flight->entry->wake.tries;
	note->is_dead = answer->action == PUSH_TOKEN_DEAD;
	note->token_updated_at = flight->parcel.token_updated_at;
	copy_token(note, &flight->parcel);
	(void)snprintf(note->reason, sizeof(note->reason), "%s", answer->reason);
	(void)snprintf(note->apns_id, sizeof(note->apns_id), "%s", answer->apns_id);
}

static void log_answer(struct push *push, const struct flight *flight,
	const struct parcel_answer *answer)
{
	const struct failure_of failure = {
		.enrollment_id = flight->entry->id,
		.reason = answer->reason[0] != '\0' ? answer->reason : push_answer_name(answer->answer),
		.status = answer->status,
		.detail = answer->detail,
	};

	log_debug("pushed", LOG_INT("enrollment", flight->entry->id), LOG_INT("seq", flight->seq),
		LOG_INT("status", answer->status), LOG_STR("reason", answer->reason),
		LOG_STR("apns_id", answer->apns_id));
	if (answer->action != PUSH_DONE)
		(void)failures_note(&push->failures, &failure, push->now_us);
}

static void tell_answer(struct push *push, const struct flight *flight,
	const struct parcel_answer *answer)
{
	const struct ask_answer told = {
		.answer = answer->answer,
		.status = answer->status,
		.reason = answer->reason,
		.apns_id = answer->apns_id,
		.detail = answer->detail,
	};

	asks_answer(&push->asks, flight->entry->id, &told);
}

static void flight_done(struct parcel *parcel, const struct parcel_answer *answer)
{
	struct flight *flight = (struct flight *)parcel;
	struct push *push = flight->push;
	struct entry *entry = flight->entry;
	const struct wake was = entry->wake;
	const struct wake_answer what = {
		.action = answer->action,
		.seq = flight->seq,
		.retry_after_s = answer->retry_after_s,
	};
	struct wake_now now;
	enum wake_next next;

	push->now_us = clock_monotonic_us(push->clock);
	now = schedule_now(push);
	next = wake_answer(&entry->wake, &now, &what);
	push->flight_count--;
	if (push->stop != STOP_LANDED) { /* else it was only handed back */
		note_outcome(push, flight, answer);
		log_answer(push, flight, answer);
	}
	if (was.is_asked)
		tell_answer(push, flight, answer);
	schedule_place(push, entry, &was, next);
	flight_free(flight);
	if (next == WAKE_TO_READY || push->stop != STOP_NOT ||
		outcomes_waiting(push->outcomes) % OUTCOMES_MANY == 1)
		schedule_turn_soon(push);
}
_Static_assert(offsetof(struct flight, parcel) == 0, "a parcel is its flight");

/* --- pushing */

static struct flight *flight_new(struct push *push, struct entry *entry,
	const struct push_target *target)
{
	struct flight *flight = malloc(sizeof(*flight)); /* not cleared: it is large, and filled here */
	struct parcel *parcel;

	if (flight == NULL)
		return NULL;
	flight->push = push;
	flight->entry = entry;
	flight->seq = target->open_seq;
	parcel = &flight->parcel;
	parcel->enrollment_id = entry->id;
	memcpy(parcel->token, target->token, target->token_len);
	parcel->token_len = target->token_len;
	if (target->magic.len > 0)
		memcpy(parcel->magic, target->magic.ptr, target->magic.len);
	parcel->magic_len = target->magic.len;
	parcel->token_updated_at = target->token_updated_at;
	parcel->is_test = entry->wake.is_test;
	parcel->done = flight_done;
	parcel->next = NULL;
	parcel->carrier = NULL;
	return flight;
}

static enum topics_verdict send(struct push *push, struct entry *entry,
	const struct push_target *target)
{
	enum topics_verdict verdict = topics_look(push->topics, target->topic, entry->wake.is_test);
	struct flight *flight;

	if (verdict != TOPICS_TAKEN)
		return verdict;
	flight = flight_new(push, entry, target);
	if (flight == NULL)
		return TOPICS_FULL; /* memory is short */
	verdict = topics_send(push->topics, target->topic, &flight->parcel);
	if (verdict != TOPICS_TAKEN)
		flight_free(flight);
	return verdict;
}

static const struct {
	enum push_answer answer;
	const char *detail;
} blocked_answers[] = {
	[TOPICS_NO_CERTIFICATE] = {PUSH_ANSWER_NO_CERTIFICATE,
		"there is no push certificate for its topic, or it has expired"},
	[TOPICS_STOPPED] = {PUSH_ANSWER_STOPPED, "its topic is stopped: see the alarm"},
	[TOPICS_WAITING] = {PUSH_ANSWER_UNREACHABLE,
		"the topic waits after failures; it tries again by itself"},
};

static void blocked(struct push *push, struct entry *entry, const struct wake *was,
	enum topics_verdict verdict)
{
	const bool was_known = was->topic == entry->wake.topic;
	const struct wake_now now = schedule_now(push);
	enum wake_next next;

	if (!was->is_test)
		ready_block(&push->ready, entry->wake.topic, verdict, was_known);
	if (was->is_asked && verdict != TOPICS_FULL)
		tell(push, entry->id, blocked_answers[verdict].answer, blocked_answers[verdict].detail);
	next = wake_blocked(&entry->wake, &now, verdict);
	if (next == WAKE_TO_READY)
		ready_put(&push->ready, entry, was_known && entry->wake.topic >= READY_SLOT_FIRST);
	else
		schedule_place(push, entry, was, next);
}

static void push_to(struct push *push, struct entry *entry, const struct push_target *target)
{
	const struct wake was = entry->wake;
	enum topics_verdict verdict;

	ready_set_topic(&push->ready, entry, target->topic);
	verdict = send(push, entry, target);
	if (verdict != TOPICS_TAKEN) {
		blocked(push, entry, &was, verdict);
		return;
	}
	wake_sent(&entry->wake);
	rate_take(&push->rate);
	push->flight_count++;
	push->pushes_total++;
}

/* --- looking */

static void decide(struct push *push, struct entry *entry, const struct push_target *target)
{
	const struct wake was = entry->wake;
	const struct wake_now now = schedule_now(push);
	enum wake_next next;

	switch (wake_look(&entry->wake, &now, target, &next)) {
	case WAKE_PUSH:
		push_to(push, entry, target);
		return;
	case WAKE_NO_TOKEN:
		tell(push, entry->id, PUSH_ANSWER_NO_TOKEN, "it has no push token, or is not enrolled");
		break;
	case WAKE_TOKEN_DEAD:
		tell(push, entry->id, PUSH_ANSWER_TOKEN_DEAD,
			"APNs has refused its token; a TokenUpdate of the device mends it");
		break;
	default:
		break;
	}
	schedule_place(push, entry, &was, next);
}

/* A row that does not read must not keep the others. */
static void put_off(struct push *push, struct entry *entry, const struct err *err)
{
	const struct wake was = entry->wake;
	const struct wake_now now = schedule_now(push);
	const struct failure_of failure = {
		.enrollment_id = entry->id,
		.reason = "unreadable",
		.detail = err->text,
	};

	(void)failures_note(&push->failures, &failure, push->now_us);
	schedule_place(push, entry, &was, wake_unread(&entry->wake, &now));
}

static enum rc look(struct push *push, struct txn *txn, struct entry *entry, struct err *err)
{
	struct push_target target;
	enum rc rc = push_target_read(txn, entry->id, &target, err);

	switch (rc) {
	case RC_OK:
		target.is_reachable &= target.magic.len <= PARCEL_MAGIC_BYTES_MAX;
		decide(push, entry, &target);
		return RC_OK;
	case RC_NOT_FOUND:
		tell(push, entry->id, PUSH_ANSWER_NO_TOKEN, "there is no such enrollment");
		entries_remove(push->entries, entry);
		return RC_OK;
	case RC_IO:
	case RC_NO_MEMORY:
	case RC_BUSY:
		ready_put(&push->ready, entry, true);
		return rc;
	default:
		put_off(push, entry, err);
		return RC_OK;
	}
}

enum rc serve_slice(struct push *push, struct txn *txn, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < TURN_LOOKS_MAX; i++) {
		struct entry *entry;

		if (!serve_can(push) || !rate_is_ready(&push->rate, push->now_us))
			break;
		entry = ready_pick(&push->ready);
		if (entry == NULL)
			break;
		rc = look(push, txn, entry, err);
	}
	return rc;
}
