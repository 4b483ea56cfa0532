/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_PROFILE_CHECK_H
#define POMONA_ENROLL_PROFILE_CHECK_H

/* The rules of an enrollment profile. Threading: any thread; pure. */

#include "pomona/enroll/profile.h"

/* RC_INVALID names the payload's key and its rule. */
enum rc profile_check(const struct profile_params *params, struct err *err) MUST_USE;

#endif
