/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "key_pool.h"
#include "pomona/pki/scep.h"
#include "scep_client.h"

enum { NOW = 1700000000, STEP = 37, EDGE = 300, SIGNATURE_BYTES = 256 };

/* A CA of the server's, a key of ours, and what both say. */
struct talk {
	struct authority *ca;
	struct key_pool *keys;
	struct buf key_pem, cert_pem, reply;
	struct plist_doc *subject;
	struct scep_client *client;
	struct scep_request *request;
};

static struct authority *make_ca(void)
{
	const struct authority_params params = {.key = KEY_RSA_2048,
		.common_name = "orchard",
		.now = NOW,
		.valid_s = 1000000};
	struct authority *ca;

	assert_int_equal(authority_new(&params, &ca, NULL), RC_OK);
	return ca;
}

static int setup(void **state)
{
	struct talk *talk = calloc(1, sizeof(*talk));

	assert_non_null(talk);
	talk->ca = make_ca();
	talk->keys = key_pool_new(2);
	assert_non_null(talk->keys);
	buf_init(&talk->key_pem, SCEP_CLIENT_PEM_BYTES_MAX);
	buf_init(&talk->cert_pem, SCEP_CLIENT_PEM_BYTES_MAX);
	buf_init(&talk->reply, SCEP_CLIENT_MESSAGE_BYTES_MAX);
	assert_int_equal(key_pool_take(talk->keys, 2048, &talk->key_pem, NULL), RC_OK);
	*state = talk;
	return 0;
}

static int teardown(void **state)
{
	struct talk *talk = *state;

	scep_client_free(&talk->client);
	scep_request_free(&talk->request);
	plist_doc_free(&talk->subject);
	authority_free(&talk->ca);
	key_pool_free(&talk->keys);
	buf_fini(&talk->key_pem);
	buf_fini(&talk->cert_pem);
	buf_fini(&talk->reply);
	free(talk);
	return 0;
}

static struct scep_client_params params_of(const struct talk *talk)
{
	return (struct scep_client_params){.ca_der = authority_cert_der(talk->ca),
		.caps = scep_caps_parse(SLICE_LITERAL("POSTPKIOperation\nSHA-256\nAES")),
		.key_pem = buf_slice(&talk->key_pem),
		.common_name = "DEVICE-1",
		.challenge = SLICE_LITERAL("a challenge"),
		.now = NOW};
}

static enum rc ask(struct talk *talk, const struct scep_client_params *params)
{
	scep_client_free(&talk->client);
	return scep_client_new(params, &talk->client, NULL);
}

/* The server's reader has the last word on the request. */
static const struct scep_facts *read_by_server(struct talk *talk)
{
	enum scep_fail fail;
	struct err err = {0};

	scep_request_free(&talk->request);
	if (scep_read(talk->ca, scep_client_message(talk->client), &talk->request, &fail, &err) != RC_OK ||
		fail != SCEP_FAIL_NONE)
		fail_msg("%s", err.text);
	return scep_request_facts(talk->request);
}

static void grant(struct talk *talk, const struct authority *ca)
{
	const struct scep_writer writer = {ca, NOW};
	const struct issue_params issue = {.now = NOW, .valid_s = 1000};
	struct buf der;

	buf_init(&der, CERT_DER_BYTES_MAX);
	assert_int_equal(authority_issue_csr(ca, scep_request_facts(talk->request)->csr_der, &issue, &der,
																			NULL),
		RC_OK);
	buf_clear(&talk->reply);
	assert_int_equal(scep_write_cert(talk->request, &writer, buf_slice(&der), &talk->reply, NULL),
		RC_OK);
	buf_fini(&der);
}

static enum rc read_reply(struct talk *talk, struct err *err)
{
	buf_clear(&talk->cert_pem);
	return scep_client_read(talk->client, buf_slice(&talk->reply), &talk->cert_pem, err);
}

static enum rc keep_facts(void *ctx, struct slice der, struct err *err)
{
	return cert_read_facts(der, ctx, err);
}

static void a_request_is_what_the_server_reads_and_its_certificate_comes_back(void **state)
{
	struct talk *talk = *state;
	struct scep_client_params params = params_of(talk);
	const struct scep_facts *facts;
	struct cert_facts cert;

	for (int is_old = 0; is_old < 2; is_old++) {
		if (is_old)
			params.caps = scep_caps_parse(SLICE_LITERAL("POSTPKIOperation\r\nsha-1\r\ndes3\r\n"));
		assert_int_equal(ask(talk, &params), RC_OK);
		facts = read_by_server(talk);
		assert_int_equal(facts->kind, SCEP_PKCS_REQ);
		assert_true(facts->is_signed_by_own_key);
		assert_true(slice_is_str(facts->challenge, "a challenge"));
		assert_string_equal(facts->signer.common_name, "DEVICE-1");
		grant(talk, talk->ca);
		assert_int_equal(read_reply(talk, NULL), RC_OK);
		assert_int_equal(cert_pem_each(buf_slice(&talk->cert_pem), keep_facts, &cert, NULL), RC_OK);
		assert_string_equal(cert.common_name, "DEVICE-1");
	}
}

