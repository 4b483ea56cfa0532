/* SPDX-License-Identifier: Apache-2.0 */
#include "renew.h"

#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "pomona/base/log.h"
#include "pomona/store/escrow.h"

enum {
	ARENA_BYTES_MAX = 64 * 1024 * 1024, /* the commands of a slice */
	US_A_MS = 1000,
};

/* --- the policy */

/* Since when devices get the root that they get now; 0 where they need none of ours. */
static int64_t root_since(struct enroll *enroll, struct txn *txn)
{
	AUTO(buf_fini) struct buf root;
	struct cert_facts facts;
	bool is_ours;

	buf_init(&root, CERT_DER_BYTES_MAX);
	if (vault_get(txn, "tls_root.cert", &root, NULL) != RC_OK)
		return 0;
	(void)pthread_rwlock_rdlock(&enroll->lock);
	is_ours = enroll->profile_signer != NULL &&
		cert_is_issued_by(cms_signer_cert_der(enroll->profile_signer), buf_slice(&root));
	(void)pthread_rwlock_unlock(&enroll->lock);
	if (!is_ours || cert_read_facts(buf_slice(&root), &facts, NULL) != RC_OK)
		return 0;
	return facts.not_before;
}

static void read_settings(struct enroll *enroll, struct renew_policy *policy_r)
{
	struct enroll_settings settings = enroll_settings(enroll);

	*policy_r = (struct renew_policy){
		.before_s = settings.renew_before_s,
		.valid_s = settings.identity_valid_s,
		.ca_ends = enroll->ca.not_after,
	};
	settings_wipe(&settings);
}

void renew_read_policy(struct enroll *enroll, struct txn *txn, struct renew_policy *policy_r)
{
	read_settings(enroll, policy_r);
	policy_r->root_since = root_since(enroll, txn);
}

/* --- a slice, on the signer's thread */

/* Takes it up where something is to be done. False: the slice is full, and this device is the next one's. */
static bool consider(struct renew *renew, const struct renewal_facts *facts, int64_t now)
{
	struct renew_decision decision;
	bool is_send;

	renew_decide(&renew->policy, facts, now, &decision);
	is_send = decision.action == RENEW_SEND;
	if (decision.action != RENEW_NOTHING) {
		if (renew->step_count == RENEW_STEPS_MAX || (is_send && renew->send_count == RENEW_SENDS_MAX))
			return false;
		renew->steps[renew->step_count++] = (struct renew_step){.facts = *facts, .decision = decision};
		renew->send_count += is_send;
	}
	renew->seen_waiting += decision.is_due_soon;
	return true;
}

static enum rc take_ordered(struct renew *renew, struct txn *txn, struct err *err)
{
	size_t count = 0;
	enum rc rc = renewal_ordered(txn, 0, renew->rows, RENEW_SENDS_MAX, &count, err);

	for (size_t i = 0; rc == RC_OK && i < count; i++)
		(void)consider(renew, &renew->rows[i], txn_now(txn));
	renew->seen_waiting = 0;
	return rc;
}

static enum rc take_walk(struct renew *renew, struct txn *txn, struct err *err)
{
	size_t count = 0;
	size_t i;
	enum rc rc = renewal_walk(txn, renew->after_id, renew->rows, RENEW_ROWS, &count, err);

	renew->next_id = renew->after_id;
	if (rc != RC_OK)
		return rc;
	for (i = 0; i < count; i++) {
		const struct renewal_facts *facts = &renew->rows[i];

		/* Those that were ordered have been taken, in their own order. */
		if (facts->state != RENEWAL_ORDERED && !consider(renew, facts, txn_now(txn)))
			break;
		renew->next_id = facts->enrollment_id;
	}
	renew->seen_devices = (int64_t)i;
	renew->is_over = i == count && count < RENEW_ROWS;
	return RC_OK;
}

static enum rc read_target(struct renew *renew, struct renew_step *step, struct txn *txn,
	struct err *err)
{
	enum rc rc = renewal_target(txn, step->facts.enrollment_id, renew->arena, &step->target, err);

