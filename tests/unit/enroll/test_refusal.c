/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "pomona/json/json.h"
#include "pomona/plist/plist.h"
#include "refusal.h"

#define TOKEN "0D1E2F30-0000-4000-8000-000000000000"

/* What each says, in JSON, behind code and description. */
static const struct {
	struct enroll_refusal_says says;
	const char *code;
	const char *rest;
} rows[] = {
	{{.refusal = ENROLL_REFUSAL_SOFTWARE_UPDATE, .message = "Update", .os_version = "17.5"},
		"com.apple.softwareupdate.required",
		",\"message\":\"Update\",\"details\":{\"OSVersion\":\"17.5\"}}"},
	{{.refusal = ENROLL_REFUSAL_SOFTWARE_UPDATE, .os_version = "17.5", .build_version = "21F79"},
		"com.apple.softwareupdate.required",
		",\"details\":{\"OSVersion\":\"17.5\",\"BuildVersion\":\"21F79\"}}"},
	{{.refusal = ENROLL_REFUSAL_UNRECOGNIZED}, "com.apple.unrecognized.device", "}"},
	{{.refusal = ENROLL_REFUSAL_PAIRING_TOKEN, .security_token = TOKEN},
		"com.apple.watch.pairing.token.missing", ",\"details\":{\"security-token\":\"" TOKEN "\"}}"},
	{{.refusal = ENROLL_REFUSAL_PLATFORM_SSO,
			.profile_url = "https://a/p",
			.auth_url = "https://a/a",
			.manifest_url = "https://a/m"},
		"com.apple.psso.required",
		",\"details\":{\"ProfileURL\":\"https://a/p\",\"AuthURL\":\"https://a/a\",\"Package\":"
		"{\"ManifestURL\":\"https://a/m\"}}}"},
	{{.refusal = ENROLL_REFUSAL_WELL_KNOWN, .message = "Who?"}, "com.apple.well-known.failed",
		",\"message\":\"Who?\"}"},
};

static void each_says_its_code_and_details_in_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO(buf_fini) struct buf out;
		char head[128];
		const char *rest;

		buf_init(&out, ENROLL_REFUSAL_BYTES_MAX);
		assert_int_equal(enroll_refusal_write(&rows[i].says, ENROLL_REFUSAL_JSON, &out, NULL), RC_OK);
		assert_string_equal(enroll_refusal_code(rows[i].says.refusal), rows[i].code);
		snprintf(head, sizeof(head), "{\"code\":\"%s\",\"description\":\"", rows[i].code);
		assert_memory_equal(buf_cstr(&out), head, strlen(head));
		rest = strchr(buf_cstr(&out) + strlen(head), '"');
		assert_string_equal(rest + 1, rows[i].rest);
	}
}

static void hold(const struct json_value *json, const struct plist_node *node);

static enum rc hold_entry(void *ctx, const char *key, struct json_value *value)
{
	const struct plist_node *node = plist_dict_get(ctx, key);

	assert_non_null(node);
	hold(value, node);
	return RC_OK;
}

static void hold(const struct json_value *json, const struct plist_node *node)
{
	struct plist_node *dict;

	if (json_kind(json) != JSON_KIND_OBJECT) {
		assert_true(slice_is_equal(json_string(json), plist_string(node)));
		return;
	}
	memcpy(&dict, &node, sizeof(dict)); /* const, but nothing is changed */
	assert_int_equal(json_count(json), plist_count(node));
	assert_int_equal(json_each(json, hold_entry, dict), RC_OK);
}

static void a_property_list_says_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO(buf_fini) struct buf text, xml;
		struct json_value *json;
		struct plist_doc *doc;

		buf_init(&text, ENROLL_REFUSAL_BYTES_MAX);
		buf_init(&xml, ENROLL_REFUSAL_BYTES_MAX);
		assert_int_equal(enroll_refusal_write(&rows[i].says, ENROLL_REFUSAL_JSON, &text, NULL), RC_OK);
		assert_int_equal(enroll_refusal_write(&rows[i].says, ENROLL_REFUSAL_PLIST, &xml, NULL), RC_OK);
		assert_int_equal(json_parse(buf_slice(&text), &json, NULL), RC_OK);
		assert_int_equal(plist_parse(buf_slice(&xml), &doc, NULL), RC_OK);
		hold(json, plist_root(doc));
		json_free(&json);
		plist_doc_free(&doc);
	}
}

static void without_what_its_kind_needs_there_is_none(void **state)
{
	static const struct {
		struct enroll_refusal_says says;
		const char *word;
	} cases[] = {
		{{.refusal = ENROLL_REFUSAL_SOFTWARE_UPDATE, .build_version = "21F79"}, "OSVersion"},
		{{.refusal = ENROLL_REFUSAL_PAIRING_TOKEN}, "security-token"},
		{{.refusal = ENROLL_REFUSAL_PLATFORM_SSO, .profile_url = "https://a", .auth_url = "https://b"},
			"ManifestURL"},
		{{.refusal = ENROLL_REFUSAL_PLATFORM_SSO,
				.profile_url = "https://a",
				.manifest_url = "https://b"},
			"AuthURL"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(buf_fini) struct buf out;
		struct err err = {.rc = RC_OK};

		buf_init(&out, ENROLL_REFUSAL_BYTES_MAX);
		assert_int_equal(enroll_refusal_write(&cases[i].says, ENROLL_REFUSAL_JSON, &out, &err),
			RC_INVALID);
		assert_non_null(strstr(err.text, cases[i].word));
		assert_int_equal(out.len, 0);
	}
}

static void json_is_what_is_sent_unless_xml_alone_is_wanted(void **state)
{
	(void)state;
	assert_int_equal(enroll_refusal_form_of(NULL), ENROLL_REFUSAL_JSON);
	assert_int_equal(enroll_refusal_form_of("*/*"), ENROLL_REFUSAL_JSON);
	assert_int_equal(enroll_refusal_form_of("application/xml, application/json"), ENROLL_REFUSAL_JSON);
	assert_int_equal(enroll_refusal_form_of("application/xml"), ENROLL_REFUSAL_PLIST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_says_its_code_and_details_in_json),
		cmocka_unit_test(a_property_list_says_the_same),
		cmocka_unit_test(without_what_its_kind_needs_there_is_none),
		cmocka_unit_test(json_is_what_is_sent_unless_xml_alone_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
