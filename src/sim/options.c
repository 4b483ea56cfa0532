/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <string.h>

#include "pomona/base/codec.h"

enum option_kind { OPTION_TEXT, OPTION_URL, OPTION_COUNT, OPTION_SECONDS, OPTION_FLAG };

struct option {
	const char *name, *value_name, *help;
	enum option_kind kind;
	unsigned verbs; /* bits of 1 << enum verb */
	bool is_required;
	size_t offset;
	int64_t min, max; /* COUNT: as they are; SECONDS: in milliseconds */
};

#define AT(field) offsetof(struct options, field)

enum { FOR_CA = 1 << VERB_CA, FOR_RUN = 1 << VERB_RUN };

static const struct option options[] = {
	{"--dir", "DIR", "the folder of the simulated CA and devices", OPTION_TEXT, FOR_CA | FOR_RUN, true,
		AT(dir), 0, 0},
	{"--url", "URL", "the server's device listener, https://host:port", OPTION_URL, FOR_RUN, true,
		AT(url), 0, 0},
	{"--ca", "FILE", "PEM certificates that the server's must chain to", OPTION_TEXT, FOR_RUN, true,
		AT(ca), 0, 0},
	{"--devices", "N", "how many devices (25)", OPTION_COUNT, FOR_RUN, false, AT(devices), 1,
		DEVICES_MAX},
	{"--interval", "SECONDS", "between two polls of a device, about (10)", OPTION_SECONDS, FOR_RUN,
		false, AT(interval_ms), 10, INTERVAL_S_MAX *INT64_C(1000)},
	{"--notnow", "PERCENT", "of the commands that may be are put off (0)", OPTION_COUNT, FOR_RUN,
		false, AT(notnow_percent), 0, 100},
	{"--error", "PERCENT", "of the commands fail (0)", OPTION_COUNT, FOR_RUN, false, AT(error_percent),
		0, 100},
	{"--seed", "N", "the same seed gives the same fleet (by chance)", OPTION_COUNT, FOR_RUN, false,
		AT(seed), 0, INT64_MAX},
	{"--for", "SECONDS", "end after that time", OPTION_SECONDS, FOR_RUN, false, AT(for_ms), 1,
		FOR_S_MAX *INT64_C(1000)},
	{"--once", NULL, "end when each device is enrolled and has answered a command", OPTION_FLAG,
		FOR_RUN, false, AT(is_once), 0, 0},
	{"--reenroll", NULL, "a device that the server unenrolls enrolls again", OPTION_FLAG, FOR_RUN,
		false, AT(is_reenrolling), 0, 0},
	{"--json", NULL, "report one JSON object a second", OPTION_FLAG, FOR_RUN, false, AT(is_json), 0,
		0},
};

static const struct {
	const char *name;
	enum verb verb;
} verbs[] = {
	{"ca", VERB_CA},
	{"run", VERB_RUN},
	{"help", VERB_HELP},
	{"--help", VERB_HELP},
	{"-h", VERB_HELP},
};

/* Seconds with at most three decimals, to milliseconds. */
static enum rc parse_seconds(struct slice text, const struct option *option, int64_t *ms_r)
{
	int64_t whole = 0, part = 0;
	size_t dot = text.len;
	struct slice decimals;

	(void)slice_find_byte(text, '.', &dot);
	decimals = slice_sub(text, dot + 1, text.len);
	if (int64_parse(slice_sub(text, 0, dot), 0, option->max / 1000, &whole, NULL) != RC_OK)
		return RC_INVALID;
	if (dot < text.len && (decimals.len > 3 || int64_parse(decimals, 0, 999, &part, NULL) != RC_OK))
		return RC_INVALID;
	for (size_t i = decimals.len; i < 3; i++)
		part *= 10;
	*ms_r = whole * 1000 + part;
	return *ms_r < option->min || *ms_r > option->max ? RC_INVALID : RC_OK;
}

static enum rc parse_url(const char *text)
{
	static const char scheme[] = "https://";
	const char *host = text + strlen(scheme);
	size_t host_len;

	if (strncmp(text, scheme, strlen(scheme)) != 0)
		return RC_INVALID;
	host_len = strcspn(host, "/?#@ ");
	if (host_len == 0 || (host[host_len] != 0 && strcmp(host + host_len, "/") != 0))
		return RC_INVALID;
	return RC_OK;
}

static enum rc parse_value(const struct option *option, const char *text, struct options *to,
	struct err *err)
{
	uint8_t *field = (uint8_t *)to + option->offset;
	int64_t number = 0;

