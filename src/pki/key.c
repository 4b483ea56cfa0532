/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

/* Indexed by enum key_kind. */
static const struct {
	unsigned rsa_bits; /* 0: EC */
	const char *curve;
} key_kinds[] = {
	[KEY_RSA_2048] = {2048, NULL},
	[KEY_RSA_3072] = {3072, NULL},
	[KEY_P256] = {0, "P-256"},
};

enum rc pki_key_make(enum key_kind kind, EVP_PKEY **key_r, struct err *err)
{
	*key_r = NULL;
	if ((size_t)kind >= COUNT_OF(key_kinds))
		return err_set(err, RC_INTERNAL, "no such kind of key: %d", (int)kind);
	if (key_kinds[kind].rsa_bits != 0)
		*key_r = EVP_RSA_gen(key_kinds[kind].rsa_bits);
	else
		*key_r = EVP_EC_gen(key_kinds[kind].curve);
	return *key_r != NULL ? RC_OK : ossl_fault(err, RC_INTERNAL, "a key cannot be made");
}

enum rc pki_key_parse_der(struct slice der, EVP_PKEY **key_r, struct err *err)
{
	AUTO(ossl_pkcs8_free) PKCS8_PRIV_KEY_INFO *pkcs8 = NULL;
	const unsigned char *at = der.ptr;

	*key_r = NULL;
	if (der.len <= PKI_KEY_BYTES_MAX)
		pkcs8 = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der.len);
	if (pkcs8 == NULL || at != der.ptr + der.len)
		return ossl_fault(err, RC_INVALID, "private key: not PKCS#8");
	*key_r = EVP_PKCS82PKEY(pkcs8);
	return *key_r != NULL ? RC_OK : ossl_fault(err, RC_INVALID, "private key: cannot be read");
}

/* OpenSSL's own would ask on the terminal. */
static int refuse_password(char *to, int size, int is_writing, void *is_asked)
{
	(void)is_writing;
	if (size > 0)
		*to = '\0';
	*(bool *)is_asked = true;
	return -1;
}

enum rc pki_key_parse_pem(struct slice pem, EVP_PKEY **key_r, struct err *err)
{
	AUTO(ossl_bio_free) BIO *bio = NULL;
	bool is_encrypted = false;

	*key_r = NULL;
	if (pem.len > PKI_KEY_BYTES_MAX)
		return err_set(err, RC_LIMIT, "private key: %zu bytes, want at most %d", pem.len,
			PKI_KEY_BYTES_MAX);
	bio = ossl_bio_of(pem);
	if (bio != NULL)
		*key_r = PEM_read_bio_PrivateKey(bio, NULL, refuse_password, &is_encrypted);
	if (is_encrypted) {
		EVP_PKEY_free(*key_r);
		*key_r = NULL;
		ERR_clear_error();
		return err_set(err, RC_INVALID, "private key: encrypted; want it without a password");
	}
	if (*key_r == NULL)
		return ossl_fault(err, RC_INVALID, "private key: want one in PEM");
	ERR_clear_error();
	return RC_OK;
}

enum rc pki_key_write_der(EVP_PKEY *key, struct buf *out, struct err *err)
{
	AUTO(ossl_pkcs8_free) PKCS8_PRIV_KEY_INFO *pkcs8 = EVP_PKEY2PKCS8(key);
	int len = pkcs8 == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(pkcs8, NULL);
	unsigned char *to;

	if (len <= 0)
		return ossl_fault(err, RC_INTERNAL, "private key: cannot be written");
	to = buf_reserve(out, (size_t)len);
	if (to == NULL)
		return buf_status(out, "private key", err);
	if (i2d_PKCS8_PRIV_KEY_INFO(pkcs8, &to) != len)
		return ossl_fault(err, RC_INTERNAL, "private key: cannot be written");
	out->len += (size_t)len;
	return RC_OK;
}

enum rc pki_key_write_pem(EVP_PKEY *key, struct buf *out, struct err *err)
{
	/* A memory BIO wipes what it frees. */
	AUTO(ossl_bio_free) BIO *bio = BIO_new(BIO_s_mem());

	if (bio == NULL || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
		return ossl_fault(err, RC_INTERNAL, "private key: cannot be written");
	ossl_bio_take(bio, out);
	return buf_status(out, "private key", err);
}

bool pki_key_is_rsa(EVP_PKEY *key)
{
	return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
}

bool pki_key_is_of(EVP_PKEY *key, X509 *cert)
{
	bool is_of = X509_check_private_key(cert, key) == 1;

	ERR_clear_error();
	return is_of;
}

static enum rc check_curve(EVP_PKEY *key, const char *what, struct err *err)
{
	char curve[64] = "unnamed";
	int nid =
		EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL) == 1 ? OBJ_sn2nid(curve) : NID_undef;

	ERR_clear_error();
	if (nid == NID_X9_62_prime256v1 || nid == NID_secp384r1)
		return RC_OK;
	return err_set(err, RC_INVALID, "%s: its key is on the curve %s; want P-256 or P-384", what,
		curve);
}

enum rc pki_key_check(EVP_PKEY *key, const char *what, struct err *err)
{
	const char *type = EVP_PKEY_get0_type_name(key);
	int bits = EVP_PKEY_get_bits(key);

	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC)
		return check_curve(key, what, err);
	if (!pki_key_is_rsa(key))
		return err_set(err, RC_INVALID, "%s: its key is %s; want RSA, or EC on P-256 or P-384", what,
			type == NULL ? "of an unknown kind" : type);
	if (bits < AUTHORITY_RSA_BITS_MIN || bits > AUTHORITY_RSA_BITS_MAX)
		return err_set(err, RC_INVALID, "%s: its RSA key has %d bits; want %d to %d", what, bits,
			AUTHORITY_RSA_BITS_MIN, AUTHORITY_RSA_BITS_MAX);
	return RC_OK;
}