	if (rc != RC_OK)
		return rc;
	rc = account_of_device(txn, step->facts.enrollment_id, &step->account, err);
	step->has_account = rc == RC_OK;
	return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum rc read_targets(struct renew *renew, struct txn *txn, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < renew->step_count; i++)
		rc = read_target(renew, &renew->steps[i], txn, err);
	return rc;
}

static enum rc look(struct renew *renew, struct err *err)
{
	struct txn *txn = NULL;
	enum rc rc = store_read_begin(renew->enroll->store, &txn, err);

	if (rc != RC_OK)
		return rc;
	renew_read_policy(renew->enroll, txn, &renew->policy);
	rc = take_ordered(renew, txn, err);
	if (rc == RC_OK)
		rc = take_walk(renew, txn, err);
	if (rc == RC_OK)
		rc = read_targets(renew, txn, err);
	store_read_end(renew->enroll->store, &txn);
	return rc;
}

static void tell_fault(struct renew *renew, const char *event, const struct err *err)
{
	if (!renew->has_told_fault)
		log_warning(event, LOG_STR("error", err->text));
	renew->has_told_fault = true;
}

/* What cannot be made as things stand is a failed try: it is seen, and comes again later. */
static void make_profiles(struct renew *renew)
{
	renew->send_count = 0;
	for (size_t i = 0; i < renew->step_count; i++) {
		struct renew_step *step = &renew->steps[i];
		struct err err = {.rc = RC_OK};

		if (step->decision.action != RENEW_SEND)
			continue;
		if (renew_make(renew, step, &err) == RC_OK) {
			renew->send_count++;
			continue;
		}
		step->unmade = arena_str(renew->arena, slice_of_str(err.text));
		if (step->unmade == NULL)
			step->unmade = "memory is short";
	}
}

/* --- its end */

static int64_t now_us(const struct renew *renew)
{
	return clock_monotonic_us(renew->enroll->clock);
}

static void end_walk(struct renew *renew)
{
	atomic_store(&renew->waiting, renew->counted_waiting);
	atomic_store(&renew->devices, renew->counted_devices);
	atomic_store(&renew->walked_at, renew->began_at);
	(void)atomic_fetch_add(&renew->walks, 1);
	renew->after_id = 0;
	renew->has_told_fault = false;
}

/* A slice that failed is done once more, after the rest of a walk. */
static void end_slice(struct renew *renew, bool is_done)
{
	int64_t rest_ms = renew->send_count > 0 ? RENEW_SENT_REST_MS : RENEW_SLICE_REST_MS;

	arena_free(&renew->arena);
	if (is_done) {
		renew->after_id = renew->next_id;
		renew->counted_waiting += renew->seen_waiting;
		renew->counted_devices += renew->seen_devices;
	}
	if (is_done && renew->is_over) {
		end_walk(renew);
		rest_ms = RENEW_LAP_REST_MS;
	}
	if (!is_done)
		rest_ms = RENEW_SENT_REST_MS;
	atomic_store(&renew->next_us, now_us(renew) + rest_ms * US_A_MS);
	atomic_store(&renew->is_under_way, false);
}

static void done(struct store_job *job, enum rc rc, const struct err *err)
{
	struct renew *renew = (struct renew *)job;

	if (rc != RC_OK)
		tell_fault(renew, "renewal_not_kept", err);
	for (size_t i = 0; rc == RC_OK && i < renew->step_count; i++)
		if (renew->steps[i].is_kept)
			renew_log(&renew->steps[i]);
	end_slice(renew, rc == RC_OK);
}

static void begin_walk(struct renew *renew)
{
	renew->after_id = 0;
	renew->counted_waiting = 0;
	renew->counted_devices = 0;
	renew->began_at = clock_unix_s(renew->enroll->clock);
}

