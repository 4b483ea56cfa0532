/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_QUEUE_H
#define POMONA_STORE_QUEUE_H

/*
 * Commands, stored once, and the narrow queue: one row an enrollment and command. Which command
 * comes when is decided in command/; the order within an enrollment is (priority, batch).
 * Threading: the thread that has the txn.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/arena.h"
#include "pomona/base/err.h"
#include "pomona/store/store.h"

enum {
	COMMAND_UUID_BYTES_MAX = 128,
	COMMAND_TYPE_BYTES_MAX = 128,
	COMMAND_BODY_BYTES_MAX = 16 * 1024 * 1024,
	QUEUE_STATUS_BYTES_MAX = 128,
};

enum queue_state { /* stored: do not renumber; below QUEUE_DONE is open */
	QUEUE_QUEUED = 1,
	QUEUE_SENT = 2,
	QUEUE_NOTNOW = 3,
	QUEUE_DONE = 4,   /* Acknowledged */
	QUEUE_FAILED = 5, /* Error, CommandFormatError */
	QUEUE_CANCELLED = 6,
	QUEUE_EXPIRED = 7,
	QUEUE_STATE_END = 8
};
const char *queue_state_name(enum queue_state state);

enum {                        /* stored: do not renumber */
	COMMAND_PRIORITY_URGENT = 0, /* lock and erase */
	COMMAND_PRIORITY_NORMAL = 1,
	COMMAND_PRIORITY_LAST = 2, /* the end of set-up: one open row an enrollment */
};

struct command_row {
	struct slice uuid;
	struct slice request_type;
	struct slice body; /* the XML that is sent, unchanged ever after; stored sealed */
	int priority;
	bool is_never_notnow;
	bool is_hidden; /* the body is shown to nobody but the device */
};

/* Adds, or finds the same: RC_EXISTS where the UUID has another content. */
enum rc command_put(struct txn *txn, const struct command_row *row, int64_t *command_id_r,
	struct err *err) MUST_USE;
enum rc command_find(struct txn *txn, struct slice uuid, int64_t *command_id_r, struct err *err)
	MUST_USE;

/*
 * Staging: rows of a batch are in nobody's sight until it is published, which is one row's update.
 * not_after (UNIX seconds, 0: never): from then on it is not sent any more. Batches that a crash
 * left unpublished are deleted when the store opens.
 */
enum rc batch_begin(struct txn *txn, int64_t command_id, int64_t not_after, int64_t *batch_id_r,
	struct err *err) MUST_USE;
/* *was_queued_r false: this enrollment has the command already. */
enum rc batch_add(struct txn *txn, int64_t batch_id, int64_t enrollment_id, bool *was_queued_r,
	struct err *err) MUST_USE;
enum rc batch_publish(struct txn *txn, int64_t batch_id, struct err *err) MUST_USE;

struct queue_item {
	int64_t enrollment_id, command_id;
	enum queue_state state;
	bool is_never_notnow;
};

/* Is anything open, published and unexpired for it? Cheap: the read-only path asks. */
enum rc queue_is_open(struct txn *txn, int64_t enrollment_id, bool *is_open_r, struct err *err)
	MUST_USE;
/* A new poll: what was NotNow is queued again; what is past its not_after is expired. */
enum rc queue_new_poll(struct txn *txn, int64_t enrollment_id, struct err *err) MUST_USE;
/*
 * The first open, published, unexpired row in order that is not NotNow; with `only_never_notnow` of
 * those commands alone. RC_NOT_FOUND.
 */
enum rc queue_first(struct txn *txn, int64_t enrollment_id, bool only_never_notnow,
	struct queue_item *item_r, struct err *err) MUST_USE;
/* The open, published row of COMMAND_PRIORITY_LAST, and when it was queued. RC_NOT_FOUND. */
enum rc queue_last(struct txn *txn, int64_t enrollment_id, struct queue_item *item_r,
	int64_t *queued_at_r, struct err *err) MUST_USE;
