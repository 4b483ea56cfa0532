/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_MESSAGE_SIGNATURE_H
#define POMONA_PKI_MESSAGE_SIGNATURE_H

/*
 * The header Mdm-Signature: base64 of a CMS SignedData (RFC 5652 5) without content, over the exact bytes of the
 * message's body, by the device's identity. It proves that who has the identity's key has signed this body once; whose
 * identity it is, and whether it is trusted, is trust_judge()'s to say.
 * Threading: a signature is one thread's.
 */

#include <stdint.h>

#include "pomona/base/err.h"
#include "pomona/base/slice.h"
#include "pomona/pki/cert.h"

enum { MESSAGE_SIGNATURE_BYTES_MAX = 24576 }; /* of the CMS; as base64 it fills the largest head */

struct message_signature;

/* It has no time of signing, or one that cannot be read. */
#define MESSAGE_SIGNATURE_NO_TIME INT64_MIN

/*
 * Exactly one signer, whose certificate is among those that come with it; CERT_CHAIN_MAX certificates at most; content
 * absent; digest SHA-1, SHA-256, SHA-384 or SHA-512 (devices still send SHA-1: the signer chose the body himself, so that
 * a collision would gain him nothing). RC_INVALID, RC_LIMIT. The caller owns *signature_r.
 */
enum rc message_signature_parse(struct slice base64, struct message_signature **signature_r,
	struct err *err) MUST_USE;
/* The signer's certificate, then the others that came with it, in DER; borrowed from the signature. */
size_t message_signature_chain(const struct message_signature *signature,
	struct slice chain[static CERT_CHAIN_MAX]);
/* UNIX seconds, of the attribute that is signed. */
int64_t message_signature_time(const struct message_signature *signature);
/*
 * Was `body` signed with the key of the signer's certificate? RC_DENIED: no. Judge the certificate first: the key is the
 * sender's choice, and a strange one costs more.
 */
enum rc message_signature_verify(const struct message_signature *signature, struct slice body,
	struct err *err) MUST_USE;
void message_signature_free(struct message_signature **signature);

#endif
