/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "h2_frames.h"
#include "h2_session.h"

/* A peer that sends without end, and what bounds it. The session's own bytes go nowhere, unless a test drains it. */

enum { FED_MAX = 100000, IN_BYTES_MAX = 1024 * 1024 };

struct flood {
	struct h2_session *session;
	struct h2_request request;
	unsigned done;
	enum h2_fate fate;
};

static const struct h2_field fields[] = {
	{SLICE_LITERAL(":method"), SLICE_LITERAL("POST"), false},
	{SLICE_LITERAL(":scheme"), SLICE_LITERAL("https"), false},
	{SLICE_LITERAL(":authority"), SLICE_LITERAL("localhost"), false},
	{SLICE_LITERAL(":path"), SLICE_LITERAL("/3/device/00"), true},
};

static struct flood flood;

static void on_done(struct h2_request *request, const struct h2_reply *reply)
{
	(void)request;
	flood.done++;
	flood.fate = reply->fate;
}

static enum rc feed(uint8_t type, unsigned flags, int32_t id, struct slice payload)
{
	struct buf in;
	struct err err;
	enum rc rc;

	buf_init(&in, IN_BYTES_MAX);
	frame_add(&in, type, flags, id, payload);
	rc = h2_session_take(flood.session, buf_slice(&in), &err);
	buf_fini(&in);
	return rc;
}

static void drain(void)
{
	struct slice piece;

	do
		assert_int_equal(h2_session_give(flood.session, &piece, NULL), RC_OK);
	while (piece.len > 0);
}

/* Open, with one request sent; the peer does not acknowledge our SETTINGS. */
static int setup(void **state)
{
	const char *const kept[H2_KEPT_MAX] = {"apns-id"};

	flood = (struct flood){.request = {fields, COUNT_OF(fields), slice_of(NULL, 0), on_done}};
	*state = &flood;
	if (h2_session_new(kept, &flood.session, NULL) != RC_OK)
		return -1;
	assert_int_equal(feed(NGHTTP2_SETTINGS, 0, 0, slice_of(NULL, 0)), RC_OK);
	assert_int_equal(h2_session_request(flood.session, &flood.request, NULL), RC_OK);
	drain();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	h2_session_free(&flood.session);
	return 0;
}

static bool is_over(void)
{
	const char *text;

	return h2_session_fault(flood.session, &text) != RC_OK;
}

/* How many promises, each turned down, the session takes. */
static unsigned feed_promises(bool is_read)
{
	unsigned fed = 0;

	while (!is_over() && fed < FED_MAX) {
		uint32_t id = 2 * (fed + 1);
		const uint8_t promise[] = {(uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8),
			(uint8_t)id, 0x82, 0x87, 0x84, 0x41, 1, 'a'};

		(void)!feed(NGHTTP2_PUSH_PROMISE, NGHTTP2_FLAG_END_HEADERS, 1,
			slice_of(promise, sizeof(promise)));
		if (is_read)
			drain();
		fed++;
	}
	return fed;
}

static void promises_that_nobody_reads_the_refusals_of_end_it(void **state)
{
	(void)state;
	assert_int_equal(feed_promises(false), H2_SESSION_FRAMES_WAITING_MAX + 1);
	assert_int_equal(h2_session_room(flood.session), 0);
	h2_session_abandon(flood.session);
	h2_session_hand_back(flood.session);
	assert_int_equal(flood.done, 1);
	assert_int_equal(flood.fate, H2_LOST);
}

static void promises_whose_refusals_are_read_are_a_nuisance_only(void **state)
{
	(void)state;
	assert_int_equal(feed_promises(true), FED_MAX);
	assert_false(is_over());
}

/* Header bytes are bounded; pieces without any are so too. */
static void a_header_block_in_pieces_without_end_ends_it(void **state)
{
	enum rc rc = feed(NGHTTP2_HEADERS, 0, 1, SLICE_LITERAL(BLOCK_STATUS_200));
	unsigned fed = 0;

	(void)state;
	for (; rc == RC_OK && !is_over() && fed < FED_MAX; fed++)
		rc = feed(NGHTTP2_CONTINUATION, 0, 1, slice_of(NULL, 0));
	assert_int_not_equal(fed, FED_MAX);
}

#define FLOOD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOOD_TEST(promises_that_nobody_reads_the_refusals_of_end_it),
		FLOOD_TEST(promises_whose_refusals_are_read_are_a_nuisance_only),
		FLOOD_TEST(a_header_block_in_pieces_without_end_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
