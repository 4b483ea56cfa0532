/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "pomona/base/file.h"

enum { FAULTS_BYTES = 65536 };

/* What is required, on lines 1 to 6. */
#define NO_IDENTITY \
	"x.conf:7: [device] identity_tls: want it on, or identity_signature, or identity_header with proxies\n"
#define REQUIRED \
	"[server]\nhostname = mdm.example.com\nstate_dir = /state\n" \
	"[device]\ntls_certificate = tls.crt\ntls_key = tls.key\n"

/* The rc and, in `faults`, the lines that a text gives. */
static enum rc parse(struct slice text, struct config **config, struct buf *faults, struct err *err)
{
	struct config_source source = {.text = text, .name = "x.conf", .folder = "/etc/pomona"};

	buf_init(faults, FAULTS_BYTES);
	return config_parse(&source, config, faults, err);
}

static void what_is_not_set_has_its_default(void **state)
{
	AUTO(config_free) struct config *config = NULL;
	AUTO(buf_fini) struct buf faults;
	struct err err;

	(void)state;
	assert_int_equal(parse(SLICE_LITERAL(REQUIRED), &config, &faults, &err), RC_OK);
	assert_int_equal(faults.len, 0);
	assert_string_equal(config->server.hostname, "mdm.example.com");
	assert_string_equal(config->server.state_dir, "/state");
	assert_string_equal(config->server.database, "/state/pomona.db");
	assert_string_equal(config->server.master_key, "/state/master.key");
	assert_int_equal(config->server.log_level, LOG_LEVEL_INFO);
	assert_int_equal(config->server.writer_queue_max, 4096);
	assert_int_equal(config->server.last_seen_flush_s, 15);
	assert_int_equal(config->server.drain_s, 10);
	assert_string_equal(config->device.listen, "0.0.0.0:8443");
	assert_string_equal(config->device.listen_plain, "");
	assert_string_equal(config->device.proxies, "");
	assert_int_equal(config->device.identity_tls, CONFIG_ON);
	assert_int_equal(config->device.identity_signature, CONFIG_ON);
	assert_string_equal(config->device.identity_header, "Client-Cert");
	assert_int_equal(config->device.signing_skew_s, 0);
	assert_string_equal(config->device.tls_certificate, "/etc/pomona/tls.crt");
	assert_int_equal(config->device.threads, 0);
	assert_int_equal(config->device.connections_max, 20000);
	assert_int_equal(config->device.idle_timeout_s, 60);
	assert_int_equal(config->device.header_bytes_max, 24576);
	assert_int_equal(config->device.checkin_bytes_max, 1048576);
	assert_int_equal(config->device.result_bytes_max, 33554432);
	assert_int_equal(config->device.body_bytes_total_max, 268435456);
	assert_int_equal(config->device.unknown_device, CONFIG_UNKNOWN_REFUSE);
	assert_int_equal(config->device.unenroll_fuse, 10);
	assert_int_equal(config->device.user_authenticate, CONFIG_USER_GONE);
	assert_string_equal(config->admin.listen, "127.0.0.1:8080");
	assert_int_equal(config->server.core_dumps, CONFIG_NO);
	assert_int_equal(config->admin.allow_remote_plain, CONFIG_NO);
	assert_string_equal(config->admin.socket, "/run/pomona/admin.sock");
	assert_string_equal(config->admin.socket_group, "");
	assert_int_equal(config->admin.connections_max, 256);
	assert_int_equal(config->admin.body_bytes_max, 67108864);
	assert_string_equal(config->net.proxy, "");
	assert_string_equal(config->push.server, "api.push.apple.com:443");
	assert_string_equal(config->push.ca_file, "");
	assert_int_equal(config->push.connections_max, 2);
	assert_int_equal(config->push.rate_per_s, 1000);
	assert_int_equal(config->push.expiration_s, 604800);
	assert_int_equal(config->push.priority, CONFIG_PUSH_PRIORITY_10);
	assert_int_equal(config->push.retry_first_s, 60);
	assert_int_equal(config->push.retry_max_s, 21600);
	assert_int_equal(config->push.probe_interval_s, 86400);
	assert_int_equal(config->push.inactive_after_s, 604800);
	assert_int_equal(config->push.ping_interval_s, 600);
}

