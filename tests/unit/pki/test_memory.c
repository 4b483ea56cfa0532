/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/cms.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "forge.h"
#include "internal.h"
#include "pomona/pki/apple_chain.h"
#include "pomona/pki/authority.h"
#include "pomona/base/codec.h"
#include "pomona/pki/cert_header.h"
#include "pomona/pki/message_signature.h"
#include "pomona/pki/push_cert.h"
#include "pomona/pki/scep.h"
#include "pomona/pki/seal.h"
#include "pomona/pki/trust.h"
#include "scep_client.h"

enum { BOUND = 1 << 20, CALLS_MAX = 100000 };

static int until_failure; /* the allocation of OpenSSL that fails, and all after it; 0: none */
static bool has_failed;

static bool must_fail(void)
{
	if (until_failure > 0 && !has_failed)
		has_failed = --until_failure == 0;
	return has_failed;
}

/* sha256() has no way to fail but to stop the program: its allocation (of 112 bytes) is spared. */
static bool is_of_digest(const char *file)
{
	return file != NULL && strstr(file, "sha2_prov") != NULL;
}

static void *allocate(size_t size, const char *file, int line)
{
	(void)line;
	return size == 0 || (!is_of_digest(file) && must_fail()) ? NULL : malloc(size);
}

static void *reallocate(void *old, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return size == 0 || must_fail() ? NULL : realloc(old, size);
}

static void release(void *old, const char *file, int line)
{
	(void)file;
	(void)line;
	free(old);
}

static struct forged *ca;
static struct forged *good;
static struct forged *foreign;
static struct trust *trust;

static int make_certs(void **state)
{
	struct forge_params params = {.common_name = "leaf"};
	AUTO(forged_free) struct forged *other = NULL;
	struct slice anchor;
	struct err err;

	(void)state;
	ca = forge_ca("CA");
	other = forge_ca("CA");
	params.issuer = ca;
	good = forge(&params);
	params.issuer = other;
	foreign = forge(&params);
	anchor = forged_der(ca);
	return trust_new(&anchor, 1, &trust, &err) == RC_OK ? 0 : -1;
}

static int free_certs(void **state)
{
	(void)state;
	forged_free(&ca);
	forged_free(&good);
	forged_free(&foreign);
	trust_unref(&trust);
	return 0;
}

static enum cert_verdict judge(const struct forged *leaf)
{
	struct slice chain[] = {forged_der(leaf)};
	struct cert_facts facts;

	return trust_judge(trust, chain, 1, FORGE_NOW, &facts);
}

/* Runs `attempt` with the first, the second, ... allocation failing, until none has to; the number of runs. */
static int fail_each(bool (*attempt)(void))
{
	bool is_done = false;
	int runs = 0;

	while (!is_done && runs < CALLS_MAX) {
		until_failure = ++runs;
		has_failed = false;
		is_done = attempt() && !has_failed;
		assert_int_equal(ERR_peek_error(), 0);
	}
	until_failure = 0;
	has_failed = false;
	assert_true(is_done);
	return runs;
}

static bool judge_foreign(void)
{
	assert_int_not_equal(judge(foreign), CERT_GOOD);
	return true;
}

static bool judge_good(void)
{
	enum cert_verdict verdict = judge(good);

	assert_true(verdict == CERT_GOOD || verdict == CERT_UNJUDGED || verdict == CERT_NOT_CHAINED ||
		verdict == CERT_GARBLED);
	return verdict == CERT_GOOD;
}

static void short_memory_never_makes_a_foreign_certificate_good(void **state)
{
	(void)state;
	assert_true(fail_each(judge_foreign) > 10);
	assert_true(fail_each(judge_good) > 10);
}

static bool issue(void)
{
	const struct authority_params ca_params = {.key = KEY_P256,
		.common_name = "CA",
		.now = FORGE_NOW,
		.valid_s = FORGE_YEAR_S};
	const struct issue_params params = {.common_name = "x",
		.dns_name = "a.example",
		.now = FORGE_NOW,
		.valid_s = FORGE_YEAR_S};
	AUTO(authority_free) struct authority *authority = NULL;
	AUTO(buf_fini) struct buf der;
	AUTO(buf_fini_secret) struct buf key;
	struct err err;
	enum rc rc;

	buf_init(&der, BOUND);
	buf_init(&key, BOUND);
	rc = authority_new(&ca_params, &authority, &err);
	if (rc == RC_OK)
		rc = authority_issue_key(authority, KEY_P256, &params, &der, &key, &err);
	return rc == RC_OK;
}

static void short_memory_makes_no_half_certificate(void **state)
{
	(void)state;
	assert_true(fail_each(issue) > 10);
}

static bool seal_and_open(void)
{
	static const uint8_t bytes[SEAL_KEY_BYTES];
	AUTO(keyring_free) struct keyring *keyring = keyring_of_key(1, bytes);
	AUTO(buf_fini) struct buf sealed;
	AUTO(buf_fini) struct buf open;
	struct err err;

	buf_init(&sealed, BOUND);
	buf_init(&open, BOUND);
	return seal(keyring, SLICE_LITERAL("p"), SLICE_LITERAL("secret"), &sealed, &err) == RC_OK &&
		unseal(keyring, SLICE_LITERAL("p"), buf_slice(&sealed), &open, &err) == RC_OK &&
		slice_is_str(buf_slice(&open), "secret");
}

