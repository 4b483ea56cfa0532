/* SPDX-License-Identifier: Apache-2.0 */
#include "h2_tunnel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pomona/base/codec.h"

enum {
	REQUEST_BYTES_MAX = 2 * RESOLVER_HOST_BYTES_MAX + 128,
	PHRASE_BYTES_MAX = 100, /* of the proxy's words, for people */
	PORT_MAX = 65535,
};

struct h2_tunnel {
	int fd;
	struct net_watch *watch;
	void (*done)(void *ctx, const char *why);
	void *ctx;
	char request[REQUEST_BYTES_MAX];
	size_t request_len, request_at;
	char reply[H2_TUNNEL_REPLY_BYTES_MAX];
	size_t reply_len;
};

/* --- words */

enum rc h2_tunnel_read_proxy(const char *text, char host[static RESOLVER_HOST_BYTES_MAX + 1],
	uint16_t *port_r, struct err *err)
{
	const char *colon = strrchr(text, ':');
	const char *from = text;
	size_t len = colon != NULL ? (size_t)(colon - text) : 0;
	int64_t port = 0;

	if (len > 1 && text[0] == '[' && text[len - 1] == ']') {
		from++;
		len -= 2;
	} else if (memchr(text, ':', len) != NULL) {
		len = 0; /* an IPv6 address wants its brackets */
	}
	if (len == 0 || len > RESOLVER_HOST_BYTES_MAX ||
		int64_parse(slice_of_str(colon + 1), 1, PORT_MAX, &port, NULL) != RC_OK)
		return err_set(err, RC_INVALID, "proxy: want host:port");
	memcpy(host, from, len);
	host[len] = '\0';
	*port_r = (uint16_t)port;
	return RC_OK;
}

static void copy_phrase(struct slice head, char phrase[static PHRASE_BYTES_MAX + 1])
{
	size_t len = 0;

	for (size_t i = 9;
						i < head.len && len < PHRASE_BYTES_MAX && head.ptr[i] >= ' ' && head.ptr[i] < 0x7F; i++)
		phrase[len++] = (char)head.ptr[i];
	phrase[len] = '\0';
}

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

enum rc h2_tunnel_read_reply(struct slice head, struct err *err)
{
	char phrase[PHRASE_BYTES_MAX + 1];

	if (head.len < 13 || !slice_has_prefix(head, "HTTP/1.") || head.ptr[8] != ' ' ||
		!is_digit(head.ptr[9]) || !is_digit(head.ptr[10]) || !is_digit(head.ptr[11]) ||
		is_digit(head.ptr[12]))
		return err_set(err, RC_INVALID, "proxy: its answer is not HTTP");
	if (head.ptr[9] == '2')
		return RC_OK;
	copy_phrase(head, phrase);
	return err_set(err, RC_DENIED, "proxy: answers %s", phrase);
}

/* --- bytes */

static void tell(struct h2_tunnel *tunnel, const char *why)
{
	net_watch_free(&tunnel->watch);
	tunnel->done(tunnel->ctx, why); /* may free the tunnel */
}

static bool is_for_later(int saved_errno)
{
	return saved_errno == EAGAIN || saved_errno == EINTR;
}

/* NULL: no fault. */
static const char *send_request(struct h2_tunnel *tunnel)
{
	ssize_t sent = send(tunnel->fd, tunnel->request + tunnel->request_at,
		tunnel->request_len - tunnel->request_at, MSG_NOSIGNAL);

	if (sent < 0)
		return is_for_later(errno) ? NULL : "proxy: hung up";
	tunnel->request_at += (size_t)sent;
	if (tunnel->request_at == tunnel->request_len &&
		net_watch_set(tunnel->watch, NET_READABLE) != RC_OK)
		return "proxy: out of memory";
	return NULL;
}

/*
 * The whole head must be there, and nothing behind it: a TLS server is silent until it is spoken to. True: there is
 * a verdict, NULL in *why_r if it is a good one.
 */
static bool judge(struct h2_tunnel *tunnel, const char **why_r, struct err *err)
{
	const char *end = memmem(tunnel->reply, tunnel->reply_len, "\r\n\r\n", 4);

	*why_r = NULL;
	if (end == NULL && tunnel->reply_len < sizeof(tunnel->reply))
		return false;
	if (end == NULL)
		*why_r = "proxy: its answer is too long";
	else if (h2_tunnel_read_reply(slice_of(tunnel->reply, (size_t)(end - tunnel->reply) + 4), err) !=
		RC_OK)
		*why_r = err->text;
	else if (end + 4 != tunnel->reply + tunnel->reply_len)
		*why_r = "proxy: sends more than its answer";
	return true;
}

/* True: there is a verdict. */
static bool read_reply(struct h2_tunnel *tunnel, const char **why_r, struct err *err)
{
	ssize_t got =
		recv(tunnel->fd, tunnel->reply + tunnel->reply_len, sizeof(tunnel->reply) - tunnel->reply_len, 0);

	*why_r = NULL;
	if (got < 0 && is_for_later(errno))
		return false;
	if (got <= 0) {
		*why_r = "proxy: hung up";
		return true;
	}
	tunnel->reply_len += (size_t)got;
	return judge(tunnel, why_r, err);
}

static void on_ready(void *ctx, unsigned ready)
{
	struct h2_tunnel *tunnel = ctx;
	struct err err;
	const char *why;

	if (tunnel->request_at < tunnel->request_len) {
		why = ready & NET_WRITABLE ? send_request(tunnel) : NULL;
		if (why != NULL)
			tell(tunnel, why);
		return;
	}
	if (read_reply(tunnel, &why, &err))
		tell(tunnel, why);
}

/* --- birth and death */

static void write_request(struct h2_tunnel *tunnel, const char *host, uint16_t port)
{
	bool is_v6 = strchr(host, ':') != NULL;
	char authority[RESOLVER_HOST_BYTES_MAX + 16];
	int len;

	(void)snprintf(authority, sizeof(authority), "%s%s%s:%u", is_v6 ? "[" : "", host, is_v6 ? "]" : "",
		port);
	len = snprintf(tunnel->request, sizeof(tunnel->request), "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n",
		authority, authority);
	tunnel->request_len = (size_t)len;
}

enum rc h2_tunnel_start(const struct h2_tunnel_params *params, struct h2_tunnel **tunnel_r,
	struct err *err)
{
	AUTO(h2_tunnel_free) struct h2_tunnel *tunnel = calloc(1, sizeof(*tunnel));

	*tunnel_r = NULL;
	if (tunnel == NULL)
		return err_set(err, RC_NO_MEMORY, "proxy: out of memory");
	tunnel->fd = params->fd;
	tunnel->done = params->done;
	tunnel->ctx = params->ctx;
	write_request(tunnel, params->host, params->port);
	if (net_watch_new(params->loop, params->fd, on_ready, tunnel, &tunnel->watch) != RC_OK ||
		net_watch_set(tunnel->watch, NET_WRITABLE) != RC_OK)
		return err_set(err, RC_NO_MEMORY, "proxy: out of memory");
	*tunnel_r = tunnel;
	tunnel = NULL; /* moved to the caller */
	return RC_OK;
}

void h2_tunnel_free(struct h2_tunnel **tunnel)
{
	struct h2_tunnel *gone = *tunnel;

	if (gone == NULL)
		return;
	*tunnel = NULL;
	net_watch_free(&gone->watch);
	free(gone);
}
