/* SPDX-License-Identifier: Apache-2.0 */
#include "scep.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "envelope.h"
#include "signed.h"

/* Indexed by enum scep_attribute; RFC 8894 3.2.1 and RFC 8894 3.2.1.4. */
static const char *const oid_texts[SCEP_ATTR_COUNT] = {
	[SCEP_ATTR_MESSAGE_TYPE] = "2.16.840.1.113733.1.9.2",
	[SCEP_ATTR_PKI_STATUS] = "2.16.840.1.113733.1.9.3",
	[SCEP_ATTR_FAIL_INFO] = "2.16.840.1.113733.1.9.4",
	[SCEP_ATTR_SENDER_NONCE] = "2.16.840.1.113733.1.9.5",
	[SCEP_ATTR_RECIPIENT_NONCE] = "2.16.840.1.113733.1.9.6",
	[SCEP_ATTR_TRANSACTION_ID] = "2.16.840.1.113733.1.9.7",
	[SCEP_ATTR_FAIL_INFO_TEXT] = "1.3.6.1.5.5.7.24.1",
};

static pthread_mutex_t oids_lock = PTHREAD_MUTEX_INITIALIZER;
static ASN1_OBJECT
	*oids[SCEP_ATTR_COUNT]; /* never freed; what memory was short for is made the next time */

const ASN1_OBJECT *scep_attribute_oid(enum scep_attribute attribute)
{
	const ASN1_OBJECT *oid;

	(void)pthread_mutex_lock(&oids_lock);
	if (oids[attribute] == NULL)
		oids[attribute] = OBJ_txt2obj(oid_texts[attribute], 1);
	oid = oids[attribute];
	(void)pthread_mutex_unlock(&oids_lock);
	if (oid == NULL)
		ERR_clear_error();
	return oid;
}

static enum rc read_csr(struct scep_request *request, struct slice content, struct err *err);
static enum rc read_issuer_and_serial(struct scep_request *request, struct slice content,
	struct err *err);
static enum rc read_issuer_and_subject(struct scep_request *request, struct slice content,
	struct err *err);

/* Indexed by enum scep_kind. */
static const struct kind {
	const char *wire; /* messageType */
	const char *name;
	enum rc (*read)(struct scep_request *request, struct slice content, struct err *err);
} kinds[SCEP_KIND_COUNT] = {
	[SCEP_PKCS_REQ] = {"19", "PKCSReq", read_csr},
	[SCEP_RENEWAL_REQ] = {"17", "RenewalReq", read_csr},
	[SCEP_UPDATE_REQ] = {"18", "UpdateReq", read_csr},
	[SCEP_CERT_POLL] = {"20", "CertPoll", read_issuer_and_subject},
	[SCEP_GET_CERT] = {"21", "GetCert", read_issuer_and_serial},
	[SCEP_GET_CRL] = {"22", "GetCRL", read_issuer_and_serial},
};

static const char *const fail_names[SCEP_FAIL_COUNT] = {
	[SCEP_BAD_ALG] = "badAlg",
	[SCEP_BAD_MESSAGE_CHECK] = "badMessageCheck",
	[SCEP_BAD_REQUEST] = "badRequest",
	[SCEP_BAD_TIME] = "badTime",
	[SCEP_BAD_CERT_ID] = "badCertId",
};

const char *scep_kind_name(enum scep_kind kind)
{
	return (unsigned)kind < SCEP_KIND_COUNT ? kinds[kind].name : "unknown";
}

const char *scep_fail_name(enum scep_fail fail)
{
	return (unsigned)fail < SCEP_FAIL_COUNT ? fail_names[fail] : "none";
}

const struct scep_facts *scep_request_facts(const struct scep_request *request)
{
	return &request->facts;
}

enum rc scep_issue(const struct scep_request *request, const struct authority *ca,
	const struct issue_params *params, struct buf *cert_der, struct cert_facts *facts_r,
	struct err *err)
{
	enum rc rc = request->csr.key == NULL
		? err_set(err, RC_INTERNAL, "SCEP: the request has no CSR")
		: pki_authority_issue(ca, &request->csr, params, cert_der, facts_r, err);

	ERR_clear_error();
	return rc;
}

void scep_request_free(struct scep_request **request)
{
	if (*request == NULL)
		return;
	X509_free((*request)->signer);
	pki_csr_fini(&(*request)->csr);
	buf_fini(&(*request)->signer_der);
	buf_fini_secret(&(*request)->csr_der);
	buf_fini_secret(&(*request)->challenge);
	free(*request);
	*request = NULL;
}

