/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/http/http.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client.h"
#include "server.h"
#include "tls.h"

enum { PEM_BYTES = 16384, DAY_S = 24 * 60 * 60 };

struct identity {
	EVP_PKEY *key;
	X509 *cert;
	char cert_pem[PEM_BYTES];
	char key_pem[PEM_BYTES];
};

static struct identity ec_server;
static struct identity other_server;
static struct identity rsa_server;
static struct identity device;
static struct server *server;
static struct client *client;
static SSL_CTX *ctx;
static SSL_SESSION *ticket;
static atomic_int_fast64_t now_us;

static int64_t fake_monotonic_us(void *unused)
{
	(void)unused;
	return now_us;
}

static const struct clock fake_clock = {.monotonic_us = fake_monotonic_us};

static void to_pem(struct identity *identity)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int len;

	assert_int_equal(PEM_write_bio_X509(bio, identity->cert), 1);
	len = BIO_read(bio, identity->cert_pem, PEM_BYTES - 1);
	assert_true(len > 0);
	assert_int_equal(PEM_write_bio_PrivateKey(bio, identity->key, NULL, NULL, 0, NULL, NULL), 1);
	len = BIO_read(bio, identity->key_pem, PEM_BYTES - 1);
	assert_true(len > 0);
	BIO_free(bio);
}

static void make_identity(struct identity *identity, EVP_PKEY *key, const char *name,
	const EVP_MD *digest)
{
	X509 *cert = X509_new();
	X509_NAME *subject = X509_get_subject_name(cert);

	memset(identity, 0, sizeof(*identity));
	identity->key = key;
	identity->cert = cert;
	assert_non_null(key);
	assert_int_equal(X509_set_version(cert, 2), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), -DAY_S));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), DAY_S));
	assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
																			(const unsigned char *)name, -1, -1, 0),
		1);
	assert_int_equal(X509_set_issuer_name(cert, subject), 1);
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	assert_true(X509_sign(cert, key, digest) > 0);
	to_pem(identity);
}

static void free_identity(struct identity *identity)
{
	EVP_PKEY_free(identity->key);
	X509_free(identity->cert);
}

static struct http_tls_params tls_of(const struct identity *identity)
{
	return (struct http_tls_params){.chain_pem = slice_of_str(identity->cert_pem),
		.key_pem = slice_of_str(identity->key_pem)};
}

static int make_identities(void **state)
{
	(void)state;
	make_identity(&ec_server, EVP_EC_gen("P-256"), "server", EVP_sha256());
	make_identity(&other_server, EVP_EC_gen("P-384"), "other", EVP_sha384());
	make_identity(&rsa_server, EVP_RSA_gen(2048), "rsa", EVP_sha256());
	make_identity(&device, EVP_RSA_gen(2048), "device", EVP_sha256());
	return 0;
}

static int free_identities(void **state)
{
	(void)state;
	free_identity(&ec_server);
	free_identity(&other_server);
	free_identity(&rsa_server);
	free_identity(&device);
	return 0;
}

static void serve(const struct identity *identity)
{
	const struct http_tls_params tls = tls_of(identity);
	const struct http_listener_params params = {.tls = &tls, .clock = &fake_clock};

	server = server_start(&params);
}

/* TLS 1.3 tickets come after the handshake. */
static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(ticket);
	ticket = session;
	return 1;
}

