/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_IDENTITY_DIGEST_LOGIN_H
#define POMONA_IDENTITY_DIGEST_LOGIN_H

/*
 * HTTP Digest (RFC 7616, and the form of RFC 2069 without qop): the answer that a client computes from a password,
 * read and compared. Clients of UserAuthenticate and of Automated Device Enrollment send it.
 * Threading: any thread; pure.
 */

#include "pomona/base/arena.h"
#include "pomona/pki/digest.h"

enum {
	DIGEST_ANSWER_BYTES_MAX = 4096,
	DIGEST_PARAMS_MAX = 32,
	DIGEST_NC_DIGITS = 8,
};

/* What was not sent is empty. */
struct digest_answer {
	enum digest_kind algorithm; /* MD5 where it was not named */
	struct slice username, realm, nonce, uri, response;
	struct slice cnonce, nc, qop; /* all or none: qop is "auth" then */
	uint32_t nc_number;
};

/*
 * `name=value` pairs with commas between, values quoted or not, "Digest " before them or not; unknown names are
 * passed over. RC_INVALID names what is wrong, never a value; RC_LIMIT. Slices live in the arena or in `text`.
 */
enum rc digest_answer_read(struct slice text, struct arena *arena, struct digest_answer *answer_r,
	struct err *err) MUST_USE;

/* What a password became for one user of one realm: as good as the password to who asks by Digest. */
struct digest_ha1 {
	char hex[DIGEST_KIND_COUNT][DIGEST_HEX_BYTES];
};
enum rc digest_ha1_make(struct slice username, struct slice realm, struct slice password,
	struct digest_ha1 *ha1_r, struct err *err) MUST_USE;

/* Is it computed from this secret, for one of the methods? Compared in constant time. */
enum rc digest_answer_check(const struct digest_answer *answer, const struct digest_ha1 *ha1,
	const char *const *methods, size_t method_count, bool *is_right_r, struct err *err) MUST_USE;

#endif
