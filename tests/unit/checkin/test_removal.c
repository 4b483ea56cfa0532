/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "pomona/command/removal.h"
#include "pomona/store/intent.h"
#include "pomona/store/renewal.h"
#include "talk.h"

#define D TALK_UDID("D")

static struct credential a, b;

/* An order for "D", as the API carries it out. */
struct order {
	bool is_known;        /* the identifier of its profile is */
	const char *fallback; /* in its place */
	bool is_queued;
};

static enum rc know_profile(struct txn *txn, const struct enrollment *device, struct err *err)
{
	static const struct intent_profile profile = {
		.identifier = SLICE_LITERAL("org.example & co"),
	};
	static const uint8_t key[SHA256_BYTES];
	const struct intent_new intent = {.way = INTENT_PROFILE, .profile = &profile};
	int64_t id;
	enum rc rc = intent_add(txn, &intent, &id, err);

	return rc == RC_OK ? intent_use(txn, id, key, device->identity_id, err) : rc;
}

static enum rc run_order(void *ctx, struct txn *txn, struct err *err)
{
	struct order *order = ctx;
	struct enrollment device;
	enum rc rc = enrollment_find(txn, SLICE_LITERAL("D"), &device, err);

	if (rc == RC_OK && order->is_known)
		rc = know_profile(txn, &device, err);
	if (rc == RC_OK)
		rc = removal_begin(txn, &device, order->fallback == NULL ? "" : order->fallback,
			&order->is_queued, err);
	return rc == RC_OK ? enrollment_set_state(txn, device.id, ENROLLMENT_REMOVAL_ORDERED, err) : rc;
}

static bool order(struct talk *talk)
{
	struct order order = {.is_known = true};

	world_write(&talk->world, run_order, &order);
	return order.is_queued;
}

static enum rc run_keep(void *ctx, struct txn *txn, struct err *err)
{
	struct enrollment device;
	enum rc rc = enrollment_find(txn, SLICE_LITERAL("D"), &device, err);

	if (rc == RC_OK)
		rc = removal_cancel(txn, device.id, ctx, err);
	return rc == RC_OK ? enrollment_set_state(txn, device.id, ENROLLMENT_ENROLLED, err) : rc;
}

static bool keep(struct talk *talk)
{
	bool was_given = false;

	world_write(&talk->world, run_keep, &was_given);
	return was_given;
}

static int setup(void **state)
{
	int rc;

	a = world_credential("a");
	b = world_credential("b");
	rc = talk_setup(state);
	talk_enroll(*state, &a, D);
	return rc;
}

/* Gives the UUID of the RemoveProfile that the latest reply holds. */
static const char *given_removal(struct talk *talk)
{
	const struct slice body = buf_slice(&talk->outcome.body);

	assert_int_equal(talk->outcome.http_status, 200);
	assert_non_null(memmem(body.ptr, body.len, "RemoveProfile", 13));
	assert_non_null(memmem(body.ptr, body.len, "org.example &amp; co", 20));
	return talk_given(talk);
}

static void it_is_given_once_before_all_others_and_then_comes_the_401(void **state)
{
	struct talk *talk = *state;

	talk_enqueue(talk, "D", "one", "DeviceLock", 0);
	assert_true(order(talk));
	assert_int_equal(talk_idle(talk, &a, D), 200);
	(void)given_removal(talk);
	assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_REMOVAL_ORDERED);
	assert_int_equal(talk_idle(talk, &a, D), 401);
	assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_REMOVED);
	assert_int_equal(talk_queue_state(talk, "D", "one", NULL), QUEUE_CANCELLED);
	assert_int_equal(talk_idle(talk, &a, D), 401);
	assert_int_equal(world_look(&talk->world, "SELECT count(*) FROM unenrollment"), 1);
	assert_int_equal(world_automatic_unenrollments(&talk->world), 0);
}

