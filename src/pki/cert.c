/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/pki/cert.h"

#include "internal.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pomona/base/codec.h"

enum { NAME_PRINT_BYTES_MAX = 4 * CERT_DER_BYTES_MAX };

/* RFC 2253, but characters past ASCII stay as they are: our names are UTF-8. */
static const unsigned long name_flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;

void sha256_text(const uint8_t digest[static SHA256_BYTES], char out[static SHA256_TEXT_BYTES])
{
	for (size_t i = 0; i < SHA256_BYTES; i++)
		(void)snprintf(out + 2 * i, SHA256_TEXT_BYTES - 2 * i, "%02x", digest[i]);
}

enum rc pki_cert_parse(struct slice der, X509 **cert_r, struct err *err)
{
	AUTO(ossl_cert_free) X509 *cert = NULL;
	const unsigned char *at = der.ptr;
	unsigned char *again = NULL;
	int len;
	bool is_canonical;

	*cert_r = NULL;
	if (der.len == 0 || der.len > CERT_DER_BYTES_MAX)
		return err_set(err, der.len == 0 ? RC_INVALID : RC_LIMIT, "certificate: %zu bytes, want 1 to %d",
			der.len, CERT_DER_BYTES_MAX);
	ossl_forget();
	cert = d2i_X509(NULL, &at, (long)der.len);
	if (cert == NULL)
		return ossl_fault(err, RC_INVALID, "certificate: cannot be read");
	if (at != der.ptr + der.len)
		return err_set(err, RC_INVALID, "certificate: bytes follow it");
	len = i2d_X509(cert, &again);
	if (len < 0)
		return ossl_fault(err, RC_NO_MEMORY, "certificate");
	is_canonical = slice_is_equal(slice_of(again, (size_t)len), der);
	OPENSSL_free(again);
	ERR_clear_error();
	if (!is_canonical)
		return err_set(err, RC_INVALID, "certificate: not in DER");
	*cert_r = cert;
	cert = NULL; /* moved to the caller */
	return RC_OK;
}

static bool is_c1_control(struct slice text, size_t at)
{
	return text.ptr[at] == 0xC2 && at + 1 < text.len && text.ptr[at + 1] < 0xA0;
}

/* Copies, cut at a character's border, with the controls U+0080 to U+009F escaped as OpenSSL does the others. */
static void copy_text(struct slice text, char out[static CERT_NAME_BYTES])
{
	size_t used = 0;
	size_t at = 0;

	while (at < text.len) {
		size_t step = 1;
		char shown[8];

		while (at + step < text.len && text.ptr[at + step] >> 6 == 2)
			step++;
		if (is_c1_control(text, at))
			(void)snprintf(shown, sizeof(shown), "\\C2\\%02X", text.ptr[at + 1]);
		else
			(void)snprintf(shown, sizeof(shown), "%.*s", (int)step, (const char *)text.ptr + at);
		if (used + strlen(shown) >= CERT_NAME_BYTES)
			break;
		memcpy(out + used, shown, strlen(shown));
		used += strlen(shown);
		at += step;
	}
	out[used] = '\0';
}

typedef int (*print_fn)(BIO *bio, const void *object, unsigned long flags);

static int print_name(BIO *bio, const void *object, unsigned long flags)
{
	return X509_NAME_print_ex(bio, object, 0, flags);
}

static int print_string(BIO *bio, const void *object, unsigned long flags)
{
	/* One value alone: RFC 2253's own quoting would only disfigure it. */
	return ASN1_STRING_print_ex(bio, object, flags & ~(unsigned long)ASN1_STRFLGS_ESC_2253);
}

static bool print_text(print_fn print, const void *object, char out[static CERT_NAME_BYTES])
{
	AUTO(ossl_bio_free) BIO *bio = BIO_new(BIO_s_mem());
	AUTO(buf_fini) struct buf text;

	buf_init(&text, NAME_PRINT_BYTES_MAX);
	if (bio == NULL || print(bio, object, name_flags) < 0)
		return false;
	ossl_bio_take(bio, &text);
	if (text.rc != RC_OK || !utf8_is_valid(buf_slice(&text)))
		return false;
	copy_text(buf_slice(&text), out);
	return true;
}

/* The last CN is the most specific one. */
static bool read_common_name(const X509_NAME *subject, char out[static CERT_NAME_BYTES])
{
	int last = -1;
	int at = -1;

	while ((at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0)
		last = at;
	out[0] = '\0';
	return last < 0 ||
		print_text(print_string, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)), out);
}

