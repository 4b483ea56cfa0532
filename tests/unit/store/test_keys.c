/* SPDX-License-Identifier: Apache-2.0 */
/* Another master key while the store serves: every blob comes under it, and none is lost at any failing call. */
#include "fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faultvfs.h"
#include "impl.h"
#include "pomona/base/file.h"
#include "sealed_table.h"

enum { OLD_KEY = 7, NEW_KEY = 8, WAIT_MS = 60000 };
#define HEX_OLD \
	"0102030000000000000000000000000000000000000000000000000000000000" /* the fixture's */
#define HEX_NEW "0900000000000000000000000000000000000000000000000000000000000000"
#define LINE_OLD "00000007 " HEX_OLD "\n"
#define LINE_NEW "00000008 " HEX_NEW "\n"

/* The caller's to free. */
static struct keyring *keyring_of(const struct fixture *f, const char *lines)
{
	struct keyring *keyring;
	char path[128];
	struct err err;

	(void)snprintf(path, sizeof(path), "%s/master.key", f->dir);
	assert_ok(file_replace(path, slice_of_str(lines), 0600, &err), &err);
	assert_ok(keyring_load(path, &keyring, &err), &err);
	return keyring;
}

static void open_with(struct fixture *f, const char *lines)
{
	keyring_free(&f->keyring);
	f->keyring = keyring_of(f, lines);
	fixture_open(f);
}

/* --- one blob of each kind, under the fixture's key */

static void plant_result(struct txn *txn, int64_t id, const char *uuid)
{
	static const struct queue_answer done = {.state = QUEUE_DONE,
		.status = S("Acknowledged"),
		.raw = S("raw result")};
	struct queue_item item;
	struct err err;

	assert_ok(send_command(txn, uuid, COMMAND_PRIORITY_NORMAL, id, 0, &err), &err);
	assert_ok(queue_find(txn, id, slice_of_str(uuid), &item, &err), &err);
	assert_ok(queue_finish(txn, &item, &done, &err), &err);
}

static void plant_pending(struct txn *txn)
{
	static const uint8_t anchors[SHA256_BYTES];
	const struct device_facts facts = {.topic = S("com.example.mdm")};
	struct cert_facts cert = facts_of(9);
	int64_t identity_id;
	int64_t id;
	struct err err;

	assert_ok(enrollment_add_device(txn, ENROLLMENT_DEVICE, S("UDID-2"), &id, &err), &err);
	assert_ok(identity_record(txn, &cert, anchors, &identity_id, &err), &err);
	assert_ok(enrollment_set_pending(txn, id, identity_id, &facts, S("raw pending"), &err), &err);
}

static void plant(struct fixture *f)
{
	struct txn *txn = fixture_write(f);
	int64_t id;
	struct err err;

	assert_ok(enroll_device(txn, "UDID-1", 1, &id, &err), &err);
	assert_ok(give_token(txn, id, "token", &err), &err);
	plant_pending(txn);
	plant_result(txn, id, "answered");
	assert_ok(send_command(txn, "open", COMMAND_PRIORITY_NORMAL, id, 0, &err), &err);
	assert_ok(escrow_put(txn, id, ESCROW_UNLOCK_TOKEN, S("former"), &err), &err);
	assert_ok(escrow_put(txn, id, ESCROW_UNLOCK_TOKEN, S("live"), &err), &err);
	assert_ok(vault_put(txn, "device_ca.key", S("ca key"), &err), &err);
	assert_ok(vault_put(txn, "device_ca.cert", S("ca cert"), &err), &err);
	assert_ok(put_push_cert(txn, "topic", 3, S("cert"), S("push key"), &err), &err);
	fixture_commit(f);
}
enum { PLANTED = 3 + 2 + 1 + 2 + 2 + 1 }; /* messages, bodies, result, escrow, vault, push key */

static int64_t command_of(struct txn *txn, struct slice uuid)
{
	int64_t id;
	struct err err;

	assert_ok(command_find(txn, uuid, &id, &err), &err);
	return id;
}

