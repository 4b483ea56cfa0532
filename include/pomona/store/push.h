/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_PUSH_H
#define POMONA_STORE_PUSH_H

/*
 * Who must be woken, and what became of it. Waking is derived from the queue by sequence numbers
 * (batch.seq, given in the order of publishing): see push_target. What is stored besides are outcomes,
 * dead tokens and push certificates. The rules are in push/.
 * Threading: the thread that has the txn.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/arena.h"
#include "pomona/base/buf.h"
#include "pomona/base/err.h"
#include "pomona/pki/push_cert.h"
#include "pomona/store/enrollment.h"
#include "pomona/store/store.h"

enum {
	PUSH_REASON_BYTES_MAX = 64,
	PUSH_ID_BYTES_MAX = 36, /* apns-id, a UUID */
};

/* The sequence of the last published batch that the transaction sees: what an empty reply has "seen". */
enum rc queue_last_seq(struct txn *txn, int64_t *seq_r, struct err *err) MUST_USE;

/* One enrollment's open work. */
struct push_work {
	int64_t enrollment_id;
	int64_t
		seq; /* the highest of its open, published, unexpired rows (of push_work_since: of this batch) */
	int priority; /* the most urgent (lowest) of them */
};
/* Enrollments with open work, by id, after `after_id`: for the start. Costs what is open, not what is finished. */
enum rc push_work_open(struct txn *txn, int64_t after_id, struct push_work *rows, size_t max,
	size_t *count_r, struct err *err) MUST_USE;
/*
 * Open rows of batches published after the cursor, in the order of (seq, enrollment). The cursor moves on; fewer
 * than `max` rows: all that the transaction sees was given, and the cursor is {seq of the last batch, 0}.
 */
struct push_cursor {
	int64_t seq;           /* given up to this batch ... */
	int64_t enrollment_id; /* ... and of it up to this enrollment; 0: all of it */
};
enum rc push_work_since(struct txn *txn, struct push_cursor *cursor, struct push_work *rows,
	size_t max, size_t *count_r, struct err *err) MUST_USE;

/* All that a decision to push needs, in one look. */
struct push_target {
	int64_t enrollment_id;
	bool
		is_reachable; /* it and its device are enrolled (or a removal is ordered), and there is a token */
	bool is_enrolled; /* commands are handed out to it */
	uint8_t token[PUSH_TOKEN_BYTES_MAX];
	size_t token_len;
	struct slice magic, topic; /* borrowed until the next verb on this txn */
	int64_t token_updated_at;  /* UNIX seconds */
	int64_t token_dead_at;     /* 0: alive */
	int64_t open_seq;          /* highest sequence of its open, published, unexpired rows; 0: none */
	int open_priority;
	int64_t seen_seq;   /* what its last empty reply with held work had seen */
	int64_t pushed_seq; /* the highest that it was pushed for */
	int64_t pushed_at;  /* UNIX seconds of the last push that APNs took; 0: never */
	int64_t tries;      /* pushes since its last contact, as far as it was written */
};
/* RC_NOT_FOUND: no such enrollment. */
enum rc push_target_read(struct txn *txn, int64_t enrollment_id, struct push_target *target_r,
	struct err *err) MUST_USE;

/* What became of a push. */
struct push_outcome {
	int64_t enrollment_id;
	int64_t pushed_seq; /* raises the stored one; 0: it was not for work, or did not succeed */
	int64_t at;         /* UNIX seconds */
	unsigned status;    /* APNs' HTTP status; 0: it did not answer */
	const char *reason; /* "" where it was taken; cut to PUSH_REASON_BYTES_MAX */
	const char *apns_id;
	int64_t tries;
	bool
		is_dead; /* the token is dead: marked only while `token` is still the enrollment's, and no later ... */
	int64_t token_updated_at; /* ... TokenUpdate than this one brought it again; 0: whichever it was */
	struct slice
		token; /* that it went to; where it is not the enrollment's any more, pushed_seq counts for nothing */
};
/* An enrollment that is gone is no fault. */
enum rc push_outcome_write(struct txn *txn, const struct push_outcome *outcome, struct err *err)
	MUST_USE;
/* Raises seen_seq. */
enum rc push_seen_write(struct txn *txn, int64_t enrollment_id, int64_t seen_seq, struct err *err)
	MUST_USE;

/* The walk through the fleet: channels that are enrolled or to be removed, with their times, by id. */
struct push_walk_row {
	int64_t enrollment_id;
	int64_t last_seen_at; /* or enrolled_at where that is later */
	int64_t pushed_at;
	bool is_inactive;
	bool has_live_token;
};
enum rc push_walk(struct txn *txn, int64_t after_id, struct push_walk_row *rows, size_t max,
	size_t *count_r, struct err *err) MUST_USE;
/* Where the walk is, so that a restart goes on there. */
enum rc push_walk_cursor_get(struct txn *txn, int64_t *after_id_r, struct err *err) MUST_USE;
enum rc push_walk_cursor_set(struct txn *txn, int64_t after_id, struct err *err) MUST_USE;
/* How many the walk has to pass. Counts along an index: for once a pass, not for each step. */
enum rc push_walk_size(struct txn *txn, int64_t *count_r, struct err *err) MUST_USE;
/* inactive_at becomes now if it was last seen before `seen_before` and is active; *was_changed_r. */
enum rc enrollment_set_inactive(struct txn *txn, int64_t id, int64_t seen_before,
	bool *was_changed_r, struct err *err) MUST_USE;

struct push_counts {
	int64_t inactive, dead_tokens; /* of enrolled channels */
};
enum rc push_counts(struct txn *txn, struct push_counts *counts_r, struct err *err) MUST_USE;

/* Push certificates, one a topic. The key is sealed. */
struct push_cert_view {
	const char *topic, *subject;
	uint8_t sha256[SHA256_BYTES];
	int64_t not_before, not_after, stored_at;
	struct slice cert_pem;
	int64_t enrollments; /* enrolled channels that use the topic */
};
enum rc push_cert_put(struct txn *txn, const struct push_cert *cert, struct err *err) MUST_USE;
enum rc push_cert_list(struct txn *txn, struct arena *arena, struct push_cert_view **views_r,
	size_t *count_r, struct err *err) MUST_USE;
/* Appends the PEM: a secret. RC_NOT_FOUND. */
enum rc push_cert_key(struct txn *txn, const char *topic, struct buf *key_pem, struct err *err)
	MUST_USE;
enum rc push_cert_remove(struct txn *txn, const char *topic, struct err *err) MUST_USE;

/* Topics that enrolled channels use, the most used first, at most `limit`. */
struct push_topic_view {
	const char *topic;
	int64_t enrollments;
	bool has_cert;
};
enum rc push_topic_list(struct txn *txn, int limit, struct arena *arena,
	struct push_topic_view **views_r, size_t *count_r, struct err *err) MUST_USE;

/* For people: see struct push_view in enrollment.h. RC_NOT_FOUND: no such enrollment. */
enum rc push_view(struct txn *txn, int64_t enrollment_id, struct arena *arena,
	struct push_view *view_r, struct err *err) MUST_USE;

#endif
