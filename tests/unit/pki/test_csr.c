/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "forge.h"
#include "internal.h"
#include "pomona/base/codec.h"

enum { BOUND = 1 << 20 };

static bool is_rsa = true;

static void append_pem(struct buf *out, const char *kind, struct slice der)
{
	buf_printf(out, "-----BEGIN %s-----\n", kind);
	for (size_t at = 0; at < der.len; at += 48) {
		base64_encode(slice_sub(der, at, 48), out);
		buf_append_byte(out, '\n');
	}
	buf_printf(out, "-----END %s-----\n", kind);
}

static enum rc parse(struct slice csr, struct err *err)
{
	AUTO(pki_csr_fini) struct pki_csr request;
	enum rc rc = pki_csr_parse(csr, NULL, &request, err);

	assert_int_equal(rc == RC_OK, request.key != NULL);
	assert_int_equal(rc == RC_OK, request.subject != NULL);
	assert_int_equal(ERR_peek_error(), 0);
	return rc;
}

static void each_kind_of_key_is_taken_or_refused_with_a_reason(void **state)
{
	const struct {
		EVP_PKEY *key;
		const char *want; /* NULL: taken */
	} cases[] = {
		{EVP_RSA_gen(2048), NULL},
		{EVP_EC_gen("P-256"), NULL},
		{EVP_EC_gen("P-384"), NULL},
		{EVP_RSA_gen(1024), "CSR: its RSA key has 1024 bits; want 2048 to 8192"},
		{EVP_RSA_gen(2047), "CSR: its RSA key has 2047 bits; want 2048 to 8192"},
		{EVP_EC_gen("P-521"), "CSR: its key is on the curve secp521r1; want P-256 or P-384"},
		{EVP_EC_gen("secp256k1"), "CSR: its key is on the curve secp256k1; want P-256 or P-384"},
		{EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"),
			"CSR: its key is ED25519; want RSA, or EC on P-256 or P-384"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(forge_free) struct slice csr = forge_csr(cases[i].key, "device");
		struct err err = {.rc = RC_OK};

		assert_int_equal(parse(csr, &err), cases[i].want == NULL ? RC_OK : RC_INVALID);
		if (cases[i].want != NULL)
			assert_string_equal(err.text, cases[i].want);
		EVP_PKEY_free(cases[i].key);
	}
}

static void der_and_both_names_of_pem_are_read(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	AUTO(forge_free) struct slice der = forge_csr(key, "device");
	AUTO(buf_fini) struct buf pem;
	struct err err;

	(void)state;
	EVP_PKEY_free(key);
	buf_init(&pem, BOUND);
	assert_int_equal(parse(der, &err), RC_OK);
	buf_append_str(&pem, "Certificate Request:\n    Data:\n");
	append_pem(&pem, "CERTIFICATE REQUEST", der);
	assert_int_equal(parse(buf_slice(&pem), &err), RC_OK);
	buf_clear(&pem);
	append_pem(&pem, "NEW CERTIFICATE REQUEST", der);
	assert_int_equal(parse(buf_slice(&pem), &err), RC_OK);
	buf_clear(&pem);
	append_pem(&pem, "CERTIFICATE", der);
	assert_int_equal(parse(buf_slice(&pem), &err), RC_INVALID);
	assert_string_equal(err.text, "CSR: its PEM block is a CERTIFICATE; want CERTIFICATE REQUEST");
}

/* OpenSSL's own reader, which takes another encoding of the signature's algorithm here and there. */
static bool openssl_takes(struct slice der)
{
	const unsigned char *at = der.ptr;
	AUTO(ossl_request_free) X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)der.len);
	EVP_PKEY *key = request == NULL ? NULL : X509_REQ_get0_pubkey(request);
	bool is_taken = key != NULL && X509_REQ_verify(request, key) == 1;

	ERR_clear_error();
	return is_taken;
}

static void a_csr_changed_in_any_byte_is_refused(void **state)
{
	EVP_PKEY *key = *state == NULL ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);
	AUTO(forge_free) struct slice der = forge_csr(key, "device");
	AUTO(buf_fini) struct buf changed;
	size_t taken = 0;
	struct err err;

	EVP_PKEY_free(key);
	buf_init(&changed, BOUND);
	buf_append(&changed, der);
	for (size_t i = 0; i < changed.len; i++) {
		changed.ptr[i] ^= 0x01;
		if (*state == NULL || !openssl_takes(buf_slice(&changed)))
			assert_int_equal(parse(buf_slice(&changed), &err), RC_INVALID);
		else
			taken++;
		changed.ptr[i] ^= 0x01;
	}
	assert_in_range(taken, 0, 2); /* the type of the algorithm's parameters, which are nothing */
	for (size_t len = 0; len < der.len; len++)
		assert_int_equal(parse(slice_of(der.ptr, len), &err), RC_INVALID);
	buf_append_byte(&changed, 0);
	assert_int_equal(parse(buf_slice(&changed), &err), RC_INVALID);
	assert_string_equal(err.text, "CSR: bytes follow it");
}

