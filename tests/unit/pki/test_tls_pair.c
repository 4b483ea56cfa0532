/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "forge.h"
#include "pomona/base/buf.h"
#include "pomona/pki/authority.h"

enum { BOUND = 1 << 20, CERTS_MAX = CERT_CHAIN_MAX + 1 };

/* The PEM of up to CERTS_MAX certificates with the key of `key_of`, checked. */
static enum rc check(const struct forged *const *certs, size_t count, const struct forged *key_of,
	struct cert_facts *facts, struct err *err)
{
	AUTO(forge_free) struct slice key_pem = forge_pem_of_key(key_of->key);
	AUTO(buf_fini) struct buf chain;
	enum rc rc;

	buf_init(&chain, BOUND);
	for (size_t i = 0; i < count; i++)
		cert_write_pem(forged_der(certs[i]), &chain);
	rc = tls_pair_check(buf_slice(&chain), key_pem, facts, err);
	assert_int_equal(ERR_peek_error(), 0);
	return rc;
}

static void a_chain_is_held_to_what_apples_clients_ask_for(void **state)
{
	EVP_PKEY *rsa_1024 = EVP_RSA_gen(1024);
	EVP_PKEY *rsa_2048 = EVP_RSA_gen(2048);
	AUTO(forged_free) struct forged *root = forge_ca("Root");
	AUTO(forged_free)
	struct forged *middle =
		forge(&(struct forge_params){.common_name = "Middle", .issuer = root, .is_ca = true});
	AUTO(forged_free)
	struct forged *leaf = forge(&(struct forge_params){.common_name = "leaf", .issuer = middle});
	AUTO(forged_free)
	struct forged *self = forge(&(struct forge_params){.common_name = "self", .digest = "SHA1"});
	AUTO(forged_free)
	struct forged *rsa =
		forge(&(struct forge_params){.common_name = "rsa", .issuer = root, .key = rsa_2048});
	AUTO(forged_free)
	struct forged *weak =
		forge(&(struct forge_params){.common_name = "weak", .issuer = root, .key = rsa_1024});
	AUTO(forged_free)
	struct forged *sha1 =
		forge(&(struct forge_params){.common_name = "sha1", .issuer = root, .digest = "SHA1"});
	AUTO(forged_free)
	struct forged *client = forge(&(struct forge_params){.common_name = "client",
		.issuer = root,
		.extensions = {{NID_ext_key_usage, "clientAuth"}}});
	const struct {
		const struct forged *certs[3];
		size_t count;
		const struct forged *key_of;
		const char *want; /* NULL: good */
	} cases[] = {
		{{leaf, middle, root}, 3, leaf, NULL},
		{{leaf, middle}, 2, leaf, NULL},
		{{leaf}, 1, leaf, NULL},
		{{self}, 1, self, NULL},
		{{rsa, root}, 2, rsa, NULL},
		{{leaf, middle, root}, 3, rsa,
			"TLS certificate: the private key is not that of the first certificate of the chain"},
		{{middle, leaf}, 2, leaf,
			"TLS certificate: the private key is not that of the first certificate of the chain"},
		{{leaf, root, middle}, 3, leaf,
			"TLS certificate: certificate 1 was not issued by the one that follows it; want the "
			"server's own first, then each one's issuer"},
		{{leaf, middle, self}, 3, leaf,
			"TLS certificate: certificate 2 was not issued by the one that follows it; want the "
			"server's own first, then each one's issuer"},
		{{weak, root}, 2, weak,
			"TLS certificate: certificate: its RSA key has 1024 bits; want 2048 to 8192"},
		{{sha1, root}, 2, sha1,
			"TLS certificate: certificate 1 is signed with a weak digest; want SHA-256 or better"},
		{{client, root}, 2, client, "TLS certificate: its key usage forbids a TLS server"},
		{{NULL}, 0, leaf, "TLS certificate: no CERTIFICATE block in it"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct cert_facts facts;
		struct err err = {.rc = RC_OK};

		assert_int_equal(check(cases[i].certs, cases[i].count, cases[i].key_of, &facts, &err),
			cases[i].want == NULL ? RC_OK : RC_INVALID);
		assert_string_equal(err.text, cases[i].want == NULL ? "" : cases[i].want);
		if (cases[i].want == NULL)
			assert_memory_equal(facts.common_name, cases[i].certs[0] == leaf ? "leaf" : facts.common_name,
				4);
	}
	EVP_PKEY_free(rsa_1024);
	EVP_PKEY_free(rsa_2048);
}

static void a_key_behind_a_password_is_refused_without_asking_for_it(void **state)
{
	AUTO(forged_free) struct forged *cert = forge(&(struct forge_params){.common_name = "server"});
	AUTO(forge_free) struct slice cert_pem = forge_pem_of_cert(cert);
	BIO *bio = BIO_new(BIO_s_mem());
	struct cert_facts facts;
	struct err err;
	char *bytes;
	size_t len;

	(void)state;
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, cert->key, EVP_aes_256_cbc(), "password", 8,
																			NULL, NULL),
		1);
	len = (size_t)BIO_get_mem_data(bio, &bytes);
	assert_int_equal(tls_pair_check(cert_pem, slice_of(bytes, len), &facts, &err), RC_INVALID);
	assert_string_equal(err.text,
		"TLS certificate: private key: encrypted; want it without a password");
	assert_int_equal(ERR_peek_error(), 0);
	BIO_free(bio);
}

static void keys_of_the_older_pem_forms_are_taken(void **state)
{
	AUTO(forged_free) struct forged *cert = forge(&(struct forge_params){.common_name = "server"});
	AUTO(forge_free) struct slice cert_pem = forge_pem_of_cert(cert);
	BIO *bio = BIO_new(BIO_s_mem());
	struct cert_facts facts;
	struct err err;
	char *bytes;
	size_t len;

	(void)state;
	assert_int_equal(PEM_write_bio_PrivateKey_traditional(bio, cert->key, NULL, NULL, 0, NULL, NULL),
		1);
	len = (size_t)BIO_get_mem_data(bio, &bytes);
	assert_int_equal(tls_pair_check(cert_pem, slice_of(bytes, len), &facts, &err), RC_OK);
	assert_int_equal(tls_pair_check(cert_pem, SLICE_LITERAL("junk"), &facts, &err), RC_INVALID);
	assert_non_null(strstr(err.text, "private key: want one in PEM"));
	BIO_free(bio);
}

static void a_chain_may_be_as_long_as_its_limit_and_no_longer(void **state)
{
	(void)state;
	for (size_t past = 0; past <= 1; past++) {
		struct forged *certs[CERTS_MAX];
		struct forge_params params = {.common_name = "CA", .is_ca = true};
		size_t count = CERT_CHAIN_MAX + past;
		struct cert_facts facts;
		struct err err;

		for (size_t i = count; i-- > 0; params.issuer = certs[i]) {
			params.is_ca = i > 0;
			certs[i] = forge(&params);
		}
		assert_int_equal(check((const struct forged *const *)certs, count, certs[0], &facts, &err),
			past == 0 ? RC_OK : RC_LIMIT);
		for (size_t i = 0; i < count; i++)
			forged_free(&certs[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_is_held_to_what_apples_clients_ask_for),
		cmocka_unit_test(a_key_behind_a_password_is_refused_without_asking_for_it),
		cmocka_unit_test(keys_of_the_older_pem_forms_are_taken),
		cmocka_unit_test(a_chain_may_be_as_long_as_its_limit_and_no_longer),
	};

	return cmocka_run_group_tests_name("pki/tls_pair", tests, NULL, NULL);
}
