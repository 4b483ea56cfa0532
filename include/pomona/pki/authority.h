/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_AUTHORITY_H
#define POMONA_PKI_AUTHORITY_H

/*
 * Making keys and certificates: the device CA (RSA, since SCEP clients encrypt to it), the server's
 * own root and TLS certificate (P-256), device identities from a CSR or as PKCS#12.
 * Threading: any thread; an authority is immutable. A private-key operation takes 0.05 to 2 ms of CPU.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/buf.h"
#include "pomona/base/err.h"
#include "pomona/pki/cert.h"

enum key_kind { KEY_RSA_2048, KEY_RSA_3072, KEY_P256 };

enum {
	AUTHORITY_BACKDATE_S = 600, /* issued certificates begin this long before now */
	AUTHORITY_RSA_BITS_MIN = 2048,
	AUTHORITY_RSA_BITS_MAX = 8192,
	AUTHORITY_SERIAL_BYTES = 16,
	CSR_BYTES_MAX = 32768,
	DNS_NAME_BYTES_MAX = 253,
	USER_ID_BYTES_MAX = 255,
};

/* A CA's certificate and private key. */
struct authority;

struct authority_params {
	enum key_kind key;
	const char *common_name;  /* 1 to 64 characters, as `organization` */
	const char *organization; /* NULL: none */
	int64_t now;              /* UNIX seconds */
	int64_t valid_s;
};

/*
 * A self-signed CA for end entities only: basicConstraints CA with pathlen 0, keyUsage keyCertSign, cRLSign,
 * digitalSignature (and keyEncipherment for RSA).
 */
enum rc authority_new(const struct authority_params *params, struct authority **authority_r,
	struct err *err) MUST_USE;
/* From DER certificate and DER PKCS#8 key; RC_INVALID where they do not belong together. */
enum rc authority_load(struct slice cert_der, struct slice key_der, struct authority **authority_r,
	struct err *err) MUST_USE;
/* Borrowed until authority_free(). */
struct slice authority_cert_der(const struct authority *authority);
/* Appends the PKCS#8 DER of the private key: seal it or write it 0600, and wipe
 * (buf_fini_secret). */
enum rc authority_write_key_der(const struct authority *authority, struct buf *out, struct err *err)
	MUST_USE;
void authority_free(struct authority **authority);

struct issue_params {
	/*
	 * Replaces the CSR's whole subject; NULL keeps it. For a new key NULL leaves the subject empty, which
	 * needs a dns_name. 1 to 64 characters.
	 */
	const char *common_name;
	/* The subject's UID, as Apple's push certificates name their topic: 1 to USER_ID_BYTES_MAX bytes, as above */
	const char *user_id;
	/* subjectAltName of a TLS certificate (an address literal becomes an iPAddress); NULL: none */
	const char *dns_name;
	const char *other_name; /* a second one beside it; NULL: none */
	bool is_server;         /* serverAuth instead of clientAuth */
	int64_t now;
	int64_t valid_s; /* cut to the CA's own end */
};

/*
 * Signs a CSR (DER or PEM) after checking its self-signature and key (RSA within bounds, or P-256/P-384). The
 * extensions that it asks for are ignored: what a certificate is for is decided here. Appends DER.
 */
enum rc authority_issue_csr(const struct authority *authority, struct slice csr,
	const struct issue_params *params, struct buf *cert_der, struct err *err) MUST_USE;
/* Makes a key of `kind` too. Appends the certificate's DER and the key's PKCS#8 PEM. */
enum rc authority_issue_key(const struct authority *authority, enum key_kind kind,
	const struct issue_params *params, struct buf *cert_der, struct buf *key_pem, struct err *err)
	MUST_USE;
/*
 * A successor of a TLS certificate that this CA issued: the same subject, alternative names and key, another
 * serial number, and a life of `valid_s` from `now`, cut to the CA's own end. RC_INVALID where it is not this
 * CA's or would not end later. Appends DER.
 */
enum rc authority_renew_tls(const struct authority *authority, struct slice cert_der, int64_t now,
	int64_t valid_s, struct buf *out, struct err *err) MUST_USE;
struct pkcs12_params {
	const char *password;      /* may not be empty */
	const char *friendly_name; /* NULL: none */
	/* pbeWithSHAAnd3-KeyTripleDES-CBC with a SHA-1 MAC (RFC 7292 C) instead of AES-256 with a SHA-256 MAC: for
	 * systems that cannot read PBES2. */
	bool is_legacy;
};
/* Appends a PKCS#12 of key (PEM), certificate and the CA's certificate. */
enum rc authority_write_pkcs12(const struct authority *authority, struct slice cert_der,
	struct slice key_pem, const struct pkcs12_params *params, struct buf *out, struct err *err)
	MUST_USE;

struct crl_entry {
	const char *serial; /* lower-case hex, as struct cert_facts has it */
	int64_t revoked_at; /* UNIX seconds */
};
struct crl_params {
	const struct crl_entry *entries; /* in any order */
	size_t count;
	uint64_t number; /* goes up with each that is made */
	int64_t now;
	int64_t valid_s; /* until the next one is due */
};
/* Appends a CRL in DER (RFC 5280 5). RC_INVALID: a serial that is not hexadecimal. */
enum rc authority_write_crl(const struct authority *authority, const struct crl_params *params,
	struct buf *out, struct err *err) MUST_USE;

/*
 * A key and its certificate chain as PEM: can a TLS server use them? They must belong together, the chain stand
 * leaf first, and keys, digests and key usage be what Apple's App Transport Security asks for. RC_INVALID says
 * what is wrong. Names and dates are told by the leaf's facts, and not judged here.
 */
enum rc tls_pair_check(struct slice chain_pem, struct slice key_pem, struct cert_facts *leaf_r,
	struct err *err) MUST_USE;

#endif
