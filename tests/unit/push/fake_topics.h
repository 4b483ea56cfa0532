/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_PUSH_FAKE_TOPICS_H
#define POMONA_TESTS_PUSH_FAKE_TOPICS_H

/*
 * The lower half as the test wants it: what is sent is noted and held until the test answers, or answered as told.
 * Threading: the test's.
 */

#include "topics.h"

enum { FAKE_TOPICS = 80, FAKE_MAGIC_BYTES = 40 };

struct fake_push {
	int64_t enrollment_id;
	int64_t at_us;
	uint8_t token_mark; /* its first byte */
	char magic[FAKE_MAGIC_BYTES];
	bool is_test;
};

struct fake_topics {
	const struct clock *clock;
	void (*on_room)(void *ctx);
	void (*on_alarm)(void *ctx, const struct push_alarm *alarm);
	void *ctx;
	bool is_stopped;
	enum rc load_rc;
	int loads, ticks;
	struct push_settings settings;

	struct {
		char name[64];
		enum topics_verdict verdict;
		size_t window, held; /* window 0: no bound */
		size_t looks, in_vain;
	} topics[FAKE_TOPICS];
	size_t topic_count;

	struct parcel *held;
	size_t held_count;
	bool is_auto; /* fake_answer_all() answers what is held, by `answer` */
	struct parcel_answer answer;

	struct fake_push *log;
	size_t log_count, log_room;
};
extern struct fake_topics fake;

void fake_reset(void);
/* The topic's verdict from now on; the scheduler is not told. */
void fake_verdict(const char *topic, enum topics_verdict verdict);
void fake_window(const char *topic, size_t window);
size_t fake_looks_in_vain(const char *topic);
/* Says that there is room. */
void fake_room(void);
/* Is a push to it in flight? */
bool fake_holds(int64_t enrollment_id);
/* Answers one that is held. */
void fake_answer(int64_t enrollment_id, const struct parcel_answer *answer);
size_t fake_answer_all(const struct parcel_answer *answer);
size_t fake_pushes_to(int64_t enrollment_id);

extern const struct parcel_answer fake_taken, fake_retry, fake_dead, fake_stopped, fake_dropped;

#endif