static void on_signer(void *ctx)
{
	struct renew *renew = ctx;
	struct err err = {.rc = RC_OK};

	if (renew->is_beginning || renew->after_id == 0)
		begin_walk(renew);
	renew->step_count = 0;
	renew->send_count = 0;
	renew->seen_waiting = 0;
	renew->is_over = false;
	renew->arena = arena_new(ARENA_BYTES_MAX);
	if (renew->arena != NULL)
		arena_hold_secret(renew->arena); /* commands with challenges */
	if (renew->arena == NULL || look(renew, &err) != RC_OK) {
		tell_fault(renew, "renewal_not_looked_at", &err);
		end_slice(renew, false);
		return;
	}
	enroll_url(renew->enroll, renew->url);
	make_profiles(renew);
	if (renew->step_count == 0)
		end_slice(renew, true);
	else if (store_submit(renew->enroll->store, &renew->job, &err) != RC_OK)
		end_slice(renew, false); /* the writer has better to do */
}

/* --- main */

static bool is_due(struct renew *renew)
{
	const bool is_look_wanted = atomic_exchange(&renew->is_look_wanted, false);

	renew->is_beginning = atomic_exchange(&renew->is_new_walk_wanted, false);
	return is_look_wanted || renew->is_beginning || now_us(renew) >= atomic_load(&renew->next_us);
}

static int64_t rest_of(const struct renew *renew)
{
	const int64_t rest_ms = (atomic_load(&renew->next_us) - now_us(renew)) / US_A_MS + 1;

	return rest_ms < RENEW_LOOK_MS ? rest_ms : RENEW_LOOK_MS;
}

int64_t enroll_renew_turn(struct enroll *enroll)
{
	struct renew *renew = enroll->renew;

	if (atomic_load(&renew->is_under_way))
		return RENEW_SLICE_REST_MS;
	if (!is_due(renew))
		return rest_of(renew);
	atomic_store(&renew->is_under_way, true);
	if (signer_submit(enroll->signer, &renew->signer_job, NULL) == RC_OK)
		return RENEW_SLICE_REST_MS;
	if (renew->is_beginning)
		atomic_store(&renew->is_new_walk_wanted, true);
	atomic_store(&renew->next_us, 0); /* as soon as the signer takes it */
	atomic_store(&renew->is_under_way, false);
	return RENEW_LOOK_MS;
}

void enroll_renew_walk_anew(struct enroll *enroll)
{
	atomic_store(&enroll->renew->is_new_walk_wanted, true);
}

void enroll_renew_look(struct enroll *enroll)
{
	atomic_store(&enroll->renew->is_look_wanted, true);
}

void enroll_renewal_of(struct enroll *enroll, const struct renewal_facts *facts, int64_t now,
	struct enroll_renewal *shown_r)
{
	const bool is_of_this = facts->renewed_id == facts->identity_id && facts->state != RENEWAL_DONE;
	struct renew_policy policy;
	struct renew_decision decision;

	read_settings(enroll, &policy);
	renew_decide(&policy, facts, now, &decision);
	*shown_r = (struct enroll_renewal){.word = "far", .obstacle = renew_obstacle(facts)};
	if (shown_r->obstacle == NULL && policy.before_s > 0)
		shown_r->due_at = renew_due_at(&policy, facts);
	if (facts->state != RENEWAL_NONE && is_of_this)
		shown_r->word = renewal_state_name(facts->state);
	else if (decision.is_due_soon || decision.action == RENEW_SEND)
		shown_r->word = "waiting";
}

void enroll_renew_stats(const struct enroll *enroll, struct enroll_renew_stats *stats_r)
{
	*stats_r = (struct enroll_renew_stats){
		.waiting = atomic_load(&enroll->renew->waiting),
		.walked_at = atomic_load(&enroll->renew->walked_at),
		.walks = atomic_load(&enroll->renew->walks),
		.devices = atomic_load(&enroll->renew->devices),
	};
}

struct renew *renew_new(struct enroll *enroll)
{
	struct renew *renew = calloc(1, sizeof(*renew));

	if (renew == NULL)
		return NULL;
	renew->enroll = enroll;
	renew->job.run = renew_keep;
	renew->job.done = done;
	renew->signer_job = (struct signer_job){.run = on_signer, .ctx = renew};
	return renew;
}

void renew_free(struct renew **renew)
{
	if (*renew == NULL)
		return;
	arena_free(&(*renew)->arena);
	free(*renew);
	*renew = NULL;
}
