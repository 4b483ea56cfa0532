/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "pomona/enroll/profile.h"
#include "pomona/plist/plist.h"

static const struct profile_cert certs[] = {
	{.der = {(const uint8_t *)"root", 4}, .is_root = true},
	{.der = {(const uint8_t *)"between", 7}, .is_root = false},
};

static struct profile_params good(void)
{
	return (struct profile_params){
		.identifier = "org.example.mdm",
		.organization = "Orchard & Co",
		.description = "Lets it be managed.",
		.display_name = "Orchard",
		.server_url = "https://mdm.example.org:8443/mdm",
		.check_in_url = "https://mdm.example.org:8443/checkin",
		.topic = "com.apple.mgmt.External.1",
		.access_rights = 8191,
		.capabilities = PROFILE_PER_USER_CONNECTIONS | PROFILE_GET_TOKEN,
		.is_check_out_wanted = true,
		.identity = PROFILE_IDENTITY_SCEP,
		.scep = {.url = "https://mdm.example.org:8443/scep",
			.common_name = "device 1",
			.challenge = SLICE_LITERAL("s<cr>et"),
			.ca_sha1 = SLICE_LITERAL("01234567890123456789"),
			.key_bits = 2048},
		.acme = {.directory_url = "https://acme.example.org/directory",
			.common_name = "device 2",
			.client_identifier = SLICE_LITERAL("for-one")},
		.pkcs12 = {.content = SLICE_LITERAL("p12"), .password = SLICE_LITERAL("word")},
		.certs = certs,
		.cert_count = COUNT_OF(certs),
	};
}

static enum rc try(const struct profile_params *params, struct plist_doc **doc_r, struct err *err)
{
	AUTO(buf_fini_secret) struct buf xml;
	enum rc rc;

	*doc_r = NULL;
	buf_init(&xml, PROFILE_BYTES_MAX);
	rc = profile_write(params, &xml, err);
	if (rc != RC_OK) {
		assert_int_equal(xml.len, 0);
		return rc;
	}
	assert_int_equal(plist_parse(buf_slice(&xml), doc_r, err), RC_OK);
	return RC_OK;
}

static struct plist_doc *write_good(const struct profile_params *params)
{
	struct plist_doc *doc = NULL;
	struct err err = {.rc = RC_OK};

	if (try(params, &doc, &err) != RC_OK)
		fail_msg("%s", err.text);
	return doc;
}

static struct plist_node *payload(const struct plist_doc *doc, const char *type)
{
	struct plist_node *payloads = plist_dict_get(plist_root(doc), "PayloadContent");

	for (size_t i = 0; i < plist_count(payloads); i++) {
		struct plist_node *one = plist_array_at(payloads, i);

		if (slice_is_str(plist_string(plist_dict_get(one, "PayloadType")), type))
			return one;
	}
	fail_msg("no %s", type);
	return NULL;
}

static void assert_text(const struct plist_node *dict, const char *key, const char *wanted)
{
	struct slice text = plist_string(plist_dict_get(dict, key));

	if (!slice_is_str(text, wanted))
		fail_msg("%s: %.*s, not %s", key, SLICE_FMT(text), wanted);
}

static void assert_int(const struct plist_node *dict, const char *key, int64_t wanted)
{
	bool is_unsigned;

	assert_non_null(plist_dict_get(dict, key));
	assert_int_equal(plist_integer(plist_dict_get(dict, key), &is_unsigned), wanted);
}

