/* SPDX-License-Identifier: Apache-2.0 */
#include "topics.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "pomona/base/log.h"
#include "topic.h"

enum { CA_BYTES_MAX = 16 * 1024 * 1024 };

struct topics {
	struct shared shared;
	struct store *store;
	struct topic *list;
	struct topic *last; /* that was asked for: mostly there is one */
};

static void on_soon(void *ctx)
{
	struct topics *topics = ctx;

	for (struct topic *topic = topics->list; topic != NULL; topic = topic->next)
		topic_soon(topic);
	if (!topics->shared.is_room_due || topics->shared.is_stopped)
		return;
	topics->shared.is_room_due = false;
	topics->shared.on_room(topics->shared.ctx);
}

static enum rc copy_params(struct shared *shared, const struct push_params *push, struct err *err)
{
	(void)snprintf(shared->host, sizeof(shared->host), "%s", push->host);
	shared->port = push->port;
	shared->connections_max = push->connections_max < 1 ? 1 : push->connections_max;
	shared->ping_interval_ms = push->ping_interval_ms;
	apns_frame_init(&shared->frame, shared->host, shared->port);
	buf_init(&shared->ca_pem, CA_BYTES_MAX);
	buf_append(&shared->ca_pem, push->ca_pem);
	shared->proxy = strdup(push->proxy == NULL ? "" : push->proxy);
	if (shared->proxy == NULL)
		return err_set(err, RC_NO_MEMORY, "push topics");
	return buf_status(&shared->ca_pem, "push: CA", err);
}

enum rc topics_new(const struct topics_params *params, struct topics **topics_r, struct err *err)
{
	AUTO(topics_free) struct topics *topics = calloc(1, sizeof(*topics));
	enum rc rc;

	*topics_r = NULL;
	if (topics == NULL)
		return err_set(err, RC_NO_MEMORY, "push topics");
	topics->store = params->store;
	topics->shared.loop = params->loop;
	topics->shared.clock = params->clock;
	topics->shared.on_room = params->on_room;
	topics->shared.on_alarm = params->on_alarm;
	topics->shared.ctx = params->ctx;
	rc = copy_params(&topics->shared, params->push, err);
	if (rc != RC_OK)
		return rc;
	topics_set_settings(topics, &params->push->settings);
	if (net_timer_new(params->loop, on_soon, topics, &topics->shared.soon) != RC_OK)
		return err_set(err, RC_NO_MEMORY, "push topics");
	*topics_r = topics;
	topics = NULL; /* moved to the caller */
	return RC_OK;
}

void topics_free(struct topics **topics)
{
	if (*topics == NULL)
		return;
	topics_stop(*topics);
	while ((*topics)->list != NULL) {
		struct topic *topic = (*topics)->list;

		(*topics)->list = topic->next;
		topic_free(&topic);
	}
	net_timer_free(&(*topics)->shared.soon);
	carrier_pool_fini(&(*topics)->shared.pool);
	buf_fini(&(*topics)->shared.ca_pem);
	free((*topics)->shared.proxy);
	explicit_bzero(&(*topics)->shared.frame, sizeof((*topics)->shared.frame)); /* the last magic */
	free(*topics);
	*topics = NULL;
}

void topics_set_settings(struct topics *topics, const struct push_settings *settings)
{
	topics->shared.expiration_s = settings->expiration_s;
	apns_frame_set_priority(&topics->shared.frame, settings->priority);
}

static struct topic *find(struct topics *topics, struct slice name)
{
	struct topic *topic = topics->last;

	if (topic != NULL && slice_is_equal(slice_of(topic->name, topic->name_len), name))
		return topic;
	for (topic = topics->list; topic != NULL; topic = topic->next)
		if (slice_is_equal(slice_of(topic->name, topic->name_len), name))
			break;
	topics->last = topic;
	return topic;
}

static enum rc find_or_add(struct topics *topics, const char *name, struct topic **topic_r,
	struct err *err)
{
	enum rc rc;

	*topic_r = find(topics, slice_of_str(name));
	if (*topic_r != NULL)
		return RC_OK;
	rc = topic_new(&topics->shared, name, topic_r, err);
	if (rc != RC_OK)
		return rc;
	(*topic_r)->next = topics->list;
	topics->list = *topic_r;
	return RC_OK;
}

