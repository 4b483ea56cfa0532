/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_CONTROL_SOCKET_H
#define POMONA_SIM_CONTROL_SOCKET_H

/*
 * The Unix stream socket over which control.h is spoken. Only its owner may connect.
 * Threading: the loop's thread; control_ask() blocks and needs no loop.
 */

#include "control.h"
#include "pomona/net/net.h"

enum { CONTROL_CLIENTS_MAX = 32 }; /* at a time; further ones wait */

struct control_socket;

/* An old socket at `path` that nobody listens on is replaced. `control` is copied. */
enum rc control_socket_open(struct net_loop *loop, const struct control *control, const char *path,
	struct control_socket **socket_r, struct err *err) MUST_USE;
/* And removes it. */
void control_socket_close(struct control_socket **socket);

/* Sends one line and appends the line that comes back, both without their ends. */
enum rc control_ask(const char *path, struct slice line, struct buf *answer, struct err *err)
	MUST_USE;

#endif
