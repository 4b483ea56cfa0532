/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "pomona/base/file.h"

static int64_t one_device(struct fixture *f)
{
	int64_t id = 0;
	struct err err;

	assert_ok(enroll_device(fixture_write(f), "UDID-1", 1, &id, &err), &err);
	return id;
}

static void test_the_live_secret_is_served_and_older_ones_are_kept(void **state)
{
	AUTO(buf_fini_secret) struct buf out = {0};
	struct fixture *f = *state;
	int64_t id = one_device(f);
	struct txn *txn = fixture_write(f);
	struct err err;

	buf_init(&out, 1000);
	assert_rc(escrow_get(txn, id, ESCROW_UNLOCK_TOKEN, &out, &err), RC_NOT_FOUND, &err);
	assert_ok(escrow_put(txn, id, ESCROW_UNLOCK_TOKEN, S("first"), &err), &err);
	assert_ok(escrow_put(txn, id, ESCROW_UNLOCK_TOKEN, S("second"), &err), &err);
	assert_ok(escrow_put(txn, id, ESCROW_BOOTSTRAP_TOKEN, S("bootstrap"), &err), &err);
	assert_ok(escrow_get(txn, id, ESCROW_UNLOCK_TOKEN, &out, &err), &err);
	assert_text(&out, "second");
	assert_ok(escrow_drop(txn, id, ESCROW_UNLOCK_TOKEN, &err), &err);
	assert_rc(escrow_get(txn, id, ESCROW_UNLOCK_TOKEN, &out, &err), RC_NOT_FOUND, &err);
	assert_ok(escrow_get(txn, id, ESCROW_BOOTSTRAP_TOKEN, &out, &err), &err);
	assert_text(&out, "bootstrap");
	assert_ok(escrow_archive(txn, id, &err), &err);
	assert_rc(escrow_get(txn, id, ESCROW_BOOTSTRAP_TOKEN, &out, &err), RC_NOT_FOUND, &err);
	fixture_commit(f);
	assert_int_equal(look(f, "SELECT count(*) FROM escrow WHERE archived_at > 0"), 3);
}

static void test_secrets_are_bounded(void **state)
{
	static uint8_t large[ESCROW_BYTES_MAX + 1];
	char name[VAULT_NAME_BYTES_MAX + 2] = {0};
	struct fixture *f = *state;
	int64_t id = one_device(f);
	struct txn *txn = fixture_write(f);
	struct err err;

	memset(name, 'n', VAULT_NAME_BYTES_MAX + 1);
	assert_rc(escrow_put(txn, id, ESCROW_UNLOCK_TOKEN, slice_of(large, sizeof(large)), &err), RC_LIMIT,
		&err);
	assert_ok(escrow_put(txn, id, ESCROW_UNLOCK_TOKEN, slice_of(large, sizeof(large) - 1), &err),
		&err);
	assert_rc(vault_put(txn, "v", slice_of(large, sizeof(large)), &err), RC_LIMIT, &err);
	assert_ok(vault_put(txn, "v", slice_of(large, sizeof(large) - 1), &err), &err);
	assert_rc(vault_put(txn, name, S("x"), &err), RC_LIMIT, &err);
	name[VAULT_NAME_BYTES_MAX] = 0;
	assert_ok(vault_put(txn, name, S("x"), &err), &err);
}

static void test_the_vault_holds_one_secret_a_name(void **state)
{
	AUTO(buf_fini_secret) struct buf out = {0};
	struct fixture *f = *state;
	struct txn *txn = fixture_write(f);
	struct err err;

	buf_init(&out, 1000);
	assert_rc(vault_get(txn, "device_ca.key", &out, &err), RC_NOT_FOUND, &err);
	assert_ok(vault_put(txn, "device_ca.key", S("old"), &err), &err);
	assert_ok(vault_put(txn, "device_ca.key", S("new"), &err), &err);
	assert_ok(vault_get(txn, "device_ca.key", &out, &err), &err);
	assert_text(&out, "new");
}