/* By the verbs that serve them. */
static void assert_all_open(struct fixture *f)
{
	AUTO(buf_fini_secret) struct buf out = {0};
	struct txn *txn = fixture_read(f);
	struct enrollment device;
	struct enrollment pending;
	struct err err;

	buf_init(&out, 1000);
	assert_ok(enrollment_find(txn, S("UDID-1"), &device, &err), &err);
	assert_ok(enrollment_raw_message(txn, device.id, "Authenticate", &out, &err), &err);
	assert_text(&out, "raw authenticate");
	assert_ok(enrollment_raw_message(txn, device.id, "TokenUpdate", &out, &err), &err);
	assert_text(&out, "raw token");
	assert_ok(command_body(txn, command_of(txn, S("open")), &out, &err), &err);
	assert_text(&out, "open");
	assert_ok(queue_result(txn, device.id, command_of(txn, S("answered")), &out, &err), &err);
	assert_text(&out, "raw result");
	assert_ok(escrow_get(txn, device.id, ESCROW_UNLOCK_TOKEN, &out, &err), &err);
	assert_text(&out, "live");
	assert_ok(vault_get(txn, "device_ca.key", &out, &err), &err);
	assert_text(&out, "ca key");
	assert_ok(vault_get(txn, "device_ca.cert", &out, &err), &err);
	assert_text(&out, "ca cert");
	assert_ok(push_cert_key(txn, "topic", &out, &err), &err);
	assert_text(&out, "push key");
	/* What no verb serves before it is promoted. */
	assert_ok(enrollment_find(txn, S("UDID-2"), &pending, &err), &err);
	txn = fixture_write(f);
	assert_ok(enrollment_promote(txn, pending.id, &err), &err);
	assert_ok(enrollment_raw_message(txn, pending.id, "Authenticate", &out, &err), &err);
	assert_text(&out, "raw pending");
	fixture_rollback(f);
}

/* Blobs that are not under `key`, by a look of our own at every column of that name. */
static int64_t not_under(struct fixture *f, uint32_t key)
{
	static const char *const tables[] = {"pending_enrollment", "checkin_message", "command_body",
		"result", "escrow", "vault", "push_cert"};
	int64_t sum = 0;

	for (size_t i = 0; i < COUNT_OF(tables); i++) {
		char sql[160];
		int64_t number;
		struct err err;

		(void)snprintf(sql, sizeof(sql),
			"SELECT count(*) FROM %s WHERE hex(substr(sealed, 2, 4)) <> '%08X'", tables[i], (unsigned)key);
		assert_ok(db_read_int(&fixture_read(f)->db, sql, &number, &err), &err);
		sum += number;
	}
	return sum;
}

/* --- running */

static enum rc take(void *ctx, struct txn *txn, struct err *err)
{
	return store_keys_take(txn, ctx, err);
}

static void start(struct fixture *f)
{
	struct err err;

	if (f->read != NULL)
		store_read_end(f->store, &f->read);
	assert_ok(store_start(f->store, &err), &err);
}

static void rotate_to(struct fixture *f, const char *lines)
{
	AUTO(keyring_free) struct keyring *keyring = keyring_of(f, lines);
	struct err err;

	assert_ok(store_run(f->store, take, keyring, &err), &err);
}

/* Until it has come to an end, this or that. */
static struct store_keys_status settle(struct fixture *f)
{
	struct store_keys_status status;

	for (int i = 0; i < WAIT_MS; i++) {
		store_keys_status(f->store, &status);
		if (status.state == STORE_KEYS_SETTLED || status.state == STORE_KEYS_HALTED)
			return status;
		(void)usleep(1000);
	}
	fail_msg("it does not end: %s", store_keys_state_name(status.state));
	return status;
}

/* --- the list */

/* Blobs that are meant to be read by whoever has the database, besides digests, whose names say so. */
static const char *const clear[] = {"identity.chained_under", "certificate.der", "anchor.der",
	"apple_anchor.der", "enrollment.push_token", "api_token.hash", "push_cert.cert_pem"};

static bool is_in_list(const char *name)
{
	size_t count;
	const struct sealed_table *tables = sealed_tables(&count);

	for (size_t i = 0; i < count; i++) {
		char column[64];

		(void)snprintf(column, sizeof(column), "%s.%s", tables[i].table, tables[i].column);
		if (strcmp(column, name) == 0)
			return true;
	}
	return false;
}

