/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <stdlib.h>
#include <string.h>

#include "forge.h"
#include "pomona/base/buf.h"
#include "pomona/pki/push_cert.h"

#define TOPIC "com.apple.mgmt.External.0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"

enum { BOUND = 1 << 20, UIDS_MAX = 2 };

/* Signed by itself. */
static struct forged *make(const char *const *uids, EVP_PKEY *key)
{
	struct forged *forged = forge(&(struct forge_params){.common_name = "APSP:0f1e", .key = key});
	X509_NAME *name = X509_NAME_dup(X509_get_subject_name(forged->cert));

	for (size_t i = 0; i < UIDS_MAX && uids[i] != NULL; i++)
		assert_int_equal(X509_NAME_add_entry_by_NID(name, NID_userId, MBSTRING_UTF8,
																				(const unsigned char *)uids[i], -1, -1, 0),
			1);
	assert_int_equal(X509_set_subject_name(forged->cert, name), 1);
	X509_NAME_free(name);
	forged_sign(forged, forged->key, "SHA256");
	return forged;
}

static struct forged *make_good(EVP_PKEY *key)
{
	return make((const char *const[]){TOPIC, NULL}, key);
}

enum key_form {
	FORM_PKCS8,
	FORM_TRADITIONAL, /* PKCS#1 or SEC 1 */
	FORM_PBES2,
	FORM_PBES1,
	FORM_OLD_AES,
	FORM_OLD_3DES,
	FORM_COUNT
};

static const char password[] = "correct horse";

static int write_form(BIO *bio, EVP_PKEY *key, enum key_form form)
{
	const unsigned char *word = (const unsigned char *)password;
	int len = (int)strlen(password);

	switch (form) {
	case FORM_PKCS8:
		return PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	case FORM_TRADITIONAL:
		return PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL);
	case FORM_PBES2:
		return PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(), password, len, NULL, NULL);
	case FORM_PBES1:
		return PEM_write_bio_PKCS8PrivateKey_nid(bio, key, NID_pbe_WithSHA1And3_Key_TripleDES_CBC,
			password, len, NULL, NULL);
	case FORM_OLD_AES:
		return PEM_write_bio_PrivateKey_traditional(bio, key, EVP_aes_128_cbc(), word, len, NULL, NULL);
	case FORM_OLD_3DES:
		return PEM_write_bio_PrivateKey_traditional(bio, key, EVP_des_ede3_cbc(), word, len, NULL, NULL);
	default:
		return 0;
	}
}

static void append_key(struct buf *text, EVP_PKEY *key, enum key_form form)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes;
	long len;

	assert_int_equal(write_form(bio, key, form), 1);
	len = BIO_get_mem_data(bio, &bytes);
	buf_append(text, slice_of(bytes, (size_t)len));
	BIO_free(bio);
}

static void append_cert(struct buf *text, const struct forged *forged)
{
	cert_write_pem(forged_der(forged), text);
}

struct outcome {
	enum rc rc;
	enum push_cert_part part;
	struct err err;
	struct push_cert cert;
};

/* Leaves nothing in OpenSSL's queue and, on a fault, nothing to free. */
static struct outcome read_pem(const struct buf *cert, const struct buf *key, const char *word)
{
	struct outcome out = {.rc = RC_OK};
	struct slice no_key = {NULL, 0};

	out.rc = push_cert_read(buf_slice(cert), key == NULL ? no_key : buf_slice(key), word, &out.cert,
		&out.part, &out.err);
	assert_int_equal(ERR_peek_error(), 0);
	if (out.rc != RC_OK) {
		assert_null(out.cert.cert_pem.ptr);
		assert_null(out.cert.key_pem.ptr);
		assert_null(strstr(out.err.text, password));
	}
	return out;
}

static void expect_fault(struct outcome out, enum rc rc, enum push_cert_part part, const char *text)
{
	assert_int_equal(out.rc, rc);
	assert_string_equal(out.err.text, text);
	assert_int_equal(out.part, part);
}

