/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <strings.h>

#include "ctl.h"
#include "pomona/config/config.h"

#define HTTPS "https://"

/* "user@host" is not taken apart: it leads away from what stands first in it. */
static struct slice host_of(const char *url)
{
	const char *scheme = strstr(url, "://");
	const char *host = scheme != NULL ? scheme + 3 : url;
	const size_t len = strcspn(host, "/?#");
	size_t end;

	if (memchr(host, '@', len) != NULL)
		return slice_of(NULL, 0);
	if (host[0] == '[')
		return slice_of(host + 1, strcspn(host + 1, "]/?#"));
	end = strcspn(host, ":/?#");
	return slice_of(host, end);
}

bool url_carries_in_clear(const char *url)
{
	return strncasecmp(url, HTTPS, strlen(HTTPS)) != 0 && !config_host_is_loopback(host_of(url));
}
