/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "pomona/store/enrollment.h"
#include "pomona/store/escrow.h"
#include "pomona/store/push.h"
#include "pomona/store/renewal.h"
#include "renewal_sql.h"
#include "txn.h"

_Static_assert(ESCROW_UNLOCK_TOKEN == 1 && ESCROW_BOOTSTRAP_TOKEN == 2, "numbers in SQL");

/* A device that has not yet enrolled shows the facts of its Authenticate. */
#define FACT(name) ", CASE e.state WHEN 1 THEN coalesce(p." name ", e." name ") ELSE e." name " END"

#define DEVICE_FACTS \
	FACT("topic") \
	FACT("device_name") \
	FACT("model") \
	FACT("model_name") \
	FACT("product_name") \
	FACT("os_version") \
	FACT("build_version") \
	FACT("serial_number") \
	FACT("imei") \
	FACT("meid")
#define HAS_ESCROW(kind) \
	", EXISTS (SELECT 1 FROM escrow s" \
	" WHERE s.enrollment_id = e.id AND s.kind = " kind " AND s.archived_at = 0)"
#define OPEN_COMMANDS \
	", (SELECT count(*) FROM queue q INDEXED BY queue_open WHERE q.enrollment_id = e.id" \
	" AND q.state < 4 AND q.batch_id NOT IN (SELECT id FROM batch WHERE seq IS NULL))"

#define PUSH_COLUMNS \
	", u.pushed_at, u.outcome_at, u.status, u.reason, u.apns_id, u.tries, e.token_dead_at" \
	", u.pushed_seq, u.seen_seq"

#define VIEW_COLUMNS \
	"SELECT e.id, e.device_id, e.kind, e.state, e.ext_id, e.identity_id, p.identity_id," \
	" e.is_awaiting_configuration, d.ext_id" DEVICE_FACTS \
	", e.user_short_name, e.user_long_name, e.created_at, e.enrolled_at, e.token_updated_at" \
	", e.last_seen_at, e.ended_at, e.push_token IS NOT NULL" HAS_ESCROW("1") HAS_ESCROW("2") \
		OPEN_COMMANDS ", i.sha256, i.not_after, e.inactive_at" PUSH_COLUMNS
#define VIEW_JOINS \
	" LEFT JOIN pending_enrollment p ON p.enrollment_id = e.id" \
	" LEFT JOIN enrollment d ON d.id = e.device_id" \
	" LEFT JOIN identity i ON i.id = e.identity_id" \
	" LEFT JOIN push u ON u.enrollment_id = e.id "
#define SELECT_VIEW VIEW_COLUMNS " FROM enrollment e" VIEW_JOINS
/* Few, and an index has them alone. */
#define SELECT_INACTIVE \
	VIEW_COLUMNS \
	" FROM enrollment e INDEXED BY enrollment_inactive" VIEW_JOINS "WHERE e.inactive_at > 0"
#define SELECT_RENEWAL VIEW_COLUMNS SQL_RENEWAL_IN_STATE VIEW_JOINS "WHERE " SQL_RENEWAL_IS_IN_STATE

static void read_enrollment(const struct query *query, struct enrollment *enrollment)
{
	enrollment->id = query_int(query, 0);
	enrollment->device_id = query_int(query, 1);
	enrollment->kind = (enum enrollment_kind)query_int(query, 2);
	enrollment->state = (enum enrollment_state)query_int(query, 3);
	query_copy(query, 4, enrollment->ext_id, sizeof(enrollment->ext_id));
	enrollment->identity_id = query_int(query, 5);
	enrollment->pending_identity_id = query_int(query, 6);
	enrollment->is_awaiting_configuration = query_int(query, 7) != 0;
}

