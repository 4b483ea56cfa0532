/* SPDX-License-Identifier: Apache-2.0 */
#include "key_kind.h"

void key_kind_append(const struct config_key *key, struct buf *out)
{
	static const char *const words[CONFIG_TYPE_COUNT] = {
		[CONFIG_TYPE_TEXT] = "text",
		[CONFIG_TYPE_PATH] = "path",
		[CONFIG_TYPE_CREDENTIAL] = "path or credential:NAME",
		[CONFIG_TYPE_HOSTNAME] = "DNS name or IP address",
		[CONFIG_TYPE_ADDRESS] = "host:port or [IPv6 address]:port",
		[CONFIG_TYPE_NETWORKS] = "IP addresses or networks, with commas or spaces between",
		[CONFIG_TYPE_HEADER] = "header name",
	};

	if (key->type == CONFIG_TYPE_INTEGER)
		buf_printf(out, "%lld to %lld %s", (long long)key->min, (long long)key->max, key->unit);
	else if (key->type == CONFIG_TYPE_CHOICE)
		for (const char *c = key->choices; *c != '\0'; c++)
			buf_append(out, *c == '|' ? SLICE_LITERAL(", ") : slice_of(c, 1));
	else
		buf_append_str(out, words[key->type]);
	buf_append_str(out, key->is_empty_allowed ? ", or empty" : "");
}
