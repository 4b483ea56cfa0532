/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "pomona/pki/push_cert.h"

/* One block of PEM with its headers, in which the older encryption names its cipher. */
struct block {
	char *name;
	char *header;
	unsigned char *data;
	long len;
};

static void block_fini(struct block *block)
{
	OPENSSL_free(block->name);
	OPENSSL_free(block->header);
	OPENSSL_clear_free(block->data, block->len < 0 ? 0 : (size_t)block->len);
}

static void encrypted_free(X509_SIG **encrypted)
{
	X509_SIG_free(*encrypted);
	*encrypted = NULL;
}

struct password {
	const char *text;
	bool is_asked; /* by the key */
};

static enum rc no_password(struct err *err)
{
	ERR_clear_error();
	return err_set(err, RC_INVALID, "private key: encrypted; its password is needed");
}

/* A wrong password shows as wrong padding, or as bytes that are no key. */
static enum rc wrong_password(struct err *err)
{
	ERR_clear_error();
	return err_set(err, RC_INVALID, "private key: this password does not open it");
}

/* How often the password is hashed, by PBES2 with PBKDF2 or by the schemes before it; 0: by none of these. */
static int64_t iterations(const X509_ALGOR *algorithm)
{
	const ASN1_OBJECT *name;
	int type;
	const void *value;
	int64_t count = 0;

	X509_ALGOR_get0(&name, &type, &value, algorithm);
	if (OBJ_obj2nid(name) == NID_pbes2) {
		PBE2PARAM *pbes2 = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), algorithm->parameter);
		PBKDF2PARAM *kdf = NULL;

		if (pbes2 != NULL && OBJ_obj2nid(pbes2->keyfunc->algorithm) == NID_id_pbkdf2)
			kdf = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), pbes2->keyfunc->parameter);
		if (kdf != NULL && ASN1_INTEGER_get_int64(&count, kdf->iter) != 1)
			count = INT64_MAX;
		PBKDF2PARAM_free(kdf);
		PBE2PARAM_free(pbes2);
	} else {
		PBEPARAM *pbe = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), algorithm->parameter);

		if (pbe != NULL && ASN1_INTEGER_get_int64(&count, pbe->iter) != 1)
			count = INT64_MAX;
		PBEPARAM_free(pbe);
	}
	ERR_clear_error();
	return count;
}

static enum rc check_iterations(const X509_SIG *encrypted, struct err *err)
{
	const X509_ALGOR *algorithm;
	const ASN1_OCTET_STRING *bytes;
	int64_t count;

	X509_SIG_get0(encrypted, &algorithm, &bytes);
	count = iterations(algorithm);
	if (count <= 0)
		return err_set(err, RC_INVALID,
			"private key: encrypted in a way that is not known here; want PBES2 with PBKDF2");
	if (count > PUSH_KEY_ITERATIONS_MAX)
		return err_set(err, RC_LIMIT,
			"private key: %lld iterations of its password's hash, want at most %d", (long long)count,
			PUSH_KEY_ITERATIONS_MAX);
	return RC_OK;
}

static bool is_unsupported(void)
{
	int reason = ERR_GET_REASON(ERR_peek_error());

	return reason == ERR_R_UNSUPPORTED || reason == EVP_R_UNSUPPORTED_ALGORITHM ||
		reason == EVP_R_UNKNOWN_CIPHER || reason == EVP_R_UNKNOWN_PBE_ALGORITHM;
}

static enum rc open_pkcs8(const struct block *block, struct password *password, EVP_PKEY **key_r,
	struct err *err)
{
	const unsigned char *at = block->data;
	AUTO(encrypted_free) X509_SIG *encrypted = d2i_X509_SIG(NULL, &at, block->len);
	AUTO(ossl_pkcs8_free) PKCS8_PRIV_KEY_INFO *pkcs8 = NULL;

	if (encrypted == NULL || at != block->data + block->len)
		return ossl_fault(err, RC_INVALID, "private key: not an encrypted PKCS#8");
	if (check_iterations(encrypted, err) != RC_OK)
		return err->rc;
	password->is_asked = true;
	if (password->text == NULL)
		return no_password(err);
	ERR_clear_error();
	pkcs8 = PKCS8_decrypt(encrypted, password->text, (int)strlen(password->text));
	if (pkcs8 == NULL && is_unsupported()) {
		password->is_asked = false;
		return ossl_fault(err, RC_INVALID, "private key: its encryption is not offered");
	}
	if (pkcs8 == NULL)
		return wrong_password(err);
	password->is_asked = false; /* it was right */
	*key_r = EVP_PKCS82PKEY(pkcs8);
	return *key_r != NULL ? RC_OK : ossl_fault(err, RC_INVALID, "private key: cannot be read");
}

/* PEM_do_header() asks here; its buffer holds PEM_BUFSIZE bytes, as many as a password may have. */
static int give_password(char *to, int size, int is_writing, void *ctx)
{
	const struct password *password = ctx;
	size_t len = strlen(password->text);

	(void)is_writing;
	if (size < 0 || len > (size_t)size)
		return -1;
	memcpy(to, password->text, len);
	return (int)len;
}

