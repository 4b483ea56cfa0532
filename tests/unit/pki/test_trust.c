/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "forge.h"
#include "pomona/pki/trust.h"

enum { DAY_S = 86400 };

static struct forged *root;
static struct forged *intermediate; /* of root */
static struct forged *other_root;

static int make_cas(void **state)
{
	const struct forge_params params = {.common_name = "Intermediate", .issuer = NULL, .is_ca = true};
	struct forge_params under_root = params;

	(void)state;
	root = forge_ca("Root");
	other_root = forge_ca("Other root");
	under_root.issuer = root;
	intermediate = forge(&under_root);
	return 0;
}

static int free_cas(void **state)
{
	(void)state;
	forged_free(&root);
	forged_free(&other_root);
	forged_free(&intermediate);
	return 0;
}

static enum cert_verdict judge(const struct forged *anchor, const struct slice *chain, size_t count,
	struct cert_facts *facts)
{
	AUTO(trust_unref) struct trust *trust = NULL;
	struct slice anchors[1];
	enum cert_verdict verdict;
	struct err err;

	if (anchor != NULL)
		anchors[0] = forged_der(anchor);
	assert_int_equal(trust_new(anchors, anchor != NULL ? 1 : 0, &trust, &err), RC_OK);
	verdict = trust_judge(trust, chain, count, FORGE_NOW, facts);
	assert_int_equal(ERR_peek_error(), 0);
	return verdict;
}

static enum cert_verdict judge_leaf(const struct forged *anchor, const struct forge_params *params)
{
	AUTO(forged_free) struct forged *leaf = forge(params);
	struct slice chain[] = {forged_der(leaf)};
	struct cert_facts facts;
	enum cert_verdict verdict = judge(anchor, chain, 1, &facts);

	assert_string_equal(facts.common_name, params->common_name);
	return verdict;
}

static void each_fault_of_a_leaf_has_its_verdict(void **state)
{
	AUTO(forged_free) struct forged *stranger = forge_ca("Root"); /* same name, other key */
	const struct {
		struct forge_params leaf;
		enum cert_verdict want;
	} cases[] = {
		{{.common_name = "no EKU", .issuer = root}, CERT_GOOD},
		{{.common_name = "client", .issuer = root, .extensions = {{NID_ext_key_usage, "clientAuth"}}},
			CERT_GOOD},
		{{.common_name = "both",
				.issuer = root,
				.extensions = {{NID_ext_key_usage, "serverAuth,clientAuth"},
					{NID_key_usage, "critical,digitalSignature"}}},
			CERT_GOOD},
		{{.common_name = "server", .issuer = root, .extensions = {{NID_ext_key_usage, "serverAuth"}}},
			CERT_WRONG_PURPOSE},
		{{.common_name = "mail", .issuer = root, .extensions = {{NID_ext_key_usage, "emailProtection"}}},
			CERT_WRONG_PURPOSE},
		{{.common_name = "encipher",
				.issuer = root,
				.extensions = {{NID_key_usage, "critical,keyEncipherment"}}},
			CERT_WRONG_PURPOSE},
		{{.common_name = "CA",
				.issuer = root,
				.is_ca = true,
				.extensions = {{NID_ext_key_usage, "clientAuth"}}},
			CERT_WRONG_PURPOSE},
		/* all that a CA needs, and all that a client needs */
		{{.common_name = "CA and client",
				.issuer = root,
				.extensions = {{NID_basic_constraints, "critical,CA:TRUE"},
					{NID_key_usage, "digitalSignature,keyCertSign"}, {NID_ext_key_usage, "clientAuth"}}},
			CERT_WRONG_PURPOSE},
		{{.common_name = "expired", .issuer = root, .not_after = FORGE_NOW - 1}, CERT_EXPIRED},
		{{.common_name = "last second", .issuer = root, .not_after = FORGE_NOW + 1}, CERT_GOOD},
		{{.common_name = "not yet", .issuer = root, .not_before = FORGE_NOW + 1}, CERT_NOT_YET},
		{{.common_name = "first second", .issuer = root, .not_before = FORGE_NOW}, CERT_GOOD},
		{{.common_name = "foreign", .issuer = other_root}, CERT_NOT_CHAINED},
		{{.common_name = "foreign and expired", .issuer = other_root, .not_after = FORGE_NOW - 1},
			CERT_NOT_CHAINED},
		{{.common_name = "forged", .issuer = stranger}, CERT_NOT_CHAINED},
		{{.common_name = "self-signed"}, CERT_NOT_CHAINED},
		{{.common_name = "self-signed CA", .is_ca = true}, CERT_NOT_CHAINED},
		{{.common_name = "unknown critical",
				.issuer = root,
				.extensions = {{NID_netscape_comment, "critical,what is this"}}},
			CERT_NOT_CHAINED},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		enum cert_verdict verdict = judge_leaf(root, &cases[i].leaf);

		if (verdict != cases[i].want)
			fail_msg("%s: %s, want %s", cases[i].leaf.common_name, cert_verdict_name(verdict),
				cert_verdict_name(cases[i].want));
	}
}