static void the_profile_of_phase_1_is_a_payload_by_itself(void **state)
{
	const struct profile_params params = {
		.kind = PROFILE_KIND_SERVICE,
		.identifier = "org.example.mdm",
		.organization = "Orchard & Co",
		.description = "Lets it be managed.",
		.display_name = "Orchard",
		.service_url = "https://mdm.example.org/enroll/ota",
		.scep = {.challenge = SLICE_LITERAL("s<cr>et")},
	};
	AUTO(plist_doc_free) struct plist_doc *doc = write_good(&params);
	const struct plist_node *root = plist_root(doc);
	const struct plist_node *content = plist_dict_get(root, "PayloadContent");
	const struct plist_node *asked = plist_dict_get(content, "DeviceAttributes");

	(void)state;
	assert_text(root, "PayloadType", "Profile Service");
	assert_text(root, "PayloadIdentifier", "org.example.mdm.ota-service");
	assert_text(root, "PayloadOrganization", "Orchard & Co");
	assert_text(content, "URL", "https://mdm.example.org/enroll/ota");
	assert_text(content, "Challenge", "s<cr>et");
	assert_int_equal(plist_count(asked), 4);
	assert_true(slice_is_str(plist_string(plist_array_at(asked, 0)), "UDID"));
	assert_int_equal(plist_count(root), 8);
}

/* Or the profile of the one would take the place of the other's on the device. */
static void the_identity_alone_has_names_of_its_own(void **state)
{
	struct profile_params params = good();
	AUTO(plist_doc_free) struct plist_doc *whole = write_good(&params);
	AUTO(plist_doc_free) struct plist_doc *alone = NULL;
	const struct plist_node *one, *other;

	(void)state;
	params.kind = PROFILE_KIND_IDENTITY_ALONE;
	params.cert_count = 0;
	params.server_url = params.check_in_url = params.topic = NULL;
	alone = write_good(&params);
	assert_int_equal(plist_count(plist_dict_get(plist_root(alone), "PayloadContent")), 1);
	assert_text(plist_root(alone), "PayloadIdentifier", "org.example.mdm.ota");
	one = payload(alone, "com.apple.security.scep");
	other = payload(whole, "com.apple.security.scep");
	assert_text(one, "PayloadIdentifier", "org.example.mdm.ota.identity");
	assert_text(plist_dict_get(one, "PayloadContent"), "Challenge", "s<cr>et");
	assert_false(slice_is_equal(plist_string(plist_dict_get(one, "PayloadUUID")),
		plist_string(plist_dict_get(other, "PayloadUUID"))));
	assert_false(slice_is_equal(plist_string(plist_dict_get(plist_root(alone), "PayloadUUID")),
		plist_string(plist_dict_get(plist_root(whole), "PayloadUUID"))));
}

static void the_profile_of_phase_1_has_its_rules(void **state)
{
	static char long_challenge[PROFILE_CHALLENGE_BYTES_MAX + 1];
	const struct {
		const char *url;
		struct slice challenge;
		const char *says;
	} cases[] = {
		{"https://a/enroll/ota", slice_of(long_challenge, PROFILE_CHALLENGE_BYTES_MAX), NULL},
		{"https://a/enroll/ota", slice_of(long_challenge, sizeof(long_challenge)),
			"Challenge: want 1 to 256"},
		{"https://a/enroll/ota", SLICE_LITERAL(""), "Challenge: want 1 to 256"},
		{"https://a/enroll/ota", SLICE_LITERAL("\1"), "Challenge: want 1 to 256"},
		{"http://a/enroll/ota", SLICE_LITERAL("c"), "URL: must begin with https://"},
	};

	(void)state;
	memset(long_challenge, 'x', sizeof(long_challenge));
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct profile_params params = good();
		struct plist_doc *doc = NULL;
		struct err err = {.text = ""};

		params.kind = PROFILE_KIND_SERVICE;
		params.service_url = cases[i].url;
		params.scep.challenge = cases[i].challenge;
		assert_int_equal(try(&params, &doc, &err), cases[i].says == NULL ? RC_OK : RC_INVALID);
		if (cases[i].says != NULL)
			assert_non_null(strstr(err.text, cases[i].says));
		plist_doc_free(&doc);
	}
}

