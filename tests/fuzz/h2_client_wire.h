/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_FUZZ_H2_CLIENT_WIRE_H
#define POMONA_TESTS_FUZZ_H2_CLIENT_WIRE_H

/*
 * What the HTTP/2 client stands on, without a kernel: dial, TLS, watch and timers of the room's own headers, defined
 * anew, so that the linker takes these and leaves those of the library. The server is a string of bytes. There is one
 * wire, and no clock: a timer is due when nothing else can happen. Threading: one thread.
 */

#include "net/h2_dial.h"
#include "net/h2_tls.h"

enum { WIRE_PIECE_FRAME = 0, WIRE_PIECE_ALL = 255 };

struct wire {
	struct slice in;             /* what the server sends */
	size_t tail_at;              /* from there on it is sent again */
	unsigned tails;              /* so often */
	size_t piece;                /* bytes of one read, or one of the two */
	size_t drain;                /* bytes that one write takes; 0: any number */
	enum h2_tls_result farewell; /* H2_TLS_AGAIN: silence */
	bool is_burst;               /* TLS has read ahead */
	bool is_full;                /* the socket takes no byte */
	bool is_cut;                 /* writing fails */
	bool is_deaf;                /* nor ever will, after the handshake */

	size_t at, reads, bytes_in, bytes_out;
	uint64_t deeds; /* grows with whatever happens */
};

extern struct wire wire;

/* Forgets the last one; what that left behind is a fault. */
void wire_start(struct wire fresh);
/* Lets the next thing happen; false: nothing ever will by itself. */
bool wire_step(void);
/* Nothing is due before the server speaks, the socket drains or time passes. */
bool wire_is_quiet(void);
/* The longest of the timers is over, if one runs. */
void wire_let_time_pass(void);
/* Aborts if something of the client's is left. */
void wire_stop(void);

#endif
