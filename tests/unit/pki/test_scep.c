/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <string.h>

#include "forge.h"
#include "internal.h"
#include "pomona/pki/scep.h"
#include "scep_client.h"

enum { BOUND = 1 << 20 };

static struct authority *authority;
static struct scep_writer writer;
static X509 *ca;
static EVP_PKEY *key;
static EVP_PKEY *other_key;
static struct forged *self;

static struct authority *authority_of_kind(enum key_kind kind)
{
	const struct authority_params params = {.key = kind,
		.common_name = "Device CA",
		.now = FORGE_NOW,
		.valid_s = FORGE_YEAR_S};
	struct authority *made = NULL;
	struct err err;

	assert_int_equal(authority_new(&params, &made, &err), RC_OK);
	return made;
}

static int make(void **state)
{
	(void)state;
	authority = authority_of_kind(KEY_RSA_2048);
	writer = (struct scep_writer){.ca = authority, .now_unix_s = FORGE_NOW};
	ca = pki_authority_cert(authority);
	key = EVP_RSA_gen(2048);
	other_key = EVP_RSA_gen(2048);
	self = scep_self(key, "device");
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	authority_free(&authority);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other_key);
	forged_free(&self);
	return 0;
}

static struct scep_ask ask_with(struct slice inside)
{
	return (
		struct scep_ask){.ca = ca, .signer = self->cert, .signer_key = self->key, .inside = inside};
}

/* Reads what `ask` makes; the message itself is gone then, so that nothing may borrow from it. */
static enum rc read_ask(const struct scep_ask *ask, struct scep_request **request_r,
	enum scep_fail *fail_r, struct err *err)
{
	struct slice message = scep_ask(ask);
	enum rc rc = scep_read(authority, message, request_r, fail_r, err);

	assert_int_equal(ERR_peek_error(), 0);
	forge_free(&message);
	return rc;
}

static void issue(const struct scep_request *request, struct buf *cert)
{
	const struct issue_params params = {.common_name = "issued", .now = FORGE_NOW, .valid_s = 86400};
	struct err err;

	assert_int_equal(authority_issue_csr(authority, scep_request_facts(request)->csr_der, &params,
																			cert, &err),
		RC_OK);
}

static void a_request_is_read_and_answered_in_its_cipher(void **state)
{
	const struct {
		const char *cipher, *digest;
		int want_cipher, want_digest;
	} cases[] = {
		{"AES-128-CBC", "SHA256", NID_aes_128_cbc, NID_sha256},
		{"AES-192-CBC", "SHA384", NID_aes_192_cbc, NID_sha384},
		{"AES-256-CBC", "SHA512", NID_aes_256_cbc, NID_sha512},
		{"DES-EDE3-CBC", "SHA1", NID_des_ede3_cbc, NID_sha256},
		{"DES-CBC", "SHA256", NID_aes_128_cbc, NID_sha256},
	};
	struct slice csr = scep_csr(key, "device", "s3cret");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct scep_ask ask = ask_with(csr);
		AUTO(scep_request_free) struct scep_request *request = NULL;
		AUTO(scep_answer_fini) struct scep_answer answer;
		AUTO(buf_fini) struct buf cert;
		AUTO(buf_fini) struct buf reply;
		const struct scep_facts *facts;
		enum scep_fail fail;
		struct err err;

		ask.cipher = cases[i].cipher;
		ask.digest = cases[i].digest;
		buf_init(&cert, BOUND);
		buf_init(&reply, BOUND);
		assert_int_equal(read_ask(&ask, &request, &fail, &err), RC_OK);
		assert_int_equal(fail, SCEP_FAIL_NONE);
		facts = scep_request_facts(request);
		assert_int_equal(facts->kind, SCEP_PKCS_REQ);
		assert_string_equal(facts->transaction_id, "4711");
		assert_true(slice_is_str(facts->challenge, "s3cret"));
		assert_true(facts->is_signed_by_own_key);
		assert_true(slice_is_equal(facts->signer_der, forged_der(self)));
		assert_string_equal(facts->signer.common_name, "device");
		issue(request, &cert);
		assert_int_equal(scep_write_cert(request, &writer, buf_slice(&cert), &reply, &err), RC_OK);
		scep_answer_read(buf_slice(&reply), ca, self->cert, self->key, &answer);
		assert_true(answer.is_signed_by_ca);
		assert_string_equal(answer.message_type, "3");
		assert_string_equal(answer.status, "0");
		assert_string_equal(answer.transaction_id, "4711");
		assert_int_equal(answer.recipient_nonce_bytes, SCEP_ASK_NONCE_BYTES);
		assert_int_equal(answer.recipient_nonce[0], SCEP_ASK_NONCE);
		assert_int_equal(answer.cipher, cases[i].want_cipher);
		assert_int_equal(answer.digest, cases[i].want_digest);
		assert_non_null(answer.cert);
		assert_int_equal(X509_check_private_key(answer.cert, key), 1);
	}
	forge_free(&csr);
}

