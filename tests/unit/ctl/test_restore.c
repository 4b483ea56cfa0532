/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl.h"
#include "pomona/config/config.h"
#include "pomona/store/backup.h"

/* What `restore` says of what came of it: the work itself is told. */

enum rc __wrap_config_load(const char *path, struct config **config_r, struct buf *faults,
	struct err *err);
void __wrap_config_free(struct config **config);
enum rc __wrap_keyring_load(const char *path, struct keyring **keyring_r, struct err *err);
enum rc __wrap_store_restore(struct store_restore *restore, struct err *err);

static char database[] = "/db";
static char master_key[] = "/key";
static struct config config = {.server = {.database = database, .master_key = master_key}};
static struct store_restore outcome;
static enum rc outcome_rc;

enum rc __wrap_config_load(const char *path, struct config **config_r, struct buf *faults,
	struct err *err)
{
	(void)path;
	(void)faults;
	(void)err;
	*config_r = &config;
	return RC_OK;
}

void __wrap_config_free(struct config **config_ptr)
{
	*config_ptr = NULL;
}

enum rc __wrap_keyring_load(const char *path, struct keyring **keyring_r, struct err *err)
{
	(void)path;
	(void)err;
	*keyring_r = NULL;
	return RC_OK;
}

enum rc __wrap_store_restore(struct store_restore *restore, struct err *err)
{
	memcpy(restore->aside, outcome.aside, sizeof(restore->aside));
	restore->is_in_place = outcome.is_in_place;
	return outcome_rc == RC_OK ? RC_OK : err_set(err, outcome_rc, "the fault");
}

static void what_a_restore_came_to_is_told(void **state)
{
	static const struct {
		enum rc rc;
		bool is_in_place;
		const char *aside;
		int status;
		const char *says, *says_too, *says_not;
	} rows[] = {
		{RC_OK, true, "/db.before", 0, "restored", "/db.before", "not synced"},
		{RC_BUSY, false, "", 1, "nothing was restored: the fault", "stop pomonad", "not in its place"},
		{RC_IO, false, "", 1, "nothing was restored: the fault", "", "not in its place"},
		{RC_IO, false, "/db.before", 1, "the former database is not in its place: the fault",
			"it is /db.before", "not synced"},
		{RC_IO, true, "/db.before", 1, "restored, but not synced: the fault",
			"the former database is /db.before", "nothing was restored"},
		{RC_IO, true, "", 1, "restored, but not synced: the fault", "sync", "former"},
	};
	static const char *words[] = {"/backup"};
	const struct args args = {.words = words, .word_count = 1};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char *text = NULL;
		size_t len;
		FILE *out = open_memstream(&text, &len);
		struct ctl ctl = {.program = "pomonactl", .conf = "/conf", .out = out, .err = out};

		outcome_rc = rows[i].rc;
		outcome.is_in_place = rows[i].is_in_place;
		(void)snprintf(outcome.aside, sizeof(outcome.aside), "%s", rows[i].aside);
		assert_int_equal(cmd_restore(&ctl, &args), rows[i].status);
		assert_int_equal(fclose(out), 0);
		if (strstr(text, rows[i].says) == NULL || strstr(text, rows[i].says_too) == NULL ||
			strstr(text, rows[i].says_not) != NULL)
			fail_msg("row %zu: %s", i, text);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_restore_came_to_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
