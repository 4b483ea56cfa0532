/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_HTTP_GATE_H
#define POMONA_HTTP_GATE_H

/*
 * Who may connect: so many at a time and so many a second from one address, and so many a second in all. An
 * IPv6 address counts by its /64, which is one customer's. The addresses share a fixed number of cells by a
 * hash with a secret, so that nobody can make the table grow or aim at another's cell; two addresses that meet
 * in one count together. Threading: any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "pomona/base/err.h"
#include "pomona/http/http.h"

enum { GATE_CELLS = 32768, GATE_KNOWN_S = 7 * 86400 };

/* 0: no such limit. A second's worth may come at once. Every address keeps an even share of half of `per_s`. */
struct gate_limits {
	unsigned connections_per_address;
	unsigned per_s;
	unsigned per_address_per_s;
};

/* The cell of those who stand for many: only what is for all together limits them. */
enum { GATE_CELL_SHARED = GATE_CELLS };

struct gate;

enum rc gate_new(const struct gate_limits *limits, struct gate **gate_r, struct err *err) MUST_USE;
/* False: it is of no family that has addresses (a Unix socket), and nothing limits it. */
bool gate_cell(const struct gate *gate, const struct sockaddr *address, size_t *cell_r);
/* May one more come? HTTP_AWAY_COUNT: yes, and it is taken for a handshake; else why not. */
enum http_away gate_ask(struct gate *gate, size_t cell, int64_t now_us) MUST_USE;
/* A connection is open, and is closed. True: gate_know() was said of its cell in the last GATE_KNOWN_S. */
bool gate_enter(struct gate *gate, size_t cell, int64_t now_us);
void gate_leave(struct gate *gate, size_t cell);
/* A device with a good identity was accepted there. Never of GATE_CELL_SHARED. */
void gate_know(struct gate *gate, size_t cell, int64_t now_us);
void gate_free(struct gate **gate);

#endif
