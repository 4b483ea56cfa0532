/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define LABEL_63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"
#define NAME_253 \
	LABEL_63 "." LABEL_63 "." LABEL_63 \
										"." \
										"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffg"

struct value_case {
	const char *value;
	bool is_good;
};

static void hold(const char *section, const char *name, const struct value_case *cases,
	size_t count)
{
	const struct config_key *key = config_key_find(slice_of_str(section), slice_of_str(name));

	assert_non_null(key);
	for (size_t i = 0; i < count; i++) {
		struct config *config = test_calloc(1, sizeof(*config));
		struct err why;
		enum rc rc = config_value_set(config, key, slice_of_str(cases[i].value), &why);

		if (rc != (cases[i].is_good ? RC_OK : RC_INVALID))
			fail_msg("%s.%s = '%s': %s", section, name, cases[i].value, rc_name(rc));
		if (rc == RC_OK && config_key_is_text(key)) {
			assert_string_equal(*config_text_field(config, key), cases[i].value);
			free(*config_text_field(config, key));
		}
		test_free(config);
	}
}

static void an_address_is_a_host_and_a_port(void **state)
{
	static const struct value_case cases[] = {
		{"0.0.0.0:8443", true},
		{"127.0.0.1:0", true},
		{"[::]:8443", true},
		{"[::1]:65535", true},
		{"[fe80::1%eth0]:1", false},
		{"localhost:80", true},
		{"mdm-1.example.com:80", true},
		{"0.0.0.0", false},
		{"0.0.0.0:", false},
		{":8443", false},
		{"8443", false},
		{"0.0.0.0:65536", false},
		{"0.0.0.0:-1", false},
		{"0.0.0.0:+1", false},
		{"0.0.0.0: 1", false},
		{"0.0.0.0:0x50", false},
		{"256.0.0.1:80", false},
		{"1.2.3:80", false},
		{"::1:80", false},
		{"[::1]80", false},
		{"[::1:80", false},
		{"[]:80", false},
		{"[127.0.0.1]:80", false},
		{"[::g]:80", false},
		{"a b:80", false},
		{"-a:80", false},
		{"a-:80", false},
		{"a..b:80", false},
		{"a.:80", false},
		{".a:80", false},
		{"http://a:80", false},
		{"*:80", false},
	};

	(void)state;
	hold("device", "listen", cases, COUNT_OF(cases));
}

static void an_address_is_split_into_its_parts(void **state)
{
	static const struct {
		const char *address, *host;
		uint16_t port;
	} cases[] = {
		{"api.push.apple.com:443", "api.push.apple.com", 443},
		{"127.0.0.1:0", "127.0.0.1", 0},
		{"[2001:db8::1]:65535", "2001:db8::1", 65535},
	};
	struct slice host;
	uint16_t port;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_true(config_address_split(cases[i].address, &host, &port));
		assert_true(slice_is_str(host, cases[i].host));
		assert_int_equal(port, cases[i].port);
	}
	assert_false(config_address_split("", &host, &port));
	assert_false(config_address_split("localhost", &host, &port));
	assert_false(config_address_split("[::1:80", &host, &port));
}

