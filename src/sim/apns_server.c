/* SPDX-License-Identifier: Apache-2.0 */
#include "apns_server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apns_conn.h"
#include "apns_tls.h"
#include "apple.h"
#include "pomona/base/clock.h"
#include "pomona/base/log.h"

enum { BACKLOG = 512, ACCEPT_PAUSE_MS = 100, ADDRESS_TEXT_BYTES = 128, HOST_TEXT_BYTES = 256 };

struct apns_server {
	struct net_loop *loop;
	struct apns *apns;
	SSL_CTX *tls, *expired_tls; /* the same with a certificate that has expired */
	int fd;
	struct net_watch *watch;
	struct net_timer *pause; /* no descriptor is left: try again */
	struct apns_conn *conns;
	bool is_anyone;
};

/* --- connections */

static void forget(void *ctx, struct apns_conn *conn)
{
	struct apns_server *server = ctx;
	struct apns_conn **at = &server->conns;

	while (*at != conn)
		at = apns_conn_next(*at);
	*at = *apns_conn_next(conn);
	server->apns->stats.open--;
}

/* Takes `fd`. */
static void connection_begin(struct apns_server *server, int fd)
{
	struct apns_stats *stats = &server->apns->stats;
	bool is_expired = server->apns->faults.faults.expired_cert;
	SSL *ssl = SSL_new(is_expired ? server->expired_tls : server->tls);
	const struct apns_conn_params params = {.loop = server->loop,
		.apns = server->apns,
		.fd = fd,
		.ssl = ssl,
		.number = stats->connections + 1,
		.is_anyone = server->is_anyone,
		.on_end = forget,
		.ctx = server};
	const int is_on = 1;
	struct apns_conn *conn;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &is_on, sizeof(is_on));
	if (ssl == NULL || stats->open >= APNS_CONNECTIONS_MAX) {
		SSL_free(ssl);
		(void)close(fd);
		return;
	}
	if (apns_conn_new(&params, &conn, NULL) != RC_OK)
		return;
	*apns_conn_next(conn) = server->conns;
	server->conns = conn;
	stats->connections++;
	stats->open++;
}

static void on_listener(void *ctx, unsigned ready)
{
	struct apns_server *server = ctx;
	int fd;

	(void)ready;
	while ((fd = accept4(server->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		connection_begin(server, fd);
	if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
		return;
	if (net_watch_set(server->watch, 0) == RC_OK)
		net_timer_set(server->pause, ACCEPT_PAUSE_MS);
}

static void on_pause_over(void *ctx)
{
	struct apns_server *server = ctx;

	if (net_watch_set(server->watch, NET_READABLE) != RC_OK)
		net_timer_set(server->pause, ACCEPT_PAUSE_MS);
}

/* --- the listener */

/* NULL: `err` says why. */
static struct addrinfo *resolve(const char *address, struct err *err)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	const char *colon = strrchr(address, ':');
	struct addrinfo *found = NULL;
	char host[HOST_TEXT_BYTES];
	size_t len;
	int status;

	if (colon == NULL || (size_t)(colon - address) >= sizeof(host)) {
		(void)err_set(err, RC_INVALID, "%s: want HOST:PORT", address);
		return NULL;
	}
	len = (size_t)(colon - address);
	if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
		address++;
		len -= 2;
	}
	(void)snprintf(host, sizeof(host), "%.*s", (int)len, address);
	status = getaddrinfo(host, colon + 1, &hints, &found);
	if (status == 0)
		return found;
	(void)err_set(err, RC_INVALID, "%s: %s", address, gai_strerror(status));
	return NULL;
}

static enum rc bind_to(struct apns_server *server, const char *address, struct err *err)
{
	struct addrinfo *found = resolve(address, err);
	const int is_on = 1;
	enum rc rc = RC_OK;
	bool is_bound;

	if (found == NULL)
		return RC_INVALID;
	server->fd =
		socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, found->ai_protocol);
	is_bound = server->fd >= 0 &&
		setsockopt(server->fd, SOL_SOCKET, SO_REUSEADDR, &is_on, sizeof(is_on)) == 0 &&
		bind(server->fd, found->ai_addr, found->ai_addrlen) == 0 && listen(server->fd, BACKLOG) == 0;
	if (!is_bound)
		rc = err_set_errno(err, errno, "cannot listen on %s", address);
	freeaddrinfo(found);
	return rc;
}

static void say_listening(const struct apns_server *server)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	char host[64] = "?", port[16] = "?", text[ADDRESS_TEXT_BYTES];

	if (getsockname(server->fd, (struct sockaddr *)&address, &len) == 0)
		(void)getnameinfo((struct sockaddr *)&address, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV);
	(void)snprintf(text, sizeof(text), strchr(host, ':') == NULL ? "%s:%s" : "[%s]:%s", host, port);
	log_info("listening", LOG_STR("name", "apns"), LOG_STR("address", text));
}