static void expect_good(struct outcome *out, const struct forged *leaf)
{
	uint8_t digest[SHA256_BYTES];

	if (out->rc != RC_OK)
		fail_msg("%s", out->err.text);
	sha256(forged_der(leaf), digest);
	assert_memory_equal(out->cert.facts.sha256, digest, sizeof(digest));
	assert_string_equal(out->cert.topic, TOPIC);
	assert_non_null(
		strstr(buf_cstr(&out->cert.key_pem), "-----BEGIN PRIVATE KEY-----\n")); /* PKCS#8, open */
	push_cert_fini(&out->cert);
}

static EVP_PKEY *rsa_2048;

static int make_key(void **state)
{
	(void)state;
	rsa_2048 = EVP_RSA_gen(2048);
	return rsa_2048 == NULL ? -1 : 0;
}

static int free_key(void **state)
{
	(void)state;
	EVP_PKEY_free(rsa_2048);
	return 0;
}

static void a_key_is_read_in_every_form_beside_the_certificate_or_with_it_in_either_order(
	void **state)
{
	EVP_PKEY *p256 = EVP_EC_gen("P-256");
	EVP_PKEY *p384 = EVP_EC_gen("P-384");
	EVP_PKEY *keys[] = {rsa_2048, p256, p384};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		AUTO(forged_free) struct forged *leaf = make_good(keys[i]);

		for (enum key_form form = 0; form < FORM_COUNT; form++) {
			AUTO(buf_fini) struct buf cert;
			AUTO(buf_fini) struct buf key;
			AUTO(buf_fini) struct buf both;
			AUTO(buf_fini) struct buf turned;
			struct outcome out;

			buf_init(&cert, BOUND);
			buf_init(&key, BOUND);
			buf_init(&both, BOUND);
			buf_init(&turned, BOUND);
			append_cert(&cert, leaf);
			append_key(&key, keys[i], form);
			append_cert(&both, leaf);
			buf_append_str(&both, "\nBag Attributes\n    friendlyName: push\n");
			append_key(&both, keys[i], form);
			append_key(&turned, keys[i], form);
			append_cert(&turned, leaf);
			out = read_pem(&cert, &key, password);
			expect_good(&out, leaf);
			out = read_pem(&both, NULL, password);
			expect_good(&out, leaf);
			out = read_pem(&turned, NULL, password);
			expect_good(&out, leaf);
		}
	}
	EVP_PKEY_free(p256);
	EVP_PKEY_free(p384);
}

static void an_encrypted_key_needs_its_password(void **state)
{
	AUTO(forged_free) struct forged *leaf = make_good(rsa_2048);
	AUTO(buf_fini) struct buf cert;

	(void)state;
	buf_init(&cert, BOUND);
	append_cert(&cert, leaf);
	for (enum key_form form = FORM_PBES2; form < FORM_COUNT; form++) {
		AUTO(buf_fini) struct buf key;

		buf_init(&key, BOUND);
		append_key(&key, rsa_2048, form);
		expect_fault(read_pem(&cert, &key, NULL), RC_INVALID, PUSH_CERT_PART_PASSWORD,
			"private key: encrypted; its password is needed");
		/* Some wrong ones give bytes with sound padding: they must not fare otherwise. */
		for (int i = 0; i < 300; i++) {
			char wrong[32];

			(void)snprintf(wrong, sizeof(wrong), "wrong %d", i);
			expect_fault(read_pem(&cert, &key, i == 0 ? "" : wrong), RC_INVALID, PUSH_CERT_PART_PASSWORD,
				"private key: this password does not open it");
		}
	}
}

static void a_password_for_an_open_key_is_not_looked_at(void **state)
{
	AUTO(forged_free) struct forged *leaf = make_good(NULL);
	AUTO(buf_fini) struct buf both;
	struct outcome out;

	(void)state;
	buf_init(&both, BOUND);
	append_cert(&both, leaf);
	append_key(&both, leaf->key, FORM_PKCS8);
	out = read_pem(&both, NULL, "superfluous");
	expect_good(&out, leaf);
}

