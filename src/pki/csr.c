/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

/*
 * PKCS#10 (RFC 2986 4) as OpenSSL's X509_REQ reads it, but that the key stays as it is: in an X509_REQ it would be
 * decoded, for which OpenSSL 3.0 looks among all of its decoders, longer than a signature takes.
 */
struct spki {
	X509_ALGOR *algorithm;
	ASN1_BIT_STRING *bits;
};

struct csr_info {
	ASN1_ENCODING enc; /* the bytes that are signed */
	ASN1_INTEGER *version;
	X509_NAME *subject;
	struct spki *key;
	STACK_OF(X509_ATTRIBUTE) * attributes;
};

struct csr {
	struct csr_info *info;
	X509_ALGOR *algorithm;
	ASN1_BIT_STRING *signature;
};

/* clang-format off */
ASN1_SEQUENCE(spki) = {
	ASN1_SIMPLE(struct spki, algorithm, X509_ALGOR),
	ASN1_SIMPLE(struct spki, bits, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END_name(struct spki, spki)

static const ASN1_AUX csr_info_aux = {
	.flags = ASN1_AFLG_ENCODING, .enc_offset = offsetof(struct csr_info, enc)};

ASN1_SEQUENCE(csr_info) = {
	ASN1_SIMPLE(struct csr_info, version, ASN1_INTEGER),
	ASN1_SIMPLE(struct csr_info, subject, X509_NAME),
	ASN1_SIMPLE(struct csr_info, key, spki),
	/* must be there, and are left out by some */
	ASN1_IMP_SET_OF_OPT(struct csr_info, attributes, X509_ATTRIBUTE, 0),
} static_ASN1_SEQUENCE_END_ref(struct csr_info, csr_info)

ASN1_SEQUENCE(csr) = {
	ASN1_SIMPLE(struct csr, info, csr_info),
	ASN1_SIMPLE(struct csr, algorithm, X509_ALGOR),
	ASN1_SIMPLE(struct csr, signature, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END_name(struct csr, csr)

static void csr_free(struct csr **csr)
{
	ASN1_item_free((ASN1_VALUE *)*csr, ASN1_ITEM_rptr(csr));
	*csr = NULL;
}
/* clang-format on */

static enum rc parse_der(struct slice der, struct csr **csr_r, struct err *err)
{
	AUTO(csr_free) struct csr *csr = NULL;
	const unsigned char *at = der.ptr;

	csr = (struct csr *)ASN1_item_d2i(NULL, &at, (long)der.len, ASN1_ITEM_rptr(csr));
	if (csr == NULL)
		return ossl_fault(err, RC_INVALID, "CSR: cannot be read");
	if (at != der.ptr + der.len)
		return err_set(err, RC_INVALID, "CSR: bytes follow it");
	*csr_r = csr;
	csr = NULL; /* moved to the caller */
	return RC_OK;
}

static enum rc parse_pem(struct slice pem, struct csr **csr_r, struct err *err)
{
	AUTO(ossl_bio_free) BIO *bio = ossl_bio_of(pem);
	AUTO(pki_pem_block_fini) struct pki_pem_block block = {.name = NULL};
	enum rc rc;

	if (bio == NULL)
		return ossl_fault(err, RC_NO_MEMORY, "CSR");
	rc = pki_pem_next(bio, &block, err);
	if (rc == RC_NOT_FOUND)
		return err_set(err, RC_INVALID, "CSR: neither DER nor PEM");
	if (rc != RC_OK)
		return err_context(err, "CSR");
	if (strcmp(block.name, PEM_STRING_X509_REQ) != 0 &&
		strcmp(block.name, PEM_STRING_X509_REQ_OLD) != 0)
		return err_set(err, RC_INVALID, "CSR: its PEM block is a %.64s; want %s", block.name,
			PEM_STRING_X509_REQ);
	return parse_der(slice_of(block.data, block.len), csr_r, err);
}

static enum rc read_key(const struct csr *csr, const struct pki_known_key *known,
	struct pki_csr *csr_r, struct err *err)
{
	unsigned char *der = NULL;
	int len = ASN1_item_i2d((const ASN1_VALUE *)csr->info->key, &der, ASN1_ITEM_rptr(spki));
	const unsigned char *at = der;

	if (len <= 0)
		return ossl_fault(err, RC_INTERNAL, "CSR: its key cannot be written");
	sha256(slice_of(der, (size_t)len), csr_r->key_sha256);
	if (known != NULL && memcmp(known->sha256, csr_r->key_sha256, SHA256_BYTES) == 0) {
		if (EVP_PKEY_up_ref(known->key) == 1)
			csr_r->key = known->key;
	} else {
		csr_r->key = d2i_PUBKEY(NULL, &at, len);
	}
	OPENSSL_free(der);
	return csr_r->key != NULL ? RC_OK : ossl_fault(err, RC_INVALID, "CSR: its key cannot be read");
}

/* The key is checked before it is used: that bounds what it costs. */
static enum rc take(struct csr *csr, const struct pki_known_key *known, struct pki_csr *csr_r,
	struct err *err)
{
	enum rc rc = read_key(csr, known, csr_r, err);

	if (rc == RC_OK)
		rc = pki_key_check(csr_r->key, "CSR", err);
	if (rc != RC_OK)
		return rc;
	if (ASN1_item_verify(ASN1_ITEM_rptr(csr_info), csr->algorithm, csr->signature, csr->info,
						csr_r->key) != 1)
		return ossl_fault(err, RC_INVALID, "CSR: not signed by the key it is for");
	csr_r->subject = csr->info->subject;
	csr_r->attributes = csr->info->attributes;
	csr->info->subject = NULL; /* both moved */
	csr->info->attributes = NULL;
	return RC_OK;
}

enum rc pki_csr_parse(struct slice csr, const struct pki_known_key *known, struct pki_csr *csr_r,
	struct err *err)
{
	AUTO(csr_free) struct csr *read = NULL;
	enum rc rc;

	*csr_r = (struct pki_csr){.key = NULL};
	if (csr.len == 0 || csr.len > CSR_BYTES_MAX)
		return err_set(err, csr.len == 0 ? RC_INVALID : RC_LIMIT, "CSR: %zu bytes, want 1 to %d", csr.len,
			CSR_BYTES_MAX);
	rc = csr.ptr[0] == DER_SEQUENCE ? parse_der(csr, &read, err) : parse_pem(csr, &read, err);
	if (rc != RC_OK || read == NULL)
		return rc;
	rc = take(read, known, csr_r, err);
	if (rc != RC_OK)
		pki_csr_fini(csr_r);
	return rc;
}

void pki_csr_fini(struct pki_csr *csr)
{
	X509_NAME_free(csr->subject);
	sk_X509_ATTRIBUTE_pop_free(csr->attributes, X509_ATTRIBUTE_free);
	EVP_PKEY_free(csr->key);
	*csr = (struct pki_csr){.key = NULL};
}
