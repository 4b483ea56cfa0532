/* SPDX-License-Identifier: Apache-2.0 */
#include "h2_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

/* Many records of the peer in one read(2). */
enum { READ_AHEAD_BYTES = 64 * 1024 };

/* HTTP/2 forbids the older suites of TLS 1.2 (RFC 9113 9.2.2); those of TLS 1.3 are fine. */
static const char suites_of_tls_1_2[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const uint8_t alpn_h2[] = {2, 'h', '2'};

struct h2_tls {
	SSL_CTX *context;
	SSL *ssl;
	unsigned wish;
	bool is_broken; /* OpenSSL wants no SSL_shutdown() after a fatal error */
};

/* The first reason of OpenSSL's, and leaves none behind for the next. */
static enum rc openssl_fault(struct err *err, const char *what)
{
	unsigned long code = ERR_peek_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	if (code != 0 && ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
		return err_set(err, RC_NO_MEMORY, "%s", what);
	return err_set(err, RC_INVALID, "%s: %s", what, reason != NULL ? reason : "cannot be used");
}

/* --- credentials */

static BIO *bio_of(struct slice pem)
{
	return BIO_new_mem_buf(pem.ptr, pem.len < INT_MAX ? (int)pem.len : INT_MAX);
}

/* An encrypted key is refused; without this OpenSSL would ask on the terminal. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the signature is the library's */
static int no_password(char *text, int size, int is_writing, void *ctx)
{
	(void)text;
	(void)size;
	(void)is_writing;
	(void)ctx;
	return -1;
}

/* Calls `use` for each certificate; false: it refused one, or one does not read. */
static bool each_cert(struct slice pem, bool (*use)(SSL_CTX *context, X509 *cert, bool is_first),
	SSL_CTX *context)
{
	BIO *bio = bio_of(pem);
	bool is_fine = bio != NULL, is_first = true;
	X509 *cert;

	while (is_fine && (cert = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
		is_fine = use(context, cert, is_first);
		is_first = false;
		X509_free(cert);
	}
	BIO_free(bio);
	if (!is_fine || is_first || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return false;
	ERR_clear_error(); /* the end of the text is an error of OpenSSL's */
	return true;
}

static bool use_own_cert(SSL_CTX *context, X509 *cert, bool is_first)
{
	if (is_first)
		return SSL_CTX_use_certificate(context, cert) == 1;
	return SSL_CTX_add1_chain_cert(context, cert) == 1;
}

static bool use_anchor(SSL_CTX *context, X509 *cert, bool is_first)
{
	(void)is_first;
	return X509_STORE_add_cert(SSL_CTX_get_cert_store(context), cert) == 1;
}

static bool use_key(SSL_CTX *context, struct slice pem)
{
	BIO *bio = bio_of(pem);
	EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
	bool is_fine = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1;

	EVP_PKEY_free(key);
	BIO_free(bio);
	return is_fine;
}

static enum rc set_own(SSL_CTX *context, const struct h2_params *params, struct err *err)
{
	if (params->cert_pem.len == 0)
		return RC_OK;
	if (!each_cert(params->cert_pem, use_own_cert, context))
		return openssl_fault(err, "client certificate");
	if (!use_key(context, params->key_pem))
		return openssl_fault(err, "client key");
	if (SSL_CTX_check_private_key(context) != 1)
		return openssl_fault(err, "client key: not that of the certificate");
	return RC_OK;
}

/* What is named as trusted is trusted, be it a root or not. */
static enum rc set_anchors(SSL_CTX *context, struct slice ca_pem, struct err *err)
{
	if (ca_pem.len == 0) {
		if (SSL_CTX_set_default_verify_paths(context) != 1)
			return openssl_fault(err, "CA certificates of the system");
		return RC_OK;
	}
	if (!each_cert(ca_pem, use_anchor, context))
		return openssl_fault(err, "CA certificates");
	(void)X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
	return RC_OK;
}

/* --- habits */

static bool set_habits(SSL_CTX *context)
{
	(void)SSL_CTX_set_options(context,
		SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
			SSL_OP_IGNORE_UNEXPECTED_EOF);
	(void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_mode(context,
		SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_default_passwd_cb(context, no_password);
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD_BYTES);
	return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
		SSL_CTX_set_cipher_list(context, suites_of_tls_1_2) == 1 &&
		SSL_CTX_set_alpn_protos(context, alpn_h2, sizeof(alpn_h2)) == 0;
}

static bool is_address(const char *host)
{
	uint8_t bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* OpenSSL's macro casts the const away. */
static bool tell_name(SSL *ssl, const char *host)
{
	char *name = strdup(host);
	bool is_fine = name != NULL && SSL_set_tlsext_host_name(ssl, name) == 1;

	free(name);
	return is_fine;
}

/* Whose certificate the server must have; a name is told to it, an address is not (RFC 6066 3). */
static bool set_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *verify = SSL_get0_param(ssl);

	X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(verify, host) == 1;
	return SSL_set1_host(ssl, host) == 1 && tell_name(ssl, host);
}

static enum rc start(struct h2_tls *tls, const struct h2_params *params, struct err *err)
{
	enum rc rc;

	ERR_clear_error();
	tls->context = SSL_CTX_new(TLS_client_method());
	if (tls->context == NULL || !set_habits(tls->context))
		return openssl_fault(err, "TLS");
	rc = set_anchors(tls->context, params->ca_pem, err);
	if (rc == RC_OK)
		rc = set_own(tls->context, params, err);
	if (rc != RC_OK)
		return rc;
	tls->ssl = SSL_new(tls->context);
	if (tls->ssl == NULL || !set_host(tls->ssl, params->host))
		return openssl_fault(err, "TLS");
	return RC_OK;
}

enum rc h2_tls_new(const struct h2_params *params, struct h2_tls **tls_r, struct err *err)
{
	struct h2_tls *tls = calloc(1, sizeof(*tls));
	enum rc rc;

	*tls_r = NULL;
	if (tls == NULL)
		return err_set(err, RC_NO_MEMORY, "TLS");
	rc = start(tls, params, err);
	if (rc != RC_OK)
		h2_tls_free(&tls);
	*tls_r = tls;
	return rc;
}

enum rc h2_tls_attach(struct h2_tls *tls, int fd, struct err *err)
{
	ERR_clear_error();
	if (SSL_set_fd(tls->ssl, fd) != 1)
		return openssl_fault(err, "TLS");
	SSL_set_connect_state(tls->ssl);
	return RC_OK;
}

/* --- faults */

/* An alert's name behind OpenSSL's words "tlsv13 alert ", or NULL: it was not the peer's alert. */
static const char *alert_of(unsigned long code)
{
	const char *reason = ERR_reason_error_string(code);
	const char *name = reason != NULL ? strstr(reason, "alert ") : NULL;

	if (ERR_GET_LIB(code) != ERR_LIB_SSL || ERR_GET_REASON(code) < SSL_AD_REASON_OFFSET ||
		name == NULL)
		return NULL;
	return name + strlen("alert ");
}

static bool is_about_certificate(int reason)
{
	static const int reasons[] = {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,
		SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED,
		SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN,
		SSL_R_TLSV1_ALERT_UNKNOWN_CA, SSL_R_TLSV1_ALERT_ACCESS_DENIED,
		SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED};

	for (size_t i = 0; i < COUNT_OF(reasons); i++)
		if (reasons[i] == reason)
			return true;
	return false;
}

/* What OpenSSL itself refuses, or was told. In TLS 1.3 our certificate is judged after our side of the
 * handshake is over, so that the alert comes with the first read. */
static void tell_fault(struct h2_tls *tls, struct err *err)
{
	unsigned long code = ERR_peek_error();
	const char *alert = alert_of(code);
	long verdict = SSL_get_verify_result(tls->ssl);

	if (alert != NULL && is_about_certificate(ERR_GET_REASON(code)))
		(void)err_set(err, RC_DENIED, "TLS: the server refuses our certificate: %s", alert);
	else if (alert != NULL)
		(void)err_set(err, RC_DENIED, "TLS: the server refuses: %s", alert);
	else if (verdict != X509_V_OK)
		(void)err_set(err, RC_DENIED, "TLS: the server's certificate: %s",
			X509_verify_cert_error_string(verdict));
	else
		(void)openssl_fault(err, "TLS");
	ERR_clear_error();
}

static enum h2_tls_result result_of(struct h2_tls *tls, int code, struct err *err)
{
	int saved_errno = errno;
	int kind = SSL_get_error(tls->ssl, code);

	tls->is_broken = tls->is_broken || kind == SSL_ERROR_SSL || kind == SSL_ERROR_SYSCALL;
	switch (kind) {
	case SSL_ERROR_NONE:
		tls->wish = NET_READABLE;
		return H2_TLS_DONE;
	case SSL_ERROR_WANT_READ:
		tls->wish = NET_READABLE;
		return H2_TLS_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		tls->wish = NET_WRITABLE;
		return H2_TLS_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		(void)err_set(err, RC_IO, "closed by the server");
		return H2_TLS_CLOSED;
	case SSL_ERROR_SYSCALL:
		if (saved_errno == 0 || saved_errno == ECONNRESET || saved_errno == EPIPE) {
			(void)err_set(err, RC_IO, "closed by the server, without a goodbye");
			return H2_TLS_CLOSED;
		}
		(void)err_set_errno(err, saved_errno, "socket");
		return H2_TLS_BROKEN;
	default:
		tell_fault(tls, err);
		return H2_TLS_REFUSED;
	}
}

/* --- bytes */

static enum h2_tls_result check_alpn(const struct h2_tls *tls, struct err *err)
{
	const uint8_t *name = NULL;
	unsigned len = 0;

	SSL_get0_alpn_selected(tls->ssl, &name, &len);
	if (slice_is_str(slice_of(name, len), "h2"))
		return H2_TLS_DONE;
	(void)err_set(err, RC_INVALID, "TLS: the server does not choose HTTP/2 (ALPN h2)");
	return H2_TLS_REFUSED;
}

enum h2_tls_result h2_tls_handshake(struct h2_tls *tls, struct err *err)
{
	enum h2_tls_result result;

	ERR_clear_error();
	errno = 0;
	result = result_of(tls, SSL_do_handshake(tls->ssl), err);
	return result == H2_TLS_DONE ? check_alpn(tls, err) : result;
}

enum h2_tls_result h2_tls_read(struct h2_tls *tls, uint8_t *to, size_t room, size_t *got_r,
	struct err *err)
{
	int code;

	ERR_clear_error();
	errno = 0;
	*got_r = 0;
	code = SSL_read_ex(tls->ssl, to, room, got_r);
	return result_of(tls, code, err);
}

enum h2_tls_result h2_tls_write(struct h2_tls *tls, struct slice from, size_t *put_r,
	struct err *err)
{
	int code;

	ERR_clear_error();
	errno = 0;
	*put_r = 0;
	code = SSL_write_ex(tls->ssl, from.ptr, from.len, put_r);
	return result_of(tls, code, err);
}

bool h2_tls_has_pending(const struct h2_tls *tls)
{
	return SSL_has_pending(tls->ssl) == 1;
}

unsigned h2_tls_wish(const struct h2_tls *tls)
{
	return tls->wish;
}

void h2_tls_bye(struct h2_tls *tls)
{
	ERR_clear_error();
	if (!tls->is_broken && SSL_is_init_finished(tls->ssl))
		(void)SSL_shutdown(tls->ssl);
	ERR_clear_error();
}

void h2_tls_free(struct h2_tls **tls)
{
	struct h2_tls *gone = *tls;

	if (gone == NULL)
		return;
	*tls = NULL;
	SSL_free(gone->ssl);
	SSL_CTX_free(gone->context);
	free(gone);
}
