/* SPDX-License-Identifier: Apache-2.0 */
#include "gate.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

enum { NOW_US = 1000000000, S_US = 1000000 };

static struct gate *gate;

static void open_gate(struct gate_limits limits)
{
	struct err err;

	gate_free(&gate);
	assert_int_equal(gate_new(&limits, &gate, &err), RC_OK);
}

static int close_gate(void **state)
{
	(void)state;
	gate_free(&gate);
	return 0;
}

static size_t cell_of(const char *text)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = {0};
	size_t cell = SIZE_MAX;

	if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
		address.v4.sin_family = AF_INET;
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &address.v6.sin6_addr), 1);
		address.v6.sin6_family = AF_INET6;
	}
	assert_true(gate_cell(gate, &address.any, &cell));
	assert_true(cell < GATE_CELLS);
	return cell;
}

static void what_counts_as_one_address(void **state)
{
	static const struct {
		const char *one, *other;
		bool is_same;
	} rows[] = {
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "193.0.2.1", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"2001:db8:1:2::1", "3001:db8:1:2::1", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t same = 0;

		/* Different ones may meet in a cell, but under one secret in so many only. */
		for (size_t tries = 0; tries < 10; tries++) {
			open_gate((struct gate_limits){.per_s = 1});
			same += cell_of(rows[i].one) == cell_of(rows[i].other);
		}
		if (rows[i].is_same ? same != 10 : same > 3)
			fail_msg("%s and %s meet %zu times of 10", rows[i].one, rows[i].other, same);
	}
}

static void addresses_spread_over_the_cells(void **state)
{
	static uint8_t is_taken[GATE_CELLS];
	size_t count = 0;

	(void)state;
	open_gate((struct gate_limits){.per_s = 1});
	memset(is_taken, 0, sizeof(is_taken));
	for (uint32_t i = 0; i < 10000; i++) {
		struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000000 + i)};
		size_t cell;

		assert_true(gate_cell(gate, (const struct sockaddr *)&v4, &cell));
		count += is_taken[cell] == 0;
		is_taken[cell] = 1;
	}
	assert_true(count > 7000); /* 8600 by chance */
}

static void what_has_no_address_is_not_limited(void **state)
{
	const struct sockaddr_un local = {.sun_family = AF_UNIX};
	size_t cell;

	(void)state;
	open_gate((struct gate_limits){.per_s = 1});
	assert_false(gate_cell(gate, (const struct sockaddr *)&local, &cell));
	assert_false(gate_cell(gate, NULL, &cell));
}

static void an_address_has_its_connections_and_not_one_more(void **state)
{
	size_t cell, other;

	(void)state;
	open_gate((struct gate_limits){.connections_per_address = 3});
	cell = cell_of("192.0.2.1");
	other = (cell + 1) % GATE_CELLS;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(gate_ask(gate, cell, NOW_US), HTTP_AWAY_COUNT);
		assert_false(gate_enter(gate, cell, NOW_US));
	}
	assert_int_equal(gate_ask(gate, cell, NOW_US), HTTP_AWAY_CONNECTIONS_PER_ADDRESS);
	assert_int_equal(gate_ask(gate, other, NOW_US), HTTP_AWAY_COUNT);
	gate_leave(gate, cell);
	assert_int_equal(gate_ask(gate, cell, NOW_US), HTTP_AWAY_COUNT);
}

static int ask_often(size_t cell, int count, int64_t now_us, enum http_away expected)
{
	int taken = 0;

	for (int i = 0; i < count; i++) {
		enum http_away away = gate_ask(gate, cell, now_us);

		assert_true(away == HTTP_AWAY_COUNT || away == expected);
		taken += away == HTTP_AWAY_COUNT;
	}
	return taken;
}

static void a_seconds_worth_comes_at_once_and_no_more(void **state)
{
	static const unsigned rates[] = {1, 3, 1000, 1000000};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rates); i++) {
		int rate = (int)rates[i];

		open_gate((struct gate_limits){.per_address_per_s = rates[i]});
		assert_int_equal(ask_often(1, rate + 10, NOW_US, HTTP_AWAY_HANDSHAKES_PER_ADDRESS), rate);
		assert_int_equal(ask_often(2, 1, NOW_US, HTTP_AWAY_HANDSHAKES_PER_ADDRESS), 1);
		/* half a second later half of it, a long time later all of it and not more */
		assert_int_equal(ask_often(1, rate + 10, NOW_US + S_US / 2, HTTP_AWAY_HANDSHAKES_PER_ADDRESS),
			rate / 2);
		assert_int_equal(ask_often(1, rate + 10, NOW_US + 100 * S_US, HTTP_AWAY_HANDSHAKES_PER_ADDRESS),
			rate);
	}
}

static void all_addresses_together_have_a_rate_too(void **state)
{
	(void)state;
	open_gate((struct gate_limits){.per_s = 10});
	for (size_t cell = 0; cell < 10; cell++)
		assert_int_equal(gate_ask(gate, cell, NOW_US), HTTP_AWAY_COUNT);
	assert_int_equal(gate_ask(gate, 10, NOW_US), HTTP_AWAY_HANDSHAKES);
	assert_int_equal(gate_ask(gate, 10, NOW_US + S_US / 10), HTTP_AWAY_COUNT);
}

