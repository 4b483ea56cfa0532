/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topic_world.h"

/*
 * Whatever happens in whatever order: each parcel ends once, never within topics_send(), and nothing is sent with a
 * certificate that has expired or was removed.
 */

enum { WALKS = 60, STEPS = 3000, SHIPMENTS_MAX = STEPS };

static uint64_t seed;
static struct shipment *shipments[SHIPMENTS_MAX];
static size_t shipment_count;
static unsigned cert_number;

/* xorshift */
static size_t pick(size_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (size_t)(seed >> 11) % below;
}

static const char *pick_topic(void)
{
	static const char *const topics[] = {TOPIC, TOPIC, TOPIC, OTHER_TOPIC};

	return topics[pick(COUNT_OF(topics))];
}

static void send_one(void)
{
	struct shipment *shipment = ship_to(1 + (int64_t)pick(200));
	const char *topic = pick_topic();
	enum topics_verdict before;

	if (shipment_count == SHIPMENTS_MAX) {
		free(shipment);
		return;
	}
	shipment->parcel.is_test = pick(20) == 0;
	if (pick(40) == 0)
		shipment->parcel.magic_len = 0;
	before = topics_look(world.topics, slice_of_str(topic), shipment->parcel.is_test);
	if (world_send_on(topic, shipment) == TOPICS_TAKEN) {
		assert_int_equal(before, TOPICS_TAKEN);
		shipments[shipment_count++] = shipment;
		return;
	}
	assert_int_not_equal(before, TOPICS_TAKEN);
	free(shipment);
}

/* Now and then `done` sends the next one. */
static void on_done(struct shipment *shipment)
{
	assert_int_equal(shipment->done_count, 1);
	if (pick(10) == 0)
		send_one();
}

static struct h2 *pick_link(void)
{
	size_t count = fake_link_count();

	return count == 0 ? NULL : fake_link(pick(count));
}

static void open_one(void)
{
	struct h2 *h2 = pick_link();

	if (h2 != NULL && !fake_link_is_open(h2))
		fake_open(h2);
}

static void answer_some(void)
{
	static const struct {
		unsigned status;
		const char *body;
	} answers[] = {
		{200, ""},
		{200, ""},
		{200, ""},
		{200, ""},
		{200, ""},
		{200, ""},
		{200, ""},
		{400, "{\"reason\":\"BadDeviceToken\"}"},
		{400, "{\"reason\":\"DeviceTokenNotForTopic\"}"},
		{400, "{\"reason\":\"IdleTimeout\"}"},
		{400, "{\"reason\":\"PayloadEmpty\"}"},
		{403, "{\"reason\":\"BadCertificate\"}"},
		{410, "{\"reason\":\"Unregistered\",\"timestamp\":1900000000000}"},
		{429, ""},
		{500, "junk"},
		{503, "{\"reason\":\"Shutdown\"}"},
	};
	/* A run of the same, or of good ones. */
	size_t which = pick(3) == 0 ? pick(COUNT_OF(answers)) : 0;
	size_t count = 1 + pick(25);
	struct h2 *h2 = pick_link();

	while (h2 != NULL && fake_flight(h2) > 0 && count-- > 0)
		fake_answer(h2, answers[which].status, answers[which].body);
}

static void refuse_one(void)
{
	const struct h2_reply reply = {.fate = pick(2) == 0 ? H2_REFUSED : H2_LOST};
	struct h2 *h2 = pick_link();

	if (h2 != NULL && fake_flight(h2) > 0)
		fake_reply(h2, pick(fake_flight(h2)), &reply);
}

static void go_away(void)
{
	static const char *const words[] = {"", "", "{\"reason\":\"Shutdown\"}", "x",
		"{\"reason\":\"BadCertificate\"}"};
	struct h2 *h2 = pick_link();

	if (h2 != NULL && fake_link_is_open(h2) && fake_link_is_staying(h2))
		fake_goaway(h2, words[pick(COUNT_OF(words))], pick(fake_flight(h2) + 1));
}

