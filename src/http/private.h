/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_HTTP_PRIVATE_H
#define POMONA_HTTP_PRIVATE_H

/*
 * What the files of http/ know of each other. Threading: a connection and its request belong to one worker
 * of libmicrohttpd; between http_defer() and http_resume() the request belongs to whoever it was handed to.
 */

#include <microhttpd.h>
#include <stdatomic.h>

#include "pomona/base/log.h"
#include "pomona/http/http.h"
#include "away.h"
#include "bodies.h"
#include "deadline.h"
#include "gate.h"
#include "handshake.h"
#include "route.h"
#include "tls.h"

enum {
	CONTENT_TYPE_BYTES = 128,
	BODY_FIRST_BYTES =
		65536, /* the most that a declared length reserves before a byte of it has come */
	REFUSED_BODY_BYTES = 65536, /* a body that nobody wants is read so far, to keep the connection */
	POOL_MORE_BYTES = 8192,     /* of a pool, beside the head: its table, the reply's head */
	BACKLOG = 4096,
	REFUSALS_MAX = 16, /* in a row, then a device's connection ends; a stranger's at the first */
	STRANGER_REQUESTS_MAX = 16, /* then it ends as well */
};

enum request_phase {
	REQUEST_HEAD,     /* the request line is read */
	REQUEST_BODY,     /* the head is judged, the body arrives */
	REQUEST_HANDLING, /* a handler has it, or it waits for its reply to be sent */
	REQUEST_DEFERRED, /* another thread has it */
};

struct reply {
	bool is_given;
	bool is_cut; /* memory was short for a header: better no reply than one without it */
	unsigned status;
	char content_type[CONTENT_TYPE_BYTES];
	struct buf body;
	bool is_file; /* its body is the file instead */
	int fd;       /* owned */
	uint64_t file_bytes;
	size_t header_count;
	struct {
		const char *name; /* in the request's arena */
		const char *value;
	} headers[HTTP_REPLY_HEADERS_MAX];
};

struct http_request {
	struct connection *connection;
	enum request_phase phase;
	bool is_chunked;
	bool is_cut_off;    /* answered while its body is still under way, which ends the connection */
	bool is_counted;    /* in listener->requests_now */
	bool shows_device;  /* it shows a good identity */
	enum sender sender; /* as it was when the head was judged; its body counts so */
	unsigned refused; /* the status that http/ itself will answer once the body has gone by; 0: none */
	const char *refused_text;
	bool is_query_broken;     /* not all of it could be decoded */
	const char *method;       /* these two: libmicrohttpd's, for the request's life */
	const char *path;         /* not decoded */
	struct route_match match; /* its values decoded, in the arena */
	const char *raw_query;    /* not decoded, in the arena; NULL: none */
	struct slice query;       /* name NUL value NUL ..., decoded; in the arena */
	int64_t started_us;
	struct arena *arena; /* made when first asked for */
	const char *content_type;
	struct buf body;
	size_t body_max;
	size_t body_seen;
	uint64_t body_declared; /* 0 where chunked */
	size_t drain_max;
	char id[HTTP_REQUEST_ID_BYTES];
	struct reply reply;
};

struct connection {
	struct http_listener *listener;
	struct MHD_Connection *mhd;
	struct tls_material *tls;   /* a reference; NULL on a plain listener */
	struct handshake handshake; /* all zero on a plain listener */
	struct deadline deadline;
	size_t cell; /* of the gate */
	bool is_in_gate;
	bool is_from_known; /* a device was accepted at its address lately, when it began */
	bool is_accepted;   /* one is on this connection */
	bool is_from_proxy;
	unsigned refusals; /* in a row */
	unsigned requests; /* that were answered while nobody was accepted */
	int fd;
	void *state;
	void (*state_free)(void *state);
	char peer[HTTP_ADDRESS_BYTES];
	struct http_request request; /* HTTP/1.1: one at a time */
};

