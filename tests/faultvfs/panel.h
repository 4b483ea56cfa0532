/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_PANEL_H
#define POMONA_TESTS_PANEL_H

/*
 * Switches that a test turns while the daemon runs: a file in the memory of both, POMONA_TEST_PANEL=FILE, which
 * the test makes (tests/e2e/harness/panel.py knows its layout). Without it nothing ever fails.
 * Threading: any thread.
 */

#include <stdatomic.h>
#include <stdint.h>

enum panel_file { PANEL_DATABASE, PANEL_LOG, PANEL_OTHER, PANEL_FILES };
enum panel_op { PANEL_READ, PANEL_WRITE, PANEL_SYNC, PANEL_OPEN, PANEL_OPS };

struct panel {
	atomic_int sqlite_rc[PANEL_FILES][PANEL_OPS]; /* what each such call fails with; 0: it does not */
	atomic_uint hits[PANEL_FILES][PANEL_OPS];     /* calls that failed so */
	atomic_uint sync_ms;                          /* how much longer each sync takes */
	atomic_uint syncs;                            /* that were made longer */
	atomic_llong clock_offset_s;                  /* of the wall clock, never of the monotonic one */
	atomic_llong memory_every; /* each so-manieth request for memory fails; 0: none */
	atomic_llong memory_hits;
};

/* All zero where there is no file. */
struct panel *panel(void);
/* What the call is to fail with, or 0. */
int panel_fault(enum panel_file file, enum panel_op op);
void panel_slow_sync(void);

#endif