/* Hexadecimal, "-" in front of a negative one; cut where it is longer than any standard allows. */
void pki_serial_print(const ASN1_INTEGER *serial, char out[static CERT_SERIAL_BYTES])
{
	struct slice bytes = slice_of(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
	size_t used = 0;

	out[0] = '\0';
	if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER)
		out[used++] = '-';
	for (size_t i = 0; i < bytes.len && used + 2 < CERT_SERIAL_BYTES; i++, used += 2)
		(void)snprintf(out + used, CERT_SERIAL_BYTES - used, "%02x", bytes.ptr[i]);
}

bool pki_name_print(const X509_NAME *name, char out[static CERT_NAME_BYTES])
{
	return print_text(print_name, name, out);
}

static bool read_time(const ASN1_TIME *time, int64_t *unix_s_r)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(time, &tm) != 1)
		return false;
	*unix_s_r = (int64_t)timegm(&tm);
	return true;
}

/* The first element within the outermost one, with its head, as it was signed. */
static bool find_tbs(struct slice der, struct slice *tbs_r)
{
	const unsigned char *at = der.ptr;
	const unsigned char *begin;
	long len;
	int tag;
	int class;

	if (ASN1_get_object(&at, &len, &tag, &class, (long)der.len) != V_ASN1_CONSTRUCTED)
		return false;
	begin = at;
	if (ASN1_get_object(&at, &len, &tag, &class, len) != V_ASN1_CONSTRUCTED)
		return false; /* of indefinite length, which DER has not */
	*tbs_r = slice_of(begin, (size_t)(at - begin) + (size_t)len);
	return true;
}

enum rc pki_cert_facts(X509 *cert, struct slice der, struct cert_facts *facts_r, struct err *err)
{
	struct cert_facts facts = {.is_ca = X509_check_ca(cert) == 1};
	struct slice tbs;

	if (!find_tbs(der, &tbs))
		return ossl_fault(err, RC_INVALID, "certificate: not in DER");
	sha256(der, facts.sha256);
	sha256(tbs, facts.tbs_sha256);
	pki_serial_print(X509_get0_serialNumber(cert), facts.serial);
	if (!read_time(X509_get0_notBefore(cert), &facts.not_before) ||
		!read_time(X509_get0_notAfter(cert), &facts.not_after))
		return ossl_fault(err, RC_INVALID, "certificate: its validity cannot be read");
	if (!pki_name_print(X509_get_subject_name(cert), facts.subject) ||
		!pki_name_print(X509_get_issuer_name(cert), facts.issuer) ||
		!read_common_name(X509_get_subject_name(cert), facts.common_name))
		return ossl_fault(err, RC_INVALID, "certificate: its names cannot be read");
	ERR_clear_error();
	*facts_r = facts;
	return RC_OK;
}

enum rc cert_read_facts(struct slice der, struct cert_facts *facts_r, struct err *err)
{
	AUTO(ossl_cert_free) X509 *cert = NULL;
	enum rc rc = pki_cert_parse(der, &cert, err);

	return rc != RC_OK ? rc : pki_cert_facts(cert, der, facts_r, err);
}

bool cert_is_issued_by(struct slice der, struct slice issuer)
{
	AUTO(ossl_cert_free) X509 *cert = NULL;
	AUTO(ossl_cert_free) X509 *above = NULL;
	bool is_its;

	if (pki_cert_parse(der, &cert, NULL) != RC_OK || pki_cert_parse(issuer, &above, NULL) != RC_OK)
		return false;
	is_its =
		X509_check_issued(above, cert) == X509_V_OK && X509_verify(cert, X509_get0_pubkey(above)) == 1;
	ERR_clear_error();
	return is_its;
}

enum rc pki_cert_write(X509 *cert, struct buf *out, struct err *err)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);

	if (len <= 0)
		return ossl_fault(err, RC_INTERNAL, "certificate: cannot be written");
	if (len <= CERT_DER_BYTES_MAX)
		buf_append(out, slice_of(der, (size_t)len));
	OPENSSL_free(der);
	if (len > CERT_DER_BYTES_MAX)
		return err_set(err, RC_LIMIT, "certificate: %d bytes, want at most %d", len, CERT_DER_BYTES_MAX);
	return buf_status(out, "certificate", err);
}