/* The older encryption: of the whole block, told by its headers. Without them nothing is to be done. */
static enum rc decrypt_block(struct block *block, struct password *password, struct err *err)
{
	EVP_CIPHER_INFO cipher;

	if (PEM_get_EVP_CIPHER_INFO(block->header, &cipher) != 1)
		return ossl_fault(err, RC_INVALID, "private key: its encryption is not offered");
	if (cipher.cipher == NULL)
		return RC_OK;
	password->is_asked = true;
	if (password->text == NULL)
		return no_password(err);
	ERR_clear_error();
	if (PEM_do_header(&cipher, block->data, &block->len, give_password, password) == 1)
		return RC_OK;
	if (!is_unsupported())
		return wrong_password(err);
	password->is_asked = false;
	return ossl_fault(err, RC_INVALID, "private key: its encryption is not offered");
}

static enum rc open_plain(const struct block *block, int type, EVP_PKEY **key_r, struct err *err)
{
	const unsigned char *at = block->data;

	if (type == EVP_PKEY_NONE)
		return pki_key_parse_der(slice_of(block->data, (size_t)block->len), key_r, err);
	*key_r = d2i_PrivateKey(type, NULL, &at, block->len);
	if (*key_r != NULL && at == block->data + block->len)
		return RC_OK;
	EVP_PKEY_free(*key_r);
	*key_r = NULL;
	return ossl_fault(err, RC_INVALID, "private key: cannot be read");
}

static const struct {
	const char *name;
	int type;
} plain_kinds[] = {
	{PEM_STRING_PKCS8INF, EVP_PKEY_NONE},
	{PEM_STRING_RSA, EVP_PKEY_RSA},
	{PEM_STRING_ECPRIVATEKEY, EVP_PKEY_EC},
};

static enum rc open_block(struct block *block, struct password *password, EVP_PKEY **key_r,
	struct err *err)
{
	enum rc rc;

	if (strcmp(block->name, PEM_STRING_PKCS8) == 0)
		return open_pkcs8(block, password, key_r, err);
	for (size_t i = 0; i < COUNT_OF(plain_kinds); i++) {
		if (strcmp(block->name, plain_kinds[i].name) != 0)
			continue;
		rc = decrypt_block(block, password, err);
		if (rc == RC_OK)
			rc = open_plain(block, plain_kinds[i].type, key_r, err);
		return rc != RC_OK && rc != RC_NO_MEMORY && password->is_asked && password->text != NULL
			? wrong_password(err)
			: rc;
	}
	return err_set(err, RC_INVALID, "private key: \"%.40s\" is of a kind that is not known here",
		block->name);
}

static bool is_key(const char *name)
{
	static const char ending[] = "PRIVATE KEY";
	size_t len = strlen(name);

	return len >= sizeof(ending) - 1 && strcmp(name + len - (sizeof(ending) - 1), ending) == 0;
}

/* RC_NOT_FOUND after the last block. */
static enum rc next_block(BIO *bio, struct block *block_r, struct err *err)
{
	*block_r = (struct block){.name = NULL};
	ERR_clear_error();
	if (PEM_read_bio(bio, &block_r->name, &block_r->header, &block_r->data, &block_r->len) == 1)
		return RC_OK;
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return ossl_fault(err, RC_INVALID, "private key: a PEM block is broken");
	ERR_clear_error();
	return RC_NOT_FOUND;
}

static enum rc open_each(BIO *bio, struct password *password, EVP_PKEY **key_r, struct err *err)
{
	for (;;) {
		AUTO(block_fini) struct block block;
		enum rc rc = next_block(bio, &block, err);

		if (rc != RC_OK)
			return rc;
		if (!is_key(block.name))
			continue;
		if (*key_r != NULL)
			return err_set(err, RC_INVALID, "private key: more than one in the text");
		rc = open_block(&block, password, key_r, err);
		if (rc != RC_OK)
			return rc;
	}
}

enum rc pki_key_open(struct slice pem, const char *password_text, bool *is_password_r,
	EVP_PKEY **key_r, struct err *err)
{
	struct password password = {.text = password_text};
	AUTO(ossl_key_free) EVP_PKEY *key = NULL;
	AUTO(ossl_bio_free) BIO *bio = ossl_bio_of(pem);
	enum rc rc;

	*key_r = NULL;
	*is_password_r = false;
	if (bio == NULL)
		return ossl_fault(err, RC_NO_MEMORY, "private key");
	rc = open_each(bio, &password, &key, err);
	*is_password_r = password.is_asked && key == NULL;
	if (rc != RC_NOT_FOUND)
		return rc;
	if (key == NULL)
		return err_set(err, RC_INVALID, "private key: none in the text; want one in PEM");
	ERR_clear_error();
	*key_r = key;
	key = NULL; /* moved to the caller */
	return RC_OK;
}
