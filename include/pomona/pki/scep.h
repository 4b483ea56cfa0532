/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_SCEP_H
#define POMONA_PKI_SCEP_H

/*
 * SCEP's messages (RFC 8894): a client's pkiMessage opened and checked, and the CertRep that answers it. Whether
 * a certificate may be issued is decided in enroll/; here is what only the bytes can tell.
 * Threading: any thread; a request is immutable. Reading costs one private-key operation of the CA (RSA-2048:
 * about 0.7 ms), each reply another.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/buf.h"
#include "pomona/base/err.h"
#include "pomona/pki/authority.h"
#include "pomona/pki/cert.h"

enum {
	SCEP_MESSAGE_BYTES_MAX = 131072,
	SCEP_TRANSACTION_ID_BYTES_MAX = 256,
	SCEP_NONCE_BYTES_MIN = 1, /* the RFC wants 16; older clients differ */
	SCEP_NONCE_BYTES_MAX = 64,
	SCEP_CHALLENGE_BYTES_MAX = 255,
	SCEP_FAIL_TEXT_BYTES_MAX = 255,
};

enum scep_kind { /* messageType, RFC 8894 3.2.1.2 */
	SCEP_PKCS_REQ,
	SCEP_RENEWAL_REQ,
	SCEP_UPDATE_REQ, /* of older drafts; treated as a renewal */
	SCEP_CERT_POLL,
	SCEP_GET_CERT,
	SCEP_GET_CRL,
	SCEP_KIND_COUNT
};
/* As the RFC writes it: "PKCSReq". */
const char *scep_kind_name(enum scep_kind kind);

enum scep_fail { /* failInfo, RFC 8894 3.2.1.4; the values are the wire's */
	SCEP_BAD_ALG = 0,
	SCEP_BAD_MESSAGE_CHECK = 1,
	SCEP_BAD_REQUEST = 2,
	SCEP_BAD_TIME = 3,
	SCEP_BAD_CERT_ID = 4,
	SCEP_FAIL_COUNT,
	SCEP_FAIL_NONE = SCEP_FAIL_COUNT, /* sound */
};
/* "badAlg", ... */
const char *scep_fail_name(enum scep_fail fail);

struct scep_facts {
	enum scep_kind kind;
	/* Printable, as sent. */
	char transaction_id[SCEP_TRANSACTION_ID_BYTES_MAX + 1];
	/* The certificate that signed the message, and that the reply is encrypted to. */
	struct slice signer_der;
	struct cert_facts signer;
	uint8_t
		key_sha256[SHA256_BYTES]; /* of the CSR's SubjectPublicKeyInfo; without a CSR the signer's */
	/* PKCSReq, RenewalReq, UpdateReq: */
	struct slice csr_der;
	char subject[CERT_NAME_BYTES]; /* of the CSR, as struct cert_facts has it */
	bool is_signed_by_own_key; /* the signer's key is the CSR's: nothing but possession is proven */
	struct slice challenge;    /* challengePassword, as UTF-8: a secret; empty: none */
	/* GetCert, GetCRL, CertPoll: whose certificate; RFC 2253 and lower-case hex, as struct cert_facts has them */
	char issuer[CERT_NAME_BYTES];
	char serial[CERT_SERIAL_BYTES];
};

struct scep_request;

/*
 * Opens `message` (DER, or BER of indefinite length), which is encrypted to the CA. RC_INVALID: not a pkiMessage,
 * nothing can be answered but 400; RC_UNSUPPORTED: the CA's key is not RSA. RC_OK with *fail_r: a reply can be
 * given; where it is not SCEP_FAIL_NONE, scep_write_failure() says so to the client, `err` says why, and of the
 * facts only kind, transaction_id and signer are there. DES alone is taken too, since clients default to it.
 */
enum rc scep_read(const struct authority *ca, struct slice message, struct scep_request **request_r,
	enum scep_fail *fail_r, struct err *err) MUST_USE;
/* Borrowed until scep_request_free(), with its slices. */
const struct scep_facts *scep_request_facts(const struct scep_request *request);
/* Wipes the challenge. */
void scep_request_free(struct scep_request **request);

/*
 * authority_issue_csr() for the CSR of a PKCSReq, RenewalReq or UpdateReq, which is not read again. Appends DER. One
 * thread at a time for a request.
 */
enum rc scep_issue(const struct scep_request *request, const struct authority *ca,
	const struct issue_params *params, struct buf *cert_der, struct cert_facts *facts_r,
	struct err *err) MUST_USE;

/* Who answers, and when. */
struct scep_writer {
	const struct authority *ca;
	int64_t now_unix_s;
};
/*
 * Append a CertRep in DER, signed by the CA. The certificate or CRL goes in a SignedData without signers, encrypted
 * to the signer of the request in the request's cipher; AES-128 where that was DES.
 */
enum rc scep_write_cert(const struct scep_request *request, const struct scep_writer *writer,
	struct slice cert_der, struct buf *out, struct err *err) MUST_USE;
enum rc scep_write_crl(const struct scep_request *request, const struct scep_writer *writer,
	struct slice crl_der, struct buf *out, struct err *err) MUST_USE;
/* `text`: failInfoText, cut to SCEP_FAIL_TEXT_BYTES_MAX. */
enum rc scep_write_failure(const struct scep_request *request, const struct scep_writer *writer,
	enum scep_fail fail, const char *text, struct buf *out, struct err *err) MUST_USE;

#endif
