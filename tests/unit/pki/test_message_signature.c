/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#include "forge.h"
#include "pomona/base/codec.h"
#include "pomona/pki/message_signature.h"

enum { TEXT_BYTES_MAX = 1 << 20, STEP = 7 };

static const char body[] = "<plist/>\r\n";
#define BODY slice_of_str(body)

static struct forged *ca, *device, *other, *rsa;
static struct buf header;

static int make_all(void **state)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);
	struct forge_params params = {.common_name = "A device", .key = NULL};

	(void)state;
	ca = forge_ca("CA");
	params.issuer = ca;
	device = forge(&params);
	params.common_name = "Another";
	other = forge(&params);
	params.common_name = "With RSA";
	params.key = key;
	rsa = forge(&params);
	EVP_PKEY_free(key);
	buf_init(&header, TEXT_BYTES_MAX);
	return 0;
}

static int free_all(void **state)
{
	(void)state;
	forged_free(&ca);
	forged_free(&device);
	forged_free(&other);
	forged_free(&rsa);
	buf_fini(&header);
	return 0;
}

static void set_header(CMS_ContentInfo **cms)
{
	unsigned char *der = NULL;
	int len = i2d_CMS_ContentInfo(*cms, &der);

	assert_true(len > 0);
	buf_clear(&header);
	base64_encode(slice_of(der, (size_t)len), &header);
	OPENSSL_free(der);
	CMS_ContentInfo_free(*cms);
	*cms = NULL;
}

/* Signers are added, then it is finished over `text`. */
static CMS_ContentInfo *begin(unsigned flags)
{
	CMS_ContentInfo *cms =
		CMS_sign(NULL, NULL, NULL, NULL, flags | CMS_DETACHED | CMS_BINARY | CMS_PARTIAL);

	assert_non_null(cms);
	return cms;
}

static CMS_SignerInfo *add_signer(CMS_ContentInfo *cms, const struct forged *signer,
	const char *digest, unsigned flags)
{
	CMS_SignerInfo *added = CMS_add1_signer(cms, signer->cert, signer->key,
		EVP_get_digestbyname(digest), flags | CMS_PARTIAL | CMS_NOSMIMECAP);

	assert_non_null(added);
	return added;
}

static void finish(CMS_ContentInfo **cms, struct slice text, unsigned flags)
{
	BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);

	assert_int_equal(CMS_final(*cms, bio, NULL, flags | CMS_DETACHED | CMS_BINARY), 1);
	BIO_free(bio);
	set_header(cms);
}

static void sign(const struct forged *signer, const char *digest, unsigned flags)
{
	CMS_ContentInfo *cms = begin(flags);

	(void)add_signer(cms, signer, digest, flags);
	finish(&cms, BODY, flags);
}

static struct message_signature *parse(void)
{
	struct message_signature *signature;
	struct err err = {0};

