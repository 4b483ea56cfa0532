/* SPDX-License-Identifier: Apache-2.0 */
#include "history_kit.h"

#include "impl.h"

static bool is_query(struct slice request_type)
{
	return slice_compare(request_type, S("Q")) >= 0; /* Q1, Q2: queries; A1, A2: acts */
}

struct history_walk history_walk_of(int64_t keep_s)
{
	struct history_walk walk = {.is_query = is_query};

	for (size_t i = 0; i < HISTORY_CLASS_COUNT; i++)
		walk.keep_s[i] = keep_s;
	return walk;
}

/* One slice in a transaction of its own. */
void history_walk_slice(struct fixture *f, struct history_walk *walk, int64_t slice_us)
{
	struct txn *txn = fixture_write(f);
	struct err err;

	txn->slice_ends_us = f->monotonic_us + slice_us;
	assert_ok(history_walk(txn, walk, &err), &err);
	fixture_commit(f);
}

int64_t history_walk_to_end(struct fixture *f, struct history_walk *walk)
{
	int64_t slices = 0;

	do
		history_walk_slice(f, walk, 1000000);
	while (++slices < 100000 && walk->is_more);
	assert_false(walk->is_more);
	return slices;
}

/* Real time goes on, and history's time with it. */
void history_live(struct fixture *f, struct history_walk *walk, int64_t seconds)
{
	fixture_commit(f);
	f->now_s += seconds;
	f->monotonic_us += seconds * 1000000;
	(void)history_walk_to_end(f, walk);
}

int64_t history_enroll(struct fixture *f, const char *name)
{
	int64_t id = 0;
	struct err err;

	assert_ok(enrollment_add_device(fixture_write(f), ENROLLMENT_DEVICE, slice_of_str(name), &id,
												&err),
		&err);
	return id;
}

void history_send(struct fixture *f, const char *uuid, const char *request_type, const int64_t *ids,
	size_t count)
{
	const struct command_row row = {.uuid = slice_of_str(uuid),
		.request_type = slice_of_str(request_type),
		.body = slice_of_str(uuid)};
	int64_t command_id, batch_id;
	bool was_queued;
	struct err err;

	assert_ok(command_put(fixture_write(f), &row, &command_id, &err), &err);
	assert_ok(batch_begin(fixture_write(f), command_id, 0, &batch_id, &err), &err);
	for (size_t i = 0; i < count; i++)
		assert_ok(batch_add(fixture_write(f), batch_id, ids[i], &was_queued, &err), &err);
	assert_ok(batch_publish(fixture_write(f), batch_id, &err), &err);
}

void history_answer(struct fixture *f, int64_t id, const char *uuid, enum queue_state state)
{
	struct queue_answer given = {.state = state, .status = S("word"), .raw = S("raw")};
	struct queue_item item;
	struct err err;

	assert_ok(queue_find(fixture_write(f), id, slice_of_str(uuid), &item, &err), &err);
	given.is_late = item.state >= QUEUE_DONE;
	assert_ok(queue_finish(fixture_write(f), &item, &given, &err), &err);
}

bool history_has(struct fixture *f, int64_t id, const char *uuid)
{
	struct queue_item item;
	struct err err;
	enum rc rc = queue_find(fixture_read(f), id, slice_of_str(uuid), &item, &err);

	if (rc != RC_NOT_FOUND)
		assert_ok(rc, &err);
	return rc == RC_OK;
}

void history_check_tables(const struct fixture *f)
{
	static const char *const nothing[] = {
		"SELECT count(*) FROM result WHERE id NOT IN (SELECT result_id FROM queue WHERE result_id > 0)",
		"SELECT count(*) FROM queue WHERE result_id > 0 AND result_id NOT IN (SELECT id FROM result)",
		"SELECT count(*) FROM queue WHERE batch_id NOT IN (SELECT id FROM batch)",
		"SELECT count(*) FROM command WHERE id NOT IN (SELECT command_id FROM queue)",
		"SELECT count(*) FROM command WHERE id NOT IN (SELECT command_id FROM command_body)",
		"SELECT count(*) FROM command_body WHERE command_id NOT IN (SELECT id FROM command)",
		"SELECT count(*) FROM batch WHERE command_id NOT IN (SELECT id FROM command)",
		"SELECT sum(value) - (SELECT count(*) FROM queue WHERE state >= 4) FROM counter"
		" WHERE name LIKE 'queue.%'",
		"SELECT value - (SELECT count(*) FROM queue WHERE state = 4) FROM counter"
		" WHERE name = 'queue.done'",
	};

	for (size_t i = 0; i < COUNT_OF(nothing); i++)
		if (look(f, nothing[i]) != 0)
			fail_msg("%s: %lld", nothing[i], (long long)look(f, nothing[i]));
}
