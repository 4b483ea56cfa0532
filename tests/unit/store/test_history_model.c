/* SPDX-License-Identifier: Apache-2.0 */
/* Random histories beside a model, and a disk that fails. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faultvfs.h"
#include "history_kit.h"
#include "impl.h"

/* --- a model beside it */

enum { DEVICES = 6, COMMANDS = 40, ROUNDS = 40, STEPS = 250 };

struct model_row {
	bool is_there;
	enum queue_state state;
	int64_t finished_at;
};

struct model {
	struct fixture *f;
	int64_t ids[DEVICES];
	struct model_row rows[DEVICES][COMMANDS];
	struct history_walk walk;
	unsigned seed;
};

static unsigned chance(struct model *model, unsigned of)
{
	return (unsigned)rand_r(&model->seed) % of;
}

static void uuid_of(unsigned command, char uuid[static 16])
{
	(void)snprintf(uuid, 16, "c%u", command);
}

/* Even ones ask, odd ones act. */
static void model_send(struct model *model, unsigned command)
{
	static const char *const types[] = {"Q1", "A1", "Q2", "A2"};
	int64_t ids[DEVICES];
	size_t count = 0;
	char uuid[16];

	uuid_of(command, uuid);
	for (size_t d = 0; d < DEVICES; d++) {
		if (chance(model, 2) == 0)
			continue;
		ids[count++] = model->ids[d];
		if (!model->rows[d][command].is_there)
			model->rows[d][command] = (struct model_row){.is_there = true, .state = QUEUE_QUEUED};
	}
	if (count > 0)
		history_send(model->f, uuid, types[command % 4], ids, count);
}

static void model_end(struct model *model, unsigned device, unsigned command)
{
	struct model_row *row = &model->rows[device][command];
	unsigned how = chance(model, 4);
	struct queue_item item;
	char uuid[16];
	bool was_open;
	struct err err;

	uuid_of(command, uuid);
	if (!row->is_there || row->state == QUEUE_DONE || row->state == QUEUE_FAILED)
		return;
	if (how == 0 && row->state == QUEUE_CANCELLED)
		return;
	if (how == 0) {
		assert_ok(queue_find(fixture_write(model->f), model->ids[device], slice_of_str(uuid), &item,
													&err),
			&err);
		assert_ok(queue_cancel(fixture_write(model->f), item.enrollment_id, item.command_id, &was_open,
													&err),
			&err);
		row->state = QUEUE_CANCELLED;
	} else {
		row->state = how == 1 ? QUEUE_FAILED : QUEUE_DONE;
		history_answer(model->f, model->ids[device], uuid, row->state);
	}
	row->finished_at = model->f->now_s;
}

/* Must it be there, by the rules alone? */
static bool must_stay(const struct model *model, const struct model_row *row)
{
	static const enum history_class class_of[QUEUE_STATE_END] = {
		[QUEUE_DONE] = HISTORY_DONE,
		[QUEUE_FAILED] = HISTORY_FAILED,
		[QUEUE_CANCELLED] = HISTORY_CANCELLED,
	};
	int64_t keep_s;

	if (row->state < QUEUE_DONE)
		return true;
	keep_s = model->walk.keep_s[class_of[row->state]];
	return keep_s == 0 || row->finished_at > model->walk.time_s - keep_s;
}

static bool may_go_as_query(const struct model *model, unsigned command,
	const struct model_row *row)
{
	int64_t keep_s = model->walk.keep_s[HISTORY_QUERIES];

	return command % 2 == 0 && row->state == QUEUE_DONE && keep_s > 0 &&
		row->finished_at <= model->walk.time_s - keep_s;
}

static void model_compare(struct model *model)
{
	for (size_t d = 0; d < DEVICES; d++)
		for (unsigned c = 0; c < COMMANDS; c++) {
			struct model_row *row = &model->rows[d][c];
			char uuid[16];
			bool is_here;

			if (!row->is_there)
				continue;
			uuid_of(c, uuid);
			is_here = history_has(model->f, model->ids[d], uuid);
			if (must_stay(model, row) && !may_go_as_query(model, c, row))
				assert_true(is_here);
			if (!must_stay(model, row))
				assert_false(is_here);
			row->is_there = is_here;
		}
}

