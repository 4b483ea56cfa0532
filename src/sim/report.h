/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_REPORT_H
#define POMONA_SIM_REPORT_H

/*
 * What happened since the start, counted, and its line of text or JSON.
 * Threading: one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "answer.h"
#include "apns.h"

enum { REPORT_STATUS_MAX = 600, REPORT_BYTES_MAX = 16384 };

struct report {
	uint64_t polls;                        /* Idle messages */
	uint64_t answers[ANSWER_STATUS_COUNT]; /* results that the server took, by their status */
	uint64_t refused;                      /* replies of 400 to 499 */
	uint64_t unenrolled;                   /* managements that the server ended */
	uint64_t failed;                       /* no reply at all */
	uint64_t statuses[REPORT_STATUS_MAX];  /* replies by HTTP status */
};

struct report_fleet {
	int64_t elapsed_s;
	unsigned devices;
	unsigned enrolled;               /* now */
	const struct apns_stats *pushes; /* NULL: there is no APNs */
};

void report_status(struct report *report, unsigned status);
/* Appends one line without its end. */
void report_write_text(const struct report *report, const struct report_fleet *fleet,
	struct buf *out);
enum rc report_write_json(const struct report *report, const struct report_fleet *fleet,
	struct buf *out, struct err *err) MUST_USE;

#endif
