/* SPDX-License-Identifier: Apache-2.0 */
#include "tls.h"

#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { SHA256_BYTES = 32, KEY_ID_BYTES = 64, EC_BITS_MIN = 256 };

const char TLS_PRIORITY[] =
	"NONE:+VERS-TLS1.3:+VERS-TLS1.2:+CTYPE-X509"
	":+ECDHE-ECDSA:+ECDHE-RSA"
	":+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AEAD"
	":+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1"
	":+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SECP384R1-SHA384"
	":+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384:+SIGN-ECDSA-SHA512"
	":+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-PSS-RSAE-SHA384:+SIGN-RSA-PSS-RSAE-SHA512"
	":+SIGN-RSA-SHA256:+SIGN-RSA-SHA384:+SIGN-RSA-SHA512"
	":%SERVER_PRECEDENCE";

struct tls_material {
	atomic_uint references;
	unsigned chain_len;
	gnutls_pcert_st chain[TLS_CHAIN_MAX];
	gnutls_privkey_t key;
};

struct tls {
	pthread_mutex_t lock; /* over all that follows; held for microseconds, once a connection */
	struct tls_material *material;
	gnutls_datum_t ticket_key;
	int64_t ticket_key_until_us;
	const struct clock *clock;
};

static enum rc fault(struct err *err, const char *what, int code)
{
	return err_set(err, RC_INVALID, "%s: %s", what, gnutls_strerror(code));
}

static void pubkey_fini(gnutls_pubkey_t *key)
{
	if (*key != NULL)
		gnutls_pubkey_deinit(*key);
}

static void crt_fini(gnutls_x509_crt_t *crt)
{
	if (*crt != NULL)
		gnutls_x509_crt_deinit(*crt);
}

void tls_material_put(struct tls_material **material)
{
	struct tls_material *m = *material;

	*material = NULL;
	if (m == NULL || atomic_fetch_sub(&m->references, 1) != 1)
		return;
	for (unsigned i = 0; i < m->chain_len; i++)
		gnutls_pcert_deinit(&m->chain[i]);
	if (m->key != NULL)
		gnutls_privkey_deinit(m->key);
	free(m);
}

static enum rc check_sizes(const struct http_tls_params *params, struct err *err)
{
	if (params->chain_pem.len > TLS_PEM_BYTES_MAX || params->key_pem.len > TLS_PEM_BYTES_MAX)
		return err_set(err, RC_LIMIT, "TLS certificate or key: larger than %d bytes", TLS_PEM_BYTES_MAX);
	return RC_OK;
}

/* GnuTLS takes its input without const but does not write to it. */
static gnutls_datum_t datum_of(struct slice s)
{
	gnutls_datum_t datum = {.size = (unsigned)s.len};

	memcpy(&datum.data, &s.ptr, sizeof(datum.data));
	return datum;
}

static enum rc load(struct tls_material *m, const struct http_tls_params *params, struct err *err)
{
	gnutls_datum_t chain = datum_of(params->chain_pem);
	gnutls_datum_t key = datum_of(params->key_pem);
	unsigned count = TLS_CHAIN_MAX;
	int code;

	code = gnutls_pcert_list_import_x509_raw(m->chain, &count, &chain, GNUTLS_X509_FMT_PEM,
		GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED | GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
	if (code != 0)
		return fault(err, "TLS certificate chain", code);
	m->chain_len = count;
	code = gnutls_privkey_init(&m->key);
	if (code == 0)
		code = gnutls_privkey_import_x509_raw(m->key, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
	return code == 0 ? RC_OK : fault(err, "TLS key", code);
}

static enum rc check_key_belongs(const struct tls_material *m, struct err *err)
{
	AUTO(pubkey_fini) gnutls_pubkey_t key = NULL;
	uint8_t ids[2][KEY_ID_BYTES];
	size_t sizes[2] = {KEY_ID_BYTES, KEY_ID_BYTES};
	int code = gnutls_pubkey_init(&key);

	if (code == 0)
		code = gnutls_pubkey_import_privkey(key, m->key, 0, 0);
	if (code == 0)
		code = gnutls_pubkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, ids[0], &sizes[0]);
	if (code == 0)
		code = gnutls_pubkey_get_key_id(m->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, ids[1], &sizes[1]);
	if (code != 0)
		return fault(err, "TLS key", code);
	if (!slice_is_equal(slice_of(ids[0], sizes[0]), slice_of(ids[1], sizes[1])))
		return err_set(err, RC_INVALID, "TLS key: does not belong to the certificate");
	return RC_OK;
}

static enum rc check_key_strength(const struct tls_material *m, struct err *err)
{
	unsigned bits = 0;
	int algorithm = gnutls_pubkey_get_pk_algorithm(m->chain[0].pubkey, &bits);