static void the_subject_must_have_one_uid_that_is_a_topic(void **state)
{
	static const struct {
		const char *uids[UIDS_MAX + 1];
		const char *want; /* NULL: good */
	} cases[] = {
		{{TOPIC, NULL}, NULL},
		{{NULL}, "certificate: its subject has no UID, so it is not an MDM push certificate; "},
		{{TOPIC, TOPIC, NULL}, "certificate: its subject has more than one UID; "},
		{{TOPIC, "x", NULL}, "certificate: its subject has more than one UID; "},
		{{"com.example.app", NULL},
			"certificate: its subject's UID is not the topic of an MDM push certificate; "},
		{{"com.apple.mgmt.", NULL},
			"certificate: its subject's UID is not the topic of an MDM push certificate; "},
		{{"com.apple.mgmt", NULL},
			"certificate: its subject's UID is not the topic of an MDM push certificate; "},
		{{"Com.Apple.Mgmt.External.1", NULL},
			"certificate: its subject's UID is not the topic of an MDM push certificate; "},
		{{"com.apple.mgmt.a\r\nb", NULL},
			"certificate: its subject's UID is not the topic of an MDM push certificate; "},
		{{"com.apple.mgmt.a b", NULL},
			"certificate: its subject's UID is not the topic of an MDM push certificate; "},
		{{"com.apple.mgmt.\xC3\xA4", NULL},
			"certificate: its subject's UID is not the topic of an MDM push certificate; "},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(forged_free) struct forged *leaf = make(cases[i].uids, NULL);
		AUTO(buf_fini) struct buf both;
		struct outcome out;
		char want[ERR_TEXT_BYTES];

		buf_init(&both, BOUND);
		append_cert(&both, leaf);
		append_key(&both, leaf->key, FORM_PKCS8);
		out = read_pem(&both, NULL, NULL);
		if (cases[i].want == NULL) {
			expect_good(&out, leaf);
			continue;
		}
		(void)snprintf(want, sizeof(want),
			"%swant one UID of \"com.apple.mgmt.\" and letters, digits, '.', '-' or '_' behind it",
			cases[i].want);
		expect_fault(out, RC_INVALID, PUSH_CERT_PART_CERTIFICATE, want);
	}
}

static void the_chain_is_kept_with_the_keys_certificate_in_front(void **state)
{
	AUTO(forged_free) struct forged *leaf = make_good(NULL);
	AUTO(forged_free) struct forged *one = forge_ca("one");
	AUTO(forged_free) struct forged *two = forge_ca("two");
	AUTO(buf_fini) struct buf in;
	AUTO(buf_fini) struct buf want;
	struct outcome out;

	(void)state;
	buf_init(&in, BOUND);
	buf_init(&want, BOUND);
	append_cert(&in, one);
	append_cert(&in, leaf);
	append_cert(&in, two);
	append_key(&in, leaf->key, FORM_TRADITIONAL);
	append_cert(&want, leaf);
	append_cert(&want, one);
	append_cert(&want, two);
	out = read_pem(&in, NULL, NULL);
	assert_int_equal(out.rc, RC_OK);
	assert_string_equal(buf_cstr(&out.cert.cert_pem), buf_cstr(&want));
	expect_good(&out, leaf);
}

