/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_NET_HTTP_SERVER_H
#define POMONA_TESTS_NET_HTTP_SERVER_H

/*
 * A tiny blocking HTTP/1.1 server on a thread of its own, for the tests of the outbound calls.
 * Threading: start, stop from the test's thread; the counters are atomic.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

enum { SERVER_CONNECTIONS_MAX = 256, SERVER_REQUEST_BYTES_MAX = 8 * 1024 * 1024 };

/*
 * By path: /echo gives the body back; /head gives the request's head; /bytes/N gives N bytes; /silent never
 * answers; /refused is 403 "no"; /moved redirects to /echo; /later is 503 with Retry-After: 7; /hangup closes without an answer;
 * everything else is 404.
 */
struct http_server {
	int listen_fd;
	int stop_fds[2];
	char base_url[64];
	char unix_path[108]; /* "" for TCP */
	pthread_t thread;
	atomic_int connections; /* accepted in all */
	atomic_int closed;      /* ended by the client */
	atomic_int requests;
};

void http_server_start(struct http_server *server);
void http_server_start_unix(struct http_server *server, const char *path);
void http_server_stop(struct http_server *server);

#endif