static void who_signs_with_another_key_is_told(void **state)
{
	struct slice csr = scep_csr(other_key, "device", NULL);
	struct scep_ask ask = ask_with(csr);
	AUTO(scep_request_free) struct scep_request *request = NULL;
	enum scep_fail fail;
	struct err err;

	(void)state;
	ask.message_type = "17";
	assert_int_equal(read_ask(&ask, &request, &fail, &err), RC_OK);
	assert_int_equal(fail, SCEP_FAIL_NONE);
	assert_int_equal(scep_request_facts(request)->kind, SCEP_RENEWAL_REQ);
	assert_false(scep_request_facts(request)->is_signed_by_own_key);
	assert_int_equal(scep_request_facts(request)->challenge.len, 0);
	forge_free(&csr);
}

static void a_failure_is_answered_without_content(void **state)
{
	struct slice csr = scep_csr(key, "device", NULL);
	struct scep_ask ask = ask_with(csr);
	AUTO(scep_request_free) struct scep_request *request = NULL;
	enum scep_fail fail;
	struct err err;

	(void)state;
	assert_int_equal(read_ask(&ask, &request, &fail, &err), RC_OK);
	for (int wanted = 0; wanted < SCEP_FAIL_COUNT; wanted++) {
		AUTO(scep_answer_fini) struct scep_answer answer;
		AUTO(buf_fini) struct buf reply;

		buf_init(&reply, BOUND);
		assert_int_equal(scep_write_failure(request, &writer, (enum scep_fail)wanted, "the reason",
																				&reply, &err),
			RC_OK);
		scep_answer_read(buf_slice(&reply), ca, self->cert, self->key, &answer);
		assert_true(answer.is_signed_by_ca);
		assert_string_equal(answer.status, "2");
		assert_int_equal(answer.fail[0] - '0', wanted);
		assert_string_equal(answer.fail_text, "the reason");
		assert_int_equal(answer.cipher, 0);
		assert_int_equal(answer.recipient_nonce[0], SCEP_ASK_NONCE);
	}
	forge_free(&csr);
}

struct fault {
	const char *what;
	void (*change)(struct scep_ask *ask);
	enum scep_fail fail;
	const char *text;
};

static void use_md5(struct scep_ask *ask)
{
	ask->digest = "MD5";
}

static void use_camellia(struct scep_ask *ask)
{
	ask->cipher = "CAMELLIA-128-CBC";
}

static void damage(struct scep_ask *ask)
{
	ask->is_damaged = true;
}

static void leave_out_nonce(struct scep_ask *ask)
{
	ask->has_no_nonce = true;
}

static void leave_out_type(struct scep_ask *ask)
{
	ask->has_no_message_type = true;
}

static void use_other_type(struct scep_ask *ask)
{
	ask->message_type = "3";
}

static void encrypt_to_another(struct scep_ask *ask)
{
	ask->ca = self->cert;
}

static void send_no_csr(struct scep_ask *ask)
{
	ask->inside = SLICE_LITERAL("not a request");
}