/* The challengePassword of a CSR, in whatever type of string it comes. */
static enum rc read_challenge(struct scep_request *request, const STACK_OF(X509_ATTRIBUTE) * all,
	struct err *err)
{
	int at = X509at_get_attr_by_NID(all, NID_pkcs9_challengePassword, -1);
	X509_ATTRIBUTE *attribute = at < 0 ? NULL : X509at_get_attr(all, at);
	const ASN1_TYPE *value = attribute == NULL ? NULL : X509_ATTRIBUTE_get0_type(attribute, 0);
	unsigned char *text = NULL;
	int len;

	if (attribute == NULL)
		return RC_OK;
	if (value == NULL || X509_ATTRIBUTE_count(attribute) != 1 ||
		X509at_get_attr_by_NID(all, NID_pkcs9_challengePassword, at) >= 0 ||
		(ASN1_tag2bit(value->type) & (unsigned long)(B_ASN1_DIRECTORYSTRING)) == 0)
		return err_set(err, RC_INVALID, "CSR: challengePassword is not one text");
	len = ASN1_STRING_to_UTF8(&text, value->value.asn1_string);
	if (len < 0)
		return ossl_fault(err, RC_INVALID, "CSR: challengePassword cannot be read");
	if (len <= SCEP_CHALLENGE_BYTES_MAX && buf_reserve(&request->challenge, (size_t)len + 1) != NULL)
		buf_append(&request->challenge, slice_of(text, (size_t)len));
	OPENSSL_cleanse(text, (size_t)len);
	OPENSSL_free(text);
	if (len > SCEP_CHALLENGE_BYTES_MAX)
		return err_set(err, RC_LIMIT, "CSR: challengePassword has %d bytes, want at most %d", len,
			SCEP_CHALLENGE_BYTES_MAX);
	request->facts.challenge = buf_slice(&request->challenge);
	return buf_status(&request->challenge, "CSR", err);
}

static enum rc read_csr(struct scep_request *request, struct slice content, struct err *err)
{
	/* Most sign their first request with the key that it is about. */
	const struct pki_known_key signer_key = {.key = X509_get0_pubkey(request->signer),
		.sha256 = request->facts.key_sha256};
	enum rc rc;

	/* DER alone, so that whoever is asked about it reads what we read. */
	if (content.len == 0 || content.ptr[0] != DER_SEQUENCE)
		return err_set(err, RC_INVALID, "CSR: is no DER");
	rc = pki_csr_parse(content, &signer_key, &request->csr, err);

	if (rc == RC_OK)
		rc = read_challenge(request, request->csr.attributes, err);
	if (rc == RC_OK && !pki_name_print(request->csr.subject, request->facts.subject))
		rc = ossl_fault(err, RC_INVALID, "CSR: its subject cannot be read");
	if (rc != RC_OK)
		return rc;
	request->facts.is_signed_by_own_key =
		memcmp(request->csr.key_sha256, request->facts.key_sha256, SHA256_BYTES) == 0;
	memcpy(request->facts.key_sha256, request->csr.key_sha256, SHA256_BYTES);
	if (buf_reserve(&request->csr_der, content.len) != NULL)
		buf_append(&request->csr_der, content);
	request->facts.csr_der = buf_slice(&request->csr_der);
	return buf_status(&request->csr_der, "CSR", err);
}

static void issuer_and_serial_free(PKCS7_ISSUER_AND_SERIAL **which)
{
	PKCS7_ISSUER_AND_SERIAL_free(*which);
	*which = NULL;
}

static enum rc read_issuer_and_serial(struct scep_request *request, struct slice content,
	struct err *err)
{
	const unsigned char *at = content.ptr;
	AUTO(issuer_and_serial_free)
	PKCS7_ISSUER_AND_SERIAL *which = d2i_PKCS7_ISSUER_AND_SERIAL(NULL, &at, (long)content.len);

	if (which == NULL || at != content.ptr + content.len)
		return ossl_fault(err, RC_INVALID, "want an IssuerAndSerialNumber");
	if (!pki_name_print(which->issuer, request->facts.issuer))
		return ossl_fault(err, RC_INVALID, "the issuer's name cannot be read");
	pki_serial_print(which->serial, request->facts.serial);
	return RC_OK;
}

/* Both names must be there. What is polled for is found by its transaction. */
static enum rc read_issuer_and_subject(struct scep_request *request, struct slice content,
	struct err *err)
{
	const unsigned char *at = content.ptr;
	const unsigned char *end;
	long len;
	int tag;
	int class;
	bool is_read;

