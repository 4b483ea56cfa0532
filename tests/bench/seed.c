/* SPDX-License-Identifier: Apache-2.0 */
/* Fills a stopped server's database by the store's own verbs: `bench-seed DB MASTER-KEY ENROLLMENTS FINISHED DAYS`
 * adds so many enrolled devices ("SEED-0000000" on), and so many commands spread over them that were finished so many
 * days ago. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pomona/base/clock.h"
#include "pomona/store/enrollment.h"
#include "pomona/store/identity.h"
#include "pomona/store/queue.h"
#include "pomona/store/store.h"

enum { STEP_ROWS = 8000, COMMANDS_MAX = 1000, SECONDS_A_DAY = 86400 };

struct seed {
	int64_t *ids; /* of the devices */
	size_t devices, commands, finished;
	size_t from, to; /* devices of this step */
	struct {
		int64_t command_id, batch_id;
	} sent[COMMANDS_MAX];
	int64_t days_ago;
};

static void die(const char *what, const struct err *err)
{
	(void)fprintf(stderr, "bench-seed: %s: %s\n", what, err->text);
	exit(1);
}

static struct slice device_name(size_t i, char name[static 32])
{
	(void)snprintf(name, 32, "SEED-%07zu", i);
	return slice_of_str(name);
}

static enum rc enroll(struct txn *txn, size_t i, int64_t *id_r, struct err *err)
{
	char name[32];
	struct slice id = device_name(i, name);
	struct cert_facts cert = {.subject = "CN=seed",
		.issuer = "CN=seed",
		.serial = "01",
		.not_after = 1LL << 33};
	struct device_facts facts = {.topic = SLICE_LITERAL("com.apple.mgmt.External.bench"),
		.serial_number = id,
		.product_name = SLICE_LITERAL("iPhone15,2"),
		.os_version = SLICE_LITERAL("18.1"),
		.build_version = SLICE_LITERAL("22B83")};
	struct token_facts token = {.topic = facts.topic, .push_magic = id};
	uint8_t anchors[SHA256_BYTES] = {0};
	int64_t enrollment = 0;
	int64_t identity = 0;
	enum rc rc = enrollment_add_device(txn, ENROLLMENT_DEVICE, id, &enrollment, err);

	/* In order, so that the indexes grow at their ends: random ones would write most of a page for each. */
	for (size_t byte = 0; byte < sizeof(i); byte++)
		cert.sha256[byte] = (uint8_t)(i >> (8 * (sizeof(i) - 1 - byte)));
	memcpy(cert.tbs_sha256, cert.sha256, SHA256_BYTES);
	token.token = slice_of(cert.sha256, SHA256_BYTES); /* as many bytes as Apple's have */
	if (rc == RC_OK)
		rc = identity_record(txn, &cert, anchors, &identity, err);
	if (rc == RC_OK)
		rc = identity_set_owner(txn, identity, enrollment, err);
	if (rc == RC_OK)
		rc = enrollment_set_pending(txn, enrollment, identity, &facts, id, err);
	if (rc == RC_OK)
		rc = enrollment_promote(txn, enrollment, err);
	*id_r = enrollment;
	return rc == RC_OK ? enrollment_set_token(txn, enrollment, &token, id, err) : rc;
}

/* A seed is made anew after a power cut: SQLite's syncs end here. */
int fsync(int fd)
{
	(void)fd;
	return 0;
}

int fdatasync(int fd)
{
	(void)fd;
	return 0;
}

/* As short as most answers are. */
static struct slice answer_body(void)
{
	static char body[200];

	if (body[0] == 0)
		memset(body, 'x', sizeof(body));
	return slice_of(body, sizeof(body));
}

static enum rc finish(struct txn *txn, const struct seed *seed, size_t device, size_t command,
	struct err *err)
{
	const struct queue_answer answer = {.state = QUEUE_DONE,
		.status = SLICE_LITERAL("Acknowledged"),
		.raw = answer_body()};
	const struct queue_item item = {.enrollment_id = seed->ids[device],
		.command_id = seed->sent[command].command_id,
		.state = QUEUE_SENT};
	bool was_queued;
	enum rc rc = batch_add(txn, seed->sent[command].batch_id, item.enrollment_id, &was_queued, err);

	return rc == RC_OK ? queue_finish(txn, &item, &answer, err) : rc;
}

static enum rc enroll_step(void *ctx, struct txn *txn, struct err *err)
{
	struct seed *seed = ctx;
	enum rc rc = RC_OK;

	for (size_t i = seed->from; rc == RC_OK && i < seed->to; i++)
		rc = enroll(txn, i, &seed->ids[i], err);
	return rc;
}