	if (algorithm == GNUTLS_PK_RSA && bits >= TLS_RSA_BITS_MIN)
		return RC_OK;
	if (algorithm == GNUTLS_PK_ECDSA && bits >= EC_BITS_MIN)
		return RC_OK;
	return err_set(err, RC_INVALID, "TLS key: %s with %u bits, want RSA >= %d or EC >= %d",
		gnutls_pk_get_name((gnutls_pk_algorithm_t)algorithm), bits, TLS_RSA_BITS_MIN, EC_BITS_MIN);
}

static enum rc check_signature(gnutls_pcert_st *pcert, struct err *err)
{
	AUTO(crt_fini) gnutls_x509_crt_t crt = NULL;
	int code = gnutls_pcert_export_x509(pcert, &crt);
	gnutls_digest_algorithm_t hash;

	if (code == 0)
		code = gnutls_x509_crt_get_signature_algorithm(crt);
	if (code < 0)
		return fault(err, "TLS certificate", code);
	hash = gnutls_sign_get_hash_algorithm((gnutls_sign_algorithm_t)code);
	/* GnuTLS names no hash for Ed25519 and the like, which ATS does not take either. */
	if (gnutls_hash_get_len(hash) < SHA256_BYTES)
		return err_set(err, RC_INVALID, "TLS certificate: signed with %s, want SHA-256 or better",
			gnutls_sign_get_name((gnutls_sign_algorithm_t)code));
	return RC_OK;
}

static enum rc material_new(const struct http_tls_params *params, struct tls_material **material_r,
	struct err *err)
{
	AUTO(tls_material_put) struct tls_material *m = NULL;
	enum rc rc = check_sizes(params, err);

	*material_r = NULL;
	if (rc != RC_OK)
		return rc;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return err_set(err, RC_NO_MEMORY, "TLS certificate");
	atomic_init(&m->references, 1);
	rc = load(m, params, err);
	if (rc == RC_OK)
		rc = check_key_belongs(m, err);
	if (rc == RC_OK)
		rc = check_key_strength(m, err);
	if (rc == RC_OK)
		rc = check_signature(&m->chain[0], err);
	if (rc != RC_OK)
		return rc;
	*material_r = m;
	m = NULL; /* moved to the caller */
	return RC_OK;
}

enum rc tls_new(const struct http_tls_params *params, const struct clock *clock, struct tls **tls_r,
	struct err *err)
{
	AUTO(tls_free) struct tls *tls = calloc(1, sizeof(*tls));
	enum rc rc;

	*tls_r = NULL;
	if (tls == NULL)
		return err_set(err, RC_NO_MEMORY, "TLS");
	tls->clock = clock;
	(void)pthread_mutex_init(&tls->lock, NULL);
	rc = material_new(params, &tls->material, err);
	if (rc != RC_OK)
		return rc;
	*tls_r = tls;
	tls = NULL; /* moved to the caller */
	return RC_OK;
}

enum rc tls_set(struct tls *tls, const struct http_tls_params *params, struct err *err)
{
	AUTO(tls_material_put) struct tls_material *material = NULL;
	struct tls_material *old;
	enum rc rc = material_new(params, &material, err);

