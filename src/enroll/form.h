/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_FORM_H
#define POMONA_ENROLL_FORM_H

/*
 * What a browser sends of a form: application/x-www-form-urlencoded (WHATWG URL 5.1).
 * Threading: any thread; pure.
 */

#include "pomona/base/err.h"
#include "pomona/base/slice.h"

enum {
	FORM_BYTES_MAX = 65536,
	FORM_LOGIN_BYTES_MAX = 8192, /* of one with a name and a password alone */
};

#define FORM_CONTENT_TYPE "application/x-www-form-urlencoded"

/*
 * The first field of this name, decoded, as UTF-8 without control characters, to `out` with a zero behind it.
 * RC_NOT_FOUND: there is none, and `out` is "". RC_LIMIT: longer than size - 1; RC_INVALID: it cannot be decoded. The
 * texts of faults name the field, never what it holds.
 */
enum rc form_field(struct slice body, const char *name, char *out, size_t size, struct err *err)
	MUST_USE;

#endif
