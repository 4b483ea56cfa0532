/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <sqlite3.h>
#include <string.h>

#include "history_sql.h"
#include "intent_sql.h"
#include "push_sql.h"
#include "queue_sql.h"
#include "renewal_sql.h"

enum { WAYS_MAX = 6 };

/* A statement, and the only ways it may look for rows. */
struct plan {
	const char *sql;
	const char *ways[WAYS_MAX];
};

static const struct plan poll_plans[] = {
	{SQL_QUEUE_IS_OPEN,
		{"SEARCH q USING COVERING INDEX queue_open (enrollment_id=?)",
			"SEARCH b USING INTEGER PRIMARY KEY (rowid=?)"}},
	{SQL_QUEUE_IS_HELD,
		{"SEARCH q USING COVERING INDEX queue_held (enrollment_id=?)",
			"SEARCH b USING INTEGER PRIMARY KEY (rowid=?)"}},
	{SQL_QUEUE_FIRST,
		{"SEARCH q USING COVERING INDEX queue_open (enrollment_id=?)",
			"SEARCH b USING INTEGER PRIMARY KEY (rowid=?)"}},
	{SQL_QUEUE_FIND,
		{"SEARCH c USING COVERING INDEX sqlite_autoindex_command_1 (uuid=?)",
			"SEARCH q USING PRIMARY KEY (enrollment_id=? AND command_id=?)",
			"SEARCH b USING INTEGER PRIMARY KEY (rowid=?)"}},
	{SQL_QUEUE_REQUEUE, {"SEARCH queue USING COVERING INDEX queue_held (enrollment_id=?)"}},
	{SQL_QUEUE_EXPIRE_OF_ENROLLMENT,
		{"SEARCH queue USING COVERING INDEX queue_open (enrollment_id=?)", "CORRELATED SCALAR SUBQUERY 1",
			"SEARCH b USING INTEGER PRIMARY KEY (rowid=?)"}},
};

/* Those over many enrollments go along an index, or along the table in its order. */
static const struct plan push_plans[] = {
	{SQL_PUSH_TARGET,
		{"SEARCH e USING INTEGER PRIMARY KEY (rowid=?)",
			"SEARCH d USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN",
			"SEARCH u USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN"}},
	{SQL_PUSH_OPEN,
		{"SEARCH q USING COVERING INDEX queue_open (enrollment_id=?)",
			"SEARCH b USING INTEGER PRIMARY KEY (rowid=?)"}},
	{SQL_PUSH_IS_INACTIVE, {"SEARCH enrollment USING INDEX enrollment_inactive (id=?)"}},
	{SQL_PUSH_WORK_OPEN,
		{"SEARCH q USING COVERING INDEX queue_open (enrollment_id>?)",
			"SEARCH b USING INTEGER PRIMARY KEY (rowid=?)"}},
	{SQL_PUSH_NEXT_BATCH, {"SEARCH batch USING COVERING INDEX sqlite_autoindex_batch_1 (seq>?)"}},
	{SQL_PUSH_WORK_OF_BATCH,
		{"SEARCH b USING INDEX sqlite_autoindex_batch_1 (seq=?)",
			"SEARCH q USING INDEX queue_by_command"
			" (command_id=? AND enrollment_id>? AND enrollment_id<?)"}},
	{SQL_PUSH_WALK,
		{"SEARCH e USING INTEGER PRIMARY KEY (rowid>?)",
			"SEARCH u USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN"}},
	{SQL_PUSH_WALK_SIZE,
		{"SEARCH enrollment USING COVERING INDEX enrollment_by_state (kind=? AND state=?)"}},
	{SQL_PUSH_COUNTS,
		{"SCAN CONSTANT ROW", "SCALAR SUBQUERY 1", "SCAN enrollment USING INDEX enrollment_inactive",
			"SCALAR SUBQUERY 2", "SCAN enrollment USING INDEX enrollment_dead"}},
	{SQL_PUSH_CERTS,
		{"SCAN c USING INDEX sqlite_autoindex_push_cert_1", "CORRELATED SCALAR SUBQUERY 1",
			"SEARCH e USING INDEX enrollment_by_topic (topic=?)"}},
	{SQL_PUSH_TOPICS,
		{"CO-ROUTINE t", "SEARCH enrollment USING INDEX enrollment_by_topic (topic>?)", "SCAN t",
			"CORRELATED SCALAR SUBQUERY 1",
			"SEARCH c USING COVERING INDEX sqlite_autoindex_push_cert_1 (topic=?)",
			"USE TEMP B-TREE FOR ORDER BY"}},
};

