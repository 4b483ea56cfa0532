/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_HTTP_SERVER_H
#define POMONA_TESTS_HTTP_SERVER_H

/*
 * The listener under test: a table of small routes, and a thread that gives deferred requests their replies.
 * Threading: start and stop on the test's thread.
 */

#include "pomona/http/http.h"

enum {
	ECHO_BYTES_MAX = 1000,
	BIG_BYTES_MAX = 200000,
	TOTAL_BYTES_MAX = 300000,
	HEAD_BYTES_MAX = 32768,
	FILE_BYTES = 160000,
	LARGE_BYTES = 32 * 1024 * 1024,
};

struct server;

/* `params` may be NULL; what it leaves zero is filled in. Fails the test on error. */
struct server *server_start(const struct http_listener_params *params);
struct http_listener *server_listener(struct server *server);
uint16_t server_port(struct server *server);
/* How often a connection's state was freed since the start. */
unsigned server_states_freed(void);
/* Keeps deferred requests until server_let_go(). */
void server_hold(struct server *server);
void server_let_go(struct server *server);
void server_stop(struct server **server);

#endif
