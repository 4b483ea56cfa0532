/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_DEVICE_FAKE_HTTP_H
#define POMONA_TESTS_DEVICE_FAKE_HTTP_H

/*
 * http.h without sockets: a request is filled by the test, which then looks at what was replied,
 * and in which order it was deferred and resumed. Threading: the test's.
 */

#include "pomona/http/http.h"

enum { FAKE_HEADERS_MAX = 4 };

struct fake_connection {
	struct slice certs[HTTP_PEER_CERTS_MAX];
	size_t cert_count;
	void *state;
	void (*state_free)(void *state);
};

struct http_request {
	struct fake_connection *connection;
	const struct http_route *route;
	const char *content_type, *content_length; /* NULL: not sent */
	struct slice body;
	struct arena *arena;
	struct {
		const char *name, *value;
	} headers[FAKE_HEADERS_MAX]; /* besides those that have a member */
	const char *peer;            /* NULL: "192.0.2.1:5000" */
	bool is_plain, is_from_proxy;
	bool is_chunked;
	bool is_from_stranger, shows_device;
	bool is_deferred, is_resumed, is_replied;
	unsigned status;
	const char *retry_after;
	char challenge[128]; /* of WWW-Authenticate */
	char type[64], text[512];
};

void fake_request_fini(struct http_request *request);
void fake_connection_fini(struct fake_connection *connection);

#endif
