/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/log.h"
#include "pomona/base/log_limit.h"
#include "pomona/net/net.h"
#include "policy.h"

enum { MS_PER_S = 1000, US_PER_S = 1000000 };

/* A client has one call at a time, and keeps its connection. */
struct slot {
	struct policy *policy;
	struct net_client *client; /* NULL: not made yet */
	struct policy_ask *ask;    /* NULL: it is free */
};

struct policy {
	struct net_loop *loop;
	const struct clock *clock;
	struct policy_target target;
	struct buf ca_pem;
	int64_t timeout_s;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t stopped;
	size_t asked;
	bool is_stopping, is_stopped; /* from the start, while nothing is on the loop */

	/* The loop's thread alone: */
	struct slot slots[POLICY_CALLS_MAX];
	struct policy_ask *first, *last; /* who waits for a slot */
	struct log_limit *silent_lines;
};

static void answer_one(struct policy *policy, struct policy_ask *ask, enum policy_verdict verdict,
	const char *text)
{
	(void)pthread_mutex_lock(&policy->lock);
	policy->asked--;
	(void)pthread_mutex_unlock(&policy->lock);
	ask->done(ask, verdict, text);
}

static void log_silent(struct policy *policy, const char *text)
{
	const struct policy_target *target = &policy->target;
	const char *service = target->unix_socket;

	if (service[0] == '\0')
		service = target->base_url;
	if (log_limit_take(policy->silent_lines, 0, clock_monotonic_us(policy->clock)))
		log_warning("policy_service_silent", LOG_STR("service", service), LOG_STR("error", text));
}

void policy_report_hidden(struct policy *policy)
{
	const uint64_t hidden =
		log_limit_hidden(policy->silent_lines, 0, clock_monotonic_us(policy->clock));

	if (hidden > 0)
		log_warning("policy_silences_not_logged", LOG_INT("count", hidden));
}

/* `ask` may be gone with its `done`. */
static void answer_all(struct policy *policy, struct policy_ask *ask, enum policy_verdict verdict,
	const char *text)
{
	if (verdict == POLICY_SILENT)
		log_silent(policy, text);
	while (ask != NULL) {
		struct policy_ask *next = ask->twins;

		answer_one(policy, ask, verdict, text);
		ask = next;
	}
}

static struct policy_ask *take_first(struct policy *policy)
{
	struct policy_ask *ask = policy->first;

	if (ask == NULL)
		return NULL;
	policy->first = ask->next;
	if (policy->first == NULL)
		policy->last = NULL;
	return ask;
}

static void fill(struct slot *slot);

static void on_reply(void *ctx, const struct net_reply *reply)
{
	struct slot *slot = ctx;
	struct policy_ask *ask = slot->ask;
	struct policy_answer answer;
	struct err err = {0};

	slot->ask = NULL;
	if (reply->rc != RC_OK)
		answer_all(slot->policy, ask, POLICY_SILENT, reply->err.text);
	else if (policy_answer_read(reply->status, reply->body, &answer, &err) != RC_OK)
		answer_all(slot->policy, ask, POLICY_SILENT, err.text);
	else
		answer_all(slot->policy, ask, answer.is_allowed ? POLICY_ALLOWED : POLICY_DENIED, answer.reason);
	fill(slot);
}

static enum rc make_client(struct slot *slot, struct err *err)
{
	const struct policy *policy = slot->policy;
	const struct net_client_params params = {
		.base_url = policy->target.base_url,
		.unix_socket = policy->target.unix_socket[0] == '\0' ? NULL : policy->target.unix_socket,
		.ca_pem = buf_slice(&policy->ca_pem),
		.timeout_ms = policy->timeout_s * MS_PER_S,
		.response_bytes_max = POLICY_ANSWER_BYTES_MAX,
	};

	return slot->client != NULL ? RC_OK : net_client_new(policy->loop, &params, &slot->client, err);
}

static enum rc call(struct slot *slot, struct policy_ask *ask, struct err *err)
{
	const struct net_call order = {
		.method = "POST",
		.path = slot->policy->target.path,
		.content_type = "application/json",
		.header = "Accept: application/json",
		.body = ask->question,
		.done = on_reply,
		.ctx = slot,
	};
	enum rc rc = make_client(slot, err);

	return rc == RC_OK ? net_client_call(slot->client, &order, err) : rc;
}

static bool is_late(const struct policy *policy, const struct policy_ask *ask)
{
	return clock_monotonic_us(policy->clock) - ask->since_us >= policy->timeout_s * US_PER_S;
}

/* Those who waited as long as an answer may take are told so: nobody waits longer than twice that. */
static void fill(struct slot *slot)
{
	struct policy *policy = slot->policy;
	struct policy_ask *ask;

	while (slot->ask == NULL && (ask = take_first(policy)) != NULL) {
		struct err err = {0};

		if (is_late(policy, ask)) {
			answer_all(policy, ask, POLICY_SILENT, "policy service: too many wait for it");
			continue;
		}
		slot->ask = ask;
		if (call(slot, ask, &err) == RC_OK)
			return;
		slot->ask = NULL;
		answer_all(policy, ask, POLICY_SILENT, err.text);
	}
}

static bool is_same(const struct policy_ask *a, const struct policy_ask *b)
{
	return memcmp(a->sha256, b->sha256, SHA256_BYTES) == 0;
}

