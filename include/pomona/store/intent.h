/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_INTENT_H
#define POMONA_STORE_INTENT_H

/*
 * Enrollment intents: one device that is meant to enroll, the challenge it was given, the identity it took. And
 * what SCEP clients were answered, so that the same question gets the same answer.
 * Threading: the thread that has the txn.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/buf.h"
#include "pomona/base/err.h"
#include "pomona/pki/authority.h"
#include "pomona/store/identity.h"

enum {
	INTENT_NAME_BYTES_MAX = 256, /* serial number, user name, maker */
	INTENT_TRANSACTION_ID_BYTES_MAX = 256,
	INTENT_URL_BYTES_MAX = 1024,
	INTENT_REVOKED_MAX = 100000, /* identities that one list of revoked ones names */
};

enum intent_way {      /* how the device came to it; the numbers are the schema's */
	INTENT_CHALLENGE = 1, /* an administrator minted a challenge */
	INTENT_PROFILE,
	INTENT_OTA,
	INTENT_ADE,
	INTENT_ACCOUNT,
	INTENT_WAY_END
};

/* What an enrollment profile says that its updates may not change. */
struct intent_profile {
	struct slice identifier; /* its PayloadIdentifier */
	struct slice url;        /* under which it has the server */
	int64_t access_rights;
};

struct intent_new {
	enum intent_way way;
	const uint8_t *challenge_sha256;                              /* SHA256_BYTES; NULL: none */
	struct slice device_id, serial_number, user_name, created_by; /* empty: unknown */
	int64_t account_id;    /* that the identity will have; 0: none. See account.h */
	bool is_interim;       /* the identity is: see identity.h */
	int64_t invitation_id; /* by which it came; 0: none */
	int64_t expires_at;
	const struct intent_profile *profile; /* that the challenge stands in; NULL: not known */
	int64_t renewal_of; /* the enrollment whose identity the new one is to replace; 0: none */
};

struct intent {
	int64_t id;
	enum intent_way way;
	char device_id[ENROLLMENT_DEVICE_ID_BYTES_MAX + 1];
	int64_t created_at, expires_at;
	int64_t renewal_of; /* 0: none */
	int64_t used_at;    /* 0: not yet; then the two below are unset */
	uint8_t key_sha256[SHA256_BYTES];
	int64_t identity_id; /* 0: it is gone */
	int64_t account_id;  /* 0: none */
	bool is_interim;
	int64_t invitation_id; /* 0: none, or it is gone */
};

/* RC_EXISTS: the challenge is another's. */
enum rc intent_add(struct txn *txn, const struct intent_new *intent, int64_t *id_r, struct err *err)
	MUST_USE;
enum rc intent_find_by_challenge(struct txn *txn,
	const uint8_t challenge_sha256[static SHA256_BYTES], struct intent *intent_r, struct err *err)
	MUST_USE;
struct intent_names { /* "" where unknown */
	enum intent_way way;
	char serial_number[INTENT_NAME_BYTES_MAX + 1], user_name[INTENT_NAME_BYTES_MAX + 1];
};
enum rc intent_read_names(struct txn *txn, int64_t id, struct intent_names *names_r,
	struct err *err) MUST_USE;
/* "challenge", "profile", ...; NULL for none of the ways. */
const char *intent_way_name(enum intent_way way);
/*
 * Its challenge was used by this key, which got this identity; the identity is known to have come with the intent's
 * profile from then on. RC_EXISTS: it was used before.
 */
enum rc intent_use(struct txn *txn, int64_t id, const uint8_t key_sha256[static SHA256_BYTES],
	int64_t identity_id, struct err *err) MUST_USE;

/*
 * Has an administrator made a challenge or a profile for this device, by its id or its serial number, that is not past
 * its end? Used or not: a device may have to be set up again. Empty ones are nobody's.
 */
enum rc intent_is_listed(struct txn *txn, struct slice device_id, struct slice serial_number,
	bool *is_listed_r, struct err *err) MUST_USE;
/* Of a device's unused intents of this way the latest `keep` stay. */
enum rc intent_trim(struct txn *txn, enum intent_way way, struct slice device_id, int64_t keep,
	struct err *err) MUST_USE;

/* The identity that this key was given in this transaction. */
enum rc scep_transaction_find(struct txn *txn, const uint8_t key_sha256[static SHA256_BYTES],
	struct slice transaction_id, int64_t *identity_id_r, struct err *err) MUST_USE;
/* Replaces what was kept under the two. RC_LIMIT. */
enum rc scep_transaction_keep(struct txn *txn, const uint8_t key_sha256[static SHA256_BYTES],
	struct slice transaction_id, int64_t identity_id, struct err *err) MUST_USE;

/* One of ours by its id, and its certificate in DER, which is appended. RC_NOT_FOUND: not ours, or gone. */
enum rc identity_read_issued(struct txn *txn, int64_t id, struct identity *identity_r,
	struct buf *der, struct err *err) MUST_USE;
/* The id of one of ours by its serial number, in lower-case hex. */
enum rc identity_find_issued(struct txn *txn, const char *serial, int64_t *id_r, struct err *err)
	MUST_USE;
/* Those of ours that are revoked and not yet at their end, INTENT_REVOKED_MAX at most; all in the arena. */
enum rc identity_list_revoked(struct txn *txn, struct arena *arena, struct crl_entry **entries_r,
	size_t *count_r, struct err *err) MUST_USE;

#endif
