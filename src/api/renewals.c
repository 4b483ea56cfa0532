/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "pomona/enroll/renew.h"

#include "private.h"

/* POST enroll/renewals: devices whose identity is to be renewed now, whenever it ends. */

enum renewal_outcome { OUTCOME_ORDERED, OUTCOME_IMPOSSIBLE, OUTCOME_UNKNOWN, OUTCOME_COUNT };
static const char *const outcome_names[OUTCOME_COUNT] = {"ordered", "impossible", "unknown"};

enum { IDS_MAX = SEND_SMALL_IDS_MAX };

struct ordering {
	struct job job;
	struct json_value *ids;
	uint8_t *repeated;
	uint8_t outcomes[IDS_MAX];
	const char *obstacles[IDS_MAX]; /* NULL: none */
	int64_t ordered;
};

static struct ordering *ordering_of(struct job *job)
{
	return (struct ordering *)job;
}

static enum rc prepare(struct job *job, struct err *err)
{
	static const struct json_field table[] = {
		{.key = "ids", .kind = JSON_KIND_ARRAY, .offset = 0, .is_required = true},
	};
	struct ordering *ordering = ordering_of(job);
	struct json_value *body;
	enum rc rc = api_call_body(&job->call, &body, err);

	if (rc == RC_OK && job->call.api->enroll == NULL)
		rc = api_call_conflict(err, "this server enrolls nobody");
	if (rc == RC_OK)
		rc = json_read_fields(body, table, COUNT_OF(table), &ordering->ids, err);
	if (rc == RC_OK)
		rc = api_ids_check(&job->call, ordering->ids, err);
	if (rc != RC_OK)
		return rc;
	if (json_count(ordering->ids) > IDS_MAX)
		return api_call_invalid(&job->call, err, "ids", "must hold 1 to %d ids", IDS_MAX);
	return api_ids_find_repeated(ordering->ids, job->call.arena, &ordering->repeated, err);
}

static enum rc order(struct txn *txn, const struct renewal_facts *facts, struct err *err)
{
	const struct renewal_row row = {
		.enrollment_id = facts->enrollment_id,
		.identity_id = facts->identity_id,
		.state = RENEWAL_ORDERED,
		.command_id = facts->command_id,
	};

	return renewal_put(txn, &row, err);
}

static enum rc order_one(struct ordering *ordering, struct txn *txn, size_t index, struct err *err)
{
	const struct slice id = json_string(json_at(ordering->ids, index));
	struct enroll_renewal shown;
	struct renewal_facts facts;
	struct enrollment device;
	enum rc rc = enrollment_find(txn, id, &device, err);

	if (rc == RC_OK)
		rc = renewal_of(txn, device.id, &facts, err);
	ordering->outcomes[index] = OUTCOME_UNKNOWN;
	if (rc == RC_NOT_FOUND)
		return RC_OK;
	if (rc != RC_OK)
		return rc;
	enroll_renewal_of(ordering->job.call.api->enroll, &facts, txn_now(txn), &shown);
	ordering->obstacles[index] = shown.obstacle;
	ordering->outcomes[index] = OUTCOME_IMPOSSIBLE;
	if (shown.obstacle != NULL)
		return RC_OK;
	ordering->outcomes[index] = OUTCOME_ORDERED;
	ordering->ordered++;
	return order(txn, &facts, err);
}

static enum rc run(struct job *job, struct txn *txn, struct err *err)
{
	struct ordering *ordering = ordering_of(job);
	enum rc rc = RC_OK;

	ordering->ordered = 0;
	for (size_t i = 0; rc == RC_OK && i < json_count(ordering->ids); i++)
		if (!ordering->repeated[i])
			rc = order_one(ordering, txn, i, err);
	return rc;
}

static void write_rows(const struct ordering *ordering, struct json_value *rows)
{
	for (size_t i = 0; i < json_count(ordering->ids); i++) {
		struct json_value *row;

		if (ordering->repeated[i])
			continue;
		row = json_append_object(rows);
		json_set_slice(row, "id", json_string(json_at(ordering->ids, i)));
		json_set_str(row, "outcome", outcome_names[ordering->outcomes[i]]);
		json_set_str(row, "why", ordering->obstacles[i]);
	}
}

static void reply(struct job *job)
{
	struct ordering *ordering = ordering_of(job);
	const struct audit_targets targets = {
		.ids = ordering->ids,
		.outcomes = ordering->outcomes,
		.repeated = ordering->repeated,
		.outcome = OUTCOME_ORDERED,
		.count = ordering->ordered,
	};
	struct json_value *root = json_new_object();

	api_call_audit_targets(&job->call, "renew_identities", slice_of(NULL, 0), &targets);
	enroll_renew_look(job->call.api->enroll);
	json_set_int(root, "ordered", ordering->ordered);
	write_rows(ordering, json_set_array(root, "results"));
	api_call_reply(&job->call, 200, &root);
}

void api_renewals_post(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct ordering),
		.prepare = prepare,
		.run = run,
		.reply = reply};

	api_job_handle(request, api, &type);
}

enum rc api_renewal_write(struct call *call, struct txn *txn, int64_t enrollment_id,
	struct json_value *object, struct err *err)
{
	char why[RENEWAL_WHY_BYTES_MAX + 1] = "";
	struct json_value *renewal;
	struct enroll_renewal shown;
	struct renewal_facts facts;
	enum rc rc =
		call->api->enroll == NULL ? RC_NOT_FOUND : renewal_of(txn, enrollment_id, &facts, err);

	if (rc == RC_OK)
		rc = renewal_why(txn, enrollment_id, why, err);
	if (rc == RC_NOT_FOUND) { /* not enrolled, or a user: it has none */
		json_set_str(object, "renewal", NULL);
		return RC_OK;
	}
	if (rc != RC_OK)
		return rc;
	enroll_renewal_of(call->api->enroll, &facts, txn_now(txn), &shown);
	renewal = json_set_object(object, "renewal");
	json_set_str(renewal, "state", shown.word);
	json_set_time(renewal, "due_at", shown.due_at);
	json_set_time(renewal, "changed_at", facts.changed_at);
	json_set_int(renewal, "failures", facts.tries);
	json_set_time(renewal, "next_at", facts.next_at);
	json_set_str(renewal, "why", shown.obstacle != NULL ? shown.obstacle : why);
	return RC_OK;
}

enum rc api_renewals_status_write(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err)
{
	struct json_value *object = json_set_object(root, "renewals");
	struct enroll_renew_stats stats = {.waiting = 0};
	struct renewal_counts counts;
	enum rc rc = renewal_count(txn, &counts, err);

	if (rc != RC_OK)
		return rc;
	if (call->api->enroll != NULL)
		enroll_renew_stats(call->api->enroll, &stats);
	json_set_time(object, "walked_at", stats.walked_at);
	json_set_int(object, "walks", stats.walks);
	json_set_int(object, "devices", stats.devices);
	json_set_int(object, "waiting", stats.waiting);
	for (int i = RENEWAL_ORDERED; i < RENEWAL_STATE_END; i++)
		if (i != RENEWAL_DONE)
			json_set_int(object, renewal_state_name((enum renewal_state)i), counts.by_state[i]);
	json_set_int(object, "sent_total", counts.sent);
	json_set_int(object, "failed_total", counts.failed);
	json_set_int(object, "renewed_total", counts.renewed);
	return RC_OK;
}