static void each_number_of_waking_is_held_to_its_range(void **state)
{
	static const struct {
		const char *name;
		struct value_case cases[4]; /* the least, the most, and one past each */
	} keys[] = {
		{"connections_max", {{"1", true}, {"16", true}, {"0", false}, {"17", false}}},
		{"rate_per_s", {{"0", true}, {"1000000", true}, {"-1", false}, {"1000001", false}}},
		{"expiration_s", {{"0", true}, {"2592000", true}, {"-1", false}, {"2592001", false}}},
		{"retry_first_s", {{"1", true}, {"86400", true}, {"0", false}, {"86401", false}}},
		{"retry_max_s", {{"1", true}, {"604800", true}, {"0", false}, {"604801", false}}},
		{"probe_interval_s", {{"0", true}, {"2592000", true}, {"-1", false}, {"2592001", false}}},
		{"inactive_after_s", {{"0", true}, {"31536000", true}, {"-1", false}, {"31536001", false}}},
		{"ping_interval_s", {{"0", true}, {"3600", true}, {"-1", false}, {"3601", false}}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		hold("push", keys[i].name, keys[i].cases, COUNT_OF(keys[i].cases));
}

static void proxies_are_addresses_and_networks(void **state)
{
	static const struct value_case cases[] = {
		{"", true},
		{"127.0.0.1", true},
		{"10.0.0.0/8, 2001:db8::/32 ::1", true},
		{"10.0.0.1/8", false},
		{"0.0.0.0/0", false},
		{"proxy.example.com", false},
		{"127.0.0.1:80", false},
	};

	(void)state;
	hold("device", "proxies", cases, COUNT_OF(cases));
}

static void a_header_is_a_name_of_plain_characters(void **state)
{
	static const struct value_case cases[] = {
		{"", true},
		{"X-SSL_Client-Cert2", true},
		{LABEL_63, true},
		{LABEL_63 "g", false},
		{"Client-Cert:", false},
		{"Client Cert", false},
		{"M\xC3\xBCnchen", false},
	};

	(void)state;
	hold("device", "identity_header", cases, COUNT_OF(cases));
}

static void a_hostname_is_a_name_or_an_address_without_a_port(void **state)
{
	static const struct value_case cases[] = {
		{"mdm.example.com", true},
		{"localhost", true},
		{"192.0.2.1", true},
		{"2001:db8::1", true},
		{"3com.com", true},
		{LABEL_63, true},
		{LABEL_63 "g", false},
		{NAME_253, true},
		{NAME_253 "g", false},
		{"", false},
		{"mdm.example.com:8443", false},
		{"[::1]", false},
		{"a_b.example.com", false},
		{"192.0.2", false},
		{"m\xC3\xBCnchen.example", false},
	};

	(void)state;
	hold("server", "hostname", cases, COUNT_OF(cases));
}

static void an_integer_is_held_to_its_range(void **state)
{
	static const struct value_case cases[] = {
		{"4096", true},
		{"4095", false},
		{"32768", true},
		{"32769", false},
		{"0x8000", false},
		{"32k", false},
		{"", false},
		{"1e4", false},
		{"99999999999999999999", false},
	};

	(void)state;
	hold("device", "header_bytes_max", cases, COUNT_OF(cases));
}

static void a_choice_is_one_of_its_words(void **state)
{
	static const struct value_case cases[] = {
		{"error", true},
		{"warning", true},
		{"info", true},
		{"debug", true},
		{"Debug", false},
		{"debu", false},
		{"debugs", false},
		{"error|warning", false},
		{"|", false},
		{"", false},
	};

	(void)state;
	hold("server", "log_level", cases, COUNT_OF(cases));
}

static void the_words_of_a_choice_stand_in_the_order_of_its_enum(void **state)
{
	static const struct {
		const char *section, *name, *value;
		int64_t number;
	} cases[] = {
		{"server", "log_level", "error", LOG_LEVEL_ERROR},
		{"server", "log_level", "warning", LOG_LEVEL_WARNING},
		{"server", "log_level", "info", LOG_LEVEL_INFO},
		{"server", "log_level", "debug", LOG_LEVEL_DEBUG},
		{"device", "unknown_device", "refuse", CONFIG_UNKNOWN_REFUSE},
		{"device", "unknown_device", "unenroll", CONFIG_UNKNOWN_UNENROLL},
		{"device", "identity_tls", "on", CONFIG_ON},
		{"device", "identity_tls", "off", CONFIG_OFF},
		{"device", "user_authenticate", "gone", CONFIG_USER_GONE},
		{"device", "user_authenticate", "empty_challenge", CONFIG_USER_EMPTY_CHALLENGE},
		{"device", "user_authenticate", "digest", CONFIG_USER_DIGEST},
		{"push", "priority", "10", CONFIG_PUSH_PRIORITY_10},
		{"push", "priority", "5", CONFIG_PUSH_PRIORITY_5},
		{"push", "priority", "1", CONFIG_PUSH_PRIORITY_1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct config_key *key =
			config_key_find(slice_of_str(cases[i].section), slice_of_str(cases[i].name));
		struct config config = {.server = {.hostname = NULL}};
		struct err why;

		assert_int_equal(config_value_set(&config, key, slice_of_str(cases[i].value), &why), RC_OK);
		assert_int_equal(config_number_of(&config, key), cases[i].number);
	}
}

static void a_path_may_begin_with_the_state_folder_and_name_no_other_variable(void **state)
{
	static const struct value_case cases[] = {
		{"${state_dir}/x.db", true},
		{"${state_dir}", true},
		{"/a/$b/c$", true},
		{"${state_dir}x", false},
		{"/a/${state_dir}", false},
		{"${home}/x", false},
		{"", false},
	};
	static const struct value_case itself[] = {{"${state_dir}/x", false}, {"state", true}};

	(void)state;
	hold("server", "database", cases, COUNT_OF(cases));
	hold("server", "state_dir", itself, COUNT_OF(itself));
}

static void the_master_key_is_a_path_or_names_a_credential(void **state)
{
	static const struct value_case cases[] = {
		{"master.key", true},
		{"/etc/pomona/master.key", true},
		{"${state_dir}/x", true},
		{"a${state_dir}", false},
		{"credential:master.key", true},
		{"credential:", false},
		{"credential:a/b", false},
		{"credential:..", false},
		{"credential:a b", false},
		{"credential:a:b", false},
		{"credential:${state_dir}", false},
		{"credential:" LABEL_63 LABEL_63 LABEL_63 LABEL_63 "123", true},
		{"credential:" LABEL_63 LABEL_63 LABEL_63 LABEL_63 "1234", false},
	};

	(void)state;
	hold("server", "master_key", cases, COUNT_OF(cases));
}

static void only_what_may_be_switched_off_may_be_empty(void **state)
{
	static const struct value_case good[] = {{"", true}};
	static const struct value_case bad[] = {{"", false}};

	(void)state;
	hold("admin", "listen", good, 1);
	hold("admin", "socket", good, 1);
	hold("admin", "socket_group", good, 1);
	hold("net", "proxy", good, 1);
	hold("push", "ca_file", good, 1);
	hold("push", "server", bad, 1);
	hold("device", "listen", bad, 1);
	hold("device", "tls_key", bad, 1);
}

static void paths_are_made_absolute(void **state)
{
	static const struct {
		const char *folder, *state_dir, *database, *want_database;
	} cases[] = {
		{"/etc/pomona", "/var/lib/pomona", "/d/x.db", "/d/x.db"},
		{"/etc/pomona", "/var/lib/pomona", "x.db", "/etc/pomona/x.db"},
		{"/etc/pomona", "/var/lib/pomona", "${state_dir}/x.db", "/var/lib/pomona/x.db"},
		{"/etc/pomona", "state", "${state_dir}/x.db", "/etc/pomona/state/x.db"},
		{"/", "state", "x.db", "/x.db"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(config_free) struct config *config = NULL;
		AUTO(buf_fini) struct buf text;
		struct config_source source = {.name = "x.conf", .folder = cases[i].folder};
		struct err err;

		buf_init(&text, 4096);
		buf_printf(&text,
			"[server]\nhostname = a\nstate_dir = %s\ndatabase = %s\n"
			"[device]\ntls_certificate = /a\ntls_key = /b\n[admin]\nsocket =\n",
			cases[i].state_dir, cases[i].database);
		source.text = buf_slice(&text);
		assert_int_equal(config_parse(&source, &config, NULL, &err), RC_OK);
		assert_string_equal(config->server.database, cases[i].want_database);
		assert_string_equal(config->admin.socket, "");
	}
}

static void only_this_machines_own_addresses_are_loopback(void **state)
{
	static const struct {
		const char *host;
		bool is_loopback;
	} cases[] = {
		{"127.0.0.1", true},
		{"127.255.255.254", true},
		{"::1", true},
		{"0:0:0:0:0:0:0:1", true},
		{"localhost", true},
		{"LocalHost", true},
		{"128.0.0.1", false},
		{"126.255.255.255", false},
		{"0.0.0.0", false},
		{"::", false},
		{"::2", false},
		{"127.0.0.1.example.com", false},
		{"localhost.example.com", false},
		{"mdm.example.com", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (config_host_is_loopback(slice_of_str(cases[i].host)) != cases[i].is_loopback)
			fail_msg("%s", cases[i].host);
}

/* The admin API without TLS leaves the machine on purpose or not at all. */
static void a_remote_admin_address_wants_to_be_allowed(void **state)
{
	static const struct {
		const char *keys;
		enum rc want;
	} cases[] = {
		{"listen = 127.0.0.1:8080", RC_OK},
		{"listen = [::1]:8080", RC_OK},
		{"listen = localhost:8080", RC_OK},
		{"listen =", RC_OK},
		{"listen = 0.0.0.0:8080", RC_INVALID},
		{"listen = [::]:8080", RC_INVALID},
		{"listen = 192.0.2.1:8080\nallow_remote_plain = no", RC_INVALID},
		{"listen = 192.0.2.1:8080\nallow_remote_plain = yes", RC_OK},
		{"allow_remote_plain = yes", RC_OK},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(config_free) struct config *config = NULL;
		AUTO(buf_fini) struct buf text;
		struct config_source source = {.name = "x.conf", .folder = "/etc"};
		struct err err = {.rc = RC_OK};

		buf_init(&text, 4096);
		buf_printf(&text,
			"[server]\nhostname = a\nstate_dir = /s\n[device]\ntls_certificate = /a\ntls_key = /b\n"
			"[admin]\n%s\n",
			cases[i].keys);
		source.text = buf_slice(&text);
		if (config_parse(&source, &config, NULL, &err) != cases[i].want)
			fail_msg("%s: %s", cases[i].keys, err.text);
		if (cases[i].want != RC_OK)
			assert_non_null(strstr(err.text, "x.conf:8: [admin] listen: "));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_a_host_and_a_port),
		cmocka_unit_test(an_address_is_split_into_its_parts),
		cmocka_unit_test(each_number_of_waking_is_held_to_its_range),
		cmocka_unit_test(proxies_are_addresses_and_networks),
		cmocka_unit_test(a_header_is_a_name_of_plain_characters),
		cmocka_unit_test(a_hostname_is_a_name_or_an_address_without_a_port),
		cmocka_unit_test(an_integer_is_held_to_its_range),
		cmocka_unit_test(a_choice_is_one_of_its_words),
		cmocka_unit_test(the_words_of_a_choice_stand_in_the_order_of_its_enum),
		cmocka_unit_test(a_path_may_begin_with_the_state_folder_and_name_no_other_variable),
		cmocka_unit_test(the_master_key_is_a_path_or_names_a_credential),
		cmocka_unit_test(only_what_may_be_switched_off_may_be_empty),
		cmocka_unit_test(paths_are_made_absolute),
		cmocka_unit_test(only_this_machines_own_addresses_are_loopback),
		cmocka_unit_test(a_remote_admin_address_wants_to_be_allowed),
	};

	return cmocka_run_group_tests_name("config/values", tests, NULL, NULL);
}