static void a_profile_has_what_was_asked(void **state)
{
	const struct profile_params params = good();
	AUTO(plist_doc_free) struct plist_doc *doc = write_good(&params);
	const struct plist_node *root = plist_root(doc);
	const struct plist_node *mdm = payload(doc, "com.apple.mdm");
	const struct plist_node *anchor = payload(doc, "com.apple.security.root");
	const struct plist_node *between = payload(doc, "com.apple.security.pkcs1");

	(void)state;
	assert_text(root, "PayloadType", "Configuration");
	assert_text(root, "PayloadScope", "System");
	assert_text(root, "PayloadIdentifier", "org.example.mdm");
	assert_text(root, "PayloadOrganization", "Orchard & Co");
	assert_text(root, "PayloadDisplayName", "Orchard");
	assert_text(root, "PayloadDescription", "Lets it be managed.");
	assert_false(plist_bool(plist_dict_get(root, "PayloadRemovalDisallowed")));
	assert_int_equal(plist_count(plist_dict_get(root, "PayloadContent")), 4);
	assert_text(mdm, "PayloadIdentifier", "org.example.mdm.mdm");
	assert_text(mdm, "ServerURL", params.server_url);
	assert_text(mdm, "CheckInURL", params.check_in_url);
	assert_text(mdm, "Topic", params.topic);
	assert_int(mdm, "AccessRights", 8191);
	assert_true(plist_bool(plist_dict_get(mdm, "CheckOutWhenRemoved")));
	assert_false(plist_bool(plist_dict_get(mdm, "SignMessage")));
	assert_null(plist_dict_get(mdm, "UseDevelopmentAPNS"));
	assert_true(slice_is_str(plist_data(plist_dict_get(anchor, "PayloadContent")), "root"));
	assert_true(slice_is_str(plist_data(plist_dict_get(between, "PayloadContent")), "between"));
}

static void an_account_is_named_with_its_mode(void **state)
{
	struct profile_params params = good();
	AUTO(plist_doc_free) struct plist_doc *byod = NULL;
	AUTO(plist_doc_free) struct plist_doc *adde = NULL;

	(void)state;
	params.managed_id = "ada@example.org";
	params.mode = PROFILE_MODE_ADDE;
	adde = write_good(&params);
	assert_text(payload(adde, "com.apple.mdm"), "EnrollmentMode", "ADDE");
	assert_text(payload(adde, "com.apple.mdm"), "AssignedManagedAppleID", "ada@example.org");
	assert_int(payload(adde, "com.apple.mdm"), "AccessRights", 8191);
	params.mode = PROFILE_MODE_BYOD;
	params.access_rights = 0;
	byod = write_good(&params);
	assert_text(payload(byod, "com.apple.mdm"), "EnrollmentMode", "BYOD");
	assert_null(plist_dict_get(payload(byod, "com.apple.mdm"), "AccessRights"));
}

static void capabilities_are_named(void **state)
{
	struct profile_params params = good();
	AUTO(plist_doc_free) struct plist_doc *some = write_good(&params);
	AUTO(plist_doc_free) struct plist_doc *none = NULL;
	const struct plist_node *array =
		plist_dict_get(payload(some, "com.apple.mdm"), "ServerCapabilities");

	(void)state;
	assert_int_equal(plist_count(array), 2);
	assert_true(
		slice_is_str(plist_string(plist_array_at(array, 0)), "com.apple.mdm.per-user-connections"));
	assert_true(slice_is_str(plist_string(plist_array_at(array, 1)), "com.apple.mdm.token"));
	params.capabilities = 0;
	none = write_good(&params);
	assert_null(plist_dict_get(payload(none, "com.apple.mdm"), "ServerCapabilities"));
}