static void what_does_not_fit_together_is_refused(void **state)
{
	AUTO(forged_free) struct forged *leaf = make_good(NULL);
	AUTO(forged_free) struct forged *other = make_good(NULL);
	EVP_PKEY *weak_key = EVP_RSA_gen(1024);
	EVP_PKEY *curve_key = EVP_EC_gen("P-521");
	AUTO(forged_free) struct forged *weak = make_good(weak_key);
	AUTO(forged_free) struct forged *curve = make_good(curve_key);
	const struct {
		const struct forged *cert;
		EVP_PKEY *keys[2];
		enum push_cert_part part;
		const char *want;
	} cases[] = {
		{leaf, {other->key}, PUSH_CERT_PART_KEY,
			"private key: not that of the certificate; want the key that its request was made with"},
		{leaf, {leaf->key, leaf->key}, PUSH_CERT_PART_KEY, "private key: more than one in the text"},
		{leaf, {NULL}, PUSH_CERT_PART_KEY, "private key: none in the text; want one in PEM"},
		{NULL, {leaf->key}, PUSH_CERT_PART_CERTIFICATE, "no CERTIFICATE block in it"},
		{weak, {weak_key}, PUSH_CERT_PART_KEY,
			"private key: its RSA key has 1024 bits; want 2048 to 8192"},
		{curve, {curve_key}, PUSH_CERT_PART_KEY,
			"private key: its key is on the curve secp521r1; want P-256 or P-384"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(buf_fini) struct buf both;

		buf_init(&both, BOUND);
		if (cases[i].cert != NULL)
			append_cert(&both, cases[i].cert);
		for (size_t k = 0; k < 2 && cases[i].keys[k] != NULL; k++)
			append_key(&both, cases[i].keys[k], FORM_PKCS8);
		expect_fault(read_pem(&both, NULL, NULL), RC_INVALID, cases[i].part, cases[i].want);
	}
	EVP_PKEY_free(weak_key);
	EVP_PKEY_free(curve_key);
}

/* Text of a key instead of a good one. */
static void junk_is_named_by_its_place(void **state)
{
	static const struct {
		const char *text;
		enum rc rc;
		const char *begin;
	} cases[] = {
		{"junk", RC_INVALID, "private key: none in the text; want one in PEM"},
		{"-----BEGIN PRIVATE KEY-----\nMA==\n", RC_INVALID, "private key: a PEM block is broken"},
		{"-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n", RC_INVALID,
			"private key: a PEM block is broken"},
		{"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n", RC_INVALID,
			"private key: not PKCS#8"},
		{"-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n", RC_INVALID,
			"private key: cannot be read"},
		{"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n", RC_INVALID,
			"private key: not an encrypted PKCS#8"},
		{"-----BEGIN OPENSSH PRIVATE KEY-----\nMAA=\n-----END OPENSSH PRIVATE KEY-----\n", RC_INVALID,
			"private key: \"OPENSSH PRIVATE KEY\" is of a kind that is not known here"},
		{"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: ROT13-CBC,00\n\nMAA=\n"
			"-----END RSA PRIVATE KEY-----\n",
			RC_INVALID, "private key: its encryption is not offered"},
		/* Single DES, which OpenSSL keeps in another provider. */
		{"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-CBC,0001020304050607\n\n"
			"AAAAAAAAAAA=\n-----END RSA PRIVATE KEY-----\n",
			RC_INVALID, "private key: its encryption is not offered"},
	};
	AUTO(forged_free) struct forged *leaf = make_good(NULL);
	AUTO(buf_fini) struct buf cert;

	(void)state;
	buf_init(&cert, BOUND);
	append_cert(&cert, leaf);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(buf_fini) struct buf key;
		struct outcome out;

		buf_init(&key, BOUND);
		buf_append_str(&key, cases[i].text);
		out = read_pem(&cert, &key, password);
		assert_int_equal(out.rc, cases[i].rc);
		assert_int_equal(out.part, PUSH_CERT_PART_KEY);
		if (strncmp(out.err.text, cases[i].begin, strlen(cases[i].begin)) != 0)
			fail_msg("%zu: \"%s\"", i, out.err.text);
	}
}

/* Takes `algorithm`. */
static void append_encrypted(struct buf *text, EVP_PKEY *key, X509_ALGOR *algorithm)
{
	PKCS8_PRIV_KEY_INFO *pkcs8 = EVP_PKEY2PKCS8(key);
	X509_SIG *encrypted = PKCS8_set0_pbe(password, (int)strlen(password), pkcs8, algorithm);
	BIO *bio = BIO_new(BIO_s_mem());
	char *out;
	long len;

	assert_non_null(encrypted);
	assert_int_equal(PEM_write_bio_PKCS8(bio, encrypted), 1);
	len = BIO_get_mem_data(bio, &out);
	buf_append(text, slice_of(out, (size_t)len));
	BIO_free(bio);
	X509_SIG_free(encrypted);
	PKCS8_PRIV_KEY_INFO_free(pkcs8);
}