static void a_credential_is_where_systemd_says_or_where_it_lays_it(void **state)
{
	static const struct {
		const char *folder, *want;
	} cases[] = {
		{"/run/credentials/other.service", "/run/credentials/other.service/key"},
		{NULL, "/run/credentials/pomonad.service/key"},
		{"relative", "/run/credentials/pomonad.service/key"},
		{"", "/run/credentials/pomonad.service/key"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(config_free) struct config *config = NULL;
		AUTO(buf_fini) struct buf faults;
		struct err err;

		if (cases[i].folder == NULL)
			assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
		else
			assert_int_equal(setenv("CREDENTIALS_DIRECTORY", cases[i].folder, 1), 0);
		assert_int_equal(parse(SLICE_LITERAL(REQUIRED "[server]\nmaster_key = credential:key\n"), &config,
																				&faults, &err),
			RC_OK);
		assert_string_equal(config->server.master_key, cases[i].want);
	}
}

static void a_value_is_taken_as_it_stands_whatever_its_length(void **state)
{
	AUTO(config_free) struct config *config = NULL;
	AUTO(buf_fini) struct buf text;
	AUTO(buf_fini) struct buf faults;
	struct err err;

	(void)state;
	buf_init(&text, 8192);
	buf_append_str(&text, "\xEF\xBB\xBF" REQUIRED "[server]\r\n  # indented comment\n; comment\n\n");
	buf_append_str(&text, "database=/\xC3\xA4=;#[x]:y/");
	for (int i = 0; i < 3000; i++)
		buf_append_byte(&text, 'd');
	buf_append_str(&text, " \t\r\n[ ]\n");
	text.len -= sizeof("[ ]\n") - 1;
	buf_append_str(&text, "drain_s\t=\t0");
	assert_int_equal(parse(buf_slice(&text), &config, &faults, &err), RC_OK);
	assert_int_equal(strlen(config->server.database), strlen("/\xC3\xA4=;#[x]:y/") + 3000);
	assert_int_equal(strncmp(config->server.database, "/\xC3\xA4=;#[x]:y/ddd", 14), 0);
	assert_int_equal(config->server.drain_s, 0);
}

static void each_broken_line_is_named_with_its_rule(void **state)
{
	static const struct {
		const char *text;
		const char *want; /* the one line of faults */
	} cases[] = {
		{REQUIRED "x\n", "x.conf:7: want [section], key = value, or a comment that begins with #\n"},
		{REQUIRED "= x\n", "x.conf:7: want [section], key = value, or a comment that begins with #\n"},
		{REQUIRED "threads: 1\n",
			"x.conf:7: want [section], key = value, or a comment that begins with #\n"},
		{REQUIRED "thr:eads = 1\n",
			"x.conf:7: want [section], key = value, or a comment that begins with #\n"},
		{REQUIRED " threads = 1\n",
			"x.conf:7: a section or key begins its line, without white space (nothing goes on from "
			"the line above)\n"},
		{REQUIRED "\t/more\n",
			"x.conf:7: a section or key begins its line, without white space (nothing goes on from "
			"the line above)\n"},
		{REQUIRED "threads = 1 ; one\n", "x.conf:7: a comment needs a line of its own\n"},
		{REQUIRED "threads = 1 # one\n", "x.conf:7: a comment needs a line of its own\n"},
		{REQUIRED "threads =\t;one\n", "x.conf:7: a comment needs a line of its own\n"},
		{REQUIRED "listen = \"[::]:1\"\n", "x.conf:7: a value is written without quotes\n"},
		{REQUIRED "listen = a\x01:1\n", "x.conf:7: the line has a control character\n"},
		{REQUIRED "listen = a\r:1\n", "x.conf:7: the line has a control character\n"},
		{REQUIRED "# \x7F\n", "x.conf:7: the line has a control character\n"},
		{REQUIRED "# \xFF\n", "x.conf:7: the line is not UTF-8\n"},
		{REQUIRED "# \xED\xA0\x80\n", "x.conf:7: the line is not UTF-8\n"},
		{REQUIRED "[admin\n", "x.conf:7: want [section], made of letters, digits and _\n"},
		{REQUIRED "[]\n", "x.conf:7: want [section], made of letters, digits and _\n"},
		{REQUIRED "[ad min]\n", "x.conf:7: want [section], made of letters, digits and _\n"},
		{REQUIRED "[admin] x\n", "x.conf:7: want [section], made of letters, digits and _\n"},
		{REQUIRED "[\n", "x.conf:7: want [section], made of letters, digits and _\n"},
		/* The keys of a section that is lost are not blamed on the section before it. */
		{REQUIRED "[admin] x\nlisten = 1.2.3.4:5\nsocket = x\n",
			"x.conf:7: want [section], made of letters, digits and _\n"},
		{REQUIRED "[nonsense]\nx = 1\ny = 2\n", "x.conf:7: [nonsense]: unknown section\n"},
		{REQUIRED "[Device]\nx = 1\n", "x.conf:7: [Device]: unknown section; did you mean [device]?\n"},
		{"threads = 1\n" REQUIRED, "x.conf:1: threads: no [section] stands above it\n"},
		{REQUIRED "nonsense = 1\n", "x.conf:7: [device] nonsense: unknown key\n"},
		{REQUIRED "thread = 1\n", "x.conf:7: [device] thread: unknown key; did you mean threads?\n"},
		{REQUIRED "Threads = 1\n", "x.conf:7: [device] Threads: unknown key; did you mean threads?\n"},
		{REQUIRED "drain_s = 1\n", "x.conf:7: [device] drain_s: unknown key; it belongs into [server]\n"},
		{REQUIRED "tls_key = b\n", "x.conf:7: [device] tls_key: already set on line 6\n"},
		{REQUIRED "[device]\ntls_key = b\n", "x.conf:8: [device] tls_key: already set on line 6\n"},
		{REQUIRED "listen =\n", "x.conf:7: [device] listen: may not be empty\n"},
		{"[server]\nhostname = a\nstate_dir = b\n[device]\ntls_key = c\n",
			"x.conf:5: [device] tls_certificate: required, but not set\n"},
		{REQUIRED "result_bytes_max = 5000\nbody_bytes_total_max = 4999\n",
			"x.conf:8: [device] body_bytes_total_max: want at least result_bytes_max, which is 5000\n"},
		{REQUIRED "[push]\nretry_first_s = 10\nretry_max_s = 9\n",
			"x.conf:9: [push] retry_max_s: want at least retry_first_s, which is 10\n"},
		{REQUIRED "[push]\nretry_first_s = 21601\n[admin]\n",
			"x.conf:9: [push] retry_max_s: want at least retry_first_s, which is 21601\n"},
		{REQUIRED "identity_tls = off\nidentity_signature = off\n", NO_IDENTITY},
		{REQUIRED "identity_tls = off\nidentity_signature = off\nproxies = ::1\nidentity_header =\n",
			NO_IDENTITY},
		{REQUIRED "[push]\nserver = apns.example:0\n",
			"x.conf:8: [push] server: apns.example:0: want a port from 1 to 65535\n"},
		{REQUIRED "[push]\nserver = apns.example\n",
			"x.conf:8: [push] server: want host:port or [IPv6 address]:port, port 0 to 65535\n"},
		{REQUIRED "[push]\nserver =\n", "x.conf:8: [push] server: may not be empty\n"},
		{REQUIRED "[net]\nproxy = [::1]:0\n",
			"x.conf:8: [net] proxy: [::1]:0: want a port from 1 to 65535\n"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct config *config = NULL;
		AUTO(buf_fini) struct buf faults;
		struct err err;

		assert_int_equal(parse(slice_of_str(cases[i].text), &config, &faults, &err), RC_INVALID);
		assert_null(config);
		assert_string_equal(buf_cstr(&faults), cases[i].want);
		assert_int_equal(strncmp(err.text, cases[i].want, strlen(err.text)), 0);
	}
}

static void what_must_fit_together_may_be_equal(void **state)
{
	static const char text[] = REQUIRED
		"identity_tls = off\nidentity_signature = off\nproxies = ::1\n"
		"result_bytes_max = 5000\nbody_bytes_total_max = 5000\n"
		"[push]\nretry_first_s = 10\nretry_max_s = 10\n"
		"server = [2001:db8::1]:1\nca_file = ca.pem\n"
		"[net]\nproxy = proxy.example:3128\n";
	AUTO(config_free) struct config *config = NULL;
	AUTO(buf_fini) struct buf faults;
	struct err err;

	(void)state;
	assert_int_equal(parse(slice_of_str(text), &config, &faults, &err), RC_OK);
	assert_string_equal(config->push.server, "[2001:db8::1]:1");
	assert_string_equal(config->push.ca_file, "/etc/pomona/ca.pem");
	assert_string_equal(config->net.proxy, "proxy.example:3128");
}

static void all_faults_are_shown_and_the_first_one_is_the_error(void **state)
{
	struct config *config = NULL;
	AUTO(buf_fini) struct buf faults;
	struct err err;

	(void)state;
	assert_int_equal(parse(SLICE_LITERAL("[server]\nhostname = a b\ndrain_s = x\njunk\n[devic]\n"),
																			&config, &faults, &err),
		RC_INVALID);
	assert_string_equal(buf_cstr(&faults),
		"x.conf:2: [server] hostname: want a DNS name or an IP address, without a port\n"
		"x.conf:3: [server] drain_s: want a whole number from 0 to 600, in s\n"
		"x.conf:4: want [section], key = value, or a comment that begins with #\n"
		"x.conf:5: [devic]: unknown section; did you mean [device]?\n"
		"x.conf:5: [server] state_dir: required, but not set\n"
		"x.conf:5: [device] tls_certificate: required, but not set\n"
		"x.conf:5: [device] tls_key: required, but not set\n");
	assert_string_equal(err.text,
		"x.conf:2: [server] hostname: want a DNS name or an IP address, without a port");
	assert_int_equal(err.rc, RC_INVALID);
}

static void an_embedded_zero_is_a_fault_and_hides_nothing(void **state)
{
	struct config *config = NULL;
	AUTO(buf_fini) struct buf faults;
	struct err err;

	(void)state;
	assert_int_equal(parse(SLICE_LITERAL(REQUIRED "threads = 1\0junk\nnonsense = 1\n"), &config,
																			&faults, &err),
		RC_INVALID);
	assert_string_equal(buf_cstr(&faults),
		"x.conf:7: the line has a control character\n"
		"x.conf:8: [device] nonsense: unknown key\n");
}

static void a_line_may_be_as_long_as_its_limit_and_no_longer(void **state)
{
	(void)state;
	for (size_t past = 0; past <= 1; past++) {
		struct config *config = NULL;
		AUTO(buf_fini) struct buf text;
		AUTO(buf_fini) struct buf faults;
		struct err err;

		buf_init(&text, 8192);
		buf_append_str(&text, REQUIRED "#");
		for (size_t i = 1; i < CONFIG_LINE_BYTES_MAX + past; i++)
			buf_append_byte(&text, 'x');
		assert_int_equal(parse(buf_slice(&text), &config, &faults, &err), past == 0 ? RC_OK : RC_INVALID);
		assert_string_equal(buf_cstr(&faults),
			past == 0 ? "" : "x.conf:7: the line is longer than 4096 bytes\n");
		config_free(&config);
	}
}

static void long_names_are_unknown_and_not_cut_to_known_ones(void **state)
{
	struct config *config = NULL;
	AUTO(buf_fini) struct buf text;
	AUTO(buf_fini) struct buf faults;
	struct err err;

	(void)state;
	buf_init(&text, 8192);
	buf_append_str(&text, REQUIRED);
	for (int i = 0; i < 250; i++)
		buf_append_byte(&text, 'n');
	buf_append_str(&text, " = 1\n[");
	for (int i = 0; i < 250; i++)
		buf_append_byte(&text, 's');
	buf_append_str(&text, "]\n");
	assert_int_equal(parse(buf_slice(&text), &config, &faults, &err), RC_INVALID);
	assert_string_equal(buf_cstr(&faults),
		"x.conf:7: want [section], key = value, or a comment that begins with #\n"
		"x.conf:8: want [section], made of letters, digits and _\n");
}

static void a_socket_path_that_the_kernel_cannot_take_is_a_fault(void **state)
{
	static const size_t lengths[] = {CONFIG_SOCKET_PATH_BYTES_MAX, CONFIG_SOCKET_PATH_BYTES_MAX + 1};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		struct config *config = NULL;
		AUTO(buf_fini) struct buf text;
		AUTO(buf_fini) struct buf faults;
		struct err err;

		buf_init(&text, 8192);
		buf_append_str(&text, REQUIRED "[admin]\nsocket = /");
		for (size_t n = 1; n < lengths[i]; n++)
			buf_append_byte(&text, 's');
		assert_int_equal(parse(buf_slice(&text), &config, &faults, &err), i == 0 ? RC_OK : RC_INVALID);
		if (i == 1)
			assert_non_null(strstr(buf_cstr(&faults), "x.conf:8: [admin] socket: /sss"));
		config_free(&config);
	}
}

static void faults_may_be_left_out(void **state)
{
	struct config_source source = {.text = SLICE_LITERAL("junk"), .name = "x.conf", .folder = "/"};
	struct config *config = NULL;

	(void)state;
	assert_int_equal(config_parse(&source, &config, NULL, NULL), RC_INVALID);
	assert_null(config);
}

/* A folder of its own, with x.conf in it. */
static void write_file(char folder[static 32], char path[static 64], struct slice text)
{
	struct err err;

	(void)snprintf(folder, 32, "/tmp/pomona-conf-XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, 64, "%s/x.conf", folder);
	assert_int_equal(file_create(path, text, 0600, &err), RC_OK);
}

static void remove_file(const char *folder, const char *path)
{
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void a_file_is_read_and_relative_paths_begin_at_its_folder(void **state)
{
	AUTO(config_free) struct config *config = NULL;
	AUTO(buf_fini) struct buf faults;
	char folder[32];
	char path[64];
	char want[64];
	char *here = getcwd(NULL, 0);
	struct err err;

	(void)state;
	buf_init(&faults, FAULTS_BYTES);
	write_file(folder, path, SLICE_LITERAL(REQUIRED));
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(config_load("x.conf", &config, &faults, &err), RC_OK);
	(void)snprintf(want, sizeof(want), "%s/tls.key", folder);
	assert_string_equal(config->device.tls_key, want);
	assert_int_equal(chdir(here), 0);
	free(here);
	remove_file(folder, path);
}

static void a_missing_file_is_not_found_and_a_fault(void **state)
{
	struct config *config = NULL;
	AUTO(buf_fini) struct buf faults;
	struct err err;

	(void)state;
	buf_init(&faults, FAULTS_BYTES);
	assert_int_equal(config_load("/nonexistent/x.conf", &config, &faults, &err), RC_NOT_FOUND);
	assert_null(config);
	assert_string_equal(buf_cstr(&faults), "/nonexistent/x.conf: no such file\n");
}

static void a_file_may_be_as_large_as_its_limit_and_no_larger(void **state)
{
	(void)state;
	for (size_t past = 0; past <= 1; past++) {
		struct config *config = NULL;
		AUTO(buf_fini) struct buf text;
		char folder[32];
		char path[64];
		struct err err;

		buf_init(&text, CONFIG_FILE_BYTES_MAX + 1);
		buf_append_str(&text, REQUIRED);
		while (text.len < CONFIG_FILE_BYTES_MAX + past)
			buf_append_byte(&text, '\n');
		write_file(folder, path, buf_slice(&text));
		assert_int_equal(config_load(path, &config, NULL, &err), past == 0 ? RC_OK : RC_LIMIT);
		config_free(&config);
		remove_file(folder, path);
	}
}

static void only_differences_that_need_a_restart_are_named(void **state)
{
	AUTO(config_free) struct config *old = NULL;
	AUTO(config_free) struct config *fresh = NULL;
	AUTO(buf_fini) struct buf faults;
	AUTO(buf_fini) struct buf names;
	struct err err;

	(void)state;
	buf_init(&names, FAULTS_BYTES);
	assert_int_equal(parse(SLICE_LITERAL(REQUIRED), &old, &faults, &err), RC_OK);
	config_diff_fixed(old, old, &names);
	assert_string_equal(buf_cstr(&names), "");
	assert_int_equal(parse(SLICE_LITERAL("[server]\nhostname = b.example\nstate_dir = /state\n"
																																						"log_level = debug\nwriter_queue_max = 7\n"
																																						"[device]\ntls_certificate = b\ntls_key = c\n"
																																						"checkin_bytes_max = 5000\nunknown_device = unenroll\n"),
																			&fresh, &faults, &err),
		RC_OK);
	config_diff_fixed(old, fresh, &names);
	assert_string_equal(buf_cstr(&names), "server.hostname\nserver.writer_queue_max\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_set_has_its_default),
		cmocka_unit_test(a_credential_is_where_systemd_says_or_where_it_lays_it),
		cmocka_unit_test(a_value_is_taken_as_it_stands_whatever_its_length),
		cmocka_unit_test(each_broken_line_is_named_with_its_rule),
		cmocka_unit_test(what_must_fit_together_may_be_equal),
		cmocka_unit_test(all_faults_are_shown_and_the_first_one_is_the_error),
		cmocka_unit_test(an_embedded_zero_is_a_fault_and_hides_nothing),
		cmocka_unit_test(a_line_may_be_as_long_as_its_limit_and_no_longer),
		cmocka_unit_test(long_names_are_unknown_and_not_cut_to_known_ones),
		cmocka_unit_test(a_socket_path_that_the_kernel_cannot_take_is_a_fault),
		cmocka_unit_test(faults_may_be_left_out),
		cmocka_unit_test(a_file_is_read_and_relative_paths_begin_at_its_folder),
		cmocka_unit_test(a_missing_file_is_not_found_and_a_fault),
		cmocka_unit_test(a_file_may_be_as_large_as_its_limit_and_no_larger),
		cmocka_unit_test(only_differences_that_need_a_restart_are_named),
	};

	return cmocka_run_group_tests_name("config/load", tests, NULL, NULL);
}
