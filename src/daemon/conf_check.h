/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_DAEMON_CONF_CHECK_H
#define POMONA_DAEMON_CONF_CHECK_H

/*
 * `pomonad -t`: is the conf sound, and are the files that it names? Touches no state. Threading:
 * main.
 */

#include "pomona/config/config.h"

enum { CONF_FAULTS_BYTES_MAX = 1048576 };

/*
 * Appends a line a fault to `faults`; the code of the first, RC_OK when there is none. What is no fault but wants a
 * person (a TLS certificate that has ended) is a line with "warning: " in it.
 */
enum rc conf_check(const char *path, struct buf *faults) MUST_USE;

#endif
