/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "life.h"

/* The devices of the fleet's pattern, by what they are for. */
enum { IPHONE = 0, MAC_WITH_USER = 1, TV = 3, SHARED_IPAD = 5, MAC_WITH_NETWORK_USER = 6 };
enum { MANY = 1000 };

static void enroll(struct device *device, unsigned index)
{
	device_init(device, index, 1);
	for (unsigned i = 0; i < device->channel_count; i++) {
		device->channels[i].is_authenticated = true;
		device->channels[i].is_enrolled = true;
	}
}

static void the_dice_fall_at_their_rates_and_one_rate_does_not_change_another(void **state)
{
	const struct life_rates all = {10, 50, 100}, one = {0, 50, 0};
	struct device first, second;
	int restored = 0, changed = 0, left = 0;

	(void)state;
	enroll(&first, MAC_WITH_USER);
	enroll(&second, MAC_WITH_USER);
	for (int i = 0; i < MANY; i++) {
		struct life_events a = life_draw(&first, &all), b = life_draw(&second, &one);

		assert_int_equal(a.has_new_tokens, b.has_new_tokens);
		assert_false(b.is_restored);
		assert_int_equal(b.logout, 0);
		restored += a.is_restored;
		changed += a.has_new_tokens;
		left += a.logout == 1;
	}
	assert_in_range(restored, 50, 150);
	assert_in_range(changed, 400, 600);
	assert_int_equal(left, MANY);
}

static void only_what_can_happen_to_a_device_happens(void **state)
{
	static const struct {
		unsigned index;
		bool may_be_restored;
		unsigned users;
	} cases[] = {
		{IPHONE, true, 0},
		{MAC_WITH_USER, true, 1},
		{TV, false, 0},
		{SHARED_IPAD, false, 2},
	};
	const struct life_rates certain = {100, 100, 100};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct device device;
		bool has_left[CHANNELS_MAX] = {false};

		enroll(&device, cases[i].index);
		for (int k = 0; k < 100; k++) {
			struct life_events events = life_draw(&device, &certain);

			assert_int_equal(events.is_restored, cases[i].may_be_restored);
			assert_true(events.has_new_tokens);
			has_left[events.logout] = true;
		}
		assert_int_equal(has_left[0], cases[i].users == 0);
		assert_int_equal(has_left[1], cases[i].users >= 1);
		assert_int_equal(has_left[2], cases[i].users >= 2);
	}
}

static void a_restored_device_has_new_tokens_and_its_old_enrollment(void **state)
{
	struct device device, before;

	(void)state;
	enroll(&device, MAC_WITH_NETWORK_USER);
	buf_append_str(&device.channels[0].unsent, "result");
	before = device;
	life_restore(&device);
	for (unsigned i = 0; i < 2; i++) {
		const struct channel *channel = &device.channels[i];

		assert_true(channel->is_enrolled && channel->has_token_news);
		assert_memory_not_equal(channel->push_token, before.channels[i].push_token, PUSH_TOKEN_BYTES);
		assert_string_not_equal(channel->push_magic, before.channels[i].push_magic);
	}
	assert_true(device.channels[0].is_authenticated);
	assert_false(device.channels[1].is_authenticated); /* the network user logs in anew */
	assert_int_equal(device.channels[0].unsent.len, 0);
	device_fini(&device);
}

static void new_tokens_leave_everything_else_as_it_is(void **state)
{
	struct device device, before;

	(void)state;
	enroll(&device, MAC_WITH_NETWORK_USER);
	device.channels[1].is_enrolled = false;
	before = device;
	life_change_tokens(&device);
	assert_memory_not_equal(device.channels[0].push_token, before.channels[0].push_token,
		PUSH_TOKEN_BYTES);
	assert_string_equal(device.channels[0].push_magic, before.channels[0].push_magic);
	assert_true(device.channels[0].has_token_news);
	assert_false(device.channels[1].has_token_news); /* its first TokenUpdate is to come */
	assert_true(device.channels[1].is_authenticated);
}

static void who_logged_out_comes_back_and_a_network_user_asks_again(void **state)
{
	struct device device;

	(void)state;
	enroll(&device, MAC_WITH_NETWORK_USER);
	device.channels[1].auth_token[0] = 't';
	assert_false(life_log_in(&device));
	life_log_out(&device.channels[1]);
	assert_true(life_has_logged_out(&device));
	assert_true(life_log_in(&device));
	assert_false(life_has_logged_out(&device));
	assert_false(device.channels[1].is_authenticated);
	assert_string_equal(device.channels[1].auth_token, "");
	assert_true(device.channels[1].has_token_news);
	assert_false(device.channels[0].has_token_news);

	enroll(&device, MAC_WITH_USER);
	life_log_out(&device.channels[1]);
	assert_true(life_log_in(&device));
	assert_true(device.channels[1].is_authenticated && device.channels[1].has_token_news);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_dice_fall_at_their_rates_and_one_rate_does_not_change_another),
		cmocka_unit_test(only_what_can_happen_to_a_device_happens),
		cmocka_unit_test(a_restored_device_has_new_tokens_and_its_old_enrollment),
		cmocka_unit_test(new_tokens_leave_everything_else_as_it_is),
		cmocka_unit_test(who_logged_out_comes_back_and_a_network_user_asks_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
