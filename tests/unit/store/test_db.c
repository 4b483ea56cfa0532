/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "txn.h"

enum { TEXTS = DB_STATEMENTS_MAX + 1 };

/* Each at an address of its own, as literals are. */
static char texts[TEXTS][32];

static int set_up(void **state)
{
	struct txn *txn = test_calloc(1, sizeof(*txn));
	struct err err;

	for (int i = 0; i < TEXTS; i++)
		(void)snprintf(texts[i], sizeof(texts[i]), "SELECT %d", i);
	assert_ok(db_open(&txn->db, ":memory:", SQLITE_OPEN_READWRITE, &err), &err);
	*state = txn;
	return 0;
}

static int tear_down(void **state)
{
	struct txn *txn = *state;

	db_close(&txn->db);
	test_free(txn);
	return 0;
}

static enum rc try_select(struct txn *txn, int i, int64_t *value_r, struct err *err)
{
	static const struct value none[] = {{.kind = VALUE_END}};
	AUTO(query_end) struct query query = {0};
	enum rc rc = query_start(&query, txn, __func__, texts[i], none, err);

	if (rc == RC_OK)
		rc = query_row(&query, "row", err);
	*value_r = rc == RC_OK ? query_int(&query, 0) : -1;
	return rc;
}

static void check_select(struct txn *txn, int i)
{
	struct err err;
	int64_t value;

	assert_ok(try_select(txn, i, &value, &err), &err);
	assert_int_equal(value, i);
}

static void a_connection_keeps_700_statements_apart(void **state)
{
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 700; i++)
			check_select(*state, i);
}

static void one_statement_more_than_the_limit_is_refused_and_the_others_still_run(void **state)
{
	struct err err;
	int64_t value;

	for (int i = 0; i < DB_STATEMENTS_MAX; i++)
		check_select(*state, i);
	assert_int_equal(try_select(*state, DB_STATEMENTS_MAX, &value, &err), RC_INTERNAL);
	assert_non_null(strstr(err.text, "more than 768 statements"));
	for (int i = 0; i < DB_STATEMENTS_MAX; i++)
		check_select(*state, i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_connection_keeps_700_statements_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			one_statement_more_than_the_limit_is_refused_and_the_others_still_run, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