static void what_it_answers_is_kept_and_answered_401(void **state)
{
	static const struct {
		const char *status;
		enum queue_state state;
	} rows[] = {
		{"Acknowledged", QUEUE_DONE},
		{"Error", QUEUE_FAILED},
		{"CommandFormatError", QUEUE_FAILED},
		{"NotNow", QUEUE_CANCELLED},
	};
	struct talk *talk = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool is_late = true;
		char uuid[64];

		assert_true(order(talk));
		assert_int_equal(talk_idle(talk, &a, D), 200);
		(void)snprintf(uuid, sizeof(uuid), "%s", given_removal(talk));
		assert_int_equal(talk_answer(talk, &a, D, uuid, rows[i].status), 401);
		assert_int_equal(talk_queue_state(talk, "D", uuid, &is_late), rows[i].state);
		assert_false(is_late);
		assert_string_equal(talk->outcome.event, "unenrolled");
		assert_int_equal(talk_answer(talk, &a, D, uuid, rows[i].status), 401);
		talk_enroll(talk, &a, D);
	}
}

static void an_answer_to_another_command_is_taken_before(void **state)
{
	struct talk *talk = *state;

	talk_enqueue(talk, "D", "one", "ProfileList", 0);
	assert_int_equal(talk_idle(talk, &a, D), 200);
	assert_true(order(talk));
	assert_int_equal(talk_answer(talk, &a, D, "one", "Acknowledged"), 200);
	(void)given_removal(talk);
	assert_int_equal(talk_queue_state(talk, "D", "one", NULL), QUEUE_DONE);
	assert_int_equal(talk_idle(talk, &a, D), 401);
}

static void whoever_is_not_the_pinned_device_is_given_nothing(void **state)
{
	struct talk *talk = *state;

	assert_true(order(talk));
	assert_int_equal(talk_idle(talk, &b, D), 403);
	assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_REMOVAL_ORDERED);
	assert_int_equal(talk_idle(talk, &a, D), 200);
	(void)given_removal(talk);
}

static void a_user_a_token_and_a_new_enrollment_meet_the_401_at_once(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(talk_token_update(talk, &a, TALK_USER("D", "U")), 200);
	assert_true(order(talk));
	assert_int_equal(talk_idle(talk, &a, TALK_USER("D", "U")), 401);
	talk_enroll(talk, &a, D);
	assert_true(order(talk));
	assert_int_equal(talk_token_update(talk, &a, D), 401);
	talk_enroll(talk, &a, D);
	assert_true(order(talk));
	assert_int_equal(talk_authenticate(talk, &b, D), 401);
}

static void a_command_that_was_cancelled_leaves_the_401(void **state)
{
	struct talk *talk = *state;

	assert_true(order(talk));
	assert_int_equal(talk_idle(talk, &a, D), 200);
	talk_cancel(talk, "D", given_removal(talk));
	assert_int_equal(talk_idle(talk, &a, D), 401);
}

static void an_order_that_is_taken_back_leaves_nothing(void **state)
{
	struct talk *talk = *state;

	assert_true(order(talk));
	assert_false(keep(talk));
	assert_int_equal(talk_idle(talk, &a, D), 200);
	assert_string_equal(talk_given(talk), "");
	assert_true(order(talk));
	assert_int_equal(talk_idle(talk, &a, D), 200);
	assert_true(keep(talk));
	assert_int_equal(talk_idle(talk, &a, D), 200);
	assert_string_equal(talk_given(talk), "");
	assert_false(keep(talk)); /* there is none */
	assert_true(order(talk)); /* and again from the beginning */
	assert_int_equal(talk_idle(talk, &a, D), 200);
	(void)given_removal(talk);
}

static void without_an_identifier_there_is_no_command(void **state)
{
	struct talk *talk = *state;
	struct order order = {.fallback = "ours"};

	world_write(&talk->world, run_order, &order);
	assert_false(order.is_queued); /* its identity is not from our SCEP */
	assert_int_equal(talk_idle(talk, &a, D), 401);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, talk_teardown)
		TEST(it_is_given_once_before_all_others_and_then_comes_the_401),
		TEST(what_it_answers_is_kept_and_answered_401),
		TEST(an_answer_to_another_command_is_taken_before),
		TEST(whoever_is_not_the_pinned_device_is_given_nothing),
		TEST(a_user_a_token_and_a_new_enrollment_meet_the_401_at_once),
		TEST(a_command_that_was_cancelled_leaves_the_401),
		TEST(an_order_that_is_taken_back_leaves_nothing),
		TEST(without_an_identifier_there_is_no_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
