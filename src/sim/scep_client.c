/* SPDX-License-Identifier: Apache-2.0 */
#include "scep_client.h"

#include <limits.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/base/rand.h"

enum { OWN_CERT_VALID_S = 86400, BACKDATE_S = 600, FIELD_BYTES = 64, VALUE_BYTES_MAX = 1024 };

#define SCEP_OID "2.16.840.1.113733.1.9."
#define OID_MESSAGE_TYPE SCEP_OID "2"
#define OID_PKI_STATUS SCEP_OID "3"
#define OID_FAIL_INFO SCEP_OID "4"
#define OID_SENDER_NONCE SCEP_OID "5"
#define OID_RECIPIENT_NONCE SCEP_OID "6"
#define OID_TRANSACTION_ID SCEP_OID "7"
#define OID_FAIL_INFO_TEXT "1.3.6.1.5.5.7.24.1"

struct scep_client {
	X509 *ca;
	EVP_PKEY *key; /* of the certificate that is wanted */
	X509 *signer;  /* of the request, and whom the answer is encrypted to */
	EVP_PKEY *signer_key;
	bool is_renewal;
	char transaction[SCEP_CLIENT_TRANSACTION_BYTES];
	uint8_t nonce[SCEP_CLIENT_NONCE_BYTES];
	struct buf message;
};

/* --- OpenSSL in our manners */

static void bio_free(BIO **bio)
{
	BIO_free(*bio);
}

static void cms_free(CMS_ContentInfo **cms)
{
	CMS_ContentInfo_free(*cms);
}

static void pkcs7_free(PKCS7 **pkcs7)
{
	PKCS7_free(*pkcs7);
}

static void request_free(X509_REQ **request)
{
	X509_REQ_free(*request);
}

static void name_free(X509_NAME **name)
{
	X509_NAME_free(*name);
}

/* The certificates are others'. */
static void certs_free(STACK_OF(X509) * *certs)
{
	sk_X509_free(*certs);
}

static void object_free(ASN1_OBJECT **object)
{
	ASN1_OBJECT_free(*object);
}

static enum rc fault(struct err *err, enum rc rc, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return err_set(err, rc, "SCEP: %s%s%s", what, reason == NULL ? "" : ": ",
		reason == NULL ? "" : reason);
}

static BIO *bio_of(struct slice bytes)
{
	return bytes.len > INT_MAX ? NULL : BIO_new_mem_buf(bytes.ptr, (int)bytes.len);
}

static struct slice bio_bytes(BIO *bio)
{
	char *bytes = NULL;
	long len = BIO_get_mem_data(bio, &bytes);

	return slice_of(bytes, len < 0 ? 0 : (size_t)len);
}

static EVP_PKEY *read_key(struct slice pem)
{
	AUTO(bio_free) BIO *bio = bio_of(pem);

	return bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
}

static X509 *read_cert(struct slice pem)
{
	AUTO(bio_free) BIO *bio = bio_of(pem);

	return bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
}

static enum rc append_cms(CMS_ContentInfo *cms, struct buf *out, struct err *err)
{
	unsigned char *der = NULL;
	int len = i2d_CMS_ContentInfo(cms, &der);

	if (len <= 0)
		return fault(err, RC_INTERNAL, "a message cannot be written");
	buf_append(out, slice_of(der, (size_t)len));
	OPENSSL_free(der);
	return buf_status(out, "SCEP message", err);
}

/* --- what the CA can */

struct scep_caps scep_caps_parse(struct slice text)
{
	struct scep_caps caps = {.has_post = false};
	const struct {
		const char *word;
		bool *facts[4];
	} words[] = {
		{"POSTPKIOperation", {&caps.has_post}},
		{"SHA-1", {&caps.has_sha1}},
		{"SHA-256", {&caps.has_sha2}},
		{"SHA-512", {&caps.has_sha2}},
		{"DES3", {&caps.has_des3}},
		{"AES", {&caps.has_aes}},
		{"Renewal", {&caps.has_renewal}},
		{"SCEPStandard", {&caps.has_post, &caps.has_sha2, &caps.has_aes}},
	};
	size_t at = 0;

