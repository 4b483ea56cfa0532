/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_CA_H
#define POMONA_SIM_CA_H

/*
 * The CA of the simulated devices, in a folder: ca.pem, and ca.key for its owner's eyes only.
 * Threading: any thread; these block.
 */

#include "pomona/pki/authority.h"

/* Makes folder, key and certificate. RC_EXISTS where both are there: nothing is changed. */
enum rc ca_create(const char *dir, int64_t now, struct err *err) MUST_USE;
/* RC_NOT_FOUND where there is none. */
enum rc ca_load(const char *dir, struct authority **authority_r, struct err *err) MUST_USE;

#endif
