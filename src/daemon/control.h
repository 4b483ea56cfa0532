/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_DAEMON_CONTROL_H
#define POMONA_DAEMON_CONTROL_H

/*
 * The main thread's loop: signals and timers. Threading: main.
 */

#include <stdint.h>

struct server;

/* Blocks SIGTERM, SIGINT and SIGHUP for all threads to come, ignores SIGPIPE. Gives a descriptor
 * that tells of them, -1 with errno on failure. */
int control_open_signals(void);
/* The number of the next signal; 0 where none came in time. */
int control_wait_signal(int signal_fd, int64_t timeout_ms);
/* Serves timers and reloads until a signal ends it, whose number it returns. */
int control_run(struct server *server);

#endif