static const struct certificate *find_cert(const struct certificates *certs, const char *topic)
{
	for (size_t i = 0; i < certs->count; i++)
		if (strcmp(certs->list[i].topic, topic) == 0)
			return &certs->list[i];
	return NULL;
}

/* Times of storing are whole seconds: one that was read in its first may have been stored again since. */
static bool is_known(const struct topic *topic, const struct certificate *cert)
{
	bool is_perhaps_again =
		topic->breaker.state == BREAKER_STOPPED && topic->loaded_s <= cert->stored_at;

	return topic->has_cert && certificate_is_same(&topic->cert, cert) && !is_perhaps_again;
}

static enum rc load_one(struct topics *topics, struct certificate *cert, struct err *err)
{
	struct topic *topic = NULL;
	enum rc rc = find_or_add(topics, cert->topic, &topic, err);

	if (rc != RC_OK || cert->is_unreadable || is_known(topic, cert))
		return rc;
	topic_set_cert(topic, cert);
	return RC_OK;
}

enum rc topics_load(struct topics *topics, struct err *err)
{
	AUTO(certificates_fini) struct certificates certs;
	enum rc rc = certificates_read(topics->store, &certs, err);

	if (rc != RC_OK)
		return rc;
	for (struct topic *topic = topics->list; topic != NULL; topic = topic->next)
		if (find_cert(&certs, topic->name) == NULL)
			topic_remove_cert(topic);
	for (size_t i = 0; i < certs.count && rc == RC_OK; i++)
		rc = load_one(topics, &certs.list[i], err);
	topics->shared.is_room_due = true;
	net_timer_set(topics->shared.soon, 0);
	return rc;
}

enum topics_verdict topics_look(struct topics *topics, struct slice topic, bool is_test)
{
	struct topic *found = find(topics, topic);

	if (found != NULL)
		return topic_look(found, is_test);
	return topics->shared.is_stopped ? TOPICS_STOPPED : TOPICS_NO_CERTIFICATE;
}

enum topics_verdict topics_send(struct topics *topics, struct slice topic, struct parcel *parcel)
{
	struct topic *found = find(topics, topic);

	if (found != NULL)
		return topic_send(found, parcel);
	return topics->shared.is_stopped ? TOPICS_STOPPED : TOPICS_NO_CERTIFICATE;
}

/* Topics whose certificate was removed, when all of theirs is over. */
static void sweep(struct topics *topics)
{
	struct topic **at = &topics->list;

	while (*at != NULL) {
		struct topic *topic = *at;

		if (topic->has_cert || !topic_is_idle(topic)) {
			at = &topic->next;
			continue;
		}
		*at = topic->next;
		if (topics->last == topic)
			topics->last = NULL;
		topic_free(&topic);
	}
}

void topics_tick(struct topics *topics)
{
	if (topics->shared.is_stopped)
		return;
	for (struct topic *topic = topics->list; topic != NULL; topic = topic->next)
		topic_tick(topic);
	sweep(topics);
}

void topics_stop(struct topics *topics)
{
	topics->shared.is_stopped = true;
	for (struct topic *topic = topics->list; topic != NULL; topic = topic->next)
		topic_stop(topic);
}

static void add_reasons(const struct shared *shared, struct push_stats *stats)
{
	stats->reason_count = shared->reason_count;
	for (size_t i = 0; i < shared->reason_count; i++) {
		memcpy(stats->reasons[i].reason, shared->reasons[i].reason, PUSH_REASON_BYTES_MAX + 1);
		stats->reasons[i].count = shared->reasons[i].count;
	}
}

void topics_stats(struct topics *topics, struct push_stats *stats_r)
{
	stats_r->topic_count = 0;
	for (struct topic *topic = topics->list; topic != NULL && stats_r->topic_count < PUSH_TOPICS_MAX;
						topic = topic->next)
		topic_stats(topic, &stats_r->topics[stats_r->topic_count++]);
	add_reasons(&topics->shared, stats_r);
	stats_r->tokens_died_total = topics->shared.tokens_died_total;
}
