/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/base/log.h"
#include "pomona/pki/token.h"

#include "private.h"

enum { DENIED_LOG_INTERVAL_US = 1000000, DETAIL_BYTES = 320 };

/* Who calls, as far as it was found out. */
struct caller {
	enum denial denial; /* DENIAL_NONE: the next two are known */
	enum api_role role;
	const char *who;              /* lives as long as the connection; NULL: not known */
	struct api_token_found token; /* name NULL: none was found */
};

static const struct {
	const char *name; /* in the log and in status */
	unsigned status;
	const char *challenge; /* RFC 6750 3 */
	const char *detail;    /* NULL: it depends */
} denials[DENIAL_COUNT] = {
	[DENIAL_NONE] = {.name = "none"},
	[DENIAL_NO_TOKEN] = {"no_token", 401, "Bearer realm=\"pomona\"",
		"an administrator's token is needed: Authorization: Bearer <token>; "
		"`pomonactl token add NAME --role ROLE` makes one"},
	[DENIAL_UNKNOWN_TOKEN] = {"unknown_token", 401, "Bearer realm=\"pomona\", error=\"invalid_token\"",
		"there is no such token, or it was revoked; "
		"`pomonactl token add NAME --role ROLE` makes one"},
	[DENIAL_EXPIRED_TOKEN] = {"expired_token", 401, "Bearer realm=\"pomona\", error=\"invalid_token\"",
		NULL},
	[DENIAL_ROLE] = {"role", 403, "Bearer realm=\"pomona\", error=\"insufficient_scope\"", NULL},
};

const char *api_denial_name(enum denial denial)
{
	return denials[denial].name;
}

bool api_role_may(enum api_role role, uint32_t flags)
{
	if (flags == ROUTE_FOR_OPEN)
		return true;
	return role > API_ROLE_NONE && role < API_ROLE_END && flags >= ROUTE_FOR_VIEWER &&
		flags <= ROUTE_FOR_ADMIN && (uint32_t)role >= flags;
}

