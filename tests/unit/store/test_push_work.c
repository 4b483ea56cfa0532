/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random histories of queues, beside a model that keeps every row and looks at all of them: who has open work, and
 * what is new since a cursor.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEVICES = 5,
	COMMANDS = 8,
	BATCHES = 40,
	ROWS = DEVICES * COMMANDS,
	STEPS = 160,
	HISTORIES = 40
};

struct batch {
	int64_t id, command_id, seq, not_after;
	bool is_gone; /* it was never published, and the store was opened anew */
};

struct row {
	int device, command;
	size_t batch;
	bool is_open, is_answered;
};

struct model {
	struct fixture *f;
	uint32_t random;
	int64_t devices[DEVICES];
	int64_t commands[COMMANDS]; /* 0: not there */
	struct batch batches[BATCHES];
	struct row rows[ROWS];
	size_t batch_count, row_count;
	int64_t last_seq;
	struct push_cursor cursor;
};

static int below(struct model *m, int bound)
{
	m->random = m->random * 1664525 + 1013904223;
	return (int)((m->random >> 8) % (uint32_t)bound);
}

static int priority_of(int command)
{
	return command % 3 == 0 ? COMMAND_PRIORITY_URGENT : COMMAND_PRIORITY_NORMAL;
}

static bool is_published(const struct model *m, const struct row *row)
{
	return m->batches[row->batch].seq > 0;
}

static bool is_expired(const struct model *m, const struct row *row)
{
	int64_t not_after = m->batches[row->batch].not_after;

	return not_after != 0 && not_after <= m->f->now_s;
}

static bool is_work(const struct model *m, const struct row *row)
{
	return row->is_open && is_published(m, row) && !is_expired(m, row);
}

/* What happens. */

static void begin_batch(struct model *m)
{
	int command = below(m, COMMANDS);
	struct batch *batch = &m->batches[m->batch_count];
	char uuid[16];
	struct command_row row = {.request_type = S("X"), .priority = priority_of(command)};
	struct err err;

	if (m->batch_count == BATCHES)
		return;
	(void)snprintf(uuid, sizeof(uuid), "c%d", command);
	row.uuid = row.body = slice_of_str(uuid);
	*batch = (struct batch){.not_after = below(m, 3) == 0 ? m->f->now_s + 1 + below(m, 40) : 0};
	assert_ok(command_put(fixture_write(m->f), &row, &m->commands[command], &err), &err);
	batch->command_id = m->commands[command];
	assert_ok(batch_begin(fixture_write(m->f), batch->command_id, batch->not_after, &batch->id, &err),
		&err);
	m->batch_count++;
}

/* One that is staged; NULL: there is none. */
static struct batch *pick_staged(struct model *m)
{
	size_t from = (size_t)below(m, BATCHES);

	for (size_t i = 0; i < m->batch_count; i++) {
		struct batch *batch = &m->batches[(from + i) % m->batch_count];

		if (batch->seq == 0 && !batch->is_gone)
			return batch;
	}
	return NULL;
}

static int command_of(const struct model *m, int64_t command_id)
{
	int command = 0;

	while (m->commands[command] != command_id)
		command++;
	return command;
}

static struct row *find_row(struct model *m, int device, int command)
{
	for (size_t i = 0; i < m->row_count; i++)
		if (m->rows[i].device == device && m->rows[i].command == command)
			return &m->rows[i];
	return NULL;
}

static void add_to_batch(struct model *m)
{
	struct batch *batch = pick_staged(m);
	int device = below(m, DEVICES);
	bool was_queued;
	bool is_there;
	struct err err;

	if (batch == NULL)
		return;
	is_there = find_row(m, device, command_of(m, batch->command_id)) != NULL;
	assert_ok(batch_add(fixture_write(m->f), batch->id, m->devices[device], &was_queued, &err), &err);
	assert_int_equal(was_queued, !is_there);
	if (!is_there)
		m->rows[m->row_count++] = (struct row){.device = device,
			.command = command_of(m, batch->command_id),
			.batch = (size_t)(batch - m->batches),
			.is_open = true};
}

/* The next job begins: what the transaction knows of a batch is read again. */
static void begin_job(struct model *m)
{
	fixture_commit(m->f);
}

static void publish(struct model *m)
{
	struct batch *batch = pick_staged(m);
	struct err err;

	if (batch == NULL)
		return;
	assert_ok(batch_publish(fixture_write(m->f), batch->id, &err), &err);
	batch->seq = ++m->last_seq;
}

static struct row *pick_row(struct model *m)
{
	return m->row_count == 0 ? NULL : &m->rows[below(m, (int)m->row_count)];
}