static bool is_clear(const char *name)
{
	static const char digest[] = "sha256";
	const size_t len = strlen(name);

	if (len > sizeof(digest) && strcmp(name + len - (sizeof(digest) - 1), digest) == 0)
		return true;
	for (size_t i = 0; i < COUNT_OF(clear); i++)
		if (strcmp(clear[i], name) == 0)
			return true;
	return false;
}

static void test_the_list_has_every_blob_of_the_schema_that_is_not_known_to_be_clear(void **state)
{
	struct fixture *f = *state;
	AUTO(query_end) struct query query = {0};
	size_t found = 0;
	bool is_row = true;
	size_t count;
	struct err err;

	assert_ok(QUERY(&query, fixture_read(f), &err,
												"SELECT m.name || '.' || p.name FROM sqlite_schema m JOIN pragma_table_info(m.name) p"
												" WHERE m.type = 'table' AND (p.type = 'BLOB' OR p.name LIKE '%sealed%')"),
		&err);
	while (query_next(&query, &is_row, &err) == RC_OK && is_row) {
		char name[64];

		query_copy(&query, 0, name, sizeof(name));
		if (is_in_list(name) == is_clear(name))
			fail_msg("%s: is it sealed? Then sealed_table.c must have it; else say here that it is clear",
				name);
		found += is_in_list(name);
	}
	(void)sealed_tables(&count);
	assert_int_equal(found + 1, count); /* the vault stands twice */
}

/* --- tests */

static void test_every_blob_comes_under_the_new_key_and_opens_by_it_alone(void **state)
{
	struct fixture *f = *state;
	struct store_keys_status status;
	struct err err;

	plant(f);
	assert_int_equal(not_under(f, OLD_KEY), 0);
	start(f);
	store_keys_status(f->store, &status);
	assert_int_equal(status.state, STORE_KEYS_UNCOUNTED);
	assert_true(store_keys_is_needed(f->store, OLD_KEY));
	rotate_to(f, LINE_OLD LINE_NEW);
	status = settle(f);
	assert_int_equal(status.state, STORE_KEYS_SETTLED);
	assert_int_equal(status.left, 0);
	assert_int_equal(status.blobs, PLANTED);
	assert_int_equal(status.count, 2);
	assert_true(status.keys[0].id == OLD_KEY && status.keys[0].blobs == 0 && status.keys[0].is_there);
	assert_true(status.keys[1].id == NEW_KEY && status.keys[1].blobs == PLANTED);
	assert_false(store_keys_is_needed(f->store, OLD_KEY));
	assert_true(store_keys_is_needed(f->store, NEW_KEY));
	fixture_close(f);
	open_with(f, LINE_NEW);
	assert_int_equal(not_under(f, NEW_KEY), 0);
	assert_all_open(f);
	assert_ok(store_keys_check(fixture_read(f), &err), &err);
}

struct crowd {
	struct store *store;
	struct keyring *keyring;
	bool was_settled, was_dispensable;
};

/* Its transaction stays open for long enough to be overtaken by a count that does not wait for its commit. */
static enum rc take_and_seal(void *ctx, struct txn *txn, struct err *err)
{
	enum { OVERTAKE_MS = 200 };
	struct crowd *crowd = ctx;
	enum rc rc = vault_put(txn, "before", S("x"), err);

	if (rc == RC_OK)
		rc = store_keys_take(txn, crowd->keyring, err);
	if (rc == RC_OK)
		rc = vault_put(txn, "after", S("x"), err);
	for (int i = 0; i < OVERTAKE_MS && !crowd->was_settled; i++) {
		struct store_keys_status status;

		store_keys_status(crowd->store, &status);
		crowd->was_settled = status.state == STORE_KEYS_SETTLED;
		crowd->was_dispensable |= !store_keys_is_needed(crowd->store, OLD_KEY);
		(void)usleep(1000);
	}
	return rc;
}

