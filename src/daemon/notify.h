/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_DAEMON_NOTIFY_H
#define POMONA_DAEMON_NOTIFY_H

/*
 * What the service manager is told (sd_notify(3)); nothing where there is none, or where it was
 * built without libsystemd. Threading: main.
 */

#include <stdint.h>

void notify_ready(void);
void notify_reloading(void);
/* `extend_s`: how much longer than usual the stop may take. */
void notify_stopping(int64_t extend_s);
void notify_watchdog(void);
/* How often the watchdog wants to hear of us, in microseconds; 0: not at all. */
uint64_t notify_watchdog_us(void);

#endif