static void weak_keys_and_digests_prove_nothing(void **state)
{
	EVP_PKEY *rsa_1024 = EVP_RSA_gen(1024);
	EVP_PKEY *rsa_2048 = EVP_RSA_gen(2048);
	EVP_PKEY *p192 = EVP_EC_gen("P-192");
	EVP_PKEY *p224 = EVP_EC_gen("P-224");
	EVP_PKEY *p384 = EVP_EC_gen("P-384");
	const struct forge_params weak_ca_params = {.common_name = "Weak root",
		.is_ca = true,
		.key = rsa_1024};
	const struct forge_params sha1_ca_params = {.common_name = "Root signed by SHA-1",
		.is_ca = true,
		.digest = "SHA1"};
	AUTO(forged_free) struct forged *weak_ca = forge(&weak_ca_params);
	const struct forge_params p224_ca_params = {.common_name = "Root on P-224",
		.is_ca = true,
		.key = p224};
	AUTO(forged_free) struct forged *sha1_ca = forge(&sha1_ca_params);
	AUTO(forged_free) struct forged *p224_ca = forge(&p224_ca_params);
	const struct {
		const struct forged *anchor;
		struct forge_params leaf;
		enum cert_verdict want;
	} cases[] = {
		{root, {.common_name = "RSA-2048", .issuer = root, .key = rsa_2048}, CERT_GOOD},
		{root, {.common_name = "RSA-1024", .issuer = root, .key = rsa_1024}, CERT_NOT_CHAINED},
		{root, {.common_name = "P-192", .issuer = root, .key = p192}, CERT_NOT_CHAINED},
		{root, {.common_name = "P-224", .issuer = root, .key = p224}, CERT_NOT_CHAINED},
		{root, {.common_name = "P-384", .issuer = root, .key = p384}, CERT_GOOD},
		{root, {.common_name = "SHA-224", .issuer = root, .digest = "SHA224"}, CERT_NOT_CHAINED},
		{p224_ca, {.common_name = "P-224 CA", .issuer = p224_ca}, CERT_NOT_CHAINED},
		{root, {.common_name = "SHA-1", .issuer = root, .digest = "SHA1"}, CERT_NOT_CHAINED},
		{root, {.common_name = "SHA-384", .issuer = root, .digest = "SHA384"}, CERT_GOOD},
		{weak_ca, {.common_name = "weak CA", .issuer = weak_ca}, CERT_NOT_CHAINED},
		/* Nobody checks an anchor's own signature: it is trusted because we say so. */
		{sha1_ca, {.common_name = "SHA-1 anchor", .issuer = sha1_ca}, CERT_GOOD},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		enum cert_verdict verdict = judge_leaf(cases[i].anchor, &cases[i].leaf);

		if (verdict != cases[i].want)
			fail_msg("%s: %s, want %s", cases[i].leaf.common_name, cert_verdict_name(verdict),
				cert_verdict_name(cases[i].want));
	}
	EVP_PKEY_free(rsa_1024);
	EVP_PKEY_free(rsa_2048);
	EVP_PKEY_free(p192);
	EVP_PKEY_free(p224);
	EVP_PKEY_free(p384);
}

