/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/command/result.h"

#include <stdio.h>

#include "pomona/identity/judge.h"
#include "pomona/identity/unenroll.h"
#include "pomona/store/admin.h"
#include "pomona/store/push.h"
#include "pomona/store/renewal.h"

/* A queue of bodies that do not open is put aside in slices; the rest comes with the next message. */
enum { CORRUPT_SKIPPED_MAX = 64 };

/* Shown in place of a device's word. */
#define STATUS_OF_CORRUPT "Corrupt"
#define STATUS_OF_RENEWED "Renewed"

/* What the parts of one decision share. */
struct turn {
	struct txn *txn;
	const struct setup_policy *setup;
	const struct result *result;
	const struct sender *sender;
	struct outcome *outcome;
	struct err *err;
	bool is_last; /* it is told to leave, and its commands were cancelled for that just now */
};

static bool is_open_state(enum queue_state state)
{
	return state < QUEUE_DONE;
}

static enum rc finish(const struct turn *turn, const struct queue_item *item)
{
	const struct queue_answer answer = {
		.state = turn->result->status == RESULT_ACKNOWLEDGED ? QUEUE_DONE : QUEUE_FAILED,
		.status = turn->result->status_word,
		.raw = turn->result->raw,
		.is_late = !is_open_state(item->state) && !turn->is_last,
	};

	enum rc rc = queue_finish(turn->txn, item, &answer, turn->err);

	turn->outcome->event = answer.is_late ? "command_answered_late" : "command_answered";
	if (rc != RC_OK || answer.state != QUEUE_DONE || !setup_is_awaited(&turn->sender->channel))
		return rc;
	return enrollment_configured(turn->txn, item->enrollment_id, item->command_id, turn->err);
}

/* A final answer stands: no NotNow undoes it, nor a cancellation, and the same answer again changes nothing. */
static enum rc take_answer(const struct turn *turn)
{
	struct queue_item item;
	bool is_notnow = turn->result->status == RESULT_NOTNOW;
	enum rc rc =
		queue_find(turn->txn, turn->sender->channel.id, turn->result->command_uuid, &item, turn->err);

	if (rc == RC_NOT_FOUND) {
		turn->outcome->event = "result_unknown";
		return RC_OK;
	}
	if (rc != RC_OK)
		return rc;
	if (item.state == QUEUE_DONE || item.state == QUEUE_FAILED) {
		turn->outcome->event = "result_repeated";
		return RC_OK;
	}
	if (!is_notnow)
		return finish(turn, &item);
	if (!is_open_state(item.state))
		return RC_OK;
	turn->outcome->event = "command_notnow";
	return queue_notnow(turn->txn, &item, turn->err);
}

/* The body is lost for every device it was sent to: one alarm a command, and the queue moves on. */
static enum rc put_aside(const struct turn *turn, const struct queue_item *item)
{
	const struct queue_answer answer = {.state = QUEUE_FAILED,
		.status = slice_of_str(STATUS_OF_CORRUPT)};
	char subject[32];
	char text[ERR_TEXT_BYTES];
	enum rc rc;

	snprintf(subject, sizeof(subject), "command %lld", (long long)item->command_id);
	snprintf(text, sizeof(text),
		"its stored body does not open; it was marked failed for %.300s, send it again",
		turn->sender->channel.ext_id);
	buf_clear(&turn->outcome->body);
	rc = queue_finish(turn->txn, item, &answer, turn->err);
	if (rc != RC_OK)
		return rc;
	return alarm_raise(turn->txn, "command_corrupt", slice_of_str(subject), text, turn->err);
}

/*
 * The profile that renews an identity, and the next identity has spoken: the device took it, and its word is lost or on its
 * way by the former one. Given again it would only fail, for its challenge is used up.
 */
