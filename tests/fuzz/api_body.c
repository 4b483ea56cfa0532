/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pomona/api/api.h"
#include "pomona/base/log.h"
#include "pomona/http/http.h"
#include "pomona/pki/authority.h"
#include "pomona/pki/signer.h"
#include "pomona/push/push.h"
#include "pomona/store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/*
 * The bodies of the admin API: the first byte picks a route that takes one, the rest is the body. Its own handler runs,
 * as far as it comes without a database: the store and the signer are always busy. http.h is played here, without sockets.
 */

enum { NOW = 1800000000, YEAR_S = 31536000, ARENA_BYTES = 16 << 20, BODY_BYTES_MAX = 1 << 20 };

static const char some_sha256[] =
	"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

struct http_request {
	const struct http_route *route;
	struct slice body;
	struct arena *arena;
	bool is_deferred, is_resumed, is_replied;
	unsigned status;
};

static struct api *api;

enum rc __wrap_store_submit(struct store *store, struct store_job *job, struct err *err);
enum rc __wrap_store_read_begin(struct store *store, struct txn **txn_r, struct err *err);
enum rc __wrap_push_ask(struct push *push, struct push_ask *ask, struct err *err);
enum rc __wrap_signer_submit(struct signer *signer, struct signer_job *job, struct err *err);

enum rc __wrap_store_submit(struct store *store, struct store_job *job, struct err *err)
{
	(void)store;
	(void)job;
	return err_set(err, RC_BUSY, "the store is busy");
}

enum rc __wrap_store_read_begin(struct store *store, struct txn **txn_r, struct err *err)
{
	(void)store;
	*txn_r = NULL;
	return err_set(err, RC_BUSY, "the store is busy");
}

enum rc __wrap_signer_submit(struct signer *signer, struct signer_job *job, struct err *err)
{
	(void)signer;
	(void)job;
	return err_set(err, RC_BUSY, "the signer is busy");
}

enum rc __wrap_push_ask(struct push *push, struct push_ask *ask, struct err *err)
{
	(void)push;
	(void)ask;
	return err_set(err, RC_BUSY, "nobody is asked");
}

/* --- http.h */

const char *http_request_method(const struct http_request *request)
{
	return request->route->method;
}

const char *http_request_path(const struct http_request *request)
{
	return request->route->path;
}

const struct http_route *http_request_route(const struct http_request *request)
{
	return request->route;
}

const char *http_request_id(const struct http_request *request)
{
	(void)request;
	return "0123456789abcdef";
}

const char *http_request_header(const struct http_request *request, const char *name)
{
	(void)request;
	(void)name;
	return NULL;
}

void http_request_each_header(const struct http_request *request, const char *name,
	void (*visit)(void *ctx, const char *value), void *ctx)
{
	(void)request;
	(void)name;
	(void)visit;
	(void)ctx;
}

const char *http_request_content_type(struct http_request *request)
{
	(void)request;
	return "application/json";
}

const char *http_request_query(const struct http_request *request, const char *name)
{
	(void)request;
	(void)name;
	return NULL;
}

const char *http_request_param(const struct http_request *request, const char *name)
{
	(void)request;
	return strcmp(name, "sha256") == 0 ? some_sha256 : "X";
}

struct slice http_request_body(const struct http_request *request)
{
	return request->body;
}

void http_request_wipe_body(struct http_request *request)
{
	request->body = slice_of(NULL, 0);
}

struct arena *http_request_arena(struct http_request *request)
{
	if (request->arena == NULL)
		request->arena = arena_new(ARENA_BYTES);
	return request->arena;
}

const char *http_request_peer(const struct http_request *request)
{
	(void)request;
	return "192.0.2.1:50000";
}

void http_request_is_accepted(struct http_request *request)
{
	(void)request;
}

bool http_request_is_from_stranger(const struct http_request *request)
{
	(void)request;
	return false;
}

void http_request_shows_device(struct http_request *request)
{
	(void)request;
}

bool http_request_is_from_proxy(const struct http_request *request)
{
	(void)request;
	return false;
}

bool http_request_client(const struct http_request *request, char out[static HTTP_ADDRESS_BYTES])
{
	(void)snprintf(out, HTTP_ADDRESS_BYTES, "%s", http_request_peer(request));
	return false;
}

const char *http_request_raw_query(const struct http_request *request)
{
	(void)request;
	return NULL;
}

