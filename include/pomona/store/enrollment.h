/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_ENROLLMENT_H
#define POMONA_STORE_ENROLLMENT_H

/*
 * Enrollments: device channels and the user channels under them, what they told about themselves,
 * and the pending re-enrollment beside a live one. The rules are not here but in identity/,
 * checkin/, command/.
 * Threading: the thread that has the txn.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/arena.h"
#include "pomona/base/err.h"
#include "pomona/store/store.h"

enum {
	ENROLLMENT_DEVICE_ID_BYTES_MAX = 256, /* UDID or EnrollmentID */
	ENROLLMENT_USER_PART_BYTES_MAX = 256, /* UserID, UserShortName or EnrollmentUserID */
	ENROLLMENT_ID_BYTES_MAX = ENROLLMENT_DEVICE_ID_BYTES_MAX + 1 + ENROLLMENT_USER_PART_BYTES_MAX,
	ENROLLMENT_FACT_BYTES_MAX = 1024,
	PUSH_TOKEN_BYTES_MAX = 100,
};

enum enrollment_kind {       /* stored: do not renumber */
	ENROLLMENT_DEVICE = 1,      /* UDID */
	ENROLLMENT_USER = 2,        /* UDID:UserID, macOS */
	ENROLLMENT_SHARED_USER = 3, /* UDID:UserShortName, Shared iPad */
	ENROLLMENT_BYOD_DEVICE = 4, /* EnrollmentID */
	ENROLLMENT_BYOD_USER = 5,   /* EnrollmentID:EnrollmentUserID */
};
bool enrollment_kind_is_user(enum enrollment_kind kind);
const char *enrollment_kind_name(
	enum enrollment_kind kind); /* "device", "user", "shared_ipad_user", ... */

enum enrollment_state {  /* stored: do not renumber */
	ENROLLMENT_PENDING = 1, /* authenticated for the first time, no TokenUpdate yet */
	ENROLLMENT_ENROLLED = 2,
	ENROLLMENT_REMOVAL_ORDERED = 3, /* an administrator ended it; the device has not been told yet */
	ENROLLMENT_REMOVED = 4,         /* it was told (401) */
	ENROLLMENT_CHECKED_OUT = 5,     /* the device said CheckOut */
	ENROLLMENT_ENDED = 6,           /* a user channel whose device enrolled anew or left */
};
const char *enrollment_state_name(enum enrollment_state state);

/* What a device says of itself at Authenticate; empty slices where it said nothing. Bounded by the
 * checker. */
struct device_facts {
	struct slice topic, device_name, model, model_name, product_name, os_version, build_version,
		serial_number, imei, meid;
};

struct enrollment {
	int64_t id;
	int64_t device_id; /* of a user channel: its device's id; else 0 */
	enum enrollment_kind kind;
	enum enrollment_state state;
	char
		ext_id[ENROLLMENT_ID_BYTES_MAX + 1]; /* the id of the field's practice: UDID, UDID:UserID, ... */
	int64_t identity_id;                  /* pinned; 0: none. Device channels only */
	int64_t pending_identity_id;          /* authenticated, waiting for its TokenUpdate; 0: none */
	bool is_awaiting_configuration;
};

/* RC_NOT_FOUND, RC_IO... Every verb below may also fail with RC_IO, RC_NO_MEMORY, RC_CORRUPT. */
enum rc enrollment_find(struct txn *txn, struct slice ext_id, struct enrollment *enrollment_r,
	struct err *err) MUST_USE;
enum rc enrollment_by_id(struct txn *txn, int64_t id, struct enrollment *enrollment_r,
	struct err *err) MUST_USE;

/* A new device channel in state PENDING, without a pin. */
enum rc enrollment_add_device(struct txn *txn, enum enrollment_kind kind, struct slice ext_id,
	int64_t *id_r, struct err *err) MUST_USE;
/* A user channel in state ENROLLED; an ENDED one of that id comes back to life. */
enum rc enrollment_add_user(struct txn *txn, enum enrollment_kind kind, struct slice ext_id,
	int64_t device_id, int64_t *id_r, struct err *err) MUST_USE;
/* Keeps the Authenticate aside (facts, raw message sealed) with its identity until the TokenUpdate;
 * replaces an earlier one. */
enum rc enrollment_set_pending(struct txn *txn, int64_t id, int64_t identity_id,
	const struct device_facts *facts, struct slice raw, struct err *err) MUST_USE;
enum rc enrollment_drop_pending(struct txn *txn, int64_t id, struct err *err) MUST_USE;
/* The pending identity becomes the pin, its facts the device's; state ENROLLED; enrolled_at is
 * now. What became of pushes is forgotten. */
enum rc enrollment_promote(struct txn *txn, int64_t id, struct err *err) MUST_USE;
enum rc enrollment_set_state(struct txn *txn, int64_t id, enum enrollment_state state,
	struct err *err) MUST_USE;