static void end_one(void)
{
	static const enum h2_end ends[] = {H2_END_CONNECT, H2_END_TLS, H2_END_CLOSED, H2_END_DEAD,
		H2_END_PROTOCOL};
	struct h2 *h2 = pick_link();

	if (h2 != NULL)
		fake_end(h2, ends[pick(COUNT_OF(ends))], "so it is");
}

static void pass(void)
{
	world_pass_s(1 + (int64_t)(pick(8) == 0 ? pick(70) : 0));
}

static void change_cert(void)
{
	static const int64_t lives_s[] = {5, 100, 8 * DAY_S, 300 * DAY_S, 300 * DAY_S};
	const char *topic = pick_topic();
	char name[32];

	if (pick(6) == 0) {
		world_remove_cert(topic);
	} else {
		(void)snprintf(name, sizeof(name), "cert %u", ++cert_number);
		world_set_cert(topic, name, world_now_s() + lives_s[pick(COUNT_OF(lives_s))]);
	}
	world_load();
}

static void change_net(void)
{
	static const enum rc rcs[] = {RC_OK, RC_OK, RC_OK, RC_OK, RC_NO_MEMORY, RC_IO, RC_INVALID};

	fake_net.open_rc = rcs[pick(COUNT_OF(rcs))];
	fake_net.request_rc = pick(6) == 0 ? RC_NO_MEMORY : RC_OK;
	fake_net.streams_max = 1 + (uint32_t)pick(40);
}

/* It goes out with its topic's certificate of now, which is good. */
static void check_cert(const struct fake_request *request, const char *cert)
{
	size_t i = 0;

	while (i < world.cert_count && strcmp(world.certs[i].topic, request->topic) != 0)
		i++;
	assert_true(i < world.cert_count);
	assert_string_equal(cert, world.certs[i].name);
	assert_true(world.certs[i].not_after > world_now_s());
}

static const struct {
	size_t weight;
	void (*step)(void);
} steps[] = {
	{40, send_one},
	{10, open_one},
	{30, answer_some},
	{3, refuse_one},
	{1, go_away},
	{1, end_one},
	{8, fake_turn},
	{6, pass},
	{1, change_cert},
	{1, change_net},
};

static void step(void)
{
	size_t at = pick(101);

	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		if (at < steps[i].weight) {
			steps[i].step();
			return;
		}
		at -= steps[i].weight;
	}
	fail_msg("weights");
}

static void check_stats(void)
{
	static struct push_stats stats;
	size_t open = 0;
	uint64_t in_flight = 0;
	size_t links = 0;

	topics_stats(world.topics, &stats);
	for (size_t i = 0; i < stats.topic_count; i++) {
		in_flight += stats.topics[i].in_flight;
		links += stats.topics[i].connections;
	}
	for (size_t i = 0; i < shipment_count; i++)
		open += shipments[i]->done_count == 0;
	assert_true(in_flight <= open);
	assert_int_equal(links, fake_link_count());
	for (size_t i = 0; i < fake_link_count(); i++)
		in_flight -= fake_flight(fake_link(i));
	assert_int_equal(in_flight, 0);
}

static void walk(uint64_t from)
{
	seed = from * 2654435761U + 88172645463325252U;
	shipment_count = 0;
	world.on_done = on_done;
	fake_net.on_request = check_cert;
	for (int i = 0; i < STEPS; i++) {
		step();
		check_stats();
	}
	if (pick(2) == 0)
		topics_stop(world.topics);
	topics_free(&world.topics);
	for (size_t i = 0; i < shipment_count; i++) {
		if (shipments[i]->done_count != 1)
			fail_msg("walk %llu: parcel %zu ended %u times", (unsigned long long)from, i,
				shipments[i]->done_count);
		free(shipments[i]);
	}
	assert_int_equal(world.done_count, shipment_count);
	assert_true(shipment_count > 10);
}

static void each_parcel_ends_once_whatever_happens(void **state)
{
	for (uint64_t i = 1; i <= WALKS; i++) {
		assert_int_equal(world_set_up(state), 0);
		walk(i);
		assert_int_equal(world_tear_down(state), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_parcel_ends_once_whatever_happens),
	};

	return cmocka_run_group_tests_name("push/topic_walk", tests, NULL, NULL);
}