	if (message_signature_parse(buf_slice(&header), &signature, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(ERR_peek_error(), 0);
	return signature;
}

static enum rc verify(struct slice text)
{
	AUTO(message_signature_free) struct message_signature *signature = parse();
	struct err err = {0};
	enum rc rc = message_signature_verify(signature, text, &err);

	assert_int_equal(ERR_peek_error(), 0);
	assert_int_equal(rc != RC_OK, err.text[0] != '\0');
	return rc;
}

static void assert_malformed(const char *fault)
{
	struct message_signature *signature;
	struct err err = {0};

	assert_int_not_equal(message_signature_parse(buf_slice(&header), &signature, &err), RC_OK);
	assert_null(signature);
	assert_int_equal(ERR_peek_error(), 0);
	if (strstr(err.text, fault) == NULL)
		fail_msg("%s: %s", fault, err.text);
}

static void each_digest_and_kind_of_key_that_devices_have_is_taken(void **state)
{
	static const char *const digests[] = {"SHA1", "SHA256", "SHA384", "SHA512"};
	static const unsigned flags[] = {0, CMS_NOATTR};
	const struct forged *signers[] = {device, rsa};

	(void)state;
	for (size_t s = 0; s < COUNT_OF(signers); s++)
		for (size_t i = 0; i < COUNT_OF(digests) * COUNT_OF(flags); i++) {
			sign(signers[s], digests[i / COUNT_OF(flags)], flags[i % COUNT_OF(flags)]);
			assert_int_equal(verify(BODY), RC_OK);
			assert_int_equal(verify(slice_of_str("<plist/>\n")), RC_DENIED);
			assert_int_equal(verify(slice_of(NULL, 0)), RC_DENIED);
		}
}

static void a_weak_digest_is_refused(void **state)
{
	(void)state;
	sign(rsa, "MD5", 0);
	assert_malformed("its digest is not");
}

static void white_space_in_the_base64_is_passed_over(void **state)
{
	AUTO(buf_fini) struct buf spaced;

	(void)state;
	sign(device, "SHA256", 0);
	buf_init(&spaced, TEXT_BYTES_MAX);
	for (size_t at = 0; at < header.len; at += 64)
		buf_printf(&spaced, "%.*s \t", SLICE_FMT(slice_sub(buf_slice(&header), at, 64)));
	buf_clear(&header);
	buf_append(&header, buf_slice(&spaced));
	assert_int_equal(verify(BODY), RC_OK);
}

static void the_signer_comes_first_in_the_chain(void **state)
{
	AUTO(message_signature_free) struct message_signature *signature = NULL;
	CMS_ContentInfo *cms = begin(0);
	struct slice chain[CERT_CHAIN_MAX];
	size_t count;

	(void)state;
	assert_int_equal(CMS_add1_cert(cms, ca->cert), 1);
	assert_int_equal(CMS_add1_cert(cms, other->cert), 1);
	(void)add_signer(cms, device, "SHA256", 0);
	finish(&cms, BODY, 0);
	signature = parse();
	count = message_signature_chain(signature, chain);
	assert_int_equal(count, 3);
	assert_true(slice_is_equal(chain[0], forged_der(device)));
	assert_int_equal(message_signature_verify(signature, BODY, NULL), RC_OK);
}

static void only_the_signed_attribute_tells_the_time(void **state)
{
	AUTO(message_signature_free) struct message_signature *signature = NULL;
	ASN1_TIME *time = ASN1_TIME_set(NULL, FORGE_NOW);
	CMS_ContentInfo *cms = begin(0);
	CMS_SignerInfo *signer = add_signer(cms, device, "SHA256", 0);

	(void)state;
	assert_int_equal(CMS_signed_add1_attr_by_NID(signer, NID_pkcs9_signingTime, time->type, time, -1),
		1);
	finish(&cms, BODY, 0);
	signature = parse();
	assert_int_equal(message_signature_time(signature), FORGE_NOW);
	assert_int_equal(message_signature_verify(signature, BODY, NULL), RC_OK);
	message_signature_free(&signature);

	cms = begin(CMS_NOATTR);
	signer = add_signer(cms, device, "SHA256", CMS_NOATTR);
	assert_int_equal(CMS_unsigned_add1_attr_by_NID(signer, NID_pkcs9_signingTime, time->type, time,
																			-1),
		1);
	finish(&cms, BODY, CMS_NOATTR);
	signature = parse();
	assert_int_equal(message_signature_time(signature), MESSAGE_SIGNATURE_NO_TIME);
	assert_int_equal(message_signature_verify(signature, BODY, NULL), RC_OK);
	ASN1_TIME_free(time);
}

static void two_signers_are_refused(void **state)
{
	CMS_ContentInfo *cms = begin(0);

	(void)state;
	(void)add_signer(cms, device, "SHA256", 0);
	(void)add_signer(cms, other, "SHA256", 0);
	finish(&cms, BODY, 0);
	assert_malformed("2 signers, want one");
}

static void no_signer_is_refused(void **state)
{
	CMS_ContentInfo *cms = begin(0);

	(void)state;
	set_header(&cms);
	assert_malformed("0 signers, want one");
}

static void a_signer_without_a_certificate_is_refused(void **state)
{
	CMS_ContentInfo *cms = begin(CMS_NOCERTS);

	(void)state;
	(void)add_signer(cms, device, "SHA256", CMS_NOCERTS);
	assert_int_equal(CMS_add1_cert(cms, other->cert), 1);
	finish(&cms, BODY, 0);
	assert_malformed("the signer's certificate is not in it");
}

static void content_of_its_own_is_refused(void **state)
{
	BIO *bio = BIO_new_mem_buf(body, -1);
	CMS_ContentInfo *cms = CMS_sign(device->cert, device->key, NULL, bio, CMS_BINARY);

	(void)state;
	BIO_free(bio);
	assert_non_null(cms);
	set_header(&cms);
	assert_malformed("has content of its own");
}

static void another_kind_of_cms_is_refused(void **state)
{
	BIO *bio = BIO_new_mem_buf(body, -1);
	CMS_ContentInfo *cms = CMS_data_create(bio, CMS_BINARY);

	(void)state;
	BIO_free(bio);
	set_header(&cms);
	assert_malformed("not signed data");
}

static void add_certs(CMS_ContentInfo *cms, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct forge_params params = {.common_name = "X", .issuer = ca};
		struct forged *more = forge(&params);

		assert_int_equal(CMS_add1_cert(cms, more->cert), 1);
		forged_free(&more);
	}
}

static void so_many_certificates_may_come_with_it(void **state)
{
	CMS_ContentInfo *cms = begin(0);

	(void)state;
	(void)add_signer(cms, device, "SHA256", 0);
	add_certs(cms, CERT_CHAIN_MAX - 1);
	finish(&cms, BODY, 0);
	assert_int_equal(verify(BODY), RC_OK);
	cms = begin(0);
	(void)add_signer(cms, device, "SHA256", 0);
	add_certs(cms, CERT_CHAIN_MAX);
	finish(&cms, BODY, 0);
	assert_malformed("9 certificates, want at most 8");
}

/* A signature without its last byte, or with one behind it. */
static void cut_or_extend(int by)
{
	AUTO(buf_fini) struct buf der;

	sign(device, "SHA256", 0);
	buf_init(&der, TEXT_BYTES_MAX);
	assert_int_equal(base64_parse(buf_slice(&header), &der, NULL), RC_OK);
	if (by < 0)
		der.len--;
	else
		buf_append_byte(&der, 0);
	buf_clear(&header);
	base64_encode(buf_slice(&der), &header);
}

static void what_is_malformed_is_refused(void **state)
{
	static const char *const rows[][2] = {
		{"", "no CMS message"},
		{"!", "base64"},
		{"AAA", "base64"},
		{"AAAA", "no CMS message"},
		{"MIAA", "no CMS message"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_clear(&header);
		buf_append_str(&header, rows[i][0]);
		assert_malformed(rows[i][1]);
	}
	cut_or_extend(-1);
	assert_malformed("no CMS message");
	cut_or_extend(1);
	assert_malformed("bytes follow the CMS message");
}

static void a_message_has_so_many_bytes_at_most(void **state)
{
	struct message_signature *signature;
	struct err err = {0};

	(void)state;
	buf_clear(&header);
	for (int i = 0; i < MESSAGE_SIGNATURE_BYTES_MAX / 3; i++)
		buf_append_str(&header, "AAAA");
	assert_malformed("no CMS message");
	buf_append_str(&header, "AA==");
	assert_int_equal(message_signature_parse(buf_slice(&header), &signature, &err), RC_LIMIT);
}

/* Whatever is changed in it, it is no other's signature and no signature of anything else. */
static void a_changed_byte_never_makes_another_signer(void **state)
{
	AUTO(buf_fini) struct buf der;

	(void)state;
	sign(device, "SHA256", 0);
	buf_init(&der, TEXT_BYTES_MAX);
	assert_int_equal(base64_parse(buf_slice(&header), &der, NULL), RC_OK);
	for (size_t i = 0; i < der.len; i += STEP) {
		AUTO(message_signature_free) struct message_signature *signature = NULL;
		struct slice chain[CERT_CHAIN_MAX];

		der.ptr[i] ^= 1;
		buf_clear(&header);
		base64_encode(buf_slice(&der), &header);
		der.ptr[i] ^= 1;
		if (message_signature_parse(buf_slice(&header), &signature, NULL) != RC_OK)
			continue;
		assert_int_equal(message_signature_verify(signature, slice_of_str("other"), NULL), RC_DENIED);
		if (message_signature_verify(signature, BODY, NULL) != RC_OK)
			continue;
		assert_true(message_signature_chain(signature, chain) > 0);
	}
	assert_int_equal(ERR_peek_error(), 0);
}

/* The certificate and the attributes are right, but somebody without the key put them together. */
static void a_signature_by_another_key_is_refused(void **state)
{
	static const unsigned flags[] = {0, CMS_NOATTR};
	const struct forged *signers[] = {device, rsa};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(signers); i++) {
		AUTO(buf_fini) struct buf der;

		sign(signers[i / 2], "SHA256", flags[i % 2]);
		assert_int_equal(verify(BODY), RC_OK);
		buf_init(&der, TEXT_BYTES_MAX);
		assert_int_equal(base64_parse(buf_slice(&header), &der, NULL), RC_OK);
		der.ptr[der.len - 1] ^= 1; /* the value of the signature is the last in it */
		buf_clear(&header);
		base64_encode(buf_slice(&der), &header);
		assert_int_equal(verify(BODY), RC_DENIED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_digest_and_kind_of_key_that_devices_have_is_taken),
		cmocka_unit_test(a_weak_digest_is_refused),
		cmocka_unit_test(white_space_in_the_base64_is_passed_over),
		cmocka_unit_test(the_signer_comes_first_in_the_chain),
		cmocka_unit_test(only_the_signed_attribute_tells_the_time),
		cmocka_unit_test(two_signers_are_refused),
		cmocka_unit_test(no_signer_is_refused),
		cmocka_unit_test(a_signer_without_a_certificate_is_refused),
		cmocka_unit_test(content_of_its_own_is_refused),
		cmocka_unit_test(another_kind_of_cms_is_refused),
		cmocka_unit_test(so_many_certificates_may_come_with_it),
		cmocka_unit_test(what_is_malformed_is_refused),
		cmocka_unit_test(a_message_has_so_many_bytes_at_most),
		cmocka_unit_test(a_signature_by_another_key_is_refused),
		cmocka_unit_test(a_changed_byte_never_makes_another_signer),
	};

	return cmocka_run_group_tests(tests, make_all, free_all);
}
