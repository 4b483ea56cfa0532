/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_RENEW_INTERNAL_H
#define POMONA_ENROLL_RENEW_INTERNAL_H

/*
 * The state of the walk (include/pomona/enroll/renew.h); one a struct enroll.
 * Threading: what stands under a thread's name is its alone; one has the slice at a time.
 */

#include <stdatomic.h>

#include "pomona/base/arena.h"
#include "pomona/enroll/renew.h"
#include "pomona/pki/digest.h"
#include "renew_decide.h"

/* One device that something is done about. Texts in the slice's arena. */
struct renew_step {
	struct renewal_facts facts;
	struct renew_decision decision;
	struct renewal_target target;
	bool has_account; /* it enrolled with this account of its user, and so does its next profile */
	struct account account;
	/* Of RENEW_SEND: */
	const char *url;
	struct enroll_profile_facts profile;
	uint8_t challenge_sha256[SHA256_BYTES];
	struct command_row command;
	bool is_kept;       /* the writer agreed */
	const char *unmade; /* why it cannot be made as things stand; NULL: it was */
};

struct renew {
	struct store_job job; /* first: the writer hands it back */
	struct signer_job signer_job;
	struct enroll *enroll;
	atomic_bool is_under_way;
	atomic_bool is_new_walk_wanted, is_look_wanted;
	atomic_int_least64_t next_us; /* monotonic; the next slice is due */
	atomic_int_least64_t waiting, walked_at, walks, devices;
	bool is_beginning; /* main's, before it hands the slice on: it is a walk's first */
	/* Of whoever has the slice: */
	char url[PROFILE_URL_BYTES_MAX + 1]; /* for profiles that do not say */
	struct arena *arena;
	struct renew_policy policy;
	struct renewal_facts rows[RENEW_ROWS];
	struct renew_step steps[RENEW_STEPS_MAX];
	size_t step_count, send_count;
	int64_t began_at;          /* this walk */
	int64_t after_id, next_id; /* where the slice began, and ends */
	bool is_over;              /* it was the walk's last */
	int64_t seen_waiting, seen_devices, counted_waiting, counted_devices;
	bool has_told_fault; /* since the last walk that came to its end */
};

struct renew *renew_new(struct enroll *enroll);
void renew_free(struct renew **renew);
/* renew_make.c, on the signer's thread: profile and command of a RENEW_SEND. */
enum rc renew_make(struct renew *renew, struct renew_step *step, struct err *err) MUST_USE;
/* renew_keep.c: the job's run and done. */
enum rc renew_keep(struct store_job *job, struct txn *txn, struct err *err) MUST_USE;
void renew_log(const struct renew_step *step);
/* The policy as it is now. */
void renew_read_policy(struct enroll *enroll, struct txn *txn, struct renew_policy *policy_r);

#endif
