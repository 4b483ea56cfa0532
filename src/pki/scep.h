/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_SCEP_INTERNAL_H
#define POMONA_PKI_SCEP_INTERNAL_H

/*
 * What reading a SCEP request and writing its reply share.
 * Threading: any thread.
 */

#include "internal.h"
#include "pomona/pki/scep.h"

struct scep_request {
	struct scep_facts facts;
	X509 *signer;       /* owned, as the CSR and the buffers */
	struct pki_csr csr; /* without a key: none is in it */
	struct buf signer_der, csr_der, challenge;
	uint8_t sender_nonce[SCEP_NONCE_BYTES_MAX];
	size_t sender_nonce_bytes;
	int digest; /* NIDs of what the reply is made with */
	int cipher;
};

enum scep_attribute {
	SCEP_ATTR_MESSAGE_TYPE,
	SCEP_ATTR_PKI_STATUS,
	SCEP_ATTR_FAIL_INFO,
	SCEP_ATTR_SENDER_NONCE,
	SCEP_ATTR_RECIPIENT_NONCE,
	SCEP_ATTR_TRANSACTION_ID,
	SCEP_ATTR_FAIL_INFO_TEXT,
	SCEP_ATTR_COUNT
};
/* Borrowed for ever; NULL where memory is short. */
const ASN1_OBJECT *scep_attribute_oid(enum scep_attribute attribute);

#endif