/* False: it is in nobody's sight. */
static bool find_item(struct model *m, const struct row *row, struct queue_item *item_r)
{
	char uuid[16];
	struct err err;
	enum rc rc;

	(void)snprintf(uuid, sizeof(uuid), "c%d", row->command);
	rc = queue_find(fixture_write(m->f), m->devices[row->device], slice_of_str(uuid), item_r, &err);
	assert_rc(rc, is_published(m, row) ? RC_OK : RC_NOT_FOUND, &err);
	return rc == RC_OK;
}

static void answer(struct model *m)
{
	struct row *row = pick_row(m);
	struct queue_answer answer = {.status = S("Acknowledged"), .raw = S("raw")};
	struct queue_item item;
	struct err err;

	if (row == NULL || row->is_answered || !find_item(m, row, &item))
		return;
	answer.state = below(m, 2) == 0 ? QUEUE_DONE : QUEUE_FAILED;
	answer.is_late = !row->is_open;
	assert_ok(queue_finish(fixture_write(m->f), &item, &answer, &err), &err);
	row->is_open = false;
	row->is_answered = true;
}

static void hand_out_or_put_off(struct model *m)
{
	AUTO(buf_fini) struct buf body = {0};
	struct row *row = pick_row(m);
	struct queue_item item;
	struct err err;

	buf_init(&body, 100);
	if (row == NULL || !row->is_open || !find_item(m, row, &item))
		return;
	if (below(m, 2) == 0)
		assert_ok(queue_hand_out(fixture_write(m->f), &item, &body, &err), &err);
	else
		assert_ok(queue_notnow(fixture_write(m->f), &item, &err), &err);
}

static void cancel_one(struct model *m)
{
	struct row *row = pick_row(m);
	bool was_open;
	struct err err;

	if (row == NULL)
		return;
	assert_ok(queue_cancel(fixture_write(m->f), m->devices[row->device], m->commands[row->command],
												&was_open, &err),
		&err);
	assert_int_equal(was_open, row->is_open);
	row->is_open = false;
}

static void cancel_many(struct model *m)
{
	bool is_by_command = below(m, 2) == 0;
	int device = below(m, DEVICES);
	int command = below(m, COMMANDS);
	int64_t count;
	bool is_more = false;
	struct err err;

	if (below(m, 4) != 0 || m->commands[command] == 0)
		return;
	do
		if (is_by_command)
			assert_ok(queue_cancel_command(fixture_write(m->f), m->commands[command], &count, &is_more,
														&err),
				&err);
		else
			assert_ok(queue_cancel_all(fixture_write(m->f), m->devices[device], "test", &count, &err), &err);
	while (is_by_command && is_more);
	for (size_t i = 0; i < m->row_count; i++)
		if (is_by_command ? m->rows[i].command == command : m->rows[i].device == device)
			m->rows[i].is_open = false;
}

static void close_expired(struct model *m, int device)
{
	for (size_t i = 0; i < m->row_count; i++) {
		struct row *row = &m->rows[i];

		if ((device < 0 || row->device == device) && is_published(m, row) && is_expired(m, row))
			row->is_open = false;
	}
}

static void expire(struct model *m)
{
	int64_t count;
	bool is_more;
	struct err err;

	do /* in the fixture each slice is over at once */
		assert_ok(queue_expire(fixture_write(m->f), &count, &is_more, &err), &err);
	while (is_more);
	close_expired(m, -1);
}

static void poll(struct model *m)
{
	int device = below(m, DEVICES);
	struct err err;

	assert_ok(queue_new_poll(fixture_write(m->f), m->devices[device], &err), &err);
	close_expired(m, device);
}

static void pass_time(struct model *m)
{
	fixture_commit(m->f);
	m->f->now_s += below(m, 12);
}

static void drop_staged(struct model *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->batch_count; i++)
		m->batches[i].is_gone = m->batches[i].seq == 0;
	for (size_t i = 0; i < m->row_count; i++)
		if (is_published(m, &m->rows[i]))
			m->rows[kept++] = m->rows[i];
	m->row_count = kept;
	for (int i = 0; i < COMMANDS; i++) {
		bool is_kept = false;

		for (size_t j = 0; j < m->batch_count; j++)
			is_kept |= m->batches[j].command_id == m->commands[i] && m->batches[j].seq > 0;
		if (!is_kept)
			m->commands[i] = 0;
	}
}

static void restart(struct model *m)
{
	if (below(m, 8) != 0)
		return;
	fixture_close(m->f);
	fixture_open(m->f);
	drop_staged(m);
}

/* What is seen. */

