/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "enrollment_profile.h"
#include "pomona/base/codec.h"
#include "pomona/pki/authority.h"

enum { NOW = 1700000000, XML_BYTES_MAX = 262144 };

#define KEY(key, value) "<key>" key "</key>" value
#define STR(key, text) KEY(key, "<string>" text "</string>")
#define INT(key, number) KEY(key, "<integer>" number "</integer>")
#define HEAD(type, uuid) \
	STR("PayloadType", type) \
	STR("PayloadIdentifier", "id." uuid) STR("PayloadUUID", uuid) INT("PayloadVersion", "1")
#define PAYLOAD(type, uuid, more) "<dict>" HEAD(type, uuid) more "</dict>"
#define TOP(payloads) \
	"<plist version=\"1.0\"><dict>" HEAD("Configuration", "TOP") \
		KEY("PayloadContent", "<array>" payloads "</array>") "</dict></plist>"
#define SCEP_WITH(more) \
	PAYLOAD("com.apple.security.scep", "I", \
		KEY("PayloadContent", "<dict>" STR("URL", "https://h/scep") more "</dict>"))
#define SCEP SCEP_WITH(STR("Challenge", "c"))
#define MDM_WITH(more) \
	PAYLOAD("com.apple.mdm", "M", \
		STR("IdentityCertificateUUID", "I") STR("Topic", "com.apple.mgmt.x") \
			STR("ServerURL", "https://h/mdm") more)
#define MDM MDM_WITH("")

static enum rc read_text(const char *xml, struct enrollment_profile *profile, struct err *err)
{
	return enrollment_profile_read(slice_of_str(xml), NULL, profile, err);
}

static void a_profile_says_who_manages_and_where_the_identity_is_from(void **state)
{
	static const char xml[] = TOP(SCEP_WITH(STR("Challenge", "c") STR("Name", "n") INT("Keysize",
		"4096") KEY("Subject", "<array/>") INT("Retries", "0")) MDM_WITH(STR("CheckInURL", "https://h/in")
			KEY("SignMessage", "<true/>") INT("AccessRights", "3") STR("Unknown", "passed over")));
	struct enrollment_profile profile;
	struct management *management;

	(void)state;
	assert_int_equal(read_text(xml, &profile, NULL), RC_OK);
	assert_true(profile.has_mdm && profile.has_scep);
	assert_true(slice_is_str(profile.scep.challenge, "c") && slice_is_str(profile.scep.name, "n"));
	assert_int_equal(profile.scep.key_bits, 4096);
	assert_int_equal(profile.scep.retries, 0);
	assert_non_null(profile.scep.subject);
	management = management_new(&profile, slice_of_str(xml));
	assert_non_null(management);
	assert_string_equal(management->server_url, "https://h/mdm");
	assert_string_equal(management->check_in_url, "https://h/in");
	assert_string_equal(management->topic, "com.apple.mgmt.x");
	assert_string_equal(management->identifier, "id.TOP");
	assert_int_equal(management->rights, 3);
	assert_true(management->is_message_signed);
	assert_false(management->is_check_out_wanted || management->is_byod);
	management_free(&management);
	enrollment_profile_fini(&profile);
	assert_true(enrollment_profile_is(slice_of_str(xml), NULL));
}