static enum rc close_if_renewed(const struct turn *turn, const struct queue_item *item,
	bool *is_closed_r)
{
	const struct queue_answer answer = {.state = QUEUE_DONE,
		.status = slice_of_str(STATUS_OF_RENEWED)};
	enum rc rc =
		renewal_is_done(turn->txn, item->enrollment_id, item->command_id, is_closed_r, turn->err);

	return rc == RC_OK && *is_closed_r ? queue_finish(turn->txn, item, &answer, turn->err) : rc;
}

/*
 * The command that ends set-up, where it has waited for the others long enough. RC_NOT_FOUND: it has not. One that was
 * put off comes with the next poll, as all do.
 */
static enum rc find_overdue(const struct turn *turn, struct queue_item *item_r)
{
	int64_t queued_at = 0;
	enum rc rc;

	if (!turn->setup->is_automatic || !setup_is_awaited(&turn->sender->channel))
		return RC_NOT_FOUND;
	rc = queue_last(turn->txn, turn->sender->channel.id, item_r, &queued_at, turn->err);
	if (rc == RC_OK &&
		(item_r->state == QUEUE_NOTNOW || txn_now(turn->txn) - queued_at < turn->setup->wait_max_s))
		return RC_NOT_FOUND;
	return rc;
}

/* RC_NOT_FOUND: nothing is to be handed out. */
static enum rc hand_out_first(const struct turn *turn, bool is_held)
{
	for (int i = 0; i < CORRUPT_SKIPPED_MAX; i++) {
		struct queue_item item;
		bool is_closed = false;
		enum rc rc = find_overdue(turn, &item);

		if (rc == RC_NOT_FOUND)
			rc = queue_first(turn->txn, turn->sender->channel.id, is_held, &item, turn->err);
		if (rc == RC_OK && item.state == QUEUE_SENT)
			rc = close_if_renewed(turn, &item, &is_closed);
		if (rc != RC_OK)
			return rc;
		if (is_closed)
			continue;
		rc = queue_hand_out(turn->txn, &item, &turn->outcome->body, turn->err);
		if (rc == RC_NOT_FOUND) /* of the item just found: not an empty queue */
			return err_set(turn->err, RC_INTERNAL, "a queued command is gone");
		if (rc != RC_CORRUPT)
			return rc;
		rc = put_aside(turn, &item);
		if (rc != RC_OK)
			return rc;
	}
	return RC_NOT_FOUND;
}

/* The reply is empty though work is open. What was published up to now had its chance with this reply. */
static enum rc tell_held(const struct turn *turn)
{
	if (turn->result->status == RESULT_NOTNOW)
		turn->outcome->contact = OUTCOME_CONTACT_RESTING;
	else
		turn->outcome->contact = OUTCOME_CONTACT_HELD;
	return queue_last_seq(turn->txn, &turn->outcome->seen_seq, turn->err);
}

/*
 * It waits in Setup Assistant and nothing is open that would let it go: the conf was another then, or what let it go
 * failed or was cancelled. Once a poll, so that a device that refuses the command is not given it without end.
 */
static enum rc end_setup(const struct turn *turn)
{
	const struct enrollment *channel = &turn->sender->channel;
	enum rc rc;

	if (!turn->setup->is_automatic || !setup_is_awaited(channel) ||
		turn->result->status != RESULT_IDLE)
		return RC_NOT_FOUND;
	rc = setup_queue(turn->txn, channel->id, channel->kind, turn->err);
	return rc == RC_OK ? hand_out_first(turn, false) : rc;
}

static enum rc give_next(const struct turn *turn)
{
	bool is_held = false;
	enum rc rc = queue_is_held(turn->txn, turn->sender->channel.id, &is_held, turn->err);

	if (rc == RC_OK)
		rc = hand_out_first(turn, is_held);
	if (rc == RC_NOT_FOUND && !is_held)
		rc = end_setup(turn);
	if (rc == RC_OK)
		turn->outcome->content_type = OUTCOME_PLIST_TYPE;
	if (rc != RC_NOT_FOUND)
		return rc;
	if (is_held)
		return tell_held(turn);
	turn->outcome->contact = OUTCOME_CONTACT_DRAINED;
	return RC_OK;
}