	if (ASN1_get_object(&at, &len, &tag, &class, (long)content.len) != V_ASN1_CONSTRUCTED ||
		tag != V_ASN1_SEQUENCE)
		return ossl_fault(err, RC_INVALID, "want an IssuerAndSubject");
	end = at + len;
	is_read = end == content.ptr + content.len;
	for (size_t i = 0; is_read && i < 2; i++) {
		AUTO(ossl_name_free) X509_NAME *name = d2i_X509_NAME(NULL, &at, end - at);

		is_read = name != NULL && (i > 0 || pki_name_print(name, request->facts.issuer));
	}
	if (!is_read || at != end)
		return ossl_fault(err, RC_INVALID, "want an IssuerAndSubject");
	return RC_OK;
}

static bool is_printable(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] < ' ' || text.ptr[i] > '~')
			return false;
	return true;
}

/* Text attributes are PrintableStrings; that some clients write others hurts nobody. */
static enum rc text_attribute(const struct pki_signed *message, enum scep_attribute which,
	const char *name, struct slice *text_r, struct err *err)
{
	const ASN1_OBJECT *oid = scep_attribute_oid(which);

	if (oid == NULL)
		return err_set(err, RC_NO_MEMORY, "SCEP");
	if (pki_signed_attribute(message, oid,
						B_ASN1_PRINTABLESTRING | B_ASN1_UTF8STRING | B_ASN1_IA5STRING | B_ASN1_T61STRING,
						text_r) != RC_OK ||
		text_r->len == 0 || !is_printable(*text_r))
		return err_set(err, RC_INVALID, "the signed attribute %s is missing, or not one printable text",
			name);
	return RC_OK;
}

static enum rc read_transaction(struct scep_request *request, const struct pki_signed *message,
	struct err *err)
{
	struct slice id = slice_of(NULL, 0);
	enum rc rc = text_attribute(message, SCEP_ATTR_TRANSACTION_ID, "transactionID", &id, err);

	if (rc != RC_OK)
		return rc;
	if (id.len > SCEP_TRANSACTION_ID_BYTES_MAX)
		return err_set(err, RC_INVALID, "transactionID has %zu bytes, want at most %d", id.len,
			SCEP_TRANSACTION_ID_BYTES_MAX);
	memcpy(request->facts.transaction_id, id.ptr, id.len);
	request->facts.transaction_id[id.len] = '\0';
	return RC_OK;
}

static enum rc read_nonce(struct scep_request *request, const struct pki_signed *message,
	struct err *err)
{
	const ASN1_OBJECT *oid = scep_attribute_oid(SCEP_ATTR_SENDER_NONCE);
	struct slice nonce = slice_of(NULL, 0);

	if (oid == NULL)
		return err_set(err, RC_NO_MEMORY, "SCEP");
	if (pki_signed_attribute(message, oid, B_ASN1_OCTET_STRING, &nonce) != RC_OK ||
		nonce.len < SCEP_NONCE_BYTES_MIN || nonce.len > SCEP_NONCE_BYTES_MAX)
		return err_set(err, RC_INVALID,
			"the signed attribute senderNonce is missing, or not of %d to %d bytes", SCEP_NONCE_BYTES_MIN,
			SCEP_NONCE_BYTES_MAX);
	memcpy(request->sender_nonce, nonce.ptr, nonce.len);
	request->sender_nonce_bytes = nonce.len;
	return RC_OK;
}

static enum rc read_kind(struct scep_request *request, const struct pki_signed *message,
	struct err *err)
{
	struct slice wire = slice_of(NULL, 0);
	enum rc rc = text_attribute(message, SCEP_ATTR_MESSAGE_TYPE, "messageType", &wire, err);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < SCEP_KIND_COUNT; i++)
		if (slice_is_str(wire, kinds[i].wire)) {
			request->facts.kind = (enum scep_kind)i;
			return RC_OK;
		}
	return err_set(err, RC_INVALID, "messageType %.*s is not one that a client sends",
		slice_fmt_len(slice_sub(wire, 0, 8)), (const char *)wire.ptr);
}

static enum rc read_signer(struct scep_request *request, const struct pki_signed *message,
	struct err *err)
{
	enum rc rc;

	if (X509_up_ref(message->signer) != 1)
		return ossl_fault(err, RC_NO_MEMORY, "SCEP");
	request->signer = message->signer;
	rc = pki_cert_write(request->signer, &request->signer_der, err);
	request->facts.signer_der = buf_slice(&request->signer_der);
	if (rc == RC_OK)
		rc = pki_cert_facts(request->signer, request->facts.signer_der, &request->facts.signer, err);
	return rc == RC_OK ? RC_OK : err_context(err, "the signer's certificate");
}