/* What is due stands first: a look that finds nothing ends there. */
static const struct plan history_plans[] = {
	{SQL_HISTORY_DUE,
		{"SEARCH queue USING INDEX queue_finished (state=? AND finished_at>? AND finished_at<?)"}},
	{SQL_HISTORY_ANSWERED,
		{"SEARCH q USING COVERING INDEX queue_finished"
			" (state=? AND (finished_at,enrollment_id,command_id)>(?,?,?) AND finished_at<?)",
			"SEARCH c USING INTEGER PRIMARY KEY (rowid=?)"}},
	{SQL_HISTORY_NEWER,
		{"CO-ROUTINE n", "SEARCH queue USING PRIMARY KEY (enrollment_id=? AND command_id>?)", "SCAN n",
			"SEARCH c USING INTEGER PRIMARY KEY (rowid=?)"}},
};

/* Devices in the order of their ids, or those alone about which there is something to say. */
static const struct plan renewal_plans[] = {
	{SQL_RENEWAL_WALK,
		{"SEARCH e USING INTEGER PRIMARY KEY (rowid>?)", "SEARCH i USING INTEGER PRIMARY KEY (rowid=?)",
			"SEARCH r USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN",
			"SEARCH q USING PRIMARY KEY (enrollment_id=? AND command_id=?) LEFT-JOIN",
			"CORRELATED SCALAR SUBQUERY 1",
			"SEARCH s USING COVERING INDEX scep_transaction_by_identity (identity_id=?)"}},
	{SQL_RENEWAL_ORDERED,
		{"SEARCH r USING INDEX renewal_by_state (state=? AND enrollment_id>?)",
			"SEARCH e USING INTEGER PRIMARY KEY (rowid=?)", "SEARCH i USING INTEGER PRIMARY KEY (rowid=?)",
			"SEARCH q USING PRIMARY KEY (enrollment_id=? AND command_id=?) LEFT-JOIN",
			"CORRELATED SCALAR SUBQUERY 1",
			"SEARCH s USING COVERING INDEX scep_transaction_by_identity (identity_id=?)"}},
	{SQL_RENEWAL_COUNTS,
		{"SCAN r USING COVERING INDEX renewal_by_state", "SEARCH e USING INTEGER PRIMARY KEY (rowid=?)"}},
	{"SELECT e.id" SQL_RENEWAL_IN_STATE " WHERE " SQL_RENEWAL_IS_IN_STATE
		" AND r.enrollment_id > ?2 ORDER BY r.enrollment_id LIMIT ?7",
		{"SEARCH r USING COVERING INDEX renewal_by_state (state=? AND enrollment_id>?)",
			"SEARCH e USING INTEGER PRIMARY KEY (rowid=?)"}},
	{SQL_REMOVAL_FIND,
		{"SEARCH m USING INTEGER PRIMARY KEY (rowid=?)",
			"SEARCH q USING PRIMARY KEY (enrollment_id=? AND command_id=?)"}},
};

static const struct plan intent_plans[] = {
	{SQL_INTENT_IS_LISTED,
		{"COMPOUND QUERY", "LEFT-MOST SUBQUERY", "UNION ALL",
			"SEARCH intent USING INDEX intent_by_device (device_id=? AND way=?)",
			"SEARCH intent USING INDEX intent_by_serial (serial_number=?)"}},
	{SQL_INTENT_TRIM,
		{"SEARCH intent USING INTEGER PRIMARY KEY (rowid=?)", "LIST SUBQUERY 1",
			"SEARCH intent USING INDEX intent_by_device (device_id=? AND way=?)"}},
};

