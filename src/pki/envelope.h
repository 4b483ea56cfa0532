/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_ENVELOPE_H
#define POMONA_PKI_ENVELOPE_H

/*
 * PKCS#7 EnvelopedData: encrypted to the holder of an RSA key.
 * Threading: any thread.
 */

#include "internal.h"

/*
 * Appends what is in `envelope`, opened by the authority's key, to `plain`, which should hold secrets; *cipher_r
 * is what a reply is to be encrypted with (NID_aes_128_cbc, ...). RC_UNSUPPORTED: a cipher that is not taken;
 * RC_DENIED: not for this key, or damaged, and nothing tells which; RC_INVALID: not an EnvelopedData.
 */
enum rc pki_envelope_open(const struct authority *authority, struct slice envelope,
	struct buf *plain, int *cipher_r, struct err *err) MUST_USE;
/* Appends an EnvelopedData in DER of `plain` for the holder of `to`. */
enum rc pki_envelope_write(X509 *to, int cipher, struct slice plain, struct buf *out,
	struct err *err) MUST_USE;

#endif
