/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

enum { DER_SEQUENCE = 0x30 };

static enum rc parse_der(struct slice der, X509_REQ **request_r, struct err *err)
{
	AUTO(ossl_request_free) X509_REQ *request = NULL;
	const unsigned char *at = der.ptr;

	request = d2i_X509_REQ(NULL, &at, (long)der.len);
	if (request == NULL)
		return ossl_fault(err, RC_INVALID, "CSR: cannot be read");
	if (at != der.ptr + der.len)
		return err_set(err, RC_INVALID, "CSR: bytes follow it");
	*request_r = request;
	request = NULL; /* moved to the caller */
	return RC_OK;
}

static enum rc parse_pem(struct slice pem, X509_REQ **request_r, struct err *err)
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
	return parse_der(slice_of(block.data, block.len), request_r, err);
}

static enum rc check(X509_REQ *request, struct err *err)
{
	EVP_PKEY *key = X509_REQ_get0_pubkey(request);
	enum rc rc;

	if (key == NULL)
		return ossl_fault(err, RC_INVALID, "CSR: its key cannot be read");
	rc = pki_key_check(key, "CSR", err); /* before it is used: it bounds what that costs */
	if (rc != RC_OK)
		return rc;
	if (X509_REQ_verify(request, key) != 1)
		return ossl_fault(err, RC_INVALID, "CSR: not signed by the key it is for");
	return RC_OK;
}

enum rc pki_csr_parse(struct slice csr, X509_REQ **request_r, struct err *err)
{
	AUTO(ossl_request_free) X509_REQ *request = NULL;
	enum rc rc;

	*request_r = NULL;
	if (csr.len == 0 || csr.len > CSR_BYTES_MAX)
		return err_set(err, csr.len == 0 ? RC_INVALID : RC_LIMIT, "CSR: %zu bytes, want 1 to %d", csr.len,
			CSR_BYTES_MAX);
	rc = csr.ptr[0] == DER_SEQUENCE ? parse_der(csr, &request, err) : parse_pem(csr, &request, err);
	if (rc == RC_OK)
		rc = check(request, err);
	if (rc != RC_OK)
		return rc;
	*request_r = request;
	request = NULL; /* moved to the caller */
	return RC_OK;
}
