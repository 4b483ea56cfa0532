/* SPDX-License-Identifier: Apache-2.0 */
#include "key_pool.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>

/* Keys of one length. */
struct shelf {
	int64_t bits;
	struct buf *pems; /* owned, `count` */
	size_t count, next;
};

struct key_pool {
	size_t size;
	struct shelf shelves[2];
};

struct key_pool *key_pool_new(size_t size)
{
	struct key_pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL)
		return NULL;
	pool->size = size;
	pool->shelves[0].bits = 2048;
	pool->shelves[1].bits = 4096;
	return pool;
}

static enum rc make_key(int64_t bits, struct buf *pem)
{
	EVP_PKEY *key = EVP_RSA_gen((unsigned)bits);
	BIO *bio = BIO_new(BIO_s_secmem());
	char *bytes = NULL;
	enum rc rc = RC_NO_MEMORY;

	if (key != NULL && bio != NULL &&
		PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
		long len = BIO_get_mem_data(bio, &bytes);

		buf_append(pem, slice_of(bytes, len < 0 ? 0 : (size_t)len));
		rc = buf_status(pem, "key", NULL);
	}
	BIO_free(bio);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return rc;
}

static enum rc grow(struct shelf *shelf)
{
	struct buf *grown = realloc(shelf->pems, (shelf->count + 1) * sizeof(*grown));
	enum rc rc;

	if (grown == NULL)
		return RC_NO_MEMORY;
	shelf->pems = grown;
	buf_init(&grown[shelf->count], KEY_PEM_BYTES_MAX);
	rc = make_key(shelf->bits, &grown[shelf->count]);
	if (rc == RC_OK)
		shelf->count++;
	else
		buf_fini_secret(&grown[shelf->count]);
	return rc;
}

enum rc key_pool_take(struct key_pool *pool, int64_t bits, struct buf *pem, struct err *err)
{
	for (size_t i = 0; i < COUNT_OF(pool->shelves); i++) {
		struct shelf *shelf = &pool->shelves[i];
		size_t at = shelf->next;

		if (shelf->bits != bits)
			continue;
		if (at == shelf->count && grow(shelf) != RC_OK)
			return err_set(err, RC_NO_MEMORY, "an RSA key");
		shelf->next = (at + 1) % pool->size;
		buf_append(pem, buf_slice(&shelf->pems[at]));
		return buf_status(pem, "key", err);
	}
	return err_set(err, RC_INVALID, "Keysize: %lld, want 2048 or 4096", (long long)bits);
}

void key_pool_free(struct key_pool **pool)
{
	struct key_pool *gone = *pool;

	if (gone == NULL)
		return;
	*pool = NULL;
	for (size_t i = 0; i < COUNT_OF(gone->shelves); i++) {
		for (size_t j = 0; j < gone->shelves[i].count; j++)
			buf_fini_secret(&gone->shelves[i].pems[j]);
		free(gone->shelves[i].pems);
	}
	free(gone);
}
