/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_PROFILE_H
#define POMONA_SIM_PROFILE_H

/*
 * The configuration profiles that the server has installed on a channel: read, checked and kept.
 * Threading: one thread at a time.
 */

#include "pomona/pki/cert.h"
#include "pomona/plist/plist.h"

enum {
	PROFILES_MAX = 64,                    /* a channel's */
	PROFILE_BYTES_MAX = 1024 * 1024,      /* of one, with its signature */
	PROFILES_BYTES_MAX = 4 * 1024 * 1024, /* of all that a channel has */
	PROFILE_ID_BYTES = 256,
};

/* Why a device does not do what it is told: a link of an ErrorChain. */
struct refusal {
	const char *domain;
	int code;
	const char *text;
};

/* The chain: the error itself, and what lies beneath it. Links are constant; NULL: none. */
struct refusals {
	const struct refusal *top, *cause;
};

/* A profile that was read. */
struct profile {
	struct plist_doc *doc;
	const struct plist_node *root; /* borrowed from `doc` */
	struct slice identifier;       /* likewise */
	bool is_encrypted;
	struct buf signer_der; /* empty: not signed */
};

/* Plain or signed (CMS). No chain: it is whole, and the caller owns it; else it is empty. */
struct refusals profile_read(struct slice payload, struct profile *profile_r);
void profile_fini(struct profile *profile);
/* Calls `visit` with each certificate that the profile brings. RC_INVALID where one is malformed. */
enum rc profile_each_cert(const struct profile *profile,
	enum rc (*visit)(void *ctx, struct slice der, bool is_identity), void *ctx) MUST_USE;
/* The same for an array of payloads. */
enum rc payloads_each_cert(const struct plist_node *payloads,
	enum rc (*visit)(void *ctx, struct slice der, bool is_identity), void *ctx) MUST_USE;
/* Appends certificate and key of a com.apple.security.pkcs12 payload, as PEM. RC_INVALID: none, or another password. */
enum rc profile_read_identity(const struct plist_node *payload, struct buf *cert_pem,
	struct buf *key_pem) MUST_USE;

/* As the server sent them; identifiers are unique. All zero: none. */
struct profile_set {
	struct buf *payloads; /* owned, `count` */
	size_t count;
};

/* Replaces the one of the same identifier. Copies `payload`. No chain: done; else nothing has changed. */
struct refusals profile_install(struct profile_set *set, struct slice payload);
struct refusals profile_remove(struct profile_set *set, struct slice identifier);
void profile_set_clear(struct profile_set *set);

#endif
