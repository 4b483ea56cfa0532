/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_MACHINE_INFO_H
#define POMONA_ENROLL_MACHINE_INFO_H

/*
 * What a device says of itself when it asks for an enrollment profile (Apple's Device Management: MachineInfo): the
 * property list inside of the signed message. Whether the signature counts is for others to say.
 * Threading: any thread; pure.
 */

#include <stdbool.h>

#include "pomona/base/arena.h"
#include "pomona/base/err.h"
#include "pomona/base/slice.h"

enum { MACHINE_INFO_TEXT_BYTES_MAX = 256, MACHINE_INFO_TOKEN_BYTES_MAX = 8192 };

/* What was not sent is empty or false. Account-driven enrollments of people's own devices name no device. */
struct machine_info {
	struct slice udid;    /* ENROLLMENT_DEVICE_ID_BYTES_MAX at most; texts can stand in XML */
	struct slice serial;  /* this and the next: MACHINE_INFO_TEXT_BYTES_MAX */
	struct slice product; /* "iPhone15,2" */
	struct slice build, supplemental_build; /* "21A329" */
	struct slice os_version;                /* "17.0.1" */
	struct slice language;
	struct slice challenge; /* CHALLENGE, of enrolling over the air */
	struct slice software_update_device_id;
	struct slice pairing_token; /* of a watch */
	bool can_request_software_update, can_request_platform_sso;
};

/* The same, which live in the arena. RC_INVALID names the key and the rule; RC_LIMIT, RC_NO_MEMORY. */
enum rc machine_info_read(struct slice content, struct arena *arena, struct machine_info *info_r,
	struct err *err) MUST_USE;

enum machine_platform {
	MACHINE_IOS,
	MACHINE_IPADOS,
	MACHINE_MACOS,
	MACHINE_TVOS,
	MACHINE_VISIONOS,
	MACHINE_WATCHOS,
	MACHINE_UNKNOWN,
};
enum machine_platform machine_platform(struct slice product);

/*
 * Below 0, 0, above 0: how two versions stand to each other, number by number, what is missing being 0. What is no
 * version (machine_version_is_sound()) is equal to all.
 */
int machine_version_compare(struct slice left, struct slice right);
/* Numbers of up to 9 digits with dots between, 1 to MACHINE_VERSION_PARTS_MAX of them. */
enum { MACHINE_VERSION_PARTS_MAX = 4 };
bool machine_version_is_sound(struct slice version);

#endif
