/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include "pomona/store/queue.h"

bool scan_has_more(const struct push *push)
{
	return !push->scan.is_opened || push->scan.is_poked;
}

void scan_again(struct push *push)
{
	push->scan.is_opened = false;
	push->scan.opened_after_id = 0;
}

static void take_rows(struct push *push, const struct push_work *rows, size_t count)
{
	const struct wake_now now = schedule_now(push);

	for (size_t i = 0; i < count; i++) {
		const bool is_urgent = rows[i].priority == COMMAND_PRIORITY_URGENT;
		struct entry *entry = schedule_entry(push, rows[i].enrollment_id);
		struct wake was;

		if (entry == NULL)
			return;
		was = entry->wake;
		schedule_place(push, entry, &was,
			wake_work(&entry->wake, &now, rows[i].seq, is_urgent ? PUSH_CLASS_URGENT : PUSH_CLASS_NORMAL));
	}
}

/* What was published up to the cursor's snapshot is read as open work, what comes later from the cursor on. */
static enum rc begin(struct push *push, struct txn *txn, struct err *err)
{
	struct scan *scan = &push->scan;
	enum rc rc = queue_last_seq(txn, &scan->cursor.seq, err);

	scan->cursor.enrollment_id = 0;
	scan->is_begun = rc == RC_OK;
	return rc;
}

static enum rc read_open(struct push *push, struct txn *txn, struct err *err)
{
	struct push_work rows[TURN_ROWS_MAX];
	struct scan *scan = &push->scan;
	size_t count;
	enum rc rc = push_work_open(txn, scan->opened_after_id, rows, TURN_ROWS_MAX, &count, err);

	if (rc != RC_OK)
		return rc;
	scan->is_opened = count < TURN_ROWS_MAX;
	if (count > 0)
		scan->opened_after_id = rows[count - 1].enrollment_id;
	take_rows(push, rows, count);
	return RC_OK;
}

static enum rc read_new(struct push *push, struct txn *txn, struct err *err)
{
	struct push_work rows[TURN_ROWS_MAX];
	struct scan *scan = &push->scan;
	size_t count;
	enum rc rc = push_work_since(txn, &scan->cursor, rows, TURN_ROWS_MAX, &count, err);

	if (rc != RC_OK)
		return rc;
	scan->is_poked = count == TURN_ROWS_MAX;
	take_rows(push, rows, count);
	return RC_OK;
}

enum rc scan_slice(struct push *push, struct txn *txn, struct err *err)
{
	enum rc rc = RC_OK;

	if (!push->scan.is_begun)
		rc = begin(push, txn, err);
	if (rc == RC_OK && push->scan.is_poked)
		rc = read_new(push, txn, err);
	if (rc == RC_OK && !push->scan.is_opened)
		rc = read_open(push, txn, err);
	return rc;
}
