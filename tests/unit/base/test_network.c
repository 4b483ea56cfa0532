/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "pomona/base/buf.h"
#include "pomona/base/network.h"

static struct ip_address address_of(const char *text)
{
	struct ip_address address;

	if (!ip_address_parse(slice_of_str(text), &address))
		fail_msg("%s", text);
	return address;
}

static void a_list_holds_what_is_within_its_networks(void **state)
{
	static const struct {
		const char *list, *address;
		bool is_in;
	} rows[] = {
		{"", "127.0.0.1", false},
		{"127.0.0.1", "127.0.0.1", true},
		{"127.0.0.1", "127.0.0.2", false},
		{"127.0.0.1", "::ffff:127.0.0.1", true},
		{"127.0.0.1", "::1", false},
		{"::1", "::1", true},
		{"10.0.0.0/8", "10.255.255.255", true},
		{"10.0.0.0/8", "11.0.0.0", false},
		{"10.0.0.0/8", "9.255.255.255", false},
		{"192.0.2.64/27", "192.0.2.95", true},
		{"192.0.2.64/27", "192.0.2.96", false},
		{"0.0.0.0/1", "127.9.9.9", true},
		{"0.0.0.0/1", "128.0.0.0", false},
		{"0.0.0.0/1", "::1", false},
		{"2001:db8::/33", "2001:db8:7fff::1", true},
		{"2001:db8::/33", "2001:db8:8000::1", false},
		{"2001:db8::1/128", "2001:db8::1", true},
		{" 192.0.2.1 ,, 10.0.0.0/8\t::1 ", "::1", true},
		{"192.0.2.1,10.0.0.0/8", "10.1.1.1", true},
		{"192.0.2.1 10.0.0.0/8", "192.0.2.2", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct ip_address address = address_of(rows[i].address);
		struct networks networks;

		assert_int_equal(networks_parse(slice_of_str(rows[i].list), &networks, NULL), RC_OK);
		if (networks_has(&networks, &address) != rows[i].is_in)
			fail_msg("%s in %s", rows[i].address, rows[i].list);
	}
}

static void what_is_no_network_is_named_in_the_fault(void **state)
{
	static const struct {
		const char *list, *fault;
	} rows[] = {
		{"proxy.example", "proxy.example: want an IP address"},
		{"10.0.0.0/8, 10.0.0", "10.0.0: want an IP address"},
		{"10.0.0.1:80", "10.0.0.1:80: want an IP address"},
		{"[::1]", "[::1]: want an IP address"},
		{"fe80::1%eth0", "fe80::1%eth0: want an IP address"},
		{"/8", "/8: want an IP address"},
		{"10.0.0.0/0", "10.0.0.0/0: want a prefix of 1 to 32"},
		{"::/0", "::/0: want a prefix of 1 to 128"},
		{"10.0.0.0/33", "10.0.0.0/33: want a prefix of 1 to 32"},
		{"::/129", "::/129: want a prefix of 1 to 128"},
		{"10.0.0.0/", "10.0.0.0/: want a prefix of 1 to 32"},
		{"10.0.0.0/-8", "10.0.0.0/-8: want a prefix of 1 to 32"},
		{"10.0.0.0/8/8", "10.0.0.0/8/8: want a prefix of 1 to 32"},
		{"10.0.0.1/8", "10.0.0.1/8: the address has bits behind its prefix of 8"},
		{"2001:db8::1/64", "2001:db8::1/64: the address has bits behind its prefix of 64"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct networks networks;
		struct err err;

		assert_int_equal(networks_parse(slice_of_str(rows[i].list), &networks, &err), RC_INVALID);
		if (strncmp(err.text, rows[i].fault, strlen(rows[i].fault)) != 0)
			fail_msg("%s: %s", rows[i].list, err.text);
	}
}

static void a_list_has_so_many_networks_at_most(void **state)
{
	AUTO(buf_fini) struct buf list = {.bound = 4096};
	struct networks networks;
	struct err err;

	(void)state;
	for (int i = 0; i < NETWORKS_MAX; i++)
		buf_printf(&list, "192.0.2.%d,", i);
	assert_int_equal(networks_parse(buf_slice(&list), &networks, NULL), RC_OK);
	assert_int_equal(networks.count, NETWORKS_MAX);
	buf_printf(&list, "10.0.0.1");
	assert_int_equal(networks_parse(buf_slice(&list), &networks, &err), RC_LIMIT);
	assert_string_equal(err.text, "more than 64 networks");
}

static void a_zero_in_an_address_does_not_end_it(void **state)
{
	struct ip_address address;

	(void)state;
	assert_false(ip_address_parse(slice_of("127.0.0.1\0x", 11), &address));
	assert_false(ip_address_parse(slice_of("\0", 1), &address));
	assert_false(ip_address_parse(slice_of_str(""), &address));
}

static void an_address_comes_from_a_socket_of_either_family(void **state)
{
	const struct ip_address wanted = address_of("192.0.2.7");
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xC0000207)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr unix_peer = {.sa_family = AF_UNIX};
	struct ip_address address;

	(void)state;
	assert_true(ip_address_of((const struct sockaddr *)&v4, &address));
	assert_memory_equal(address.bytes, wanted.bytes, IP_ADDRESS_BYTES);
	assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.7", &v6.sin6_addr), 1);
	assert_true(ip_address_of((const struct sockaddr *)&v6, &address));
	assert_memory_equal(address.bytes, wanted.bytes, IP_ADDRESS_BYTES);
	assert_false(ip_address_of(&unix_peer, &address));
	assert_false(ip_address_of(NULL, &address));
}

static void a_peer_is_an_address_with_or_without_a_port(void **state)
{
	static const struct {
		const char *text, *shown; /* NULL: it is none */
		size_t site_len;
	} rows[] = {
		{"192.0.2.1", "192.0.2.1", 16},
		{"192.0.2.1:80", "192.0.2.1", 16},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.1", 16},
		{"2001:db8::1", "2001:db8::1", 8},
		{"[2001:db8::1]:80", "2001:db8::1", 8},
		{"[2001:db8::1]", "2001:db8::1", 8},
		{"unix", NULL, 0},
		{"[]:80", NULL, 0},
		{"", NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct ip_address address;
		struct slice shown;

		assert_int_equal(ip_address_parse_peer(slice_of_str(rows[i].text), &shown, &address),
			rows[i].shown != NULL);
		if (rows[i].shown == NULL)
			continue;
		assert_true(slice_is_str(shown, rows[i].shown));
		assert_int_equal(ip_address_site(&address).len, rows[i].site_len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_holds_what_is_within_its_networks),
		cmocka_unit_test(what_is_no_network_is_named_in_the_fault),
		cmocka_unit_test(a_list_has_so_many_networks_at_most),
		cmocka_unit_test(a_zero_in_an_address_does_not_end_it),
		cmocka_unit_test(an_address_comes_from_a_socket_of_either_family),
		cmocka_unit_test(a_peer_is_an_address_with_or_without_a_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