static void scep_has_a_subject_of_three_levels(void **state)
{
	const struct profile_params params = good();
	AUTO(plist_doc_free) struct plist_doc *doc = write_good(&params);
	const struct plist_node *scep = payload(doc, "com.apple.security.scep");
	const struct plist_node *content = plist_dict_get(scep, "PayloadContent");
	const struct plist_node *subject = plist_dict_get(content, "Subject");
	static const char *const wanted[][2] = {{"O", "Orchard & Co"}, {"CN", "device 1"}};

	(void)state;
	assert_text(content, "URL", params.scep.url);
	assert_text(content, "Challenge", "s<cr>et");
	assert_text(content, "Key Type", "RSA");
	assert_int(content, "Keysize", 2048);
	assert_int(content, "Key Usage", 5);
	assert_true(
		slice_is_equal(plist_data(plist_dict_get(content, "CAFingerprint")), params.scep.ca_sha1));
	assert_int_equal(plist_count(subject), COUNT_OF(wanted));
	for (size_t i = 0; i < COUNT_OF(wanted); i++) {
		const struct plist_node *pair = plist_array_at(plist_array_at(subject, i), 0);

		assert_int_equal(plist_count(pair), 2);
		assert_true(slice_is_str(plist_string(plist_array_at(pair, 0)), wanted[i][0]));
		assert_true(slice_is_str(plist_string(plist_array_at(pair, 1)), wanted[i][1]));
	}
	assert_true(slice_is_equal(plist_string(plist_dict_get(payload(doc, "com.apple.mdm"),
																													"IdentityCertificateUUID")),
		plist_string(plist_dict_get(scep, "PayloadUUID"))));
}

static void an_identity_may_be_a_pkcs12(void **state)
{
	struct profile_params params = good();
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	const struct plist_node *pkcs12;

	(void)state;
	params.identity = PROFILE_IDENTITY_PKCS12;
	params.scep.url = ""; /* not looked at */
	doc = write_good(&params);
	pkcs12 = payload(doc, "com.apple.security.pkcs12");
	assert_true(slice_is_str(plist_data(plist_dict_get(pkcs12, "PayloadContent")), "p12"));
	assert_text(pkcs12, "Password", "word");
	assert_int_equal(plist_count(plist_dict_get(plist_root(doc), "PayloadContent")), 4);
	assert_true(slice_is_equal(plist_string(plist_dict_get(payload(doc, "com.apple.mdm"),
																													"IdentityCertificateUUID")),
		plist_string(plist_dict_get(pkcs12, "PayloadUUID"))));
}

/* Counts how many of the payloads of two profiles have one UUID. */
static size_t count_same(const struct plist_doc *a, const struct plist_doc *b)
{
	struct plist_node *of_a = plist_dict_get(plist_root(a), "PayloadContent");
	struct plist_node *of_b = plist_dict_get(plist_root(b), "PayloadContent");
	size_t same = 0;

	assert_int_equal(plist_count(of_a), plist_count(of_b));
	for (size_t i = 0; i < plist_count(of_a); i++)
		for (size_t j = 0; j < plist_count(of_b); j++)
			same += slice_is_equal(plist_string(plist_dict_get(plist_array_at(of_a, i), "PayloadUUID")),
				plist_string(plist_dict_get(plist_array_at(of_b, j), "PayloadUUID")));
	return same;
}

static void uuids_follow_from_the_identifier_alone(void **state)
{
	struct profile_params params = good();
	AUTO(plist_doc_free) struct plist_doc *first = write_good(&params);
	AUTO(plist_doc_free) struct plist_doc *newer = NULL;
	AUTO(plist_doc_free) struct plist_doc *foreign = NULL;
	struct slice uuid = plist_string(plist_dict_get(plist_root(first), "PayloadUUID"));

	(void)state;
	assert_int_equal(uuid.len, 36);
	assert_int_equal(uuid.ptr[14], '8');
	assert_non_null(strchr("89AB", uuid.ptr[19]));
	params.scep.challenge = SLICE_LITERAL("another");
	params.access_rights = 1;
	newer = write_good(&params);
	assert_int_equal(count_same(first, newer), 4);
	assert_true(slice_is_equal(uuid, plist_string(plist_dict_get(plist_root(newer), "PayloadUUID"))));
	params.identifier = "org.example.mdm2";
	foreign = write_good(&params);
	assert_int_equal(count_same(first, foreign), 0);
	assert_false(
		slice_is_equal(uuid, plist_string(plist_dict_get(plist_root(foreign), "PayloadUUID"))));
}

