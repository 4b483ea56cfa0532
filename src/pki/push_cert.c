/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/pki/push_cert.h"

#include "internal.h"

#include <openssl/err.h>
#include <string.h>

static const char topic_rule[] =
	"want one UID of \"" PUSH_TOPIC_PREFIX "\" and letters, digits, '.', '-' or '_' behind it";

static enum rc gather(void *ctx, struct slice der, struct err *err)
{
	STACK_OF(X509) *certs = ctx;
	AUTO(ossl_cert_free) X509 *cert = NULL;
	enum rc rc;

	if (sk_X509_num(certs) >= CERT_CHAIN_MAX)
		return err_set(err, RC_LIMIT, "more than %d certificates", CERT_CHAIN_MAX);
	rc = pki_cert_parse(der, &cert, err);
	if (rc != RC_OK)
		return rc;
	if (sk_X509_push(certs, cert) <= 0)
		return ossl_fault(err, RC_NO_MEMORY, "certificate");
	cert = NULL; /* moved to the others */
	return RC_OK;
}

static enum rc check_sizes(struct slice cert_pem, struct slice key_pem, const char *password,
	enum push_cert_part *part_r, struct err *err)
{
	*part_r = PUSH_CERT_PART_CERTIFICATE;
	if (cert_pem.len > PUSH_CERT_PEM_BYTES_MAX)
		return err_set(err, RC_LIMIT, "certificate: %zu bytes, want at most %d", cert_pem.len,
			PUSH_CERT_PEM_BYTES_MAX);
	*part_r = PUSH_CERT_PART_KEY;
	if (key_pem.len > PUSH_CERT_PEM_BYTES_MAX - cert_pem.len)
		return err_set(err, RC_LIMIT,
			"private key: certificate and key have %zu bytes together, want at most %d",
			cert_pem.len + key_pem.len, PUSH_CERT_PEM_BYTES_MAX);
	*part_r = PUSH_CERT_PART_PASSWORD;
	if (password != NULL && strnlen(password, PUSH_PASSWORD_BYTES_MAX + 1) > PUSH_PASSWORD_BYTES_MAX)
		return err_set(err, RC_LIMIT, "password: longer than %d bytes", PUSH_PASSWORD_BYTES_MAX);
	return RC_OK;
}

/* -1: it belongs to none. */
static int find_leaf(STACK_OF(X509) * certs, EVP_PKEY *key)
{
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (pki_key_is_of(key, sk_X509_value(certs, i)))
			return i;
	return -1;
}

static bool is_topic_byte(unsigned char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
		(byte >= '0' && byte <= '9') || byte == '.' || byte == '-' || byte == '_';
}

static bool is_topic(struct slice text)
{
	if (!slice_has_prefix(text, PUSH_TOPIC_PREFIX) || slice_is_str(text, PUSH_TOPIC_PREFIX))
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!is_topic_byte(text.ptr[i]))
			return false;
	return true;
}

static enum rc copy_topic(const ASN1_STRING *uid, char topic[static PUSH_TOPIC_BYTES_MAX + 1],
	struct err *err)
{
	unsigned char *text = NULL;
	int len = ASN1_STRING_to_UTF8(&text, uid);
	enum rc rc = RC_OK;

	if (len < 0)
		return ossl_fault(err, RC_INVALID, "certificate: its subject's UID cannot be read");
	if (len > PUSH_TOPIC_BYTES_MAX)
		rc = err_set(err, RC_LIMIT, "certificate: its subject's UID has %d bytes, want at most %d", len,
			PUSH_TOPIC_BYTES_MAX);
	else if (!is_topic(slice_of(text, (size_t)len)))
		rc = err_set(err, RC_INVALID,
			"certificate: its subject's UID is not the topic of an MDM push certificate; %s", topic_rule);
	else {
		memcpy(topic, text, (size_t)len);
		topic[len] = '\0';
	}
	OPENSSL_free(text);
	return rc;
}

static enum rc read_topic(X509 *leaf, char topic[static PUSH_TOPIC_BYTES_MAX + 1], struct err *err)
{
	const X509_NAME *subject = X509_get_subject_name(leaf);
	int at = X509_NAME_get_index_by_NID(subject, NID_userId, -1);

