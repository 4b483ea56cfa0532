/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_OUTCOME_H
#define POMONA_PUSH_OUTCOME_H

/*
 * What pushes came to, and the other notes of the scheduler, on their way into the store: gathered, and written by
 * jobs of the writer, one job at a time. A crash loses a second's worth, which costs an extra push. What the writer
 * cannot take is kept and tried again.
 * Threading: the loop's thread.
 */

#include "topics.h"

enum {
	OUTCOMES_MAX = 16384,        /* notes that may wait: past it no push is begun */
	OUTCOMES_MANY = 1024,        /* these are written at once ... */
	OUTCOMES_AGE_US = 1000000,   /* ... and fewer after this */
	OUTCOMES_AGAIN_US = 1000000, /* after a failure */
	OUTCOME_ALARMS_MAX = 256,
};

enum note_kind { NOTE_OUTCOME, NOTE_SEEN, NOTE_INACTIVE, NOTE_WALK, NOTE_ALARM, NOTE_KIND_COUNT };

struct note {
	enum note_kind kind;
	int64_t enrollment_id; /* of WALK: the cursor */
	int64_t seq;           /* of OUTCOME: pushed_seq; of SEEN: seen_seq; of INACTIVE: seen_before */
	int64_t at, token_updated_at;
	unsigned status;
	uint8_t tries, token_len;
	bool is_dead;
	uint8_t token[PUSH_TOKEN_BYTES_MAX];
	char reason[PUSH_REASON_BYTES_MAX + 1];
	char apns_id[PUSH_ID_BYTES_MAX + 1];
	char *text; /* owned: of ALARM the alarm's; of INACTIVE, once written, the enrollment's name */
	char *subject;
	const char *alarm; /* a literal */
	bool is_clear;
};

struct outcomes;

/* `wake` runs on the loop when a job is done. NULL when memory is short. */
struct outcomes *outcomes_new(struct net_loop *loop, struct store *store, void (*wake)(void *ctx),
	void *ctx);

/* The note's room, of its kind and else zero, to be filled before the next call. NULL: full, or memory is short. */
struct note *outcomes_note(struct outcomes *outcomes, enum note_kind kind, int64_t enrollment_id);
/* An alarm that waits for the same subject is replaced. */
void outcomes_alarm(struct outcomes *outcomes, const struct push_alarm *alarm);
bool outcomes_is_full(const struct outcomes *outcomes);
size_t outcomes_waiting(const struct outcomes *outcomes);

/* Hands to the writer what is due; everything, with is_all. */
void outcomes_write(struct outcomes *outcomes, int64_t now_us, bool is_all);
/* When it is to be called again, if nothing happens before; INT64_MAX: there is nothing. */
int64_t outcomes_next_us(struct outcomes *outcomes);
/* Everything is durable, or `failures` writes in a row have failed. */
bool outcomes_is_settled(struct outcomes *outcomes, unsigned failures);

/* Has the writer a job of these? */
bool outcomes_is_under_way(struct outcomes *outcomes);
/* No job is under way, or the store has stopped. */
void outcomes_free(struct outcomes **outcomes);

#endif
