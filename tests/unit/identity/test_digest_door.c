/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/identity/digest_door.h"

enum { ARENA_BYTES = 1 << 20, US_A_SECOND = 1000000, NONCE_TEXT_BYTES = 128 };

static int64_t now_us = 1000;

static int64_t the_time(void *ctx)
{
	(void)ctx;
	return now_us;
}

static const struct clock test_clock = {.unix_ms = the_time, .monotonic_us = the_time};

struct house {
	struct user_directory *users;
	struct digest_door *door;
};

static int build(void **state)
{
	struct house *house = calloc(1, sizeof(*house));
	struct user_file *file = user_file_new();
	const struct digest_door_params bad = {.clock = &test_clock, .realm = "a \"realm\""};
	struct digest_door_params params = {.clock = &test_clock, .realm = "the realm"};
	struct user_row row;
	struct err err;

	assert_int_equal(user_row_make("ada", "Ada", "the realm", SLICE_LITERAL("right"), &row, &err),
		RC_OK);
	assert_int_equal(user_file_put(file, &row, &err), RC_OK);
	assert_int_equal(user_directory_new(&test_clock, &house->users, &err), RC_OK);
	user_directory_set(house->users, &file);
	params.users = house->users;
	assert_int_equal(digest_door_new(&bad, &house->door, &err), RC_INVALID);
	assert_int_equal(digest_door_new(&params, &house->door, &err), RC_OK);
	*state = house;
	return 0;
}

static int tear_down(void **state)
{
	struct house *house = *state;

	digest_door_free(&house->door);
	user_directory_free(&house->users);
	free(house);
	return 0;
}

static void take_nonce(struct house *house, enum digest_kind kind, bool is_stale,
	char nonce[static NONCE_TEXT_BYTES])
{
	AUTO(buf_fini) struct buf header;
	char want[DIGEST_DOOR_HEADER_BYTES_MAX];

	buf_init(&header, DIGEST_DOOR_HEADER_BYTES_MAX);
	assert_int_equal(digest_door_challenge(house->door, kind, is_stale, &header, NULL), RC_OK);
	assert_int_equal(sscanf(strstr(buf_cstr(&header), "nonce="), "nonce=\"%127[0-9a-f]\"", nonce), 1);
	snprintf(want, sizeof(want),
		"Digest realm=\"the realm\", qop=\"auth\", algorithm=%s, nonce=\"%s\"%s",
		kind == DIGEST_MD5 ? "MD5" : "SHA-256", nonce, is_stale ? ", stale=true" : "");
	assert_string_equal(buf_cstr(&header), want);
}

static int answers;

static void answered(struct digest_knock *knock)
{
	(void)knock;
	answers++;
}

struct trying {
	const char *name, *password, *nonce, *target, *qop;
	enum digest_kind kind;
	unsigned count;
};

static void write_header(const struct trying *trying, char *text, size_t size)
{
	const char *names[] = {"MD5", "SHA-256"};
	struct slice name = slice_of_str(trying->name);
	const struct slice a2[] = {SLICE_LITERAL("POST"), SLICE_LITERAL("/ade?x=1")};
	char ha2[DIGEST_HEX_BYTES];
	char response[DIGEST_HEX_BYTES];
	char nc[16];
	struct digest_ha1 ha1;
	struct slice parts[6];

	snprintf(nc, sizeof(nc), "%08x", trying->count);
	assert_int_equal(digest_ha1_make(name, SLICE_LITERAL("the realm"), slice_of_str(trying->password),
																			&ha1, NULL),
		RC_OK);
	assert_int_equal(digest_hex(trying->kind, a2, 2, ha2, NULL), RC_OK);
	parts[0] = slice_of_str(ha1.hex[trying->kind]);
	parts[1] = slice_of_str(trying->nonce);
	parts[2] = slice_of_str(nc);
	parts[3] = SLICE_LITERAL("c");
	parts[4] = SLICE_LITERAL("auth");
	parts[5] = slice_of_str(ha2);
	assert_int_equal(digest_hex(trying->kind, parts, 6, response, NULL), RC_OK);
	snprintf(text, size,
		"Digest username=\"%s\", realm=\"the realm\", nonce=\"%s\", uri=\"/ade?x=1\", algorithm=%s,"
		" response=\"%s\"%s%s",
		trying->name, trying->nonce, names[trying->kind], response, trying->qop,
		trying->qop[0] == '\0' ? "" : nc);
}

