/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_push.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct fake_push fake_push;

struct push *fake_push_reset(void)
{
	memset(&fake_push, 0, sizeof(fake_push));
	fake_push.result = (struct push_result){.answer = PUSH_ANSWER_SENT,
		.status = 200,
		.apns_id = "6d2b7f0e-1c5e-4f0a-9d4b-2f3c4d5e6f70"};
	return (struct push *)&fake_push;
}

static void keep(int64_t id)
{
	if (fake_push.id_count == FAKE_ORDERS_MAX)
		abort();
	fake_push.ids[fake_push.id_count++] = id;
}

static void *answer(void *ctx)
{
	struct push_ask *ask = ctx;

	for (size_t i = 0; i < ask->count; i++) {
		const int64_t id = ask->results[i].enrollment_id;

		keep(id);
		ask->results[i] = fake_push.result;
		ask->results[i].enrollment_id = id;
	}
	ask->done(ask);
	return NULL;
}

enum rc __wrap_push_ask(struct push *push, struct push_ask *ask, struct err *err);
enum rc __wrap_push_order(struct push *push, const int64_t *ids, size_t count,
	enum push_class class, struct err *err);
void __wrap_push_poke(struct push *push);
void __wrap_push_certs_changed(struct push *push);
void __wrap_push_contact(struct push *push, const struct push_contact *contact);
void __wrap_push_stats(struct push *push, struct push_stats *stats_r);
const char *__wrap_push_answer_name(enum push_answer answer);
const char *__wrap_push_reason_advice(unsigned status, const char *reason);
const char *__wrap_push_topic_state_name(enum push_topic_state state);

enum rc __wrap_push_ask(struct push *push, struct push_ask *ask, struct err *err)
{
	pthread_t thread;

	(void)push;
	atomic_fetch_add(&fake_push.asks, 1);
	if (atomic_load(&fake_push.is_busy))
		return err_set(err, RC_BUSY, "it is stopping");
	if (ask->count == 0 || ask->count > PUSH_ASK_IDS_MAX || ask->wait_ms != 10000)
		abort();
	fake_push.class = ask->class;
	fake_push.is_test = ask->is_test;
	if (pthread_create(&thread, NULL, answer, ask) != 0 || pthread_detach(thread) != 0)
		abort();
	return RC_OK;
}

enum rc __wrap_push_order(struct push *push, const int64_t *ids, size_t count,
	enum push_class class, struct err *err)
{
	(void)push;
	if (atomic_fetch_add(&fake_push.orders, 1) + 1 == atomic_load(&fake_push.refused_order))
		return err_set(err, RC_BUSY, "it is stopping");
	fake_push.class = class;
	for (size_t i = 0; i < count; i++)
		keep(ids[i]);
	if (fake_push.on_call != NULL)
		fake_push.on_call();
	return RC_OK;
}

void __wrap_push_poke(struct push *push)
{
	(void)push;
	if (fake_push.on_call != NULL)
		fake_push.on_call();
	atomic_fetch_add(&fake_push.pokes, 1);
}

void __wrap_push_certs_changed(struct push *push)
{
	(void)push;
	if (fake_push.on_call != NULL)
		fake_push.on_call();
	atomic_fetch_add(&fake_push.certs_changes, 1);
}

void __wrap_push_contact(struct push *push, const struct push_contact *contact)
{
	(void)push;
	(void)contact;
}

void __wrap_push_stats(struct push *push, struct push_stats *stats_r)
{
	(void)push;
	*stats_r = fake_push.stats;
}

const char *__wrap_push_answer_name(enum push_answer answer)
{
	static const char *const names[PUSH_ANSWER_COUNT] = {"sent", "waiting", "refused", "no_token",
		"token_dead", "no_certificate", "stopped", "unreachable"};

	return names[answer];
}

const char *__wrap_push_reason_advice(unsigned status, const char *reason)
{
	(void)status;
	return reason[0] != '\0' ? "advice about the reason" : "advice about the status";
}

const char *__wrap_push_topic_state_name(enum push_topic_state state)
{
	static const char *const names[PUSH_TOPIC_STATE_COUNT] = {"idle", "connecting", "open", "waiting",
		"stopped", "expired", "no_certificate"};

	return names[state];
}
