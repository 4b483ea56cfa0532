/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_KEY_POOL_H
#define POMONA_SIM_KEY_POOL_H

/*
 * RSA keys for identities. To make one takes long, so a large fleet shares a few: no server can tell, as long as it
 * knows devices by their certificates.
 * Threading: one thread at a time.
 */

#include "pomona/base/buf.h"
#include "pomona/base/err.h"

enum { KEY_POOL_MAX = 10000, KEY_POOL_DEFAULT = 64, KEY_PEM_BYTES_MAX = 16384 };

struct key_pool;

/* NULL where memory is short. `size`: so many keys of each length are made before one is given out again. */
struct key_pool *key_pool_new(size_t size);
/* Appends a key of 2048 or 4096 bits as PEM. RC_INVALID for another length. */
enum rc key_pool_take(struct key_pool *pool, int64_t bits, struct buf *pem, struct err *err)
	MUST_USE;
void key_pool_free(struct key_pool **pool);

#endif
