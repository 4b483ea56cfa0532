/* SPDX-License-Identifier: Apache-2.0 */
#include "private.h"

#include <stdio.h>

/*
 * X-Forwarded-For: each proxy writes the address of its own peer behind what it was sent. So from the right end on
 * proxies tell the truth, up to the first address that is none of them; what stands before that is anybody's word.
 */
struct walk {
	const struct networks *proxies;
	struct slice client; /* empty: not known */
	bool is_over;        /* of the line that is looked at */
};

/* One element. False: go no further to the left. */
static bool look_at(struct walk *walk, struct slice element)
{
	struct ip_address address;
	struct slice shown;

	if (!ip_address_parse_peer(slice_trim(element), &shown, &address)) {
		walk->client = slice_of(NULL, 0);
		return false;
	}
	walk->client = shown;
	return networks_has(walk->proxies, &address);
}

/* A later line was written by a later proxy. */
static void look_at_line(void *ctx, const char *value)
{
	struct walk *walk = ctx;
	struct slice line = slice_of_str(value);
	size_t end = line.len;

	for (size_t at = line.len + 1; at-- > 0;) {
		if (at > 0 && line.ptr[at - 1] != ',')
			continue;
		if (!look_at(walk, slice_sub(line, at, end - at)) || at == 0)
			return;
		end = at - 1;
	}
}

bool http_request_client(const struct http_request *request, char out[static HTTP_ADDRESS_BYTES])
{
	struct walk walk = {.proxies = &request->connection->listener->proxies};

	if (http_request_is_from_proxy(request))
		http_request_each_header(request, "X-Forwarded-For", look_at_line, &walk);
	if (walk.client.len > 0)
		(void)snprintf(out, HTTP_ADDRESS_BYTES, "%.*s", SLICE_FMT(walk.client));
	else
		(void)snprintf(out, HTTP_ADDRESS_BYTES, "%s", http_request_peer(request));
	return walk.client.len > 0;
}
