/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#include "forge.h"
#include "pomona/pki/cms.h"
#include "signed.h"

enum { BOUND = 1 << 20, RSA_BITS = 2048, SIGNED_AT = FORGE_NOW + 17 };

static struct forged *root, *intermediate, *leaf, *rsa_leaf, *other;

static struct forged *make(const char *name, const struct forged *issuer, EVP_PKEY *key, bool is_ca)
{
	const struct forge_params params = {.common_name = name,
		.issuer = issuer,
		.key = key,
		.is_ca = is_ca};

	return forge(&params);
}

static int make_certs(void **state)
{
	AUTO(ossl_key_free) EVP_PKEY *rsa = EVP_RSA_gen(RSA_BITS);

	(void)state;
	root = forge_ca("Root");
	intermediate = make("Intermediate", root, NULL, true);
	leaf = make("mdm.example.org", intermediate, NULL, false);
	rsa_leaf = make("rsa.example.org", intermediate, rsa, false);
	other = make("other", root, NULL, false);
	return 0;
}

static int free_certs(void **state)
{
	(void)state;
	forged_free(&other);
	forged_free(&rsa_leaf);
	forged_free(&leaf);
	forged_free(&intermediate);
	forged_free(&root);
	return 0;
}

static void append_pem(struct buf *out, const struct forged *cert)
{
	struct slice pem = forge_pem_of_cert(cert);

	buf_append(out, pem);
	forge_free(&pem);
}

/* `count` times the one between follows the signer's own. */
static enum rc open_signer(const struct forged *own, EVP_PKEY *key, size_t count,
	struct cms_signer **signer_r, struct err *err)
{
	struct slice key_pem = forge_pem_of_key(key);
	AUTO(buf_fini) struct buf chain;
	enum rc rc;

	buf_init(&chain, BOUND);
	append_pem(&chain, own);
	for (size_t i = 0; i < count; i++)
		append_pem(&chain, intermediate);
	rc = cms_signer_new(buf_slice(&chain), key_pem, signer_r, err);
	forge_free(&key_pem);
	assert_int_equal(ERR_peek_error(), 0);
	return rc;
}

static bool has_cert(const struct pki_signed *message, const struct forged *wanted)
{
	STACK_OF(X509) *certs = CMS_get1_certs(message->cms);
	bool is_there = false;

	for (int i = 0; i < sk_X509_num(certs); i++)
		is_there = is_there || X509_cmp(sk_X509_value(certs, i), wanted->cert) == 0;
	ossl_certs_free(&certs);
	return is_there;
}

static void assert_time(const struct pki_signed *message)
{
	struct slice value;
	AUTO(ossl_time_free) ASN1_TIME *time = ASN1_TIME_set(NULL, SIGNED_AT);

	assert_int_equal(pki_signed_attribute(message, OBJ_nid2obj(NID_pkcs9_signingTime), B_ASN1_UTCTIME,
																			&value),
		RC_OK);
	assert_true(
		slice_is_equal(value, slice_of(ASN1_STRING_get0_data(time), (size_t)ASN1_STRING_length(time))));
}

static void what_is_signed_comes_back_with_signer_chain_and_time(void **state)
{
	struct forged *const signers[] = {leaf, rsa_leaf};
	const struct slice content = SLICE_LITERAL("line\nzero \0 end\r\n");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(signers); i++) {
		AUTO(cms_signer_free) struct cms_signer *signer = NULL;
		AUTO(buf_fini) struct buf der;
		struct pki_signed message;
		struct err err;

		buf_init(&der, BOUND);
		assert_int_equal(open_signer(signers[i], signers[i]->key, 1, &signer, &err), RC_OK);
		assert_true(slice_is_equal(cms_signer_cert_der(signer), forged_der(signers[i])));
		assert_int_equal(cms_sign_attached(signer, content, SIGNED_AT, &der, &err), RC_OK);
		assert_int_equal(pki_signed_parse(buf_slice(&der), PKI_CONTENT_INSIDE, &message, &err), RC_OK);
		assert_int_equal(pki_signed_verify(&message, pki_signed_content(&message), &err), RC_OK);
		assert_true(slice_is_equal(pki_signed_content(&message), content));
		assert_int_equal(X509_cmp(message.signer, signers[i]->cert), 0);
		assert_int_equal(message.digest, NID_sha256);
		assert_true(has_cert(&message, intermediate));
		assert_false(has_cert(&message, root));
		assert_time(&message);
		pki_signed_fini(&message);
		assert_int_equal(ERR_peek_error(), 0);
	}
}

static void a_signature_over_other_bytes_does_not_hold(void **state)
{
	AUTO(cms_signer_free) struct cms_signer *signer = NULL;
	AUTO(buf_fini) struct buf der;
	struct pki_signed message;
	struct err err;
	uint8_t *at;

	(void)state;
	buf_init(&der, BOUND);
	assert_int_equal(open_signer(leaf, leaf->key, 0, &signer, &err), RC_OK);
	assert_int_equal(cms_sign_attached(signer, SLICE_LITERAL("a profile"), SIGNED_AT, &der, &err),
		RC_OK);
	at = memmem(der.ptr, der.len, "a profile", 9);
	assert_non_null(at);
	at[0] = 'b';
	assert_int_equal(pki_signed_parse(buf_slice(&der), PKI_CONTENT_INSIDE, &message, &err), RC_OK);
	assert_int_equal(pki_signed_verify(&message, pki_signed_content(&message), &err), RC_DENIED);
	pki_signed_fini(&message);
}

