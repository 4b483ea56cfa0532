/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_BASE_NETWORK_H
#define POMONA_BASE_NETWORK_H

/*
 * IP addresses and lists of networks, such as that of the proxies that are believed. An IPv4 address is kept as
 * the IPv6 address that maps it (RFC 4291 2.5.5.2), so that both kinds compare alike.
 * Threading: any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pomona/base/err.h"
#include "pomona/base/slice.h"

struct sockaddr;

enum { NETWORKS_MAX = 64, IP_ADDRESS_BYTES = 16 };

struct ip_address {
	uint8_t bytes[IP_ADDRESS_BYTES];
};

struct networks {
	size_t count;
	struct {
		struct ip_address address; /* zero behind its prefix */
		unsigned prefix_bits;
	} list[NETWORKS_MAX];
};

/* "192.0.2.1" or "2001:db8::1", without brackets, port or zone. */
bool ip_address_parse(struct slice text, struct ip_address *address_r) MUST_USE;
/* The same, or with a port: "192.0.2.1:80", "[2001:db8::1]:80"; *shown_r is the address in it. */
bool ip_address_parse_peer(struct slice text, struct slice *shown_r, struct ip_address *address_r)
	MUST_USE;
/*
 * What counts as one sender: an IPv4 address, but of IPv6 the first 64 bits, behind which anybody has addresses without
 * end. Borrowed from `address`.
 */
struct slice ip_address_site(const struct ip_address *address);
/* False where it is of another family; NULL is of none. */
bool ip_address_of(const struct sockaddr *from, struct ip_address *address_r) MUST_USE;

/*
 * Addresses, or networks as "10.0.0.0/8" or "2001:db8::/32", with commas or white space between them; none is fine.
 * RC_INVALID where one is no network, has bits set behind its prefix, or holds every address (/0): RC_LIMIT past
 * NETWORKS_MAX. The fault names it.
 */
enum rc networks_parse(struct slice text, struct networks *networks_r, struct err *err) MUST_USE;
bool networks_has(const struct networks *networks, const struct ip_address *address);

#endif
