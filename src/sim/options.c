/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <string.h>

#include "apns_fault.h"
#include "apns_ring.h"
#include "key_pool.h"
#include "pomona/base/codec.h"
#include "ways.h"

enum option_kind {
	OPTION_TEXT,
	OPTION_URL,
	OPTION_ADDRESS,
	OPTION_WORD, /* may be given many times */
	OPTION_COUNT,
	OPTION_SECONDS,
	OPTION_FLAG,
};

struct option {
	const char *name, *value_name, *help;
	enum option_kind kind;
	unsigned verbs; /* bits of 1 << enum verb */
	bool is_required;
	size_t offset;
	int64_t min, max; /* COUNT: as they are; SECONDS: in milliseconds */
};

#define AT(field) offsetof(struct options, field)

enum {
	FOR_CA = 1 << VERB_CA,
	FOR_PUSHCERT = 1 << VERB_PUSHCERT,
	FOR_APNS = 1 << VERB_APNS,
	FOR_RUN = 1 << VERB_RUN,
	FOR_FAULT = 1 << VERB_FAULT,
};

static const struct option options[] = {
	{"--dir", "DIR", "the folder of the simulated CAs and devices", OPTION_TEXT,
		FOR_CA | FOR_PUSHCERT | FOR_APNS | FOR_RUN, true, AT(dir), 0, 0},
	{"--out", "FILE", "where certificate and key go", OPTION_TEXT, FOR_PUSHCERT, true, AT(out), 0, 0},
	{"--topic", "TOPIC", "its topic (that of the devices)", OPTION_TEXT, FOR_PUSHCERT, false,
		AT(topic), 0, 0},
	{"--days", "N", "for so long (365)", OPTION_COUNT, FOR_PUSHCERT, false, AT(days), 1,
		CERT_DAYS_MAX},
	{"--expired", NULL, "ended yesterday", OPTION_FLAG, FOR_PUSHCERT, false, AT(is_expired), 0, 0},
	{"--listen", "HOST:PORT", "where APNs is (127.0.0.1:2197)", OPTION_ADDRESS, FOR_APNS, false,
		AT(listen), 0, 0},
	{"--apns", "HOST:PORT", "be APNs too: devices come only when they are woken", OPTION_ADDRESS,
		FOR_RUN, false, AT(apns), 0, 0},
	{"--control", "SOCKET", "a Unix socket for questions and faults", OPTION_TEXT, FOR_APNS | FOR_RUN,
		false, AT(control), 0, 0},
	{"--control", "SOCKET", "of the running simulator", OPTION_TEXT, FOR_FAULT, true, AT(control), 0,
		0},
	{"--fault", "KEY=VALUE", "a fault from the start; may be given many times", OPTION_WORD,
		FOR_APNS | FOR_RUN, false, AT(words), 0, 0},
	{"--keep", "N", "how many pushes are remembered (4096)", OPTION_COUNT, FOR_APNS | FOR_RUN, false,
		AT(keep), 1, APNS_KEEP_MAX},
	{"--no-client-cert", NULL, "APNs asks for no certificate and takes any topic", OPTION_FLAG,
		FOR_APNS | FOR_RUN, false, AT(is_anyone), 0, 0},
	{"--url", "URL", "the server's device listener, https://host:port", OPTION_URL, FOR_RUN, false,
		AT(url), 0, 0},
	{"--enroll", "WAY", "how devices get in: WAY or WAY=WHERE, see below (direct)", OPTION_TEXT,
		FOR_RUN, false, AT(enroll), 0, 0},
	{"--user", "NAME", "who logs in where the server asks for it", OPTION_TEXT, FOR_RUN, false,
		AT(user), 0, 0},
	{"--password-file", "FILE", "with the password of --user", OPTION_TEXT, FOR_RUN, false,
		AT(password_file), 0, 0},
	{"--keys", "N", "how many RSA keys of each length devices share (64)", OPTION_COUNT, FOR_RUN,
		false, AT(keys), 1, KEY_POOL_MAX},
	{"--ca", "FILE", "PEM certificates that the server's must chain to", OPTION_TEXT, FOR_RUN, true,
		AT(ca), 0, 0},
	{"--devices", "N", "how many devices (25)", OPTION_COUNT, FOR_RUN, false, AT(devices), 1,
		DEVICES_MAX},
	{"--interval", "SECONDS", "between two polls of a device, about (10)", OPTION_SECONDS, FOR_RUN,
		false, AT(interval_ms), 10, INTERVAL_S_MAX *INT64_C(1000)},
	{"--notnow-poll", "SECONDS", "until a woken device that put a command off comes again (5)",
		OPTION_SECONDS, FOR_RUN, false, AT(notnow_poll_ms), 10, INTERVAL_S_MAX *INT64_C(1000)},
	{"--notnow", "PERCENT", "of the commands that may be are put off (0)", OPTION_COUNT, FOR_RUN,
		false, AT(notnow_percent), 0, 100},
	{"--error", "PERCENT", "of the commands fail (0)", OPTION_COUNT, FOR_RUN, false, AT(error_percent),
		0, 100},
	{"--restore", "PERCENT", "of the visits, then the device is restored from its backup (0)",
		OPTION_COUNT, FOR_RUN, false, AT(restore_percent), 0, 100},
	{"--token-change", "PERCENT", "of the visits, then the device has new push tokens (0)",
		OPTION_COUNT, FOR_RUN, false, AT(token_percent), 0, 100},
	{"--logout", "PERCENT", "of the visits, then a user of the device logs out (0)", OPTION_COUNT,
		FOR_RUN, false, AT(logout_percent), 0, 100},
	{"--away", "SECONDS", "until an erased device or a user comes back (as --interval)",
		OPTION_SECONDS, FOR_RUN, false, AT(away_ms), 10, INTERVAL_S_MAX *INT64_C(1000)},
	{"--clones", "N", "devices that use a copy of another's certificate and key (0)", OPTION_COUNT,
		FOR_RUN, false, AT(clones), 0, DEVICES_MAX - 1},
	{"--seed", "N", "the same seed gives the same fleet (by chance)", OPTION_COUNT, FOR_APNS | FOR_RUN,
		false, AT(seed), 0, INT64_MAX},
	{"--for", "SECONDS", "end after that time", OPTION_SECONDS, FOR_RUN, false, AT(for_ms), 1,
		FOR_S_MAX *INT64_C(1000)},
	{"--once", NULL, "end when each device is enrolled and has answered a command", OPTION_FLAG,
		FOR_RUN, false, AT(is_once), 0, 0},
	{"--reenroll", NULL, "a device that the server unenrolls enrolls again", OPTION_FLAG, FOR_RUN,
		false, AT(is_reenrolling), 0, 0},
	{"--setup", NULL, "devices wait in Setup Assistant until the server lets them go", OPTION_FLAG,
		FOR_RUN, false, AT(is_setting_up), 0, 0},
	{"--sign", NULL, "devices sign their messages, and show no certificate in TLS", OPTION_FLAG,
		FOR_RUN, false, AT(is_signing), 0, 0},
	{"--json", NULL, "report one JSON object a second", OPTION_FLAG, FOR_RUN, false, AT(is_json), 0,
		0},
};

