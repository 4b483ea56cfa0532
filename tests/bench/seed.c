/* SPDX-License-Identifier: Apache-2.0 */
/* Fills a stopped server's database by the store's own verbs: `bench-seed DB MASTER-KEY ENROLLMENTS FINISHED`
 * adds so many enrolled devices ("SEED-0000000" on), and so many finished commands spread over them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/clock.h"
#include "pomona/store/enrollment.h"
#include "pomona/store/identity.h"
#include "pomona/store/queue.h"
#include "pomona/store/store.h"

enum { STEP = 2000 };

struct seed {
	size_t from, to;    /* devices of this step */
	int64_t command_id; /* 0: enroll them; else: finish this command for them */
	int64_t batch_id;
	size_t turn;
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

static enum rc enroll(struct txn *txn, size_t i, struct err *err)
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

	sha256(id, cert.sha256);
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
	return rc == RC_OK ? enrollment_set_token(txn, enrollment, &token, id, err) : rc;
}

static enum rc finish(struct txn *txn, const struct seed *seed, size_t i, struct err *err)
{
	struct queue_answer answer = {.state = QUEUE_DONE,
		.status = SLICE_LITERAL("Acknowledged"),
		.raw = SLICE_LITERAL("<plist/>")};
	struct queue_item item = {.command_id = seed->command_id, .state = QUEUE_SENT};
	struct enrollment enrollment;
	char name[32];
	bool was_queued;
	enum rc rc = enrollment_find(txn, device_name(i, name), &enrollment, err);

	if (rc == RC_OK)
		rc = batch_add(txn, seed->batch_id, enrollment.id, &was_queued, err);
	item.enrollment_id = enrollment.id;
	return rc == RC_OK ? queue_finish(txn, &item, &answer, err) : rc;
}

static enum rc run_step(void *ctx, struct txn *txn, struct err *err)
{
	struct seed *seed = ctx;
	enum rc rc = RC_OK;

	for (size_t i = seed->from; rc == RC_OK && i < seed->to; i++)
		rc = seed->command_id == 0 ? enroll(txn, i, err) : finish(txn, seed, i, err);
	return rc;
}

static enum rc begin_command(void *ctx, struct txn *txn, struct err *err)
{
	struct seed *seed = ctx;
	char uuid[64];
	struct command_row row = {.request_type = SLICE_LITERAL("ProfileList"),
		.body = SLICE_LITERAL("<plist/>"),
		.priority = COMMAND_PRIORITY_NORMAL};
	enum rc rc;

	(void)snprintf(uuid, sizeof(uuid), "SEED-COMMAND-%zu", seed->turn);
	row.uuid = slice_of_str(uuid);
	rc = command_put(txn, &row, &seed->command_id, err);
	if (rc == RC_OK)
		rc = batch_begin(txn, seed->command_id, 0, &seed->batch_id, err);
	return rc == RC_OK ? batch_publish(txn, seed->batch_id, err) : rc;
}

static void all_devices(struct store *store, struct seed *seed, size_t count)
{
	struct err err;

	for (size_t i = 0; i < count; i += STEP) {
		seed->from = i;
		seed->to = i + STEP < count ? i + STEP : count;
		if (store_run(store, run_step, seed, &err) != RC_OK)
			die("seeding", &err);
	}
}

int main(int argc, char **argv)
{
	struct store_params params = {.clock = clock_system()};
	struct keyring *keyring = NULL;
	struct store *store = NULL;
	struct seed seed = {0};
	struct err err = {0};
	size_t devices = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;
	size_t finished = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;

	if (devices == 0) {
		(void)fprintf(stderr, "usage: bench-seed DB MASTER-KEY ENROLLMENTS FINISHED\n");
		return 64;
	}
	if (keyring_load(argv[2], &keyring, &err) != RC_OK)
		die(argv[2], &err);
	params.path = argv[1];
	params.keyring = keyring;
	if (store_open(&params, &store, &err) != RC_OK || store_start(store, &err) != RC_OK)
		die(argv[1], &err);
	all_devices(store, &seed, devices);
	for (; seed.turn * devices < finished; seed.turn++) {
		if (store_run(store, begin_command, &seed, &err) != RC_OK)
			die("a command", &err);
		all_devices(store, &seed, devices);
	}
	store_stop(store);
	store_close(&store);
	keyring_free(&keyring);
	return 0;
}
