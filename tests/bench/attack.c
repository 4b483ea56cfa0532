/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile client that costs as little as it can: one thread, epoll, niced by whoever starts it. `attack MODE
 * PORT ADDRESSES CONNECTIONS RATE` holds so many connections of 127.0.0.2 and those behind it, opens at most
 * RATE a second, and goes on until its stdin ends; then it prints what it did as a line of JSON.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pomona/base/clock.h"
#include "pomona/base/compiler.h"

enum {
	EVENTS = 256,
	US_PER_S = 1000000,
	TICK_US = 2000,
	HELLO_BYTES_MAX = 4096,
	PIECE_BYTES = 16384,
	BROKEN_AT = 5, /* the type of the handshake message in the first record */
	PIPELINED_MAX = 2000,
	RECEIVE_BYTES = 4096,
};

enum role { ROLE_DRIP, ROLE_HOLD, ROLE_NEVER_READ, ROLE_HIT_AND_RUN, ROLE_POUR, ROLE_REPEAT };

/* `start` goes out at once, then `piece`: each second (drip), without end (pour, never read), after each reply
 * (repeat). */
static const struct mode {
	const char *name;
	bool is_tls;
	enum role role;
	const char *start;
	const char *piece;
} modes[] = {
	{"slow-handshake", false, ROLE_DRIP, "", ""}, /* the ClientHello, byte by byte */
	{"slow-head", true, ROLE_DRIP, "PUT /checkin HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", "x"},
	{"slow-body", true, ROLE_DRIP,
		"PUT /checkin HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n", "x"},
	{"idle", true, ROLE_HOLD, "GET /scep?operation=GetCACaps HTTP/1.1\r\nHost: localhost\r\n\r\n", ""},
	{"never-read", true, ROLE_NEVER_READ, "",
		"GET /scep?operation=GetCACaps HTTP/1.1\r\nHost: localhost\r\n\r\n"},
	{"flood-hello", false, ROLE_HIT_AND_RUN, "", ""},
	{"flood-broken", false, ROLE_HIT_AND_RUN, "", ""},
	{"flood-complete", true, ROLE_HIT_AND_RUN, "", ""},
	{"flood-body", true, ROLE_POUR,
		"PUT /checkin HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n", ""},
	{"flood-small", true, ROLE_REPEAT, "", ""},
};

struct client {
	int fd; /* -1: closed */
	SSL *ssl;
	bool is_open; /* the handshake is over, or there is none */
	size_t sent;  /* bytes of what a drip sends, pieces of a pour */
	int64_t next_us;
};

static struct attack {
	const struct mode *mode;
	unsigned port;
	unsigned addresses;
	SSL_CTX *tls;
	unsigned char hello[HELLO_BYTES_MAX];
	size_t hello_len;
	char *whole; /* of ROLE_REPEAT: a request with a body at the bound for strangers */
	size_t whole_len;
	struct client *clients;
	size_t count;
	size_t next;
	int epoll;
	uint64_t opened;
	uint64_t closed; /* by the server */
	uint64_t bytes;
	uint64_t replies;
	size_t open_most;
	size_t open_now;
} attack;

static char junk[PIECE_BYTES];

static int64_t now_us(void)
{
	return clock_monotonic_us(clock_system());
}

static void die(const char *what)
{
	(void)fprintf(stderr, "bench-attack: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- what is sent */

/* One ClientHello serves all: the server answers it in full, and it cost nothing. */
static void record_hello(void)
{
	static char name[] = "localhost";
	SSL *ssl = SSL_new(attack.tls);
	BIO *in = BIO_new(BIO_s_mem());
	BIO *out = BIO_new(BIO_s_mem());
	int len;

	if (ssl == NULL || in == NULL || out == NULL)
		die("memory");
	SSL_set_bio(ssl, in, out);
	(void)SSL_set_tlsext_host_name(ssl, name);
	SSL_set_connect_state(ssl);
	(void)SSL_do_handshake(ssl);
	len = BIO_read(out, attack.hello, sizeof(attack.hello));
	if (len <= 0)
		die("ClientHello");
	attack.hello_len = (size_t)len;
	if (strcmp(attack.mode->name, "flood-broken") == 0)
		attack.hello[BROKEN_AT] = 0xee;
	SSL_free(ssl);
}

static void make_whole(void)
{
	static const char body_start[] =
		"<?xml version=\"1.0\"?><plist version=\"1.0\"><dict><key>a</key><string>";
	static const char body_end[] = "</string></dict></plist>";
	const size_t body = 65536;
	char *at;

	attack.whole = malloc(body + 256);
	if (attack.whole == NULL)
		die("memory");
	at = attack.whole +
		snprintf(attack.whole, 256,
			"PUT /checkin HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
			"application/x-apple-aspen-mdm-checkin\r\nContent-Length: %zu\r\n\r\n",
			body);
	attack.whole_len = (size_t)(at - attack.whole) + body;
	memset(at, 'x', body);
	memcpy(at, body_start, sizeof(body_start) - 1);
	memcpy(at + body - (sizeof(body_end) - 1), body_end, sizeof(body_end) - 1);
}

/* --- connections */

static void let_go(struct client *client)
{
	if (client->fd < 0)
		return;
	SSL_free(client->ssl);
	client->ssl = NULL;
	(void)close(client->fd);
	client->fd = -1;
	attack.open_now--;
}

static void lose(struct client *client)
{
	attack.closed++;
	let_go(client);
}

static void watch(struct client *client, int op, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = client};

	if (epoll_ctl(attack.epoll, op, client->fd, &event) != 0)
		die("epoll_ctl");
}

static bool open_socket(struct client *client)
{
	struct sockaddr_in from = {.sin_family = AF_INET};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)attack.port)};
	struct linger gone = {.l_onoff = 1}; /* a reset leaves no port in TIME_WAIT */
	int receive_bytes = RECEIVE_BYTES;
	int on = 1;

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(attack.opened % attack.addresses));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (client->fd < 0)
		return false;
	attack.open_now++;
	(void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &gone, sizeof(gone));
	(void)setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (attack.mode->role == ROLE_NEVER_READ)
		(void)setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
	return bind(client->fd, (struct sockaddr *)&from, sizeof(from)) == 0 &&
		(connect(client->fd, (struct sockaddr *)&to, sizeof(to)) == 0 || errno == EINPROGRESS);
}

