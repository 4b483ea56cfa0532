/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>

#include "pomona/base/log.h"

static const struct http_route routes[] = {
	{
		.method = "PUT",
		.path = "/mdm",
		.body_max = message_body_max,
		.handle = message_handle,
	},
	{
		.method = "PUT",
		.path = "/checkin",
		.body_max = message_body_max,
		.handle = message_handle,
		.flags = MESSAGE_ROUTE_CHECKIN_ONLY,
	},
};

const struct http_route *device_routes(size_t *count_r)
{
	*count_r = COUNT_OF(routes);
	return routes;
}

enum rc device_new(const struct device_params *params, struct device **device_r, struct err *err)
{
	AUTO(device_free) struct device *device = calloc(1, sizeof(*device));

	*device_r = NULL;
	if (device == NULL)
		return err_set(err, RC_NO_MEMORY, "device messages");
	(void)pthread_rwlock_init(&device->lock, NULL);
	device->store = params->store;
	device->clock = params->clock;
	device->push = params->push;
	device->users = params->users;
	device->login_challenge = params->login_challenge;
	device->login_ctx = params->login_ctx;
	device->settings = params->settings;
	device_set_trust(device, params->trust);
	device->presence = presence_new();
	device->refusals = refusal_log_new();
	device->refused_lines = log_limit_new(REFUSAL_COUNT);
	if (device->presence == NULL || device->refusals == NULL || device->refused_lines == NULL)
		return err_set(err, RC_NO_MEMORY, "device messages");
	*device_r = device;
	device = NULL; /* moved to the caller */
	return RC_OK;
}

struct device_settings device_settings(struct device *device)
{
	struct device_settings settings;

	(void)pthread_rwlock_rdlock(&device->lock);
	settings = device->settings;
	(void)pthread_rwlock_unlock(&device->lock);
	return settings;
}

void device_set_settings(struct device *device, const struct device_settings *settings)
{
	(void)pthread_rwlock_wrlock(&device->lock);
	device->settings = *settings;
	(void)pthread_rwlock_unlock(&device->lock);
}

void device_set_trust(struct device *device, struct trust *trust)
{
	struct trust *fresh = trust_ref(trust);
	struct trust *old;

	(void)pthread_rwlock_wrlock(&device->lock);
	old = device->trust;
	device->trust = fresh;
	trust_fingerprint(fresh, device->fingerprint);
	atomic_fetch_add(&device->trust_generation, 1);
	(void)pthread_rwlock_unlock(&device->lock);
	if (old != NULL)
		trust_unref(&old);
}

void device_flush_seen(struct device *device)
{
	struct err err = {0};

	report_hidden_refusals(device);
	if (presence_flush(device->presence, device->store, &err) != RC_OK)
		log_warning("last_seen_not_written", LOG_STR("error", err.text));
}

void device_flush_seen_wait(struct device *device)
{
	struct err err = {0};

	report_hidden_refusals(device);
	if (presence_flush_wait(device->presence, device->store, &err) != RC_OK)
		log_warning("last_seen_not_written", LOG_STR("error", err.text));
}

int64_t device_seen_at(struct device *device, int64_t enrollment_id)
{
	return presence_seen_at(device->presence, enrollment_id);
}

struct refusal_log *device_refusals(struct device *device)
{
	return device->refusals;
}

void device_stats(const struct device *device, struct device_stats *stats_r)
{
	*stats_r = (struct device_stats){
		.polls_idle = atomic_load(&device->polls_idle),
		.results_unknown = atomic_load(&device->results_unknown),
		.judged = atomic_load(&device->judged),
		.judged_by_pin = atomic_load(&device->judged_by_pin),
	};
	for (size_t i = 0; i < COUNT_OF(stats_r->messages_by_kind); i++)
		stats_r->messages_by_kind[i] = atomic_load(&device->messages_by_kind[i]);
}

void device_free(struct device **device)
{
	if (*device == NULL)
		return;
	if ((*device)->trust != NULL)
		trust_unref(&(*device)->trust);
	presence_free(&(*device)->presence);
	refusal_log_free(&(*device)->refusals);
	log_limit_free(&(*device)->refused_lines);
	(void)pthread_rwlock_destroy(&(*device)->lock);
	free(*device);
	*device = NULL;
}