	while (text.len > 0) {
		struct slice line = text;

		if (slice_find_byte(text, '\n', &at))
			line = slice_sub(text, 0, at);
		else
			at = text.len;
		text = slice_sub(text, at + 1, text.len);
		for (size_t i = 0; i < COUNT_OF(words); i++)
			for (size_t j = 0; slice_is_str_nocase(slice_trim(line), words[i].word) &&
								j < COUNT_OF(words[i].facts) && words[i].facts[j] != NULL;
								j++)
				*words[i].facts[j] = true;
	}
	return caps;
}

bool scep_caps_are_enough(const struct scep_caps *caps)
{
	return (caps->has_sha1 || caps->has_sha2) && (caps->has_des3 || caps->has_aes);
}

/* --- the request */

struct naming {
	X509_NAME *name;
	int pairs;
};

/* [type, value]; the first pair of an RDN begins it. */
static enum rc add_pair(const struct naming *naming, const struct plist_node *pair, bool is_first)
{
	struct slice field = plist_string(plist_array_at(pair, 0));
	struct slice value = plist_string(plist_array_at(pair, 1));
	char text[FIELD_BYTES];

	if (plist_count(pair) != 2 || field.len == 0 || field.len >= sizeof(text) || value.len == 0 ||
		value.len > VALUE_BYTES_MAX)
		return RC_INVALID;
	memcpy(text, field.ptr, field.len);
	text[field.len] = '\0';
	return X509_NAME_add_entry_by_txt(naming->name, text, MBSTRING_UTF8, value.ptr, (int)value.len, -1,
									is_first ? 0 : -1) == 1
		? RC_OK
		: RC_INVALID;
}

static enum rc add_rdn(void *ctx, size_t index, struct plist_node *rdn)
{
	struct naming *naming = ctx;
	size_t count = plist_count(rdn);
	enum rc rc = RC_OK;

	(void)index;
	if (plist_kind(rdn) != PLIST_KIND_ARRAY || count == 0 || count > SCEP_CLIENT_RDNS_MAX)
		return RC_INVALID;
	for (size_t i = 0; i < count && rc == RC_OK; i++) {
		if (++naming->pairs > SCEP_CLIENT_RDNS_MAX)
			return RC_INVALID;
		rc = add_pair(naming, plist_array_at(rdn, i), i == 0);
	}
	return rc;
}

static enum rc make_name(const struct scep_client_params *params, X509_NAME **name_r,
	struct err *err)
{
	struct naming naming = {.name = X509_NAME_new()};
	enum rc rc = RC_OK;

	*name_r = naming.name;
	if (naming.name == NULL)
		return fault(err, RC_NO_MEMORY, "a name");
	if (params->subject != NULL && plist_kind(params->subject) != PLIST_KIND_ARRAY)
		return fault(err, RC_INVALID, "Subject: not an array");
	if (params->subject != NULL && plist_count(params->subject) > 0)
		rc = plist_array_each(params->subject, add_rdn, &naming);
	else if (X509_NAME_add_entry_by_NID(naming.name, NID_commonName, MBSTRING_UTF8,
											(const unsigned char *)params->common_name, -1, -1, 0) != 1)
		rc = RC_INVALID;
	if (rc != RC_OK)
		return fault(err, RC_INVALID, "Subject: not an array of arrays of [type, value]");
	return RC_OK;
}

