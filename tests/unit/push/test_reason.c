/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "reason.h"

enum { TOKEN_AT = 1800000000 };

/* What an MDM server is to do, row by row; a 410's timestamp is later than the token. */
static const struct {
	unsigned status;
	const char *name;
	enum push_action action;
	enum reason_effect effect;
	enum log_level level;
	int64_t retry_after_s;
} rows[] = {
	{400, "BadCollapseId", PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0},
	{400, "BadDeviceToken", PUSH_TOKEN_DEAD, REASON_SUSPECT, LOG_LEVEL_WARNING, 0},
	{400, "BadExpirationDate", PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0},
	{400, "BadMessageId", PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0},
	{400, "BadPriority", PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0},
	{400, "BadTopic", PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0},
	{400, "DeviceTokenNotForTopic", PUSH_DROP, REASON_SUSPECT, LOG_LEVEL_WARNING, 0},
	{400, "DuplicateHeaders", PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0},
	{400, "IdleTimeout", PUSH_RETRY, REASON_IDLE, LOG_LEVEL_INFO, 0},
	{400, "InvalidPushType", PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0},
	{400, "MissingDeviceToken", PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0},
	{400, "MissingTopic", PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0},
	{400, "PayloadEmpty", PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0},
	{400, "TopicDisallowed", PUSH_TOPIC_STOP, REASON_STOP, LOG_LEVEL_ERROR, 0},
	{403, "BadCertificate", PUSH_TOPIC_STOP, REASON_STOP, LOG_LEVEL_ERROR, 0},
	{403, "BadCertificateEnvironment", PUSH_TOPIC_STOP, REASON_STOP, LOG_LEVEL_ERROR, 0},
	{403, "ExpiredProviderToken", PUSH_TOPIC_STOP, REASON_STOP, LOG_LEVEL_ERROR, 0},
	{403, "Forbidden", PUSH_TOPIC_STOP, REASON_STOP, LOG_LEVEL_ERROR, 0},
	{403, "InvalidProviderToken", PUSH_TOPIC_STOP, REASON_STOP, LOG_LEVEL_ERROR, 0},
	{403, "MissingProviderToken", PUSH_TOPIC_STOP, REASON_STOP, LOG_LEVEL_ERROR, 0},
	{403, "UnrelatedKeyIdInToken", PUSH_TOPIC_STOP, REASON_STOP, LOG_LEVEL_ERROR, 0},
	{403, "BadEnvironmentKeyIdInToken", PUSH_TOPIC_STOP, REASON_STOP, LOG_LEVEL_ERROR, 0},
	{403, "BadEnvironmentKeyInToken", PUSH_TOPIC_STOP, REASON_STOP, LOG_LEVEL_ERROR, 0},
	{404, "BadPath", PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0},
	{405, "MethodNotAllowed", PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0},
	{410, "ExpiredToken", PUSH_TOKEN_DEAD, REASON_GONE, LOG_LEVEL_INFO, 0},
	{410, "Unregistered", PUSH_TOKEN_DEAD, REASON_GONE, LOG_LEVEL_INFO, 0},
	{413, "PayloadTooLarge", PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0},
	{429, "TooManyRequests", PUSH_RETRY, REASON_NOTHING, LOG_LEVEL_WARNING, 60},
	{429, "TooManyProviderTokenUpdates", PUSH_RETRY, REASON_NOTHING, LOG_LEVEL_WARNING, 60},
	{500, "InternalServerError", PUSH_RETRY, REASON_OVERLOAD, LOG_LEVEL_WARNING, 0},
	{503, "ServiceUnavailable", PUSH_RETRY, REASON_RECONNECT, LOG_LEVEL_WARNING, 0},
	{503, "Shutdown", PUSH_RETRY, REASON_RECONNECT, LOG_LEVEL_WARNING, 0},
	/* Reasons that are not in the table. */
	{200, "", PUSH_DONE, REASON_NOTHING, LOG_LEVEL_DEBUG, 0},
	{302, "", PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0},
	{400, "Unheard", PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0},
	{400, "", PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0},
	{401, "Unheard", PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0},
	{403, "Unheard", PUSH_TOPIC_STOP, REASON_STOP, LOG_LEVEL_ERROR, 0},
	{404, "", PUSH_DROP, REASON_NOTHING, LOG_LEVEL_ERROR, 0},
	{408, "", PUSH_RETRY, REASON_NOTHING, LOG_LEVEL_WARNING, 0},
	{410, "Unheard", PUSH_TOKEN_DEAD, REASON_GONE, LOG_LEVEL_INFO, 0},
	{429, "Unheard", PUSH_RETRY, REASON_NOTHING, LOG_LEVEL_WARNING, 60},
	{500, "Unheard", PUSH_RETRY, REASON_OVERLOAD, LOG_LEVEL_WARNING, 0},
	{502, "", PUSH_RETRY, REASON_OVERLOAD, LOG_LEVEL_WARNING, 0},
	{599, "", PUSH_RETRY, REASON_OVERLOAD, LOG_LEVEL_WARNING, 0},
	{0, "", PUSH_RETRY, REASON_NOTHING, LOG_LEVEL_WARNING, 0},
	{101, "", PUSH_RETRY, REASON_OVERLOAD, LOG_LEVEL_WARNING, 0},
	{999, "", PUSH_RETRY, REASON_OVERLOAD, LOG_LEVEL_WARNING, 0},
	/* A known reason under another status of its class, and of another class. */
	{403, "BadDeviceToken", PUSH_TOKEN_DEAD, REASON_SUSPECT, LOG_LEVEL_WARNING, 0},
	{500, "BadDeviceToken", PUSH_RETRY, REASON_OVERLOAD, LOG_LEVEL_WARNING, 0},
	{503, "InternalServerError", PUSH_RETRY, REASON_OVERLOAD, LOG_LEVEL_WARNING, 0},
	{200, "BadDeviceToken", PUSH_DONE, REASON_NOTHING, LOG_LEVEL_DEBUG, 0},
};

