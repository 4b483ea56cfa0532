/* SPDX-License-Identifier: Apache-2.0 */
#include "http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct request {
	char *text; /* head and body, with a zero behind */
	size_t len;
	size_t head_len;
};

static void must(int is_fine, const char *what)
{
	if (!is_fine) {
		perror(what);
		abort();
	}
}

/* -1: the client hung up. */
static int read_more(int fd, struct request *request)
{
	ssize_t got;

	must(request->len < SERVER_REQUEST_BYTES_MAX, "test server: request too large");
	got = read(fd, request->text + request->len, SERVER_REQUEST_BYTES_MAX - request->len);
	if (got <= 0)
		return -1;
	request->len += (size_t)got;
	request->text[request->len] = 0;
	return 0;
}

static int read_request(int fd, struct request *request)
{
	const char *end, *length;
	size_t body_len = 0;

	request->len = 0;
	request->text[0] = 0;
	while ((end = strstr(request->text, "\r\n\r\n")) == NULL)
		if (read_more(fd, request) != 0)
			return -1;
	request->head_len = (size_t)(end - request->text) + 4;
	length = strcasestr(request->text, "\r\nContent-Length:");
	if (length != NULL && length < end)
		body_len = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
	while (request->len < request->head_len + body_len)
		if (read_more(fd, request) != 0)
			return -1;
	return 0;
}

static void send_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		bytes += sent;
		len -= (size_t)sent;
	}
}

static void reply(int fd, const char *status, const char *headers, const char *body, size_t len)
{
	char head[512];
	int head_len = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", status,
		len, headers);

	send_all(fd, head, (size_t)head_len);
	send_all(fd, body, len);
}

static void reply_bytes(int fd, size_t count)
{
	char *bytes = malloc(count + 1);

	must(bytes != NULL, "malloc");
	memset(bytes, 'x', count);
	reply(fd, "200 OK", "", bytes, count);
	free(bytes);
}

/* False: the connection ends. */
static int answer(int fd, const struct request *request)
{
	const char *path = strchr(request->text, ' ') + 1;
	const char *body = request->text + request->head_len;
	size_t body_len = request->len - request->head_len;

	if (strncmp(path, "/echo ", 6) == 0)
		reply(fd, "200 OK", "Content-Type: text/plain\r\n", body, body_len);
	else if (strncmp(path, "/head ", 6) == 0)
		reply(fd, "200 OK", "", request->text, request->head_len);
	else if (strncmp(path, "/bytes/", 7) == 0)
		reply_bytes(fd, strtoul(path + 7, NULL, 10));
	else if (strncmp(path, "/moved ", 7) == 0)
		reply(fd, "302 Found", "Location: /echo\r\n", "", 0);
	else if (strncmp(path, "/later ", 7) == 0)
		reply(fd, "503 Service Unavailable", "Retry-After: 7\r\n", "", 0);
	else if (strncmp(path, "/refused ", 9) == 0)
		reply(fd, "403 Forbidden", "Content-Type: text/plain\r\n", "no", 2);
	else if (strncmp(path, "/hangup ", 8) == 0)
		return 0;
	else if (strncmp(path, "/silent ", 8) != 0)
		reply(fd, "404 Not Found", "", "", 0);
	return 1;
}

static void *serve(void *ctx)
{
	struct http_server *server = ctx;
	struct pollfd fds[SERVER_CONNECTIONS_MAX + 2] = {{.fd = server->listen_fd, .events = POLLIN},
		{.fd = server->stop_fds[0], .events = POLLIN}};
	nfds_t count = 2;
	struct request request = {.text = malloc(SERVER_REQUEST_BYTES_MAX + 1)};

	must(request.text != NULL, "malloc");
	while (poll(fds, count, -1) > 0 && fds[1].revents == 0) {
		for (nfds_t i = 2; i < count; i++) {
			if (fds[i].revents == 0)
				continue;
			fds[i].revents = 0;
			if (read_request(fds[i].fd, &request) == 0) {
				atomic_fetch_add(&server->requests, 1);
				if (answer(fds[i].fd, &request))
					continue;
			} else {
				atomic_fetch_add(&server->closed, 1);
			}
			(void)close(fds[i].fd);
			fds[i--] = fds[--count];
		}
		if (fds[0].revents != 0) {
			must(count < SERVER_CONNECTIONS_MAX + 2, "test server: too many connections");
			fds[count++] = (struct pollfd){.fd = accept(server->listen_fd, NULL, NULL), .events = POLLIN};
			atomic_fetch_add(&server->connections, 1);
		}
	}
	for (nfds_t i = 2; i < count; i++)
		(void)close(fds[i].fd);
	free(request.text);
	return NULL;
}

static void start(struct http_server *server, const struct sockaddr *address, socklen_t len)
{
	server->listen_fd = socket(address->sa_family, SOCK_STREAM, 0);
	must(server->listen_fd >= 0, "socket");
	must(bind(server->listen_fd, address, len) == 0, "bind");
	must(listen(server->listen_fd, SERVER_CONNECTIONS_MAX) == 0, "listen");
	must(pipe(server->stop_fds) == 0, "pipe");
	must(pthread_create(&server->thread, NULL, serve, server) == 0, "thread");
}

void http_server_start(struct http_server *server)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	memset(server, 0, sizeof(*server));
	start(server, (const struct sockaddr *)&address, len);
	must(getsockname(server->listen_fd, (struct sockaddr *)&address, &len) == 0, "getsockname");
	(void)snprintf(server->base_url, sizeof(server->base_url), "http://127.0.0.1:%u",
		ntohs(address.sin_port));
}

void http_server_start_unix(struct http_server *server, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memset(server, 0, sizeof(*server));
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	(void)snprintf(server->unix_path, sizeof(server->unix_path), "%s", path);
	(void)snprintf(server->base_url, sizeof(server->base_url), "http://localhost");
	start(server, (const struct sockaddr *)&address, sizeof(address));
}

void http_server_stop(struct http_server *server)
{
	must(write(server->stop_fds[1], "", 1) == 1, "write");
	(void)pthread_join(server->thread, NULL);
	(void)close(server->listen_fd);
	(void)close(server->stop_fds[0]);
	(void)close(server->stop_fds[1]);
	if (server->unix_path[0] != 0)
		(void)unlink(server->unix_path);
}