/* Is a command of this enrollment held by NotNow? */
enum rc queue_is_held(struct txn *txn, int64_t enrollment_id, bool *is_held_r, struct err *err)
	MUST_USE;
/* Marks it SENT (sent_at now) and appends its body to `out`. RC_CORRUPT: the body is lost for good. */
enum rc queue_hand_out(struct txn *txn, const struct queue_item *item, struct buf *out,
	struct err *err) MUST_USE;
/* The row of a command's UUID and an enrollment. RC_NOT_FOUND. */
enum rc queue_find(struct txn *txn, int64_t enrollment_id, struct slice uuid,
	struct queue_item *item_r, struct err *err) MUST_USE;
enum rc queue_notnow(struct txn *txn, const struct queue_item *item, struct err *err) MUST_USE;

struct queue_answer {
	enum queue_state state; /* QUEUE_DONE or QUEUE_FAILED */
	struct slice status;    /* the device's word */
	struct slice raw;       /* the device's plist; stored sealed */
	bool is_late;           /* it had been cancelled or had expired */
};
/* A final answer. The caller has seen that there is none yet. */
enum rc queue_finish(struct txn *txn, const struct queue_item *item,
	const struct queue_answer *answer, struct err *err) MUST_USE;

/* Open rows of the enrollment become CANCELLED, with why. */
enum rc queue_cancel_all(struct txn *txn, int64_t enrollment_id, const char *why, int64_t *count_r,
	struct err *err) MUST_USE;
/* One row; RC_NOT_FOUND; a row that is not open is left alone and *was_open_r is false. */
enum rc queue_cancel(struct txn *txn, int64_t enrollment_id, int64_t command_id, bool *was_open_r,
	struct err *err) MUST_USE;
/* Open rows of a command, for all enrollments, in slices: *is_more_r where time ran out. */
enum rc queue_cancel_command(struct txn *txn, int64_t command_id, int64_t *count_r, bool *is_more_r,
	struct err *err) MUST_USE;
/* Rows past their not_after become EXPIRED, in slices. */
enum rc queue_expire(struct txn *txn, int64_t *count_r, bool *is_more_r, struct err *err) MUST_USE;

/* For people. Strings and bytes in the arena. */
struct command_view {
	int64_t command_id;
	const char *uuid, *request_type;
	int64_t created_at, not_after;
	bool is_hidden;
	int64_t by_state[QUEUE_STATE_END];
};
enum rc command_view(struct txn *txn, struct slice uuid, struct arena *arena,
	struct command_view *view_r, struct err *err) MUST_USE;
/* The XML as it is sent. RC_CORRUPT as above. */
enum rc command_body(struct txn *txn, int64_t command_id, struct buf *out, struct err *err)
	MUST_USE;

struct queue_view {
	int64_t enrollment_id, command_id;
	const char *ext_id, *uuid, *request_type;
	enum queue_state state;
	int64_t queued_at, sent_at, notnow_at, finished_at, not_after;
	int64_t notnow_count;
	const char *status; /* the device's word, "" before an answer */
	const char *why;    /* of a cancellation, "" else */
	bool is_late;
	bool has_result;
};
struct queue_filter {
	int64_t enrollment_id; /* 0: any */
	int64_t command_id;    /* 0: any; one of the two must be given */
	int64_t after_id;      /* cursor: the other id, greater than this */
	int limit;             /* 1..1000 */
	bool is_open_only;
};
enum rc queue_list(struct txn *txn, const struct queue_filter *filter, struct arena *arena,
	struct queue_view **views_r, size_t *count_r, struct err *err) MUST_USE;
/* The device's answer, opened. RC_NOT_FOUND before there is one. */
enum rc queue_result(struct txn *txn, int64_t enrollment_id, int64_t command_id, struct buf *raw,
	struct err *err) MUST_USE;

/* Counts by state (open ones counted, finished ones kept as running totals) and the oldest open
 * row's time. */
enum rc queue_census(struct txn *txn, int64_t by_state[static QUEUE_STATE_END],
	int64_t *oldest_queued_at_r, struct err *err) MUST_USE;

#endif
