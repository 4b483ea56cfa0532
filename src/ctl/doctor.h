/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_CTL_DOCTOR_H
#define POMONA_CTL_DOCTOR_H

/*
 * `pomonactl doctor`: findings, each with what to do. Threading: one thread.
 */

#include "ctl.h"
#include "pomona/config/config.h"

enum { FINDINGS_MAX = 128, FINDING_TEXT_BYTES = 600, FINDING_WHAT_BYTES = 48 };

enum finding_level { FINDING_OK, FINDING_WARNING, FINDING_FAULT };

struct finding {
	enum finding_level level;
	char what[FINDING_WHAT_BYTES];   /* "disk" */
	char text[FINDING_TEXT_BYTES];   /* how it is */
	char advice[FINDING_TEXT_BYTES]; /* "" where it is well */
};

struct doctor {
	const struct ctl *ctl;
	struct config *config;    /* owned; NULL: it cannot be read, or the server is elsewhere */
	struct finding *findings; /* owned */
	size_t count;
	size_t left_out;          /* past FINDINGS_MAX */
	enum finding_level worst; /* of those too */
};

/* The advice of one that is well is left out. Past FINDINGS_MAX they are only counted and weighed. */
void doctor_find(struct doctor *doctor, enum finding_level level, const char *what,
	const char *advice, const char *format, ...) PRINTF_LIKE(5, 6);
/* On ctl->out, in the form that is asked for. */
void doctor_print(const struct doctor *doctor);
/* How long a certificate still lasts. */
void doctor_find_end(struct doctor *doctor, const char *what, const char *subject,
	int64_t not_after, const char *advice);

/* What the conf names on this machine. */
void doctor_look_at_files(struct doctor *doctor);
/* Who can reach the admin socket. */
void doctor_look_at_socket(struct doctor *doctor);
/* What the daemon says of itself; and where it does not answer, its database. */
void doctor_look_at_server(struct doctor *doctor);
/* Whether a connection to the push server, or to the proxy on the way to it, comes about. */
void doctor_look_at_push(struct doctor *doctor);

#endif