	switch (option->kind) {
	case OPTION_FLAG:
		*(bool *)(void *)field = true;
		return RC_OK;
	case OPTION_URL:
		if (parse_url(text) != RC_OK)
			return err_set(err, RC_INVALID, "%s %s: not https://host or https://host:port", option->name,
				text);
		break;
	case OPTION_TEXT:
		if (text[0] == 0)
			return err_set(err, RC_INVALID, "%s: empty", option->name);
		break;
	case OPTION_COUNT:
		if (int64_parse(slice_of_str(text), option->min, option->max, &number, NULL) != RC_OK)
			return err_set(err, RC_INVALID, "%s %s: not a number from %lld to %lld", option->name, text,
				(long long)option->min, (long long)option->max);
		*(int64_t *)(void *)field = number;
		return RC_OK;
	case OPTION_SECONDS:
		if (parse_seconds(slice_of_str(text), option, &number) != RC_OK)
			return err_set(err, RC_INVALID, "%s %s: not seconds from %.3f to %lld", option->name, text,
				(double)option->min / 1000, (long long)option->max / 1000);
		*(int64_t *)(void *)field = number;
		return RC_OK;
	}
	*(const char **)(void *)field = text;
	return RC_OK;
}

static const struct option *option_find(const char *word, size_t name_len, enum verb verb)
{
	for (size_t i = 0; i < COUNT_OF(options); i++)
		if (strlen(options[i].name) == name_len && strncmp(options[i].name, word, name_len) == 0 &&
			(options[i].verbs & 1u << verb) != 0)
			return &options[i];
	return NULL;
}

/* One option with its value, which stands behind `=` or in the next word; *at moves past it. */
static enum rc parse_word(char **argv, int *at, struct options *to, struct err *err)
{
	const char *word = argv[*at];
	size_t name_len = strcspn(word, "=");
	const struct option *option = option_find(word, name_len, to->verb);
	const char *value = word[name_len] == '=' ? word + name_len + 1 : NULL;

	if (option == NULL)
		return err_set(err, RC_INVALID, "%s: no such option (see pomona-sim help)", word);
	(*at)++;
	if (option->kind == OPTION_FLAG && value != NULL)
		return err_set(err, RC_INVALID, "%s: takes no value", option->name);
	if (option->kind != OPTION_FLAG && value == NULL) {
		if (argv[*at] == NULL)
			return err_set(err, RC_INVALID, "%s: needs %s", option->name, option->value_name);
		value = argv[(*at)++];
	}
	return parse_value(option, value, to, err);
}

static enum rc check_required(const struct options *to, struct err *err)
{
	for (size_t i = 0; i < COUNT_OF(options); i++) {
		const uint8_t *field = (const uint8_t *)to + options[i].offset;

		if (options[i].is_required && (options[i].verbs & 1u << to->verb) != 0 &&
			*(const char *const *)(const void *)field == NULL)
			return err_set(err, RC_INVALID, "%s %s: required", options[i].name, options[i].value_name);
	}
	return RC_OK;
}

static enum rc parse_verb(const char *word, struct options *to, struct err *err)
{
	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		if (strcmp(word, verbs[i].name) == 0) {
			to->verb = verbs[i].verb;
			return RC_OK;
		}
	return err_set(err, RC_INVALID, "%s: no such verb (ca, run, help)", word);
}

enum rc options_parse(int argc, char **argv, struct options *options_r, struct err *err)
{
	int at = 2;
	enum rc rc;

	*options_r = (struct options){.devices = 25, .interval_ms = 10000, .seed = -1};
	if (argc < 2)
		return err_set(err, RC_INVALID, "no verb (ca, run, help)");
	rc = parse_verb(argv[1], options_r, err);
	if (rc == RC_OK && options_r->verb == VERB_HELP)
		return RC_OK;
	while (rc == RC_OK && at < argc)
		rc = parse_word(argv, &at, options_r, err);
	return rc == RC_OK ? check_required(options_r, err) : rc;
}

static void print_options(FILE *out, unsigned verb)
{
	for (size_t i = 0; i < COUNT_OF(options); i++) {
		const struct option *option = &options[i];
		char words[32];

		if ((option->verbs & verb) == 0)
			continue;
		(void)snprintf(words, sizeof(words), "%s %s", option->name,
			option->value_name == NULL ? "" : option->value_name);
		(void)fprintf(out, "      %-20s %s\n", words, option->help);
	}
}

void options_print_help(FILE *out)
{
	(void)fputs(
		"usage: pomona-sim <verb> [options]\n\n"
		"  ca    make the CA that the simulated devices have their certificates from\n",
		out);
	print_options(out, FOR_CA);
	(void)fputs("\n  run   simulate Apple devices: enroll, poll, answer commands\n", out);
	print_options(out, FOR_RUN);
	(void)fputs("\n  help\n\nExit status: 0 done, 1 failed, 64 wrong usage.\n", out);
}
