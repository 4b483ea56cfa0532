/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_DAEMON_DAEMON_H
#define POMONA_DAEMON_DAEMON_H

/*
 * The whole of pomonad but for its main(), so that a test can build one on other ground (a file
 * system that forgets). Threading: the main thread, before any other was started.
 */

/* Runs until a signal ends it. Returns the exit status, as sysexits(3) has them. */
int daemon_main(int argc, char **argv);

#endif
