/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "token_map.h"
#include "wake.h"

#define TOPIC "com.apple.mgmt.External.x"

/* Who was roused last, and how often anybody was. */
static const void *roused;
static unsigned roused_channel, rouses;

static void rouse(void *who, unsigned channel)
{
	roused = who;
	roused_channel = channel;
	rouses++;
}

static struct apns_push push_to(const char *token, const char *topic, const char *magic)
{
	struct apns_push push = {.token_len = strlen(token), .topic = slice_of_str(topic)};

	memcpy(push.token, token, push.token_len);
	(void)snprintf(push.magic, sizeof(push.magic), "%s", magic);
	return push;
}

static int setup(void **state)
{
	static int devices[2];
	struct wake *wake = wake_new(rouse);
	enum rc rc = RC_OK;

	rouses = 0;
	for (unsigned i = 0; i < 2 && rc == RC_OK; i++) {
		const struct wake_channel channel = {.token = slice_of_str(i == 0 ? "one" : "two"),
			.topic = TOPIC,
			.magic = i == 0 ? "first" : "second",
			.who = &devices[i],
			.channel = i + 1};

		rc = wake_add(wake, &channel);
	}
	*state = wake;
	return rc == RC_OK ? 0 : -1;
}

static int teardown(void **state)
{
	struct wake *wake = *state;

	wake_free(&wake);
	return 0;
}

static void a_push_rouses_the_channel_of_its_token(void **state)
{
	const struct apns_push one = push_to("one", TOPIC, "first");
	const struct apns_push two = push_to("two", TOPIC, "second");
	int64_t gone_ms;
	const void *first;

	assert_int_equal(wake_judge(*state, &one, &gone_ms), WAKE_KNOWN);
	assert_true(wake_push(*state, &one));
	assert_int_equal(roused_channel, 1);
	first = roused;
	assert_true(wake_push(*state, &two));
	assert_int_equal(roused_channel, 2);
	assert_ptr_not_equal(roused, first);
	assert_int_equal(rouses, 2);
}

static void another_magic_rouses_nobody(void **state)
{
	const char *const magics[] = {"second", "First", "firs", "first1", ""};

	for (size_t i = 0; i < COUNT_OF(magics); i++) {
		const struct apns_push push = push_to("one", TOPIC, magics[i]);

		assert_false(wake_push(*state, &push));
	}
	assert_int_equal(rouses, 0);
}

static void a_token_is_judged_as_apns_does(void **state)
{
	struct apns_push push = push_to("three", TOPIC, "first");
	int64_t gone_ms;

	assert_int_equal(wake_judge(*state, &push, &gone_ms), WAKE_UNKNOWN);
	push = push_to("one", TOPIC "y", "first");
	assert_int_equal(wake_judge(*state, &push, &gone_ms), WAKE_OTHER_TOPIC);
	wake_retire(*state, slice_of_str("one"), 77);
	wake_retire(*state, slice_of_str("one"), 99); /* it was gone already */
	wake_retire(*state, slice_of_str("three"), 77);
	push = push_to("one", TOPIC, "first");
	assert_int_equal(wake_judge(*state, &push, &gone_ms), WAKE_GONE);
	assert_int_equal(gone_ms, 77);
	push = push_to("two", TOPIC, "second");
	assert_int_equal(wake_judge(*state, &push, &gone_ms), WAKE_KNOWN);
}

static void a_token_that_comes_back_is_in_use_again(void **state)
{
	const struct wake_channel channel = {.token = slice_of_str("one"),
		.topic = TOPIC,
		.magic = "new",
		.who = &rouses,
		.channel = 0};
	const struct apns_push push = push_to("one", TOPIC, "new");
	int64_t gone_ms;

	wake_retire(*state, slice_of_str("one"), 77);
	assert_int_equal(wake_add(*state, &channel), RC_OK);
	assert_int_equal(wake_judge(*state, &push, &gone_ms), WAKE_KNOWN);
	assert_true(wake_push(*state, &push));
	assert_ptr_equal(roused, &rouses);
}

static void a_token_has_100_bytes_at_most(void **state)
{
	uint8_t token[APNS_TOKEN_BYTES_MAX + 1] = {0};
	struct wake_channel channel = {.token = slice_of(token, APNS_TOKEN_BYTES_MAX),
		.topic = TOPIC,
		.magic = "m"};

	assert_int_equal(wake_add(*state, &channel), RC_OK);
	channel.token.len++;
	assert_int_equal(wake_add(*state, &channel), RC_LIMIT);
}

/* --- the map */

enum { THINGS = 1000 };

struct thing {
	struct token_key key;
	unsigned number;
};

static struct slice token_of(unsigned number, char text[static 16])
{
	(void)snprintf(text, 16, "%u", number);
	return slice_of_str(text);
}

static unsigned number_at(const struct token_map *map, unsigned number)
{
	char text[16];
	const struct thing *thing = (const void *)token_map_find(map, token_of(number, text));

	return thing == NULL ? UINT32_MAX : thing->number;
}

static void the_map_finds_what_was_added_and_not_what_was_removed(void **state)
{
	struct token_map map = {0};
	char text[16];

	(void)state;
	assert_null(token_map_find(&map, slice_of_str("none")));
	assert_null(token_map_remove(&map, slice_of_str("none")));
	for (unsigned i = 0; i < THINGS; i++) {
		struct thing *thing = calloc(1, sizeof(*thing));

		assert_non_null(thing);
		thing->number = i;
		assert_true(token_key_set(&thing->key, token_of(i, text)));
		assert_int_equal(token_map_add(&map, &thing->key), RC_OK);
	}
	for (unsigned i = 0; i < THINGS; i += 3)
		free(token_map_remove(&map, token_of(i, text)));
	for (unsigned i = 0; i < THINGS; i++)
		assert_int_equal(number_at(&map, i), i % 3 == 0 ? UINT32_MAX : i);
	assert_int_equal(map.count, THINGS - (THINGS + 2) / 3);
	token_map_clear(&map);
	assert_int_equal(map.count, 0);
}

static void a_key_takes_100_bytes_and_no_more(void **state)
{
	uint8_t bytes[APNS_TOKEN_BYTES_MAX + 1] = {0};
	struct token_key key;

	(void)state;
	assert_true(token_key_set(&key, slice_of(bytes, 0)));
	assert_true(token_key_set(&key, slice_of(bytes, APNS_TOKEN_BYTES_MAX)));
	assert_false(token_key_set(&key, slice_of(bytes, APNS_TOKEN_BYTES_MAX + 1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_push_rouses_the_channel_of_its_token, setup, teardown),
		cmocka_unit_test_setup_teardown(another_magic_rouses_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(a_token_is_judged_as_apns_does, setup, teardown),
		cmocka_unit_test_setup_teardown(a_token_that_comes_back_is_in_use_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_token_has_100_bytes_at_most, setup, teardown),
		cmocka_unit_test(the_map_finds_what_was_added_and_not_what_was_removed),
		cmocka_unit_test(a_key_takes_100_bytes_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