struct http_listener {
	atomic_int_fast64_t limit_log_next_us; /* of descriptors_exhausted */
	struct http_listener_params params;    /* its strings and routes: see copies below */
	struct MHD_Daemon *daemon;
	struct route_table *routes;
	struct tls *tls;                   /* NULL: plain */
	struct handshake_waiters *waiters; /* NULL: plain */
	struct gate *gate;                 /* NULL: no limits */
	struct networks proxies;
	struct deadlines *deadlines;
	struct away away;
	char *name;
	char *unix_path; /* of a socket file that is ours to remove */
	bool is_unix;
	int deaf_fd; /* what takes the place of a socket that was passed, when we stop; -1: none was */
	uint16_t port;
	uint64_t id_start;
	atomic_uint_fast64_t id_next;
	atomic_size_t requests_now;
	atomic_size_t deferred; /* suspended, or http_resume() has not returned yet */
	struct bodies bodies;
	atomic_bool is_quiescing;
	atomic_uint_fast64_t connections_now;
	atomic_uint_fast64_t connections_total;
	atomic_uint_fast64_t requests_total;
	atomic_uint_fast64_t replies_by_class[6];
};

/* connection.c: what libmicrohttpd calls; `cls` is the listener. */
enum MHD_Result connection_is_welcome(void *cls, const struct sockaddr *address,
	socklen_t address_len);
void connection_notify(void *cls, struct MHD_Connection *mhd, void **state,
	enum MHD_ConnectionNotificationCode code);
void *connection_request_line(void *cls, const char *target, struct MHD_Connection *mhd);
enum MHD_Result connection_serve(void *cls, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *data, size_t *data_len, void **state);
void connection_request_done(void *cls, struct MHD_Connection *mhd, void **state,
	enum MHD_RequestTerminationCode code);

/* The deadline of a connection is over, and it is cut off. */
void connection_is_late(struct deadline *deadline, enum http_away reason);

/* request.c */
/*
 * The request line has come, in libmicrohttpd's buffer, and it is about to take the query apart. It must not:
 * 0.9.75 crashes where the arguments are more than its pool holds, and it turns `+` into a space. So the query
 * is parsed here and cut off `target`.
 */
void request_begin(struct http_request *request, struct connection *connection, char *target);
/* Gives back what came in: body, arena, reply that was not sent. */
void request_release(struct http_request *request);
/* The request is over, answered or not. Does nothing the second time. */
void request_end(struct http_request *request);
/* It is under way from here until its end. */
void request_count(struct http_request *request);
/* http/ itself will answer so, once the body has gone by. */
void request_refuse(struct http_request *request, unsigned status, const char *text);
/* The head is read: who asks for what, and may it? A fault sets `refused`. */
void request_head(struct http_request *request, const char *path, const char *method);
/* Is it settled what it will be answered, whatever its body says? */
bool request_is_refused(const struct http_request *request);
/* A piece of the body. False: cut the connection off. */
bool request_body_part(struct http_request *request, struct slice part) MUST_USE;

/* framing.c: how the body is delimited, judged more strictly than libmicrohttpd does. */
struct framing {
	bool is_chunked;
	bool expects_continue;
	uint64_t length; /* 0 when chunked */
};
/* False: what RFC 9112 section 6.3 calls an attack. */
bool framing_read(struct MHD_Connection *mhd, struct framing *framing_r);

/* reply.c */
/* Makes the reply that http/ itself gives. */
void reply_error(struct http_request *request, unsigned status, const char *text);
/* Hands the reply to libmicrohttpd, on the worker. */
enum MHD_Result reply_queue(struct http_request *request);
void reply_fini(struct reply *reply);

/* target.c: request targets. */
/* To `out` with a zero behind, of in.len + 1 bytes; false on a broken escape or %00. `+` stays `+`. */
bool target_decode(struct slice in, char *out);
/* "a=1&b" to "a" NUL "1" NUL "b" NUL NUL, decoded; `out` has 2 * strlen(query) + 2 bytes. False: what cannot be decoded
 * was left out. */
bool target_query_parse(const char *query, char *out, size_t *len_r);
/* Where the path begins in "http://host/path"; NULL in none. */
const char *target_path(const char *target);

/* socket.c: listening sockets. */
enum rc socket_listen_tcp(const char *address, int *fd_r, uint16_t *port_r, struct err *err)
	MUST_USE;
enum rc socket_listen_unix(const struct http_listener_params *params, int *fd_r, struct err *err)
	MUST_USE;
/* One that nobody can name. */
enum rc socket_listen_deaf(int *fd_r, struct err *err) MUST_USE;
/* Of a listening socket that was passed to us: is it a Unix socket, and on which TCP port is it else? */
bool socket_passed_is_unix(int fd, uint16_t *port_r);
void socket_peer_text(int fd, const struct sockaddr *address, char out[static HTTP_ADDRESS_BYTES]);
bool socket_is_peer_of(int fd, gid_t gid);
bool socket_peer_uid(int fd, uid_t *uid_r) MUST_USE;

#endif