/* Who asks the same at this time, byte for byte: a client that lost its patience. */
static struct policy_ask *find_twin(const struct policy *policy, const struct policy_ask *ask)
{
	for (size_t i = 0; i < COUNT_OF(policy->slots); i++)
		if (policy->slots[i].ask != NULL && is_same(policy->slots[i].ask, ask))
			return policy->slots[i].ask;
	for (struct policy_ask *other = policy->first; other != NULL; other = other->next)
		if (is_same(other, ask))
			return other;
	return NULL;
}

static void append(struct policy *policy, struct policy_ask *ask)
{
	if (policy->last != NULL)
		policy->last->next = ask;
	else
		policy->first = ask;
	policy->last = ask;
}

static void on_ask(void *ctx)
{
	struct policy_ask *ask = ctx;
	struct policy *policy = ask->policy;
	struct policy_ask *twin = find_twin(policy, ask);

	if (twin != NULL) {
		ask->twins = twin->twins;
		twin->twins = ask;
		return;
	}
	append(policy, ask);
	for (size_t i = 0; i < COUNT_OF(policy->slots); i++)
		if (policy->slots[i].ask == NULL) {
			fill(&policy->slots[i]);
			return;
		}
}

enum rc policy_submit(struct policy *policy, struct policy_ask *ask, struct err *err)
{
	enum rc rc = RC_BUSY;

	ask->policy = policy;
	ask->next = NULL;
	ask->twins = NULL;
	ask->since_us = clock_monotonic_us(policy->clock);
	sha256(ask->question, ask->sha256);
	(void)pthread_mutex_lock(&policy->lock);
	if (!policy->is_stopping && policy->asked < POLICY_ASKED_MAX)
		rc = net_loop_post(policy->loop, on_ask, ask);
	if (rc == RC_OK)
		policy->asked++; /* the loop cannot have answered yet: that takes the lock */
	(void)pthread_mutex_unlock(&policy->lock);
	return rc == RC_OK ? RC_OK : err_set(err, rc, "too many wait for the policy service");
}

/* Nothing is posted any more, and what was posted before has come. */
static void on_stop(void *ctx)
{
	struct policy *policy = ctx;
	struct policy_ask *ask;

	while ((ask = take_first(policy)) != NULL)
		answer_all(policy, ask, POLICY_ENDING, "");
	for (size_t i = 0; i < COUNT_OF(policy->slots); i++) {
		net_client_free(&policy->slots[i].client);
		ask = policy->slots[i].ask;
		policy->slots[i].ask = NULL;
		answer_all(policy, ask, POLICY_ENDING, "");
	}
	(void)pthread_mutex_lock(&policy->lock);
	policy->is_stopped = true;
	(void)pthread_cond_signal(&policy->stopped);
	(void)pthread_mutex_unlock(&policy->lock);
}

void policy_stop(struct policy *policy)
{
	bool must_post;

	if (policy == NULL)
		return;
	(void)pthread_mutex_lock(&policy->lock);
	must_post = !policy->is_stopping;
	policy->is_stopping = true;
	(void)pthread_mutex_unlock(&policy->lock);
	while (must_post && net_loop_post(policy->loop, on_stop, policy) != RC_OK)
		(void)sched_yield(); /* without memory */
	(void)pthread_mutex_lock(&policy->lock);
	while (!policy->is_stopped)
		(void)pthread_cond_wait(&policy->stopped, &policy->lock);
	(void)pthread_mutex_unlock(&policy->lock);
}

static enum rc init(struct policy *policy, const struct enroll_policy *params, struct err *err)
{
	enum rc rc = policy_target_read(params->url, &policy->target, err);

	policy->timeout_s = params->timeout_s;
	policy->silent_lines = log_limit_new(1);
	buf_append(&policy->ca_pem, params->ca_pem);
	for (size_t i = 0; i < COUNT_OF(policy->slots); i++)
		policy->slots[i].policy = policy;
	if (rc == RC_OK && policy->silent_lines == NULL)
		rc = err_set(err, RC_NO_MEMORY, "policy service");
	return rc == RC_OK ? buf_status(&policy->ca_pem, "policy service", err) : rc;
}

enum rc policy_new(const struct enroll_policy *params, struct net_loop *loop,
	const struct clock *clock, struct policy **policy_r, struct err *err)
{
	struct policy *policy = calloc(1, sizeof(*policy));
	enum rc rc;

	*policy_r = NULL;
	if (policy == NULL)
		return err_set(err, RC_NO_MEMORY, "policy service");
	policy->loop = loop;
	policy->clock = clock;
	policy->is_stopping = policy->is_stopped = true;
	buf_init(&policy->ca_pem, ENROLL_POLICY_CA_BYTES_MAX);
	(void)pthread_mutex_init(&policy->lock, NULL);
	(void)pthread_cond_init(&policy->stopped, NULL);
	rc = init(policy, params, err);
	if (rc != RC_OK) {
		policy_free(&policy);
		return rc;
	}
	policy->is_stopping = policy->is_stopped = false;
	*policy_r = policy;
	return RC_OK;
}

void policy_free(struct policy **policy)
{
	struct policy *gone = *policy;

	if (gone == NULL)
		return;
	*policy = NULL;
	policy_stop(gone);
	log_limit_free(&gone->silent_lines);
	buf_fini(&gone->ca_pem);
	(void)pthread_cond_destroy(&gone->stopped);
	(void)pthread_mutex_destroy(&gone->lock);
	free(gone);
}
