/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "ca.h"
#include "options.h"
#include "pomona/base/clock.h"
#include "run.h"

static enum rc make_ca(const struct options *options, struct err *err)
{
	enum rc rc = ca_create(options->dir, clock_unix_s(clock_system()), err);

	if (rc == RC_EXISTS) {
		(void)printf("%s; nothing changed\n", err->text);
		return RC_OK;
	}
	if (rc == RC_OK)
		(void)printf("made %s/ca.pem; let the server trust it: pomonactl ca add %s/ca.pem\n",
			options->dir, options->dir);
	return rc;
}

static enum rc print_help(const struct options *options, struct err *err)
{
	(void)options;
	(void)err;
	options_print_help(stdout);
	return RC_OK;
}

int main(int argc, char **argv)
{
	static enum rc (*const verbs[])(const struct options *options, struct err *err) = {
		[VERB_HELP] = print_help,
		[VERB_CA] = make_ca,
		[VERB_RUN] = run_fleet,
	};
	struct options options;
	struct err err = {0};

	if (options_parse(argc, argv, &options, &err) != RC_OK) {
		(void)fprintf(stderr, "pomona-sim: %s\n", err.text);
		return EX_USAGE;
	}
	if (verbs[options.verb](&options, &err) != RC_OK) {
		(void)fprintf(stderr, "pomona-sim: %s\n", err.text);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
