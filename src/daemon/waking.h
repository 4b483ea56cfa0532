/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_DAEMON_WAKING_H
#define POMONA_DAEMON_WAKING_H

/*
 * The outbound loop with its thread, and the waking of devices that runs on it: stages of the
 * server's start and stop, in this order, and in the reverse one. A stop may be called for what did
 * not start. Threading: main.
 */

#include "pomona/config/config.h"
#include "pomona/push/push.h"
#include "server.h"

/* What of the conf waking is given, and may be given anew while it runs. */
struct push_settings waking_settings(const struct config *config);

enum rc waking_open_loop(struct server *server, struct err *err) MUST_USE;
void waking_close_loop(struct server *server);
/* The conf's part of waking, made while the loop does not run yet. */
enum rc waking_open_push(struct server *server, struct err *err) MUST_USE;
void waking_close_push(struct server *server);
enum rc waking_start_loop(struct server *server, struct err *err) MUST_USE;
void waking_stop_loop(struct server *server);
/* With the writer: looks for work from here on. */
enum rc waking_start_push(struct server *server, struct err *err) MUST_USE;
/* Returns when the outcomes of what was pushed are written. */
void waking_stop_push(struct server *server);

#endif
