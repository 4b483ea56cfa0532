/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_HTTP_CLIENT_H
#define POMONA_TESTS_HTTP_CLIENT_H

/*
 * A small HTTP client over a plain or TLS socket that fails the test on any fault of its own. It reads exactly
 * one reply at a time. Threading: one thread a client.
 */

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLIENT_BUFFER_BYTES = 512 * 1024, CLIENT_PATIENCE_S = 20 };

struct client {
	int fd;
	SSL *ssl; /* NULL: plain */
	char buffer[CLIENT_BUFFER_BYTES];
	size_t len; /* what has been read past the latest reply */
};

struct answer {
	bool is_there; /* false: the peer closed instead */
	int status;
	char head[8192];
	char *body; /* static, until the next answer is received; a zero behind it */
	size_t body_len;
};

void client_connect(struct client *client, uint16_t port);
void client_connect_unix(struct client *client, const char *path);
/* False where the handshake fails. Takes over `client->ssl` with its settings made. */
bool client_start_tls(struct client *client, SSL_CTX *ctx, SSL_SESSION *session);
void client_send(struct client *client, const char *text);
void client_send_bytes(struct client *client, const void *bytes, size_t len);
/* Sends as far as the peer takes it: a peer that has closed is no fault. */
void client_send_vainly(struct client *client, const void *bytes, size_t len);
/* `method`: whether a body follows depends on it. */
struct answer client_receive(struct client *client, const char *method);
/* Sends a request without a body and reads the answer. */
struct answer client_ask(struct client *client, const char *method, const char *target);
/* True when the peer closes without another byte. */
bool client_sees_end(struct client *client);
/* The value of a header of the answer, "" where absent; in a static buffer. */
const char *answer_header(const struct answer *answer, const char *name);
void client_close(struct client *client);

#endif