static void new_ctx(int version)
{
	SSL_CTX_free(ctx);
	ctx = SSL_CTX_new(TLS_client_method());
	assert_non_null(ctx);
	SSL_CTX_set_security_level(ctx, 0); /* so that this side refuses nothing */
	assert_int_equal(SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0"), 1);
	assert_int_equal(SSL_CTX_set_min_proto_version(ctx, version), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(ctx, version), 1);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(ctx, keep_ticket);
}

static void use_certificate(const struct identity *identity)
{
	assert_int_equal(SSL_CTX_use_certificate(ctx, identity->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, identity->key), 1);
}

static int start(void **state)
{
	(void)state;
	now_us = 1;
	client = calloc(1, sizeof(*client));
	serve(&ec_server);
	new_ctx(TLS1_3_VERSION);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	free(client);
	SSL_SESSION_free(ticket);
	ticket = NULL;
	SSL_CTX_free(ctx);
	ctx = NULL;
	server_stop(&server);
	return 0;
}

/* Connects and asks; false where the handshake (or, in TLS 1.3, what follows it) fails. */
static bool greets(struct answer *answer, const char *path)
{
	*answer = (struct answer){0};
	client_connect(client, server_port(server));
	if (!client_start_tls(client, ctx, NULL))
		return false;
	*answer = client_ask(client, "GET", path);
	return answer->is_there;
}

static bool is_served(void)
{
	struct answer answer;
	bool is_good = greets(&answer, "/hello") && answer.status == 200;

	client_close(client);
	return is_good;
}

static bool is_cert_of(const struct answer *answer, const struct identity *identity)
{
	unsigned char *der = NULL;
	int len = i2d_X509(identity->cert, &der);
	bool is_same =
		len > 0 && slice_is_equal(slice_of(der, (size_t)len), slice_of(answer->body, answer->body_len));

	OPENSSL_free(der);
	return is_same;
}

static bool server_shows(const struct identity *identity)
{
	X509 *shown = SSL_get1_peer_certificate(client->ssl);
	bool is_same = shown != NULL && X509_cmp(shown, identity->cert) == 0;

	X509_free(shown);
	return is_same;
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void the_versions_of_app_transport_security_are_offered(void **state)
{
	static const struct {
		int version;
		bool is_served;
	} cases[] = {
		{TLS1_VERSION, false},
		{TLS1_1_VERSION, false},
		{TLS1_2_VERSION, true},
		{TLS1_3_VERSION, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		new_ctx(cases[i].version);
		assert_true(is_served() == cases[i].is_served);
	}
}

static void the_suites_of_app_transport_security_are_offered(void **state)
{
	static const struct {
		const struct identity *identity;
		const char *suite;
		bool is_served;
	} cases[] = {
		{&ec_server, "ECDHE-ECDSA-AES128-GCM-SHA256", true},
		{&ec_server, "ECDHE-ECDSA-AES256-GCM-SHA384", true},
		{&ec_server, "ECDHE-ECDSA-CHACHA20-POLY1305", true},
		{&ec_server, "ECDHE-ECDSA-AES128-SHA", false},
		{&ec_server, "ECDHE-ECDSA-AES128-SHA256", false},
		{&ec_server, "ECDHE-ECDSA-AES256-SHA384", false},
		{&ec_server, "ECDHE-ECDSA-AES128-CCM", false},
		{&ec_server, "AECDH-AES128-SHA", false},
		{&rsa_server, "ECDHE-RSA-AES128-GCM-SHA256", true},
		{&rsa_server, "ECDHE-RSA-AES256-GCM-SHA384", true},
		{&rsa_server, "ECDHE-RSA-CHACHA20-POLY1305", true},
		{&rsa_server, "ECDHE-RSA-AES128-SHA", false},
		{&rsa_server, "ECDHE-RSA-AES256-SHA384", false},
		{&rsa_server, "DHE-RSA-AES128-GCM-SHA256", false},
		{&rsa_server, "AES128-GCM-SHA256", false},
		{&rsa_server, "AES256-SHA", false},
		{&rsa_server, "ADH-AES128-GCM-SHA256", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct http_tls_params tls = tls_of(cases[i].identity);

		assert_int_equal(http_listener_set_tls(server_listener(server), &tls, NULL), RC_OK);
		new_ctx(TLS1_2_VERSION);
		assert_int_equal(SSL_CTX_set_cipher_list(ctx, cases[i].suite), 1);
		SSL_CTX_set_security_level(ctx, 0);
		if (is_served() != cases[i].is_served)
			fail_msg("%s", cases[i].suite);
	}
}

static void groups_and_signatures_are_strong(void **state)
{
	static struct { /* not const: OpenSSL takes them so */
		char groups[8];
		char signatures[16];
		bool is_served;
	} cases[] = {
		/* An elliptic certificate would add its own curve to the groups of TLS 1.2. */
		{"X25519", "RSA+SHA256", true},
		{"P-256", "RSA-PSS+SHA256", true},
		{"P-384", "RSA+SHA512", true},
		{"P-521", "RSA+SHA256", false},
		{"X448", "RSA+SHA256", false},
		{"P-256", "RSA+SHA1", false},
		{"P-256", "RSA+SHA224", false},
	};
	const struct http_tls_params tls = tls_of(&rsa_server);

	(void)state;
	assert_int_equal(http_listener_set_tls(server_listener(server), &tls, NULL), RC_OK);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		new_ctx(TLS1_2_VERSION);
		assert_int_equal(SSL_CTX_set1_groups_list(ctx, cases[i].groups), 1);
		assert_int_equal(SSL_CTX_set1_sigalgs_list(ctx, cases[i].signatures), 1);
		if (is_served() != cases[i].is_served)
			fail_msg("%s %s", cases[i].groups, cases[i].signatures);
	}
}

static void tls_1_2_needs_the_extended_master_secret(void **state)
{
	(void)state;
	new_ctx(TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_EXTENDED_MASTER_SECRET);
	assert_false(is_served());
	new_ctx(TLS1_3_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_EXTENDED_MASTER_SECRET);
	assert_true(is_served());
}

static void a_client_certificate_is_asked_for_and_told(void **state)
{
	struct answer answer;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		new_ctx(versions[i]);
		assert_true(greets(&answer, "/certs"));
		assert_string_equal(answer.body, "no certificate");
		assert_true(sk_X509_NAME_num(SSL_get0_peer_CA_list(client->ssl)) <= 0);
		client_close(client);
		use_certificate(&device);
		assert_true(greets(&answer, "/certs"));
		assert_true(is_cert_of(&answer, &device));
		client_close(client);
	}
}

static void a_session_is_resumed_with_its_certificate(void **state)
{
	struct answer answer;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		new_ctx(versions[i]);
		use_certificate(&device);
		assert_true(greets(&answer, "/certs"));
		assert_false(SSL_session_reused(client->ssl));
		client_close(client);
		client_connect(client, server_port(server));
		assert_non_null(ticket);
		assert_true(client_start_tls(client, ctx, ticket));
		answer = client_ask(client, "GET", "/certs");
		assert_true(SSL_session_reused(client->ssl));
		assert_true(is_cert_of(&answer, &device));
		client_close(client);
	}
}

static void a_ticket_outlives_not_its_key(void **state)
{
	struct answer answer;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		new_ctx(versions[i]);
		now_us = now_us + 1;
		assert_true(greets(&answer, "/hello"));
		client_close(client);
		now_us = now_us + (int64_t)TLS_TICKET_KEY_S * 1000 * 1000;
		client_connect(client, server_port(server));
		assert_true(client_start_tls(client, ctx, ticket));
		assert_int_equal(client_ask(client, "GET", "/hello").status, 200);
		assert_false(SSL_session_reused(client->ssl));
		client_close(client);
	}
}