static enum rc make_csr(const struct scep_client *client, const struct scep_client_params *params,
	X509_NAME *name, struct buf *der, struct err *err)
{
	AUTO(request_free) X509_REQ *request = X509_REQ_new();
	unsigned char *bytes = NULL;
	int len;

	if (request == NULL || X509_REQ_set_version(request, 0) != 1 ||
		X509_REQ_set_subject_name(request, name) != 1 || X509_REQ_set_pubkey(request, client->key) != 1)
		return fault(err, RC_NO_MEMORY, "the request");
	if (params->challenge.len > INT_MAX ||
		(params->challenge.len > 0 &&
			X509_REQ_add1_attr_by_NID(request, NID_pkcs9_challengePassword, MBSTRING_UTF8,
				params->challenge.ptr, (int)params->challenge.len) != 1))
		return fault(err, RC_INVALID, "Challenge: not one that a request can hold");
	if (X509_REQ_sign(request, client->key, EVP_sha256()) <= 0)
		return fault(err, RC_INTERNAL, "the request cannot be signed");
	len = i2d_X509_REQ(request, &bytes);
	if (len <= 0)
		return fault(err, RC_NO_MEMORY, "the request");
	buf_append(der, slice_of(bytes, (size_t)len));
	OPENSSL_cleanse(bytes, (size_t)len);
	OPENSSL_free(bytes);
	return buf_status(der, "SCEP request", err);
}

