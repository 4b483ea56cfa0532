/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../checkin/talk.h"
#include "model.h"
#include "pomona/base/codec.h"
#include "pomona/base/rand.h"
#include "pomona/store/push.h"

/*
 * Many devices and their users talk at random, an administrator sends, cancels, orders removals and forgets,
 * and the clock moves. After each step the reply and the database are held against the model. The seed is
 * printed; POMONA_SEED=<number> plays the same conversation again.
 */

enum {
	STEPS = 6000,
	ALL_IS_CHECKED_EVERY = 250,
	ID_BYTES = 256,
	ARENA_BYTES = 8 << 20,
	CONTACTS = OUTCOME_CONTACT_TOKEN + 1,
};

struct play {
	struct talk talk;
	struct model model;
	uint64_t random;
	int last_given[MODEL_DEVICES][MODEL_CHANNELS];                /* command, or NOBODY */
	bool is_final[MODEL_DEVICES][MODEL_CHANNELS][MODEL_COMMANDS]; /* had a final status accepted */
	char step[256]; /* what is being done, for the message of a failure */
	unsigned statuses[600], given, contacts[CONTACTS];
};

#define CHECK(play, condition) \
	do { \
		if (!(condition)) \
			fail_msg("%s: not so: %s", (play)->step, #condition); \
	} while (0)

/* splitmix64: small, and the same everywhere. */
static uint64_t draw(struct play *play)
{
	uint64_t z = (play->random += 0x9e3779b97f4a7c15U);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

static int below(struct play *play, int end)
{
	return (int)(draw(play) % (uint64_t)end);
}

static struct credential credential_of(int cert)
{
	char name[32];

	snprintf(name, sizeof(name), "cert-%d", cert);
	return world_credential(name);
}

static const char *ext_id_of(int device, int channel)
{
	static char text[64];

	if (channel == 0)
		snprintf(text, sizeof(text), "D%d", device);
	else
		snprintf(text, sizeof(text), "D%d:U%d", device, channel);
	return text;
}

static const char *keys_of(int device, int channel)
{
	static char text[ID_BYTES];

	if (channel == 0)
		snprintf(text, sizeof(text), TALK_UDID("D%d"), device);
	else
		snprintf(text, sizeof(text), TALK_USER("D%d", "U%d"), device, channel);
	return text;
}

static const char *uuid_of(int command)
{
	static char text[32];

	snprintf(text, sizeof(text), "c%d", command);
	return text;
}

/* Mostly the right certificate, at times a former, a foreign or a new one. */
static int pick_cert(struct play *play, int device)
{
	const struct model_device *d = &play->model.devices[device];
	int dice = below(play, 100);

	if (dice < 88 && d->pin != NOBODY)
		return d->pin;
	if (dice < 96 && d->pending != NOBODY)
		return d->pending;
	if (dice < 99 && play->model.cert_count > 0)
		return below(play, play->model.cert_count);
	return model_add_cert(&play->model);
}

/* ---- what holds of the database after each step, whatever the model says of the reply */

struct check {
	struct play *play;
	int device;
};

static int command_of(struct play *play, const char *uuid)
{
	int64_t command = 0;

	CHECK(play, int64_parse(slice_of_str(uuid + 1), 0, MODEL_COMMANDS - 1, &command, NULL) == RC_OK);
	return (int)command;
}

static void check_row(struct play *play, int device, int channel, const struct queue_view *view,
	struct txn *txn)
{
	int command = command_of(play, view->uuid);
	const struct model_row *row = model_row(&play->model, device, channel, command);
	bool is_final = view->state == QUEUE_DONE || view->state == QUEUE_FAILED;
	struct buf raw;
	struct err err;

	CHECK(play, row != NULL);
	if (view->state != row->state)
		fail_msg("%s: command %d of %s is %s, want %s", play->step, command, ext_id_of(device, channel),
			queue_state_name(view->state), queue_state_name(row->state));
	CHECK(play, view->is_late == row->is_late);
	/* Nothing accepted is lost: the answer is there to be read, with its command's id in it. */
	CHECK(play, is_final == play->is_final[device][channel][command]);
	CHECK(play, is_final == view->has_result);
	if (!is_final)
		return;
	buf_init(&raw, 1 << 16);
	CHECK(play, queue_result(txn, view->enrollment_id, view->command_id, &raw, &err) == RC_OK);
	CHECK(play, strstr(buf_cstr(&raw), view->uuid) != NULL);
	buf_fini(&raw);
}

static enum rc check_channel(const struct check *check, int channel, struct txn *txn,
	struct err *err)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct play *play = check->play;
	const struct model_channel *want = &play->model.devices[check->device].channels[channel];
	struct queue_filter filter = {.limit = 1000};
	struct enrollment enrollment;
	struct queue_view *views;
	size_t count;
	enum rc rc =
		enrollment_find(txn, slice_of_str(ext_id_of(check->device, channel)), &enrollment, err);

	CHECK(play, (rc == RC_OK) == want->is_known);
	if (rc != RC_OK)
		return rc == RC_NOT_FOUND ? RC_OK : rc;
	CHECK(play, enrollment.state == want->state);
	filter.enrollment_id = enrollment.id;
	rc = queue_list(txn, &filter, arena, &views, &count, err);
	if (rc != RC_OK)
		return rc;
	CHECK(play, (int)count == want->count);
	for (size_t i = 0; i < count; i++)
		check_row(play, check->device, channel, &views[i], txn);
	return RC_OK;
}

static enum rc check_cert(const struct check *check, int cert, int64_t identity_id, struct txn *txn,
	struct err *err)
{
	struct credential credential = credential_of(cert == NOBODY ? 0 : cert);
	struct identity identity;
	enum rc rc;

	CHECK(check->play, (cert == NOBODY) == (identity_id == 0));
	if (cert == NOBODY)
		return RC_OK;
	rc = identity_find(txn, credential.facts.sha256, &identity, err);
	if (rc != RC_OK)
		return rc;
	CHECK(check->play, identity.id == identity_id);
	return RC_OK;
}

static enum rc check_device(void *ctx, struct txn *txn, struct err *err)
{
	const struct check *check = ctx;
	const struct model_device *want = &check->play->model.devices[check->device];
	struct enrollment device;
	enum rc rc = RC_OK;

	for (int i = 0; rc == RC_OK && i < MODEL_CHANNELS; i++)
		rc = check_channel(check, i, txn, err);
	if (rc != RC_OK || !want->channels[0].is_known)
		return rc;
	rc = enrollment_find(txn, slice_of_str(ext_id_of(check->device, 0)), &device, err);
	if (rc == RC_OK)
		rc = check_cert(check, want->pin, device.identity_id, txn, err);
	return rc == RC_OK ? check_cert(check, want->pending, device.pending_identity_id, txn, err) : rc;
}

static void check_database(struct play *play, int device)
{
	struct check check = {play, device};
	struct txn *txn;
	struct err err = {0};

	assert_int_equal(store_read_begin(play->talk.world.store, &txn, &err), RC_OK);
	if (check_device(&check, txn, &err) != RC_OK)
		fail_msg("%s: %s", play->step, err.text);
	store_read_end(play->talk.world.store, &txn);
}

/* ---- what devices do */

/* The sequence of the database as it is after the step, which alone has touched it. */
static int64_t last_seq(struct play *play)
{
	struct txn *txn;
	int64_t seq = 0;
	struct err err = {0};

	assert_int_equal(store_read_begin(play->talk.world.store, &txn, &err), RC_OK);
	assert_int_equal(queue_last_seq(txn, &seq, &err), RC_OK);
	store_read_end(play->talk.world.store, &txn);
	return seq;
}

static void check_contact(struct play *play, enum outcome_contact want)
{
	const struct outcome *outcome = &play->talk.outcome;
	bool is_held = want == OUTCOME_CONTACT_RESTING || want == OUTCOME_CONTACT_HELD;

	play->contacts[want]++;
	if (outcome->contact != want)
		fail_msg("%s: contact %d, want %d", play->step, outcome->contact, want);
	CHECK(play, outcome->seen_seq == (is_held ? last_seq(play) : 0));
}

static void check_reply(struct play *play, unsigned status, struct model_reply want)
{
	const char *given = talk_given(&play->talk);

	play->statuses[status < COUNT_OF(play->statuses) ? status : 0]++;
	if (status != want.status)
		fail_msg("%s: answered %u (%s), want %u", play->step, status,
			refusal_name(play->talk.outcome.refusal), want.status);
	if (strcmp(given, want.given == NOBODY ? "" : uuid_of(want.given)) != 0)
		fail_msg("%s: given \"%s\", want \"%s\"", play->step, given,
			want.given == NOBODY ? "" : uuid_of(want.given));
	check_contact(play, want.contact);
}

static void note_given(struct play *play, int device, int channel, struct model_reply reply)
{
	play->last_given[device][channel] = reply.given;
	if (reply.given == NOBODY)
		return;
	CHECK(play, !play->is_final[device][channel][reply.given]);
	play->given++;
}

static void idle(struct play *play, int device, int channel)
{
	int cert = pick_cert(play, device);
	struct credential credential = credential_of(cert);
	struct model_reply want = model_idle(&play->model, device, channel, cert);

	snprintf(play->step, sizeof(play->step), "Idle of %s with %d", ext_id_of(device, channel), cert);
	check_reply(play, talk_idle(&play->talk, &credential, keys_of(device, channel)), want);
	if (want.status == 200)
		note_given(play, device, channel, want);
}

/* Mostly of what was given last; at times of any command: again, late, or never sent to it. */
static int pick_answered(struct play *play, int device, int channel)
{
	int last = play->last_given[device][channel];

	if (last != NOBODY && below(play, 10) < 8)
		return last;
	return below(play, play->model.command_count + 1); /* the last one is unknown to all */
}

static void answer(struct play *play, int device, int channel)
{
	static const char *const statuses[] = {"Acknowledged", "Acknowledged", "Error",
		"CommandFormatError", "NotNow", "NotNow"};
	const char *status = statuses[below(play, COUNT_OF(statuses))];
	int command = pick_answered(play, device, channel);
	int cert = pick_cert(play, device);
	struct credential credential = credential_of(cert);
	struct model_reply want = model_answer(&play->model, device, channel, cert, command, status);
	bool is_there = model_row(&play->model, device, channel, command) != NULL;

	snprintf(play->step, sizeof(play->step), "%s to %d of %s with %d", status, command,
		ext_id_of(device, channel), cert);
	check_reply(play,
		talk_answer(&play->talk, &credential, keys_of(device, channel), uuid_of(command), status), want);
	if (want.status != 200)
		return;
	if (is_there && strcmp(status, "NotNow") != 0)
		play->is_final[device][channel][command] = true;
	note_given(play, device, channel, want);
}

static void authenticate(struct play *play, int device, int channel)
{
	const struct model_device *d = &play->model.devices[device];
	bool is_new = below(play, 2) == 0;
	int cert = is_new ? model_add_cert(&play->model) : pick_cert(play, device);
	struct credential credential = credential_of(cert);
	int pin = d->pin;
	bool was_enrolled = d->channels[0].state == ENROLLMENT_ENROLLED;
	struct model_reply want;

	(void)channel;
	if (is_new && d->channels[0].is_known && below(play, 2) == 0) {
		world_issue(&play->talk.world, &credential, "", ext_id_of(device, 0));
		play->model.certs[cert].renewal_of = device;
		play->model.certs[cert].former = d->pin;
	}
	want = model_authenticate(&play->model, device, cert);
	snprintf(play->step, sizeof(play->step), "Authenticate of D%d with %d", device, cert);
	check_reply(play, talk_authenticate(&play->talk, &credential, keys_of(device, 0)), want);
	if (want.status != 200 || !was_enrolled || play->model.certs[pin].is_revoked)
		return;
	/* The old pin works until the TokenUpdate. */
	credential = credential_of(pin);
	want = model_idle(&play->model, device, 0, pin);
	CHECK(play, want.status == 200);
	check_reply(play, talk_idle(&play->talk, &credential, keys_of(device, 0)), want);
	note_given(play, device, 0, want);
}

static void token_update(struct play *play, int device, int channel)
{
	const struct model_device *d = &play->model.devices[device];
	int cert = channel == 0 && d->pending != NOBODY && below(play, 4) != 0 ? d->pending
																																																																								: pick_cert(play, device);
	struct credential credential = credential_of(cert);
	struct model_reply want = model_token_update(&play->model, device, channel, cert);

	snprintf(play->step, sizeof(play->step), "TokenUpdate of %s with %d", ext_id_of(device, channel),
		cert);
	check_reply(play, talk_token_update(&play->talk, &credential, keys_of(device, channel)), want);
}

static void check_out(struct play *play, int device, int channel)
{
	int cert = pick_cert(play, device);
	struct credential credential = credential_of(cert);
	struct model_reply want = model_check_out(&play->model, device, channel, cert);

	snprintf(play->step, sizeof(play->step), "CheckOut of %s with %d", ext_id_of(device, channel),
		cert);
	check_reply(play, talk_check_out(&play->talk, &credential, keys_of(device, channel)), want);
}

/* A certificate that belongs to one device claims to be another. */
static void impersonate(struct play *play, int device, int channel)
{
	int other = (device + 1 + below(play, MODEL_DEVICES - 1)) % MODEL_DEVICES;
	int cert = play->model.devices[other].pin;
	struct credential credential;

	if (cert == NOBODY)
		return;
	credential = credential_of(cert);
	snprintf(play->step, sizeof(play->step), "D%d as %s", other, ext_id_of(device, channel));
	CHECK(play, talk_idle(&play->talk, &credential, keys_of(device, channel)) == 403);
	CHECK(play, talk_authenticate(&play->talk, &credential, keys_of(device, 0)) == 403);
	CHECK(play, talk_token_update(&play->talk, &credential, keys_of(device, channel)) == 403);
}

static void stranger(struct play *play, int device, int channel)
{
	struct credential credential = credential_of(model_add_cert(&play->model));
	char keys[ID_BYTES];

	(void)device;
	(void)channel;
	snprintf(play->step, sizeof(play->step), "a stranger");
	snprintf(keys, sizeof(keys), TALK_UDID("STRANGER%d"), play->model.cert_count);
	check_reply(play, talk_idle(&play->talk, &credential, keys), model_unknown(&play->model));
}

/* ---- what the administrator does */

static void enqueue(struct play *play, int device, int channel)
{
	static const struct model_command kinds[] = {
		{"ProfileList", false, true},
		{"DeviceInformation", false, true},
		{"InstallProfile", false, false},
		{"OfNextYear", false, false},
		{"DeviceLock", true, true},
		{"EraseDevice", true, true},
	};
	struct model *model = &play->model;
	struct model_channel *queue = &model->devices[device].channels[channel];
	bool is_old = model->command_count > 0 && below(play, 5) == 0;
	int command = is_old ? below(play, model->command_count) : model->command_count;
	int64_t not_after = below(play, 3) == 0 ? model->now + 1 + below(play, 100) : 0;

	if (!queue->is_known || queue->count == MODEL_ROWS || command == MODEL_COMMANDS - 1)
		return;
	if (!is_old)
		model->commands[model->command_count++] = kinds[below(play, COUNT_OF(kinds))];
	snprintf(play->step, sizeof(play->step), "command %d to %s", command, ext_id_of(device, channel));
	model_enqueue(model, device, channel, command, not_after);
	talk_enqueue(&play->talk, ext_id_of(device, channel), uuid_of(command),
		model->commands[command].request_type, not_after);
}

static void cancel(struct play *play, int device, int channel)
{
	const struct model_channel *queue = &play->model.devices[device].channels[channel];
	int command;

	if (queue->count == 0)
		return;
	command = queue->rows[below(play, queue->count)].command;
	snprintf(play->step, sizeof(play->step), "cancel %d of %s", command, ext_id_of(device, channel));
	model_cancel(&play->model, device, channel, command);
	talk_cancel(&play->talk, ext_id_of(device, channel), uuid_of(command));
}

static void order_removal(struct play *play, int device, int channel)
{
	struct model_channel *d = &play->model.devices[device].channels[0];

	(void)channel;
	if (!d->is_known || d->state == ENROLLMENT_REMOVED)
		return;
	snprintf(play->step, sizeof(play->step), "removal of D%d ordered", device);
	d->state = ENROLLMENT_REMOVAL_ORDERED;
	world_set_state(&play->talk.world, ext_id_of(device, 0), ENROLLMENT_REMOVAL_ORDERED);
}

static void revoke(struct play *play, int device, int channel)
{
	int cert = play->model.devices[device].pin;
	struct credential credential;

	(void)channel;
	if (cert == NOBODY)
		return;
	credential = credential_of(cert);
	snprintf(play->step, sizeof(play->step), "certificate %d revoked", cert);
	model_revoke(&play->model, cert);
	world_revoke(&play->talk.world, &credential);
}

static enum rc forget_one(void *ctx, struct txn *txn, struct err *err)
{
	const int64_t *id = ctx;

	return enrollment_forget(txn, *id, err);
}

static void forget(struct play *play, int device, int channel)
{
	const struct model_channel *d = &play->model.devices[device].channels[0];
	struct enrollment enrollment;

	(void)channel;
	if (!d->is_known || d->state == ENROLLMENT_ENROLLED)
		return;
	snprintf(play->step, sizeof(play->step), "D%d forgotten", device);
	assert_true(world_find(&play->talk.world, ext_id_of(device, 0), &enrollment));
	world_write(&play->talk.world, forget_one, &enrollment.id);
	model_forget(&play->model, device);
	memset(play->is_final[device], 0, sizeof(play->is_final[device]));
	for (int i = 0; i < MODEL_CHANNELS; i++)
		play->last_given[device][i] = NOBODY;
}

static enum rc expire_all(void *ctx, struct txn *txn, struct err *err)
{
	int64_t count;
	bool is_more = true;
	enum rc rc = RC_OK;

	(void)ctx;
	while (rc == RC_OK && is_more)
		rc = queue_expire(txn, &count, &is_more, err);
	return rc;
}

static void let_time_pass(struct play *play, int device, int channel)
{
	(void)device;
	(void)channel;
	play->talk.world.now += 1 + below(play, 60);
	play->model.now = play->talk.world.now;
	snprintf(play->step, sizeof(play->step), "time passes");
	if (below(play, 2) == 0)
		return;
	world_write(&play->talk.world, expire_all, NULL);
	model_expire(&play->model);
}

static void change_policy(struct play *play, int device, int channel)
{
	(void)device;
	(void)channel;
	play->model.policy.unknown_device =
		below(play, 2) == 0 ? UNKNOWN_DEVICE_REFUSE : UNKNOWN_DEVICE_UNENROLL;
	play->talk.policy.unenroll = play->model.policy;
}

static const struct {
	void (*act)(struct play *play, int device, int channel);
	int weight; /* of 1000 */
} acts[] = {
	{answer, 340},
	{idle, 200},
	{enqueue, 200},
	{token_update, 90},
	{authenticate, 60},
	{let_time_pass, 30},
	{cancel, 25},
	{check_out, 14},
	{impersonate, 14},
	{stranger, 10},
	{order_removal, 6},
	{revoke, 2},
	{forget, 6},
	{change_policy, 3},
};

static void step(struct play *play)
{
	int dice = below(play, 1000);
	int device = below(play, MODEL_DEVICES);
	int channel = below(play, 2) == 0 ? 0 : below(play, MODEL_CHANNELS);
	size_t i = 0;

	while (dice >= acts[i].weight)
		dice -= acts[i++].weight;
	acts[i].act(play, device, channel);
	check_database(play, device);
}

static void check_everything(struct play *play)
{
	for (int i = 0; i < MODEL_DEVICES; i++)
		check_database(play, i);
	CHECK(play, world_automatic_unenrollments(&play->talk.world) == play->model.automatic_count);
}

static void converse(uint64_t seed)
{
	struct play *play = calloc(1, sizeof(*play));

	assert_non_null(play);
	print_message("POMONA_SEED=%llu\n", (unsigned long long)seed);
	talk_open(&play->talk);
	model_init(&play->model);
	play->random = seed;
	play->model.now = play->talk.world.now;
	play->model.policy.fuse_per_hour = 10;
	play->talk.policy.unenroll = play->model.policy;
	memset(play->last_given, 0xff, sizeof(play->last_given)); /* NOBODY */
	for (int i = 1; i <= STEPS; i++) {
		step(play);
		if (i % ALL_IS_CHECKED_EVERY == 0)
			check_everything(play);
	}
	check_everything(play);
	print_message("200: %u, 401: %u, 403: %u; commands given: %u\n", play->statuses[200],
		play->statuses[401], play->statuses[403], play->given);
	/* A conversation in which nothing happens would prove nothing. */
	assert_true(play->statuses[200] > STEPS / 5 && play->given > STEPS / 20);
	assert_true(play->statuses[401] > 0 && play->statuses[403] > 0);
	for (int i = 0; i < CONTACTS; i++)
		assert_true(play->contacts[i] > 0);
	talk_close(&play->talk);
	free(play);
}

static void a_random_conversation_goes_as_the_model_says(void **state)
{
	const char *text = getenv("POMONA_SEED");
	uint64_t seed;

	(void)state;
	rand_bytes(&seed, sizeof(seed));
	converse(text != NULL ? strtoull(text, NULL, 10) : seed);
}

static void the_same_conversation_goes_the_same_way_every_time(void **state)
{
	(void)state;
	converse(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_conversation_goes_the_same_way_every_time),
		cmocka_unit_test(a_random_conversation_goes_as_the_model_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
