/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device.h"
#include "pomona/base/clock.h"

enum { EVENTS = 256, LATENCIES_MAX = 4 << 20, STALL_MS = 10000 };

struct run {
	const struct load *load;
	struct load_result result;
	unsigned port;
	int epoll;
	size_t open;
};

static int64_t now_us(void)
{
	return clock_monotonic_us(clock_system());
}

static bool watch(struct run *run, struct client *client, int op, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = client};

	return epoll_ctl(run->epoll, op, client->fd, &event) == 0;
}

static bool next_request(struct run *run, struct client *client)
{
	buf_clear(&client->request);
	client->sent = 0;
	client->received = 0;
	if (!run->load->next(client, run->load->ctx))
		return false;
	client->step++;
	return true;
}

static bool open_socket(struct run *run, struct client *client)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)run->port)};
	struct linger gone = {.l_onoff = 1}; /* a reset leaves no port in TIME_WAIT */
	int on = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		return false;
	(void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &gone, sizeof(gone));
	return fcntl(client->fd, F_SETFL, O_NONBLOCK) == 0;
}

static bool open_client(struct run *run, struct client *client)
{
	static char name[] = "localhost"; /* the macro takes it without const */

	client->started_us = now_us();
	client->step = 0;
	if (!open_socket(run, client))
		return false;
	client->ssl = SSL_new(client->tls);
	if (client->ssl == NULL || SSL_set_fd(client->ssl, client->fd) != 1)
		return false;
	(void)SSL_set_tlsext_host_name(client->ssl, name);
	SSL_set_connect_state(client->ssl);
	if (run->load->is_resuming && client->session != NULL)
		(void)SSL_set_session(client->ssl, client->session);
	run->result.connections++;
	return next_request(run, client) && watch(run, client, EPOLL_CTL_ADD, EPOLLOUT);
}

static void start_client(struct run *run, struct client *client)
{
	if (open_client(run, client)) {
		run->open++;
		return;
	}
	run->result.errors++;
	SSL_free(client->ssl);
	client->ssl = NULL;
	(void)close(client->fd);
}

static void close_client(struct run *run, struct client *client)
{
	if (run->load->is_resuming) {
		SSL_SESSION_free(client->session);
		client->session = SSL_get1_session(client->ssl);
	}
	(void)SSL_shutdown(client->ssl);
	SSL_free(client->ssl);
	client->ssl = NULL;
	(void)close(client->fd);
	run->open--;
	if (run->load->again(client, run->load->ctx))
		start_client(run, client);
}

static void fail_client(struct run *run, struct client *client)
{
	run->result.errors++;
	close_client(run, client);
}

static void note_latency(struct run *run, const struct client *client)
{
	struct load_result *result = &run->result;

	if (result->latency_count < LATENCIES_MAX)
		result->latencies_us[result->latency_count++] = (uint32_t)(now_us() - client->started_us);
	result->requests++;
}

/* A whole reply is here: the next request, or the end of this connection. */
static void turn(struct run *run, struct client *client, const char *body, size_t len)
{
	int status = (int)strtol(client->reply + 9, NULL, 10);

	note_latency(run, client);
	if (!run->load->check(client, status, body, len, run->load->ctx))
		run->result.errors++;
	if (!next_request(run, client)) {
		close_client(run, client);
		return;
	}
	client->started_us = now_us();
	(void)watch(run, client, EPOLL_CTL_MOD, EPOLLOUT);
}

/* SSL_read and SSL_write finish the handshake themselves. True: try again when the socket is ready. */
static bool is_waiting(struct run *run, struct client *client, int result)
{
	int why = SSL_get_error(client->ssl, result);

	if (why == SSL_ERROR_WANT_READ)
		return watch(run, client, EPOLL_CTL_MOD, EPOLLIN);
	if (why == SSL_ERROR_WANT_WRITE)
		return watch(run, client, EPOLL_CTL_MOD, EPOLLOUT);
	return false;
}

static void send_request(struct run *run, struct client *client)
{
	struct slice rest = slice_sub(buf_slice(&client->request), client->sent, SIZE_MAX);
	int put = SSL_write(client->ssl, rest.ptr, (int)rest.len);

	if (put > 0)
		client->sent += (size_t)put;
	else if (!is_waiting(run, client, put))
		fail_client(run, client);
	else
		return;
	if (client->ssl != NULL && client->sent == client->request.len)
		(void)watch(run, client, EPOLL_CTL_MOD, EPOLLIN);
}

static void receive_reply(struct run *run, struct client *client)
{
	const char *body = NULL;
	size_t len = 0;
	size_t room = CLIENT_REPLY_BYTES_MAX - client->received;
	int got = SSL_read(client->ssl, client->reply + client->received, (int)room);

	if (got <= 0) {
		if (!is_waiting(run, client, got))
			fail_client(run, client);
		return;
	}
	client->received += (size_t)got;
	client->reply[client->received] = 0;
	if (device_is_reply_whole(client->reply, client->received, &body, &len))
		turn(run, client, body, len);
	else if (client->received == CLIENT_REPLY_BYTES_MAX)
		fail_client(run, client);
}

static void serve(struct run *run, struct client *client)
{
	if (client->sent < client->request.len)
		send_request(run, client);
	else
		receive_reply(run, client);
}

struct load_result load_run(struct client *clients, size_t count, unsigned port,
	const struct load *load)
{
	struct run run = {.load = load, .port = port, .epoll = epoll_create1(EPOLL_CLOEXEC)};
	struct epoll_event events[EVENTS];
	int64_t began = now_us();

	run.result.latencies_us = calloc(LATENCIES_MAX, sizeof(*run.result.latencies_us));
	if (run.result.latencies_us == NULL || run.epoll < 0)
		abort();
	for (size_t i = 0; i < count; i++)
		start_client(&run, &clients[i]);
	while (run.open > 0) {
		int ready = epoll_wait(run.epoll, events, EVENTS, STALL_MS);

		if (ready <= 0) { /* the server has stalled: an error, not an endless bench */
			run.result.errors += run.open;
			break;
		}
		for (int i = 0; i < ready; i++)
			serve(&run, events[i].data.ptr);
	}
	run.result.seconds = (double)(now_us() - began) / 1e6;
	(void)close(run.epoll);
	return run.result;
}
