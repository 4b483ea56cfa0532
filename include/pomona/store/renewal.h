/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_RENEWAL_H
#define POMONA_STORE_RENEWAL_H

/*
 * How far the renewal of each device's identity has come, and the profile that an identity came with. When a
 * renewal is due, and what follows from an answer, is decided in enroll/.
 * Threading: the thread that has the txn.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/arena.h"
#include "pomona/base/err.h"
#include "pomona/store/enrollment.h"
#include "pomona/store/queue.h"

enum { RENEWAL_WHY_BYTES_MAX = 128 };

enum renewal_state { /* stored: do not renumber */
	RENEWAL_NONE = 0,
	RENEWAL_ORDERED = 1, /* by an administrator: the next turn sends it */
	RENEWAL_SENT = 2,    /* the profile is in the device's queue, or taken */
	RENEWAL_FAILED = 3,  /* and is sent again at next_at */
	RENEWAL_DONE = 4,    /* the new identity has spoken */
	RENEWAL_IMPOSSIBLE = 5,
	RENEWAL_OVER = 6, /* the identity ended before */
	RENEWAL_STATE_END
};
const char *renewal_state_name(enum renewal_state state); /* "sent" */

/* What a decision about one enrolled device is made of. */
struct renewal_facts {
	int64_t enrollment_id;
	enum enrollment_kind kind;
	uint32_t hash; /* of its ext_id, always the same */
	int64_t enrolled_at;
	int64_t identity_id, not_before, not_after; /* of its pin */
	bool is_by_scep;                            /* the pin was given by our SCEP */
	bool has_account;                           /* and for an account of the device's user */
	/* The row; RENEWAL_NONE: there is none, and the rest is 0. */
	enum renewal_state state;
	int64_t renewed_id; /* the identity that it is about */
	int64_t command_id, tries, changed_at, next_at;
	enum queue_state command_state; /* 0: the command is gone */
	int64_t command_finished_at;
};
enum { RENEWAL_ROWS_MAX = 1000 };

/* Enrolled devices that have a pin, in the order of their ids after `after_id`. `max`: 1 to RENEWAL_ROWS_MAX. */
enum rc renewal_walk(struct txn *txn, int64_t after_id, struct renewal_facts *rows, size_t max,
	size_t *count_r, struct err *err) MUST_USE;
/* The same of those whose renewal is ORDERED. */
enum rc renewal_ordered(struct txn *txn, int64_t after_id, struct renewal_facts *rows, size_t max,
	size_t *count_r, struct err *err) MUST_USE;
/* RC_NOT_FOUND: it is not enrolled, or has no pin. */
enum rc renewal_of(struct txn *txn, int64_t enrollment_id, struct renewal_facts *facts_r,
	struct err *err) MUST_USE;

/* What its profile says, as far as it is known: "" and 0 else. Texts in the arena. */
struct renewal_target {
	const char *ext_id, *topic;
	const char *identifier, *url;
	int64_t access_rights;
};
enum rc renewal_target(struct txn *txn, int64_t enrollment_id, struct arena *arena,
	struct renewal_target *target_r, struct err *err) MUST_USE;

/* Takes the place of the row. Of SENT, FAILED and DONE a running total is kept. */
struct renewal_row {
	int64_t enrollment_id, identity_id;
	enum renewal_state state;
	int64_t command_id, tries, next_at;
	const char *why; /* cut to RENEWAL_WHY_BYTES_MAX; "" or NULL: nothing to say */
};
enum rc renewal_put(struct txn *txn, const struct renewal_row *row, struct err *err) MUST_USE;
/* Was the command sent to renew an identity that another one has taken the place of? */
enum rc renewal_is_done(struct txn *txn, int64_t enrollment_id, int64_t command_id, bool *is_r,
	struct err *err) MUST_USE;
/* The latest command, where the device has not been given it or has put it off, is cancelled: its identity is renewed. */
enum rc renewal_cancel_waiting(struct txn *txn, int64_t enrollment_id, struct err *err) MUST_USE;
/* Why the last one failed or cannot be; "" where there is no row. */
enum rc renewal_why(struct txn *txn, int64_t enrollment_id,
	char out[static RENEWAL_WHY_BYTES_MAX + 1], struct err *err) MUST_USE;

struct renewal_counts {
	int64_t by_state[RENEWAL_STATE_END]; /* of devices that are enrolled; DONE is not counted */
	int64_t sent, failed, renewed;       /* ever */
};
enum rc renewal_count(struct txn *txn, struct renewal_counts *counts_r, struct err *err) MUST_USE;

/* `to` came with the profile of `from`, which need not be known. */
enum rc identity_profile_copy(struct txn *txn, int64_t from, int64_t to, struct err *err) MUST_USE;

/* The RemoveProfile that the device is to carry out before anything else. RC_NOT_FOUND: there is none. */
enum rc removal_find(struct txn *txn, int64_t enrollment_id, struct queue_item *item_r,
	struct err *err) MUST_USE;
enum rc removal_put(struct txn *txn, int64_t enrollment_id, int64_t command_id, struct err *err)
	MUST_USE;
/* There need not be one. */
enum rc removal_drop(struct txn *txn, int64_t enrollment_id, struct err *err) MUST_USE;

#endif
