/* SPDX-License-Identifier: Apache-2.0 */
#include "factory.h"

#include <limits.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "apple.h"
#include "pomona/base/rand.h"

enum { CA_BITS = 1024, SERIAL_BYTES = 8 };

/* The times of Apple's own. */
#define ROOT_BEGINS "20060425214036Z"
#define ROOT_ENDS "20350209214036Z"
#define CA_BEGINS "20070416225446Z"
#define CA_ENDS "20140416225446Z"
#define DEVICE_BEGINS "20200101000000Z"
#define DEVICE_ENDS "20400101000000Z"

/* --- OpenSSL in our manners */

static void key_free(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
	ERR_clear_error();
}

static void cert_free(X509 **cert)
{
	X509_free(*cert);
}

static void certs_free(STACK_OF(X509) * *certs)
{
	sk_X509_pop_free(*certs, X509_free);
}

static void cms_free(CMS_ContentInfo **cms)
{
	CMS_ContentInfo_free(*cms);
}

static void bio_free(BIO **bio)
{
	BIO_free(*bio);
}

static BIO *bio_of(struct slice bytes)
{
	return bytes.len > INT_MAX ? NULL : BIO_new_mem_buf(bytes.ptr, (int)bytes.len);
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

/* All of them; NULL where memory is short. */
static STACK_OF(X509) * read_certs(struct slice pem)
{
	AUTO(bio_free) BIO *bio = bio_of(pem);
	STACK_OF(X509) *certs = sk_X509_new_null();
	X509 *cert = NULL;

	while (bio != NULL && certs != NULL && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		if (sk_X509_push(certs, cert) <= 0)
			X509_free(cert);
	ERR_clear_error();
	return certs;
}

static void append_bio(BIO *bio, struct buf *out)
{
	char *bytes = NULL;
	long len = BIO_get_mem_data(bio, &bytes);

	buf_append(out, slice_of(bytes, len < 0 ? 0 : (size_t)len));
}

static enum rc append_cert(X509 *cert, struct buf *pem, struct err *err)
{
	AUTO(bio_free) BIO *bio = BIO_new(BIO_s_mem());

	if (bio == NULL || PEM_write_bio_X509(bio, cert) != 1)
		return err_set(err, RC_NO_MEMORY, "factory: certificate");
	append_bio(bio, pem);
	return buf_status(pem, "factory: certificate", err);
}

static enum rc append_key(EVP_PKEY *key, struct buf *pem, struct err *err)
{
	AUTO(bio_free) BIO *bio = BIO_new(BIO_s_secmem());

	if (bio == NULL || PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
		return err_set(err, RC_NO_MEMORY, "factory: key");
	append_bio(bio, pem);
	return buf_status(pem, "factory: key", err);
}

/* --- certificates */

struct issuing {
	const char *name, *begins, *ends;
	EVP_PKEY *key;
	X509 *issuer; /* NULL: it signs itself */
	EVP_PKEY *issuer_key;
	const EVP_MD *digest;
	bool is_ca;
};

static bool name_it(X509_NAME *name, const char *common_name)
{
	return X509_NAME_add_entry_by_NID(name, NID_organizationName, MBSTRING_UTF8,
									(const unsigned char *)"Pomona simulator", -1, -1, 0) == 1 &&
		X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
			(const unsigned char *)common_name, -1, -1, 0) == 1;
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool is_added = extension != NULL && X509_add_ext(cert, extension, -1) == 1;

	X509_EXTENSION_free(extension);
	return is_added;
}

static bool fill(X509 *cert, const struct issuing *issuing)
{
	const X509 *issuer = issuing->issuer == NULL ? cert : issuing->issuer;
	uint8_t serial[SERIAL_BYTES];
	BIGNUM *number;
	bool is_numbered;

	rand_bytes(serial, sizeof(serial));
	serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40);
	number = BN_bin2bn(serial, SERIAL_BYTES, NULL);
	is_numbered = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
	BN_free(number);
	return is_numbered && X509_set_version(cert, 2) == 1 &&
		name_it(X509_get_subject_name(cert), issuing->name) &&
		X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1 &&
		ASN1_TIME_set_string_X509(X509_getm_notBefore(cert), issuing->begins) == 1 &&
		ASN1_TIME_set_string_X509(X509_getm_notAfter(cert), issuing->ends) == 1 &&
		X509_set_pubkey(cert, issuing->key) == 1 &&
		add_extension(cert, NID_basic_constraints, issuing->is_ca ? "critical,CA:TRUE" : "CA:FALSE") &&
		add_extension(cert, NID_key_usage,
			issuing->is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature,keyEncipherment");
}

static X509 *issue(const struct issuing *issuing, struct err *err)
{
	X509 *cert = X509_new();

	if (cert != NULL && fill(cert, issuing) &&
		X509_sign(cert, issuing->issuer_key, issuing->digest) > 0)
		return cert;
	X509_free(cert);
	ERR_clear_error();
	(void)err_set(err, RC_INTERNAL, "factory: a certificate cannot be made");
	return NULL;
}

enum rc factory_make(struct buf *chain_pem, struct buf *key_pem, struct err *err)
{
	AUTO(key_free) EVP_PKEY *root_key = EVP_EC_gen("P-256");
	AUTO(key_free) EVP_PKEY *ca_key = EVP_RSA_gen(CA_BITS);
	AUTO(cert_free) X509 *root = NULL;
	AUTO(cert_free) X509 *ca = NULL;
	const struct issuing of_root = {.name = "Pomona simulated Apple Root CA",
		.begins = ROOT_BEGINS,
		.ends = ROOT_ENDS,
		.key = root_key,
		.issuer_key = root_key,
		.digest = EVP_sha256(),
		.is_ca = true};
	struct issuing of_ca = {.name = "Pomona simulated iPhone Device CA",
		.begins = CA_BEGINS,
		.ends = CA_ENDS,
		.key = ca_key,
		.issuer_key = root_key,
		.digest = EVP_sha256(),
		.is_ca = true};
	enum rc rc;

	if (root_key == NULL || ca_key == NULL)
		return err_set(err, RC_NO_MEMORY, "factory: keys");
	root = issue(&of_root, err);
	of_ca.issuer = root;
	if (root != NULL)
		ca = issue(&of_ca, err);
	if (ca == NULL)
		return RC_INTERNAL;
	rc = append_cert(ca, chain_pem, err);
	if (rc == RC_OK)
		rc = append_cert(root, chain_pem, err);
	return rc == RC_OK ? append_key(ca_key, key_pem, err) : rc;
}

enum rc factory_issue(const char *dir, const char *name, struct slice key_pem, struct buf *cert_pem,
	struct err *err)
{
	AUTO(buf_fini) struct buf chain;
	AUTO(buf_fini_secret) struct buf ca_key_pem;
	AUTO(key_free) EVP_PKEY *key = NULL;
	AUTO(key_free) EVP_PKEY *ca_key = NULL;
	AUTO(cert_free) X509 *ca = NULL;
	AUTO(cert_free) X509 *cert = NULL;
	struct issuing issuing = {.name = name,
		.begins = DEVICE_BEGINS,
		.ends = DEVICE_ENDS,
		.digest = EVP_sha1()};
	enum rc rc;

	buf_init(&chain, FACTORY_PEM_BYTES_MAX);
	buf_init(&ca_key_pem, FACTORY_PEM_BYTES_MAX);
	rc = apple_read(dir, APPLE_FACTORY_CHAIN, &chain, err);
	if (rc == RC_OK)
		rc = apple_read(dir, APPLE_FACTORY_KEY, &ca_key_pem, err);
	if (rc != RC_OK)
		return err_context(err, "factory (see pomona-sim ca)");
	issuing.key = key = read_key(key_pem);
	issuing.issuer_key = ca_key = read_key(buf_slice(&ca_key_pem));
	issuing.issuer = ca = read_cert(buf_slice(&chain));
	if (key == NULL || ca_key == NULL || ca == NULL)
		return err_set(err, RC_CORRUPT, "factory: its certificate or a key cannot be read");
	cert = issue(&issuing, err);
	return cert == NULL ? RC_INTERNAL : append_cert(cert, cert_pem, err);
}

enum rc factory_sign(const struct factory_signing *signing, struct slice content, struct buf *out,
	struct err *err)
{
	AUTO(key_free) EVP_PKEY *key = read_key(signing->key_pem);
	AUTO(cert_free) X509 *cert = read_cert(signing->cert_pem);
	AUTO(certs_free) STACK_OF(X509) *chain = read_certs(signing->chain_pem);
	AUTO(bio_free) BIO *in = bio_of(content);
	AUTO(cms_free) CMS_ContentInfo *cms = NULL;
	unsigned char *der = NULL;
	int len = -1;

	if (key != NULL && cert != NULL && chain != NULL && in != NULL)
		cms = CMS_sign(cert, key, chain, in, CMS_BINARY | CMS_NOSMIMECAP);
	if (cms != NULL)
		len = i2d_CMS_ContentInfo(cms, &der);
	ERR_clear_error();
	if (len <= 0)
		return err_set(err, RC_INTERNAL, "machine information cannot be signed");
	buf_append(out, slice_of(der, (size_t)len));
	OPENSSL_free(der);
	return buf_status(out, "machine information", err);
}
