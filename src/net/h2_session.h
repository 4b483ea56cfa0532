/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_NET_H2_SESSION_H
#define POMONA_NET_H2_SESSION_H

/*
 * HTTP/2 below TLS: the peer's bytes go in, bytes for the peer come out. It knows no socket and calls nobody but the
 * requests' `done`, from h2_session_hand_back() alone; so nothing of ours runs inside nghttp2's callbacks.
 * Threading: the loop's thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/net/h2.h"

struct h2_session;

/* Frames that wait for a peer that does not read: those of each stream, and answers; past it the connection is over. */
enum { H2_SESSION_FRAMES_WAITING_MAX = 4 * H2_STREAMS_MAX };

/* The last GOAWAY that said something. */
struct h2_goaway {
	bool has_come;
	uint32_t error_code;
	size_t len;
	uint8_t debug[H2_GOAWAY_BYTES_MAX];
};

/* Copies the names. RC_INVALID: one is empty or longer than H2_KEPT_BYTES_MAX. */
enum rc h2_session_new(const char *const kept[static H2_KEPT_MAX], struct h2_session **session_r,
	struct err *err) MUST_USE;
/* What the peer sent. Not RC_OK: the connection is over. */
enum rc h2_session_take(struct h2_session *session, struct slice bytes, struct err *err) MUST_USE;
/* The next bytes for the peer, borrowed until the next call of it; empty: none. */
enum rc h2_session_give(struct h2_session *session, struct slice *bytes_r, struct err *err)
	MUST_USE;

enum rc h2_session_request(struct h2_session *session, struct h2_request *request, struct err *err)
	MUST_USE;
uint32_t h2_session_room(const struct h2_session *session);
/* Those that were not handed back. */
uint32_t h2_session_in_flight(const struct h2_session *session);
bool h2_session_has_finished(const struct h2_session *session);
/* Calls `done` of each request whose fate is known, until h2_session_hush(). */
void h2_session_hand_back(struct h2_session *session);
void h2_session_hush(struct h2_session *session);
/* The connection is lost: the fate of all that are open is known now. */
void h2_session_abandon(struct h2_session *session);

/* No more requests. */
void h2_session_retire(struct h2_session *session);
/* No more than `requests_max` over its life; then it retires itself. H2_REQUESTS_MAX at first. */
void h2_session_set_requests_max(struct h2_session *session, uint32_t requests_max);
bool h2_session_is_retired(const struct h2_session *session);
/* Says goodbye: GOAWAY, and nothing else any more. */
enum rc h2_session_part(struct h2_session *session) MUST_USE;
enum rc h2_session_ping(struct h2_session *session) MUST_USE;

/* The peer's first SETTINGS have come. */
bool h2_session_is_open(const struct h2_session *session);
/* How often a PING of ours was answered. */
uint64_t h2_session_pongs(const struct h2_session *session);
const struct h2_goaway *h2_session_goaway(const struct h2_session *session);
/* RC_INVALID: the peer broke the protocol, and nghttp2 gave it up; RC_NO_MEMORY; why, borrowed. */
enum rc h2_session_fault(const struct h2_session *session, const char **text_r);
/* Fills what it knows of. */
void h2_session_stats(const struct h2_session *session, struct h2_stats *stats_r);
void h2_session_free(struct h2_session **session);

#endif
