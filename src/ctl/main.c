/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <string.h>

#include "ctl.h"
#include "pomona/base/clock.h"
#include "pomona/base/log.h"

static const char *or_default(const char *value, const char *fallback)
{
	return value != NULL ? value : fallback;
}

/* Options may stand before the command and behind it; the latter win. */
static void take_globals(struct ctl *ctl, const struct args *args)
{
	ctl->conf = or_default(args_get(args, "-c"), ctl->conf);
	ctl->socket = or_default(args_get(args, "--socket"), ctl->socket);
	ctl->url = or_default(args_get(args, "--url"), ctl->url);
	ctl->token_file = or_default(args_get(args, "--token-file"), ctl->token_file);
	ctl->ca_file = or_default(args_get(args, "--ca"), ctl->ca_file);
	ctl->is_plain_allowed = ctl->is_plain_allowed || args_get(args, "--allow-plain") != NULL;
	ctl->is_json = ctl->is_json || args_get(args, "--json") != NULL;
}

static bool wants_help(const struct args *args)
{
	return args_get(args, "--help") != NULL || args_get(args, "-h") != NULL;
}

/* How many words at the beginning are options and their values. */
static int count_leading_options(int argc, char *const *argv)
{
	int i = 0;

	while (i < argc && argv[i][0] == '-') {
		bool has_value = false;

		for (size_t k = 0; k < ctl_global_option_count; k++)
			if (strcmp(argv[i], ctl_global_options[k].name) == 0)
				has_value = ctl_global_options[k].has_value;
		i += has_value ? 2 : 1;
	}
	return i < argc ? i : argc;
}

static int run_command(struct ctl *ctl, const struct command *command, int argc, char *const *argv)
{
	struct err err = {.rc = RC_OK};
	struct args args;
	int status;

	if (args_parse(command, argc, argv, &args, &err) != RC_OK) {
		status = ctl_usage(ctl, "%s", err.text);
		commands_print_usage(command, ctl->err);
	} else if (wants_help(&args)) {
		commands_print_usage(command, ctl->out);
		status = 0;
	} else {
		take_globals(ctl, &args);
		status = command->run(ctl, &args);
	}
	args_fini(&args);
	return status;
}

static int run_leading(struct ctl *ctl, int argc, char *const *argv, bool *is_help)
{
	struct err err = {.rc = RC_OK};
	struct args args;
	enum rc rc = args_parse(NULL, argc, argv, &args, &err);

	if (rc == RC_OK)
		take_globals(ctl, &args);
	*is_help = rc == RC_OK && wants_help(&args);
	args_fini(&args);
	return rc == RC_OK ? 0 : ctl_usage(ctl, "%s", err.text);
}

/* The first word of several commands, without the second. */
static int tell_group(const struct ctl *ctl, const char *name, const char *next)
{
	int status;

	if (next != NULL && (strcmp(next, "--help") == 0 || strcmp(next, "-h") == 0)) {
		commands_print_group(name, ctl->out);
		return 0;
	}
	status = ctl_usage(ctl, "what of %s?", name);
	commands_print_group(name, ctl->err);
	return status;
}

static int dispatch(struct ctl *ctl, int argc, char *const *argv)
{
	const int leading = count_leading_options(argc, argv);
	const struct command *command;
	bool is_help;
	int used = 0;
	int status = run_leading(ctl, leading, argv, &is_help);

	if (status != 0)
		return status;
	if (is_help)
		return cmd_help(ctl, NULL);
	argc -= leading;
	argv += leading;
	if (argc == 0)
		return ctl_usage(ctl, "a command is wanted");
	command = commands_find(argc, argv, &used);
	if (command != NULL)
		return run_command(ctl, command, argc - used, argv + used);
	if (commands_is_group(argv[0]))
		return tell_group(ctl, argv[0], argc > 1 ? argv[1] : NULL);
	return ctl_usage(ctl, "unknown command %s", argv[0]);
}

int main(int argc, char **argv)
{
	struct ctl ctl = {
		.program = argv[0],
		.conf = CTL_CONF_DEFAULT,
		.out = stdout,
		.err = stderr,
		.now = clock_unix_s(clock_system()),
	};
	int status;

	(void)signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_LEVEL_WARNING);
	status = dispatch(&ctl, argc - 1, argv + 1);
	if (fflush(stdout) != 0 && status == 0)
		status = ctl_fail(&ctl, EX_IOERR, "the output cannot be written");
	return status;
}