/* User channels of the device in whatever state. */
enum rc enrollment_count_users(struct txn *txn, int64_t device_id, int64_t *count_r,
	struct err *err) MUST_USE;
/* All user channels of the device become ENDED and lose their push tokens, dead ones too; logins end. */
enum rc enrollment_end_users(struct txn *txn, int64_t device_id, struct err *err) MUST_USE;

struct token_facts { /* what a TokenUpdate carries besides UnlockToken */
	struct slice topic, token, push_magic;
	struct slice user_short_name, user_long_name;
	bool has_awaiting_configuration, is_awaiting_configuration;
	bool is_not_on_console;
};
/*
 * Keeps token, magic, topic and the sealed raw message; token_updated_at is now. The token is alive again. Where
 * one of the three is new or the token was dead, open work is to be pushed for once more: pushed_seq is 0.
 */
enum rc enrollment_set_token(struct txn *txn, int64_t id, const struct token_facts *facts,
	struct slice raw, struct err *err) MUST_USE;
enum rc enrollment_drop_token(struct txn *txn, int64_t id, struct err *err) MUST_USE;
/* It acknowledged this command; where that is DeviceConfigured or UserConfigured, it awaits configuration no more. */
enum rc enrollment_configured(struct txn *txn, int64_t id, int64_t command_id, struct err *err)
	MUST_USE;
/* last_seen_at is what the clock said, even where it was put back. An inactive one is active again: *was_inactive_r. */
enum rc enrollment_seen(struct txn *txn, int64_t id, int64_t seen_at, bool *was_inactive_r,
	struct err *err) MUST_USE;
/* Deletes a device that is not ENROLLED, with users, queue, results, escrow; its identities lose
 * their owner. RC_EXISTS otherwise. */
enum rc enrollment_forget(struct txn *txn, int64_t id, struct err *err) MUST_USE;

/* What became of pushes (see push.h), for people: strings in the arena, "" and 0 where nothing is known. */
struct push_view {
	int64_t pushed_at;  /* the last that APNs took */
	int64_t outcome_at; /* the last outcome of whatever kind */
	int64_t status;
	const char *reason, *apns_id;
	int64_t tries;
	int64_t token_dead_at;
	int64_t pushed_seq, seen_seq;
};

/* For people: everything known, strings in the arena ("" where nothing is known), times 0 where
 * never. */
struct enrollment_view {
	struct enrollment enrollment;
	const char *device_ext_id; /* of a user channel */
	const char *topic, *device_name, *model, *model_name, *product_name, *os_version, *build_version,
		*serial_number, *imei, *meid, *user_short_name, *user_long_name;
	int64_t created_at, enrolled_at, token_updated_at, last_seen_at, ended_at;
	int64_t inactive_at; /* silent for too long since then; 0: active */
	bool has_push_token, has_unlock_token, has_bootstrap_token;
	int64_t open_commands;
	uint8_t identity_sha256[32]; /* all zero: none */
	int64_t identity_not_after;
	struct push_view push;
};
enum rc enrollment_view(struct txn *txn, int64_t id, struct arena *arena,
	struct enrollment_view *view_r, struct err *err) MUST_USE;

enum enrollment_activity { ENROLLMENT_ANY_ACTIVITY, ENROLLMENT_ACTIVE, ENROLLMENT_INACTIVE };

struct enrollment_filter {
	int64_t after_id;           /* the cursor: ids greater than this, in order */
	int limit;                  /* 1..1000 */
	int state, kind;            /* 0: any */
	struct slice serial_number; /* empty: any */
	int64_t device_id;          /* the users of this device; 0: any */
	int activity;               /* enum enrollment_activity */
	int
		renewal; /* enum renewal_state, of those that are enrolled; not DONE, of which there is no index; 0: any */
};
enum rc enrollment_list(struct txn *txn, const struct enrollment_filter *filter,
	struct arena *arena, struct enrollment_view **views_r, size_t *count_r, struct err *err) MUST_USE;

struct enrollment_count {
	enum enrollment_kind kind;
	enum enrollment_state state;
	int64_t count;
};
enum { ENROLLMENT_COUNTS_MAX = 36 };
enum rc enrollment_counts(struct txn *txn,
	struct enrollment_count counts[static ENROLLMENT_COUNTS_MAX], size_t *count_r, struct err *err)
	MUST_USE;
/* Is any device channel ENROLLED? A fuse asks. */
enum rc enrollment_is_any(struct txn *txn, bool *is_any_r, struct err *err) MUST_USE;
/* The sealed raw Authenticate or TokenUpdate, opened. RC_NOT_FOUND. */
enum rc enrollment_raw_message(struct txn *txn, int64_t id, const char *message_type,
	struct buf *out, struct err *err) MUST_USE;

#endif