static void rights_need_each_other(void **state)
{
	static const struct {
		int64_t rights;
		const char *rule; /* NULL: sound */
	} cases[] = {
		{1, NULL},
		{3, NULL},
		{64, NULL},
		{192, NULL},
		{4, NULL},
		{8191, NULL},
		{8191 - 1 - 2, NULL},
		{0, "want 1 to 8191"},
		{-1, "want 1 to 8191"},
		{8192, "want 1 to 8191"},
		{2, "has 2, which needs 1 too"},
		{8191 - 1, "has 2, which needs 1 too"},
		{128, "has 128, which needs 64 too"},
		{8191 - 64, "has 128, which needs 64 too"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err err = {.rc = RC_OK};
		enum rc rc = profile_check_rights(cases[i].rights, &err);

		assert_int_equal(rc, cases[i].rule == NULL ? RC_OK : RC_INVALID);
		if (cases[i].rule != NULL && strstr(err.text, cases[i].rule) == NULL)
			fail_msg("%s: not %s", err.text, cases[i].rule);
	}
}

static char long_text[PROFILE_DESCRIPTION_BYTES_MAX + 2];
static uint8_t long_bytes[PROFILE_PKCS12_BYTES_MAX + 1];

static const char *text_of(size_t len)
{
	memset(long_text, 'x', sizeof(long_text));
	long_text[len] = '\0';
	return long_text;
}

static void expect(const struct profile_params *params, const char *rule)
{
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	struct err err = {.rc = RC_OK};
	enum rc rc = try(params, &doc, &err);

	if (rule == NULL && rc != RC_OK)
		fail_msg("%s", err.text);
	if (rule != NULL && (rc != RC_INVALID || strstr(err.text, rule) == NULL))
		fail_msg("%s: not %s", rc == RC_OK ? "taken" : err.text, rule);
}

/* Sets one member, and says what is expected of it. */
#define EXPECT(member_, value_, rule_) \
	do { \
		struct profile_params params_ = good(); \
		params_.member_ = (value_); \
		expect(&params_, (rule_)); \
	} while (0)

static void each_mode_has_its_rule(void **state)
{
	char longest[PROFILE_TEXT_BYTES_MAX + 2];
	struct profile_params params = good();

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[PROFILE_TEXT_BYTES_MAX + 1] = '\0';
	params.managed_id = "ada@example.org";
	expect(&params, "without EnrollmentMode");
	params.mode = PROFILE_MODE_BYOD;
	expect(&params, "BYOD forbids");
	params.access_rights = 0;
	params.managed_id = longest;
	expect(&params, "AssignedManagedAppleID");
	params.managed_id = NULL;
	expect(&params, "EnrollmentMode needs it");
	params.mode = PROFILE_MODE_ADDE;
	params.managed_id = "ada@example.org";
	expect(&params, "AccessRights");
}

static void each_text_has_its_rule(void **state)
{
	(void)state;
	EXPECT(identifier, "", "PayloadIdentifier");
	EXPECT(identifier, "a b", "PayloadIdentifier");
	EXPECT(identifier, "a\nb", "PayloadIdentifier");
	EXPECT(identifier, text_of(PROFILE_TEXT_BYTES_MAX), NULL);
	EXPECT(identifier, text_of(PROFILE_TEXT_BYTES_MAX + 1), "PayloadIdentifier");
	EXPECT(organization, "", NULL);
	EXPECT(organization, "\x01", "PayloadOrganization");
	EXPECT(organization, text_of(PROFILE_TEXT_BYTES_MAX), NULL);
	EXPECT(organization, text_of(PROFILE_TEXT_BYTES_MAX + 1), "PayloadOrganization");
	EXPECT(display_name, "", "PayloadDisplayName");
	EXPECT(description, text_of(PROFILE_DESCRIPTION_BYTES_MAX), NULL);
	EXPECT(description, text_of(PROFILE_DESCRIPTION_BYTES_MAX + 1), "PayloadDescription");
	EXPECT(access_rights, 2, "AccessRights");
	EXPECT(topic, "com.apple.mgmt.", "Topic");
	EXPECT(topic, "org.example", "Topic");
	EXPECT(topic, "com.apple.mgmt.a b", "Topic");
}

static void each_url_has_its_rule(void **state)
{
	char url[PROFILE_URL_BYTES_MAX + 2];

	(void)state;
	memset(url, 'x', sizeof(url));
	memcpy(url, "https://", 8);
	url[PROFILE_URL_BYTES_MAX] = '\0';
	EXPECT(server_url, url, NULL);
	url[PROFILE_URL_BYTES_MAX] = 'x';
	url[PROFILE_URL_BYTES_MAX + 1] = '\0';
	EXPECT(server_url, url, "ServerURL");
	EXPECT(check_in_url, url, "CheckInURL");
	EXPECT(scep.url, url, "SCEP URL");
	EXPECT(server_url, "http://mdm.example.org/mdm", "ServerURL: must begin with https://");
	EXPECT(server_url, "https://", "ServerURL");
	EXPECT(server_url, "https:///mdm", "ServerURL");
	EXPECT(check_in_url, "https://a b", "CheckInURL: want printable ASCII");
	EXPECT(scep.url, "http://mdm.example.org/scep", NULL);
	EXPECT(scep.url, "ftp://mdm.example.org/scep", "SCEP URL");
}

static void each_identity_has_its_rule(void **state)
{
	const struct profile_cert empty = {.is_root = true};
	struct profile_params params = good();

	(void)state;
	EXPECT(scep.common_name, "", "SCEP Subject");
	EXPECT(scep.common_name, text_of(PROFILE_COMMON_NAME_BYTES_MAX), NULL);
	EXPECT(scep.common_name, text_of(PROFILE_COMMON_NAME_BYTES_MAX + 1), "SCEP Subject");
	EXPECT(scep.challenge, slice_of_str(text_of(PROFILE_CHALLENGE_BYTES_MAX)), NULL);
	EXPECT(scep.challenge, slice_of_str(text_of(PROFILE_CHALLENGE_BYTES_MAX + 1)), "SCEP Challenge");
	EXPECT(scep.challenge, SLICE_LITERAL("\x01"), "SCEP Challenge");
	EXPECT(scep.key_bits, 4096, NULL);
	EXPECT(scep.key_bits, 1024, "SCEP Keysize");
	EXPECT(scep.ca_sha1, SLICE_LITERAL("short"), "CAFingerprint");
	EXPECT(certs, &empty, "certificate 1");
	EXPECT(cert_count, PROFILE_CERTS_MAX + 1, "certificates: more than");
	params.identity = PROFILE_IDENTITY_PKCS12;
	params.pkcs12.content = slice_of(long_bytes, PROFILE_PKCS12_BYTES_MAX);
	expect(&params, NULL);
	params.pkcs12.content.len++;
	expect(&params, "PKCS#12: want 1 to");
	params.pkcs12.content.len = 0;
	expect(&params, "PKCS#12: want 1 to");
	params.pkcs12 = (struct profile_pkcs12){.content = SLICE_LITERAL("p12")};
	expect(&params, NULL); /* the device asks for it */
	params.pkcs12.password = slice_of_str(text_of(PROFILE_TEXT_BYTES_MAX));
	expect(&params, NULL);
	params.pkcs12.password = slice_of_str(text_of(PROFILE_TEXT_BYTES_MAX + 1));
	expect(&params, "PKCS#12 Password");
	params.pkcs12.password = SLICE_LITERAL("\x01");
	expect(&params, "PKCS#12 Password");
}

static void acme_has_its_rules(void **state)
{
	const struct {
		struct profile_acme acme;
		const char *rule;
	} cases[] = {
		{{"http://acme.example.org/directory", "device", SLICE_LITERAL("a")}, "ACME DirectoryURL"},
		{{"https://acme.example.org/directory", "", SLICE_LITERAL("a")}, "ACME Subject"},
		{{"https://acme.example.org/directory", "device", {NULL, 0}}, "ACME ClientIdentifier"},
		{{"https://acme.example.org/directory", "device", SLICE_LITERAL("\x01")},
			"ACME ClientIdentifier"},
		{{"https://acme.example.org/directory", "device",
				slice_of_str(text_of(PROFILE_CHALLENGE_BYTES_MAX))},
			NULL},
	};
	struct profile_params params = good();

	(void)state;
	params.identity = PROFILE_IDENTITY_ACME;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		params.acme = cases[i].acme;
		expect(&params, cases[i].rule);
	}
	params.acme.client_identifier = slice_of_str(text_of(PROFILE_CHALLENGE_BYTES_MAX + 1));
	expect(&params, "ACME ClientIdentifier");
}