static void who_stands_for_many_is_held_by_what_is_for_all_alone(void **state)
{
	(void)state;
	open_gate((struct gate_limits){.connections_per_address = 1, .per_s = 10, .per_address_per_s = 1});
	for (int i = 0; i < 10; i++) {
		assert_int_equal(gate_ask(gate, GATE_CELL_SHARED, NOW_US), HTTP_AWAY_COUNT);
		assert_false(gate_enter(gate, GATE_CELL_SHARED, NOW_US));
	}
	assert_int_equal(gate_ask(gate, GATE_CELL_SHARED, NOW_US), HTTP_AWAY_HANDSHAKES);
	gate_leave(gate, GATE_CELL_SHARED);
}

static void who_is_turned_away_takes_nothing_from_others(void **state)
{
	(void)state;
	open_gate((struct gate_limits){.per_s = 10, .per_address_per_s = 5});
	assert_int_equal(ask_often(1, 1000, NOW_US, HTTP_AWAY_HANDSHAKES_PER_ADDRESS), 5);
	assert_int_equal(ask_often(2, 5, NOW_US, HTTP_AWAY_HANDSHAKES), 5);
	assert_int_equal(ask_often(3, 10, NOW_US, HTTP_AWAY_HANDSHAKES), 10 / 2 / 3); /* its share */
}

static void a_flood_leaves_every_other_address_its_share(void **state)
{
	enum { RATE = 100, FLOODING = 9, SECONDS = 5 };
	int flood = 0;

	(void)state;
	open_gate((struct gate_limits){.per_s = RATE});
	for (int64_t now = NOW_US; now < NOW_US + SECONDS * S_US; now += S_US / 100) {
		for (size_t cell = 0; cell < FLOODING; cell++)
			flood += ask_often(cell, 10, now, HTTP_AWAY_HANDSHAKES);
		if ((now - NOW_US) % (S_US / 5) == 0)
			assert_int_equal(gate_ask(gate, FLOODING, now), HTTP_AWAY_COUNT);
	}
	assert_true(flood >= RATE * (SECONDS - 1));
	assert_true(flood <= RATE * (SECONDS + 2)); /* what came at once, and on credit */
}

static void a_flood_from_more_addresses_than_the_rate_has_no_share(void **state)
{
	enum { RATE = 10 };
	int taken = 0;

	(void)state;
	open_gate((struct gate_limits){.per_s = RATE});
	for (size_t cell = 0; cell < 1000; cell++)
		taken += ask_often(cell, 1, NOW_US, HTTP_AWAY_HANDSHAKES);
	assert_int_equal(taken, RATE);
}

static void who_is_known_comes_in_through_a_flood_from_everywhere(void **state)
{
	enum { RATE = 10, KNOWN = GATE_CELLS - 1 };

	(void)state;
	open_gate((struct gate_limits){.per_s = RATE});
	gate_know(gate, KNOWN, NOW_US);
	for (size_t cell = 0; cell < 1000; cell++)
		(void)ask_often(cell, 1, NOW_US, HTTP_AWAY_HANDSHAKES);
	assert_int_equal(ask_often(KNOWN, RATE + 1, NOW_US, HTTP_AWAY_HANDSHAKES), RATE);
}

static void who_is_known_is_so_for_a_week(void **state)
{
	(void)state;
	open_gate((struct gate_limits){0});
	gate_know(gate, 1, NOW_US);
	assert_true(gate_enter(gate, 1, NOW_US + GATE_KNOWN_S * (int64_t)S_US - 1));
	assert_false(gate_enter(gate, 1, NOW_US + GATE_KNOWN_S * (int64_t)S_US));
	assert_false(gate_enter(gate, 2, NOW_US));
}

static void zero_is_no_limit(void **state)
{
	(void)state;
	open_gate((struct gate_limits){0});
	for (int i = 0; i < 10000; i++) {
		assert_int_equal(gate_ask(gate, 1, NOW_US), HTTP_AWAY_COUNT);
		assert_false(gate_enter(gate, 1, NOW_US));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(what_counts_as_one_address, close_gate),
		cmocka_unit_test_teardown(addresses_spread_over_the_cells, close_gate),
		cmocka_unit_test_teardown(what_has_no_address_is_not_limited, close_gate),
		cmocka_unit_test_teardown(an_address_has_its_connections_and_not_one_more, close_gate),
		cmocka_unit_test_teardown(a_seconds_worth_comes_at_once_and_no_more, close_gate),
		cmocka_unit_test_teardown(all_addresses_together_have_a_rate_too, close_gate),
		cmocka_unit_test_teardown(who_stands_for_many_is_held_by_what_is_for_all_alone, close_gate),
		cmocka_unit_test_teardown(who_is_turned_away_takes_nothing_from_others, close_gate),
		cmocka_unit_test_teardown(a_flood_leaves_every_other_address_its_share, close_gate),
		cmocka_unit_test_teardown(a_flood_from_more_addresses_than_the_rate_has_no_share, close_gate),
		cmocka_unit_test_teardown(who_is_known_comes_in_through_a_flood_from_everywhere, close_gate),
		cmocka_unit_test_teardown(who_is_known_is_so_for_a_week, close_gate),
		cmocka_unit_test_teardown(zero_is_no_limit, close_gate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
