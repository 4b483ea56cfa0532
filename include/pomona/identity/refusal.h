/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_IDENTITY_REFUSAL_H
#define POMONA_IDENTITY_REFUSAL_H

/*
 * Why a device message was refused: one table of reasons, each with a word, an HTTP status, what it
 * means and what an administrator does about it; counts by reason; and the latest ones, kept in
 * memory with a bound (a hostile client must not be able to fill a disk).
 * Threading: any thread.
 */

#include <stdint.h>

#include "pomona/base/arena.h"
#include "pomona/base/slice.h"
#include "pomona/pki/cert.h"
#include "pomona/store/enrollment.h"

enum refusal {
	REFUSAL_NONE,
	REFUSAL_BAD_MESSAGE,    /* 400: not a plist, wrong type, missing key, unknown MessageType ... */
	REFUSAL_NOT_OFFERED,    /* 400: DeclarativeManagement, GetToken: not offered */
	REFUSAL_BAD_SIGNATURE,  /* 400: Mdm-Signature */
	REFUSAL_NO_CERTIFICATE, /* 403, as all that follow until said otherwise */
	REFUSAL_PLAIN,          /* without TLS, and not from a proxy */
	REFUSAL_CERTIFICATE_GARBLED,
	REFUSAL_NOT_CHAINED,
	REFUSAL_EXPIRED,
	REFUSAL_NOT_YET_VALID,
	REFUSAL_WRONG_PURPOSE,
	REFUSAL_REVOKED,
	REFUSAL_CERTIFICATE_TWIN,   /* it differs from a known one in its signature alone */
	REFUSAL_INTERIM,            /* the certificate is for an enrollment over the air that goes on */
	REFUSAL_ISSUED_FOR_ANOTHER, /* the certificate was issued for another device id */
	REFUSAL_PINNED_TO_ANOTHER,  /* the certificate belongs to another device */
	REFUSAL_NOT_PINNED,         /* this device has another certificate */
	REFUSAL_SUPERSEDED, /* this device's former certificate: two devices may compete for one id */
	REFUSAL_NOT_ENROLLED_YET,       /* Authenticate was, TokenUpdate was not */
	REFUSAL_CHECKED_OUT,            /* a new message kind from a device that left */
	REFUSAL_TOO_MANY_USERS,         /* a new user of a device that has CHECKIN_USERS_MAX */
	REFUSAL_USER_NOT_AUTHENTICATED, /* asked to log in, and without the token of it */
	REFUSAL_ACCESS_TOKEN,           /* as REFUSAL_LOGIN_REQUIRED, and nobody can log in here */
	REFUSAL_UNKNOWN_DEVICE,
	REFUSAL_FUSE_BLOWN, /* would have been 401 under unknown_device = unenroll, but for the fuses */
	REFUSAL_REMOVAL_ORDERED,    /* 401 */
	REFUSAL_UNKNOWN_UNENROLLED, /* 401 */
	REFUSAL_LOGIN_REQUIRED,     /* 401 with a challenge, which asks the user to log in anew */
	REFUSAL_USER_NOT_MANAGED,   /* 410 */
	REFUSAL_TOO_LARGE,          /* 413 */
	REFUSAL_STORE,              /* 503 */
	REFUSAL_COUNT
};

const char *refusal_name(enum refusal refusal);   /* "pinned_to_another": logs, metrics, API */
const char *refusal_remedy(enum refusal refusal); /* what to do next, one or two sentences */
unsigned refusal_http_status(enum refusal refusal);

enum { REFUSAL_LOG_ROWS = 1000, REFUSAL_TEXT_BYTES = 256, REFUSAL_PEER_BYTES = 128 };

/* The latest refused messages. */
struct refusal_log;

struct refusal_entry {
	int64_t at; /* UNIX seconds */
	enum refusal refusal;
	uint8_t cert_sha256[SHA256_BYTES]; /* all zero: none */
	char cert_subject[CERT_NAME_BYTES];
	char claimed_id[ENROLLMENT_ID_BYTES_MAX + 1]; /* "" where the message could not be read */
	char message[64];                             /* "Authenticate", "Idle", ... or "" */
	char peer[REFUSAL_PEER_BYTES];                /* address, "192.0.2.1 via 10.0.0.1:5000" */
	char text[REFUSAL_TEXT_BYTES];                /* what exactly, e.g. which key of the message */
};

struct refusal_log *refusal_log_new(void);
void refusal_log_add(struct refusal_log *log, const struct refusal_entry *entry);
/* The latest first, copied to the arena. */
enum rc refusal_log_latest(struct refusal_log *log, int limit, struct arena *arena,
	struct refusal_entry **entries_r, size_t *count_r, struct err *err) MUST_USE;
/* Since start. */
uint64_t refusal_log_count(const struct refusal_log *log, enum refusal refusal);
void refusal_log_free(struct refusal_log **log);

#endif