/* Columns 8 to 20, in the order of the select. */
static enum rc read_texts(const struct query *query, struct arena *arena,
	struct enrollment_view *view, struct err *err)
{
	const char **const texts[] = {
		&view->device_ext_id,
		&view->topic,
		&view->device_name,
		&view->model,
		&view->model_name,
		&view->product_name,
		&view->os_version,
		&view->build_version,
		&view->serial_number,
		&view->imei,
		&view->meid,
		&view->user_short_name,
		&view->user_long_name,
	};
	bool is_short = false;

	for (size_t i = 0; i < COUNT_OF(texts); i++)
		*texts[i] = query_str(query, 8 + (int)i, arena, &is_short);
	return is_short ? err_set(err, RC_NO_MEMORY, "enrollments") : RC_OK;
}

/* Nine columns from `at`; those of a channel that was never pushed are NULL. */
static enum rc read_push(const struct query *query, int at, struct arena *arena,
	struct push_view *view, struct err *err)
{
	bool is_short = false;

	view->pushed_at = query_int(query, at);
	view->outcome_at = query_int(query, at + 1);
	view->status = query_int(query, at + 2);
	view->reason = query_str(query, at + 3, arena, &is_short);
	view->apns_id = query_str(query, at + 4, arena, &is_short);
	view->tries = query_int(query, at + 5);
	view->token_dead_at = query_int(query, at + 6);
	view->pushed_seq = query_int(query, at + 7);
	view->seen_seq = query_int(query, at + 8);
	return is_short ? err_set(err, RC_NO_MEMORY, "push state") : RC_OK;
}

enum rc push_view(struct txn *txn, int64_t enrollment_id, struct arena *arena,
	struct push_view *view_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT e.id" PUSH_COLUMNS
		" FROM enrollment e LEFT JOIN push u ON u.enrollment_id = e.id WHERE e.id = ?1",
		V_INT(enrollment_id));

	*view_r = (struct push_view){.reason = "", .apns_id = ""};
	if (rc == RC_OK)
		rc = query_row(&query, "enrollment", err);
	return rc == RC_OK ? read_push(&query, 1, arena, view_r, err) : rc;
}

static enum rc read_view(const struct query *query, struct arena *arena,
	struct enrollment_view *view, struct err *err)
{
	struct slice sha256 = query_bytes(query, 30);
	enum rc rc = read_push(query, 33, arena, &view->push, err);

	read_enrollment(query, &view->enrollment);
	view->created_at = query_int(query, 21);
	view->enrolled_at = query_int(query, 22);
	view->token_updated_at = query_int(query, 23);
	view->last_seen_at = query_int(query, 24);
	view->ended_at = query_int(query, 25);
	view->has_push_token = query_int(query, 26) != 0;
	view->has_unlock_token = query_int(query, 27) != 0;
	view->has_bootstrap_token = query_int(query, 28) != 0;
	view->open_commands = query_int(query, 29);
	if (sha256.len == sizeof(view->identity_sha256))
		memcpy(view->identity_sha256, sha256.ptr, sha256.len);
	view->identity_not_after = query_int(query, 31);
	view->inactive_at = query_int(query, 32);
	return rc == RC_OK ? read_texts(query, arena, view, err) : rc;
}

enum rc enrollment_view(struct txn *txn, int64_t id, struct arena *arena,
	struct enrollment_view *view_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SELECT_VIEW "WHERE e.id = ?1", V_INT(id));

	*view_r = (struct enrollment_view){0};
	if (rc == RC_OK)
		rc = query_row(&query, "enrollment", err);
	return rc == RC_OK ? read_view(&query, arena, view_r, err) : rc;
}

/* What every list asks besides what it is found by. */
#define AFTER(id) \
	" AND " id \
	" > ?2 AND (?3 = 0 OR e.state = ?3) AND (?4 = 0 OR e.kind = ?4)" \
	" AND (?5 = 0 OR e.device_id = ?5) AND (?6 = 0 OR (e.inactive_at > 0) = (?6 = 2))" \
	" AND (?8 = 0 OR EXISTS (SELECT 1 FROM renewal n WHERE n.enrollment_id = e.id AND n.state = ?8" \
	" AND e.state = 2)) ORDER BY " id " LIMIT ?7"