/* A step's devices lie side by side in the queue, whatever the order. The last command may not be to all of them. */
static enum rc finish_step(void *ctx, struct txn *txn, struct err *err)
{
	struct seed *seed = ctx;
	enum rc rc = RC_OK;

	for (size_t c = 0; c < seed->commands; c++)
		for (size_t i = seed->from; rc == RC_OK && i < seed->to; i++)
			if (c * seed->devices + i < seed->finished)
				rc = finish(txn, seed, i, c, err);
	return rc;
}

static enum rc begin_commands(void *ctx, struct txn *txn, struct err *err)
{
	struct seed *seed = ctx;
	struct command_row row = {.request_type = SLICE_LITERAL("InstallProfile"),
		.body = SLICE_LITERAL("<plist/>"),
		.priority = COMMAND_PRIORITY_NORMAL};
	enum rc rc = RC_OK;

	for (size_t c = 0; rc == RC_OK && c < seed->commands; c++) {
		char uuid[64];

		(void)snprintf(uuid, sizeof(uuid), "SEED-COMMAND-%zu", c);
		row.uuid = slice_of_str(uuid);
		rc = command_put(txn, &row, &seed->sent[c].command_id, err);
		if (rc == RC_OK)
			rc = batch_begin(txn, seed->sent[c].command_id, 0, &seed->sent[c].batch_id, err);
	}
	return rc;
}

static enum rc publish_commands(void *ctx, struct txn *txn, struct err *err)
{
	struct seed *seed = ctx;
	enum rc rc = RC_OK;

	for (size_t c = 0; rc == RC_OK && c < seed->commands; c++)
		rc = batch_publish(txn, seed->sent[c].batch_id, err);
	return rc;
}

static void run_once(struct store *store, struct seed *seed,
	enum rc (*fn)(void *ctx, struct txn *txn, struct err *err))
{
	struct err err;

	if (store_run(store, fn, seed, &err) != RC_OK)
		die("seeding", &err);
}

static void all_devices(struct store *store, struct seed *seed, size_t rows_each,
	enum rc (*fn)(void *ctx, struct txn *txn, struct err *err))
{
	const size_t step = rows_each < STEP_ROWS ? STEP_ROWS / rows_each : 1;

	for (size_t i = 0; i < seed->devices; i += step) {
		seed->from = i;
		seed->to = i + step < seed->devices ? i + step : seed->devices;
		run_once(store, seed, fn);
	}
}

static int64_t unix_ms(void *ctx)
{
	const struct seed *seed = ctx;

	return (clock_unix_s(clock_system()) - seed->days_ago * SECONDS_A_DAY) * 1000;
}

static int64_t monotonic_us(void *ctx)
{
	(void)ctx;
	return clock_monotonic_us(clock_system());
}

static void fill(struct store *store, struct seed *seed, int64_t days)
{
	all_devices(store, seed, 4, enroll_step);
	if (seed->commands == 0)
		return;
	seed->days_ago = days;
	run_once(store, seed, begin_commands);
	all_devices(store, seed, seed->commands, finish_step);
	run_once(store, seed, publish_commands);
}

static size_t number(const char *text)
{
	return strtoul(text, NULL, 10);
}

static void read_args(int argc, char **argv, struct seed *seed)
{
	if (argc == 6) {
		seed->devices = number(argv[3]);
		seed->finished = number(argv[4]);
	}
	if (seed->devices > 0)
		seed->commands = (seed->finished + seed->devices - 1) / seed->devices;
	if (seed->devices == 0 || seed->commands > COMMANDS_MAX) {
		(void)fprintf(stderr,
			"usage: bench-seed DB MASTER-KEY ENROLLMENTS FINISHED DAYS (%d finished each at most)\n",
			COMMANDS_MAX);
		exit(64);
	}
	seed->ids = calloc(seed->devices, sizeof(*seed->ids));
	if (seed->ids == NULL)
		exit(71);
}

int main(int argc, char **argv)
{
	static struct seed seed;
	const struct clock clock = {.unix_ms = unix_ms, .monotonic_us = monotonic_us, .ctx = &seed};
	struct store_params params = {.clock = &clock};
	struct keyring *keyring = NULL;
	struct store *store = NULL;
	struct err err = {0};

	read_args(argc, argv, &seed);
	if (keyring_load(argv[2], &keyring, &err) != RC_OK)
		die(argv[2], &err);
	params.path = argv[1];
	params.keyring = keyring;
	if (store_open(&params, &store, &err) != RC_OK || store_start(store, &err) != RC_OK)
		die(argv[1], &err);
	fill(store, &seed, (int64_t)number(argv[5]));
	store_stop(store);
	store_close(&store);
	keyring_free(&keyring);
	free(seed.ids);
	return 0;
}