static void short_memory_fails_sealing_and_spoils_nothing(void **state)
{
	(void)state;
	(void)fail_each(seal_and_open);
	assert_true(seal_and_open());
}

/* A self-signed push certificate with its encrypted key: made before memory runs short. */
static struct slice push_pem;
static const char push_password[] = "password";

static void make_push_pem(void)
{
	const struct forge_params params = {.common_name = "APSP"};
	AUTO(forged_free) struct forged *leaf = forge(&params);
	X509_NAME *name = X509_NAME_dup(X509_get_subject_name(leaf->cert));
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes;
	long len;

	assert_int_equal(X509_NAME_add_entry_by_NID(name, NID_userId, MBSTRING_UTF8,
																			(const unsigned char *)"com.apple.mgmt.External.1", -1, -1, 0),
		1);
	assert_int_equal(X509_set_subject_name(leaf->cert, name), 1);
	X509_NAME_free(name);
	forged_sign(leaf, leaf->key, "SHA256");
	assert_int_equal(PEM_write_bio_X509(bio, leaf->cert), 1);
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, leaf->key, EVP_aes_128_cbc(), push_password,
																			(int)strlen(push_password), NULL, NULL),
		1);
	len = BIO_get_mem_data(bio, &bytes);
	push_pem = slice_of(OPENSSL_memdup(bytes, (size_t)len), (size_t)len);
	BIO_free(bio);
}

static bool read_push_cert(void)
{
	struct slice no_key = {NULL, 0};
	enum push_cert_part part;
	struct push_cert cert;
	struct err err;
	enum rc rc = push_cert_read(push_pem, no_key, push_password, &cert, &part, &err);

	if (rc == RC_OK)
		push_cert_fini(&cert);
	else
		assert_null(cert.key_pem.ptr);
	return rc == RC_OK;
}

static void short_memory_leaves_no_half_push_certificate(void **state)
{
	(void)state;
	make_push_pem();
	assert_true(read_push_cert());
	assert_true(fail_each(read_push_cert) > 10);
	forge_free(&push_pem);
}

static struct buf signature_text;

static void make_signature(unsigned flags)
{
	BIO *bio = BIO_new_mem_buf("body", 4);
	CMS_ContentInfo *cms =
		CMS_sign(good->cert, good->key, NULL, bio, flags | CMS_DETACHED | CMS_BINARY);
	unsigned char *der = NULL;
	int len = i2d_CMS_ContentInfo(cms, &der);

	assert_true(len > 0);
	buf_init(&signature_text, BOUND);
	base64_encode(slice_of(der, (size_t)len), &signature_text);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(bio);
}

static bool verify(struct slice body)
{
	AUTO(message_signature_free) struct message_signature *signature = NULL;
	struct err err;

	if (message_signature_parse(buf_slice(&signature_text), &signature, &err) != RC_OK) {
		assert_null(signature);
		return false;
	}
	(void)message_signature_time(signature);
	return message_signature_verify(signature, body, &err) == RC_OK;
}

static bool verify_right(void)
{
	return verify(SLICE_LITERAL("body"));
}

static bool verify_wrong(void)
{
	assert_false(verify(SLICE_LITERAL("other")));
	return true;
}

static void short_memory_never_makes_a_wrong_signature_good(void **state)
{
	static const unsigned flags[] = {0, CMS_NOATTR};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(flags); i++) {
		make_signature(flags[i]);
		assert_true(verify_right());
		assert_true(fail_each(verify_right) > 10);
		assert_true(fail_each(verify_wrong) > 10);
		buf_fini(&signature_text);
	}
}

static struct slice header_pem;

static bool read_header(void)
{
	AUTO(buf_fini) struct buf der;
	struct err err;

	buf_init(&der, CERT_DER_BYTES_MAX);
	if (cert_header_parse(header_pem, &der, &err) != RC_OK)
		return false;
	assert_true(slice_is_equal(buf_slice(&der), forged_der(good)));
	return true;
}

static void short_memory_reads_a_header_whole_or_not_at_all(void **state)
{
	(void)state;
	header_pem = forge_pem_of_cert(good);
	assert_true(read_header());
	assert_true(fail_each(read_header) > 10);
	forge_free(&header_pem);
}

/* A SCEP request and who is asked: made before memory runs short. */
static struct authority *scep_ca;
static struct slice scep_message;
static struct scep_request *scep_request;

