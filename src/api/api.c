/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/api/api.h"

#include <stdlib.h>

#include "private.h"

enum rc api_new(const struct api_params *params, struct api **api_r, struct err *err)
{
	struct api *api = calloc(1, sizeof(*api));
	enum rc rc;

	*api_r = NULL;
	if (api == NULL)
		return err_set(err, RC_NO_MEMORY, "admin API");
	api->store = params->store;
	api->device = params->device;
	api->clock = params->clock;
	api->device_ca = params->device_ca;
	api->signer = params->signer;
	api->enroll = params->enroll;
	api->push = params->push;
	api->body_bytes_max = params->body_bytes_max;
	api->master_key = params->master_key == NULL ? "" : params->master_key;
	api->socket_gid = params->socket_gid;
	api->started_unix = clock_unix_s(params->clock);
	api->started_us = clock_monotonic_us(params->clock);
	api->own_uid = params->own_uid;
	api_set_socket_role(api, params->socket_role);
	for (size_t i = 0; i < DENIAL_COUNT; i++)
		atomic_init(&api->denied[i].logged_us, INT64_MIN / 2);
	rc = cert_read_facts(authority_cert_der(params->device_ca), &api->device_ca_facts, err);
	if (rc != RC_OK) {
		free(api);
		return rc;
	}
	(void)pthread_mutex_init(&api->lock, NULL);
	api_uses_init(&api->uses, params->store);
	*api_r = api;
	return RC_OK;
}

void api_set_listeners(struct api *api, const struct http_listener *device,
	const struct http_listener *plain, const struct http_listener *admin,
	const struct http_listener *socket)
{
	atomic_store(&api->device_listener, device);
	atomic_store(&api->plain_listener, plain);
	atomic_store(&api->admin_listener, admin);
	atomic_store(&api->socket_listener, socket);
}

void api_set_tls_facts(struct api *api, const struct cert_facts *facts)
{
	(void)pthread_mutex_lock(&api->lock);
	api->tls = *facts;
	(void)pthread_mutex_unlock(&api->lock);
}

void api_set_socket_role(struct api *api, enum api_role role)
{
	atomic_store(&api->socket_role, role);
}

void api_set_ready(struct api *api, bool is_ready)
{
	atomic_store(&api->is_ready, is_ready);
}

void api_free(struct api **api)
{
	if (*api == NULL)
		return;
	api_uses_fini(&(*api)->uses);
	(void)pthread_mutex_destroy(&(*api)->lock);
	free(*api);
	*api = NULL;
}