static enum scep_fail fail_of(enum rc rc)
{
	switch (rc) {
	case RC_OK:
		return SCEP_FAIL_NONE;
	case RC_UNSUPPORTED:
		return SCEP_BAD_ALG;
	case RC_DENIED:
		return SCEP_BAD_MESSAGE_CHECK;
	default:
		return SCEP_BAD_REQUEST;
	}
}

/* All that is told by what is signed. A key is looked at before it is used: that bounds what it costs. */
static enum rc read_outside(struct scep_request *request, const struct pki_signed *message,
	struct err *err)
{
	EVP_PKEY *key = X509_get0_pubkey(request->signer);
	enum rc rc;

	if (key == NULL || !pki_key_is_rsa(key) || pki_key_check(key, "signer", err) != RC_OK)
		return err_set(err, RC_UNSUPPORTED, "the signer's key is not taken: want RSA of %d to %d bits",
			AUTHORITY_RSA_BITS_MIN, AUTHORITY_RSA_BITS_MAX);
	rc = pki_signed_verify(message, pki_signed_content(message), err);
	if (rc == RC_OK)
		rc = pki_key_digest(X509_get_X509_PUBKEY(request->signer), request->facts.key_sha256, err);
	if (rc == RC_OK)
		rc = read_kind(request, message, err);
	return rc == RC_OK ? read_nonce(request, message, err) : rc;
}

static enum rc read_inside(struct scep_request *request, const struct authority *ca,
	struct slice envelope, struct err *err)
{
	AUTO(buf_fini_secret) struct buf content;
	enum rc rc;

	buf_init(&content, SCEP_MESSAGE_BYTES_MAX);
	if (buf_reserve(&content, envelope.len) == NULL)
		return buf_status(&content, "SCEP", err);
	rc = pki_envelope_open(ca, envelope, &content, &request->cipher, err);
	return rc != RC_OK ? rc : kinds[request->facts.kind].read(request, buf_slice(&content), err);
}

static struct scep_request *request_new(void)
{
	struct scep_request *request = calloc(1, sizeof(*request));

	if (request == NULL)
		return NULL;
	buf_init(&request->signer_der, CERT_DER_BYTES_MAX);
	buf_init(&request->csr_der, CSR_BYTES_MAX);
	buf_init(&request->challenge, SCEP_CHALLENGE_BYTES_MAX + 1);
	request->digest = NID_sha256;
	request->cipher = NID_aes_128_cbc;
	return request;
}

/* A reply can be given once it is known to whom and about what. */
static enum rc read_addressee(struct scep_request *request, const struct pki_signed *message,
	struct err *err)
{
	enum rc rc = read_signer(request, message, err);

	if (rc == RC_OK)
		rc = read_transaction(request, message, err);
	if (rc == RC_OK && (message->digest == NID_sha384 || message->digest == NID_sha512))
		request->digest = message->digest;
	return rc;
}

enum rc scep_read(const struct authority *ca, struct slice message, struct scep_request **request_r,
	enum scep_fail *fail_r, struct err *err)
{
	AUTO(scep_request_free) struct scep_request *request = NULL;
	AUTO(pki_signed_fini) struct pki_signed outside = {.cms = NULL};
	enum rc rc;

	*request_r = NULL;
	*fail_r = SCEP_FAIL_NONE;
	if (!pki_key_is_rsa(pki_authority_key(ca)))
		return err_set(err, RC_UNSUPPORTED, "SCEP needs a device CA with an RSA key");
	if (message.len > SCEP_MESSAGE_BYTES_MAX)
		return err_set(err, RC_LIMIT, "pkiMessage: %zu bytes, want at most %d", message.len,
			SCEP_MESSAGE_BYTES_MAX);
	request = request_new();
	if (request == NULL)
		return err_set(err, RC_NO_MEMORY, "SCEP");
	rc = pki_signed_parse(message, PKI_CONTENT_INSIDE, &outside, err);
	if (rc == RC_OK)
		rc = read_addressee(request, &outside, err);
	ERR_clear_error();
	if (rc != RC_OK)
		return rc;
	rc = read_outside(request, &outside, err);
	if (rc == RC_OK)
		rc = read_inside(request, ca, pki_signed_content(&outside), err);
	ERR_clear_error();
	if (rc == RC_NO_MEMORY || rc == RC_INTERNAL)
		return rc;
	*fail_r = fail_of(rc);
	*request_r = request;
	request = NULL; /* moved to the caller */
	return RC_OK;
}