/* As the client that signs with the key that its CSR is about; its signature is looked at all the same. */
static void a_key_that_is_known_is_not_read_again(void **state)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);
	EVP_PKEY *other = EVP_RSA_gen(2048);
	AUTO(forge_free) struct slice der = forge_csr(key, "device");
	AUTO(pki_csr_fini) struct pki_csr plain, known, unknown, wrong;
	AUTO(buf_fini) struct buf damaged;
	uint8_t digest[SHA256_BYTES] = {0};
	struct err err;

	(void)state;
	buf_init(&damaged, BOUND);
	buf_append(&damaged, der);
	damaged.ptr[der.len - 1] ^= 1;
	assert_int_equal(pki_csr_parse(der, NULL, &plain, &err), RC_OK);
	assert_int_equal(EVP_PKEY_eq(plain.key, key), 1);
	const struct pki_known_key same = {.key = key, .sha256 = plain.key_sha256};
	const struct pki_known_key foreign = {.key = other, .sha256 = digest};
	const struct pki_known_key lie = {.key = other, .sha256 = plain.key_sha256};

	assert_int_equal(pki_csr_parse(der, &same, &known, &err), RC_OK);
	assert_ptr_equal(known.key, key);
	assert_memory_equal(known.key_sha256, plain.key_sha256, SHA256_BYTES);
	assert_int_equal(pki_csr_parse(der, &foreign, &unknown, &err), RC_OK);
	assert_int_equal(EVP_PKEY_eq(unknown.key, key), 1);
	assert_int_equal(pki_csr_parse(der, &lie, &wrong, &err), RC_INVALID);
	assert_int_equal(pki_csr_parse(buf_slice(&damaged), &same, &wrong, &err), RC_INVALID);
	assert_null(wrong.key);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

static void what_is_no_csr_is_refused_with_a_reason(void **state)
{
	static const struct {
		struct slice text;
		const char *want;
	} cases[] = {
		{SLICE_LITERAL(""), "CSR: 0 bytes, want 1 to 32768"},
		{SLICE_LITERAL("junk"), "CSR: neither DER nor PEM"},
		{SLICE_LITERAL("-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n"),
			"CSR: a PEM block is broken: bad end line"},
		/* An encrypted block must not make anybody ask for its password. */
		{SLICE_LITERAL("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
																	"DEK-Info: AES-128-CBC,00000000000000000000000000000000\n\nMIIB\n"
																	"-----END RSA PRIVATE KEY-----\n"),
			"CSR: its PEM block is a RSA PRIVATE KEY; want CERTIFICATE REQUEST"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err err;

		assert_int_equal(parse(cases[i].text, &err), RC_INVALID);
		assert_string_equal(err.text, cases[i].want);
	}
}

static void a_csr_may_be_as_large_as_its_limit_and_no_larger(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	AUTO(forge_free) struct slice der = forge_csr(key, "device");
	AUTO(buf_fini) struct buf pem;
	AUTO(buf_fini) struct buf text;
	struct err err;

	(void)state;
	EVP_PKEY_free(key);
	buf_init(&pem, BOUND);
	buf_init(&text, BOUND);
	append_pem(&pem, "CERTIFICATE REQUEST", der);
	while (text.len < CSR_BYTES_MAX - pem.len)
		buf_append_byte(&text, '\n');
	buf_append(&text, buf_slice(&pem));
	assert_int_equal(parse(buf_slice(&text), &err), RC_OK);
	buf_append_byte(&text, '\n');
	assert_int_equal(parse(buf_slice(&text), &err), RC_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_key_is_taken_or_refused_with_a_reason),
		cmocka_unit_test(der_and_both_names_of_pem_are_read),
		cmocka_unit_test(a_csr_changed_in_any_byte_is_refused),
		cmocka_unit_test_prestate(a_csr_changed_in_any_byte_is_refused, &is_rsa),
		cmocka_unit_test(a_key_that_is_known_is_not_read_again),
		cmocka_unit_test(what_is_no_csr_is_refused_with_a_reason),
		cmocka_unit_test(a_csr_may_be_as_large_as_its_limit_and_no_larger),
	};

	return cmocka_run_group_tests_name("pki/csr", tests, NULL, NULL);
}