_Static_assert(ENROLLMENT_ACTIVE == 1 && ENROLLMENT_INACTIVE == 2, "numbers in SQL");

#define LIST_BY(query, txn, err, where, find, id) \
	QUERY(query, txn, err, where AFTER(id), find, V_INT(filter->after_id), V_INT(filter->state), \
		V_INT(filter->kind), V_INT(filter->device_id), V_INT(filter->activity), V_INT(filter->limit), \
		V_INT(filter->renewal))
#define LIST(query, txn, err, where, find) LIST_BY(query, txn, err, where, find, "e.id")

static enum rc start_list(struct query *query, struct txn *txn,
	const struct enrollment_filter *filter, struct err *err)
{
	if (filter->serial_number.len > 0)
		return LIST(query, txn, err, SELECT_VIEW "WHERE e.serial_number = ?1 AND e.serial_number <> ''",
			V_TEXT(filter->serial_number));
	if (filter->device_id != 0)
		return LIST(query, txn, err, SELECT_VIEW "WHERE e.device_id = ?1", V_INT(filter->device_id));
	if (filter->renewal != 0)
		return LIST_BY(query, txn, err, SELECT_RENEWAL, V_INT(filter->renewal), "r.enrollment_id");
	if (filter->activity == ENROLLMENT_INACTIVE)
		return LIST(query, txn, err, SELECT_INACTIVE " AND ?1 = 0", V_INT(0));
	return LIST(query, txn, err, SELECT_VIEW "WHERE ?1 = 0", V_INT(0));
}

static enum rc check_filter(const struct enrollment_filter *filter, struct err *err)
{
	if (filter->activity < ENROLLMENT_ANY_ACTIVITY || filter->activity > ENROLLMENT_INACTIVE)
		return err_set(err, RC_INVALID, "activity: %d, want %d..%d", filter->activity,
			ENROLLMENT_ANY_ACTIVITY, ENROLLMENT_INACTIVE);
	if (filter->renewal < RENEWAL_NONE || filter->renewal >= RENEWAL_STATE_END ||
		filter->renewal == RENEWAL_DONE)
		return err_set(err, RC_INVALID, "renewal: %d, want %d..%d, and not %d", filter->renewal,
			RENEWAL_NONE, RENEWAL_STATE_END - 1, RENEWAL_DONE);
	return limit_check(filter->limit, err);
}

enum rc enrollment_list(struct txn *txn, const struct enrollment_filter *filter,
	struct arena *arena, struct enrollment_view **views_r, size_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	void *list = NULL;
	bool is_row = true;
	enum rc rc = check_filter(filter, err);

	*count_r = 0;
	if (rc == RC_OK)
		rc = start_list(&query, txn, filter, err);
	while (rc == RC_OK && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row) {
		struct enrollment_view *view = list_next(arena, &list, count_r, sizeof(*view));

		rc =
			view == NULL ? err_set(err, RC_NO_MEMORY, "enrollments") : read_view(&query, arena, view, err);
	}
	*views_r = list;
	return rc;
}

enum rc enrollment_counts(struct txn *txn,
	struct enrollment_count counts[static ENROLLMENT_COUNTS_MAX], size_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	bool is_row = true;
	enum rc rc =
		QUERY(&query, txn, err, "SELECT kind, state, count(*) FROM enrollment GROUP BY kind, state");

	*count_r = 0;
	while (rc == RC_OK && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row &&
		*count_r < ENROLLMENT_COUNTS_MAX)
		counts[(*count_r)++] = (struct enrollment_count){
			.kind = (enum enrollment_kind)query_int(&query, 0),
			.state = (enum enrollment_state)query_int(&query, 1),
			.count = query_int(&query, 2),
		};
	return rc;
}
