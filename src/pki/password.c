/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "ossl.h"
#include "pomona/base/codec.h"
#include "pomona/base/rand.h"
#include "pomona/pki/digest.h"

/* Of a file that others wrote, what costs more than twice the memory is not computed. */
enum {
	LOG_N = 15,
	LOG_N_MIN = 10,
	LOG_N_MAX = 16,
	R = 8,
	P = 1,
	SALT_BYTES = 16,
	HASH_BYTES = 32,
	SALT_DIGITS = 2 * SALT_BYTES,
	HASH_DIGITS = 2 * HASH_BYTES,
	FIELDS = 6,
	MEMORY_MAX = 128 * 1024 * 1024,
};

struct parts {
	unsigned log_n;
	uint8_t salt[SALT_BYTES], hash[HASH_BYTES];
};

static void kdf_ctx_free(EVP_KDF_CTX **ctx)
{
	EVP_KDF_CTX_free(*ctx);
	*ctx = NULL;
}

static void kdf_free(EVP_KDF **kdf)
{
	EVP_KDF_free(*kdf);
	*kdf = NULL;
}

static enum rc derive(struct slice password, const struct parts *parts,
	uint8_t hash[static HASH_BYTES], struct err *err)
{
	AUTO(kdf_free) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
	AUTO(kdf_ctx_free) EVP_KDF_CTX *ctx = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
	uint8_t salt[SALT_BYTES];
	uint64_t n = UINT64_C(1) << parts->log_n;
	uint64_t memory = MEMORY_MAX;
	uint32_t r = R;
	uint32_t p = P;
	uint8_t none = 0;
	uint8_t secret[PASSWORD_TEXT_BYTES_MAX];
	OSSL_PARAM params[7];
	bool is_ok;

	if (password.len > PASSWORD_TEXT_BYTES_MAX)
		return err_set(err, RC_LIMIT, "password: %zu bytes, at most %d", password.len,
			PASSWORD_TEXT_BYTES_MAX);
	memcpy(salt, parts->salt, sizeof(salt));
	if (password.len > 0)
		memcpy(secret, password.ptr, password.len);
	params[0] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD,
		password.len > 0 ? secret : &none, password.len);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt, sizeof(salt));
	params[2] = OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n);
	params[3] = OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r);
	params[4] = OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p);
	params[5] = OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory);
	params[6] = OSSL_PARAM_construct_end();
	is_ok = ctx != NULL && EVP_KDF_derive(ctx, hash, HASH_BYTES, params) == 1;
	explicit_bzero(secret, sizeof(secret));
	return is_ok ? RC_OK : ossl_fault(err, RC_INTERNAL, "scrypt");
}

static bool next_field(struct slice *rest, struct slice *field_r)
{
	size_t end = rest->len;
	bool is_more = slice_find_byte(*rest, '$', &end);

	*field_r = slice_sub(*rest, 0, end);
	*rest = slice_sub(*rest, end + 1, rest->len);
	return is_more;
}

static bool parse(struct slice hash, struct parts *parts)
{
	struct slice fields[FIELDS];
	int64_t log_n;

	for (size_t i = 0; i < FIELDS; i++)
		if (next_field(&hash, &fields[i]) != (i + 1 < FIELDS))
			return false;
	if (!slice_is_str(fields[0], "scrypt") || !slice_is_str(fields[2], "8") ||
		!slice_is_str(fields[3], "1") ||
		int64_parse(fields[1], LOG_N_MIN, LOG_N_MAX, &log_n, NULL) != RC_OK ||
		fields[4].len != SALT_DIGITS || fields[5].len != HASH_DIGITS ||
		hex_parse(fields[4], parts->salt, SALT_BYTES, NULL) != RC_OK ||
		hex_parse(fields[5], parts->hash, HASH_BYTES, NULL) != RC_OK)
		return false;
	parts->log_n = (unsigned)log_n;
	return true;
}
_Static_assert(R == 8 && P == 1, "the texts above");

bool password_hash_is_sound(struct slice hash)
{
	struct parts parts;

	return parse(hash, &parts);
}

static size_t print_hex(char *out, struct slice bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", bytes.ptr[i]);
	return 2 * bytes.len;
}

enum rc password_hash(struct slice password, char out[static PASSWORD_HASH_BYTES], struct err *err)
{
	struct parts parts = {.log_n = LOG_N};
	size_t used;
	enum rc rc;

	rand_bytes(parts.salt, sizeof(parts.salt));
	rc = derive(password, &parts, parts.hash, err);
	if (rc != RC_OK)
		return rc;
	used = (size_t)snprintf(out, PASSWORD_HASH_BYTES, "scrypt$%d$%d$%d$", LOG_N, R, P);
	used += print_hex(out + used, slice_of(parts.salt, SALT_BYTES));
	out[used++] = '$';
	(void)print_hex(out + used, slice_of(parts.hash, HASH_BYTES));
	explicit_bzero(&parts, sizeof(parts));
	return RC_OK;
}

enum rc password_check(struct slice password, struct slice hash, bool *is_right_r, struct err *err)
{
	struct parts parts;
	uint8_t fresh[HASH_BYTES];
	enum rc rc;

	*is_right_r = false;
	if (!parse(hash, &parts))
		return err_set(err, RC_INVALID, "password: its hash is none");
	rc = derive(password, &parts, fresh, err);
	if (rc == RC_OK)
		*is_right_r =
			slice_is_equal_consttime(slice_of(fresh, HASH_BYTES), slice_of(parts.hash, HASH_BYTES));
	explicit_bzero(fresh, sizeof(fresh));
	return rc;
}
