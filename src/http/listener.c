/* SPDX-License-Identifier: Apache-2.0 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pomona/base/rand.h"

enum {
	THREADS_MAX = 256,
	MHD_OPTIONS_MAX = 24,
	LOG_TEXT_BYTES = 256,
	STOP_WAIT_MS = 5000,
	LIMIT_REST_MS = 100,
	LIMIT_LOG_S = 10,
};

struct options {
	size_t count;
	struct MHD_OptionItem items[MHD_OPTIONS_MAX];
};

static void add(struct options *options, enum MHD_OPTION option, intptr_t value, void *ptr)
{
	options->items[options->count++] = (struct MHD_OptionItem){option, value, ptr};
}

static void log_mhd(void *cls, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

static void warn_of_limit(struct http_listener *listener)
{
	int64_t now_us = clock_monotonic_us(clock_system());
	int64_t next_us = atomic_load(&listener->limit_log_next_us);

	if (now_us >= next_us &&
		atomic_compare_exchange_strong(&listener->limit_log_next_us, &next_us,
			now_us + (int64_t)LIMIT_LOG_S * 1000000))
		log_warning("descriptors_exhausted", LOG_STR("listener", listener->name),
			LOG_STR("advice", "raise LimitNOFILE= of the unit, or lower connections_max"));
}

/*
 * Where no descriptor is left for a new connection, a worker that has some stops listening until one of them ends. One
 * that has none asks again at once and for ever, and says so before each time: it is made to rest here, where it holds
 * up nobody.
 */
static void watch_limit(struct http_listener *listener, const char *format)
{
	static const char limit[] = "Hit process or system resource limit at ";
	static const char first[] = "FIRST";
	const struct timespec pause = {.tv_nsec = LIMIT_REST_MS * 1000000L};

	if (strncmp(format, limit, sizeof(limit) - 1) != 0)
		return;
	warn_of_limit(listener);
	if (strncmp(format + sizeof(limit) - 1, first, sizeof(first) - 1) == 0)
		(void)nanosleep(&pause, NULL);
}

/* libmicrohttpd tells of every peer that breaks off: of use to a developer only. */
static void log_mhd(void *cls, const char *format, va_list args)
{
	struct http_listener *listener = cls;
	char text[LOG_TEXT_BYTES];

	watch_limit(listener, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = 0;
	log_debug("http", LOG_STR("listener", listener->name), LOG_STR("text", text));
}

/* Escapes stay: a "%2F" is no slash to the routes. target.c decodes what is asked for. */
static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *text)
{
	(void)cls;
	(void)mhd;
	return strlen(text);
}

static unsigned thread_count(unsigned wanted)
{
	cpu_set_t cpus;
	int count = 1;

	if (wanted > 0)
		return wanted < THREADS_MAX ? wanted : THREADS_MAX;
	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		count = CPU_COUNT(&cpus);
	return count > 1 ? (unsigned)count : 1;
}

/*
 * No larger than it must be: libmicrohttpd clears the pool of a connection after each request, and one of more than
 * 32 KiB it maps and unmaps with each connection, which costs a tenth of a poll (docs/performance.md).
 */
static size_t pool_bytes(const struct http_listener_params *params)
{
	return params->header_bytes_max + POOL_MORE_BYTES;
}

static void set_options(struct http_listener *listener, int fd, struct options *options)
{
	const struct http_listener_params *params = &listener->params;
	unsigned threads = thread_count(params->threads);

	add(options, MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)log_mhd, listener); /* must be the first */
	add(options, MHD_OPTION_LISTEN_SOCKET, fd, NULL);
	if (threads > 1)
		add(options, MHD_OPTION_THREAD_POOL_SIZE, threads, NULL);
	add(options, MHD_OPTION_CONNECTION_LIMIT,
		params->connections_max < threads ? threads : params->connections_max, NULL);
	add(options, MHD_OPTION_CONNECTION_TIMEOUT, params->idle_timeout_s, NULL);
	add(options, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)pool_bytes(params), NULL);
	add(options, MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL);
	add(options, MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes, NULL);
	add(options, MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)connection_request_line, listener);
	add(options, MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)connection_notify, listener);
	add(options, MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)connection_request_done, listener);
	if (listener->tls != NULL) {
		char *priority = NULL;

		memcpy(&priority, &(const char *){TLS_PRIORITY}, sizeof(priority));
		add(options, MHD_OPTION_HTTPS_PRIORITIES, 0, priority);
		add(options, MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, (void *)tls_retrieve);
	}
	add(options, MHD_OPTION_END, 0, NULL);
}

