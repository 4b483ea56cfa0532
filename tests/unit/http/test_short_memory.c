/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "client.h"
#include "private.h"
#include "server.h"

enum { PEM_BYTES = 4096, HOUR_S = 60 * 60 };

static struct server *server;
static struct client *client;
static SSL_CTX *ctx;
static char cert_pem[PEM_BYTES], key_pem[PEM_BYTES];
static atomic_uint failures; /* connections that are not to have memory */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
	if (size == sizeof(struct connection) && failures > 0) {
		failures--;
		return NULL;
	}
	return __real_calloc(count, size);
}

static void read_all(BIO *bio, char out[static PEM_BYTES])
{
	int len = BIO_read(bio, out, PEM_BYTES - 1);

	assert_true(len > 0);
	out[len] = 0;
}

static void make_identity(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());

	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), -HOUR_S));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), HOUR_S));
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	read_all(bio, cert_pem);
	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	read_all(bio, key_pem);
	BIO_free(bio);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static int start_tls(void **state)
{
	const struct http_tls_params tls = {.chain_pem = slice_of_str(cert_pem),
		.key_pem = slice_of_str(key_pem)};
	const struct http_listener_params params = {.tls = &tls, .connections_per_address = 10};

	(void)state;
	server = server_start(&params);
	client = calloc(1, sizeof(*client));
	return 0;
}

static int start_plain(void **state)
{
	const struct http_listener_params params = {.connections_per_address = 10};

	(void)state;
	server = server_start(&params);
	client = calloc(1, sizeof(*client));
	return 0;
}

static int stop(void **state)
{
	(void)state;
	server_stop(&server);
	free(client);
	return 0;
}

static bool is_served(void)
{
	bool is_good;

	client_connect(client, server_port(server));
	is_good = (server_listener(server)->tls == NULL || client_start_tls(client, ctx, NULL)) &&
		client_ask(client, "GET", "/hello").status == 200;
	client_close(client);
	return is_good;
}

/* Far sooner than any timeout of the listener, which are longer than the client's patience. */
static void a_connection_that_gets_no_memory_is_let_go_at_once(void **state)
{
	struct http_stats stats;

	(void)state;
	failures = 1;
	client_connect(client, server_port(server));
	assert_true(client_sees_end(client));
	client_close(client);
	assert_int_equal(failures, 0);
	assert_true(is_served());
	do
		http_listener_stats(server_listener(server), &stats);
	while (stats.connections_now > 0); /* neither of them is left */
	assert_int_equal(stats.connections_total, 2);
}

/* Its hello may be there before it is let go: it gets an alert or an end, and no certificate of who knows what. */
static void a_handshake_that_gets_no_memory_fails(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		failures = 1;
		assert_false(is_served());
		assert_int_equal(failures, 0);
	}
	assert_true(is_served());
}

static void a_session_that_was_not_begun_has_no_certificate(void **state)
{
	gnutls_session_t session;
	gnutls_pcert_st *certs;
	gnutls_ocsp_data_st *ocsp;
	gnutls_privkey_t key;
	unsigned certs_length, ocsp_length, flags;

	(void)state;
	assert_int_equal(gnutls_init(&session, GNUTLS_SERVER), 0);
	gnutls_session_set_ptr(session, session); /* whatever was there */
	tls_session_refuse(session);
	assert_int_equal(tls_retrieve(session, NULL, &certs, &certs_length, &ocsp, &ocsp_length, &key,
																			&flags),
		-1);
	gnutls_deinit(session);
}

static int begin(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to a peer that has gone */
	make_identity();
	ctx = SSL_CTX_new(TLS_client_method());
	return ctx == NULL;
}

static int end(void **state)
{
	(void)state;
	SSL_CTX_free(ctx);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_connection_that_gets_no_memory_is_let_go_at_once, start_plain,
			stop),
		cmocka_unit_test_setup_teardown(a_connection_that_gets_no_memory_is_let_go_at_once, start_tls,
			stop),
		cmocka_unit_test_setup_teardown(a_handshake_that_gets_no_memory_fails, start_tls, stop),
		cmocka_unit_test(a_session_that_was_not_begun_has_no_certificate),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
