/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_CA_H
#define POMONA_SIM_CA_H

/*
 * A CA in a folder: ca.pem, and ca.key for its owner's eyes only. The simulated devices have one, and Apple.
 * Threading: any thread; these block.
 */

#include <limits.h>

#include "pomona/pki/authority.h"

/* Makes folder, key and certificate. RC_EXISTS where both are there: nothing is changed. */
enum rc ca_create(const char *dir, const char *common_name, int64_t now, struct err *err) MUST_USE;
/* RC_NOT_FOUND where there is none. */
enum rc ca_load(const char *dir, struct authority **authority_r, struct err *err) MUST_USE;
/* "<dir>/<name>"; RC_LIMIT where that is too long. */
enum rc ca_path(const char *dir, const char *name, char out[static PATH_MAX], struct err *err)
	MUST_USE;

#endif