static void check_targets(const struct model *m)
{
	for (int device = 0; device < DEVICES; device++) {
		struct push_target target;
		int64_t seq = 0;
		int priority = COMMAND_PRIORITY_NORMAL;
		struct err err;

		for (size_t i = 0; i < m->row_count; i++) {
			const struct row *row = &m->rows[i];

			if (row->device != device || !is_work(m, row))
				continue;
			if (seq < m->batches[row->batch].seq)
				seq = m->batches[row->batch].seq;
			if (priority > priority_of(row->command))
				priority = priority_of(row->command);
		}
		assert_ok(push_target_read(fixture_write(m->f), m->devices[device], &target, &err), &err);
		assert_int_equal(target.open_seq, seq);
		assert_int_equal(target.open_priority, priority);
	}
}

/* The targets, which were checked, say what there must be. */
static void check_open(struct model *m)
{
	struct push_work work[DEVICES];
	size_t max = 1 + (size_t)below(m, DEVICES);
	size_t count = max;
	int64_t after_id = 0;
	int device = 0;
	struct err err;

	while (count == max) {
		assert_ok(push_work_open(fixture_write(m->f), after_id, work, max, &count, &err), &err);
		for (size_t i = 0; i <= count; i++, device++) {
			struct push_target target = {.open_seq = 0};

			for (; device < DEVICES && target.open_seq == 0; device += target.open_seq == 0)
				assert_ok(push_target_read(fixture_write(m->f), m->devices[device], &target, &err), &err);
			if (i == count) {
				assert_true(count == max || device == DEVICES);
				break;
			}
			after_id = work[i].enrollment_id;
			assert_true(device < DEVICES);
			assert_int_equal(work[i].enrollment_id, m->devices[device]);
			assert_int_equal(work[i].seq, target.open_seq);
			assert_int_equal(work[i].priority, target.open_priority);
		}
	}
}

static int compare_work(const void *a, const void *b)
{
	const struct push_work *x = a;
	const struct push_work *y = b;

	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return (x->enrollment_id > y->enrollment_id) - (x->enrollment_id < y->enrollment_id);
}

static bool is_after(const struct push_work *work, const struct push_cursor *cursor)
{
	if (work->seq != cursor->seq)
		return work->seq > cursor->seq;
	return cursor->enrollment_id != 0 && work->enrollment_id > cursor->enrollment_id;
}

static size_t work_after(const struct model *m, const struct push_cursor *cursor,
	struct push_work all[static ROWS])
{
	size_t count = 0;

	for (size_t i = 0; i < m->row_count; i++) {
		const struct row *row = &m->rows[i];

		all[count] = (struct push_work){.enrollment_id = m->devices[row->device],
			.seq = m->batches[row->batch].seq,
			.priority = priority_of(row->command)};
		count += is_work(m, row) && is_after(&all[count], cursor);
	}
	qsort(all, count, sizeof(all[0]), compare_work);
	return count;
}

static void check_since(struct model *m)
{
	struct push_work want[ROWS];
	struct push_work got[ROWS];
	size_t max = 1 + (size_t)below(m, ROWS);
	size_t want_count = work_after(m, &m->cursor, want);
	size_t count;
	struct err err;

	if (below(m, 4) == 0) /* as somebody who comes anew, and is not followed */
		m->cursor = (struct push_cursor){.seq = below(m, (int)m->last_seq + 1)};
	want_count = work_after(m, &m->cursor, want);
	assert_ok(push_work_since(fixture_write(m->f), &m->cursor, got, max, &count, &err), &err);
	assert_int_equal(count, want_count < max ? want_count : max);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(got[i].seq, want[i].seq);
		assert_int_equal(got[i].enrollment_id, want[i].enrollment_id);
		assert_int_equal(got[i].priority, want[i].priority);
	}
	if (count == max) {
		assert_int_equal(m->cursor.seq, got[max - 1].seq);
		assert_int_equal(m->cursor.enrollment_id, got[max - 1].enrollment_id);
	} else {
		assert_int_equal(m->cursor.seq, m->last_seq);
		assert_int_equal(m->cursor.enrollment_id, 0);
	}
}

static void check_last_seq(const struct model *m)
{
	int64_t seq = -1;
	struct err err;

	assert_ok(queue_last_seq(fixture_write(m->f), &seq, &err), &err);
	assert_int_equal(seq, m->last_seq);
}

