/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "pomona/base/codec.h"

enum { PEM_LINE_BYTES = 48 }; /* 64 columns of base64 */

void pki_pem_block_fini(struct pki_pem_block *block)
{
	OPENSSL_free(block->name);
	OPENSSL_clear_free(block->data, block->len); /* it may be a key */
	*block = (struct pki_pem_block){.name = NULL};
}

enum rc pki_pem_next(BIO *bio, struct pki_pem_block *block_r, struct err *err)
{
	char *header = NULL;
	long len = 0;
	int is_read;

	*block_r = (struct pki_pem_block){.name = NULL};
	ERR_clear_error();
	is_read = PEM_read_bio(bio, &block_r->name, &header, &block_r->data, &len);
	OPENSSL_free(header);
	if (is_read == 1) {
		block_r->len = (size_t)len;
		return RC_OK;
	}
	if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
		ERR_clear_error();
		return RC_NOT_FOUND;
	}
	return ossl_fault(err, RC_INVALID, "a PEM block is broken");
}

static enum rc visit_block(const struct pki_pem_block *block,
	enum rc (*visit)(void *ctx, struct slice der, struct err *err), void *ctx, struct err *err)
{
	AUTO(ossl_cert_free) X509 *cert = NULL;
	struct slice der = slice_of(block->data, block->len);
	enum rc rc = pki_cert_parse(der, &cert, err);

	return rc != RC_OK ? rc : visit(ctx, der, err);
}

enum rc cert_pem_each(struct slice pem,
	enum rc (*visit)(void *ctx, struct slice der, struct err *err), void *ctx, struct err *err)
{
	AUTO(ossl_bio_free) BIO *bio = ossl_bio_of(pem);
	size_t count = 0;
	enum rc rc;

	if (bio == NULL)
		return ossl_fault(err, RC_NO_MEMORY, "PEM");
	for (;;) {
		AUTO(pki_pem_block_fini) struct pki_pem_block block;

		rc = pki_pem_next(bio, &block, err);
		if (rc != RC_OK)
			break;
		if (strcmp(block.name, PEM_STRING_X509) != 0)
			continue;
		count++;
		rc = visit_block(&block, visit, ctx, err);
		if (rc != RC_OK)
			return rc;
	}
	if (rc != RC_NOT_FOUND)
		return rc;
	return count > 0 ? RC_OK : err_set(err, RC_INVALID, "no CERTIFICATE block in it");
}

void cert_write_pem(struct slice der, struct buf *out)
{
	buf_append_str(out, "-----BEGIN CERTIFICATE-----\n");
	for (size_t at = 0; at < der.len; at += PEM_LINE_BYTES) {
		base64_encode(slice_sub(der, at, PEM_LINE_BYTES), out);
		buf_append_byte(out, '\n');
	}
	buf_append_str(out, "-----END CERTIFICATE-----\n");
}