static void a_new_certificate_is_shown_to_new_connections(void **state)
{
	const struct http_tls_params tls = tls_of(&other_server);
	struct answer answer;

	(void)state;
	assert_true(greets(&answer, "/hello"));
	assert_true(server_shows(&ec_server));
	assert_int_equal(http_listener_set_tls(server_listener(server), &tls, NULL), RC_OK);
	assert_int_equal(client_ask(client, "GET", "/hello").status, 200);
	client_close(client);
	client_connect(client, server_port(server));
	assert_true(client_start_tls(client, ctx, NULL));
	assert_true(server_shows(&other_server));
	client_close(client);
}

static void an_old_certificate_lives_until_its_handshake_is_done(void **state)
{
	const struct http_tls_params tls = tls_of(&other_server);
	struct http_stats stats;

	(void)state;
	client_connect(client, server_port(server));
	do {
		http_listener_stats(server_listener(server), &stats);
	} while (stats.connections_now != 1);
	assert_int_equal(http_listener_set_tls(server_listener(server), &tls, NULL), RC_OK);
	assert_true(client_start_tls(client, ctx, NULL));
	assert_true(server_shows(&ec_server));
	client_close(client);
}

static void deferral_works_over_tls(void **state)
{
	struct answer answer;

	(void)state;
	assert_true(greets(&answer, "/defer"));
	assert_string_equal(answer.body, "deferred /defer ");
	answer = client_ask(client, "GET", "/defer-late");
	assert_string_equal(answer.body, "resumed first");
	client_close(client);
}

static void a_peer_that_speaks_no_tls_is_let_go(void **state)
{
	(void)state;
	client_connect(client, server_port(server));
	client_send(client, "GET /hello HTTP/1.1\r\nHost: test\r\n\r\n");
	/* An alert may come first. */
	assert_false(client_receive(client, "GET").is_there);
	client_close(client);
	assert_true(is_served());
}