static void open_client(struct client *client)
{
	*client = (struct client){.fd = -1};
	if (!open_socket(client)) {
		let_go(client);
		return;
	}
	attack.opened++;
	if (attack.open_now > attack.open_most)
		attack.open_most = attack.open_now;
	if (attack.mode->is_tls) {
		client->ssl = SSL_new(attack.tls);
		if (client->ssl == NULL || SSL_set_fd(client->ssl, client->fd) != 1)
			die("SSL_new");
		SSL_set_connect_state(client->ssl);
	}
	watch(client, EPOLL_CTL_ADD, EPOLLOUT);
}

/* --- what they do */

/* False: the server is through with it. */
static bool put(struct client *client, const void *data, size_t len, size_t *put_r)
{
	ssize_t n = attack.mode->is_tls ? SSL_write(client->ssl, data, (int)len)
																																	: send(client->fd, data, len, MSG_NOSIGNAL);

	*put_r = n > 0 ? (size_t)n : 0;
	attack.bytes += *put_r;
	if (n > 0)
		return true;
	if (!attack.mode->is_tls)
		return errno == EAGAIN;
	return SSL_get_error(client->ssl, (int)n) == SSL_ERROR_WANT_WRITE ||
		SSL_get_error(client->ssl, (int)n) == SSL_ERROR_WANT_READ;
}

static void drip(struct client *client, int64_t now)
{
	const char *piece = attack.mode->piece;
	size_t len = strlen(piece);
	size_t done;

	if (!attack.mode->is_tls) {
		piece = (const char *)attack.hello + client->sent % attack.hello_len;
		len = 1;
	}
	client->next_us = now + US_PER_S;
	if (!put(client, piece, len, &done))
		lose(client);
	else
		client->sent += done;
}

/* As much as the sockets take; a bound keeps one from having the loop for itself. */
static void pour(struct client *client, const void *data, size_t len, size_t most)
{
	size_t done = 1;

	for (size_t i = 0; i < 16 && done > 0 && client->sent < most; i++) {
		if (!put(client, data, len, &done)) {
			lose(client);
			return;
		}
		client->sent += done > 0;
	}
	watch(client, EPOLL_CTL_MOD, client->sent < most ? EPOLLOUT : 0);
}

static void repeat(struct client *client)
{
	size_t done = 1;

	while (client->sent < attack.whole_len && done > 0) {
		size_t left = attack.whole_len - client->sent;

		if (!put(client, attack.whole + client->sent, left < PIECE_BYTES ? left : PIECE_BYTES, &done)) {
			lose(client);
			return;
		}
		client->sent += done;
	}
	watch(client, EPOLL_CTL_MOD, client->sent < attack.whole_len ? EPOLLOUT : EPOLLIN);
}

/* Right behind the handshake. */
static void begin(struct client *client)
{
	const struct mode *mode = attack.mode;
	size_t done;

	client->is_open = true;
	client->next_us = now_us() + US_PER_S;
	if (mode->role == ROLE_HIT_AND_RUN && mode->is_tls) {
		attack.replies++;
		let_go(client);
		return;
	}
	if (mode->role == ROLE_HIT_AND_RUN && !put(client, attack.hello, attack.hello_len, &done)) {
		lose(client);
		return;
	}
	if (mode->start[0] != 0 && !put(client, mode->start, strlen(mode->start), &done)) {
		lose(client);
		return;
	}
	watch(client, EPOLL_CTL_MOD,
		mode->role >= ROLE_POUR || mode->role == ROLE_NEVER_READ ? EPOLLOUT : EPOLLIN);
}

static void shake_hands(struct client *client)
{
	int result;
	int why;

	if (!attack.mode->is_tls) {
		begin(client);
		return;
	}
	result = SSL_do_handshake(client->ssl);
	why = SSL_get_error(client->ssl, result);
	if (result == 1)
		begin(client);
	else if (why == SSL_ERROR_WANT_READ)
		watch(client, EPOLL_CTL_MOD, EPOLLIN);
	else if (why == SSL_ERROR_WANT_WRITE)
		watch(client, EPOLL_CTL_MOD, EPOLLOUT);
	else
		lose(client);
}

