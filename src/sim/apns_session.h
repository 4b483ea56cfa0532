/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_APNS_SESSION_H
#define POMONA_SIM_APNS_SESSION_H

/*
 * The HTTP/2 of one connection to APNs: bytes in, bytes out, no socket.
 * Threading: one thread at a time.
 */

#include "apns.h"

struct apns_session;

/* apns: borrowed until apns_session_free(). The first SETTINGS are the first bytes that go out. */
enum rc apns_session_new(struct apns *apns, const struct apns_peer *peer, uint64_t connection,
	struct apns_session **session_r, struct err *err) MUST_USE;
void apns_session_free(struct apns_session **session);

/* RC_INVALID: that is no HTTP/2, and the connection is to be closed once what is to go out has gone. */
enum rc apns_session_read(struct apns_session *session, struct slice bytes, struct err *err)
	MUST_USE;
/* The next bytes to go out, borrowed until the next call; empty: none for now. RC_NO_MEMORY. */
enum rc apns_session_write(struct apns_session *session, struct slice *bytes_r) MUST_USE;
/* Nothing more will come or go. */
bool apns_session_is_over(const struct apns_session *session);
/* A fault wants the connection cut now. */
bool apns_session_is_cut(const struct apns_session *session);

/* SETTINGS again, where the faults want others than were sent. */
enum rc apns_session_settle(struct apns_session *session) MUST_USE;
/* GOAWAY: all that has come was taken, or nothing (`is_all` false). `reason` may be "". */
enum rc apns_session_go_away(struct apns_session *session, bool is_all, const char *reason)
	MUST_USE;

#endif