static void unfit_certificates_are_refused(void **state)
{
	struct identity weak_key;
	struct identity weak_hash;
	char *large = malloc(TLS_PEM_BYTES_MAX + 2);
	const struct slice cert = slice_of_str(ec_server.cert_pem);
	const struct slice key = slice_of_str(ec_server.key_pem);

	(void)state;
	make_identity(&weak_key, EVP_RSA_gen(1024), "weak", EVP_sha256());
	make_identity(&weak_hash, EVP_EC_gen("P-256"), "weak", EVP_sha1());
	memset(large, '\n', TLS_PEM_BYTES_MAX + 1);
	memcpy(large, ec_server.cert_pem, strlen(ec_server.cert_pem));

	const struct {
		const char *what;
		struct slice cert;
		struct slice key;
		enum rc rc;
		const char *text;
	} cases[] = {
		{"good", cert, key, RC_OK, ""},
		{"nothing", slice_of(NULL, 0), slice_of(NULL, 0), RC_INVALID, "TLS certificate"},
		{"no key", cert, slice_of_str("none"), RC_INVALID, "TLS key"},
		{"key for certificate", key, key, RC_INVALID, "TLS certificate"},
		{"another's key", cert, slice_of_str(other_server.key_pem), RC_INVALID, "does not belong"},
		{"RSA-1024", slice_of_str(weak_key.cert_pem), slice_of_str(weak_key.key_pem), RC_INVALID,
			"1024 bits"},
		{"SHA-1", slice_of_str(weak_hash.cert_pem), slice_of_str(weak_hash.key_pem), RC_INVALID,
			"SHA-256"},
		{"at the limit", slice_of(large, TLS_PEM_BYTES_MAX), key, RC_OK, ""},
		{"too large", slice_of(large, TLS_PEM_BYTES_MAX + 1), key, RC_LIMIT, "larger"},
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct http_tls_params tls = {.chain_pem = cases[i].cert, .key_pem = cases[i].key};
		struct err err = {0};
		enum rc rc = http_listener_set_tls(server_listener(server), &tls, &err);

		if (rc != cases[i].rc || strstr(err.text, cases[i].text) == NULL)
			fail_msg("%s: %s: %s", cases[i].what, rc_name(rc), err.text);
		assert_true(is_served()); /* with what it had */
	}
	free(large);
	free_identity(&weak_key);
	free_identity(&weak_hash);
}

static void a_chain_is_sent_whole_and_bounded(void **state)
{
	char *chain = calloc(TLS_CHAIN_MAX + 1, PEM_BYTES);
	struct http_tls_params tls = tls_of(&ec_server);
	struct answer answer;

	(void)state;
	/* Each of these is its own issuer, so any number of them is a sorted chain. */
	for (size_t i = 0; i < TLS_CHAIN_MAX; i++)
		strncat(chain, ec_server.cert_pem, PEM_BYTES);
	tls.chain_pem = slice_of_str(chain);
	assert_int_equal(http_listener_set_tls(server_listener(server), &tls, NULL), RC_OK);
	assert_true(greets(&answer, "/hello"));
	assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(client->ssl)), TLS_CHAIN_MAX);
	client_close(client);
	strncat(chain, ec_server.cert_pem, PEM_BYTES);
	tls.chain_pem = slice_of_str(chain);
	assert_int_not_equal(http_listener_set_tls(server_listener(server), &tls, NULL), RC_OK);
	free(chain);
}

static void a_plain_listener_has_no_certificate(void **state)
{
	const struct http_tls_params tls = tls_of(&ec_server);
	struct server *plain = server_start(NULL);

	(void)state;
	assert_int_equal(http_listener_set_tls(server_listener(plain), &tls, NULL), RC_UNSUPPORTED);
	server_stop(&plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_versions_of_app_transport_security_are_offered, start, stop),
		cmocka_unit_test_setup_teardown(the_suites_of_app_transport_security_are_offered, start, stop),
		cmocka_unit_test_setup_teardown(groups_and_signatures_are_strong, start, stop),
		cmocka_unit_test_setup_teardown(tls_1_2_needs_the_extended_master_secret, start, stop),
		cmocka_unit_test_setup_teardown(a_client_certificate_is_asked_for_and_told, start, stop),
		cmocka_unit_test_setup_teardown(a_session_is_resumed_with_its_certificate, start, stop),
		cmocka_unit_test_setup_teardown(a_ticket_outlives_not_its_key, start, stop),
		cmocka_unit_test_setup_teardown(a_new_certificate_is_shown_to_new_connections, start, stop),
		cmocka_unit_test_setup_teardown(an_old_certificate_lives_until_its_handshake_is_done, start,
			stop),
		cmocka_unit_test_setup_teardown(deferral_works_over_tls, start, stop),
		cmocka_unit_test_setup_teardown(a_peer_that_speaks_no_tls_is_let_go, start, stop),
		cmocka_unit_test_setup_teardown(unfit_certificates_are_refused, start, stop),
		cmocka_unit_test_setup_teardown(a_chain_is_sent_whole_and_bounded, start, stop),
		cmocka_unit_test_setup_teardown(a_plain_listener_has_no_certificate, start, stop),
	};

	return cmocka_run_group_tests(tests, make_identities, free_identities);
}