static enum rc start_daemon(struct http_listener *listener, int fd, struct err *err)
{
	struct options options = {0};
	unsigned flags =
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG;

	if (listener->tls != NULL)
		flags |= MHD_USE_TLS;
	set_options(listener, fd, &options);
	/* From here the socket is libmicrohttpd's. */
	listener->daemon = MHD_start_daemon(flags, 0, connection_is_welcome, listener, connection_serve,
		listener, MHD_OPTION_ARRAY, options.items, MHD_OPTION_END);
	if (listener->daemon == NULL)
		return err_set(err, RC_INTERNAL, "listener %s: libmicrohttpd does not start", listener->name);
	return RC_OK;
}

static enum rc copy_params(struct http_listener *listener,
	const struct http_listener_params *params, struct err *err)
{
	listener->params = *params;
	listener->params.tls = NULL; /* loaded, not kept */
	listener->params.proxies = NULL;
	if (params->proxies != NULL)
		listener->proxies = *params->proxies;
	if (params->clock == NULL)
		listener->params.clock = clock_system();
	listener->name = strdup(params->name);
	listener->is_unix = params->unix_path != NULL;
	if (params->is_passed)
		listener->is_unix = socket_passed_is_unix(params->passed_fd, &listener->port);
	else if (listener->is_unix)
		listener->unix_path = strdup(params->unix_path);
	if (listener->name == NULL ||
		(listener->is_unix && !params->is_passed && listener->unix_path == NULL))
		return err_set(err, RC_NO_MEMORY, "listener");
	bodies_init(&listener->bodies, params->body_bytes_total_max);
	rand_bytes(&listener->id_start, sizeof(listener->id_start));
	return RC_OK;
}

static enum rc open_gate(struct http_listener *listener, const struct http_listener_params *params,
	struct err *err)
{
	const struct gate_limits limits = {
		.connections_per_address = params->connections_per_address,
		.per_s = params->handshakes_per_s,
		.per_address_per_s = params->handshakes_per_address_per_s,
	};

	if (limits.connections_per_address == 0 && limits.per_s == 0 && limits.per_address_per_s == 0)
		return RC_OK;
	return gate_new(&limits, &listener->gate, err);
}

static enum rc prepare(struct http_listener *listener, const struct http_listener_params *params,
	struct err *err)
{
	enum rc rc = copy_params(listener, params, err);

	if (rc == RC_OK)
		rc = route_table_new(listener->params.rooms, HTTP_ROOMS_MAX, &listener->routes, err);
	if (rc == RC_OK && params->tls != NULL)
		rc = tls_new(params->tls, listener->params.clock, &listener->tls, err);
	if (rc == RC_OK && params->tls != NULL)
		rc = handshake_waiters_start((thread_count(params->threads) + 1) / 2, &listener->waiters, err);
	if (rc == RC_OK && !listener->is_unix)
		rc = open_gate(listener, params, err);
	if (rc == RC_OK)
		rc = deadlines_start(connection_is_late, &listener->deadlines, err);
	return rc;
}

static enum rc listen_on(struct http_listener *listener, const struct http_listener_params *params,
	int *fd_r, struct err *err)
{
	if (params->is_passed)
		return socket_listen_deaf(&listener->deaf_fd, err);
	if (params->unix_path != NULL)
		return socket_listen_unix(params, fd_r, err);
	return socket_listen_tcp(params->address, fd_r, &listener->port, err);
}

static void release(struct http_listener **listener)
{
	struct http_listener *l = *listener;

	*listener = NULL;
	if (l == NULL)
		return;
	deadlines_stop(&l->deadlines);
	handshake_waiters_free(&l->waiters);
	gate_free(&l->gate);
	tls_free(&l->tls);
	route_table_free(&l->routes);
	if (l->deaf_fd >= 0)
		(void)close(l->deaf_fd);
	free(l->name);
	free(l->unix_path);
	free(l);
}

