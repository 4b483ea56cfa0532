/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_topics.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_topics fake;

const struct parcel_answer fake_taken = {
	.action = PUSH_DONE,
	.answer = PUSH_ANSWER_SENT,
	.status = 200,
	.reason = "",
	.apns_id = "11111111-2222-3333-4444-555555555555",
	.detail = "",
};
const struct parcel_answer fake_retry = {
	.action = PUSH_RETRY,
	.answer = PUSH_ANSWER_REFUSED,
	.status = 500,
	.reason = "InternalServerError",
	.apns_id = "",
	.detail = "",
};
const struct parcel_answer fake_dead = {
	.action = PUSH_TOKEN_DEAD,
	.answer = PUSH_ANSWER_REFUSED,
	.status = 410,
	.reason = "Unregistered",
	.apns_id = "",
	.detail = "",
};
const struct parcel_answer fake_stopped = {
	.action = PUSH_TOPIC_STOP,
	.answer = PUSH_ANSWER_REFUSED,
	.status = 403,
	.reason = "BadCertificate",
	.apns_id = "",
	.detail = "",
};
const struct parcel_answer fake_dropped = {
	.action = PUSH_DROP,
	.answer = PUSH_ANSWER_REFUSED,
	.status = 400,
	.reason = "PayloadEmpty",
	.apns_id = "",
	.detail = "",
};

static size_t index_of(struct slice topic)
{
	size_t i = 0;

	while (i < fake.topic_count && !slice_is_str(topic, fake.topics[i].name))
		i++;
	if (i == fake.topic_count) {
		assert(fake.topic_count < FAKE_TOPICS);
		(void)snprintf(fake.topics[i].name, sizeof(fake.topics[i].name), "%.*s", SLICE_FMT(topic));
		fake.topic_count++;
	}
	return i;
}

void fake_reset(void)
{
	free(fake.log);
	fake = (struct fake_topics){0};
}

void fake_verdict(const char *topic, enum topics_verdict verdict)
{
	fake.topics[index_of(slice_of_str(topic))].verdict = verdict;
}

void fake_window(const char *topic, size_t window)
{
	fake.topics[index_of(slice_of_str(topic))].window = window;
}

size_t fake_looks_in_vain(const char *topic)
{
	return fake.topics[index_of(slice_of_str(topic))].in_vain;
}

void fake_room(void)
{
	fake.on_room(fake.ctx);
}

bool fake_holds(int64_t enrollment_id)
{
	for (const struct parcel *parcel = fake.held; parcel != NULL; parcel = parcel->next)
		if (parcel->enrollment_id == enrollment_id)
			return true;
	return false;
}

static void finish(struct parcel **link, const struct parcel_answer *answer)
{
	struct parcel *parcel = *link;
	size_t topic = (size_t)(uintptr_t)parcel->carrier - 1;
	bool was_full = fake.topics[topic].held == fake.topics[topic].window;

	*link = parcel->next;
	fake.held_count--;
	fake.topics[topic].held--;
	parcel->done(parcel, answer);
	if (was_full)
		fake_room();
}

void fake_answer(int64_t enrollment_id, const struct parcel_answer *answer)
{
	struct parcel **link = &fake.held;

	while (*link != NULL && (*link)->enrollment_id != enrollment_id)
		link = &(*link)->next;
	assert(*link != NULL);
	finish(link, answer);
}

size_t fake_answer_all(const struct parcel_answer *answer)
{
	size_t count = 0;

	for (; fake.held != NULL; count++)
		finish(&fake.held, answer);
	return count;
}

size_t fake_pushes_to(int64_t enrollment_id)
{
	size_t count = 0;

	for (size_t i = 0; i < fake.log_count; i++)
		count += fake.log[i].enrollment_id == enrollment_id;
	return count;
}

/* --- topics.h */

enum rc topics_new(const struct topics_params *params, struct topics **topics_r, struct err *err)
{
	(void)err;
	fake.clock = params->clock;
	fake.on_room = params->on_room;
	fake.on_alarm = params->on_alarm;
	fake.ctx = params->ctx;
	fake.is_stopped = false;
	*topics_r = (struct topics *)&fake;
	return RC_OK;
}

enum rc topics_load(struct topics *topics, struct err *err)
{
	(void)topics;
	fake.loads++;
	return fake.load_rc == RC_OK ? RC_OK : err_set(err, fake.load_rc, "told to fail");
}

void topics_set_settings(struct topics *topics, const struct push_settings *settings)
{
	(void)topics;
	fake.settings = *settings;
}

enum topics_verdict topics_look(struct topics *topics, struct slice topic, bool is_test)
{
	size_t i = index_of(topic);
	enum topics_verdict verdict = fake.topics[i].verdict;

	(void)topics;
	assert(!fake.is_stopped);
	fake.topics[i].looks++;
	if (is_test && (verdict == TOPICS_STOPPED || verdict == TOPICS_WAITING))
		verdict = TOPICS_TAKEN;
	if (verdict == TOPICS_TAKEN && fake.topics[i].window != 0 &&
		fake.topics[i].held >= fake.topics[i].window)
		verdict = TOPICS_FULL;
	fake.topics[i].in_vain += verdict != TOPICS_TAKEN;
	return verdict;
}

static void note(const struct parcel *parcel)
{
	struct fake_push *push;

	if (fake.log_count == fake.log_room) {
		fake.log_room = fake.log_room == 0 ? 64 : fake.log_room * 2;
		fake.log = realloc(fake.log, fake.log_room * sizeof(*fake.log));
		assert(fake.log != NULL);
	}
	push = &fake.log[fake.log_count++];
	*push = (struct fake_push){
		.enrollment_id = parcel->enrollment_id,
		.at_us = clock_monotonic_us(fake.clock),
		.token_mark = parcel->token[0],
		.is_test = parcel->is_test,
	};
	(void)snprintf(push->magic, sizeof(push->magic), "%.*s", (int)parcel->magic_len, parcel->magic);
}

enum topics_verdict topics_send(struct topics *topics, struct slice topic, struct parcel *parcel)
{
	size_t i = index_of(topic);
	enum topics_verdict verdict = topics_look(topics, topic, parcel->is_test);

	if (verdict != TOPICS_TAKEN)
		return verdict;
	assert(!fake_holds(parcel->enrollment_id) || fake.held_count > 1000); /* one at a time */
	note(parcel);
	parcel->carrier = (void *)(uintptr_t)(i + 1);
	parcel->next = fake.held;
	fake.held = parcel;
	fake.held_count++;
	fake.topics[i].held++;
	return TOPICS_TAKEN;
}

void topics_stats(struct topics *topics, struct push_stats *stats_r)
{
	(void)topics;
	stats_r->topic_count = fake.topic_count;
}

void topics_tick(struct topics *topics)
{
	(void)topics;
	fake.ticks++;
}

void topics_stop(struct topics *topics)
{
	static const struct parcel_answer handed_back = {
		.action = PUSH_RETRY,
		.answer = PUSH_ANSWER_UNREACHABLE,
		.reason = "",
		.apns_id = "",
		.detail = "stopped",
	};

	(void)topics;
	(void)fake_answer_all(&handed_back);
	fake.is_stopped = true;
}

void topics_free(struct topics **topics)
{
	*topics = NULL;
}
