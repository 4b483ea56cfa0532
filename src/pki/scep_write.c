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

/* Tags of what a SignedData holds beside what is signed (RFC 5652 5.1). */
enum { BAG_CERTS = 0, BAG_CRLS = 1 };

/*
 * A SignedData without signers that holds a certificate or a CRL, put together from their bytes: OpenSSL would have
 * to read them first, the certificate's key too.
 */
static enum rc write_bag(struct slice inside, int tag, struct buf *out, struct err *err)
{
	static const uint8_t signed_oid[] = {6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2};
	/* version 1, no digest algorithms, a content of type data that is not there */
	static const uint8_t head[] = {2, 1, 1, 0x31, 0, 0x30, 11, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7,
		0x0d, 1, 7, 1};
	static const uint8_t no_signers[] = {0x31, 0};
	const int held = ASN1_object_size(1, (int)inside.len, tag);
	const int data = (int)sizeof(head) + held + (int)sizeof(no_signers);
	const int signed_data = ASN1_object_size(1, data, V_ASN1_SEQUENCE);
	const int content = (int)sizeof(signed_oid) + ASN1_object_size(1, signed_data, 0);
	const int whole = ASN1_object_size(1, content, V_ASN1_SEQUENCE);
	unsigned char *at = buf_reserve(out, (size_t)whole);

	if (at == NULL)
		return buf_status(out, "CertRep", err);
	out->len += (size_t)whole;
	ASN1_put_object(&at, 1, content, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
	memcpy(at, signed_oid, sizeof(signed_oid));
	at += sizeof(signed_oid);
	ASN1_put_object(&at, 1, signed_data, 0, V_ASN1_CONTEXT_SPECIFIC);
	ASN1_put_object(&at, 1, data, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
	memcpy(at, head, sizeof(head));
	at += sizeof(head);
	ASN1_put_object(&at, 1, (int)inside.len, tag, V_ASN1_CONTEXT_SPECIFIC);
	memcpy(at, inside.ptr, inside.len);
	memcpy(at + inside.len, no_signers, sizeof(no_signers));
	return RC_OK;
}

/* One SEQUENCE of definite length, and nothing behind it. */
static bool is_sequence(struct slice der)
{
	const unsigned char *at = der.ptr;
	long len;
	int tag;
	int class;

	return der.len <= INT_MAX / 2 &&
		ASN1_get_object(&at, &len, &tag, &class, (long)der.len) == V_ASN1_CONSTRUCTED &&
		tag == V_ASN1_SEQUENCE && class == V_ASN1_UNIVERSAL && at + len == der.ptr + der.len;
}

static enum rc write_held(const struct scep_request *request, const struct scep_writer *writer,
	struct slice held, int tag, struct buf *out, struct err *err)
{
	AUTO(buf_fini) struct buf bag;
	AUTO(buf_fini) struct buf envelope;
	struct reply reply = {.request = request, .writer = writer, .fail = SCEP_FAIL_NONE};
	enum rc rc;

	buf_init(&bag, out->bound);
	buf_init(&envelope, out->bound);
	if (!is_sequence(held))
		return ossl_fault(err, RC_INVALID, "CertRep: what it is to hold is not in DER");
	rc = write_bag(held, tag, &bag, err);
	if (rc == RC_OK)
		rc = pki_envelope_write(request->signer, request->cipher, buf_slice(&bag), &envelope, err);
	if (rc != RC_OK)
		return rc;
	reply.envelope = buf_slice(&envelope);
	return write_reply(&reply, out, err);
}

enum rc scep_write_cert(const struct scep_request *request, const struct scep_writer *writer,
	struct slice cert_der, struct buf *out, struct err *err)
{
	return write_held(request, writer, cert_der, BAG_CERTS, out, err);
}

enum rc scep_write_crl(const struct scep_request *request, const struct scep_writer *writer,
	struct slice crl_der, struct buf *out, struct err *err)
{
	return write_held(request, writer, crl_der, BAG_CRLS, out, err);
}

enum rc scep_write_failure(const struct scep_request *request, const struct scep_writer *writer,
	enum scep_fail fail, const char *text, struct buf *out, struct err *err)
{
	const struct reply reply = {.request = request, .writer = writer, .fail = fail, .fail_text = text};

	if ((unsigned)fail >= SCEP_FAIL_COUNT)
		return err_set(err, RC_INTERNAL, "no such failInfo: %d", (int)fail);
	return write_reply(&reply, out, err);
}
