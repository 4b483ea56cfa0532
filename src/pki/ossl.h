/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_OSSL_H
#define POMONA_PKI_OSSL_H

/*
 * OpenSSL in our manners: freeing through AUTO(), faults with its reason in our text, algorithms that are
 * fetched once, one set of contexts a thread. Every door of this room leaves OpenSSL's error queue empty.
 * Threading: any thread.
 */

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "pomona/base/buf.h"
#include "pomona/base/err.h"
#include "pomona/base/slice.h"

void ossl_bio_free(BIO **bio);
void ossl_key_free(EVP_PKEY **key);
void ossl_cert_free(X509 **cert);
void ossl_certs_free(STACK_OF(X509) * *certs);
void ossl_request_free(X509_REQ **request);
void ossl_name_free(X509_NAME **name);
void ossl_general_names_free(GENERAL_NAMES **names);
void ossl_pkcs8_free(PKCS8_PRIV_KEY_INFO **pkcs8);
void ossl_pkcs12_free(PKCS12 **pkcs12);
void ossl_pkcs7_free(PKCS7 **pkcs7);
void ossl_cms_free(CMS_ContentInfo **cms);
void ossl_crl_free(X509_CRL **crl);
void ossl_time_free(ASN1_TIME **time);
void ossl_store_ctx_free(X509_STORE_CTX **ctx);

/* err_set() with OpenSSL's latest reason behind, if it gave one; empties its error queue. */
/* Before what ossl_was_memory_short() is asked about. */
void ossl_forget(void);
/* Since then, on this thread. Forgets, errors too. ossl_fault() asks too, and then gives RC_NO_MEMORY. */
bool ossl_was_memory_short(void);
enum rc ossl_fault(struct err *err, enum rc rc, const char *format, ...) PRINTF_LIKE(3, 4);
/* A read-only BIO over `bytes`, which must outlive it. NULL where memory is short. */
BIO *ossl_bio_of(struct slice bytes);
/* Appends what was written into a memory BIO. */
void ossl_bio_take(BIO *bio, struct buf *out);

/*
 * What a thread keeps so as to work without allocating: to be started with NULL for the algorithm, which is set.
 * NULL where memory is short or the algorithm missing.
 */
EVP_CIPHER_CTX *ossl_aes_256_gcm(void);
EVP_MD_CTX *ossl_sha256(void);

#endif
