/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_RUN_H
#define POMONA_SIM_RUN_H

/*
 * `pomona-sim run`: the fleet, the report every second, and the end.
 * Threading: the main thread.
 */

#include "options.h"

enum { RUN_ONCE_BOUND_S = 120 };

/* RC_OK when it ended as it should; else `err` says what is missing. */
enum rc run_fleet(const struct options *options, struct err *err) MUST_USE;

#endif
