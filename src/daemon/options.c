/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <unistd.h>

struct options options_read(int argc, char **argv)
{
	struct options options = {.verb = OPTIONS_RUN, .conf_path = POMONA_CONF_FILE};
	int letter;

	optind = 0; /* glibc: begin from nothing, in the middle of a word too */
	while ((letter = getopt(argc, argv, "c:tVh")) != -1) {
		if (letter == 'c')
			options.conf_path = optarg;
		else if (letter == 't')
			options.verb = OPTIONS_TEST;
		else if (letter == 'V')
			return (struct options){.verb = OPTIONS_VERSION};
		else if (letter == 'h')
			return (struct options){.verb = OPTIONS_HELP};
		else
			return (struct options){.verb = OPTIONS_WRONG};
	}
	if (optind < argc)
		options.verb = OPTIONS_WRONG;
	return options;
}

const char *options_usage(void)
{
	static const char usage[] =
		"usage: pomonad [-c FILE] [-t]\n"
		"  -c FILE  the conf file (" POMONA_CONF_FILE
		")\n"
		"  -t       check the conf file and the files that it names, and end\n"
		"  -V       print the version\n"
		"  -h       print this\n";

	return usage;
}
