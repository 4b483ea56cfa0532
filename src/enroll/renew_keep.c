/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "internal.h"
#include "pomona/base/codec.h"
#include "pomona/base/log.h"
#include "pomona/command/command.h"
#include "renew.h"

/* --- on the writer's thread */

/* What was sent before would be a second one beside the next, or of no use any more. */
static enum rc cancel_former(struct txn *txn, const struct renewal_facts *facts, struct err *err)
{
	bool was_open;

	if (facts->command_state == 0 || facts->command_state >= QUEUE_DONE)
		return RC_OK;
	return queue_cancel(txn, facts->enrollment_id, facts->command_id, &was_open, err);
}

static enum rc send(struct txn *txn, const struct renew_step *step, int64_t *command_id_r,
	struct err *err)
{
	const struct intent_profile profile = {
		.identifier = slice_of_str(step->profile.identifier),
		.url = slice_of_str(step->url),
		.access_rights = step->profile.access_rights,
	};
	const struct intent_new intent = {
		.way = INTENT_PROFILE,
		.challenge_sha256 = step->challenge_sha256,
		.device_id = slice_of_str(step->target.ext_id),
		.created_by = SLICE_LITERAL("renewal"),
		.expires_at = step->facts.not_after,
		.profile = &profile,
		.renewal_of = step->facts.enrollment_id,
	};
	int64_t intent_id;
	enum rc rc = intent_add(txn, &intent, &intent_id, err);

	if (rc != RC_OK)
		return rc;
	return command_send_one(txn, &step->command, step->facts.enrollment_id, step->facts.not_after,
		command_id_r, err);
}

static const enum renewal_state state_after[RENEW_ACTION_COUNT] = {
	[RENEW_SEND] = RENEWAL_SENT,
	[RENEW_FAIL] = RENEWAL_FAILED,
	[RENEW_FINISH] = RENEWAL_DONE,
	[RENEW_WARN] = RENEWAL_IMPOSSIBLE,
	[RENEW_GIVE_UP] = RENEWAL_OVER,
};

static bool is_again(const struct renewal_facts *facts)
{
	return facts->state == RENEWAL_SENT || facts->state == RENEWAL_FAILED;
}

static enum rc apply(struct txn *txn, struct renew_step *step, struct err *err)
{
	const struct renewal_facts *facts = &step->facts;
	const enum renew_action action = step->decision.action;
	struct renewal_row row = {
		.enrollment_id = facts->enrollment_id,
		.identity_id = action == RENEW_FINISH ? facts->renewed_id : facts->identity_id,
		.state = state_after[action],
		.command_id = facts->command_id,
		.tries = is_again(facts) ? facts->tries : 0,
		.next_at = step->decision.next_at,
		.why = step->decision.why,
	};
	enum rc rc = cancel_former(txn, facts, err);

	if (action == RENEW_FAIL)
		row.tries++;
	if (rc == RC_OK && action == RENEW_SEND)
		rc = send(txn, step, &row.command_id, err);
	return rc == RC_OK ? renewal_put(txn, &row, err) : rc;
}

/* Looked at once more: what has changed since is the next walk's. */
static enum rc keep_one(struct renew *renew, struct txn *txn, struct renew_step *step,
	struct err *err)
{
	const enum renew_action action = step->decision.action;
	const int64_t identity_id = step->facts.identity_id;
	enum rc rc = renewal_of(txn, step->facts.enrollment_id, &step->facts, err);

	step->is_kept = false;
	if (rc == RC_NOT_FOUND)
		return RC_OK;
	if (rc != RC_OK)
		return rc;
	renew_decide(&renew->policy, &step->facts, txn_now(txn), &step->decision);
	if (step->decision.action != action || step->facts.identity_id != identity_id)
		return RC_OK;
	step->is_kept = true;
	if (step->unmade != NULL)
		renew_fail(&step->facts, txn_now(txn), step->unmade, &step->decision);
	return apply(txn, step, err);
}

enum rc renew_keep(struct store_job *job, struct txn *txn, struct err *err)
{
	struct renew *renew = (struct renew *)job;
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < renew->step_count; i++)
		rc = keep_one(renew, txn, &renew->steps[i], err);
	return rc;
}
_Static_assert(offsetof(struct renew, job) == 0, "a job is its walk");

/* --- when it is durable */

static const struct {
	enum log_level level;
	const char *event;
} events[RENEW_ACTION_COUNT] = {
	[RENEW_SEND] = {LOG_LEVEL_INFO, "renewal_sent"},
	[RENEW_FAIL] = {LOG_LEVEL_WARNING, "renewal_failed"},
	[RENEW_FINISH] = {LOG_LEVEL_INFO, "identity_renewed"},
	[RENEW_WARN] = {LOG_LEVEL_WARNING, "identity_not_renewable"},
	[RENEW_GIVE_UP] = {LOG_LEVEL_ERROR, "identity_ended"},
};

static void log_sent(const struct renew_step *step, const char *ends)
{
	log_info(events[RENEW_SEND].event, LOG_STR("device", step->target.ext_id),
		LOG_STR("why", step->decision.why), LOG_STR("identity_ends", ends),
		LOG_SLICE("command", step->command.uuid), LOG_INT("failed_before", step->facts.tries));
}

void renew_log(const struct renew_step *step)
{
	const struct renew_decision *decision = &step->decision;
	char ends[TIME_TEXT_BYTES];
	char next[TIME_TEXT_BYTES];

	time_format(step->facts.not_after, ends);
	time_format(decision->next_at, next);
	if (decision->action == RENEW_SEND) {
		log_sent(step, ends);
		return;
	}
	LOG_AT(events[decision->action].level, events[decision->action].event,
		LOG_STR("device", step->target.ext_id),
		LOG_STR("why", decision->why[0] == '\0' ? NULL : decision->why), LOG_STR("identity_ends", ends),
		LOG_STR("next_at", decision->next_at == 0 ? NULL : next));
}