/* A listener that did not start. */
static void abandon(struct http_listener **listener)
{
	handshake_waiters_stop((*listener)->waiters);
	release(listener);
}

static enum rc start(struct http_listener *listener, const struct http_listener_params *params,
	struct err *err)
{
	int fd = params->is_passed ? params->passed_fd : -1;
	enum rc rc = prepare(listener, params, err);

	if (rc == RC_OK)
		rc = listen_on(listener, params, &fd, err);
	if (rc == RC_OK)
		return start_daemon(listener, fd, err);
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

enum rc http_listener_start(const struct http_listener_params *params,
	struct http_listener **listener_r, struct err *err)
{
	struct http_listener *listener = calloc(1, sizeof(*listener));
	enum rc rc;

	*listener_r = NULL;
	if (listener == NULL) {
		if (params->is_passed)
			(void)close(params->passed_fd);
		return err_set(err, RC_NO_MEMORY, "listener");
	}
	listener->deaf_fd = -1;
	rc = start(listener, params, err);
	if (rc == RC_OK)
		*listener_r = listener;
	else
		abandon(&listener);
	return rc;
}

uint16_t http_listener_port(const struct http_listener *listener)
{
	return listener->port;
}

enum rc http_listener_set_tls(struct http_listener *listener, const struct http_tls_params *tls,
	struct err *err)
{
	if (listener->tls == NULL)
		return err_set(err, RC_UNSUPPORTED, "listener %s: has no TLS", listener->name);
	return tls_set(listener->tls, tls, err);
}

void http_listener_stats(const struct http_listener *listener, struct http_stats *stats_r)
{
	stats_r->connections_now = listener->connections_now;
	stats_r->connections_total = listener->connections_total;
	stats_r->requests_total = listener->requests_total;
	for (size_t i = 0; i < COUNT_OF(stats_r->replies_by_class); i++)
		stats_r->replies_by_class[i] = listener->replies_by_class[i];
	for (size_t i = 0; i < HTTP_AWAY_COUNT; i++)
		stats_r->turned_away[i] = listener->away.reasons[i].count;
}

/*
 * A socket that was passed stays with who passed it, and so do the peers in its queue. libmicrohttpd would shut it
 * down for everybody, so its descriptor becomes one that nobody connects to. The workers' epoll sets still know the
 * other, and keep telling of who waits there: they go round for nothing until they are stopped.
 */
static void give_back(struct http_listener *listener)
{
	const int fd = listener->params.passed_fd;

	if (listener->deaf_fd >= 0 && dup3(listener->deaf_fd, fd, O_CLOEXEC) != fd)
		log_error("socket_not_given_back", LOG_STR("listener", listener->name),
			LOG_STR("error", strerrordesc_np(errno)));
}

/*
 * Peers that connect from now on are let go at once. MHD_quiesce_daemon() would leave them to the kernel, but in
 * 0.9.75 it races with its own workers over the epoll set, and aborts the process where it loses.
 */
void http_listener_quiesce(struct http_listener *listener)
{
	give_back(listener);
	listener->is_quiescing = true;
}

size_t http_listener_requests_now(const struct http_listener *listener)
{
	return listener->requests_now;
}

/* All are resumed, says the caller; the last http_resume() may still be on its way out. */
static void await_resumers(const struct http_listener *listener)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	for (int ms = 0; listener->deferred > 0; ms++) {
		if (ms == STOP_WAIT_MS) {
			log_error("http_stop_with_deferred", LOG_STR("listener", listener->name),
				LOG_INT("requests", listener->deferred));
			abort();
		}
		(void)nanosleep(&pause, NULL);
	}
}

void http_listener_stop(struct http_listener **listener)
{
	struct http_listener *l = *listener;

	if (l == NULL)
		return;
	await_resumers(l);
	if (l->unix_path != NULL)
		(void)unlink(l->unix_path); /* while it is ours: a successor may bind as soon as we are closed */
	give_back(l);
	handshake_waiters_stop(l->waiters);
	MHD_stop_daemon(l->daemon);
	release(listener);
}