/* Whatever SECRET may be stored in is filled with it, marked by a word each. */
static void plant(struct fixture *f)
{
	static const struct queue_answer answer = {.state = QUEUE_DONE,
		.status = S("Acknowledged"),
		.raw = S("PLANTED result")};
	static const struct command_row row = {.uuid = S("u"),
		.request_type = S("X"),
		.body = S("PLANTED body")};
	const struct device_facts facts = {.topic = S("t")};
	const struct token_facts token = {.topic = S("t"), .token = S("t"), .push_magic = S("m")};
	int64_t id = one_device(f);
	struct txn *txn = fixture_write(f);
	int64_t command_id, batch_id;
	struct queue_item item;
	bool was_queued;
	struct err err;

	assert_ok(enrollment_set_pending(txn, id, 1, &facts, S("PLANTED pending"), &err), &err);
	assert_ok(enrollment_promote(txn, id, &err), &err);
	assert_ok(enrollment_set_pending(txn, id, 1, &facts, S("PLANTED again"), &err), &err);
	assert_ok(enrollment_set_token(txn, id, &token, S("PLANTED token update"), &err), &err);
	assert_ok(command_put(txn, &row, &command_id, &err), &err);
	assert_ok(batch_begin(txn, command_id, 0, &batch_id, &err), &err);
	assert_ok(batch_add(txn, batch_id, id, &was_queued, &err), &err);
	assert_ok(batch_publish(txn, batch_id, &err), &err);
	assert_ok(queue_find(txn, id, S("u"), &item, &err), &err);
	assert_ok(queue_finish(txn, &item, &answer, &err), &err);
	assert_ok(escrow_put(txn, id, ESCROW_UNLOCK_TOKEN, S("PLANTED unlock"), &err), &err);
	assert_ok(escrow_put(txn, id, ESCROW_UNLOCK_TOKEN, S("PLANTED unlock 2"), &err), &err);
	assert_ok(vault_put(txn, "name", S("PLANTED vault"), &err), &err);
	assert_ok(put_push_cert(txn, "t", 1, S("cert"), S("PLANTED push key"), &err), &err);
	assert_ok(put_push_cert(txn, "t2", 2, S("cert"), S("PLANTED push key 2"), &err), &err);
	fixture_commit(f);
}

static void assert_nothing_planted(const struct fixture *f, const char *end, bool is_needed)
{
	AUTO(buf_fini) struct buf content = {0};
	char path[128];
	enum rc rc;
	struct err err;

	(void)snprintf(path, sizeof(path), "%s%s", f->path, end);
	buf_init(&content, (size_t)64 * 1024 * 1024);
	rc = file_read(path, &content, &err);
	if (rc == RC_NOT_FOUND && !is_needed)
		return;
	assert_ok(rc, &err);
	if (is_needed)
		assert_non_null(memmem(content.ptr, content.len, "UDID-1", 6)); /* this is where things are */
	assert_null(memmem(content.ptr, content.len, "PLANTED", 7));
}

static void test_no_secret_lies_in_the_files_in_the_clear(void **state)
{
	struct fixture *f = *state;

	plant(f);
	assert_nothing_planted(f, "-wal", true);
	assert_nothing_planted(f, "", false);
	fixture_close(f);
	assert_nothing_planted(f, "", true);
	assert_nothing_planted(f, "-wal", false);
}

static enum rc open_vault(struct txn *txn, struct buf *out, struct err *err)
{
	return vault_get(txn, "name", out, err);
}

static enum rc open_escrow(struct txn *txn, struct buf *out, struct err *err)
{
	return escrow_get(txn, 1, ESCROW_UNLOCK_TOKEN, out, err);
}

static enum rc open_message(struct txn *txn, struct buf *out, struct err *err)
{
	return enrollment_raw_message(txn, 1, "TokenUpdate", out, err);
}

static enum rc open_body(struct txn *txn, struct buf *out, struct err *err)
{
	return command_body(txn, 1, out, err);
}

static enum rc open_result(struct txn *txn, struct buf *out, struct err *err)
{
	return queue_result(txn, 1, 1, out, err);
}