static void a_renewal_is_signed_by_the_old_identity_for_a_new_key(void **state)
{
	struct talk *talk = *state;
	struct scep_client_params params = params_of(talk);
	struct buf old_cert, old_key;
	const struct scep_facts *facts;

	buf_init(&old_cert, SCEP_CLIENT_PEM_BYTES_MAX);
	buf_init(&old_key, SCEP_CLIENT_PEM_BYTES_MAX);
	assert_int_equal(ask(talk, &params), RC_OK);
	(void)read_by_server(talk);
	grant(talk, talk->ca);
	assert_int_equal(read_reply(talk, NULL), RC_OK);
	buf_append(&old_cert, buf_slice(&talk->cert_pem));
	buf_append(&old_key, buf_slice(&talk->key_pem));
	buf_clear(&talk->key_pem);
	assert_int_equal(key_pool_take(talk->keys, 2048, &talk->key_pem, NULL), RC_OK);
	params = params_of(talk);
	params.challenge.len = 0;
	params.old_cert_pem = buf_slice(&old_cert);
	params.old_key_pem = buf_slice(&old_key);
	assert_int_equal(ask(talk, &params), RC_OK);
	facts = read_by_server(talk);
	assert_int_equal(facts->kind, SCEP_RENEWAL_REQ);
	assert_false(facts->is_signed_by_own_key);
	assert_int_equal(facts->challenge.len, 0);
	grant(talk, talk->ca);
	assert_int_equal(read_reply(talk, NULL), RC_OK);
	buf_fini(&old_cert);
	buf_fini(&old_key);
}

static void a_refusal_is_told_with_its_reason(void **state)
{
	struct talk *talk = *state;
	const struct scep_client_params params = params_of(talk);
	const struct scep_writer writer = {talk->ca, NOW};
	struct err err = {0};

	assert_int_equal(ask(talk, &params), RC_OK);
	(void)read_by_server(talk);
	assert_int_equal(scep_write_failure(talk->request, &writer, SCEP_BAD_TIME, "too late",
																			&talk->reply, NULL),
		RC_OK);
	assert_int_equal(read_reply(talk, &err), RC_DENIED);
	assert_string_equal(err.text, "SCEP: refused (badTime): too late");
}

static void an_answer_to_another_or_of_another_is_none(void **state)
{
	struct talk *talk = *state;
	const struct scep_client_params params = params_of(talk);
	struct authority *other = make_ca();
	struct err err = {0};

	assert_int_equal(ask(talk, &params), RC_OK);
	(void)read_by_server(talk);
	grant(talk, other);
	assert_int_equal(read_reply(talk, &err), RC_INVALID);
	assert_non_null(strstr(err.text, "another than the CA"));
	grant(talk, talk->ca);
	assert_int_equal(ask(talk, &params), RC_OK); /* with another transaction */
	assert_int_equal(read_reply(talk, &err), RC_INVALID);
	assert_non_null(strstr(err.text, "another transaction"));
	authority_free(&other);
}

static void an_answer_that_is_cut_or_changed_anywhere_is_refused(void **state)
{
	struct talk *talk = *state;
	const struct scep_client_params params = params_of(talk);
	struct buf whole;

	assert_int_equal(ask(talk, &params), RC_OK);
	(void)read_by_server(talk);
	grant(talk, talk->ca);
	for (size_t at = 0; at < talk->reply.len; at += STEP) {
		struct slice cut = slice_sub(buf_slice(&talk->reply), 0, at);

		buf_clear(&talk->cert_pem);
		assert_int_not_equal(scep_client_read(talk->client, cut, &talk->cert_pem, NULL), RC_OK);
	}
	/* What is not signed is not believed: the same certificate comes, or none. */
	buf_init(&whole, SCEP_CLIENT_PEM_BYTES_MAX);
	assert_int_equal(read_reply(talk, NULL), RC_OK);
	buf_append(&whole, buf_slice(&talk->cert_pem));
	for (size_t at = 0; at < talk->reply.len;
						at += at < EDGE || talk->reply.len - at < EDGE ? 1 : STEP) {
		enum rc rc;

		talk->reply.ptr[at] ^= 1;
		rc = read_reply(talk, NULL);
		assert_true(rc != RC_OK || slice_is_equal(buf_slice(&talk->cert_pem), buf_slice(&whole)));
		assert_true(rc != RC_OK || talk->reply.len - at > SIGNATURE_BYTES);
		talk->reply.ptr[at] ^= 1;
	}
	buf_fini(&whole);
	assert_int_equal(read_reply(talk, NULL), RC_OK);
}