/* Of the new key: it shows possession and nothing else. */
static X509 *make_own_cert(EVP_PKEY *key, X509_NAME *name, int64_t now)
{
	X509 *cert = X509_new();

	if (cert != NULL && X509_set_version(cert, 2) == 1 &&
		ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1 && X509_set_subject_name(cert, name) == 1 &&
		X509_set_issuer_name(cert, name) == 1 && X509_set_pubkey(cert, key) == 1 &&
		ASN1_TIME_set(X509_getm_notBefore(cert), now - BACKDATE_S) != NULL &&
		ASN1_TIME_set(X509_getm_notAfter(cert), now + OWN_CERT_VALID_S) != NULL &&
		X509_sign(cert, key, EVP_sha256()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

static enum rc choose_signer(struct scep_client *client, const struct scep_client_params *params,
	X509_NAME *name, struct err *err)
{
	client->is_renewal = params->old_cert_pem.len > 0;
	if (client->is_renewal) {
		client->signer = read_cert(params->old_cert_pem);
		client->signer_key = read_key(params->old_key_pem);
	} else {
		client->signer = make_own_cert(client->key, name, params->now);
		client->signer_key = client->key;
		(void)EVP_PKEY_up_ref(client->key);
	}
	if (client->signer == NULL || client->signer_key == NULL)
		return fault(err, RC_INTERNAL, "there is nothing to sign the request with");
	return RC_OK;
}

static enum rc seal(const struct scep_client *client, const struct scep_caps *caps,
	struct slice csr, struct buf *out, struct err *err)
{
	AUTO(certs_free) STACK_OF(X509) *to = sk_X509_new_null();
	AUTO(bio_free) BIO *in = bio_of(csr);
	AUTO(cms_free) CMS_ContentInfo *cms = NULL;

	if (to == NULL || in == NULL || sk_X509_push(to, client->ca) <= 0)
		return fault(err, RC_NO_MEMORY, "the envelope");
	cms = CMS_encrypt(to, in, caps->has_aes ? EVP_aes_128_cbc() : EVP_des_ede3_cbc(), CMS_BINARY);
	if (cms == NULL)
		return fault(err, RC_INVALID, "nothing can be encrypted to the CA's certificate");
	return append_cms(cms, out, err);
}

static bool add_text(CMS_SignerInfo *info, const char *oid, const char *text)
{
	return CMS_signed_add1_attr_by_txt(info, oid, V_ASN1_PRINTABLESTRING, text, (int)strlen(text)) ==
		1;
}

static enum rc sign(struct scep_client *client, const struct scep_caps *caps, struct slice content,
	struct err *err)
{
	const unsigned flags = CMS_BINARY | CMS_PARTIAL | CMS_NOSMIMECAP;
	AUTO(bio_free) BIO *in = bio_of(content);
	AUTO(cms_free) CMS_ContentInfo *cms = NULL;
	CMS_SignerInfo *info;

	if (in != NULL)
		cms = CMS_sign(NULL, NULL, NULL, in, flags);
	info = cms == NULL ? NULL
																				: CMS_add1_signer(cms, client->signer, client->signer_key,
																							caps->has_sha2 ? EVP_sha256() : EVP_sha1(), flags);
	if (info == NULL || !add_text(info, OID_MESSAGE_TYPE, client->is_renewal ? "17" : "19") ||
		!add_text(info, OID_TRANSACTION_ID, client->transaction) ||
		CMS_signed_add1_attr_by_txt(info, OID_SENDER_NONCE, V_ASN1_OCTET_STRING, client->nonce,
			SCEP_CLIENT_NONCE_BYTES) != 1 ||
		CMS_final(cms, in, NULL, flags) != 1)
		return fault(err, RC_INTERNAL, "the message cannot be signed");
	return append_cms(cms, &client->message, err);
}

static enum rc make_message(struct scep_client *client, const struct scep_client_params *params,
	struct err *err)
{
	AUTO(name_free) X509_NAME *name = NULL;
	AUTO(buf_fini_secret) struct buf csr;
	AUTO(buf_fini) struct buf sealed;
	enum rc rc;

	buf_init(&csr, SCEP_CLIENT_MESSAGE_BYTES_MAX);
	buf_init(&sealed, SCEP_CLIENT_MESSAGE_BYTES_MAX);
	rc = make_name(params, &name, err);
	if (rc == RC_OK)
		rc = make_csr(client, params, name, &csr, err);
	if (rc == RC_OK)
		rc = choose_signer(client, params, name, err);
	if (rc == RC_OK)
		rc = seal(client, &params->caps, buf_slice(&csr), &sealed, err);
	return rc == RC_OK ? sign(client, &params->caps, buf_slice(&sealed), err) : rc;
}

static X509 *parse_ca(struct slice der)
{
	const unsigned char *at = der.ptr;
	X509 *cert = der.len > LONG_MAX ? NULL : d2i_X509(NULL, &at, (long)der.len);

	if (cert != NULL && at == der.ptr + der.len)
		return cert;
	X509_free(cert);
	return NULL;
}

static void name_transaction(struct scep_client *client)
{
	static const char digits[] = "0123456789ABCDEF";
	uint8_t bytes[SCEP_CLIENT_TRANSACTION_BYTES / 2];

	rand_bytes(bytes, sizeof(bytes));
	rand_bytes(client->nonce, sizeof(client->nonce));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		client->transaction[2 * i] = digits[bytes[i] >> 4];
		client->transaction[2 * i + 1] = digits[bytes[i] & 15];
	}
}

enum rc scep_client_new(const struct scep_client_params *params, struct scep_client **client_r,
	struct err *err)
{
	AUTO(scep_client_free) struct scep_client *client = calloc(1, sizeof(*client));
	enum rc rc;

	*client_r = NULL;
	if (client == NULL)
		return err_set(err, RC_NO_MEMORY, "SCEP");
	buf_init(&client->message, SCEP_CLIENT_MESSAGE_BYTES_MAX);
	name_transaction(client);
	client->ca = parse_ca(params->ca_der);
	if (client->ca == NULL)
		return fault(err, RC_INVALID, "GetCACert: not one certificate in DER");
	client->key = read_key(params->key_pem);
	if (client->key == NULL)
		return fault(err, RC_INTERNAL, "the key cannot be read");
	rc = make_message(client, params, err);
	if (rc != RC_OK)
		return rc;
	*client_r = client;
	client = NULL;
	return RC_OK;
}

struct slice scep_client_message(const struct scep_client *client)
{
	return buf_slice(&client->message);
}

void scep_client_free(struct scep_client **client)
{
	struct scep_client *gone = *client;

	if (gone == NULL)
		return;
	*client = NULL;
	X509_free(gone->ca);
	X509_free(gone->signer);
	EVP_PKEY_free(gone->key);
	EVP_PKEY_free(gone->signer_key);
	buf_fini(&gone->message);
	ERR_clear_error();
	free(gone);
}

/* --- the answer */

/* Empty where there is none, or not exactly one of that type. Borrowed from the message. */
static struct slice attribute(CMS_SignerInfo *info, const char *oid, int type)
{
	AUTO(object_free) ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	const ASN1_STRING *value =
		object == NULL ? NULL : CMS_signed_get0_data_by_OBJ(info, object, -3, type);

	if (value == NULL)
		return slice_of(NULL, 0);
	return slice_of(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
}

static struct slice text_attribute(CMS_SignerInfo *info, const char *oid)
{
	return attribute(info, oid, V_ASN1_PRINTABLESTRING);
}

/* Signed by the CA, and an answer to this request. The content's digest is for who opens it. */
static enum rc check_signature(const struct scep_client *client, CMS_ContentInfo *cms,
	CMS_SignerInfo **info_r, struct err *err)
{
	STACK_OF(CMS_SignerInfo) * infos;
	struct slice nonce;

	if (OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed)
		return fault(err, RC_INVALID, "the answer is not signed");
	infos = CMS_get0_SignerInfos(cms);
	if (sk_CMS_SignerInfo_num(infos) != 1)
		return fault(err, RC_INVALID, "the answer has not one signer");
	*info_r = sk_CMS_SignerInfo_value(infos, 0);
	if (CMS_SignerInfo_cert_cmp(*info_r, client->ca) != 0)
		return fault(err, RC_INVALID, "the answer is signed by another than the CA");
	CMS_SignerInfo_set1_signer_cert(*info_r, client->ca);
	if (CMS_signed_get_attr_count(*info_r) <= 0 || CMS_SignerInfo_verify(*info_r) != 1)
		return fault(err, RC_INVALID, "the signature of the answer does not hold");
	if (!slice_is_str(text_attribute(*info_r, OID_MESSAGE_TYPE), "3"))
		return fault(err, RC_INVALID, "the answer is no CertRep");
	if (!slice_is_str(text_attribute(*info_r, OID_TRANSACTION_ID), client->transaction))
		return fault(err, RC_INVALID, "the answer is to another transaction");
	nonce = attribute(*info_r, OID_RECIPIENT_NONCE, V_ASN1_OCTET_STRING);
	if (!slice_is_equal(nonce, slice_of(client->nonce, SCEP_CLIENT_NONCE_BYTES)))
		return fault(err, RC_INVALID, "the answer has another nonce");
	return RC_OK;
}

static enum rc say_refusal(CMS_SignerInfo *info, struct err *err)
{
	static const char *const names[] = {"badAlg", "badMessageCheck", "badRequest", "badTime",
		"badCertId"};
	struct slice code = text_attribute(info, OID_FAIL_INFO);
	struct slice text = attribute(info, OID_FAIL_INFO_TEXT, V_ASN1_UTF8STRING);
	bool is_known =
		code.len == 1 && code.ptr[0] >= '0' && (size_t)(code.ptr[0] - '0') < COUNT_OF(names);

	ERR_clear_error();
	if (!utf8_is_xml_text(text))
		text.len = 0;
	return err_set(err, RC_DENIED, "SCEP: refused (%s)%s%.*s",
		is_known ? names[code.ptr[0] - '0'] : "no failInfo", text.len == 0 ? "" : ": ",
		SLICE_FMT(slice_sub(text, 0, VALUE_BYTES_MAX)));
}

static enum rc judge_status(CMS_SignerInfo *info, struct err *err)
{
	struct slice status = text_attribute(info, OID_PKI_STATUS);

	if (slice_is_str(status, "0"))
		return RC_OK;
	if (slice_is_str(status, "2"))
		return say_refusal(info, err);
	if (slice_is_str(status, "3"))
		return fault(err, RC_BUSY, "the CA has not decided yet (PENDING)");
	return fault(err, RC_INVALID, "the answer has no pkiStatus");
}

/* The signature once more, now with the content's digest; then the envelope in it. */
static enum rc open_envelope(const struct scep_client *client, CMS_ContentInfo *cms, BIO *bag,
	struct err *err)
{
	AUTO(certs_free) STACK_OF(X509) *signers = sk_X509_new_null();
	AUTO(bio_free) BIO *content = BIO_new(BIO_s_mem());
	AUTO(cms_free) CMS_ContentInfo *envelope = NULL;
	const unsigned char *at;
	struct slice der;

	if (signers == NULL || content == NULL || sk_X509_push(signers, client->ca) <= 0)
		return fault(err, RC_NO_MEMORY, "the answer");
	if (CMS_verify(cms, signers, NULL, NULL, content,
						CMS_BINARY | CMS_NOINTERN | CMS_NO_SIGNER_CERT_VERIFY) != 1)
		return fault(err, RC_INVALID, "the answer's content is not what was signed");
	der = bio_bytes(content);
	at = der.ptr;
	envelope = der.len > LONG_MAX ? NULL : d2i_CMS_ContentInfo(NULL, &at, (long)der.len);
	if (envelope == NULL || OBJ_obj2nid(CMS_get0_type(envelope)) != NID_pkcs7_enveloped)
		return fault(err, RC_INVALID, "the answer has no envelope in it");
	if (CMS_decrypt(envelope, client->signer_key, client->signer, NULL, bag, CMS_BINARY) != 1)
		return fault(err, RC_INVALID, "the answer is not encrypted to us");
	return RC_OK;
}

/* Of the certificates in the bag that of our key, which the CA must have signed. */
static enum rc take_cert(const struct scep_client *client, BIO *bag, struct buf *cert_pem,
	struct err *err)
{
	struct slice der = bio_bytes(bag);
	const unsigned char *at = der.ptr;
	AUTO(pkcs7_free) PKCS7 *pkcs7 = der.len > LONG_MAX ? NULL : d2i_PKCS7(NULL, &at, (long)der.len);
	AUTO(bio_free) BIO *pem = BIO_new(BIO_s_mem());
	STACK_OF(X509) * certs;
	X509 *found = NULL;

	if (pkcs7 == NULL || !PKCS7_type_is_signed(pkcs7) || pem == NULL)
		return fault(err, RC_INVALID, "the answer has no certificates in it");
	certs = pkcs7->d.sign->cert;
	for (int i = 0; i < sk_X509_num(certs) && found == NULL; i++)
		if (EVP_PKEY_eq(X509_get0_pubkey(sk_X509_value(certs, i)), client->key) == 1)
			found = sk_X509_value(certs, i);
	if (found == NULL)
		return fault(err, RC_INVALID, "the certificate that came is for another key");
	if (X509_verify(found, X509_get0_pubkey(client->ca)) != 1)
		return fault(err, RC_INVALID, "the certificate that came is not signed by the CA");
	if (PEM_write_bio_X509(pem, found) != 1)
		return fault(err, RC_NO_MEMORY, "the certificate");
	buf_append(cert_pem, bio_bytes(pem));
	ERR_clear_error();
	return buf_status(cert_pem, "certificate", err);
}

enum rc scep_client_read(const struct scep_client *client, struct slice reply, struct buf *cert_pem,
	struct err *err)
{
	const unsigned char *at = reply.ptr;
	AUTO(cms_free) CMS_ContentInfo *cms = NULL;
	AUTO(bio_free) BIO *bag = BIO_new(BIO_s_mem());
	CMS_SignerInfo *info = NULL;
	enum rc rc;

	if (bag == NULL)
		return fault(err, RC_NO_MEMORY, "the answer");
	if (reply.len > 0 && reply.len <= SCEP_CLIENT_MESSAGE_BYTES_MAX)
		cms = d2i_CMS_ContentInfo(NULL, &at, (long)reply.len);
	if (cms == NULL || at != reply.ptr + reply.len)
		return fault(err, RC_INVALID, "the answer is no CMS message");
	rc = check_signature(client, cms, &info, err);
	if (rc == RC_OK)
		rc = judge_status(info, err);
	if (rc == RC_OK)
		rc = open_envelope(client, cms, bag, err);
	return rc == RC_OK ? take_cert(client, bag, cert_pem, err) : rc;
}
