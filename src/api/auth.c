/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/log.h"
#include "pomona/pki/token.h"
#include "pomona/store/admin.h"

#include "private.h"

enum { DENIED_LOG_INTERVAL_US = 1000000, WHO_BYTES = API_TOKEN_NAME_BYTES_MAX + 8 };

/* Who the administrator is, kept with the connection: its requests come one after the other. */
static bool remember(struct http_request *request, const char *prefix, const char *name)
{
	char *who = http_connection_state(request);

	if (who == NULL) {
		who = calloc(1, WHO_BYTES);
		if (who == NULL)
			return false;
		http_connection_set_state(request, who, free);
	}
	(void)snprintf(who, WHO_BYTES, "%s%s", prefix, name);
	return true;
}

/* What follows "Bearer "; empty where there is none. */
static struct slice bearer_of(const struct http_request *request)
{
	const struct slice header = slice_of_str(http_request_header(request, "Authorization"));
	const struct slice scheme = slice_sub(header, 0, 7);

	if (!slice_is_str_nocase(scheme, "bearer "))
		return slice_of(NULL, 0);
	return slice_trim(slice_sub(header, 7, header.len - 7));
}

/* Hashes and looks up whatever was sent, so that all refusals cost the same. */
static enum rc find_token(struct api *api, struct http_request *request, const char **name_r,
	struct err *err)
{
	uint8_t hash[SHA256_BYTES];
	struct txn *txn = NULL;
	enum rc rc;

	token_hash(bearer_of(request), hash);
	rc = store_read_begin(api->store, &txn, err);
	if (rc != RC_OK)
		return rc;
	rc = api_token_find(txn, hash, http_request_arena(request), name_r, err);
	store_read_end(api->store, &txn);
	return rc;
}

/* One line a second: whoever guesses must not fill the log. */
static void log_denied(struct api *api, const struct http_request *request)
{
	int64_t last = atomic_load(&api->denied_logged_us);
	const int64_t now = clock_monotonic_us(api->clock);

	if (now - last < DENIED_LOG_INTERVAL_US ||
		!atomic_compare_exchange_strong(&api->denied_logged_us, &last, now)) {
		atomic_fetch_add(&api->denied_silently, 1);
		return;
	}
	log_warning("admin_denied", LOG_STR("peer", http_request_peer(request)),
		LOG_STR("request", http_request_id(request)),
		LOG_INT("more_before", atomic_exchange(&api->denied_silently, 0)));
}

static void reply_denied(struct api *api, struct http_request *request)
{
	static const struct problem problem = {
		.status = 401,
		.detail =
			"an administrator's token is needed: Authorization: Bearer <token>; "
			"`pomonactl token add NAME` makes one",
	};

	log_denied(api, request);
	http_reply_header(request, "WWW-Authenticate", "Bearer realm=\"pomona\"");
	api_problem_reply(request, &problem);
}

static void reply_failed(struct api *api, struct http_request *request, enum rc rc,
	const struct err *err)
{
	struct call call;

	api_call_init(&call, api, request);
	api_call_fail(&call, rc, err);
}

bool api_before(struct http_request *request, void *ctx)
{
	struct api *api = ctx;
	struct err err = {.rc = RC_OK};
	const char *name = NULL;
	enum rc rc;

	if (http_request_route(request)->flags & ROUTE_IS_OPEN)
		return true;
	if (http_request_is_unix_peer_of(request, api->socket_gid)) {
		rc = remember(request, "", http_request_peer(request)) ? RC_OK : RC_NO_MEMORY;
	} else {
		rc = find_token(api, request, &name, &err);
		if (rc == RC_OK && !remember(request, "token:", name))
			rc = RC_NO_MEMORY;
	}
	if (rc == RC_OK)
		return true;
	if (rc == RC_NOT_FOUND)
		reply_denied(api, request);
	else
		reply_failed(api, request, rc, &err);
	return false;
}