static void a_twin_holds_and_is_known_by_what_was_signed(void **state)
{
	const struct forge_params params = {.common_name = "device", .issuer = root};
	AUTO(forged_free) struct forged *leaf = forge(&params);
	AUTO(forged_free) struct forged *other = forge(&params);
	AUTO(forge_free) struct slice twin = forge_twin(leaf);
	const struct slice ders[] = {forged_der(leaf), twin, forged_der(other)};
	struct cert_facts facts[COUNT_OF(ders)];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ders); i++)
		assert_int_equal(judge(root, &ders[i], 1, &facts[i]), CERT_GOOD);
	assert_memory_not_equal(facts[1].sha256, facts[0].sha256, SHA256_BYTES);
	assert_memory_equal(facts[1].tbs_sha256, facts[0].tbs_sha256, SHA256_BYTES);
	assert_memory_not_equal(facts[2].tbs_sha256, facts[0].tbs_sha256, SHA256_BYTES);
}

static void an_intermediate_sent_by_the_client_completes_the_path_in_any_order(void **state)
{
	const struct forge_params params = {.common_name = "leaf", .issuer = intermediate};
	AUTO(forged_free) struct forged *leaf = forge(&params);
	struct slice der = forged_der(leaf);
	struct slice middle = forged_der(intermediate);
	struct slice top = forged_der(root);
	struct slice junk = SLICE_LITERAL("junk");
	struct slice stranger = forged_der(other_root);
	const struct {
		struct slice chain[5];
		size_t count;
		enum cert_verdict want;
	} cases[] = {
		{{der}, 1, CERT_NOT_CHAINED},
		{{der, middle}, 2, CERT_GOOD},
		{{der, middle, top}, 3, CERT_GOOD},
		{{der, top, middle}, 3, CERT_GOOD},
		{{der, der, stranger, junk, middle}, 5, CERT_GOOD},
		{{der, top}, 2, CERT_NOT_CHAINED},
		{{der, stranger}, 2, CERT_NOT_CHAINED},
		/* the leaf does not stand first: what is judged is who stands first */
		{{middle, der}, 2, CERT_WRONG_PURPOSE},
		{{junk, der, middle}, 3, CERT_GARBLED},
	};
	struct cert_facts facts;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(judge(root, cases[i].chain, cases[i].count, &facts), cases[i].want);
}

static void an_intermediate_can_be_the_anchor(void **state)
{
	const struct forge_params under_intermediate = {.common_name = "leaf", .issuer = intermediate};
	const struct forge_params under_root = {.common_name = "sibling", .issuer = root};

	(void)state;
	assert_int_equal(judge_leaf(intermediate, &under_intermediate), CERT_GOOD);
	assert_int_equal(judge_leaf(intermediate, &under_root), CERT_NOT_CHAINED);
}

static void an_expired_ca_ends_its_leaves(void **state)
{
	const struct forge_params ca_params = {.common_name = "Old",
		.is_ca = true,
		.not_after = FORGE_NOW - DAY_S};
	const struct forge_params young_params = {.common_name = "Young",
		.is_ca = true,
		.not_before = FORGE_NOW + DAY_S};
	AUTO(forged_free) struct forged *old = forge(&ca_params);
	AUTO(forged_free) struct forged *young = forge(&young_params);
	const struct forge_params under_old = {.common_name = "leaf", .issuer = old};
	const struct forge_params under_young = {.common_name = "leaf", .issuer = young};

	(void)state;
	assert_int_equal(judge_leaf(old, &under_old), CERT_EXPIRED);
	assert_int_equal(judge_leaf(young, &under_young), CERT_NOT_YET);
}

