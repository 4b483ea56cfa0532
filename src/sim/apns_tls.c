/* SPDX-License-Identifier: Apache-2.0 */
#include "apns_tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

enum { READ_AHEAD_BYTES = 65536 };

static BIO *bio_of(struct slice pem)
{
	return BIO_new_mem_buf(pem.ptr, (int)pem.len);
}

static bool use_cert(SSL_CTX *tls, struct slice pem)
{
	BIO *bio = bio_of(pem);
	X509 *cert = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
	bool is_good = cert != NULL && SSL_CTX_use_certificate(tls, cert) == 1;

	X509_free(cert);
	BIO_free(bio);
	return is_good;
}

static bool use_key(SSL_CTX *tls, struct slice pem)
{
	BIO *bio = bio_of(pem);
	EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	bool is_good = key != NULL && SSL_CTX_use_PrivateKey(tls, key) == 1;

	EVP_PKEY_free(key);
	BIO_free(bio);
	return is_good;
}

/* A certificate is asked for and judged, but one who has none may come: APNs tells him so in its answers. */
static bool use_ca(SSL_CTX *tls, struct slice pem)
{
	BIO *bio = bio_of(pem);
	X509 *ca = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
	bool is_good = ca != NULL && X509_STORE_add_cert(SSL_CTX_get_cert_store(tls), ca) == 1 &&
		SSL_CTX_add_client_CA(tls, ca) == 1;

	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	X509_free(ca);
	BIO_free(bio);
	return is_good;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
	const unsigned char *in, unsigned in_len, void *ctx)
{
	static const unsigned char h2[] = {2, 'h', '2'};
	unsigned char *chosen = NULL;

	(void)ssl;
	(void)ctx;
	if (SSL_select_next_proto(&chosen, out_len, h2, sizeof(h2), in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static bool configure(SSL_CTX *tls, const struct apns_tls_params *params)
{
	(void)SSL_CTX_set_options(tls,
		SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	(void)SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	(void)SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(tls, 1); /* one read(2) for many records */
	SSL_CTX_set_default_read_buffer_len(tls, READ_AHEAD_BYTES);
	SSL_CTX_set_alpn_select_cb(tls, choose_protocol, NULL);
	return SSL_CTX_set_num_tickets(tls, 0) == 1 &&
		SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) == 1 && use_cert(tls, params->cert_pem) &&
		use_key(tls, params->key_pem) && (params->ca_pem.len == 0 || use_ca(tls, params->ca_pem));
}

enum rc apns_tls_new(const struct apns_tls_params *params, SSL_CTX **tls_r, struct err *err)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

	*tls_r = tls;
	if (tls != NULL && configure(tls, params))
		return RC_OK;
	apns_tls_free(tls_r);
	return err_set(err, RC_INVALID, "TLS of APNs: %s", apns_tls_complaint());
}

void apns_tls_free(SSL_CTX **tls)
{
	SSL_CTX_free(*tls);
	*tls = NULL;
}

bool apns_tls_is_h2(const SSL *ssl)
{
	const unsigned char *protocol;
	unsigned len;

	SSL_get0_alpn_selected(ssl, &protocol, &len);
	return slice_is_str(slice_of(protocol, len), "h2");
}

bool apns_tls_uid(const SSL *ssl, char uid[static APNS_TOPIC_BYTES_MAX + 1])
{
	X509 *cert = SSL_get0_peer_certificate(ssl);
	X509_NAME *subject = cert == NULL ? NULL : X509_get_subject_name(cert);
	int at = subject == NULL ? -1 : X509_NAME_get_index_by_NID(subject, NID_userId, -1);
	unsigned char *text = NULL;
	int len = 0;

	uid[0] = '\0';
	if (at >= 0)
		len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if (len > 0 && len <= APNS_TOPIC_BYTES_MAX && memchr(text, '\0', (size_t)len) == NULL) {
		memcpy(uid, text, (size_t)len);
		uid[len] = '\0';
	}
	OPENSSL_free(text);
	return cert != NULL;
}

const char *apns_tls_complaint(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return text == NULL ? "no word of why" : text;
}
