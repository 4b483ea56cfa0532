/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_EXPIRY_H
#define POMONA_PKI_EXPIRY_H

/*
 * How near the end of a certificate is, in the steps at which people are told. Threading: any thread; pure.
 */

#include <stdint.h>

enum cert_expiry {
	EXPIRY_FAR,
	EXPIRY_30_DAYS,
	EXPIRY_14_DAYS,
	EXPIRY_7_DAYS, /* from here on an alarm */
	EXPIRY_1_DAY,
	EXPIRY_OVER
};

enum cert_expiry expiry_of(int64_t not_after, int64_t now_s);
/* Days that are left, a begun one counted: 0 where it is over. */
int64_t expiry_days(int64_t not_after, int64_t now_s);

#endif
