/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_SESSION_ENROLL_H
#define POMONA_SIM_SESSION_ENROLL_H

/*
 * The parts of a session in which the device gets an identity: its first, or that of a renewed enrollment profile. For
 * session.c.
 * Threading: the loop's thread.
 */

#include "session.h"

/* The device is as after an erase; it has an identity at once only where that is the simulator's to give. */
enum rc session_reset_device(struct session *session, struct err *err) MUST_USE;
/* The device was told to install an enrollment profile, and the result is made: it is held back. */
void session_hold_result(struct session *session, const struct answer *answer);
/* It has to get an identity before it can say anything. */
bool session_must_enroll(const struct session *session);
/*
 * Does so, and calls `after` when that has ended, later: RC_OK where the device has another identity now. Of a renewal the
 * result can be sent then, whatever came of it.
 */
void session_enroll(struct session *session, void (*after)(struct session *session, enum rc rc));
/* The server asks the device's user to log in once more; `after` as above, where RC_OK stands for another token. */
void session_log_in(struct session *session, const char *challenge,
	void (*after)(struct session *session, enum rc rc));
/* The server did not take the renewed device at its check-in: the old identity is back, and the result says so. */
void session_undo_renewal(struct session *session);

#endif