static void a_key_of_acme_stays_in_the_hardware(void **state)
{
	struct profile_params params = good();
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	const struct plist_node *acme;
	const struct plist_node *pair;

	(void)state;
	params.identity = PROFILE_IDENTITY_ACME;
	params.scep.url = ""; /* not looked at */
	doc = write_good(&params);
	acme = payload(doc, "com.apple.security.acme");
	assert_text(acme, "DirectoryURL", "https://acme.example.org/directory");
	assert_text(acme, "ClientIdentifier", "for-one");
	assert_text(acme, "KeyType", "ECSECPrimeRandom");
	assert_int(acme, "KeySize", 384);
	assert_true(plist_bool(plist_dict_get(acme, "HardwareBound")));
	assert_true(plist_bool(plist_dict_get(acme, "Attest")));
	pair = plist_array_at(plist_array_at(plist_dict_get(acme, "Subject"), 1), 0);
	assert_true(slice_is_str(plist_string(plist_array_at(pair, 1)), "device 2"));
	assert_true(slice_is_equal(plist_string(plist_dict_get(payload(doc, "com.apple.mdm"),
																													"IdentityCertificateUUID")),
		plist_string(plist_dict_get(acme, "PayloadUUID"))));
}

static void an_identifier_is_the_host_name_in_reverse(void **state)
{
	static const char *const cases[][2] = {
		{"mdm.example.org", "org.example.mdm.pomona"},
		{"localhost", "localhost.pomona"},
		{"192.0.2.1", "1.2.0.192.pomona"},
		{"2001:db8::1", "2001-db8--1.pomona"},
	};
	char out[PROFILE_TEXT_BYTES_MAX + 1];
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		profile_identifier_of(cases[i][0], out);
		assert_string_equal(out, cases[i][1]);
		assert_int_equal(profile_check_identifier(out, &err), RC_OK);
	}
	profile_identifier_of(text_of(PROFILE_TEXT_BYTES_MAX), out);
	assert_int_equal(strlen(out), PROFILE_TEXT_BYTES_MAX);
}

