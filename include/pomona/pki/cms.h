/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_CMS_H
#define POMONA_PKI_CMS_H

/*
 * Signing what a device is handed, so that it shows who made it: CMS SignedData (RFC 5652) around the content. And
 * sealing it to the one who is to read it: CMS EnvelopedData.
 * Threading: any thread; a signer is immutable. A signature takes what the key takes: P-256 0.05 ms, RSA of 4096
 * bits 5 ms.
 */

#include "pomona/base/buf.h"
#include "pomona/base/err.h"
#include "pomona/pki/cert.h"

/* A certificate, its chain and its private key. */
struct cms_signer;

/* The chain's own certificate stands first. RC_INVALID: they cannot be read or do not belong together. */
enum rc cms_signer_new(struct slice chain_pem, struct slice key_pem, struct cms_signer **signer_r,
	struct err *err) MUST_USE;
/* The signer's own certificate; borrowed until cms_signer_free(). */
struct slice cms_signer_cert_der(const struct cms_signer *signer);
/* Appends the DER of a SignedData with the content and the whole chain in it, made with SHA-256. */
enum rc cms_sign_attached(const struct cms_signer *signer, struct slice content, int64_t now_unix_s,
	struct buf *out, struct err *err) MUST_USE;
void cms_signer_free(struct cms_signer **signer);

/*
 * Appends the DER of an EnvelopedData of the content, in AES-256, that only the holder of the certificate's key opens.
 * RC_INVALID: it is no certificate. RC_UNSUPPORTED: its key is neither RSA nor on a curve that can agree on one.
 */
enum rc cms_encrypt(struct slice cert_der, struct slice content, struct buf *out, struct err *err)
	MUST_USE;

#endif