static enum digest_door_verdict knock_with(struct house *house, const char *text,
	const char *target)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct digest_knock knock = {
		.authorization = slice_of_str(text),
		.method = "POST",
		.target = slice_of_str(target),
		.address = SLICE_LITERAL("192.0.2.1:1"),
		.arena = arena,
		.done = answered,
	};

	answers = 0;
	digest_door_knock(house->door, &knock);
	assert_int_equal(answers, 1);
	if (knock.verdict == DIGEST_DOOR_OPEN)
		assert_string_equal(knock.query.display_name, "Ada");
	return knock.verdict;
}

static enum digest_door_verdict knock(struct house *house, const struct trying *trying)
{
	char text[2048];

	write_header(trying, text, sizeof(text));
	return knock_with(house, text, trying->target);
}

static struct trying trying_with(const char *nonce)
{
	return (struct trying){.name = "ada",
		.password = "right",
		.nonce = nonce,
		.target = "/ade?x=1",
		.qop = ", qop=auth, cnonce=\"c\", nc=",
		.kind = DIGEST_SHA256,
		.count = 1};
}

static void who_knows_the_password_comes_in(void **state)
{
	char nonce[NONCE_TEXT_BYTES];
	struct trying trying;

	for (int kind = 0; kind < DIGEST_KIND_COUNT; kind++) {
		take_nonce(*state, (enum digest_kind)kind, kind == 1, nonce);
		trying = trying_with(nonce);
		trying.kind = (enum digest_kind)kind;
		assert_int_equal(knock(*state, &trying), DIGEST_DOOR_OPEN);
	}
}

static void another_realm_needs_other_passwords(void **state)
{
	struct house *house = *state;
	AUTO(buf_fini) struct buf header;
	char nonce[NONCE_TEXT_BYTES];
	struct trying trying;

	buf_init(&header, DIGEST_DOOR_HEADER_BYTES_MAX);
	take_nonce(house, DIGEST_SHA256, false, nonce);
	trying = trying_with(nonce);
	digest_door_set_realm(house->door, "no \"realm\"");
	assert_int_equal(knock(house, &trying), DIGEST_DOOR_OPEN);
	trying.count++;
	digest_door_set_realm(house->door, "another");
	assert_int_equal(knock(house, &trying), DIGEST_DOOR_WRONG);
	assert_int_equal(digest_door_challenge(house->door, DIGEST_MD5, false, &header, NULL), RC_OK);
	assert_non_null(strstr(buf_cstr(&header), "realm=\"another\""));
	digest_door_set_realm(house->door, "the realm");
	assert_int_equal(knock(house, &trying), DIGEST_DOOR_OPEN);
}

static void others_stay_out(void **state)
{
	char nonce[NONCE_TEXT_BYTES];
	struct trying trying;

	take_nonce(*state, DIGEST_SHA256, false, nonce);
	trying = trying_with(nonce);
	trying.password = "wrong";
	assert_int_equal(knock(*state, &trying), DIGEST_DOOR_WRONG);
	trying = trying_with(nonce);
	trying.name = "bob";
	assert_int_equal(knock(*state, &trying), DIGEST_DOOR_WRONG);
	trying = trying_with(nonce);
	trying.target = "/other";
	assert_int_equal(knock(*state, &trying), DIGEST_DOOR_GARBLED);
	trying = trying_with(nonce);
	trying.qop = "";
	assert_int_equal(knock(*state, &trying), DIGEST_DOOR_GARBLED);
	assert_int_equal(knock_with(*state, "", "/"), DIGEST_DOOR_NO_LOGIN);
	assert_int_equal(knock_with(*state, "Basic YWRhOnJpZ2h0", "/"), DIGEST_DOOR_NO_LOGIN);
	assert_int_equal(knock_with(*state, "Digest ", "/"), DIGEST_DOOR_GARBLED);
	trying = trying_with(nonce);
	assert_int_equal(knock(*state, &trying), DIGEST_DOOR_OPEN);
}