static void model_step(struct model *model)
{
	unsigned what = chance(model, 10);

	if (what < 2) {
		model_send(model, chance(model, COMMANDS));
	} else if (what < 7) {
		model_end(model, chance(model, DEVICES), chance(model, COMMANDS));
	} else {
		int64_t seconds = chance(model, 3 * DAY);

		fixture_commit(model->f);
		model->f->now_s += seconds;
		model->f->monotonic_us += seconds * 1000000;
		if (what == 9) {
			(void)history_walk_to_end(model->f, &model->walk);
			model_compare(model);
			history_check_tables(model->f);
		}
	}
}

static void test_random_histories_agree_with_a_model(void **state)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct model model = {.f = *state, .seed = round + 1, .walk = history_walk_of(0)};

		model.walk.keep_s[HISTORY_DONE] = chance(&model, 3) * 20 * (int64_t)DAY;
		model.walk.keep_s[HISTORY_FAILED] = chance(&model, 3) * 15 * (int64_t)DAY;
		model.walk.keep_s[HISTORY_CANCELLED] = chance(&model, 3) * 10 * (int64_t)DAY;
		model.walk.keep_s[HISTORY_QUERIES] = chance(&model, 3) * 5 * (int64_t)DAY;
		for (size_t d = 0; d < DEVICES; d++) {
			char name[16];

			(void)snprintf(name, sizeof(name), "U%u-%zu", round, d);
			model.ids[d] = history_enroll(model.f, name);
		}
		history_live(model.f, &model.walk, 0);
		for (int step = 0; step < STEPS; step++)
			model_step(&model);
		fixture_commit(model.f);
		tamper(model.f,
			"DELETE FROM result; DELETE FROM queue; DELETE FROM batch; DELETE FROM command_body;"
			"DELETE FROM command;"
			"UPDATE counter SET value = 0 WHERE name LIKE 'queue.%'");
	}
}

/* --- a disk that fails */

static void test_a_disk_that_fails_at_any_write_drops_all_of_a_slice_or_nothing(void **state)
{
	enum { ROWS = 12 };
	struct fixture *f = *state;
	bool has_failed = true;

	for (long nth = 1; has_failed; nth++) {
		struct history_walk walk = history_walk_of(DAY);
		int64_t id = history_enroll(f, (char[]){'U', (char)nth, 0});
		struct txn *txn;
		char uuid[48];
		enum rc rc;
		struct err err;

		for (int i = 0; i < ROWS; i++) {
			(void)snprintf(uuid, sizeof(uuid), "%ld-%d", nth, i);
			history_send(f, uuid, "A1", &id, 1);
			if (i > 0)
				history_answer(f, id, uuid, QUEUE_DONE);
		}
		history_live(f, &walk, 0);
		f->now_s += 2 * DAY;
		f->monotonic_us += 2 * (int64_t)DAY * 1000000;
		txn = fixture_write(f);
		txn->slice_ends_us = f->monotonic_us + 1;
		faultvfs_fail(FAULTVFS_WRITE, nth, SQLITE_FULL, true);
		rc = history_walk(txn, &walk, &err);
		if (rc == RC_OK)
			rc = totals_write(txn, txn->finished, &err);
		if (rc == RC_OK)
			rc = db_control(&txn->db, "COMMIT", &err);
		has_failed = faultvfs_has_failed(FAULTVFS_WRITE);
		faultvfs_fail(FAULTVFS_WRITE, 0, SQLITE_OK, false);
		if (rc != RC_OK)
			db_leave(&txn->db);
		f->is_writing = false;
		if (has_failed)
			assert_int_equal(rc, RC_IO);
		assert_int_equal(look(f, "SELECT count(*) FROM queue WHERE state >= 4"),
			rc == RC_OK ? 0 : ROWS - 1);
		(void)history_walk_to_end(f, &walk); /* the next one makes good */
		assert_int_equal(look(f, "SELECT count(*) FROM queue WHERE state >= 4"), 0);
		history_check_tables(f);
	}
}

static int setup_faulty(void **state)
{
	faultvfs_register();
	return fixture_setup(state);
}

static int begin_in_memory(void **state)
{
	(void)state;
	fixture_root_in_memory();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random_histories_agree_with_a_model, fixture_setup,
			fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_a_disk_that_fails_at_any_write_drops_all_of_a_slice_or_nothing, setup_faulty,
			fixture_teardown),
	};

	return cmocka_run_group_tests(tests, begin_in_memory, NULL);
}