/* Its removal is ordered: it is given RemoveProfile, and after that a 401. */
static enum rc give_removal(const struct turn *turn)
{
	struct queue_item item;
	enum rc rc = unenroll_find_command(turn->txn, turn->sender, &item, turn->err);

	if (rc != RC_OK)
		return rc == RC_NOT_FOUND ? RC_OK : rc;
	rc = queue_hand_out(turn->txn, &item, &turn->outcome->body, turn->err);
	if (rc == RC_CORRUPT)
		return put_aside(turn, &item);
	turn->outcome->content_type = OUTCOME_PLIST_TYPE;
	turn->outcome->event = "removal_given";
	return rc;
}

/* What it says of RemoveProfile is kept, though the reply is a 401. */
static enum rc keep_last_answer(const struct turn *turn)
{
	const char *event = turn->outcome->event;
	struct queue_item removal, item;
	enum rc rc;

	if (turn->result->status == RESULT_IDLE || turn->sender->standing != STANDING_PINNED)
		return RC_OK;
	rc = removal_find(turn->txn, turn->sender->channel.id, &removal, turn->err);
	if (rc == RC_OK)
		rc = queue_find(turn->txn, removal.enrollment_id, turn->result->command_uuid, &item, turn->err);
	if (rc == RC_OK && item.command_id == removal.command_id)
		rc = take_answer(turn);
	turn->outcome->event = event;
	return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static bool is_fault(const struct result *result)
{
	return result->status == RESULT_ERROR || result->status == RESULT_COMMAND_FORMAT_ERROR;
}

/* It took the profile, for its next identity has spoken, and says now that it did not. */
static enum rc look_for_retreat(const struct turn *turn, const struct queue_item *item)
{
	bool is_retreat = false;
	enum rc rc = RC_OK;

	if (is_fault(turn->result))
		rc = renewal_is_done(turn->txn, item->enrollment_id, item->command_id, &is_retreat, turn->err);
	if (rc != RC_OK || !is_retreat)
		return rc;
	return judge_raise_conflict(turn->txn, &turn->result->claim,
		"its next identity has spoken, and by the former one it says that it did not take the profile",
		turn->err);
}

/*
 * Its identity was renewed just now, and this comes by the former one: the answer to what it was given counts, and
 * nothing is given.
 */
static enum rc take_last_word(const struct turn *turn)
{
	struct queue_item item;
	enum rc rc;

	turn->outcome->channel_id = turn->sender->channel.id;
	if (turn->result->status == RESULT_IDLE)
		return RC_OK;
	rc = queue_find(turn->txn, turn->sender->channel.id, turn->result->command_uuid, &item, turn->err);
	if (rc == RC_NOT_FOUND || (rc == RC_OK && item.state == QUEUE_QUEUED)) {
		turn->outcome->event = "result_unknown";
		return RC_OK;
	}
	if (rc == RC_OK)
		rc = look_for_retreat(turn, &item);
	return rc == RC_OK ? take_answer(turn) : rc;
}

static enum rc is_last_word(const struct turn *turn, bool *is_last_r)
{
	const struct sender *sender = turn->sender;
	const enum enrollment_state state = sender->device.state;

	*is_last_r = sender->is_settling && sender->is_channel_known &&
		sender->channel.id == sender->device.id &&
		(state == ENROLLMENT_ENROLLED || state == ENROLLMENT_REMOVAL_ORDERED);
	if (!*is_last_r)
		return RC_OK;
	return judge_is_token_good(turn->txn, &turn->result->claim, sender, is_last_r, turn->err);
}

static enum rc take_turn(const struct turn *turn)
{
	const struct sender *sender = turn->sender;
	enum rc rc;