static void make_scep(void)
{
	const struct authority_params params = {.key = KEY_RSA_2048,
		.common_name = "CA",
		.now = FORGE_NOW,
		.valid_s = FORGE_YEAR_S};
	EVP_PKEY *key = EVP_RSA_gen(2048);
	AUTO(forged_free) struct forged *self = scep_self(key, "device");
	struct slice csr = scep_csr(key, "device", "challenge");
	struct scep_ask ask = {.signer = self->cert, .signer_key = key, .inside = csr};
	struct err err;

	assert_int_equal(authority_new(&params, &scep_ca, &err), RC_OK);
	ask.ca = pki_authority_cert(scep_ca);
	scep_message = scep_ask(&ask);
	forge_free(&csr);
	EVP_PKEY_free(key);
}

static enum rc read_message(struct scep_request **request_r, enum scep_fail *fail_r)
{
	struct err err;

	return scep_read(scep_ca, scep_message, request_r, fail_r, &err);
}

static bool read_scep(void)
{
	AUTO(scep_request_free) struct scep_request *request = NULL;
	enum scep_fail fail = SCEP_FAIL_NONE;
	enum rc rc = read_message(&request, &fail);

	assert_int_equal(rc == RC_OK, request != NULL);
	if (rc != RC_OK || fail != SCEP_FAIL_NONE)
		return false;
	assert_true(slice_is_str(scep_request_facts(request)->challenge, "challenge"));
	return true;
}

static bool write_scep(void)
{
	const struct scep_writer writer = {.ca = scep_ca, .now_unix_s = FORGE_NOW};
	AUTO(buf_fini) struct buf reply;
	AUTO(buf_fini) struct buf refusal;
	struct err err;

	buf_init(&reply, BOUND);
	buf_init(&refusal, BOUND);
	return scep_write_cert(scep_request, &writer, authority_cert_der(scep_ca), &reply, &err) ==
		RC_OK &&
		scep_write_failure(scep_request, &writer, SCEP_BAD_REQUEST, "why", &refusal, &err) == RC_OK &&
		reply.len > 0 && refusal.len > 0;
}

static void short_memory_lets_no_scep_request_be_half_read_or_half_answered(void **state)
{
	enum scep_fail fail = SCEP_FAIL_NONE;

	(void)state;
	make_scep();
	assert_true(fail_each(read_scep) > 10);
	assert_int_equal(read_message(&scep_request, &fail), RC_OK);
	assert_true(fail_each(write_scep) > 10);
	scep_request_free(&scep_request);
	forge_free(&scep_message);
	authority_free(&scep_ca);
}

static struct buf device_message;
static struct apple_chain *apple;

static void make_device_message(const struct forged *signer)
{
	BIO *bio = BIO_new_mem_buf("body", 4);
	CMS_ContentInfo *cms = CMS_sign(signer->cert, signer->key, NULL, bio, CMS_BINARY);
	unsigned char *der = NULL;
	int len = i2d_CMS_ContentInfo(cms, &der);

	assert_true(len > 0);
	buf_clear(&device_message);
	buf_append(&device_message, slice_of(der, (size_t)len));
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(bio);
}

static bool open_device_message(void)
{
	AUTO(device_cms_free) struct device_cms *cms = NULL;
	struct err err;

	return apple_chain_open(apple, buf_slice(&device_message), &cms, &err) == APPLE_GOOD &&
		slice_is_str(device_cms_content(cms), "body");
}

static bool open_foreign_message(void)
{
	assert_false(open_device_message());
	return true;
}

static bool import_ca(void)
{
	AUTO(apple_chain_unref) struct apple_chain *chain = NULL;
	const struct slice der = forged_der(ca);
	struct err err;
	enum rc rc = apple_chain_new(&der, 1, &chain, &err);

	assert_int_equal(rc == RC_OK, chain != NULL);
	return rc == RC_OK;
}

static void short_memory_makes_nobody_a_device_of_apples(void **state)
{
	const struct slice der = forged_der(ca);
	struct err err;

	(void)state;
	buf_init(&device_message, BOUND);
	assert_int_equal(apple_chain_new(&der, 1, &apple, &err), RC_OK);
	make_device_message(good);
	assert_true(fail_each(open_device_message) > 10);
	make_device_message(foreign);
	assert_true(fail_each(open_foreign_message) > 10);
	assert_true(fail_each(import_ca) > 10);
	apple_chain_unref(&apple);
	buf_fini(&device_message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_memory_never_makes_a_foreign_certificate_good),
		cmocka_unit_test(short_memory_makes_no_half_certificate),
		cmocka_unit_test(short_memory_fails_sealing_and_spoils_nothing),
		cmocka_unit_test(short_memory_leaves_no_half_push_certificate),
		cmocka_unit_test(short_memory_never_makes_a_wrong_signature_good),
		cmocka_unit_test(short_memory_reads_a_header_whole_or_not_at_all),
		cmocka_unit_test(short_memory_lets_no_scep_request_be_half_read_or_half_answered),
		cmocka_unit_test(short_memory_makes_nobody_a_device_of_apples),
	};

	/* Refused once OpenSSL has allocated anything. */
	if (CRYPTO_set_mem_functions(allocate, reallocate, release) != 1)
		return EXIT_FAILURE;
	return cmocka_run_group_tests_name("pki/memory", tests, make_certs, free_certs);
}
