/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_REFUSAL_H
#define POMONA_ENROLL_REFUSAL_H

/*
 * Refusals that tell a device what to do about them (Apple's Device Management: ErrorCode...): 403 with a document that
 * has a code, in JSON or as a property list. For routes of enrolling alone: on the routes of device messages one of
 * these codes ends a device's management, and only unenroll_decide() may say so.
 * Threading: any thread; pure, but for enroll_refuse().
 */

#include "pomona/base/buf.h"
#include "pomona/base/err.h"
#include "pomona/http/http.h"

enum { ENROLL_REFUSAL_BYTES_MAX = 16384 };

enum enroll_refusal {
	ENROLL_REFUSAL_SOFTWARE_UPDATE, /* update first: needs os_version, may have build_version */
	ENROLL_REFUSAL_UNRECOGNIZED,    /* the device is none of ours */
	ENROLL_REFUSAL_PAIRING_TOKEN,   /* a watch came without its phone's word: needs security_token */
	ENROLL_REFUSAL_PLATFORM_SSO,    /* log in by Platform SSO first: needs the three URLs */
	ENROLL_REFUSAL_WELL_KNOWN,      /* service discovery: nobody of ours */
	ENROLL_REFUSAL_COUNT
};

enum enroll_refusal_form { ENROLL_REFUSAL_JSON, ENROLL_REFUSAL_PLIST };

struct enroll_refusal_says { /* borrowed; UTF-8 that XML can carry; NULL: left out */
	enum enroll_refusal refusal;
	const char *message; /* for the person at the device */
	const char *os_version, *build_version;
	const char *security_token; /* a UUID; the phone shows it to get the pairing token */
	const char *profile_url, *auth_url, *manifest_url;
};

/* "com.apple.softwareupdate.required" */
const char *enroll_refusal_code(enum enroll_refusal refusal);
/* RC_INVALID: something that its kind needs is not there. */
enum rc enroll_refusal_write(const struct enroll_refusal_says *says, enum enroll_refusal_form form,
	struct buf *out, struct err *err) MUST_USE;
/* What an Accept header (NULL: none) asks for: JSON, unless it names XML and not JSON. */
enum enroll_refusal_form enroll_refusal_form_of(const char *accept);
/* Replies 403, in the form that the request accepts. */
void enroll_refuse(struct http_request *request, const struct enroll_refusal_says *says);

#endif