static void a_fault_is_told_with_its_fail_info(void **state)
{
	const struct fault faults[] = {
		{"digest", use_md5, SCEP_BAD_ALG, "MD5"},
		{"cipher", use_camellia, SCEP_BAD_ALG, "cipher"},
		{"signature", damage, SCEP_BAD_MESSAGE_CHECK, "does not hold"},
		{"nonce", leave_out_nonce, SCEP_BAD_REQUEST, "senderNonce"},
		{"no type", leave_out_type, SCEP_BAD_REQUEST, "messageType"},
		{"type", use_other_type, SCEP_BAD_REQUEST, "messageType 3"},
		{"recipient", encrypt_to_another, SCEP_BAD_MESSAGE_CHECK, "not encrypted to this CA"},
		{"CSR", send_no_csr, SCEP_BAD_REQUEST, "CSR"},
	};
	struct slice csr = scep_csr(key, "device", NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(faults); i++) {
		struct scep_ask ask = ask_with(csr);
		AUTO(scep_request_free) struct scep_request *request = NULL;
		AUTO(buf_fini) struct buf reply;
		enum scep_fail fail;
		struct err err = {.text = ""};

		buf_init(&reply, BOUND);
		faults[i].change(&ask);
		assert_int_equal(read_ask(&ask, &request, &fail, &err), RC_OK);
		assert_int_equal(fail, faults[i].fail);
		if (strstr(err.text, faults[i].text) == NULL)
			fail_msg("%s: %s", faults[i].what, err.text);
		assert_int_equal(scep_write_failure(request, &writer, fail, err.text, &reply, &err), RC_OK);
	}
	forge_free(&csr);
}

static void a_key_that_is_too_weak_or_too_large_is_a_bad_algorithm(void **state)
{
	const struct {
		unsigned bits;
		enum scep_fail fail;
	} cases[] = {{1024, SCEP_BAD_ALG}, {2047, SCEP_BAD_ALG}, {2048, SCEP_FAIL_NONE}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		EVP_PKEY *weak = EVP_RSA_gen(cases[i].bits);
		struct slice csr = scep_csr(weak, "device", NULL);
		AUTO(forged_free) struct forged *weak_self = scep_self(weak, "device");
		AUTO(scep_request_free) struct scep_request *request = NULL;
		struct scep_ask ask = ask_with(csr);
		enum scep_fail fail;
		struct err err;

		ask.signer = weak_self->cert;
		ask.signer_key = weak_self->key;
		assert_int_equal(read_ask(&ask, &request, &fail, &err), RC_OK);
		assert_int_equal(fail, cases[i].fail);
		forge_free(&csr);
		EVP_PKEY_free(weak);
	}
}

/* The element of definite length at the begin of `from`, rewritten to indefinite length around `content`. */
static void write_indefinite(struct buf *out, uint8_t tag, struct slice content)
{
	buf_append_byte(out, tag);
	buf_append_byte(out, 0x80);
	buf_append(out, content);
	buf_append(out, SLICE_LITERAL("\0\0"));
}

static struct slice content_of(struct slice element)
{
	const unsigned char *at = element.ptr;
	long len;
	int tag;
	int class;

	assert_int_equal(ASN1_get_object(&at, &len, &tag, &class, (long)element.len) & 0x80, 0);
	return slice_of(at, (size_t)len);
}

/* As Apple's devices and others write: ContentInfo and its [0] have no length, but an end. */
static void lengths_may_be_indefinite(void **state)
{
	struct slice csr = scep_csr(key, "device", NULL);
	struct scep_ask ask = ask_with(csr);
	struct slice message = scep_ask(&ask);
	struct slice info = content_of(message); /* the OID, and the [0] behind it */
	struct slice oid = slice_sub(info, 0, 2 + (size_t)info.ptr[1]);
	AUTO(scep_request_free) struct scep_request *request = NULL;
	AUTO(buf_fini) struct buf inner;
	AUTO(buf_fini) struct buf outer;
	enum scep_fail fail;
	struct err err;

	(void)state;
	buf_init(&inner, BOUND);
	buf_init(&outer, BOUND);
	buf_append(&inner, oid);
	write_indefinite(&inner, 0xA0, content_of(slice_sub(info, oid.len, info.len)));
	write_indefinite(&outer, 0x30, buf_slice(&inner));
	assert_int_equal(scep_read(authority, buf_slice(&outer), &request, &fail, &err), RC_OK);
	assert_int_equal(fail, SCEP_FAIL_NONE);
	buf_append_byte(&outer, 0);
	scep_request_free(&request);
	assert_int_equal(scep_read(authority, buf_slice(&outer), &request, &fail, &err), RC_INVALID);
	forge_free(&message);
	forge_free(&csr);
}