static void receive(struct client *client)
{
	char data[PIECE_BYTES];
	ssize_t got = attack.mode->is_tls ? SSL_read(client->ssl, data, sizeof(data))
																																			: recv(client->fd, data, sizeof(data), 0);

	if (got > 0) {
		attack.replies++;
		if (attack.mode->role == ROLE_HIT_AND_RUN) {
			let_go(client);
		} else if (attack.mode->role == ROLE_REPEAT) {
			client->sent = 0;
			watch(client, EPOLL_CTL_MOD, EPOLLOUT);
		}
		return;
	}
	if (attack.mode->is_tls ? SSL_get_error(client->ssl, (int)got) != SSL_ERROR_WANT_READ
																									: got == 0 || errno != EAGAIN)
		lose(client);
}

static void serve(struct client *client, uint32_t events)
{
	const struct mode *mode = attack.mode;

	if (client->fd < 0)
		return;
	if (!client->is_open)
		shake_hands(client);
	else if ((events & (EPOLLERR | EPOLLHUP)) != 0)
		lose(client);
	else if ((events & EPOLLIN) != 0)
		receive(client);
	else if (mode->role == ROLE_NEVER_READ)
		pour(client, mode->piece, strlen(mode->piece), PIPELINED_MAX);
	else if (mode->role == ROLE_POUR)
		pour(client, junk, sizeof(junk), SIZE_MAX);
	else if (mode->role == ROLE_REPEAT)
		repeat(client);
}

/* --- the loop */

/* Opens what is closed, up to the rate; the next in turn, so that each place is used. */
static void open_some(size_t allowed)
{
	for (size_t i = 0; i < attack.count && allowed > 0; i++) {
		struct client *client = &attack.clients[attack.next++ % attack.count];

		if (client->fd >= 0)
			continue;
		open_client(client);
		allowed--;
	}
}

static void drip_all(int64_t now)
{
	for (size_t i = 0; i < attack.count; i++)
		if (attack.clients[i].fd >= 0 && attack.clients[i].is_open && now >= attack.clients[i].next_us)
			drip(&attack.clients[i], now);
}

/* True: stdin has ended. */
static bool turn(void)
{
	struct epoll_event events[EVENTS];
	int ready = epoll_wait(attack.epoll, events, EVENTS, TICK_US / 1000);
	bool is_over = false;

	for (int i = 0; i < ready; i++)
		if (events[i].data.ptr == NULL)
			is_over = true;
		else
			serve(events[i].data.ptr, events[i].events);
	return is_over;
}

static void run(uint64_t rate)
{
	int64_t began = now_us();
	uint64_t tried = 0;
	int64_t drip_us = began;

	for (bool is_over = false; !is_over;) {
		int64_t now = now_us();
		uint64_t due = (uint64_t)(now - began) * rate / US_PER_S;

		if (due > tried && attack.open_now < attack.count)
			open_some(due - tried);
		tried = due;
		if (attack.mode->role == ROLE_DRIP && now >= drip_us) {
			drip_all(now);
			drip_us = now + 20 * TICK_US;
		}
		is_over = turn();
	}
	(void)printf("{\"seconds\":%.1f,\"opened\":%" PRIu64 ",\"closed_by_server\":%" PRIu64
														",\"replies\":%" PRIu64 ",\"bytes\":%" PRIu64
														",\"open_most\":%zu,\"open_now\":%zu}\n",
		(double)(now_us() - began) / US_PER_S, attack.opened, attack.closed, attack.replies, attack.bytes,
		attack.open_most, attack.open_now);
}

static void prepare(void)
{
	struct epoll_event end = {.events = EPOLLIN | EPOLLHUP};

	attack.tls = SSL_CTX_new(TLS_client_method());
	attack.epoll = epoll_create1(EPOLL_CLOEXEC);
	attack.clients = calloc(attack.count, sizeof(*attack.clients));
	if (attack.tls == NULL || attack.clients == NULL ||
		epoll_ctl(attack.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &end) != 0)
		die("prepare");
	(void)SSL_CTX_set_mode(attack.tls,
		SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	for (size_t i = 0; i < attack.count; i++)
		attack.clients[i].fd = -1;
	record_hello();
	make_whole();
}

static uint64_t number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end != 0 || value == 0)
		die(text);
	return value;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 6 && i < COUNT_OF(modes); i++)
		if (strcmp(argv[1], modes[i].name) == 0)
			attack.mode = &modes[i];
	if (attack.mode == NULL) {
		(void)fprintf(stderr, "usage: bench-attack MODE PORT ADDRESSES CONNECTIONS RATE\n");
		return 64;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	attack.port = (unsigned)number(argv[2]);
	attack.addresses = (unsigned)number(argv[3]);
	attack.count = number(argv[4]);
	prepare();
	run(number(argv[5]));
	free(attack.whole);
	return 0;
}