#define VERB_NAMES "ca, pushcert, apns, run, fault, help"

static const struct {
	const char *name;
	enum verb verb;
} verbs[] = {
	{"ca", VERB_CA},
	{"pushcert", VERB_PUSHCERT},
	{"apns", VERB_APNS},
	{"run", VERB_RUN},
	{"fault", VERB_FAULT},
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

static bool is_address(const char *text)
{
	const char *colon = strrchr(text, ':');
	int64_t port;

	return colon != NULL && colon != text &&
		int64_parse(slice_of_str(colon + 1), 0, UINT16_MAX, &port, NULL) == RC_OK;
}

static enum rc add_word(const char *text, struct options *to, struct err *err)
{
	if (to->word_count == OPTION_WORDS_MAX)
		return err_set(err, RC_LIMIT, "%s: more than %d words", text, OPTION_WORDS_MAX);
	to->words[to->word_count++] = text;
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
	case OPTION_ADDRESS:
		if (!is_address(text))
			return err_set(err, RC_INVALID, "%s %s: not HOST:PORT", option->name, text);
		break;
	case OPTION_WORD:
		return add_word(text, to, err);
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

	if (option == NULL && to->verb == VERB_FAULT && word[0] != '-') {
		(*at)++;
		return add_word(word, to, err);
	}
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

/* Faults and questions are for an APNs. */
static enum rc check_apns(const struct options *to, struct err *err)
{
	bool is_for_apns = to->control != NULL || to->word_count > 0;

	if (to->verb == VERB_RUN && to->apns == NULL && is_for_apns)
		return err_set(err, RC_INVALID, "--control, --fault: need --apns");
	return RC_OK;
}

static enum rc find_way(struct options *to, struct err *err)
{
	struct slice word = slice_of_str(to->enroll == NULL ? way_at(0)->name : to->enroll);
	size_t end = word.len;

	(void)slice_find_byte(word, '=', &end);
	to->way = way_find(slice_sub(word, 0, end));
	if (to->way == NULL)
		return err_set(err, RC_INVALID, "--enroll %.*s: no such way (see pomona-sim help)",
			SLICE_FMT(slice_sub(word, 0, end)));
	to->where = end < word.len ? to->enroll + end + 1 : "";
	return RC_OK;
}

static enum rc check_way(struct options *to, struct err *err)
{
	enum rc rc = find_way(to, err);

	if (rc != RC_OK || to->verb != VERB_RUN)
		return rc;
	if (to->way->where != NULL && to->where[0] == '\0')
		return err_set(err, RC_INVALID, "--enroll %s: needs =%s", to->way->name, to->way->where);
	if (to->way->where == NULL && to->where[0] != '\0')
		return err_set(err, RC_INVALID, "--enroll %s: takes nothing", to->way->name);
	if (to->user != NULL && to->password_file == NULL)
		return err_set(err, RC_INVALID, "--user: needs --password-file");
	if (to->way->needs_url && to->url == NULL)
		return err_set(err, RC_INVALID, "--url URL: required");
	if (to->way->begin != NULL && to->clones > 0)
		return err_set(err, RC_INVALID, "--clones: not with --enroll %s", to->way->name);
	return RC_OK;
}

/* Each clone has somebody to copy. */
static enum rc check_clones(const struct options *to, struct err *err)
{
	if (to->clones < to->devices)
		return RC_OK;
	return err_set(err, RC_INVALID, "--clones %lld: not less than --devices (%lld)",
		(long long)to->clones, (long long)to->devices);
}

static enum rc parse_verb(const char *word, struct options *to, struct err *err)
{
	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		if (strcmp(word, verbs[i].name) == 0) {
			to->verb = verbs[i].verb;
			return RC_OK;
		}
	return err_set(err, RC_INVALID, "%s: no such verb (" VERB_NAMES ")", word);
}

enum rc options_parse(int argc, char **argv, struct options *options_r, struct err *err)
{
	int at = 2;
	enum rc rc;

	*options_r = (struct options){.devices = 25,
		.interval_ms = 10000,
		.seed = -1,
		.days = 365,
		.listen = "127.0.0.1:2197",
		.keep = APNS_KEEP_DEFAULT,
		.keys = KEY_POOL_DEFAULT,
		.notnow_poll_ms = 5000};
	if (argc < 2)
		return err_set(err, RC_INVALID, "no verb (" VERB_NAMES ")");
	rc = parse_verb(argv[1], options_r, err);
	if (rc == RC_OK && options_r->verb == VERB_HELP)
		return RC_OK;
	while (rc == RC_OK && at < argc)
		rc = parse_word(argv, &at, options_r, err);
	if (rc == RC_OK)
		rc = check_required(options_r, err);
	if (rc == RC_OK)
		rc = check_clones(options_r, err);
	if (rc == RC_OK)
		rc = check_way(options_r, err);
	if (options_r->away_ms == 0)
		options_r->away_ms = options_r->interval_ms;
	return rc == RC_OK ? check_apns(options_r, err) : rc;
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
		(void)fprintf(out, "      %-22s %s\n", words, option->help);
	}
}

static void print_ways(FILE *out)
{
	const struct way *way;

	(void)fputs("\n  The ways of --enroll; in WHERE {index}, {udid}, {serial} are the device's:\n",
		out);
	for (size_t i = 0; (way = way_at(i)) != NULL; i++) {
		char words[32];

		(void)snprintf(words, sizeof(words), "%s%s%s", way->name, way->where == NULL ? "" : "=",
			way->where == NULL ? "" : way->where);
		(void)fprintf(out, "      %-22s %s\n", words, way->help);
	}
}

static void print_faults(FILE *out)
{
	struct apns_fault_word word;

	(void)fputs("\n  The faults:\n", out);
	for (size_t i = 0; apns_fault_word_at(i, &word); i++)
		(void)fprintf(out, "      %-22s %s\n", word.name, word.help);
}

void options_print_help(FILE *out)
{
	static const struct {
		unsigned verb;
		const char *help;
	} parts[] = {
		{FOR_CA, "ca        make the CA of the simulated devices, and Apple's with a push certificate"},
		{FOR_PUSHCERT, "pushcert  make another push certificate"},
		{FOR_APNS, "apns      be APNs"},
		{FOR_RUN, "run       simulate Apple devices: enroll, poll, answer commands"},
		{FOR_FAULT,
			"fault     [VERB] [KEY=VALUE...] tell a running APNs to go wrong, or ask it\n"
			"      VERB: set (the default; without a word it ends all faults), goaway, reset, token,\n"
			"            stats, pushes"},
	};

	(void)fputs("usage: pomona-sim <verb> [options]\n", out);
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		(void)fprintf(out, "\n  %s\n", parts[i].help);
		print_options(out, parts[i].verb);
	}
	print_ways(out);
	print_faults(out);
	(void)fputs("\n  help\n\nExit status: 0 done, 1 failed, 64 wrong usage.\n", out);
}
