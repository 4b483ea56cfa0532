/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_DEVICE_CMS_H
#define POMONA_PKI_DEVICE_CMS_H

/*
 * What a device says of itself on its way in: a CMS SignedData (RFC 5652 5) around a property list. Machine information,
 * and the messages of over-the-air enrollment. That it is signed by who has its certificate's key is for
 * device_cms_verify() to say; whose certificate that is, apple_chain_judge() and identity_find().
 * Threading: a message is one thread's.
 */

#include "pomona/base/err.h"
#include "pomona/base/slice.h"
#include "pomona/pki/cert.h"

enum {
	DEVICE_CMS_BYTES_MAX = 65536,
	SIGNER_RSA_BITS_MIN =
		1024, /* of a key that signs any CMS message here: Apple's device CA has no more */
	SIGNER_RSA_BITS_MAX = 8192, /* what one costs is the sender's choice */
	SIGNER_EC_BITS_MIN = 256,
};

struct device_cms;

/*
 * Exactly one signer, whose certificate is among those that come with it; CERT_CHAIN_MAX certificates at most; the
 * content inside, and not empty. DER or BER. RC_INVALID, RC_LIMIT. Copies.
 */
enum rc device_cms_parse(struct slice message, struct device_cms **cms_r, struct err *err) MUST_USE;
/* Borrowed until device_cms_free(), as what follows. Nothing is proven of it yet. */
struct slice device_cms_content(const struct device_cms *cms);
/* The signer's certificate: its DER, and what it says. */
struct slice device_cms_signer_der(const struct device_cms *cms);
const struct cert_facts *device_cms_signer(const struct device_cms *cms);
/*
 * Has the signer signed the content? SHA-1 is taken: it is what older systems sign with, and the signer made the content
 * himself. RC_DENIED: no. RC_UNSUPPORTED: by a digest or a key that is not taken: want RSA or EC of the sizes above.
 */
enum rc device_cms_verify(const struct device_cms *cms, struct err *err) MUST_USE;
void device_cms_free(struct device_cms **cms);

#endif