static void what_is_no_pki_message_is_not_answered(void **state)
{
	struct slice csr = scep_csr(key, "device", NULL);
	struct scep_ask ask = ask_with(csr);
	AUTO(scep_request_free) struct scep_request *request = NULL;
	enum scep_fail fail;
	struct err err;
	struct slice message;

	(void)state;
	assert_int_equal(scep_read(authority, slice_of(NULL, 0), &request, &fail, &err), RC_INVALID);
	assert_int_equal(scep_read(authority, csr, &request, &fail, &err), RC_INVALID);
	ask.has_no_transaction_id = true;
	assert_int_equal(read_ask(&ask, &request, &fail, &err), RC_INVALID);
	assert_non_null(strstr(err.text, "transactionID"));
	ask.has_no_transaction_id = false;
	message = scep_ask(&ask);
	for (size_t len = 0; len < message.len; len += len < 64 ? 1 : 97)
		assert_int_equal(scep_read(authority, slice_sub(message, 0, len), &request, &fail, &err),
			RC_INVALID);
	assert_null(request);
	assert_int_equal(ERR_peek_error(), 0);
	forge_free(&message);
	forge_free(&csr);
}

static void sizes_are_bounded(void **state)
{
	static uint8_t large[SCEP_MESSAGE_BYTES_MAX + 1];
	char id[SCEP_TRANSACTION_ID_BYTES_MAX + 2];
	char challenge[SCEP_CHALLENGE_BYTES_MAX + 2];
	const struct {
		size_t id, challenge;
		enum rc rc;
		enum scep_fail fail;
	} cases[] = {
		{SCEP_TRANSACTION_ID_BYTES_MAX, SCEP_CHALLENGE_BYTES_MAX, RC_OK, SCEP_FAIL_NONE},
		{SCEP_TRANSACTION_ID_BYTES_MAX + 1, 1, RC_INVALID, SCEP_FAIL_NONE},
		{1, SCEP_CHALLENGE_BYTES_MAX + 1, RC_OK, SCEP_BAD_REQUEST},
	};
	AUTO(scep_request_free) struct scep_request *none = NULL;
	enum scep_fail fail;
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(scep_request_free) struct scep_request *request = NULL;
		struct scep_ask ask;
		struct slice csr;

		memset(id, 'i', sizeof(id));
		id[cases[i].id] = '\0';
		memset(challenge, 'c', sizeof(challenge));
		challenge[cases[i].challenge] = '\0';
		csr = scep_csr(key, "device", challenge);
		ask = ask_with(csr);
		ask.transaction_id = id;
		assert_int_equal(read_ask(&ask, &request, &fail, &err), cases[i].rc);
		assert_int_equal(fail, cases[i].fail);
		forge_free(&csr);
	}
	assert_int_equal(scep_read(authority, slice_of(large, sizeof(large)), &none, &fail, &err),
		RC_LIMIT);
}

static struct slice issuer_and_serial(X509 *cert)
{
	PKCS7_ISSUER_AND_SERIAL *which = PKCS7_ISSUER_AND_SERIAL_new();
	unsigned char *der = NULL;
	int len;

	assert_int_equal(X509_NAME_set(&which->issuer, X509_get_issuer_name(cert)), 1);
	ASN1_INTEGER_free(which->serial);
	which->serial = ASN1_INTEGER_dup(X509_get0_serialNumber(cert));
	len = i2d_PKCS7_ISSUER_AND_SERIAL(which, &der);
	assert_true(len > 0);
	PKCS7_ISSUER_AND_SERIAL_free(which);
	return slice_of(der, (size_t)len);
}

static void a_certificate_is_asked_for_by_issuer_and_serial(void **state)
{
	struct slice which = issuer_and_serial(ca);
	struct scep_ask ask = ask_with(which);
	AUTO(scep_request_free) struct scep_request *request = NULL;
	struct cert_facts facts;
	enum scep_fail fail;
	struct err err;

	(void)state;
	ask.message_type = "21";
	assert_int_equal(cert_read_facts(authority_cert_der(authority), &facts, &err), RC_OK);
	assert_int_equal(read_ask(&ask, &request, &fail, &err), RC_OK);
	assert_int_equal(fail, SCEP_FAIL_NONE);
	assert_int_equal(scep_request_facts(request)->kind, SCEP_GET_CERT);
	assert_string_equal(scep_request_facts(request)->issuer, facts.issuer);
	assert_string_equal(scep_request_facts(request)->serial, facts.serial);
	forge_free(&which);
}

