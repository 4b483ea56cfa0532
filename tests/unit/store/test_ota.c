/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <string.h>

#include "pomona/store/apple_anchor.h"

static void test_apples_certificates_come_and_go(void **state)
{
	struct fixture *f = *state;
	const struct cert_facts first = facts_of(1), second = facts_of(2);
	struct apple_anchor *anchors;
	size_t count;
	struct err err;

	assert_ok(apple_anchor_list(fixture_read(f), f->arena, &anchors, &count, &err), &err);
	assert_int_equal(count, 0);
	assert_ok(apple_anchor_add(fixture_write(f), S("one"), &first, S("ada"), &err), &err);
	assert_ok(apple_anchor_add(fixture_write(f), S("two"), &second, S("bob"), &err), &err);
	assert_rc(apple_anchor_add(fixture_write(f), S("one"), &first, S("eve"), &err), RC_EXISTS, &err);
	fixture_commit(f);
	assert_ok(apple_anchor_list(fixture_read(f), f->arena, &anchors, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_slice(anchors[0].der, "one");
	assert_string_equal(anchors[0].imported_by, "ada");
	assert_int_equal(anchors[0].imported_at, T0);
	assert_slice(anchors[1].der, "two");
	assert_ok(apple_anchor_remove(fixture_write(f), first.sha256, &err), &err);
	assert_rc(apple_anchor_remove(fixture_write(f), first.sha256, &err), RC_NOT_FOUND, &err);
	fixture_commit(f);
	assert_ok(apple_anchor_list(fixture_read(f), f->arena, &anchors, &count, &err), &err);
	assert_int_equal(count, 1);
}

static void test_what_is_kept_of_a_certificate_is_bounded(void **state)
{
	static uint8_t bytes[CERT_DER_BYTES_MAX + 1];
	struct fixture *f = *state;
	const struct cert_facts facts = facts_of(1);
	struct err err;

	memset(bytes, 'x', sizeof(bytes));
	assert_rc(apple_anchor_add(fixture_write(f), slice_of(bytes, sizeof(bytes)), &facts, S("a"), &err),
		RC_LIMIT, &err);
	assert_rc(apple_anchor_add(fixture_write(f), S("one"), &facts,
												slice_of(bytes, APPLE_ANCHOR_BY_BYTES_MAX + 1), &err),
		RC_LIMIT, &err);
	assert_ok(apple_anchor_add(fixture_write(f), slice_of(bytes, CERT_DER_BYTES_MAX), &facts,
												slice_of(bytes, APPLE_ANCHOR_BY_BYTES_MAX), &err),
		&err);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_apples_certificates_come_and_go),
		TEST(test_what_is_kept_of_a_certificate_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
