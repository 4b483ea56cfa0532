/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <sqlite3.h>
#include <string.h>

#include "queue_sql.h"

/* Every statement of a poll, and the only ways it may look for rows. */
static const struct {
	const char *sql;
	const char *ways[4];
} plans[] = {
	{SQL_QUEUE_IS_OPEN,
		{"SEARCH q USING COVERING INDEX queue_open (enrollment_id=?)",
			"SEARCH b USING INTEGER PRIMARY KEY (rowid=?)"}},
	{SQL_QUEUE_IS_HELD,
		{"SEARCH q USING COVERING INDEX queue_open (enrollment_id=?)",
			"SEARCH b USING INTEGER PRIMARY KEY (rowid=?)"}},
	{SQL_QUEUE_FIRST,
		{"SEARCH q USING COVERING INDEX queue_open (enrollment_id=?)",
			"SEARCH b USING INTEGER PRIMARY KEY (rowid=?)"}},
	{SQL_QUEUE_FIND,
		{"SEARCH c USING COVERING INDEX sqlite_autoindex_command_1 (uuid=?)",
			"SEARCH q USING PRIMARY KEY (enrollment_id=? AND command_id=?)",
			"SEARCH b USING INTEGER PRIMARY KEY (rowid=?)"}},
	{SQL_QUEUE_REQUEUE, {"SEARCH queue USING COVERING INDEX queue_open (enrollment_id=?)"}},
	{SQL_QUEUE_EXPIRE_OF_ENROLLMENT,
		{"SEARCH queue USING COVERING INDEX queue_open (enrollment_id=?)", "CORRELATED SCALAR SUBQUERY 1",
			"SEARCH b USING INTEGER PRIMARY KEY (rowid=?)"}},
};

static bool is_allowed(const char *const ways[static 4], const char *step)
{
	for (size_t i = 0; i < 4 && ways[i] != NULL; i++)
		if (strcmp(ways[i], step) == 0)
			return true;
	return false;
}

static void test_no_statement_of_a_poll_scans_or_sorts(void **state)
{
	const struct fixture *f = *state;
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	for (size_t i = 0; i < COUNT_OF(plans); i++) {
		char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", plans[i].sql);
		sqlite3_stmt *stmt = NULL;

		assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
		while (sqlite3_step(stmt) == SQLITE_ROW) {
			const char *step = (const char *)sqlite3_column_text(stmt, 3);

			if (!is_allowed(plans[i].ways, step))
				fail_msg("%s\nhas the step: %s", plans[i].sql, step);
		}
		(void)sqlite3_finalize(stmt);
		sqlite3_free(sql);
	}
	(void)sqlite3_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_statement_of_a_poll_scans_or_sorts, fixture_setup,
			fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