static void test_what_is_sealed_after_the_new_key_came_is_under_it_at_once(void **state)
{
	struct fixture *f = *state;
	AUTO(keyring_free) struct keyring *keyring = keyring_of(f, LINE_OLD LINE_NEW);
	struct crowd crowd = {.store = f->store, .keyring = keyring};
	int64_t under_old;
	struct err err;

	start(f);
	assert_ok(store_run(f->store, take_and_seal, &crowd, &err), &err);
	assert_ok(db_read_int(&fixture_read(f)->db,
												"SELECT hex(substr(sealed, 2, 4)) = '00000007' FROM vault WHERE name = 'after'",
												&under_old, &err),
		&err);
	assert_int_equal(under_old, 0);
	/* And the one before it, of the same transaction, is not forgotten. */
	assert_false(crowd.was_settled);
	assert_false(crowd.was_dispensable);
	assert_int_equal(settle(f).left, 0);
	assert_int_equal(not_under(f, NEW_KEY), 0);
}

static void test_several_keys_are_counted_at_the_start_and_what_is_left_goes_on(void **state)
{
	struct fixture *f = *state;
	struct store_keys_status status;

	plant(f);
	fixture_close(f);
	open_with(f, LINE_OLD LINE_NEW);
	start(f);
	status = settle(f);
	assert_int_equal(status.left, 0);
	assert_int_equal(status.blobs, PLANTED);
	assert_int_equal(not_under(f, NEW_KEY), 0);
}

/* Chunks, counts and slices all end somewhere in the middle. */
static void test_many_blobs_of_any_size_are_moved(void **state)
{
	enum { MANY = 5000, LARGE = 3 * 1024 * 1024 };
	struct fixture *f = *state;
	AUTO(buf_fini) struct buf out = {0};
	struct command_row row = {.uuid = S("large"), .request_type = S("x"), .priority = 1};
	uint8_t *large = test_calloc(1, LARGE);
	struct txn *txn = fixture_write(f);
	int64_t id;
	struct err err;

	for (int i = 0; i < MANY; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "n%d", i);
		assert_ok(vault_put(txn, name, slice_of_str(name), &err), &err);
	}
	row.body = slice_of(large, LARGE);
	assert_ok(command_put(txn, &row, &id, &err), &err);
	fixture_commit(f);
	f->monotonic_step_us = 7000; /* a job does three */
	start(f);
	rotate_to(f, LINE_OLD LINE_NEW);
	assert_int_equal(settle(f).left, 0);
	assert_int_equal(not_under(f, NEW_KEY), 0);
	buf_init(&out, LARGE);
	assert_ok(command_body(fixture_read(f), id, &out, &err), &err);
	assert_true(slice_is_equal(buf_slice(&out), row.body));
	test_free(large);
}

static void test_results_are_found_through_a_queue_that_is_mostly_open(void **state)
{
	enum { OPEN = 700 };
	struct fixture *f = *state;
	struct txn *txn = fixture_write(f);
	int64_t id;
	struct err err;

	assert_ok(enroll_device(txn, "UDID-1", 1, &id, &err), &err);
	for (int i = 0; i < OPEN; i++) {
		char uuid[32];

		(void)snprintf(uuid, sizeof(uuid), "open%d", i);
		assert_ok(send_command(txn, uuid, COMMAND_PRIORITY_NORMAL, id, 0, &err), &err);
	}
	plant_result(txn, id, "last");
	fixture_commit(f);
	start(f);
	rotate_to(f, LINE_OLD LINE_NEW);
	assert_int_equal(settle(f).left, 0);
	assert_int_equal(not_under(f, NEW_KEY), 0);
}

static void test_what_cannot_be_opened_stays_and_keeps_its_key_needed(void **state)
{
	struct fixture *f = *state;
	struct store_keys_status status;
	int64_t stuck;
	struct err err;

	plant(f);
	fixture_close(f);
	tamper(f,
		"UPDATE command_body SET sealed ="
		" CAST(substr(sealed, 1, 20) || zeroblob(length(sealed) - 20) AS BLOB)");
	tamper(f,
		"UPDATE escrow SET sealed = CAST(x'01DEADBEEF' || substr(sealed, 6) AS BLOB)"
		" WHERE archived_at > 0");
	open_with(f, LINE_OLD LINE_NEW);
	start(f);
	status = settle(f);
	assert_int_equal(status.state, STORE_KEYS_SETTLED);
	assert_int_equal(status.left, 3);
	assert_true(store_keys_is_needed(f->store, OLD_KEY));
	assert_true(store_keys_is_needed(f->store, 0xdeadbeef));
	assert_int_equal(status.keys[2].id, 0xdeadbeef);
	assert_false(status.keys[2].is_there);
	assert_int_equal(not_under(f, NEW_KEY), 3); /* all else is, the device CA's key too */
	assert_ok(db_read_int(&fixture_read(f)->db, "SELECT count(*) FROM command_body", &stuck, &err),
		&err);
	assert_int_equal(stuck, 2); /* nothing is thrown away */
}