static void what_a_device_cannot_enroll_by_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *xml, *says;
	} cases[] = {
		{"", "Malformed profile"},
		{"no profile", "Malformed profile"},
		{TOP(""), "neither management nor an identity"},
		{TOP(MDM), "IdentityCertificateUUID: no payload"},
		{TOP(SCEP PAYLOAD("com.apple.mdm", "M", STR("IdentityCertificateUUID", "I"))), "Topic"},
		{TOP(SCEP MDM PAYLOAD("com.apple.mdm", "M2", "")), "more than one payload"},
		{TOP(SCEP MDM_WITH(INT("CheckInURL", "1"))), "CheckInURL"},
		{TOP(SCEP MDM_WITH(STR("CheckInURL", "http://h"))), "not https://"},
		{TOP(SCEP MDM_WITH(INT("AccessRights", "0"))), "AccessRights"},
		{TOP(SCEP MDM_WITH(INT("AccessRights", "2"))), "AccessRights"},
		{TOP(SCEP MDM_WITH(INT("AccessRights", "128"))), "AccessRights"},
		{TOP(SCEP MDM_WITH(INT("AccessRights", "8192"))), "AccessRights"},
		{TOP(SCEP MDM_WITH(STR("EnrollmentMode", "BYOD") INT("AccessRights", "1"))), "BYOD"},
		{TOP(SCEP MDM_WITH(STR("EnrollmentMode", "other"))), "EnrollmentMode"},
		{TOP(PAYLOAD("com.apple.security.scep", "I", "") MDM), "PayloadContent"},
		{TOP(PAYLOAD("com.apple.security.scep", "I", KEY("PayloadContent", "<dict/>")) MDM), "URL"},
		{TOP(SCEP_WITH(STR("Key Type", "EC")) MDM), "Key Type"},
		{TOP(SCEP_WITH(INT("Retries", "-1")) MDM), "Retries"},
		{TOP(SCEP_WITH(INT("Retries", "101")) MDM), "Retries"},
		{TOP(SCEP_WITH(INT("RetryDelay", "3601")) MDM), "RetryDelay"},
		{TOP(SCEP_WITH(STR("Subject", "CN")) MDM), "Subject"},
		{TOP(PAYLOAD("com.apple.security.acme", "I", "") MDM), "com.apple.security.acme"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct enrollment_profile profile;
		struct err err = {0};
		enum rc rc = read_text(cases[i].xml, &profile, &err);

		if (rc == RC_OK || strstr(err.text, cases[i].says) == NULL)
			fail_msg("%zu: %d %s", i, (int)rc, err.text);
		assert_int_equal(rc == RC_UNSUPPORTED, i == COUNT_OF(cases) - 1);
	}
}