	if (at < 0)
		return err_set(err, RC_INVALID,
			"certificate: its subject has no UID, so it is not an MDM push certificate; %s", topic_rule);
	if (X509_NAME_get_index_by_NID(subject, NID_userId, at) >= 0)
		return err_set(err, RC_INVALID, "certificate: its subject has more than one UID; %s", topic_rule);
	return copy_topic(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), topic, err);
}

static enum rc append_pem(X509 *cert, struct cert_facts *facts_r, struct buf *out, struct err *err)
{
	AUTO(buf_fini) struct buf der;
	enum rc rc;

	buf_init(&der, CERT_DER_BYTES_MAX);
	rc = pki_cert_write(cert, &der, err);
	if (rc == RC_OK && facts_r != NULL)
		rc = pki_cert_facts(cert, buf_slice(&der), facts_r, err);
	if (rc != RC_OK)
		return rc;
	cert_write_pem(buf_slice(&der), out);
	return buf_status(out, "certificate", err);
}

static enum rc write_certs(STACK_OF(X509) * certs, int leaf, struct push_cert *cert,
	struct err *err)
{
	enum rc rc = append_pem(sk_X509_value(certs, leaf), &cert->facts, &cert->cert_pem, err);

	for (int i = 0; i < sk_X509_num(certs) && rc == RC_OK; i++)
		if (i != leaf)
			rc = append_pem(sk_X509_value(certs, i), NULL, &cert->cert_pem, err);
	return rc;
}

static enum rc judge(STACK_OF(X509) * certs, EVP_PKEY *key, struct push_cert *cert,
	enum push_cert_part *part_r, struct err *err)
{
	int leaf = find_leaf(certs, key);
	enum rc rc;

	*part_r = PUSH_CERT_PART_KEY;
	if (leaf < 0)
		return err_set(err, RC_INVALID,
			"private key: not that of the certificate; want the key that its request was made with");
	rc = pki_key_check(key, "private key", err);
	if (rc != RC_OK)
		return rc;
	*part_r = PUSH_CERT_PART_CERTIFICATE;
	rc = read_topic(sk_X509_value(certs, leaf), cert->topic, err);
	if (rc == RC_OK)
		rc = write_certs(certs, leaf, cert, err);
	if (rc != RC_OK)
		return rc;
	*part_r = PUSH_CERT_PART_KEY;
	return pki_key_write_pem(key, &cert->key_pem, err);
}

enum rc push_cert_read(struct slice cert_pem, struct slice key_pem, const char *password,
	struct push_cert *cert_r, enum push_cert_part *part_r, struct err *err)
{
	AUTO(ossl_certs_free) STACK_OF(X509) *certs = sk_X509_new_null();
	AUTO(ossl_key_free) EVP_PKEY *key = NULL;
	AUTO(push_cert_fini) struct push_cert cert = {.topic = ""};
	bool is_password;
	enum rc rc;

	*cert_r = (struct push_cert){.topic = ""};
	buf_init(&cert.cert_pem, PUSH_CERT_PEM_BYTES_MAX);
	buf_init(&cert.key_pem, PUSH_CERT_PEM_BYTES_MAX);
	rc = check_sizes(cert_pem, key_pem, password, part_r, err);
	if (rc != RC_OK)
		return rc;
	*part_r = PUSH_CERT_PART_CERTIFICATE;
	if (certs == NULL)
		return ossl_fault(err, RC_NO_MEMORY, "certificate");
	rc = cert_pem_each(cert_pem, gather, certs, err);
	if (rc != RC_OK)
		return rc;
	rc = pki_key_open(key_pem.len > 0 ? key_pem : cert_pem, password, &is_password, &key, err);
	*part_r = is_password ? PUSH_CERT_PART_PASSWORD : PUSH_CERT_PART_KEY;
	if (rc == RC_OK)
		rc = judge(certs, key, &cert, part_r, err);
	ERR_clear_error();
	if (rc != RC_OK)
		return rc;
	*cert_r = cert;
	cert = (struct push_cert){.topic = ""}; /* moved to the caller */
	return RC_OK;
}

void push_cert_fini(struct push_cert *cert)
{
	buf_fini(&cert->cert_pem);
	buf_fini_secret(&cert->key_pem);
}