	if (rc != RC_OK)
		return rc;
	(void)pthread_mutex_lock(&tls->lock);
	old = tls->material;
	tls->material = material;
	(void)pthread_mutex_unlock(&tls->lock);
	material = old; /* put on the way out */
	return RC_OK;
}

static void ticket_key_wipe(struct tls *tls)
{
	if (tls->ticket_key.data != NULL) {
		explicit_bzero(tls->ticket_key.data, tls->ticket_key.size);
		gnutls_free(tls->ticket_key.data);
	}
	tls->ticket_key = (gnutls_datum_t){0};
}

/* With the lock held. GnuTLS derives short-lived keys from this one; it bounds how long they can be traced. */
static void ticket_key_renew(struct tls *tls)
{
	int64_t now_us = clock_monotonic_us(tls->clock);

	if (tls->ticket_key.data != NULL && now_us < tls->ticket_key_until_us)
		return;
	ticket_key_wipe(tls);
	if (gnutls_session_ticket_key_generate(&tls->ticket_key) != 0)
		ticket_key_wipe(tls);
	tls->ticket_key_until_us = now_us + (int64_t)TLS_TICKET_KEY_S * 1000 * 1000;
}

/* TLS 1.3 has no other; GnuTLS 3.7 has no priority keyword that demands it of TLS 1.2. */
static int demand_extended_master_secret(gnutls_session_t session)
{
	if (gnutls_protocol_get_version(session) == GNUTLS_TLS1_2 &&
		gnutls_session_ext_master_secret_status(session) == 0)
		return GNUTLS_E_INSUFFICIENT_SECURITY;
	return 0;
}

struct tls_material *tls_session_begin(struct tls *tls, gnutls_session_t session)
{
	struct tls_material *material;

	(void)pthread_mutex_lock(&tls->lock);
	ticket_key_renew(tls);
	/* Without a ticket the peer shakes hands in full: dearer, not wrong. */
	if (tls->ticket_key.data != NULL)
		(void)gnutls_session_ticket_enable_server(session, &tls->ticket_key);
	material = tls->material;
	(void)atomic_fetch_add(&material->references, 1);
	(void)pthread_mutex_unlock(&tls->lock);
	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
	gnutls_certificate_send_x509_rdn_sequence(session, 1); /* 1: do not send */
	gnutls_handshake_set_post_client_hello_function(session, demand_extended_master_secret);
	gnutls_session_set_ptr(session, material);
	return material;
}

/* The pointer is libmicrohttpd's own until then. */
void tls_session_refuse(gnutls_session_t session)
{
	gnutls_session_set_ptr(session, NULL);
}

/* NOLINTNEXTLINE(readability-function-size): the signature is the library's */
int tls_retrieve(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
	gnutls_pcert_st **certs, unsigned *certs_length, gnutls_ocsp_data_st **ocsp, unsigned *ocsp_length,
	gnutls_privkey_t *privkey, unsigned *flags)
{
	struct tls_material *material = gnutls_session_get_ptr(session);

	(void)info;
	if (material == NULL)
		return -1;
	*certs = material->chain;
	*certs_length = material->chain_len;
	*ocsp = NULL;
	*ocsp_length = 0;
	*privkey = material->key;
	*flags = 0; /* they stay ours */
	return 0;
}

size_t tls_peer_certs(gnutls_session_t session, struct slice certs[static HTTP_PEER_CERTS_MAX])
{
	unsigned count = 0;
	const gnutls_datum_t *list = gnutls_certificate_get_peers(session, &count);

	if (list == NULL)
		return 0;
	if (count > HTTP_PEER_CERTS_MAX)
		count = HTTP_PEER_CERTS_MAX;
	for (unsigned i = 0; i < count; i++)
		certs[i] = slice_of(list[i].data, list[i].size);
	return count;
}

void tls_free(struct tls **tls)
{
	if (*tls == NULL)
		return;
	tls_material_put(&(*tls)->material);
	ticket_key_wipe(*tls);
	(void)pthread_mutex_destroy(&(*tls)->lock);
	free(*tls);
	*tls = NULL;
}
