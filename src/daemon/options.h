/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_DAEMON_OPTIONS_H
#define POMONA_DAEMON_OPTIONS_H

/*
 * The command line of pomonad. Threading: main.
 */

enum options_verb { OPTIONS_RUN, OPTIONS_TEST, OPTIONS_VERSION, OPTIONS_HELP, OPTIONS_WRONG };

struct options {
	enum options_verb verb;
	const char *conf_path; /* borrowed from argv or constant */
};

struct options options_read(int argc, char **argv);
const char *options_usage(void);

#endif