static void an_identity_is_named_after_its_device_where_that_fits(void **state)
{
	static const size_t lengths[] = {1, PROFILE_COMMON_NAME_BYTES_MAX, 0,
		PROFILE_COMMON_NAME_BYTES_MAX + 1};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		const char *id = text_of(lengths[i]);
		char name[PROFILE_COMMON_NAME_BYTES_MAX + 1];

		profile_common_name(slice_of_str(id), name);
		assert_string_equal(name, i < 2 ? id : "Pomona device identity");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_profile_has_what_was_asked),
		cmocka_unit_test(an_account_is_named_with_its_mode),
		cmocka_unit_test(each_mode_has_its_rule),
		cmocka_unit_test(the_profile_of_phase_1_is_a_payload_by_itself),
		cmocka_unit_test(the_profile_of_phase_1_has_its_rules),
		cmocka_unit_test(the_identity_alone_has_names_of_its_own),
		cmocka_unit_test(capabilities_are_named),
		cmocka_unit_test(scep_has_a_subject_of_three_levels),
		cmocka_unit_test(an_identity_may_be_a_pkcs12),
		cmocka_unit_test(uuids_follow_from_the_identifier_alone),
		cmocka_unit_test(rights_need_each_other),
		cmocka_unit_test(each_text_has_its_rule),
		cmocka_unit_test(each_url_has_its_rule),
		cmocka_unit_test(each_identity_has_its_rule),
		cmocka_unit_test(acme_has_its_rules),
		cmocka_unit_test(a_key_of_acme_stays_in_the_hardware),
		cmocka_unit_test(an_identifier_is_the_host_name_in_reverse),
		cmocka_unit_test(an_identity_is_named_after_its_device_where_that_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
