/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_HTTP_DIGEST_H
#define POMONA_SIM_HTTP_DIGEST_H

/*
 * The answer to an HTTP Digest challenge (RFC 7616), in SHA-256 or MD5, as a device gives it for the name and password
 * that a person has typed.
 * Threading: any thread.
 */

#include "pomona/base/buf.h"
#include "pomona/base/err.h"

enum { HTTP_DIGEST_HEADER_BYTES_MAX = 4096, HTTP_DIGEST_VALUE_BYTES_MAX = 1024 };

struct http_digest {
	const char *method, *target; /* as they stand in the request's first line */
	const char *user, *password;
	const char *challenge; /* of WWW-Authenticate */
};
/* Appends "Authorization: Digest ...". RC_INVALID: no challenge that can be answered. */
enum rc http_digest_answer(const struct http_digest *digest, struct buf *header, struct err *err)
	MUST_USE;
/* "https://h:1/a?b" -> "/a?b"; "/" where there is no path. Borrowed. */
const char *http_target_of(const char *url);

#endif
