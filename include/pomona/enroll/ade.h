/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_ADE_H
#define POMONA_ENROLL_ADE_H

/*
 * What the conf says of Automated Device Enrollment: devices in Setup Assistant that come to the configuration URL by
 * themselves.
 * Threading: any thread; plain data.
 */

#include <stdbool.h>
#include <stdint.h>

enum {
	ADE_VERSION_BYTES_MAX = 39, /* four numbers of nine digits, dots between */
	ADE_URL_BYTES_MAX = 1024,
	ADE_REALM_BYTES = 128,
};

enum ade_devices {
	ADE_DEVICES_LISTED, /* those for which an administrator has made a challenge or a profile */
	ADE_DEVICES_ALL,    /* whoever shows a signature that counts */
	ADE_DEVICES_NONE,
};

enum ade_signature {
	ADE_SIGNATURE_APPLE, /* by a certificate that one of the imported ones has issued */
	ADE_SIGNATURE_ANY,   /* by whatever certificate: for trials */
};

enum ade_login { ADE_LOGIN_NONE, ADE_LOGIN_DIGEST, ADE_LOGIN_DIGEST_MD5 };

enum ade_os { ADE_OS_IOS, ADE_OS_IPADOS, ADE_OS_MACOS, ADE_OS_COUNT };

struct ade_settings {
	enum ade_devices devices;
	enum ade_signature signature;
	enum ade_login login;
	bool is_encrypted;                                        /* the profile, to who signed */
	char minimum_os[ADE_OS_COUNT][ADE_VERSION_BYTES_MAX + 1]; /* "": any */
	/* All three, or the first is "": nobody is sent to Platform SSO. */
	char sso_profile_url[ADE_URL_BYTES_MAX + 1];
	char sso_auth_url[ADE_URL_BYTES_MAX + 1];
	char sso_manifest_url[ADE_URL_BYTES_MAX + 1];
	char realm[ADE_REALM_BYTES]; /* that people log in to */
};

/* Numbers with dots between, such as 17.5.1. */
bool ade_version_is_sound(const char *version);

#endif
