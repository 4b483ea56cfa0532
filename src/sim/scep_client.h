/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_SCEP_CLIENT_H
#define POMONA_SIM_SCEP_CLIENT_H

/*
 * The client's side of SCEP (RFC 8894), as bytes: a request for a certificate, and what the CA answered. Written
 * upon OpenSSL's CMS alone, apart from the server's own reader and writer, so that each proves the other.
 * Threading: one thread at a time.
 */

#include "pomona/base/buf.h"
#include "pomona/base/err.h"
#include "pomona/plist/plist.h"

enum {
	SCEP_CLIENT_MESSAGE_BYTES_MAX = 131072,
	SCEP_CLIENT_PEM_BYTES_MAX = 32768,
	SCEP_CLIENT_TRANSACTION_BYTES = 33, /* hex digits and a zero */
	SCEP_CLIENT_NONCE_BYTES = 16,
	SCEP_CLIENT_RDNS_MAX = 32, /* pairs in a Subject */
};

/* What GetCACaps said that matters to a device. */
struct scep_caps {
	bool has_post, has_sha1, has_sha2, has_des3, has_aes, has_renewal;
};
/* One keyword a line, in any case; "SCEPStandard" stands for those that RFC 8894 3.5.2 says. */
struct scep_caps scep_caps_parse(struct slice text);
/* Devices want a SHA and a cipher that is none of yesterday's. */
bool scep_caps_are_enough(const struct scep_caps *caps);

struct scep_client_params { /* all borrowed for the call */
	struct slice ca_der;
	struct scep_caps caps;
	struct slice key_pem; /* what the certificate is to be for */
	const struct plist_node
		*subject;                 /* the payload's array of RDNs, each of [type, value]; NULL: none */
	const char *common_name;   /* where there is no subject */
	struct slice challenge;    /* empty: none */
	struct slice old_cert_pem; /* with its key: a RenewalReq, signed by it; empty: a PKCSReq */
	struct slice old_key_pem;
	int64_t now;
};

/* A transaction: its request, which may be sent again and again, and what its answer is opened with. */
struct scep_client;

/* RC_INVALID: the CA's certificate, its key, or the subject is none that can be used. */
enum rc scep_client_new(const struct scep_client_params *params, struct scep_client **client_r,
	struct err *err) MUST_USE;
/* The pkiMessage; borrowed until scep_client_free(). */
struct slice scep_client_message(const struct scep_client *client);
/*
 * Appends the certificate as PEM. RC_DENIED: the CA refused, and the text has failInfo and failInfoText; RC_BUSY: it has
 * not decided; RC_INVALID: not an answer to this request by this CA.
 */
enum rc scep_client_read(const struct scep_client *client, struct slice reply, struct buf *cert_pem,
	struct err *err) MUST_USE;
void scep_client_free(struct scep_client **client);

#endif
