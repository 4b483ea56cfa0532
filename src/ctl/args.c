/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

const struct option ctl_global_options[] = {
	{"-c", true},
	{"--socket", true},
	{"--url", true},
	{"--token-file", true},
	{"--allow-plain", false},
	{"--ca", true},
	{"--json", false},
	{"--help", false},
	{"-h", false},
};
const size_t ctl_global_option_count = COUNT_OF(ctl_global_options);

static const struct option *find(const struct option *options, size_t count, struct slice name)
{
	for (size_t i = 0; i < count; i++)
		if (slice_is_str(name, options[i].name))
			return &options[i];
	return NULL;
}

static const struct option *find_option(const struct command *command, struct slice name)
{
	static const struct option key = {"--Key", true};
	const struct option *option = NULL;

	if (command != NULL)
		option = find(command->options, command->option_count, name);
	if (option == NULL)
		option = find(ctl_global_options, ctl_global_option_count, name);
	if (option == NULL && command != NULL && command->has_keys && name.len > 2 && name.ptr[2] >= 'A' &&
		name.ptr[2] <= 'Z')
		option = &key;
	return option;
}

/* "--name=value" as well as "--name value"; moves *index past a value that is a word of its own. */
static enum rc take_option(const struct command *command, int argc, char *const *argv, int *index,
	struct args *args, struct err *err)
{
	const char *word = argv[*index];
	const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;
	const size_t name_len = equals != NULL ? (size_t)(equals - word) : strlen(word);
	const struct option *option = find_option(command, slice_of(word, name_len));
	struct arg_option *taken = &args->options[args->option_count];

	if (option == NULL)
		return err_set(err, RC_INVALID, "unknown option %.*s", (int)name_len, word);
	if (!option->has_value && equals != NULL)
		return err_set(err, RC_INVALID, "%s takes no value", option->name);
	taken->name = option->name;
	taken->value = "";
	if (option->has_value && equals != NULL) {
		taken->value = equals + 1;
	} else if (option->has_value) {
		if (*index + 1 >= argc)
			return err_set(err, RC_INVALID, "%s wants a value", word);
		taken->value = argv[++*index];
	}
	if (find(ctl_global_options, ctl_global_option_count, slice_of_str(option->name)) == NULL &&
		command->has_keys &&
		find(command->options, command->option_count, slice_of(word, name_len)) == NULL)
		taken->name = word; /* the key itself, perhaps with "=value" behind */
	args->option_count++;
	return RC_OK;
}

static enum rc check_count(const struct command *command, size_t count, struct err *err)
{
	if (command == NULL || (count >= command->words_min && count <= command->words_max))
		return RC_OK;
	return err_set(err, RC_INVALID, "%s",
		count < command->words_min ? "too few words" : "too many words");
}

enum rc args_parse(const struct command *command, int argc, char *const *argv, struct args *args_r,
	struct err *err)
{
	bool is_over = false; /* behind "--" */
	enum rc rc = RC_OK;

	*args_r = (struct args){.words = NULL};
	if (argc > ARGS_MAX)
		return err_set(err, RC_LIMIT, "more than %d words", ARGS_MAX);
	args_r->words = calloc((size_t)argc + 1, sizeof(*args_r->words));
	args_r->options = calloc((size_t)argc + 1, sizeof(*args_r->options));
	if (args_r->words == NULL || args_r->options == NULL)
		return err_set(err, RC_NO_MEMORY, "too little memory");
	for (int i = 0; rc == RC_OK && i < argc; i++) {
		if (!is_over && strcmp(argv[i], "--") == 0)
			is_over = true;
		else if (!is_over && argv[i][0] == '-' && argv[i][1] != '\0')
			rc = take_option(command, argc, argv, &i, args_r, err);
		else
			args_r->words[args_r->word_count++] = argv[i];
	}
	if (rc == RC_OK && args_get(args_r, "--help") == NULL && args_get(args_r, "-h") == NULL)
		rc = check_count(command, args_r->word_count, err);
	return rc;
}

const char *args_get(const struct args *args, const char *name)
{
	for (size_t i = args->option_count; i > 0; i--)
		if (slice_is_str(slice_of_str(args->options[i - 1].name), name))
			return args->options[i - 1].value;
	return NULL;
}

void args_fini(struct args *args)
{
	free(args->words);
	free(args->options);
	*args = (struct args){.words = NULL};
}