static void test_open_work_is_what_a_model_says_it_is(void **state)
{
	static void (*const happenings[])(struct model * m) = {begin_batch, add_to_batch, add_to_batch,
		add_to_batch, begin_job, publish, publish, answer, hand_out_or_put_off, cancel_one, cancel_many,
		expire, poll, pass_time, restart};
	struct model *m = calloc(1, sizeof(*m));

	(void)state;
	assert_non_null(m);
	for (uint32_t history = 1; history <= HISTORIES; history++) {
		void *fixture = NULL;
		struct err err;

		(void)fixture_setup(&fixture);
		*m = (struct model){.f = fixture, .random = history};
		for (int i = 0; i < DEVICES; i++)
			assert_ok(enroll_device(fixture_write(m->f), (char[]){'U', (char)('0' + i), 0}, (uint8_t)(i + 1),
														&m->devices[i], &err),
				&err);
		for (int step = 0; step < STEPS; step++) {
			happenings[below(m, COUNT_OF(happenings))](m);
			check_last_seq(m);
			check_targets(m);
			check_open(m);
			check_since(m);
		}
		(void)fixture_teardown(&fixture);
	}
	free(m);
}

/* A batch of one enrollment is found at once, however many had the command before. */
static void test_a_command_that_goes_to_one_after_the_other_is_seen_of_each(void **state)
{
	enum { COUNT = 20 };
	static const struct command_row row = {.uuid = S("u"), .request_type = S("X"), .body = S("b")};
	struct fixture *f = *state;
	struct push_work work[COUNT + 1];
	struct push_cursor cursor = {0};
	int64_t command_id;
	size_t count;
	struct err err;

	for (int i = 0; i < COUNT; i++) {
		int64_t id, batch_id;
		bool was_queued;

		assert_ok(enroll_device(fixture_write(f), (char[]){'U', (char)('a' + i), 0}, (uint8_t)(i + 1),
													&id, &err),
			&err);
		assert_ok(command_put(fixture_write(f), &row, &command_id, &err), &err);
		assert_ok(batch_begin(fixture_write(f), command_id, 0, &batch_id, &err), &err);
		assert_ok(batch_add(fixture_write(f), batch_id, id, &was_queued, &err), &err);
		assert_ok(batch_publish(fixture_write(f), batch_id, &err), &err);
	}
	fixture_commit(f);
	assert_int_equal(look(f, "SELECT count(DISTINCT only_id) FROM batch WHERE only_id > 0"), COUNT);
	assert_ok(push_work_since(fixture_read(f), &cursor, work, COUNT_OF(work), &count, &err), &err);
	assert_int_equal(count, COUNT);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(work[i].seq, i + 1);
}

static void test_room_for_nothing_gives_nothing_and_moves_nothing(void **state)
{
	struct fixture *f = *state;
	struct push_cursor cursor = {0};
	struct push_work work;
	size_t count = 9;
	int64_t id;
	struct err err;

	assert_ok(enroll_device(fixture_write(f), "UDID-1", 1, &id, &err), &err);
	assert_ok(send_command(fixture_write(f), "one", COMMAND_PRIORITY_NORMAL, id, 0, &err), &err);
	assert_ok(push_work_since(fixture_read(f), &cursor, &work, 0, &count, &err), &err);
	assert_int_equal(count, 0);
	assert_int_equal(cursor.seq, 0);
	count = 9;
	assert_ok(push_work_open(fixture_read(f), 0, &work, 0, &count, &err), &err);
	assert_int_equal(count, 0);
}

/* Its commands go with an enrollment, and with them their batches: the cursor passes over the gap. */
static void test_a_forgotten_enrollment_leaves_a_gap_that_nobody_falls_into(void **state)
{
	struct fixture *f = *state;
	struct push_cursor cursor = {0};
	struct push_work work[3];
	int64_t id, other;
	size_t count;
	struct err err;

	assert_ok(enroll_device(fixture_write(f), "UDID-1", 1, &id, &err), &err);
	assert_ok(enroll_device(fixture_write(f), "UDID-2", 2, &other, &err), &err);
	assert_ok(send_command(fixture_write(f), "one", COMMAND_PRIORITY_NORMAL, id, 0, &err), &err);
	assert_ok(push_work_since(fixture_read(f), &cursor, work, 1, &count, &err), &err);
	assert_int_equal(cursor.enrollment_id, id); /* in the midst of what is forgotten now */
	assert_ok(enrollment_set_state(fixture_write(f), id, ENROLLMENT_REMOVED, &err), &err);
	assert_ok(enrollment_forget(fixture_write(f), id, &err), &err);
	assert_ok(send_command(fixture_write(f), "two", COMMAND_PRIORITY_NORMAL, other, 0, &err), &err);
	assert_ok(push_work_since(fixture_read(f), &cursor, work, 3, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_int_equal(work[0].enrollment_id, other);
	assert_int_equal(work[0].seq, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_work_is_what_a_model_says_it_is),
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(test_a_command_that_goes_to_one_after_the_other_is_seen_of_each),
		TEST(test_room_for_nothing_gives_nothing_and_moves_nothing),
		TEST(test_a_forgotten_enrollment_leaves_a_gap_that_nobody_falls_into),
	};

	fixture_root_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