	if (turn->result->status == RESULT_IDLE)
		rc = queue_new_poll(turn->txn, sender->channel.id, turn->err);
	else
		rc = take_answer(turn);
	if (rc != RC_OK)
		return rc;
	if (sender->device.state == ENROLLMENT_REMOVAL_ORDERED)
		return give_removal(turn);
	/* What ended or has not begun loses no answer, and is given nothing. */
	if (sender->device.state != ENROLLMENT_ENROLLED || sender->channel.state != ENROLLMENT_ENROLLED)
		return RC_OK;
	return give_next(turn);
}

enum rc result_decide(struct txn *txn, const struct result_policy *policy,
	const struct credential *credential, const struct result *result, struct outcome *outcome,
	struct err *err)
{
	const struct judge_params judge = {.policy = &policy->unenroll,
		.credential = credential,
		.claim = &result->claim,
		.is_command_route = true};
	struct sender sender;
	struct turn turn = {.txn = txn,
		.setup = &policy->setup,
		.result = result,
		.sender = &sender,
		.outcome = outcome,
		.err = err};
	bool is_after_renewal = false;
	enum rc rc = judge_sender(txn, &judge, &sender, outcome, err);

	turn.is_last = rc == RC_OK && outcome->refusal == REFUSAL_REMOVAL_ORDERED;
	if (turn.is_last)
		return keep_last_answer(&turn);
	if (rc == RC_OK && outcome->refusal == REFUSAL_NONE)
		rc = is_last_word(&turn, &is_after_renewal);
	if (rc == RC_OK && is_after_renewal)
		return take_last_word(&turn);
	if (rc == RC_OK && outcome->refusal == REFUSAL_NONE)
		rc = judge_require_pinned(txn, &result->claim, &sender, outcome, err);
	if (rc == RC_OK && outcome->refusal == REFUSAL_NONE)
		rc = judge_require_token(txn, &result->claim, &sender, outcome, err);
	if (rc != RC_OK || outcome->refusal != REFUSAL_NONE)
		return rc;
	outcome->channel_id = sender.is_channel_known ? sender.channel.id : sender.device.id;
	if (sender.is_channel_known) {
		outcome->contact = OUTCOME_CONTACT_MESSAGE;
		return take_turn(&turn);
	}
	if (result->status != RESULT_IDLE)
		outcome->event = "result_unknown";
	return RC_OK;
}

enum rc result_try_idle(struct txn *txn, const struct credential *credential,
	const struct result *result, struct outcome *outcome, bool *is_answered_r, struct err *err)
{
	struct sender sender;
	bool is_open = false;
	bool is_good = false;
	enum rc rc;

	*is_answered_r = false;
	if (result->status != RESULT_IDLE)
		return RC_OK;
	rc = sender_establish(txn, credential, &result->claim, &sender, err);
	if (rc != RC_OK)
		return rc;
	if (sender.refusal != REFUSAL_NONE) {
		judge_refuse(outcome, sender.refusal);
		*is_answered_r = true;
		return RC_OK;
	}
	if (sender.standing != STANDING_PINNED || !sender.is_channel_known ||
		sender.device.state != ENROLLMENT_ENROLLED || sender.channel.state != ENROLLMENT_ENROLLED ||
		setup_is_awaited(&sender.channel))
		return RC_OK;
	rc = judge_is_token_good(txn, &result->claim, &sender, &is_good, err);
	if (rc != RC_OK || !is_good)
		return rc;
	rc = queue_is_open(txn, sender.channel.id, &is_open, err);
	if (rc == RC_OK && !is_open)
		rc = judge_require_token(txn, &result->claim, &sender, outcome, err);
	if (rc != RC_OK || is_open)
		return rc;
	*is_answered_r = true;
	if (outcome->refusal != REFUSAL_NONE)
		return RC_OK;
	outcome->channel_id = sender.channel.id;
	outcome->contact = OUTCOME_CONTACT_DRAINED;
	return RC_OK;
}
