/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_COMMAND_RESULT_H
#define POMONA_COMMAND_RESULT_H

/*
 * What a device says on the command channel, and the one function that decides what it is told.
 * Threading: result_read: any thread, pure. The others: the thread that has the txn.
 */

#include "pomona/base/arena.h"
#include "pomona/base/err.h"
#include "pomona/command/setup.h"
#include "pomona/identity/claim.h"
#include "pomona/identity/outcome.h"
#include "pomona/identity/sender.h"
#include "pomona/identity/unenroll.h"
#include "pomona/store/queue.h"

/* A CommandUUID of another server, which the device still answers, may be longer than ours are. */
enum { RESULT_UUID_BYTES_MAX = 1024 };

enum result_status {
	RESULT_IDLE,
	RESULT_ACKNOWLEDGED,
	RESULT_ERROR,
	RESULT_COMMAND_FORMAT_ERROR,
	RESULT_NOTNOW,
};
const char *result_status_name(enum result_status status);

struct result {
	struct claim claim;
	enum result_status status;
	struct slice status_word;
	struct slice command_uuid; /* empty for Idle */
	struct slice request_type; /* empty where the device left it out */
	struct slice raw;          /* the whole message */
};

/* Parses and checks. RC_INVALID names the key (Status missing or unknown, CommandUUID missing,
 * ...), RC_LIMIT. */
enum rc result_read(struct slice raw, struct arena *arena, struct result *result_r, struct err *err)
	MUST_USE;

/*
 * The read-only way: an Idle with nothing open for its sender is answered from a snapshot, with
 * nothing written. *is_answered_r false: something is to be decided or written, take
 * result_decide() in a job.
 */
enum rc result_try_idle(struct txn *txn, const struct credential *credential,
	const struct result *result, struct outcome *outcome, bool *is_answered_r, struct err *err)
	MUST_USE;

struct result_policy {
	struct unenroll_policy unenroll;
	struct setup_policy setup;
};
/* The whole decision over (identity, message, database), in the caller's transaction. */
enum rc result_decide(struct txn *txn, const struct result_policy *policy,
	const struct credential *credential, const struct result *result, struct outcome *outcome,
	struct err *err) MUST_USE;

/* ErrorChain of a raw result as JSON-ready rows for the API; count 0 where there is none. */
struct result_error {
	const char *domain, *text, *us_english;
	int64_t code;
};
enum { RESULT_ERRORS_MAX = 32 };
enum rc result_errors(struct slice raw, struct arena *arena, struct result_error **errors_r,
	size_t *count_r, struct err *err) MUST_USE;

#endif