bool http_request_is_tls(const struct http_request *request)
{
	(void)request;
	return false;
}

int64_t http_request_started_us(const struct http_request *request)
{
	(void)request;
	return 0;
}

size_t http_request_peer_certs(struct http_request *request,
	struct slice certs[static HTTP_PEER_CERTS_MAX])
{
	(void)request;
	(void)certs;
	return 0;
}

void *http_connection_state(const struct http_request *request)
{
	(void)request;
	return NULL;
}

void http_connection_set_state(struct http_request *request, void *state,
	void (*free_fn)(void *state))
{
	(void)request;
	free_fn(state);
}

bool http_request_unix_uid(const struct http_request *request, uid_t *uid_r)
{
	(void)request;
	(void)uid_r;
	return false;
}

bool http_request_is_unix_peer_of(const struct http_request *request, gid_t gid)
{
	(void)request;
	(void)gid;
	return false;
}

void http_listener_stats(const struct http_listener *listener, struct http_stats *stats_r)
{
	(void)listener;
	*stats_r = (struct http_stats){.connections_now = 0};
}

uint16_t http_listener_port(const struct http_listener *listener)
{
	(void)listener;
	return 0;
}

const char *http_away_name(enum http_away reason)
{
	(void)reason;
	return "";
}

void http_reply_header(struct http_request *request, const char *name, const char *value)
{
	if (request->is_replied || name == NULL || value == NULL)
		abort();
}

/* Once, with what the API may answer. */
static void take_reply(struct http_request *request, unsigned status)
{
	if (request->is_replied || status < 200 || status > 599 || status == 500)
		abort();
	request->is_replied = true;
	request->status = status;
}

void http_reply(struct http_request *request, unsigned status, const char *content_type,
	struct buf *body)
{
	(void)content_type;
	take_reply(request, status);
	buf_fini(body);
}

void http_reply_copy(struct http_request *request, unsigned status, const char *content_type,
	struct slice body)
{
	(void)content_type;
	(void)body;
	take_reply(request, status);
}

void http_reply_file(struct http_request *request, unsigned status, const char *content_type,
	int fd, uint64_t bytes)
{
	(void)content_type;
	(void)bytes;
	take_reply(request, status);
	(void)close(fd);
}

void http_defer(struct http_request *request)
{
	if (request->is_deferred || request->is_replied)
		abort();
	request->is_deferred = true;
}

void http_resume(struct http_request *request)
{
	if (!request->is_deferred || request->is_resumed || !request->is_replied)
		abort();
	request->is_resumed = true;
}

/* --- */

static int64_t unix_ms(void *ctx)
{
	(void)ctx;
	return (int64_t)NOW * 1000;
}

static int64_t monotonic_us(void *ctx)
{
	(void)ctx;
	return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct clock clock = {.unix_ms = unix_ms, .monotonic_us = monotonic_us};
	static char push_stand_in; /* never looked into */
	const struct authority_params ca = {.key = KEY_P256,
		.common_name = "CA",
		.now = NOW,
		.valid_s = YEAR_S};
	struct authority *device_ca = NULL;
	struct api_params params = {.clock = &clock,
		.push = (struct push *)&push_stand_in,
		.body_bytes_max = BODY_BYTES_MAX};

	(void)argc;
	(void)argv;
	log_set_level(LOG_LEVEL_ERROR);
	if (authority_new(&ca, &device_ca, NULL) != RC_OK)
		abort();
	params.device_ca = device_ca;
	if (api_new(&params, &api, NULL) != RC_OK)
		abort();
	return 0;
}

/* The `wanted`-th, cyclically, of the routes that take a body. */
static const struct http_route *pick(uint8_t wanted)
{
	size_t count;
	const struct http_route *routes = api_routes(&count);
	size_t left = wanted;

	for (;;)
		for (size_t i = 0; i < count; i++)
			if (routes[i].body_max != NULL && left-- == 0)
				return &routes[i];
}

/* Whatever the body is, there is exactly one answer, and it is no fault of ours. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request request = {0};

	if (size == 0)
		return 0;
	request.route = pick(data[0]);
	request.body = slice_of(data + 1, size - 1);
	if (request.body.len > request.route->body_max(&request, api))
		return 0;
	request.route->handle(&request, api);
	if (!request.is_replied || request.is_deferred != request.is_resumed)
		abort();
	arena_free(&request.arena);
	return 0;
}