static enum rc open_push_key(struct txn *txn, struct buf *out, struct err *err)
{
	return push_cert_key(txn, "t", out, err);
}

static void test_a_blob_in_another_row_does_not_open(void **state)
{
	static const struct {
		const char *move;
		enum rc (*open)(struct txn *txn, struct buf *out, struct err *err);
	} cases[] = {
		{"UPDATE escrow SET sealed = (SELECT sealed FROM vault)", open_escrow},
		{"UPDATE checkin_message SET sealed = (SELECT sealed FROM vault)", open_message},
		{"UPDATE command_body SET sealed = (SELECT sealed FROM vault)", open_body},
		{"UPDATE result SET sealed = (SELECT sealed FROM vault)", open_result},
		{"UPDATE vault SET sealed = (SELECT sealed FROM pending_enrollment)", open_vault},
		{"UPDATE push_cert SET sealed = (SELECT sealed FROM push_cert WHERE topic = 't2')",
			open_push_key},
	};
	struct fixture *f = *state;
	AUTO(buf_fini) struct buf out = {0};
	struct err err;

	buf_init(&out, 1000);
	plant(f);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_ok(cases[i].open(fixture_read(f), &out, &err), &err);
		buf_clear(&out);
		tamper(f, cases[i].move);
		assert_rc(cases[i].open(fixture_read(f), &out, &err), RC_CORRUPT, &err);
		assert_int_equal(out.len, 0);
	}
}

/* A line of the key file can be put back: nobody may take what it sealed for lost. */
static void test_a_missing_key_is_neither_a_missing_row_nor_a_lost_one(void **state)
{
	static enum rc (*const open[])(struct txn * txn, struct buf * out, struct err * err) = {open_vault,
		open_escrow, open_message, open_body, open_result, open_push_key};
	static const uint8_t other[SEAL_KEY_BYTES] = {9};
	AUTO(buf_fini_secret) struct buf out = {0};
	struct fixture *f = *state;
	struct err err;

	buf_init(&out, 1000);
	plant(f);
	fixture_close(f);
	keyring_free(&f->keyring);
	f->keyring = keyring_of_key(8, other);
	fixture_open(f);
	for (size_t i = 0; i < COUNT_OF(open); i++) {
		assert_rc(open[i](fixture_read(f), &out, &err), RC_IO, &err);
		assert_non_null(strstr(err.text, "put its line back"));
		assert_int_equal(out.len, 0);
	}
}

/* The first page of a table, in the database file. */
static void spoil_page(const struct fixture *f, const char *ask_page)
{
	static const uint8_t noise[512] = {0xff};
	long page = (long)look(f, ask_page);
	long page_bytes = (long)look(f, "PRAGMA page_size");
	FILE *file = fopen(f->path, "r+b");

	assert_non_null(file);
	assert_int_equal(fseek(file, (page - 1) * page_bytes, SEEK_SET), 0);
	assert_int_equal(fwrite(noise, 1, sizeof(noise), file), sizeof(noise));
	assert_int_equal(fclose(file), 0);
}

static void test_a_page_that_is_lost_is_no_lost_body(void **state)
{
	AUTO(buf_fini_secret) struct buf out = {0};
	struct fixture *f = *state;
	struct err err;

	buf_init(&out, 1000);
	plant(f);
	fixture_close(f);
	spoil_page(f, "SELECT rootpage FROM sqlite_schema WHERE name = 'command_body'");
	fixture_open(f);
	assert_rc(open_body(fixture_read(f), &out, &err), RC_IO, &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(test_the_live_secret_is_served_and_older_ones_are_kept),
		TEST(test_secrets_are_bounded),
		TEST(test_the_vault_holds_one_secret_a_name),
		TEST(test_no_secret_lies_in_the_files_in_the_clear),
		TEST(test_a_blob_in_another_row_does_not_open),
		TEST(test_a_missing_key_is_neither_a_missing_row_nor_a_lost_one),
		TEST(test_a_page_that_is_lost_is_no_lost_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