static bool is_allowed(const struct plan *plan, const char *step)
{
	for (size_t i = 0; i < WAYS_MAX && plan->ways[i] != NULL; i++)
		if (strcmp(plan->ways[i], step) == 0)
			return true;
	return false;
}

static void check_plan(sqlite3 *db, const struct plan *plan)
{
	char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", plan->sql);
	sqlite3_stmt *stmt = NULL;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		const char *step = (const char *)sqlite3_column_text(stmt, 3);

		if (!is_allowed(plan, step))
			fail_msg("%s\nhas the step: %s", plan->sql, step);
	}
	(void)sqlite3_finalize(stmt);
	sqlite3_free(sql);
}

static void check_plans(const struct fixture *f, const struct plan *plans, size_t count)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	for (size_t i = 0; i < count; i++)
		check_plan(db, &plans[i]);
	(void)sqlite3_close(db);
}

static void test_no_statement_of_a_poll_scans_or_sorts(void **state)
{
	check_plans(*state, poll_plans, COUNT_OF(poll_plans));
}

static void test_no_statement_of_waking_walks_history(void **state)
{
	check_plans(*state, push_plans, COUNT_OF(push_plans));
}

static void test_no_statement_of_history_walks_what_is_not_due(void **state)
{
	check_plans(*state, history_plans, COUNT_OF(history_plans));
}

static void test_no_statement_of_renewals_sorts_or_walks_what_is_done(void **state)
{
	check_plans(*state, renewal_plans, COUNT_OF(renewal_plans));
}

static void test_a_device_that_comes_by_itself_is_looked_up_by_an_index(void **state)
{
	check_plans(*state, intent_plans, COUNT_OF(intent_plans));
}

/* What the virtual machine does to read a batch to its end, by its seq. */
static int steps_of_batch(struct fixture *f, int64_t seq)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db;
	int steps;

	assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, SQL_PUSH_WORK_OF_BATCH, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_bind_int64(stmt, 1, seq), SQLITE_OK);
	assert_int_equal(sqlite3_bind_int64(stmt, 2, 0), SQLITE_OK);
	assert_int_equal(sqlite3_bind_int64(stmt, 3, T0), SQLITE_OK);
	assert_int_equal(sqlite3_bind_int64(stmt, 4, 1000), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
	steps = sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 0);
	(void)sqlite3_finalize(stmt);
	(void)sqlite3_close(db);
	return steps;
}

/* As when somebody sends the same command to each device by a request of its own. */
static void test_a_batch_of_one_costs_the_same_however_many_had_the_command(void **state)
{
	enum { COUNT = 100 };
	static const struct command_row row = {.uuid = S("u"), .request_type = S("X"), .body = S("b")};
	struct fixture *f = *state;
	struct err err;

	for (int i = 0; i < COUNT; i++) {
		int64_t id, command_id, batch_id;
		bool was_queued;

		assert_ok(enroll_device(fixture_write(f), (char[]){'U', (char)('A' + i), 0}, (uint8_t)(i + 1),
													&id, &err),
			&err);
		assert_ok(command_put(fixture_write(f), &row, &command_id, &err), &err);
		assert_ok(batch_begin(fixture_write(f), command_id, 0, &batch_id, &err), &err);
		assert_ok(batch_add(fixture_write(f), batch_id, id, &was_queued, &err), &err);
		assert_ok(batch_publish(fixture_write(f), batch_id, &err), &err);
	}
	fixture_commit(f);
	assert_int_equal(steps_of_batch(f, COUNT - 1),
		steps_of_batch(f, 1)); /* the last ends with the index */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(test_no_statement_of_a_poll_scans_or_sorts),
		TEST(test_no_statement_of_waking_walks_history),
		TEST(test_no_statement_of_history_walks_what_is_not_due),
		TEST(test_no_statement_of_renewals_sorts_or_walks_what_is_done),
		TEST(test_a_device_that_comes_by_itself_is_looked_up_by_an_index),
		TEST(test_a_batch_of_one_costs_the_same_however_many_had_the_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