static void test_a_keyring_without_a_key_that_is_needed_is_not_taken(void **state)
{
	struct fixture *f = *state;
	AUTO(keyring_free) struct keyring *other = keyring_of(f, LINE_NEW);
	AUTO(keyring_free) struct keyring *changed = keyring_of(f, "00000007 " HEX_NEW "\n" LINE_NEW);
	AUTO(keyring_free) struct keyring *both = keyring_of(f, LINE_OLD LINE_NEW);
	struct err err;

	plant(f);
	assert_rc(store_keys_take(fixture_read(f), both, &err), RC_INTERNAL, &err);
	start(f);
	assert_rc(store_run(f->store, take, other, &err), RC_INVALID, &err);
	assert_non_null(strstr(err.text, "lacks the key 00000007"));
	assert_rc(store_run(f->store, take, changed, &err), RC_INVALID, &err);
	assert_non_null(strstr(err.text, "its key 00000007 is another one"));
	assert_int_equal(not_under(f, OLD_KEY), 0);
	assert_ok(store_run(f->store, take, both, &err), &err);
	assert_int_equal(settle(f).left, 0);
	assert_ok(store_run(f->store, take, other, &err), &err); /* now nothing is under it */
	assert_rc(store_run(f->store, take, changed, &err), RC_OK, &err);
}

static void test_a_keyring_of_another_database_is_told_with_the_keys_of_both(void **state)
{
	static const struct {
		const char *lines, *spoil;
		enum rc rc;
		const char *text;
	} cases[] = {
		{LINE_OLD, NULL, RC_OK, ""},
		{LINE_OLD LINE_NEW, NULL, RC_OK, ""},
		{LINE_NEW, NULL, RC_INVALID,
			"holds the key 00000008, but this database is sealed under the key 00000007"},
		{"00000007 " HEX_NEW "\n", NULL, RC_INVALID, "its key 00000007 is not the one of that name"},
		{LINE_OLD, "UPDATE vault SET sealed = substr(sealed, 1, 35) WHERE name = 'device_ca.key'",
			RC_CORRUPT, "damaged"},
		{LINE_OLD, "DELETE FROM vault", RC_NOT_FOUND, "no device CA"},
	};
	struct fixture *f = *state;

	plant(f);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err err = {.text = ""};

		fixture_close(f);
		if (cases[i].spoil != NULL)
			tamper(f, cases[i].spoil);
		open_with(f, cases[i].lines);
		assert_rc(store_keys_check(fixture_read(f), &err), cases[i].rc, &err);
		if (strstr(err.text, cases[i].text) == NULL)
			fail_msg("%s", err.text);
	}
}

/* --- faults */

/* A look at the file while the store is closed. */
static int64_t look_left(struct fixture *f, const char *where)
{
	char sql[300];

	(void)snprintf(sql, sizeof(sql),
		"SELECT sum(hex(substr(sealed, 2, 4)) = '00000007') FROM (SELECT name, sealed FROM vault"
		" UNION ALL SELECT '', sealed FROM result UNION ALL SELECT '', sealed FROM escrow"
		" UNION ALL SELECT '', sealed FROM command_body) WHERE %s",
		where);
	return look(f, sql);
}

