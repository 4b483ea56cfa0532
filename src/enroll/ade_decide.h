/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_ADE_DECIDE_H
#define POMONA_ENROLL_ADE_DECIDE_H

/*
 * Does a device in Setup Assistant get its enrollment profile? A table of the reasons why not, and the one function
 * that decides between those that follow from what the device says of itself.
 * Threading: any thread; pure.
 */

#include "machine_info.h"
#include "pomona/base/rand.h"
#include "pomona/enroll/ade.h"
#include "refusal.h"

enum ade_reason {
	ADE_GOOD,
	ADE_PLAIN, /* neither TLS of ours nor a proxy's */
	ADE_NO_INFO,
	ADE_GARBLED, /* not signed machine information */
	ADE_NO_APPLE_CA,
	ADE_NOT_APPLE,
	ADE_BAD_SIGNATURE,
	ADE_BAD_INFO,
	ADE_NOT_LISTED, /* the three below and this one are typed */
	ADE_PAIRING_TOKEN,
	ADE_OLD_OS,
	ADE_PLATFORM_SSO,
	ADE_LOGIN_GARBLED,
	ADE_LOGIN_WRONG,
	ADE_LOGIN_LIMITED,
	ADE_UNAVAILABLE,
	ADE_REASON_COUNT
};

const char *ade_reason_name(enum ade_reason reason); /* "not_listed", for the log */
unsigned ade_reason_status(enum ade_reason reason);
/* A sentence for the person at the device. */
const char *ade_reason_text(enum ade_reason reason);
/* What the administrator does about it; NULL: nothing. */
const char *ade_reason_advice(enum ade_reason reason);

/* Of a device whose signature counts. `is_listed`: an administrator named it. */
enum ade_reason ade_decide(const struct ade_settings *settings, const struct machine_info *info,
	bool is_listed);

/*
 * What the device is told of a typed reason; false: it is none. `token` is where the security token of
 * ADE_PAIRING_TOKEN is made; all is borrowed from it and the settings.
 */
bool ade_says(enum ade_reason reason, const struct ade_settings *settings,
	const struct machine_info *info, char token[static UUID_TEXT_BYTES],
	struct enroll_refusal_says *says_r);

#endif