static void a_device_cannot_issue_for_another(void **state)
{
	/* The worst that a CA may have given to a device by mistake: the right to sign, but not to be a CA. */
	const struct forge_params device_params[] = {
		{.common_name = "device", .issuer = root},
		{.common_name = "device",
			.issuer = root,
			.extensions = {{NID_key_usage, "digitalSignature,keyCertSign"}}},
		{.common_name = "device",
			.issuer = root,
			.extensions = {{NID_basic_constraints, "critical,CA:FALSE"}}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(device_params); i++) {
		AUTO(forged_free) struct forged *device = forge(&device_params[i]);
		const struct forge_params params = {.common_name = "victim", .issuer = device};
		AUTO(forged_free) struct forged *victim = forge(&params);
		struct slice chain[] = {forged_der(victim), forged_der(device)};
		struct cert_facts facts;

		assert_int_equal(judge(root, chain, 2, &facts), CERT_NOT_CHAINED);
	}
}

static void a_ca_for_end_entities_only_makes_no_further_cas(void **state)
{
	const struct forge_params narrow_params = {.common_name = "Narrow",
		.extensions = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
			{NID_key_usage, "critical,keyCertSign"}}};
	AUTO(forged_free) struct forged *narrow = forge(&narrow_params);
	const struct forge_params below_params = {.common_name = "Below", .issuer = narrow, .is_ca = true};
	AUTO(forged_free) struct forged *below = forge(&below_params);
	const struct forge_params leaf_params = {.common_name = "leaf", .issuer = below};
	AUTO(forged_free) struct forged *leaf = forge(&leaf_params);
	struct slice chain[] = {forged_der(leaf), forged_der(below)};
	struct cert_facts facts;

	(void)state;
	assert_int_equal(judge(narrow, chain, 2, &facts), CERT_NOT_CHAINED);
}

static void what_is_no_certificate_is_missing_or_garbled(void **state)
{
	AUTO(buf_fini) struct buf trailing;
	struct slice cases[] = {SLICE_LITERAL(""), SLICE_LITERAL("junk"), SLICE_LITERAL("\x30\x00")};
	struct cert_facts facts;

	(void)state;
	assert_int_equal(judge(root, NULL, 0, &facts), CERT_MISSING);
	assert_string_equal(facts.subject, "");
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(judge(root, &cases[i], 1, &facts), CERT_GARBLED);
	buf_init(&trailing, CERT_DER_BYTES_MAX);
	buf_append(&trailing, forged_der(intermediate));
	buf_append_byte(&trailing, 0);
	cases[0] = buf_slice(&trailing);
	assert_int_equal(judge(root, cases, 1, &facts), CERT_GARBLED);
	for (size_t i = 0; i < SHA256_BYTES; i++)
		assert_int_equal(facts.sha256[i], 0);
}

/* A chain of `length` certificates, of which the last one's issuer is root. */
static enum cert_verdict judge_chain_of(size_t length)
{
	struct forged *certs[CERT_CHAIN_MAX + 2];
	struct slice chain[CERT_CHAIN_MAX + 2];
	struct forge_params params = {.issuer = root};
	char name[] = "CA 0";
	struct cert_facts facts;
	enum cert_verdict verdict;

	for (size_t i = length; i-- > 0; params.issuer = certs[i]) {
		name[3] = (char)('0' + i);
		params.common_name = name;
		params.is_ca = i > 0;
		certs[i] = forge(&params);
		chain[i] = forged_der(certs[i]);
	}
	verdict = judge(root, chain, length, &facts);
	for (size_t i = 0; i < length; i++)
		forged_free(&certs[i]);
	return verdict;
}

static void a_chain_may_be_as_long_as_its_limit_and_no_longer(void **state)
{
	(void)state;
	assert_int_equal(judge_chain_of(CERT_CHAIN_MAX), CERT_GOOD);
	assert_int_equal(judge_chain_of(CERT_CHAIN_MAX + 1), CERT_NOT_CHAINED);
}

static void without_anchors_nothing_chains(void **state)
{
	const struct forge_params params = {.common_name = "leaf", .issuer = root};

	(void)state;
	assert_int_equal(judge_leaf(NULL, &params), CERT_NOT_CHAINED);
}