static void a_key_of_another_certificate_and_broken_files_are_refused(void **state)
{
	struct cms_signer *signer = NULL;
	struct slice key = forge_pem_of_key(leaf->key);
	struct slice cert = forge_pem_of_cert(leaf);
	struct err err;

	(void)state;
	assert_int_equal(open_signer(leaf, other->key, 0, &signer, &err), RC_INVALID);
	assert_non_null(strstr(err.text, "not the certificate's"));
	assert_int_equal(cms_signer_new(SLICE_LITERAL(""), key, &signer, &err), RC_INVALID);
	assert_int_equal(cms_signer_new(cert, SLICE_LITERAL("nothing"), &signer, &err), RC_INVALID);
	assert_null(signer);
	forge_free(&key);
	forge_free(&cert);
	assert_int_equal(ERR_peek_error(), 0);
}

static void a_chain_has_a_bound(void **state)
{
	AUTO(cms_signer_free) struct cms_signer *signer = NULL;
	struct err err;

	(void)state;
	assert_int_equal(open_signer(leaf, leaf->key, CERT_CHAIN_MAX, &signer, &err), RC_LIMIT);
	assert_null(signer);
	assert_int_equal(open_signer(leaf, leaf->key, CERT_CHAIN_MAX - 1, &signer, &err), RC_OK);
}

static void a_buffer_that_is_too_small_is_said_so(void **state)
{
	AUTO(cms_signer_free) struct cms_signer *signer = NULL;
	AUTO(buf_fini) struct buf der;
	struct err err;

	(void)state;
	buf_init(&der, 64);
	assert_int_equal(open_signer(leaf, leaf->key, 0, &signer, &err), RC_OK);
	assert_int_equal(cms_sign_attached(signer, SLICE_LITERAL("content"), SIGNED_AT, &der, &err),
		RC_LIMIT);
}

static void the_fingerprint_is_sha_1(void **state)
{
	/* FIPS 180-4's example: "abc" */
	static const uint8_t wanted[SHA1_BYTES] = {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba,
		0x3e, 0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d};
	uint8_t digest[SHA1_BYTES];
	struct err err;

	(void)state;
	assert_int_equal(sha1_fingerprint(SLICE_LITERAL("abc"), digest, &err), RC_OK);
	assert_memory_equal(digest, wanted, SHA1_BYTES);
}

static void assert_opens(const struct forged *reader, struct slice der, struct slice wanted)
{
	const unsigned char *at = der.ptr;
	AUTO(ossl_cms_free) CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &at, (long)der.len);
	AUTO(ossl_bio_free) BIO *plain = BIO_new(BIO_s_mem());
	char *bytes;
	long len;

	assert_non_null(cms);
	assert_int_equal(at - der.ptr, der.len);
	assert_int_equal(CMS_decrypt(cms, reader->key, reader->cert, NULL, plain, CMS_BINARY), 1);
	len = BIO_get_mem_data(plain, &bytes);
	assert_true(slice_is_equal(slice_of(bytes, (size_t)len), wanted));
}

static void what_is_sealed_opens_by_the_key_of_the_certificate(void **state)
{
	struct forged *const readers[] = {leaf, rsa_leaf};
	const struct slice content = SLICE_LITERAL("line\nzero \0 end\r\n");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(readers); i++) {
		AUTO(buf_fini) struct buf der;
		struct err err = {.rc = RC_OK};

		buf_init(&der, BOUND);
		if (cms_encrypt(forged_der(readers[i]), content, &der, &err) != RC_OK)
			fail_msg("%s", err.text);
		assert_null(memmem(der.ptr, der.len, "zero", 4));
		assert_opens(readers[i], buf_slice(&der), content);
		assert_int_equal(ERR_peek_error(), 0);
	}
}

static void nothing_is_sealed_to_what_cannot_open_it(void **state)
{
	AUTO(ossl_key_free) EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct forged *signs_only = make("signs only", root, key, false);
	AUTO(buf_fini) struct buf der;
	struct err err = {.rc = RC_OK};

	(void)state;
	buf_init(&der, BOUND);
	assert_int_equal(cms_encrypt(forged_der(signs_only), SLICE_LITERAL("a"), &der, &err),
		RC_UNSUPPORTED);
	assert_int_equal(cms_encrypt(SLICE_LITERAL("none"), SLICE_LITERAL("a"), &der, &err), RC_INVALID);
	assert_int_equal(der.len, 0);
	forged_free(&signs_only);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_signed_comes_back_with_signer_chain_and_time),
		cmocka_unit_test(a_signature_over_other_bytes_does_not_hold),
		cmocka_unit_test(a_key_of_another_certificate_and_broken_files_are_refused),
		cmocka_unit_test(a_chain_has_a_bound),
		cmocka_unit_test(a_buffer_that_is_too_small_is_said_so),
		cmocka_unit_test(the_fingerprint_is_sha_1),
		cmocka_unit_test(what_is_sealed_opens_by_the_key_of_the_certificate),
		cmocka_unit_test(nothing_is_sealed_to_what_cannot_open_it),
	};

	return cmocka_run_group_tests(tests, make_certs, free_certs);
}
