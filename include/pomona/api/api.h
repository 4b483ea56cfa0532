/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_API_API_H
#define POMONA_API_API_H

/*
 * The admin REST API: /api/v1/..., /healthz, /readyz. Reads answer from a snapshot on the worker;
 * writes are jobs of the writer, answered when they are durable. Errors are problem+json (RFC
 * 9457).
 * Threading: api_new/free: main. The rest: any thread.
 */

#include "pomona/base/clock.h"
#include "pomona/base/err.h"
#include "pomona/device/device.h"
#include "pomona/enroll/enroll.h"
#include "pomona/http/http.h"
#include "pomona/pki/authority.h"
#include "pomona/pki/signer.h"
#include "pomona/push/push.h"
#include "pomona/store/admin.h"
#include "pomona/store/store.h"

struct api;

struct api_params {
	struct store *store;   /* borrowed until api_free(), as all that follow */
	struct device *device; /* refusals, statistics; is given new trust when a device CA is added */
	const struct clock *clock;
	const struct authority *device_ca;
	struct signer *signer; /* signs by that CA */
	struct push *push;     /* NULL: nobody is woken, and the routes about pushes answer 503 */
	struct enroll *enroll; /* profiles, counters; NULL: none */
	size_t body_bytes_max;
	const char *master_key; /* the key file */
	/* Over the Unix socket root and this user, our own, are admins; members of this group need no token
	 * either; (gid_t)-1: none. */
	uid_t own_uid;
	gid_t socket_gid;
	enum api_role socket_role; /* of those members */
};

enum rc api_new(const struct api_params *params, struct api **api_r, struct err *err) MUST_USE;
const struct http_route *api_routes(size_t *count_r);
/* For http_listener_params: who calls, by bearer token or as Unix peer, and may they? Before every
 * route but /healthz and /readyz. */
bool api_before(struct http_request *request, void *api);
void api_error_body(struct http_request *request, unsigned status, const char *text,
	struct buf *body, const char **content_type_r);
/* What status shows of the listeners: borrowed; NULL: none. Set before the listeners start to be
 * asked. */
void api_set_listeners(struct api *api, const struct http_listener *device,
	const struct http_listener *plain, const struct http_listener *admin,
	const struct http_listener *socket);
/* The server's TLS leaf, for its expiry in status; again after every reload. */
void api_set_tls_facts(struct api *api, const struct cert_facts *facts);
/* From the next request on. */
void api_set_socket_role(struct api *api, enum api_role role);
/* readyz: 200 only while ready. */
void api_set_ready(struct api *api, bool is_ready);
/* Requests that wait for the store or for pushes are answered by these; none may be under way. */
void api_free(struct api **api);

#endif
