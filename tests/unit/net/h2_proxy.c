/* SPDX-License-Identifier: Apache-2.0 */
#include "h2_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECES = 3, COPY_BYTES = 65536 };

static void must(int is_fine, const char *what)
{
	if (!is_fine) {
		perror(what);
		abort();
	}
}

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void side_close(int *fd, struct net_watch **watch)
{
	net_watch_free(watch);
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void hang_up(struct proxy *proxy)
{
	side_close(&proxy->client_fd, &proxy->client_watch);
	side_close(&proxy->server_fd, &proxy->server_watch);
}

static void carry(struct proxy *proxy, int from, int to)
{
	static char bytes[COPY_BYTES];
	ssize_t got = read(from, bytes, sizeof(bytes));

	if (got <= 0)
		hang_up(proxy);
	else
		must(send(to, bytes, (size_t)got, MSG_NOSIGNAL) == got, "send"); /* blocking */
}

static void on_server(void *ctx, unsigned ready)
{
	struct proxy *proxy = ctx;

	(void)ready;
	carry(proxy, proxy->server_fd, proxy->client_fd);
}

static void connect_server(struct proxy *proxy)
{
	struct sockaddr_in address = loopback(proxy->target_port);

	proxy->server_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(connect(proxy->server_fd, (const struct sockaddr *)&address, sizeof(address)) == 0,
		"connect");
	must(net_watch_new(proxy->loop, proxy->server_fd, on_server, proxy, &proxy->server_watch) == RC_OK,
		"watch");
	must(net_watch_set(proxy->server_watch, NET_READABLE) == RC_OK, "watch");
}

static void on_next(void *ctx)
{
	struct proxy *proxy = ctx;
	size_t len = strlen(proxy->reply), piece = len / PIECES + 1;

	if (proxy->client_fd < 0)
		return;
	if (piece > len - proxy->replied)
		piece = len - proxy->replied;
	if (piece > 0)
		(void)send(proxy->client_fd, proxy->reply + proxy->replied, piece, MSG_NOSIGNAL);
	proxy->replied += piece;
	if (proxy->replied < len)
		net_timer_set(proxy->next, 0);
	else if (proxy->hangs_up)
		hang_up(proxy);
}

static void read_request(struct proxy *proxy)
{
	size_t at = strlen(proxy->request);
	ssize_t got = read(proxy->client_fd, proxy->request + at, sizeof(proxy->request) - at - 1);

	if (got <= 0) {
		hang_up(proxy);
		return;
	}
	proxy->request[at + (size_t)got] = '\0';
	if (strstr(proxy->request, "\r\n\r\n") == NULL)
		return;
	if (proxy->target_port != 0)
		connect_server(proxy);
	if (proxy->reply[0] != '\0' || proxy->hangs_up)
		net_timer_set(proxy->next, 0);
}

static void on_client(void *ctx, unsigned ready)
{
	struct proxy *proxy = ctx;

	(void)ready;
	if (proxy->server_fd >= 0)
		carry(proxy, proxy->client_fd, proxy->server_fd);
	else
		read_request(proxy);
}

static void on_connection(void *ctx, unsigned ready)
{
	struct proxy *proxy = ctx;

	(void)ready;
	proxy->client_fd = accept4(proxy->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	must(proxy->client_fd >= 0, "accept");
	must(net_watch_new(proxy->loop, proxy->client_fd, on_client, proxy, &proxy->client_watch) == RC_OK,
		"watch");
	must(net_watch_set(proxy->client_watch, NET_READABLE) == RC_OK, "watch");
}

void proxy_start(struct proxy *proxy, struct net_loop *loop, const char *reply)
{
	struct sockaddr_in address = loopback(0);
	socklen_t len = sizeof(address);

	memset(proxy, 0, sizeof(*proxy));
	proxy->loop = loop;
	proxy->reply = reply;
	proxy->client_fd = proxy->server_fd = -1;
	proxy->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(bind(proxy->listen_fd, (const struct sockaddr *)&address, len) == 0, "bind");
	must(listen(proxy->listen_fd, 4) == 0, "listen");
	must(getsockname(proxy->listen_fd, (struct sockaddr *)&address, &len) == 0, "getsockname");
	(void)snprintf(proxy->address, sizeof(proxy->address), "127.0.0.1:%u", ntohs(address.sin_port));
	must(net_timer_new(loop, on_next, proxy, &proxy->next) == RC_OK, "timer");
	must(net_watch_new(loop, proxy->listen_fd, on_connection, proxy, &proxy->listen_watch) == RC_OK,
		"watch");
	must(net_watch_set(proxy->listen_watch, NET_READABLE) == RC_OK, "watch");
}

void proxy_stop(struct proxy *proxy)
{
	hang_up(proxy);
	side_close(&proxy->listen_fd, &proxy->listen_watch);
	net_timer_free(&proxy->next);
}
