/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_OPTIONS_H
#define POMONA_SIM_OPTIONS_H

/*
 * The words of the command line.
 * Threading: any thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "pomona/base/err.h"

enum verb { VERB_HELP, VERB_CA, VERB_PUSHCERT, VERB_APNS, VERB_RUN, VERB_FAULT };

enum {
	DEVICES_MAX = 1000000,
	INTERVAL_S_MAX = 86400,
	FOR_S_MAX = 365 * 86400,
	CERT_DAYS_MAX = 36500,
	OPTION_WORDS_MAX = 32,
};

struct way;

/* Texts are borrowed from argv. */
struct options {
	enum verb verb;
	const char *dir, *url, *ca;
	const char *enroll;               /* WAY=WHERE, as it was given; NULL: not */
	const struct way *way;            /* of `run`: how devices get in; never NULL */
	const char *where;                /* what stands behind its name; "" */
	const char *user, *password_file; /* of the person who logs in; NULL: none */
	int64_t keys;
	int64_t devices;
	int64_t interval_ms;
	int64_t notnow_percent, error_percent;
	int64_t restore_percent, token_percent, logout_percent; /* of the visits */
	int64_t away_ms;                                        /* as interval_ms where not given */
	int64_t clones;
	int64_t seed;   /* -1: by chance */
	int64_t for_ms; /* 0: until it is stopped */
	bool is_once, is_json, is_reenrolling, is_signing, is_setting_up;
	const char *topic, *out; /* of a push certificate */
	int64_t days;
	bool is_expired;
	const char *listen, *apns, *control;
	int64_t keep, notnow_poll_ms;
	bool is_anyone;                      /* --no-client-cert */
	const char *words[OPTION_WORDS_MAX]; /* of each --fault, or what stands behind `fault` */
	size_t word_count;
};

/* RC_INVALID names the option and the rule. */
enum rc options_parse(int argc, char **argv, struct options *options_r, struct err *err) MUST_USE;
void options_print_help(FILE *out);

#endif
