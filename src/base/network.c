/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/base/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "pomona/base/codec.h"

enum {
	V4_BYTES = 4,
	V4_BITS = 32,
	V6_BITS = 128,
	V4_AT = 12,
	SITE_BYTES = 8,
	SHOWN_BYTES_MAX = 64
};

static const uint8_t v4_head[V4_AT] = {[10] = 0xff, [11] = 0xff};

static void map_v4(const void *v4, struct ip_address *address_r)
{
	memcpy(address_r->bytes, v4_head, V4_AT);
	memcpy(address_r->bytes + V4_AT, v4, V4_BYTES);
}

static bool parse(struct slice text, struct ip_address *address_r, bool *is_v4_r)
{
	char copy[INET6_ADDRSTRLEN] = "";
	uint8_t v4[V4_BYTES];

	if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.ptr, 0, text.len) != NULL)
		return false;
	memcpy(copy, text.ptr, text.len);
	*is_v4_r = inet_pton(AF_INET, copy, v4) == 1;
	if (!*is_v4_r)
		return inet_pton(AF_INET6, copy, address_r->bytes) == 1;
	map_v4(v4, address_r);
	return true;
}

bool ip_address_parse(struct slice text, struct ip_address *address_r)
{
	bool is_v4;

	return parse(text, address_r, &is_v4);
}

bool ip_address_parse_peer(struct slice text, struct slice *shown_r, struct ip_address *address_r)
{
	size_t end;

	*shown_r = text;
	if (ip_address_parse(text, address_r))
		return true;
	if (slice_has_prefix(text, "[") && slice_find_byte(text, ']', &end))
		*shown_r = slice_sub(text, 1, end - 1);
	else if (slice_find_byte(text, ':', &end))
		*shown_r = slice_sub(text, 0, end);
	return ip_address_parse(*shown_r, address_r);
}

struct slice ip_address_site(const struct ip_address *address)
{
	bool is_v4 = memcmp(address->bytes, v4_head, V4_AT) == 0;

	return slice_of(address->bytes, is_v4 ? IP_ADDRESS_BYTES : SITE_BYTES);
}

bool ip_address_of(const struct sockaddr *from, struct ip_address *address_r)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (from != NULL && from->sa_family == AF_INET) {
		memcpy(&v4, from, sizeof(v4));
		map_v4(&v4.sin_addr, address_r);
		return true;
	}
	if (from == NULL || from->sa_family != AF_INET6)
		return false;
	memcpy(&v6, from, sizeof(v6));
	memcpy(address_r->bytes, &v6.sin6_addr, IP_ADDRESS_BYTES);
	return true;
}

/* The byte at `at` of a mask with so many bits. */
static uint8_t mask_byte(unsigned bits, size_t at)
{
	unsigned before = (unsigned)at * 8;

	if (bits >= before + 8)
		return 0xff;
	if (bits <= before)
		return 0;
	return (uint8_t)((0xff00U >> (bits - before)) & 0xffU);
}

static bool is_within(const struct ip_address *address, const struct ip_address *network,
	unsigned bits)
{
	unsigned differs = 0;

	for (size_t i = 0; i < IP_ADDRESS_BYTES; i++)
		differs |= (unsigned)(address->bytes[i] & mask_byte(bits, i)) ^ network->bytes[i];
	return differs == 0;
}

static enum rc parse_one(struct slice text, struct ip_address *address_r, unsigned *bits_r,
	struct err *err)
{
	struct slice shown = slice_sub(text, 0, SHOWN_BYTES_MAX);
	size_t slash = text.len;
	int64_t bits;
	bool is_v4;

	(void)slice_find_byte(text, '/', &slash);
	if (!parse(slice_sub(text, 0, slash), address_r, &is_v4))
		return err_set(err, RC_INVALID, "%.*s: want an IP address, or a network such as 10.0.0.0/8",
			SLICE_FMT(shown));
	bits = is_v4 ? V4_BITS : V6_BITS;
	if (slash < text.len &&
		int64_parse(slice_sub(text, slash + 1, text.len), 1, bits, &bits, NULL) != RC_OK)
		return err_set(err, RC_INVALID, "%.*s: want a prefix of 1 to %lld bits", SLICE_FMT(shown),
			(long long)bits);
	*bits_r = (unsigned)bits + (is_v4 ? V6_BITS - V4_BITS : 0);
	if (!is_within(address_r, address_r, *bits_r))
		return err_set(err, RC_INVALID, "%.*s: the address has bits behind its prefix of %lld",
			SLICE_FMT(shown), (long long)bits);
	return RC_OK;
}

static bool is_separator(uint8_t byte)
{
	return byte == ',' || byte == ' ' || byte == '\t';
}

/* The next word of `text`, which begins behind it then; empty at the end. */
static struct slice next_word(struct slice *text)
{
	size_t from = 0;
	size_t end;
	struct slice word;

	while (from < text->len && is_separator(text->ptr[from]))
		from++;
	end = from;
	while (end < text->len && !is_separator(text->ptr[end]))
		end++;
	word = slice_sub(*text, from, end - from);
	*text = slice_sub(*text, end, text->len);
	return word;
}

enum rc networks_parse(struct slice text, struct networks *networks_r, struct err *err)
{
	struct slice word = next_word(&text);

	networks_r->count = 0;
	for (; word.len > 0; word = next_word(&text)) {
		size_t at = networks_r->count;
		enum rc rc;

		if (at == NETWORKS_MAX)
			return err_set(err, RC_LIMIT, "more than %d networks", NETWORKS_MAX);
		rc = parse_one(word, &networks_r->list[at].address, &networks_r->list[at].prefix_bits, err);
		if (rc != RC_OK)
			return rc;
		networks_r->count++;
	}
	return RC_OK;
}

bool networks_has(const struct networks *networks, const struct ip_address *address)
{
	for (size_t i = 0; i < networks->count; i++)
		if (is_within(address, &networks->list[i].address, networks->list[i].prefix_bits))
			return true;
	return false;
}
