/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_TOKEN_H
#define POMONA_PKI_TOKEN_H

/*
 * API tokens: shown once, stored as a digest. A token is 256 random bits, so that one plain SHA-256 is enough:
 * there is nothing to guess that salt or a slow hash would guard.
 * Threading: any thread.
 */

#include <stdint.h>

#include "pomona/base/slice.h"
#include "pomona/pki/cert.h"

#define TOKEN_PREFIX "pom_" /* so that a scanner for leaked secrets finds it */
enum {
	TOKEN_RANDOM_BYTES = 32,
	TOKEN_TEXT_BYTES = (int)sizeof(TOKEN_PREFIX) + 2 * TOKEN_RANDOM_BYTES
};

/* The prefix, 64 hex digits and a zero. The caller wipes it (explicit_bzero) when it has been shown. */
void token_make(char text[static TOKEN_TEXT_BYTES]);
/* What is stored and looked up, over the whole text without its zero. */
void token_hash(struct slice text, uint8_t digest[static SHA256_BYTES]);

#endif