static void an_anchor_must_be_a_ca(void **state)
{
	const struct forge_params params[] = {
		{.common_name = "plain"},
		{.common_name = "by key usage", .extensions = {{NID_key_usage, "keyCertSign"}}},
		{.common_name = "by name", .extensions = {{NID_basic_constraints, "CA:FALSE"}}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(params); i++) {
		AUTO(forged_free) struct forged *cert = forge(&params[i]);
		struct slice anchors[] = {forged_der(root), forged_der(cert)};
		struct trust *trust = NULL;
		struct err err;

		assert_int_equal(trust_new(anchors, 2, &trust, &err), RC_INVALID);
		assert_null(trust);
		assert_non_null(strstr(err.text, "trust anchor 2: CN="));
		anchors[0] = SLICE_LITERAL("junk");
		assert_int_equal(trust_new(anchors, 2, &trust, &err), RC_INVALID);
		assert_non_null(strstr(err.text, "trust anchor 1: "));
	}
}

static void there_may_be_as_many_anchors_as_the_limit_and_no_more(void **state)
{
	struct slice anchors[TRUST_ANCHORS_MAX + 1];
	AUTO(trust_unref) struct trust *trust = NULL;
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(anchors); i++)
		anchors[i] = forged_der(root); /* one twice is no fault */
	assert_int_equal(trust_new(anchors, TRUST_ANCHORS_MAX + 1, &trust, &err), RC_LIMIT);
	assert_int_equal(trust_new(anchors, TRUST_ANCHORS_MAX, &trust, &err), RC_OK);
}

static void the_fingerprint_tells_sets_apart_and_not_their_order(void **state)
{
	struct slice sets[][2] = {
		{forged_der(root), forged_der(other_root)},
		{forged_der(other_root), forged_der(root)},
		{forged_der(root), forged_der(intermediate)},
	};
	uint8_t prints[COUNT_OF(sets)][SHA256_BYTES];
	uint8_t empty[SHA256_BYTES];
	struct trust *trust = NULL;
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sets); i++) {
		assert_int_equal(trust_new(sets[i], 2, &trust, &err), RC_OK);
		trust_fingerprint(trust, prints[i]);
		trust_unref(&trust);
	}
	assert_int_equal(trust_new(NULL, 0, &trust, &err), RC_OK);
	trust_fingerprint(trust, empty);
	trust_unref(&trust);
	assert_memory_equal(prints[0], prints[1], SHA256_BYTES);
	assert_memory_not_equal(prints[0], prints[2], SHA256_BYTES);
	assert_memory_not_equal(prints[0], empty, SHA256_BYTES);
}

static void a_snapshot_lives_as_long_as_its_last_holder(void **state)
{
	struct slice anchors[] = {forged_der(root)};
	struct trust *trust = NULL;
	struct trust *held;
	uint8_t print[SHA256_BYTES];
	struct err err;

	(void)state;
	assert_int_equal(trust_new(anchors, 1, &trust, &err), RC_OK);
	held = trust_ref(trust);
	trust_unref(&trust);
	assert_null(trust);
	trust_fingerprint(held, print);
	trust_unref(&held);
	trust_unref(&held); /* nothing is fine */
}

static void every_verdict_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CERT_VERDICT_COUNT; i++) {
		assert_non_null(cert_verdict_name((enum cert_verdict)i));
		for (unsigned other = 0; other < i; other++)
			assert_string_not_equal(cert_verdict_name((enum cert_verdict)i),
				cert_verdict_name((enum cert_verdict)other));
	}
	assert_string_equal(cert_verdict_name(CERT_VERDICT_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_of_a_leaf_has_its_verdict),
		cmocka_unit_test(weak_keys_and_digests_prove_nothing),
		cmocka_unit_test(a_twin_holds_and_is_known_by_what_was_signed),
		cmocka_unit_test(an_intermediate_sent_by_the_client_completes_the_path_in_any_order),
		cmocka_unit_test(an_intermediate_can_be_the_anchor),
		cmocka_unit_test(an_expired_ca_ends_its_leaves),
		cmocka_unit_test(a_device_cannot_issue_for_another),
		cmocka_unit_test(a_ca_for_end_entities_only_makes_no_further_cas),
		cmocka_unit_test(what_is_no_certificate_is_missing_or_garbled),
		cmocka_unit_test(a_chain_may_be_as_long_as_its_limit_and_no_longer),
		cmocka_unit_test(without_anchors_nothing_chains),
		cmocka_unit_test(an_anchor_must_be_a_ca),
		cmocka_unit_test(there_may_be_as_many_anchors_as_the_limit_and_no_more),
		cmocka_unit_test(the_fingerprint_tells_sets_apart_and_not_their_order),
		cmocka_unit_test(a_snapshot_lives_as_long_as_its_last_holder),
		cmocka_unit_test(every_verdict_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests_name("pki/trust", tests, make_cas, free_cas);
}