static X509_ALGOR *pbes2(int iterations)
{
	return PKCS5_pbe2_set_iv(EVP_aes_128_cbc(), iterations, NULL, 0, NULL, NID_hmacWithSHA256);
}

static void a_password_hash_that_would_take_for_ever_is_not_run(void **state)
{
	AUTO(forged_free) struct forged *leaf = make_good(NULL);
	AUTO(buf_fini) struct buf most;
	AUTO(buf_fini) struct buf past;
	AUTO(buf_fini) struct buf scrypt;
	struct outcome out;
	char want[ERR_TEXT_BYTES];

	(void)state;
	buf_init(&most, BOUND);
	buf_init(&past, BOUND);
	buf_init(&scrypt, BOUND);
	append_cert(&most, leaf);
	append_encrypted(&most, leaf->key, pbes2(PUSH_KEY_ITERATIONS_MAX));
	append_cert(&past, leaf);
	append_encrypted(&past, leaf->key, pbes2(PUSH_KEY_ITERATIONS_MAX + 1));
	append_cert(&scrypt, leaf);
	append_encrypted(&scrypt, leaf->key,
		PKCS5_pbe2_set_scrypt(EVP_aes_128_cbc(), NULL, 0, NULL, 16, 1, 1));
	out = read_pem(&most, NULL, password);
	expect_good(&out, leaf);
	(void)snprintf(want, sizeof(want),
		"private key: %d iterations of its password's hash, want at most %d", PUSH_KEY_ITERATIONS_MAX + 1,
		PUSH_KEY_ITERATIONS_MAX);
	expect_fault(read_pem(&past, NULL, password), RC_LIMIT, PUSH_CERT_PART_KEY, want);
	expect_fault(read_pem(&scrypt, NULL, password), RC_INVALID, PUSH_CERT_PART_KEY,
		"private key: encrypted in a way that is not known here; want PBES2 with PBKDF2");
}

static void pad(struct buf *text, size_t len)
{
	while (text->len < len)
		buf_append_byte(text, '\n');
}

static void the_texts_may_be_as_long_as_their_limits_and_no_longer(void **state)
{
	AUTO(forged_free) struct forged *leaf = make_good(NULL);
	char word[PUSH_PASSWORD_BYTES_MAX + 2];

	(void)state;
	for (size_t past = 0; past <= 1; past++) {
		AUTO(buf_fini) struct buf cert;
		AUTO(buf_fini) struct buf key;
		AUTO(buf_fini) struct buf both;
		struct outcome out;

		buf_init(&cert, BOUND);
		buf_init(&key, BOUND);
		buf_init(&both, BOUND);
		append_cert(&cert, leaf);
		append_key(&key, leaf->key, FORM_PKCS8);
		append_cert(&both, leaf);
		append_key(&both, leaf->key, FORM_PKCS8);
		memset(word, 'x', sizeof(word));
		word[PUSH_PASSWORD_BYTES_MAX + past] = '\0';
		out = read_pem(&both, NULL, word);
		if (past == 0)
			expect_good(&out, leaf);
		else
			expect_fault(out, RC_LIMIT, PUSH_CERT_PART_PASSWORD, "password: longer than 1024 bytes");
		pad(&both, PUSH_CERT_PEM_BYTES_MAX + past);
		out = read_pem(&both, NULL, NULL);
		if (past == 0)
			expect_good(&out, leaf);
		else
			expect_fault(out, RC_LIMIT, PUSH_CERT_PART_CERTIFICATE,
				"certificate: 65537 bytes, want at most 65536");
		pad(&key, PUSH_CERT_PEM_BYTES_MAX + past - cert.len);
		out = read_pem(&cert, &key, NULL);
		if (past == 0)
			expect_good(&out, leaf);
		else
			expect_fault(out, RC_LIMIT, PUSH_CERT_PART_KEY,
				"private key: certificate and key have 65537 bytes together, want at most 65536");
	}
}