static void each_count_of_a_nonce_comes_once(void **state)
{
	char nonce[NONCE_TEXT_BYTES];
	struct trying trying;

	take_nonce(*state, DIGEST_SHA256, false, nonce);
	trying = trying_with(nonce);
	trying.count = 0;
	assert_int_equal(knock(*state, &trying), DIGEST_DOOR_STALE);
	trying.count = 1;
	assert_int_equal(knock(*state, &trying), DIGEST_DOOR_OPEN);
	assert_int_equal(knock(*state, &trying), DIGEST_DOOR_STALE);
	trying.count = 3;
	assert_int_equal(knock(*state, &trying), DIGEST_DOOR_OPEN);
	trying.count = 2;
	assert_int_equal(knock(*state, &trying), DIGEST_DOOR_STALE);
	trying.count = 0xffffffff;
	assert_int_equal(knock(*state, &trying), DIGEST_DOOR_OPEN);
}

static void a_nonce_has_its_time_and_its_maker(void **state)
{
	char nonce[NONCE_TEXT_BYTES];
	struct trying trying;

	take_nonce(*state, DIGEST_SHA256, false, nonce);
	trying = trying_with(nonce);
	now_us += (int64_t)DIGEST_DOOR_NONCE_S * US_A_SECOND - 1;
	assert_int_equal(knock(*state, &trying), DIGEST_DOOR_OPEN);
	trying.count++;
	now_us++;
	assert_int_equal(knock(*state, &trying), DIGEST_DOOR_STALE);
	trying.password = "wrong"; /* who does not know it is not told */
	assert_int_equal(knock(*state, &trying), DIGEST_DOOR_WRONG);
	take_nonce(*state, DIGEST_SHA256, false, nonce);
	nonce[20] = nonce[20] == '0' ? '1' : '0';
	trying = trying_with(nonce);
	assert_int_equal(knock(*state, &trying), DIGEST_DOOR_STALE);
	trying = trying_with("made up");
	assert_int_equal(knock(*state, &trying), DIGEST_DOOR_STALE);
}

/* However many came in between: what was used once is never new again. */
static void a_nonce_that_was_forgotten_is_not_new_again(void **state)
{
	char first[NONCE_TEXT_BYTES];
	char nonce[NONCE_TEXT_BYTES];
	struct trying trying;

	take_nonce(*state, DIGEST_SHA256, false, first);
	trying = trying_with(first);
	assert_int_equal(knock(*state, &trying), DIGEST_DOOR_OPEN);
	for (int i = 0; i < DIGEST_DOOR_NONCES_MAX; i++) {
		now_us++;
		take_nonce(*state, DIGEST_SHA256, false, nonce);
		trying = trying_with(nonce);
		assert_int_equal(knock(*state, &trying), DIGEST_DOOR_OPEN);
	}
	trying = trying_with(first);
	assert_int_equal(knock(*state, &trying), DIGEST_DOOR_STALE);
}

static void guessing_is_limited(void **state)
{
	char nonce[NONCE_TEXT_BYTES];
	struct trying trying;

	take_nonce(*state, DIGEST_SHA256, false, nonce);
	trying = trying_with(nonce);
	trying.password = "guess";
	for (int i = 0; i < USER_WRONG_PER_NAME; i++)
		assert_int_equal(knock(*state, &trying), DIGEST_DOOR_WRONG);
	trying.password = "right";
	assert_int_equal(knock(*state, &trying), DIGEST_DOOR_LIMITED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, build, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(who_knows_the_password_comes_in),
		TEST(another_realm_needs_other_passwords),
		TEST(others_stay_out),
		TEST(each_count_of_a_nonce_comes_once),
		TEST(a_nonce_has_its_time_and_its_maker),
		TEST(a_nonce_that_was_forgotten_is_not_new_again),
		TEST(guessing_is_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