static void a_url_and_a_topic_have_a_largest_size(void **state)
{
	static const struct {
		const char *key;
		size_t most;
	} cases[] = {{"ServerURL", ENROLLMENT_URL_BYTES - 1}, {"Topic", ENROLLMENT_TOPIC_BYTES - 1}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		for (size_t len = cases[i].most; len <= cases[i].most + 1; len++) {
			struct enrollment_profile profile;
			struct buf xml;

			buf_init(&xml, XML_BYTES_MAX);
			buf_append_str(&xml,
				"<plist version=\"1.0\"><dict>" HEAD("Configuration",
					"TOP") "<key>PayloadContent</key><array>" SCEP "<dict>" HEAD("com.apple.mdm", "M")
					STR("IdentityCertificateUUID", "I"));
			buf_printf(&xml, "<key>%s</key><string>x</string><key>%s</key><string>https://",
				i == 0 ? "Topic" : "Other", cases[i].key);
			for (size_t at = strlen("https://"); at < len; at++)
				buf_append_byte(&xml, 'x');
			buf_append_str(&xml, "</string>");
			if (i > 0)
				buf_append_str(&xml, STR("ServerURL", "https://h"));
			buf_append_str(&xml, "</dict></array></dict></plist>");
			assert_int_equal(enrollment_profile_read(buf_slice(&xml), NULL, &profile, NULL),
				len == cases[i].most ? RC_OK : RC_INVALID);
			enrollment_profile_fini(&profile);
			buf_fini(&xml);
		}
}

static void may_become(const struct management *now, const char *xml, int code)
{
	struct enrollment_profile next;
	struct refusals why;

	assert_int_equal(read_text(xml, &next, NULL), RC_OK);
	why = management_may_become(now, &next);
	assert_int_equal(why.top == NULL ? 0 : why.top->code, code);
	enrollment_profile_fini(&next);
}

static void a_replacement_keeps_server_and_topic_and_adds_no_rights(void **state)
{
	static const char before[] = TOP(SCEP MDM_WITH(INT("AccessRights", "15")));
	struct enrollment_profile profile;
	struct management *now;

	(void)state;
	assert_int_equal(read_text(before, &profile, NULL), RC_OK);
	now = management_new(&profile, slice_of_str(before));
	enrollment_profile_fini(&profile);
	assert_non_null(now);
	may_become(now, before, 0);
	may_become(now, TOP(SCEP MDM_WITH(INT("AccessRights", "3"))), 0);
	may_become(now, TOP(SCEP MDM_WITH(INT("AccessRights", "31"))), 12000);
	may_become(now, TOP(SCEP MDM), 12000);
	may_become(now, TOP(SCEP MDM_WITH(STR("CheckInURL", "https://other/") INT("AccessRights", "15"))),
		12012);
	may_become(now, TOP(SCEP), 4015);
	may_become(NULL, before, 0);
	management_free(&now);
}

/* A profile whose identity is in it, with this password. */
static void write_pkcs12(struct buf *xml, const char *said)
{
	const struct authority_params ca = {.key = KEY_P256,
		.common_name = "ca",
		.now = NOW,
		.valid_s = 1000};
	const struct issue_params issue = {.common_name = "device", .now = NOW, .valid_s = 1000};
	const struct pkcs12_params pkcs12 = {.password = "right"};
	AUTO(authority_free) struct authority *authority = NULL;
	struct buf der, key, bytes;

	buf_init(&der, XML_BYTES_MAX);
	buf_init(&key, XML_BYTES_MAX);
	buf_init(&bytes, XML_BYTES_MAX);
	assert_int_equal(authority_new(&ca, &authority, NULL), RC_OK);
	assert_int_equal(authority_issue_key(authority, KEY_P256, &issue, &der, &key, NULL), RC_OK);
	assert_int_equal(authority_write_pkcs12(authority, buf_slice(&der), buf_slice(&key), &pkcs12,
																			&bytes, NULL),
		RC_OK);
	buf_append_str(xml,
		"<plist version=\"1.0\"><dict>" HEAD("Configuration",
			"TOP") "<key>PayloadContent</key><array>" MDM
										"<dict>" HEAD("com.apple.security.pkcs12", "I") "<key>PayloadContent</key><data>");
	base64_encode(buf_slice(&bytes), xml);
	buf_printf(xml, "</data><key>Password</key><string>%s</string></dict></array></dict></plist>",
		said);
	buf_fini(&der);
	buf_fini(&key);
	buf_fini(&bytes);
}

static void an_identity_in_the_profile_is_opened_with_its_password_alone(void **state)
{
	(void)state;
	for (int is_right = 0; is_right < 2; is_right++) {
		struct enrollment_profile profile;
		struct buf xml;

		buf_init(&xml, XML_BYTES_MAX);
		write_pkcs12(&xml, is_right ? "right" : "wrong");
		assert_int_equal(enrollment_profile_read(buf_slice(&xml), NULL, &profile, NULL),
			is_right ? RC_OK : RC_INVALID);
		if (is_right) {
			assert_false(profile.has_scep);
			assert_true(slice_has_prefix(buf_slice(&profile.cert_pem), "-----BEGIN CERTIFICATE"));
			assert_true(slice_has_prefix(buf_slice(&profile.key_pem), "-----BEGIN PRIVATE KEY"));
			assert_int_equal(profile.anchors_pem.len, 0);
		}
		enrollment_profile_fini(&profile);
		buf_fini(&xml);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_profile_says_who_manages_and_where_the_identity_is_from),
		cmocka_unit_test(what_a_device_cannot_enroll_by_is_refused_with_its_reason),
		cmocka_unit_test(a_url_and_a_topic_have_a_largest_size),
		cmocka_unit_test(a_replacement_keeps_server_and_topic_and_adds_no_rights),
		cmocka_unit_test(an_identity_in_the_profile_is_opened_with_its_password_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
