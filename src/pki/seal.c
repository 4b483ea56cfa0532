/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/pki/seal.h"

#include <limits.h>
#include <string.h>

#include "keyring.h"
#include "ossl.h"
#include "pomona/base/rand.h"

enum {
	SEAL_VERSION = 1,
	KEY_ID_AT = 1,
	NONCE_AT = 5,
	NONCE_BYTES = 12,
	HEAD_BYTES = NONCE_AT + NONCE_BYTES,
	TAG_BYTES = 16,
	PLACE_BYTES_MAX = 4096, /* far more than any name of a row */
};
_Static_assert((int)HEAD_BYTES == (int)SEAL_MARK_BYTES, "what tells one blob from all others");
_Static_assert(HEAD_BYTES + TAG_BYTES == SEAL_OVERHEAD_BYTES, "the format of seal.h");
_Static_assert(SEAL_PLAIN_BYTES_MAX <= INT_MAX - SEAL_OVERHEAD_BYTES, "EVP counts in int");

/* Authenticates version, key id and place: what is not encrypted but must not be exchanged. */
static bool add_context(EVP_CIPHER_CTX *ctx, const uint8_t *head, struct slice place)
{
	int len;

	return place.len <= PLACE_BYTES_MAX && EVP_CipherUpdate(ctx, NULL, &len, head, NONCE_AT) == 1 &&
		(place.len == 0 || EVP_CipherUpdate(ctx, NULL, &len, place.ptr, (int)place.len) == 1);
}

static bool start(EVP_CIPHER_CTX *ctx, const struct sealing_key *key, const uint8_t *head,
	bool is_sealing)
{
	return ctx != NULL &&
		EVP_CipherInit_ex2(ctx, NULL, key->bytes, head + NONCE_AT, is_sealing ? 1 : 0, NULL) == 1;
}

static void write_head(uint8_t head[static HEAD_BYTES], uint32_t key_id)
{
	head[0] = SEAL_VERSION;
	for (int i = 0; i < 4; i++)
		head[KEY_ID_AT + i] = (uint8_t)(key_id >> (24 - 8 * i));
	/* Random: a counter would have to survive every crash. Good for 2^32 blobs under one key. */
	rand_bytes(head + NONCE_AT, NONCE_BYTES);
}

enum rc seal(const struct keyring *keyring, struct slice place, struct slice plain, struct buf *out,
	struct err *err)
{
	const struct sealing_key *key = &keyring->keys[keyring->count - 1];
	EVP_CIPHER_CTX *ctx = ossl_aes_256_gcm();
	uint8_t *to;
	int len = 0;

	if (plain.len > SEAL_PLAIN_BYTES_MAX)
		return err_set(err, RC_LIMIT, "seal: %zu bytes, want at most %d", plain.len,
			SEAL_PLAIN_BYTES_MAX);
	to = buf_reserve(out, plain.len + SEAL_OVERHEAD_BYTES);
	if (to == NULL)
		return buf_status(out, "seal", err);
	write_head(to, key->id);
	if (!start(ctx, key, to, true) || !add_context(ctx, to, place) ||
		(plain.len > 0 && EVP_CipherUpdate(ctx, to + HEAD_BYTES, &len, plain.ptr, (int)plain.len) != 1) ||
		(size_t)len != plain.len || EVP_CipherFinal_ex(ctx, to + HEAD_BYTES + len, &len) != 1 ||
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, to + HEAD_BYTES + plain.len) != 1)
		return ossl_fault(err, RC_INTERNAL, "seal: cannot be sealed");
	out->len += plain.len + SEAL_OVERHEAD_BYTES;
	return RC_OK;
}

/* Decrypts to `to`; false, with what was written there wiped, where the tag is not that of these bytes. */
static bool open_to(uint8_t *to, const struct sealing_key *key, struct slice place,
	struct slice sealed)
{
	EVP_CIPHER_CTX *ctx = ossl_aes_256_gcm();
	struct slice body = slice_sub(sealed, HEAD_BYTES, sealed.len - SEAL_OVERHEAD_BYTES);
	uint8_t tag[TAG_BYTES];
	int len = 0;
	bool is_open;

	memcpy(tag, sealed.ptr + sealed.len - TAG_BYTES, sizeof(tag));
	is_open = start(ctx, key, sealed.ptr, false) && add_context(ctx, sealed.ptr, place) &&
		(body.len == 0 || EVP_CipherUpdate(ctx, to, &len, body.ptr, (int)body.len) == 1) &&
		(size_t)len == body.len && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1 &&
		EVP_CipherFinal_ex(ctx, to + body.len, &len) == 1;
	if (!is_open)
		explicit_bzero(to, body.len);
	return is_open;
}

static uint32_t read_key_id(const uint8_t *head)
{
	return (uint32_t)head[KEY_ID_AT] << 24 | (uint32_t)head[KEY_ID_AT + 1] << 16 |
		(uint32_t)head[KEY_ID_AT + 2] << 8 | head[KEY_ID_AT + 3];
}

enum rc unseal(const struct keyring *keyring, struct slice place, struct slice sealed,
	struct buf *out, struct err *err)
{
	const struct sealing_key *key;
	uint8_t *to;

	if (sealed.len < SEAL_OVERHEAD_BYTES || sealed.len - SEAL_OVERHEAD_BYTES > SEAL_PLAIN_BYTES_MAX ||
		sealed.ptr[0] != SEAL_VERSION)
		return err_set(err, RC_CORRUPT, "unseal: not a sealed blob");
	key = keyring_find(keyring, read_key_id(sealed.ptr));
	if (key == NULL)
		return err_set(err, RC_NOT_FOUND,
			"unseal: sealed under the key %08x, which is not in the keyring",
			(unsigned)read_key_id(sealed.ptr));
	to = buf_reserve(out, sealed.len - SEAL_OVERHEAD_BYTES);
	if (to == NULL)
		return buf_status(out, "unseal", err);
	if (!open_to(to, key, place, sealed))
		return ossl_fault(err, RC_CORRUPT, "unseal: changed, or moved from another place");
	out->len += sealed.len - SEAL_OVERHEAD_BYTES;
	return RC_OK;
}

uint32_t seal_key_id(struct slice sealed)
{
	if (sealed.len < SEAL_OVERHEAD_BYTES || sealed.ptr[0] != SEAL_VERSION)
		return 0;
	return read_key_id(sealed.ptr);
}
