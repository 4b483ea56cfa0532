/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "h2_conn.h"
#include "h2_talk.h"

enum { MANY = 300 };

static struct ask asks[MANY];

/* --- a request and its reply */

static char seen_fields[1024], seen_body[64];

static void remember_and_answer(struct peer_line *line, const struct peer_request *request)
{
	const nghttp2_nv fields[] = {PEER_NV(":status", "410"), PEER_NV("apns-id", "id-1"),
		PEER_NV("other", "x"), PEER_NV("apns-unique-id", "u")};

	(void)snprintf(seen_fields, sizeof(seen_fields), "%s", request->fields);
	(void)snprintf(seen_body, sizeof(seen_body), "%.*s", SLICE_FMT(request->body));
	peer_answer_fields(line, request->stream_id, fields, COUNT_OF(fields),
		SLICE_LITERAL("{\"reason\":\"Unregistered\"}"));
}

static void a_request_goes_out_as_it_is_and_its_reply_comes_back(void **state)
{
	struct talk *talk = *state;

	talk_start(talk, (struct peer_conf){.on_request = remember_and_answer});
	assert_true(h2_room(talk->h2) > 0);
	talk_ask(talk, &asks[0], "/3/device/00ff", "{\"mdm\":\"magic\"}");
	assert_int_equal(asks[0].done, 0);
	assert_int_equal(h2_in_flight(talk->h2), 1);
	talk_wait_answers(talk, 1);
	assert_string_equal(seen_fields,
		":method: POST\n:scheme: https\n:authority: localhost\n"
		":path: /3/device/00ff\napns-push-type: mdm\n");
	assert_string_equal(seen_body, "{\"mdm\":\"magic\"}");
	assert_int_equal(asks[0].done, 1);
	assert_int_equal(asks[0].fate, H2_ANSWERED);
	assert_int_equal(asks[0].status, 410);
	assert_string_equal(asks[0].kept[0], "id-1");
	assert_string_equal(asks[0].kept[1], "u");
	assert_string_equal(asks[0].kept[2], "");
	assert_int_equal(asks[0].body_len, strlen("{\"reason\":\"Unregistered\"}"));
	assert_memory_equal(asks[0].body, "{\"reason\":\"Unregistered\"}", asks[0].body_len);
	assert_int_equal(h2_in_flight(talk->h2), 0);
}

#define TALK_TEST(name) cmocka_unit_test_setup_teardown(name, talk_setup, talk_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK_TEST(a_request_goes_out_as_it_is_and_its_reply_comes_back),
	};

	return cmocka_run_group_tests(tests, talk_group_setup, NULL);
}
