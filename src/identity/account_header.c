/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/identity/account.h"

struct slice account_token_of_header(const char *authorization)
{
	static const char scheme[] = "Bearer ";
	const size_t len = sizeof(scheme) - 1;
	struct slice value = slice_trim(slice_of_str(authorization));

	if (!slice_is_str_nocase(slice_sub(value, 0, len), scheme))
		return slice_of(NULL, 0);
	value = slice_trim(slice_sub(value, len, value.len));
	return value.len <= ACCOUNT_TOKEN_BYTES_MAX ? value : slice_of(NULL, 0);
}
