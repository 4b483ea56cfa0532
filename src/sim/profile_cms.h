/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_PROFILE_CMS_H
#define POMONA_SIM_PROFILE_CMS_H

/*
 * The signature around a profile. Whose it is does not matter to a device; that it holds does.
 * Threading: any thread.
 */

#include "pomona/base/buf.h"

/*
 * Appends the profile itself, and the DER of who signed it, if anybody did. RC_DENIED: the signature does not
 * hold; RC_INVALID: DER, but no signed message; RC_LIMIT, RC_NO_MEMORY.
 */
enum rc profile_unwrap(struct slice payload, struct buf *content, struct buf *signer_der) MUST_USE;
/* Appends what an EnvelopedData to this identity has in it. RC_DENIED: it is not for it, or damaged. */
enum rc profile_decrypt(struct slice envelope, struct slice cert_pem, struct slice key_pem,
	struct buf *content) MUST_USE;

#endif