static enum rc ask_subject(struct talk *talk, const char *subject)
{
	struct scep_client_params params = params_of(talk);
	char xml[2048];

	plist_doc_free(&talk->subject);
	(void)snprintf(xml, sizeof(xml), "<plist version=\"1.0\">%s</plist>", subject);
	assert_int_equal(plist_parse(slice_of_str(xml), &talk->subject, NULL), RC_OK);
	params.subject = plist_root(talk->subject);
	return ask(talk, &params);
}

#define S(text) "<string>" text "</string>"
#define PAIR(type, value) "<array>" S(type) S(value) "</array>"

static void a_subject_has_three_levels(void **state)
{
	static const struct {
		const char *subject, *name; /* NULL: refused */
	} cases[] = {
		{"<array/>", "CN=DEVICE-1"},
		{"<array><array>" PAIR("CN", "x") "</array></array>", "CN=x"},
		{"<array><array>" PAIR("O", "Orchard") "</array><array>" PAIR("2.5.4.3", "x") "</array></array>",
			"CN=x,O=Orchard"},
		{"<array><array>" PAIR("O", "Orchard") PAIR("CN", "x") "</array></array>", "O=Orchard+CN=x"},
		{"<array>" PAIR("CN", "x") "</array>", NULL},
		{"<array><array><array>" S("CN") "</array></array></array>", NULL},
		{"<array><array>" PAIR("no such type", "x") "</array></array>", NULL},
		{"<array><array/></array>", NULL},
		{"<array>" S("CN") "</array>", NULL},
		{"<dict/>", NULL},
	};
	struct talk *talk = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		enum rc rc = ask_subject(talk, cases[i].subject);

		assert_int_equal(rc, cases[i].name == NULL ? RC_INVALID : RC_OK);
		if (cases[i].name != NULL)
			assert_string_equal(read_by_server(talk)->signer.subject, cases[i].name);
	}
}

static void what_is_no_ca_is_refused(void **state)
{
	struct talk *talk = *state;
	struct scep_client_params params = params_of(talk);
	struct slice der = params.ca_der;

	for (size_t len = 0; len < der.len; len += STEP) {
		params.ca_der = slice_sub(der, 0, len);
		assert_int_equal(ask(talk, &params), RC_INVALID);
	}
}

static void capabilities_are_words_on_lines(void **state)
{
	static const struct {
		const char *text;
		bool has_post, is_enough;
	} cases[] = {
		{"", false, false},
		{"POSTPKIOperation", true, false},
		{"POSTPKIOperation\nSHA-256", true, false},
		{"SHA-512\r\nAES\r\n", false, true},
		{"sha-1\n  des3  \npostpkioperation", true, true},
		{"SCEPStandard", true, true},
		{"SHA-2567\nAESx", false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct scep_caps caps = scep_caps_parse(slice_of_str(cases[i].text));

		assert_int_equal(caps.has_post, cases[i].has_post);
		assert_int_equal(scep_caps_are_enough(&caps), cases[i].is_enough);
	}
}

static void a_pool_makes_as_many_keys_as_it_may_and_then_begins_anew(void **state)
{
	struct key_pool *pool = key_pool_new(2);
	struct buf pems[3];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(pems); i++) {
		buf_init(&pems[i], KEY_PEM_BYTES_MAX);
		assert_int_equal(key_pool_take(pool, 2048, &pems[i], NULL), RC_OK);
	}
	assert_false(slice_is_equal(buf_slice(&pems[0]), buf_slice(&pems[1])));
	assert_true(slice_is_equal(buf_slice(&pems[0]), buf_slice(&pems[2])));
	assert_int_equal(key_pool_take(pool, 1024, &pems[0], NULL), RC_INVALID);
	for (size_t i = 0; i < COUNT_OF(pems); i++)
		buf_fini(&pems[i]);
	key_pool_free(&pool);
}

#define TALK(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(a_request_is_what_the_server_reads_and_its_certificate_comes_back),
		TALK(a_renewal_is_signed_by_the_old_identity_for_a_new_key),
		TALK(a_refusal_is_told_with_its_reason),
		TALK(an_answer_to_another_or_of_another_is_none),
		TALK(an_answer_that_is_cut_or_changed_anywhere_is_refused),
		TALK(a_subject_has_three_levels),
		TALK(what_is_no_ca_is_refused),
		cmocka_unit_test(capabilities_are_words_on_lines),
		cmocka_unit_test(a_pool_makes_as_many_keys_as_it_may_and_then_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
