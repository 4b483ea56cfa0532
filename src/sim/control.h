/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_CONTROL_H
#define POMONA_SIM_CONTROL_H

/*
 * What one can ask of a running APNs and tell it, one JSON object a line:
 *
 *	{"do": "stats"}
 *	{"do": "pushes", "after": SEQ, "limit": N}
 *	{"do": "set", "faults": {...}}: replaces all faults, see apns_fault.h
 *	{"do": "goaway", "last_stream": "all"|"none", "reason": TEXT}
 *	{"do": "reset"}: cuts all connections
 *	{"do": "token", "token": HEX, "status": 410, "reason": TEXT, "timestamp_ms": N}: a token's own answer; status
 *	200 takes it back
 *
 * The answer is one object, too: {"error": TEXT} where something is wrong with the question.
 * Threading: the loop's thread.
 */

#include "apns.h"

enum {
	CONTROL_LINE_BYTES_MAX = 65536,
	CONTROL_PUSHES_DEFAULT = 1000,
	CONTROL_PUSHES_MAX = 10000,
	CONTROL_ANSWER_BYTES_MAX = 64 * 1024 * 1024,
};

/* What is done to the connections. Any may be NULL: then there are none. */
struct control_deeds {
	void (*go_away)(void *ctx, bool is_all, const char *reason);
	void (*reset)(void *ctx);
	void (*settle)(void *ctx); /* the faults are others now */
	void *ctx;
};

struct control {
	struct apns *apns;
	struct control_deeds deeds;
};

/* Appends the answer to one line, with its end. */
void control_answer(const struct control *control, struct slice line, struct buf *out);

#endif
