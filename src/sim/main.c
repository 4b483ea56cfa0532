/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "apple.h"
#include "ca.h"
#include "fault.h"
#include "options.h"
#include "pomona/base/clock.h"
#include "run.h"
#include "service.h"

static enum rc make_ca(const struct options *options, struct err *err)
{
	int64_t now = clock_unix_s(clock_system());
	enum rc devices = ca_create(options->dir, "Pomona simulated devices CA", now, err);
	enum rc apple;

	if (devices != RC_OK && devices != RC_EXISTS)
		return devices;
	apple = apple_create(options->dir, now, err);
	if (apple != RC_OK && apple != RC_EXISTS)
		return apple;
	if (devices == RC_OK)
		(void)printf("made %s/ca.pem; let the server trust it: pomonactl ca add %s/ca.pem\n",
			options->dir, options->dir);
	if (apple == RC_OK)
		(void)printf(
			"made %s/apple; for pushes: pomonactl pushcert set %s/apple/push.pem\n"
			"for --enroll ade: pomonactl apple-ca import %s/apple/" APPLE_FACTORY_CHAIN "\n",
			options->dir, options->dir, options->dir);
	if (devices == RC_EXISTS && apple == RC_EXISTS)
		(void)printf("%s is there already; nothing changed\n", options->dir);
	return RC_OK;
}

static enum rc make_pushcert(const struct options *options, struct err *err)
{
	const int64_t day_s = 86400;
	int64_t now = clock_unix_s(clock_system());
	char topic[APPLE_TOPIC_BYTES_MAX + 1];
	struct apple_push push = {.topic = options->topic,
		.now = now,
		.valid_s = options->days * day_s,
		.out = options->out};
	enum rc rc = RC_OK;

	if (push.topic == NULL) {
		rc = apple_read_topic(options->dir, topic, err);
		push.topic = topic;
	}
	if (options->is_expired)
		push.now = now - (options->days + 1) * day_s;
	if (rc == RC_OK)
		rc = apple_write_push(options->dir, &push, err);
	if (rc != RC_OK)
		return err_context(err, "push certificate (see pomona-sim ca)");
	(void)printf("made %s for the topic %s\n", options->out, push.topic);
	return RC_OK;
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
		[VERB_PUSHCERT] = make_pushcert,
		[VERB_APNS] = serve_apns,
		[VERB_RUN] = run_fleet,
		[VERB_FAULT] = send_fault,
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