/* --- TLS */

struct tls_files {
	struct buf cert, key, ca;
};

static void tls_files_init(struct tls_files *files)
{
	buf_init(&files->cert, APPLE_FILE_BYTES_MAX);
	buf_init(&files->key, APPLE_FILE_BYTES_MAX);
	buf_init(&files->ca, APPLE_FILE_BYTES_MAX);
}

static void tls_files_fini(struct tls_files *files)
{
	buf_fini(&files->cert);
	buf_fini_secret(&files->key);
	buf_fini(&files->ca);
}

static enum rc tls_of(const struct tls_files *files, SSL_CTX **tls_r, struct err *err)
{
	const struct apns_tls_params params = {.cert_pem = buf_slice(&files->cert),
		.key_pem = buf_slice(&files->key),
		.ca_pem = buf_slice(&files->ca)};

	return apns_tls_new(&params, tls_r, err);
}

static enum rc make_tls(struct apns_server *server, const char *dir, struct err *err)
{
	AUTO(tls_files_fini) struct tls_files files;
	enum rc rc;

	tls_files_init(&files);
	rc = server->is_anyone ? RC_OK : apple_read(dir, "ca.pem", &files.ca, err);
	if (rc == RC_OK)
		rc = apple_read(dir, "server.pem", &files.cert, err);
	if (rc == RC_OK)
		rc = apple_read(dir, "server.key", &files.key, err);
	if (rc != RC_OK)
		return err_context(err, "--dir (see pomona-sim ca)");
	rc = tls_of(&files, &server->tls, err);
	buf_clear(&files.cert);
	buf_clear(&files.key);
	if (rc == RC_OK)
		rc = apple_issue_expired_server(dir, clock_unix_s(clock_system()), &files.cert, &files.key, err);
	return rc == RC_OK ? tls_of(&files, &server->expired_tls, err) : rc;
}

/* --- life */

static enum rc watch(struct apns_server *server, struct err *err)
{
	if (net_watch_new(server->loop, server->fd, on_listener, server, &server->watch) != RC_OK ||
		net_timer_new(server->loop, on_pause_over, server, &server->pause) != RC_OK ||
		net_watch_set(server->watch, NET_READABLE) != RC_OK)
		return err_set(err, RC_NO_MEMORY, "APNs");
	return RC_OK;
}

enum rc apns_server_start(struct net_loop *loop, struct apns *apns,
	const struct apns_server_params *params, struct apns_server **server_r, struct err *err)
{
	struct apns_server *server = calloc(1, sizeof(*server));
	enum rc rc;

	*server_r = NULL;
	if (server == NULL)
		return err_set(err, RC_NO_MEMORY, "APNs");
	server->loop = loop;
	server->apns = apns;
	server->fd = -1;
	server->is_anyone = params->is_anyone;
	rc = make_tls(server, params->dir, err);
	if (rc == RC_OK)
		rc = bind_to(server, params->address, err);
	if (rc == RC_OK)
		rc = watch(server, err);
	if (rc != RC_OK) {
		apns_server_stop(&server);
		return rc;
	}
	say_listening(server);
	*server_r = server;
	return RC_OK;
}

void apns_server_stop(struct apns_server **server)
{
	if (*server == NULL)
		return;
	apns_server_reset(*server);
	net_watch_free(&(*server)->watch);
	net_timer_free(&(*server)->pause);
	if ((*server)->fd >= 0)
		(void)close((*server)->fd);
	apns_tls_free(&(*server)->tls);
	apns_tls_free(&(*server)->expired_tls);
	free(*server);
	*server = NULL;
}

/* --- all connections: each may be gone when it has been told */

void apns_server_go_away(struct apns_server *server, bool is_all, const char *reason)
{
	struct apns_conn *next;

	for (struct apns_conn *conn = server->conns; conn != NULL; conn = next) {
		next = *apns_conn_next(conn);
		apns_conn_go_away(conn, is_all, reason);
	}
}

void apns_server_reset(struct apns_server *server)
{
	struct apns_conn *next;

	for (struct apns_conn *conn = server->conns; conn != NULL; conn = next) {
		next = *apns_conn_next(conn);
		apns_conn_reset(conn);
	}
}

void apns_server_settle(struct apns_server *server)
{
	struct apns_conn *next;

	for (struct apns_conn *conn = server->conns; conn != NULL; conn = next) {
		next = *apns_conn_next(conn);
		apns_conn_settle(conn);
	}
}
