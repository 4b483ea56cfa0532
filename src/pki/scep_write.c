/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/cms.h>
#include <openssl/err.h>
#include <string.h>

#include "envelope.h"
#include "pomona/base/rand.h"
#include "scep.h"
#include "signed.h"

enum { NONCE_BYTES = 16, TIME_TEXT_BYTES = 16 };

struct reply {
	const struct scep_request *request;
	const struct scep_writer *writer;
	enum scep_fail fail;
	const char *fail_text; /* of a failure */
	struct slice envelope; /* of a success */
};

static bool add_attribute(CMS_SignerInfo *info, enum scep_attribute which, int type,
	struct slice value)
{
	const ASN1_OBJECT *oid = scep_attribute_oid(which);

	return oid != NULL && CMS_signed_add1_attr_by_OBJ(info, oid, type, value.ptr, (int)value.len) == 1;
}

static bool add_text(CMS_SignerInfo *info, enum scep_attribute which, const char *text)
{
	return add_attribute(info, which, V_ASN1_PRINTABLESTRING, slice_of_str(text));
}

static bool add_failure(CMS_SignerInfo *info, const struct reply *reply)
{
	const char code[] = {(char)('0' + (int)reply->fail), '\0'};
	struct slice text = slice_sub(slice_of_str(reply->fail_text), 0, SCEP_FAIL_TEXT_BYTES_MAX);

	return add_text(info, SCEP_ATTR_PKI_STATUS, "2") && add_text(info, SCEP_ATTR_FAIL_INFO, code) &&
		(text.len == 0 || add_attribute(info, SCEP_ATTR_FAIL_INFO_TEXT, V_ASN1_UTF8STRING, text));
}

static bool add_attributes(CMS_SignerInfo *info, const struct reply *reply)
{
	const struct scep_request *request = reply->request;
	uint8_t nonce[NONCE_BYTES];

	rand_bytes(nonce, sizeof(nonce));
	if (!pki_signed_add_time(info, reply->writer->now_unix_s) ||
		!add_text(info, SCEP_ATTR_MESSAGE_TYPE, "3") ||
		!add_text(info, SCEP_ATTR_TRANSACTION_ID, request->facts.transaction_id) ||
		!add_attribute(info, SCEP_ATTR_SENDER_NONCE, V_ASN1_OCTET_STRING, slice_of(nonce, sizeof(nonce))))
		return false;
	/* A request that failed may have had none. */
	if (request->sender_nonce_bytes != 0 &&
		!add_attribute(info, SCEP_ATTR_RECIPIENT_NONCE, V_ASN1_OCTET_STRING,
			slice_of(request->sender_nonce, request->sender_nonce_bytes)))
		return false;
	return reply->fail == SCEP_FAIL_NONE ? add_text(info, SCEP_ATTR_PKI_STATUS, "0")
																																						: add_failure(info, reply);
}

static enum rc write_cms(CMS_ContentInfo *cms, struct buf *out, struct err *err)
{
	unsigned char *der = NULL;
	int len = i2d_CMS_ContentInfo(cms, &der);

	if (len <= 0)
		return ossl_fault(err, RC_INTERNAL, "CertRep: cannot be written");
	ERR_clear_error(); /* not all that went wrong on the way was needed */
	buf_append(out, slice_of(der, (size_t)len));
	OPENSSL_free(der);
	return buf_status(out, "CertRep", err);
}

/* A failure has no content at all (RFC 8894 3.3.2.2), which is what "detached" leaves. */
static enum rc write_reply(const struct reply *reply, struct buf *out, struct err *err)
{
	const unsigned flags =
		CMS_BINARY | CMS_PARTIAL | (reply->fail == SCEP_FAIL_NONE ? 0 : (unsigned)CMS_DETACHED);
	AUTO(ossl_bio_free) BIO *content = ossl_bio_of(reply->envelope);
	AUTO(ossl_cms_free)
	CMS_ContentInfo *cms = content == NULL ? NULL : CMS_sign(NULL, NULL, NULL, content, flags);
	CMS_SignerInfo *info = cms == NULL
		? NULL
		: CMS_add1_signer(cms, pki_authority_cert(reply->writer->ca),
					pki_authority_key(reply->writer->ca), EVP_get_digestbynid(reply->request->digest),
					CMS_BINARY | CMS_PARTIAL | CMS_NOSMIMECAP);

	if (info == NULL || !add_attributes(info, reply) || CMS_final(cms, content, NULL, flags) != 1)
		return ossl_fault(err, RC_INTERNAL, "CertRep: cannot be made");
	return write_cms(cms, out, err);
}

/* A SignedData without signers that holds a certificate or a CRL. */
static PKCS7 *bag_new(void)
{
	PKCS7 *bag = PKCS7_new();

	if (bag == NULL || PKCS7_set_type(bag, NID_pkcs7_signed) != 1 ||
		PKCS7_content_new(bag, NID_pkcs7_data) != 1 || PKCS7_set_detached(bag, 1) != 1)
		ossl_pkcs7_free(&bag);
	return bag;
}

static enum rc write_bag(const struct scep_request *request, const struct scep_writer *writer,
	PKCS7 *bag, struct buf *out, struct err *err)
{
	AUTO(buf_fini) struct buf envelope;
	struct reply reply = {.request = request, .writer = writer, .fail = SCEP_FAIL_NONE};
	unsigned char *der = NULL;
	int len = i2d_PKCS7(bag, &der);
	enum rc rc;

	buf_init(&envelope, out->bound);
	if (len <= 0)
		return ossl_fault(err, RC_INTERNAL, "CertRep: cannot be made");
	rc =
		pki_envelope_write(request->signer, request->cipher, slice_of(der, (size_t)len), &envelope, err);
	OPENSSL_free(der);
	if (rc != RC_OK)
		return rc;
	reply.envelope = buf_slice(&envelope);
	return write_reply(&reply, out, err);
}

enum rc scep_write_cert(const struct scep_request *request, const struct scep_writer *writer,
	struct slice cert_der, struct buf *out, struct err *err)
{
	AUTO(ossl_cert_free) X509 *cert = NULL;
	AUTO(ossl_pkcs7_free) PKCS7 *bag = bag_new();
	enum rc rc = pki_cert_parse(cert_der, &cert, err);

	if (rc != RC_OK)
		return rc;
	if (bag == NULL || PKCS7_add_certificate(bag, cert) != 1)
		return ossl_fault(err, RC_NO_MEMORY, "CertRep");
	return write_bag(request, writer, bag, out, err);
}

enum rc scep_write_crl(const struct scep_request *request, const struct scep_writer *writer,
	struct slice crl_der, struct buf *out, struct err *err)
{
	const unsigned char *at = crl_der.ptr;
	AUTO(ossl_crl_free) X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)crl_der.len);
	AUTO(ossl_pkcs7_free) PKCS7 *bag = bag_new();

	if (crl == NULL)
		return ossl_fault(err, RC_INVALID, "CRL: cannot be read");
	if (bag == NULL || PKCS7_add_crl(bag, crl) != 1)
		return ossl_fault(err, RC_NO_MEMORY, "CertRep");
	return write_bag(request, writer, bag, out, err);
}

enum rc scep_write_failure(const struct scep_request *request, const struct scep_writer *writer,
	enum scep_fail fail, const char *text, struct buf *out, struct err *err)
{
	const struct reply reply = {.request = request, .writer = writer, .fail = fail, .fail_text = text};

	if ((unsigned)fail >= SCEP_FAIL_COUNT)
		return err_set(err, RC_INTERNAL, "no such failInfo: %d", (int)fail);
	return write_reply(&reply, out, err);
}
