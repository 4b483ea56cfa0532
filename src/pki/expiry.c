/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/pki/expiry.h"

enum { DAY_S = 86400 };

static const int64_t days_of[] = {
	[EXPIRY_FAR] = INT64_MAX,
	[EXPIRY_30_DAYS] = 30,
	[EXPIRY_14_DAYS] = 14,
	[EXPIRY_7_DAYS] = 7,
	[EXPIRY_1_DAY] = 1,
	[EXPIRY_OVER] = 0,
};

int64_t expiry_days(int64_t not_after, int64_t now_s)
{
	return not_after <= now_s ? 0 : (not_after - now_s + DAY_S - 1) / DAY_S;
}

enum cert_expiry expiry_of(int64_t not_after, int64_t now_s)
{
	enum cert_expiry expiry = EXPIRY_OVER;

	while (expiry_days(not_after, now_s) > days_of[expiry])
		expiry--;
	return expiry;
}
