/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static void client_open(struct client *client, const struct sockaddr *address, socklen_t len)
{
	const struct timeval patience = {.tv_sec = CLIENT_PATIENCE_S};

	client->ssl = NULL;
	client->len = 0;
	client->buffer[0] = 0;
	client->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(client->fd >= 0);
	assert_int_equal(setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(connect(client->fd, address, len), 0);
}

void client_connect(struct client *client, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	client_open(client, (struct sockaddr *)&address, sizeof(address));
}

void client_connect_unix(struct client *client, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	assert_true(strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path));
	client_open(client, (struct sockaddr *)&address, sizeof(address));
}

bool client_start_tls(struct client *client, SSL_CTX *ctx, SSL_SESSION *session)
{
	client->ssl = SSL_new(ctx);
	assert_non_null(client->ssl);
	assert_int_equal(SSL_set_fd(client->ssl, client->fd), 1);
	if (session != NULL)
		assert_int_equal(SSL_set_session(client->ssl, session), 1);
	return SSL_connect(client->ssl) == 1;
}

static ssize_t write_some(struct client *client, const void *bytes, size_t len)
{
	if (client->ssl != NULL)
		return SSL_write(client->ssl, bytes, (int)len);
	return send(client->fd, bytes, len, MSG_NOSIGNAL);
}

static ssize_t read_some(struct client *client)
{
	size_t room = sizeof(client->buffer) - 1 - client->len;
	ssize_t got;

	assert_true(room > 0);
	if (client->ssl != NULL)
		got = SSL_read(client->ssl, client->buffer + client->len, (int)room);
	else
		got = recv(client->fd, client->buffer + client->len, room, 0);
	if (got < 0 && errno == EAGAIN)
		fail_msg("no answer within %d s", CLIENT_PATIENCE_S);
	if (got > 0)
		client->len += (size_t)got;
	client->buffer[client->len] = 0;
	return got;
}

void client_send_bytes(struct client *client, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t sent = write_some(client, at, len);

		assert_true(sent > 0);
		at += sent;
		len -= (size_t)sent;
	}
}

void client_send_vainly(struct client *client, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t sent = write_some(client, at, len);

		if (sent <= 0)
			return;
		at += sent;
		len -= (size_t)sent;
	}
}

void client_send(struct client *client, const char *text)
{
	client_send_bytes(client, text, strlen(text));
}

const char *answer_header(const struct answer *answer, const char *name)
{
	static char value[4096];
	const char *line = strstr(answer->head, "\r\n");
	size_t name_len = strlen(name);

	while (line != NULL) {
		line += 2;
		if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':') {
			line += name_len + 1;
			line += strspn(line, " ");
			(void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(line, "\r"), line);
			return value;
		}
		line = strstr(line, "\r\n");
	}
	return "";
}

struct answer client_receive(struct client *client, const char *method)
{
	static char kept[CLIENT_BUFFER_BYTES];
	struct answer answer = {.is_there = true};
	char *end;
	size_t head_len;

	while ((end = strstr(client->buffer, "\r\n\r\n")) == NULL || client->len == 0) {
		if (read_some(client) <= 0)
			return (struct answer){.is_there = false};
	}
	head_len = (size_t)(end - client->buffer) + 4;
	assert_true(head_len < sizeof(answer.head));
	memcpy(answer.head, client->buffer, head_len);
	assert_int_equal(sscanf(answer.head, "HTTP/1.%*d %d", &answer.status), 1);
	if (strcmp(method, "HEAD") != 0 && answer.status != 100)
		answer.body_len = strtoul(answer_header(&answer, "Content-Length"), NULL, 10);
	while (client->len < head_len + answer.body_len)
		assert_true(read_some(client) > 0);
	memcpy(kept, client->buffer + head_len, answer.body_len);
	kept[answer.body_len] = 0;
	answer.body = kept;
	client->len -= head_len + answer.body_len;
	memmove(client->buffer, client->buffer + head_len + answer.body_len, client->len);
	client->buffer[client->len] = 0;
	return answer;
}

struct answer client_ask(struct client *client, const char *method, const char *target)
{
	char text[8192];

	(void)snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: test\r\n\r\n", method, target);
	client_send(client, text);
	return client_receive(client, method);
}

bool client_sees_end(struct client *client)
{
	return client->len == 0 && read_some(client) <= 0;
}

void client_close(struct client *client)
{
	if (client->ssl != NULL) {
		(void)SSL_shutdown(client->ssl);
		SSL_free(client->ssl);
		client->ssl = NULL;
	}
	(void)close(client->fd);
	client->fd = -1;
}