/* True: the fault has come. */
static bool try_fault(enum faultvfs_op op, int sqlite_rc, bool is_lasting, long nth)
{
	void *state = NULL;
	struct fixture *f;
	AUTO(keyring_free) struct keyring *keyring = NULL;
	bool has_failed;
	struct err err;
	enum rc rc;

	(void)fixture_setup(&state);
	f = state;
	plant(f);
	f->monotonic_step_us = 30000; /* a job does one */
	keyring = keyring_of(f, LINE_OLD LINE_NEW);
	start(f);
	faultvfs_fail(op, nth, sqlite_rc, is_lasting);
	rc = store_run(f->store, take, keyring, &err);
	assert_true(rc == RC_OK || rc == RC_IO);
	(void)settle(f);
	has_failed = faultvfs_has_failed(op);
	fixture_close(f); /* as good as a crash: how far it was is in the blobs alone */
	faultvfs_fail(op, 0, SQLITE_OK, false);
	/* The device CA's key is never ahead of another blob. */
	if (look_left(f, "name = 'device_ca.key'") == 0)
		assert_int_equal(look_left(f, "name <> 'device_ca.key'"), 0);
	open_with(f, LINE_OLD LINE_NEW);
	assert_all_open(f);
	start(f);
	assert_int_equal(settle(f).left, 0);
	fixture_close(f);
	open_with(f, LINE_NEW);
	assert_all_open(f);
	(void)fixture_teardown(&state);
	return has_failed;
}

static void test_a_disk_that_fails_at_any_write_or_sync_loses_no_blob(void **state)
{
	static const struct {
		enum faultvfs_op op;
		int sqlite_rc;
		bool is_lasting;
	} faults[] = {
		{FAULTVFS_WRITE, SQLITE_FULL, true},
		{FAULTVFS_WRITE, SQLITE_IOERR_WRITE, false},
		{FAULTVFS_SYNC, SQLITE_IOERR_FSYNC, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(faults); i++) {
		long nth = 1;

		while (try_fault(faults[i].op, faults[i].sqlite_rc, faults[i].is_lasting, nth))
			nth++;
		assert_true(nth > PLANTED);
	}
}

static void test_it_goes_on_by_itself_when_the_disk_is_well_again(void **state)
{
	struct fixture *f = *state;
	struct store_keys_status status;

	plant(f);
	start(f);
	rotate_to(f, LINE_OLD LINE_NEW);
	assert_int_equal(settle(f).left, 0);
	faultvfs_fail(FAULTVFS_WRITE, 1, SQLITE_FULL, true);
	{
		AUTO(keyring_free)
		struct keyring *third = keyring_of(f, LINE_OLD LINE_NEW "00000009 " HEX_OLD "\n");
		struct err err;

		assert_ok(store_run(f->store, take, third, &err), &err); /* it writes nothing itself */
	}
	status = settle(f);
	assert_int_equal(status.state, STORE_KEYS_HALTED);
	assert_non_null(strstr(status.fault, "disk full"));
	assert_true(store_keys_is_needed(f->store, NEW_KEY));
	faultvfs_fail(FAULTVFS_WRITE, 0, SQLITE_OK, false);
	for (int i = 0; i < WAIT_MS && status.state != STORE_KEYS_SETTLED; i++) {
		(void)usleep(1000);
		store_keys_status(f->store, &status);
	}
	assert_int_equal(status.left, 0);
	assert_string_equal(status.fault, "");
	assert_int_equal(not_under(f, 9), 0);
}

static int in_memory(void **state)
{
	(void)state;
	fixture_root_in_memory();
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_list_has_every_blob_of_the_schema_that_is_not_known_to_be_clear),
		TEST(test_every_blob_comes_under_the_new_key_and_opens_by_it_alone),
		TEST(test_what_is_sealed_after_the_new_key_came_is_under_it_at_once),
		TEST(test_several_keys_are_counted_at_the_start_and_what_is_left_goes_on),
		TEST(test_many_blobs_of_any_size_are_moved),
		TEST(test_results_are_found_through_a_queue_that_is_mostly_open),
		TEST(test_what_cannot_be_opened_stays_and_keeps_its_key_needed),
		TEST(test_a_keyring_without_a_key_that_is_needed_is_not_taken),
		TEST(test_a_keyring_of_another_database_is_told_with_the_keys_of_both),
		TEST(test_it_goes_on_by_itself_when_the_disk_is_well_again),
		cmocka_unit_test(test_a_disk_that_fails_at_any_write_or_sync_loses_no_blob),
	};

	return cmocka_run_group_tests(tests, in_memory, NULL);
}