static void each_reason_has_its_action(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct slice name = slice_of_str(rows[i].name);
		const struct reason *row = reason_find(rows[i].status, name);
		enum push_action action =
			push_reason_action(rows[i].status, name, (TOKEN_AT + 1) * INT64_C(1000), TOKEN_AT);

		if (action != rows[i].action || row->effect != rows[i].effect || row->level != rows[i].level ||
			row->retry_after_s != rows[i].retry_after_s)
			fail_msg("%u %s: action %d effect %d level %d", rows[i].status, rows[i].name, (int)action,
				(int)row->effect, (int)row->level);
		assert_int_equal(push_reason_level(rows[i].status, rows[i].name), rows[i].level);
	}
}

static void no_row_of_the_table_is_untested(void **state)
{
	size_t count;
	const struct reason *table = reason_table(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		size_t k = 0;

		while (k < COUNT_OF(rows) &&
			(rows[k].status != table[i].status || strcmp(rows[k].name, table[i].name) != 0))
			k++;
		assert_true(k < COUNT_OF(rows));
		assert_ptr_equal(reason_find_name(slice_of_str(table[i].name)), &table[i]);
		assert_true(strlen(table[i].name) <= PUSH_REASON_BYTES_MAX);
	}
	assert_null(reason_find_name(SLICE_LITERAL("Unheard")));
	assert_null(reason_find_name(SLICE_LITERAL("")));
}

static void every_answer_comes_with_advice(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_true(strlen(push_reason_advice(rows[i].status, rows[i].name)) > 20);
	assert_non_null(strstr(push_reason_advice(400, "DeviceTokenNotForTopic"), "another topic"));
	assert_non_null(strstr(push_reason_advice(403, "MissingProviderToken"), "no push certificate"));
	assert_non_null(strstr(push_reason_advice(0, ""), "did not answer"));
	assert_non_null(push_reason_advice(400, NULL));
}

static void a_410_counts_only_if_it_is_newer_than_the_token(void **state)
{
	static const struct {
		int64_t timestamp_ms;
		enum push_action action;
	} cases[] = {
		{0, PUSH_RETRY}, /* none was given */
		{-1, PUSH_RETRY},
		{INT64_MIN, PUSH_RETRY},
		{(TOKEN_AT - 3600) * INT64_C(1000), PUSH_RETRY},
		{TOKEN_AT * INT64_C(1000), PUSH_RETRY},
		{TOKEN_AT * INT64_C(1000) + 999, PUSH_RETRY}, /* the same second: unknown */
		{(TOKEN_AT + 1) * INT64_C(1000), PUSH_TOKEN_DEAD},
		{INT64_MAX, PUSH_TOKEN_DEAD},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(push_reason_action(410, SLICE_LITERAL("Unregistered"), cases[i].timestamp_ms,
																				TOKEN_AT),
			cases[i].action);
		assert_int_equal(push_reason_action(410, SLICE_LITERAL("ExpiredToken"), cases[i].timestamp_ms,
																				TOKEN_AT),
			cases[i].action);
		/* The others do not ask for it. */
		assert_int_equal(push_reason_action(400, SLICE_LITERAL("BadDeviceToken"), cases[i].timestamp_ms,
																				TOKEN_AT),
			PUSH_TOKEN_DEAD);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_reason_has_its_action),
		cmocka_unit_test(no_row_of_the_table_is_untested),
		cmocka_unit_test(every_answer_comes_with_advice),
		cmocka_unit_test(a_410_counts_only_if_it_is_newer_than_the_token),
	};

	return cmocka_run_group_tests_name("push/reason", tests, NULL, NULL);
}
