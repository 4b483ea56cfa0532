/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_FAULT_H
#define POMONA_SIM_FAULT_H

/*
 * `pomona-sim fault`: one line to the control socket of a running simulator, and its answer.
 * Threading: any thread; it blocks.
 */

#include "options.h"
#include "pomona/base/buf.h"

/* Appends the line that these words stand for, see control.h. RC_INVALID. */
enum rc fault_line(const char *const *words, size_t count, struct buf *out, struct err *err)
	MUST_USE;
enum rc send_fault(const struct options *options, struct err *err) MUST_USE;

#endif
