/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_BASE_LOG_LIMIT_H
#define POMONA_BASE_LOG_LIMIT_H

/*
 * How many lines of a sort the log takes in a minute, so that a hostile client cannot fill the
 * journal. What is left out is counted. Threading: any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOG_LIMIT_LINES = 20, LOG_LIMIT_WINDOW_US = 60 * 1000 * 1000 };

struct log_limit;

/* NULL when memory is short. */
struct log_limit *log_limit_new(size_t slot_count);
/* May a line of `slot` be written now? */
bool log_limit_take(struct log_limit *limit, size_t slot, int64_t now_us);
/* How many lines of `slot` were left out in a minute that is over; forgets them. */
uint64_t log_limit_hidden(struct log_limit *limit, size_t slot, int64_t now_us);
void log_limit_free(struct log_limit **limit);

#endif