static void a_crl_is_sent(void **state)
{
	const struct crl_entry entries[] = {{"0a11", FORGE_NOW - 5}, {"40", FORGE_NOW - 9}};
	const struct crl_params params = {.entries = entries,
		.count = COUNT_OF(entries),
		.number = 7,
		.now = FORGE_NOW,
		.valid_s = 3600};
	struct slice which = issuer_and_serial(ca);
	struct scep_ask ask = ask_with(which);
	AUTO(scep_request_free) struct scep_request *request = NULL;
	AUTO(scep_answer_fini) struct scep_answer answer;
	AUTO(buf_fini) struct buf crl;
	AUTO(buf_fini) struct buf reply;
	X509_REVOKED *found = NULL;
	ASN1_INTEGER *serial = ASN1_INTEGER_new();
	enum scep_fail fail;
	struct err err;

	(void)state;
	buf_init(&crl, BOUND);
	buf_init(&reply, BOUND);
	ask.message_type = "22";
	assert_int_equal(read_ask(&ask, &request, &fail, &err), RC_OK);
	assert_int_equal(authority_write_crl(authority, &params, &crl, &err), RC_OK);
	assert_int_equal(scep_write_crl(request, &writer, buf_slice(&crl), &reply, &err), RC_OK);
	scep_answer_read(buf_slice(&reply), ca, self->cert, self->key, &answer);
	assert_non_null(answer.crl);
	assert_int_equal(X509_CRL_verify(answer.crl, X509_get0_pubkey(ca)), 1);
	assert_int_equal(ASN1_INTEGER_set(serial, 0x0a11), 1);
	assert_int_equal(X509_CRL_get0_by_serial(answer.crl, &found, serial), 1);
	assert_int_equal(ASN1_INTEGER_set(serial, 0x0a12), 1);
	assert_int_equal(X509_CRL_get0_by_serial(answer.crl, &found, serial), 0);
	ASN1_INTEGER_free(serial);
	forge_free(&which);
}

static void a_crl_of_a_serial_that_is_none_is_refused(void **state)
{
	const struct crl_entry entry = {"xyz", FORGE_NOW};
	const struct crl_params params = {.entries = &entry, .count = 1, .now = FORGE_NOW, .valid_s = 1};
	AUTO(buf_fini) struct buf crl;
	struct err err;

	(void)state;
	buf_init(&crl, BOUND);
	assert_int_equal(authority_write_crl(authority, &params, &crl, &err), RC_INVALID);
	assert_int_equal(crl.len, 0);
}

static void a_ca_that_nobody_can_encrypt_to_is_not_offered(void **state)
{
	AUTO(authority_free) struct authority *ec = authority_of_kind(KEY_P256);
	AUTO(scep_request_free) struct scep_request *request = NULL;
	enum scep_fail fail;
	struct err err;

	(void)state;
	assert_int_equal(scep_read(ec, SLICE_LITERAL("x"), &request, &fail, &err), RC_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_read_and_answered_in_its_cipher),
		cmocka_unit_test(who_signs_with_another_key_is_told),
		cmocka_unit_test(a_failure_is_answered_without_content),
		cmocka_unit_test(a_fault_is_told_with_its_fail_info),
		cmocka_unit_test(a_key_that_is_too_weak_or_too_large_is_a_bad_algorithm),
		cmocka_unit_test(lengths_may_be_indefinite),
		cmocka_unit_test(what_is_no_pki_message_is_not_answered),
		cmocka_unit_test(sizes_are_bounded),
		cmocka_unit_test(a_certificate_is_asked_for_by_issuer_and_serial),
		cmocka_unit_test(a_crl_is_sent),
		cmocka_unit_test(a_crl_of_a_serial_that_is_none_is_refused),
		cmocka_unit_test(a_ca_that_nobody_can_encrypt_to_is_not_offered),
	};

	return cmocka_run_group_tests(tests, make, unmake);
}