static enum rc remember(struct http_request *request, struct caller *caller, enum api_role role,
	const char *prefix, const char *name)
{
	struct administrator *who = http_connection_state(request);

	if (who == NULL) {
		who = calloc(1, sizeof(*who));
		if (who == NULL)
			return RC_NO_MEMORY;
		http_connection_set_state(request, who, free);
	}
	(void)snprintf(who->who, sizeof(who->who), "%s%s", prefix, name);
	caller->role = role;
	caller->who = who->who;
	return RC_OK;
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
static enum rc find_token(struct api *api, struct http_request *request,
	struct api_token_found *found_r, struct err *err)
{
	uint8_t hash[SHA256_BYTES];
	struct txn *txn = NULL;
	enum rc rc;

	token_hash(bearer_of(request), hash);
	rc = store_read_begin(api->store, &txn, err);
	if (rc != RC_OK)
		return rc;
	rc = api_token_find(txn, hash, http_request_arena(request), found_r, err);
	store_read_end(api->store, &txn);
	return rc;
}

static enum rc identify_by_token(struct api *api, struct http_request *request,
	struct caller *caller, struct err *err)
{
	const int64_t now = clock_unix_s(api->clock);
	enum rc rc = find_token(api, request, &caller->token, err);

	if (rc == RC_NOT_FOUND) {
		caller->denial = bearer_of(request).len == 0 ? DENIAL_NO_TOKEN : DENIAL_UNKNOWN_TOKEN;
		return RC_OK;
	}
	if (rc != RC_OK)
		return rc;
	if (caller->token.expires_at != 0 && now >= caller->token.expires_at) {
		caller->denial = DENIAL_EXPIRED_TOKEN;
		return RC_OK;
	}
	api_uses_note(&api->uses, &caller->token, now);
	return remember(request, caller, caller->token.role, "token:", caller->token.name);
}

/* A member of the group who shows a token has that token's role: it may be more or less. */
static enum rc identify(struct api *api, struct http_request *request, struct caller *caller,
	struct err *err)
{
	const char *peer = http_request_peer(request);
	uid_t uid;

	if (http_request_unix_uid(request, &uid) && (uid == 0 || uid == api->own_uid))
		return remember(request, caller, API_ROLE_ADMIN, "", peer);
	if (bearer_of(request).len == 0 && http_request_is_unix_peer_of(request, api->socket_gid))
		return remember(request, caller, atomic_load(&api->socket_role), "", peer);
	return identify_by_token(api, request, caller, err);
}

/* One line a second and reason: whoever guesses must not fill the log, nor hide another there. */
static void log_denied(struct api *api, const struct http_request *request,
	const struct caller *caller)
{
	struct denied *denied = &api->denied[caller->denial];
	int64_t last = atomic_load(&denied->logged_us);
	const int64_t now = clock_monotonic_us(api->clock);

	atomic_fetch_add(&denied->total, 1);
	if (now - last < DENIED_LOG_INTERVAL_US ||
		!atomic_compare_exchange_strong(&denied->logged_us, &last, now)) {
		atomic_fetch_add(&denied->silently, 1);
		return;
	}
	log_audit("admin_denied", LOG_STR("reason", denials[caller->denial].name),
		LOG_STR("who", caller->who), LOG_STR("token", caller->token.name),
		LOG_STR("method", http_request_method(request)), LOG_STR("path", http_request_path(request)),
		LOG_STR("peer", http_request_peer(request)), LOG_STR("request", http_request_id(request)),
		LOG_INT("more_before", atomic_exchange(&denied->silently, 0)));
}

static const char *needed_role(const struct http_request *request)
{
	const uint32_t flags = http_request_route(request)->flags;

	return api_role_name(flags <= ROUTE_FOR_ADMIN ? (enum api_role)flags : API_ROLE_NONE);
}

static void write_detail(const struct http_request *request, const struct caller *caller,
	char out[static DETAIL_BYTES])
{
	char ended[TIME_TEXT_BYTES];

	if (caller->denial == DENIAL_EXPIRED_TOKEN) {
		time_format(caller->token.expires_at, ended);
		(void)snprintf(out, DETAIL_BYTES,
			"the token %s ended on %s; `pomonactl token add NAME --role ROLE` makes another",
			caller->token.name, ended);
	} else {
		(void)snprintf(out, DETAIL_BYTES, "this needs the role %s; %s has the role %s",
			needed_role(request), caller->who, api_role_name(caller->role));
	}
}

static void reply_denied(struct api *api, struct http_request *request, const struct caller *caller)
{
	struct problem problem = {
		.status = denials[caller->denial].status,
		.detail = denials[caller->denial].detail,
	};
	char detail[DETAIL_BYTES];

	log_denied(api, request, caller);
	if (problem.detail == NULL) {
		write_detail(request, caller, detail);
		problem.detail = detail;
	}
	if (caller->denial == DENIAL_ROLE)
		problem.needed_role = needed_role(request);
	http_reply_header(request, "WWW-Authenticate", denials[caller->denial].challenge);
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
	const uint32_t flags = http_request_route(request)->flags;
	struct caller caller = {.denial = DENIAL_NONE};
	struct err err = {.rc = RC_OK};
	struct api *api = ctx;
	enum rc rc;

	if (flags == ROUTE_FOR_OPEN)
		return true;
	rc = identify(api, request, &caller, &err);
	if (rc != RC_OK) {
		reply_failed(api, request, rc, &err);
		return false;
	}
	if (caller.denial == DENIAL_NONE && !api_role_may(caller.role, flags))
		caller.denial = DENIAL_ROLE;
	if (caller.denial != DENIAL_NONE)
		reply_denied(api, request, &caller);
	return caller.denial == DENIAL_NONE;
}