static void the_longest_password_opens_a_key(void **state)
{
	AUTO(forged_free) struct forged *leaf = make_good(NULL);
	AUTO(buf_fini) struct buf both;
	BIO *bio = BIO_new(BIO_s_mem());
	char word[PUSH_PASSWORD_BYTES_MAX + 1];
	struct outcome out;
	char *bytes;
	long len;

	(void)state;
	memset(word, 'x', sizeof(word));
	word[PUSH_PASSWORD_BYTES_MAX] = '\0';
	buf_init(&both, BOUND);
	append_cert(&both, leaf);
	assert_int_equal(PEM_write_bio_PrivateKey_traditional(bio, leaf->key, EVP_aes_128_cbc(),
																			(unsigned char *)word, PUSH_PASSWORD_BYTES_MAX, NULL, NULL),
		1);
	len = BIO_get_mem_data(bio, &bytes);
	buf_append(&both, slice_of(bytes, (size_t)len));
	BIO_free(bio);
	out = read_pem(&both, NULL, word);
	expect_good(&out, leaf);
}

static void a_topic_and_a_chain_may_be_as_long_as_their_limits_and_no_longer(void **state)
{
	(void)state;
	for (size_t past = 0; past <= 1; past++) {
		char uid[PUSH_TOPIC_BYTES_MAX + 2];
		AUTO(forged_free) struct forged *leaf = NULL;
		AUTO(forged_free) struct forged *other = forge_ca("other");
		AUTO(forged_free) struct forged *plain = make_good(NULL);
		AUTO(buf_fini) struct buf both;
		AUTO(buf_fini) struct buf many;
		struct outcome out;

		(void)snprintf(uid, sizeof(uid), "%s", PUSH_TOPIC_PREFIX);
		memset(uid + strlen(uid), 'x', sizeof(uid) - strlen(uid));
		uid[PUSH_TOPIC_BYTES_MAX + past] = '\0';
		leaf = make((const char *const[]){uid, NULL}, NULL);
		buf_init(&both, BOUND);
		buf_init(&many, BOUND);
		append_cert(&both, leaf);
		append_key(&both, leaf->key, FORM_PKCS8);
		out = read_pem(&both, NULL, NULL);
		if (past == 0) {
			assert_int_equal(out.rc, RC_OK);
			assert_string_equal(out.cert.topic, uid);
			push_cert_fini(&out.cert);
		} else {
			expect_fault(out, RC_LIMIT, PUSH_CERT_PART_CERTIFICATE,
				"certificate: its subject's UID has 256 bytes, want at most 255");
		}
		append_cert(&many, plain);
		append_key(&many, plain->key, FORM_PKCS8);
		for (size_t i = 1; i < CERT_CHAIN_MAX + past; i++)
			append_cert(&many, other);
		out = read_pem(&many, NULL, NULL);
		if (past == 0)
			expect_good(&out, plain);
		else
			expect_fault(out, RC_LIMIT, PUSH_CERT_PART_CERTIFICATE, "more than 8 certificates");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_read_in_every_form_beside_the_certificate_or_with_it_in_either_order),
		cmocka_unit_test(an_encrypted_key_needs_its_password),
		cmocka_unit_test(a_password_for_an_open_key_is_not_looked_at),
		cmocka_unit_test(the_subject_must_have_one_uid_that_is_a_topic),
		cmocka_unit_test(the_chain_is_kept_with_the_keys_certificate_in_front),
		cmocka_unit_test(what_does_not_fit_together_is_refused),
		cmocka_unit_test(junk_is_named_by_its_place),
		cmocka_unit_test(a_password_hash_that_would_take_for_ever_is_not_run),
		cmocka_unit_test(the_texts_may_be_as_long_as_their_limits_and_no_longer),
		cmocka_unit_test(the_longest_password_opens_a_key),
		cmocka_unit_test(a_topic_and_a_chain_may_be_as_long_as_their_limits_and_no_longer),
	};

	return cmocka_run_group_tests_name("pki/push_cert", tests, make_key, free_key);
}
