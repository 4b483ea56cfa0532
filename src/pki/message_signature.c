/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/pki/message_signature.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <time.h>

#include "pomona/base/codec.h"
#include "signed.h"

struct message_signature {
	struct pki_signed message;
	struct buf ders[CERT_CHAIN_MAX];
	size_t count;
};

static enum rc keep_cert(struct message_signature *signature, X509 *cert, struct err *err)
{
	struct buf *der = &signature->ders[signature->count];
	unsigned char *bytes = NULL;
	int len = i2d_X509(cert, &bytes);

	if (len <= 0)
		return ossl_fault(err, RC_INVALID, "a certificate in it cannot be written");
	signature->count++;
	buf_init(der, (size_t)len);
	buf_append(der, slice_of(bytes, (size_t)len));
	OPENSSL_free(bytes);
	return buf_status(der, "certificate", err);
}

static enum rc keep_certs(struct message_signature *signature, struct err *err)
{
	const struct pki_signed *message = &signature->message;
	enum rc rc = keep_cert(signature, message->signer, err);

	for (int i = 0; rc == RC_OK && i < sk_X509_num(message->certs); i++)
		if (sk_X509_value(message->certs, i) != message->signer)
			rc = keep_cert(signature, sk_X509_value(message->certs, i), err);
	return rc;
}

static enum rc fill(struct message_signature *signature, struct slice base64, struct err *err)
{
	AUTO(buf_fini) struct buf bytes;
	enum rc rc;

	buf_init(&bytes, MESSAGE_SIGNATURE_BYTES_MAX);
	rc = base64_parse(base64, &bytes, err);
	if (rc == RC_OK)
		rc = pki_signed_parse(buf_slice(&bytes), PKI_CONTENT_APART, &signature->message, err);
	if (rc == RC_OK && !pki_signed_is_digest_taken(&signature->message))
		rc = err_set(err, RC_INVALID, "its digest is not SHA-1, SHA-256, SHA-384 or SHA-512");
	return rc == RC_OK ? keep_certs(signature, err) : rc;
}

enum rc message_signature_parse(struct slice base64, struct message_signature **signature_r,
	struct err *err)
{
	struct message_signature *signature = calloc(1, sizeof(*signature));
	enum rc rc;

	*signature_r = NULL;
	if (signature == NULL)
		return err_set(err, RC_NO_MEMORY, "signature");
	rc = fill(signature, base64, err);
	if (rc == RC_OK)
		*signature_r = signature;
	else
		message_signature_free(&signature);
	return rc;
}

size_t message_signature_chain(const struct message_signature *signature,
	struct slice chain[static CERT_CHAIN_MAX])
{
	for (size_t i = 0; i < signature->count; i++)
		chain[i] = buf_slice(&signature->ders[i]);
	return signature->count;
}

int64_t message_signature_time(const struct message_signature *signature)
{
	static const int types[] = {V_ASN1_UTCTIME, V_ASN1_GENERALIZEDTIME};
	struct tm tm;

	for (size_t i = 0; i < COUNT_OF(types); i++) {
		/* -3: it stands there once, with one value */
		const ASN1_TIME *time = CMS_signed_get0_data_by_OBJ(signature->message.info,
			OBJ_nid2obj(NID_pkcs9_signingTime), -3, types[i]);

		ERR_clear_error();
		if (time != NULL && ASN1_TIME_to_tm(time, &tm) == 1)
			return (int64_t)timegm(&tm);
	}
	ERR_clear_error();
	return MESSAGE_SIGNATURE_NO_TIME;
}

enum rc message_signature_verify(const struct message_signature *signature, struct slice body,
	struct err *err)
{
	enum rc rc = pki_signed_verify(&signature->message, body, err);

	if (rc == RC_UNSUPPORTED)
		return err_set(err, RC_DENIED, "its key is not taken");
	return rc == RC_DENIED ? err_set(err, rc, "it is not the signature of this body") : rc;
}

void message_signature_free(struct message_signature **signature)
{
	if (*signature == NULL)
		return;
	for (size_t i = 0; i < (*signature)->count; i++)
		buf_fini(&(*signature)->ders[i]);
	pki_signed_fini(&(*signature)->message);
	free(*signature);
	*signature = NULL;
}
