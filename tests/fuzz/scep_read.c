/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "pomona/pki/scep.h"
#include "scep_ca.h"

enum { NOW = 1800000000, REPLY_BYTES_MAX = 1 << 20 };

#define OID_BASE "2.16.840.1.113733.1.9."

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct authority *ca;
static X509 *cert;
static EVP_PKEY *key;

static void load(void)
{
	const unsigned char *at = scep_ca_key;

	key = d2i_AutoPrivateKey(NULL, &at, sizeof(scep_ca_key));
	at = scep_ca_cert;
	cert = d2i_X509(NULL, &at, sizeof(scep_ca_cert));
	if (key == NULL || cert == NULL ||
		authority_load(slice_of(scep_ca_cert, sizeof(scep_ca_cert)),
			slice_of(scep_ca_key, sizeof(scep_ca_key)), &ca, NULL) != RC_OK)
		abort();
}

static void add(CMS_SignerInfo *info, const char *oid, int type, const char *text, int len)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);

	(void)CMS_signed_add1_attr_by_OBJ(info, object, type, text, len);
	ASN1_OBJECT_free(object);
}

/* What only a good signature lets through to. */
static void read_signed(BIO *content, const char *kind, struct scep_request **request_r,
	enum scep_fail *fail_r)
{
	const unsigned flags = CMS_PARTIAL | CMS_BINARY | CMS_NOSMIMECAP;
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
	CMS_SignerInfo *info = CMS_add1_signer(cms, cert, key, EVP_sha256(), flags);
	struct err err = {.rc = RC_OK};
	unsigned char *der = NULL;
	int len;

	add(info, OID_BASE "2", V_ASN1_PRINTABLESTRING, kind, 2);
	add(info, OID_BASE "5", V_ASN1_OCTET_STRING, "nonce", 5);
	add(info, OID_BASE "7", V_ASN1_PRINTABLESTRING, "transaction", 11);
	if (CMS_final(cms, content, NULL, flags) != 1)
		abort();
	len = i2d_CMS_ContentInfo(cms, &der);
	(void)scep_read(ca, slice_of(der, (size_t)len), request_r, fail_r, &err);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
}

static void read_enveloped(BIO *content, const char *kind, struct scep_request **request_r,
	enum scep_fail *fail_r)
{
	STACK_OF(X509) *to = sk_X509_new_null();
	CMS_ContentInfo *cms;
	BIO *envelope = BIO_new(BIO_s_mem());

	(void)sk_X509_push(to, cert);
	cms = CMS_encrypt(to, content, EVP_aes_128_cbc(), CMS_BINARY);
	(void)i2d_CMS_bio(envelope, cms);
	read_signed(envelope, kind, request_r, fail_r);
	BIO_free(envelope);
	CMS_ContentInfo_free(cms);
	sk_X509_free(to);
}

/* Whatever is sound, or can be told that it is not, is answered. */
static void answer(const struct scep_request *request, enum scep_fail fail)
{
	const struct scep_writer writer = {.ca = ca, .now_unix_s = NOW};
	AUTO(buf_fini) struct buf reply;
	struct err err = {.rc = RC_OK};
	enum rc rc;

	buf_init(&reply, REPLY_BYTES_MAX);
	if (fail == SCEP_FAIL_NONE)
		rc = scep_write_cert(request, &writer, authority_cert_der(ca), &reply, &err);
	else
		rc = scep_write_failure(request, &writer, fail, "why", &reply, &err);
	if (rc == RC_OK && reply.len == 0)
		abort();
	if (scep_request_facts(request)->kind >= SCEP_KIND_COUNT)
		abort();
}

/* The first byte tells whether the rest is a message, an envelope of one, or what is in that; the second its kind. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const kinds[] = {"17", "18", "19", "20", "21", "22"};
	struct scep_request *request = NULL;
	enum scep_fail fail = SCEP_FAIL_NONE;
	struct err err = {.rc = RC_OK};
	const char *kind;
	BIO *content;

	if (ca == NULL)
		load();
	if (size < 2 || size > SCEP_MESSAGE_BYTES_MAX)
		return 0;
	kind = kinds[data[1] % COUNT_OF(kinds)];
	content = BIO_new_mem_buf(data + 2, (int)size - 2);
	if (data[0] == 'e')
		read_signed(content, kind, &request, &fail);
	else if (data[0] == 'i')
		read_enveloped(content, kind, &request, &fail);
	else
		(void)scep_read(ca, slice_of(data + 2, size - 2), &request, &fail, &err);
	if (request != NULL)
		answer(request, fail);
	scep_request_free(&request);
	BIO_free(content);
	ERR_clear_error();
	return 0;
}
