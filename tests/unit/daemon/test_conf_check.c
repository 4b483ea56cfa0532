/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf_check.h"
#include "pomona/base/clock.h"
#include "pomona/base/file.h"
#include "pomona/pki/authority.h"
#include "pomona/pki/seal.h"

enum { DAY_S = 86400 };

static char folder[] = "/tmp/pomona-conf-check-XXXXXX";
static char conf_path[PATH_MAX];

static const char *in_folder(const char *name)
{
	static char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, struct slice content)
{
	struct err err = {0};

	assert_int_equal(file_replace(in_folder(name), content, 0600, &err), RC_OK);
}

/* The names are given to files of their own. */
static void write_pair(const char *cert_name, const char *key_name, int64_t begin)
{
	const struct authority_params root_params = {
		.key = KEY_P256,
		.common_name = "Root",
		.now = begin,
		.valid_s = (int64_t)DAY_S * 10,
	};
	const struct issue_params issue_params = {
		.common_name = "localhost",
		.dns_name = "localhost",
		.is_server = true,
		.now = begin,
		.valid_s = DAY_S,
	};
	AUTO(authority_free) struct authority *root = NULL;
	AUTO(buf_fini) struct buf der = {0};
	AUTO(buf_fini) struct buf key = {0};
	AUTO(buf_fini) struct buf pem = {0};
	struct err err = {0};

	buf_init(&der, 65536);
	buf_init(&key, 65536);
	buf_init(&pem, 65536);
	assert_int_equal(authority_new(&root_params, &root, &err), RC_OK);
	assert_int_equal(authority_issue_key(root, KEY_P256, &issue_params, &der, &key, &err), RC_OK);
	cert_write_pem(buf_slice(&der), &pem);
	write_file(cert_name, buf_slice(&pem));
	write_file(key_name, buf_slice(&key));
}

/* Two certificates with words between them; and one that is cut off behind a good one. */
static void write_bundle(void)
{
	AUTO(buf_fini) struct buf good = {0};
	AUTO(buf_fini) struct buf text = {0};
	struct err err = {0};

	buf_init(&good, 65536);
	buf_init(&text, 65536);
	assert_int_equal(file_read(in_folder("good.pem"), &good, &err), RC_OK);
	buf_append_str(&text, "# the first\n");
	buf_append(&text, buf_slice(&good));
	buf_append_str(&text, "# the second\n");
	buf_append(&text, buf_slice(&good));
	write_file("bundle.pem", buf_slice(&text));
	buf_append(&text, slice_sub(buf_slice(&good), 0, good.len / 2));
	write_file("broken.pem", buf_slice(&text));
}

static void copy_key(const char *name, mode_t mode)
{
	AUTO(buf_fini) struct buf key = {0};

	buf_init(&key, 65536);
	assert_int_equal(file_read(in_folder("good.key"), &key, NULL), RC_OK);
	write_file(name, buf_slice(&key));
	assert_int_equal(chmod(in_folder(name), mode), 0);
}

static int setup(void **state)
{
	int64_t now = clock_unix_s(clock_system());
	struct err err = {0};

	(void)state;
	if (mkdtemp(folder) == NULL)
		return 1;
	(void)snprintf(conf_path, sizeof(conf_path), "%s/pomona.conf", folder);
	write_pair("good.pem", "good.key", now);
	write_pair("other.pem", "other.key", now);
	write_pair("ended.pem", "ended.key", now - (int64_t)DAY_S * 3);
	write_file("pomona.db", slice_of_str("a database"));
	write_file("junk.key", slice_of_str("no key"));
	write_bundle();
	copy_key("open.key", 0644);
	copy_key("group.key", 0640);
	return keyring_create_file(in_folder("master.key"), &err) != RC_OK;
}

static int teardown(void **state)
{
	static const char *const names[] = {"good.pem", "good.key", "other.pem", "other.key", "ended.pem",
		"ended.key", "pomona.db", "junk.key", "master.key", "pomona.conf", "bundle.pem", "broken.pem",
		"open.key", "group.key"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		(void)unlink(in_folder(names[i]));
	return rmdir(folder);
}

static void write_conf(const char *server, const char *device, const char *admin)
{
	char text[4096];
	int len = snprintf(text, sizeof(text),
		"[server]\nhostname = localhost\n%s\n[device]\n%s\n[admin]\n%s\n", server, device, admin);

	write_file("pomona.conf", slice_of(text, (size_t)len));
}

/* Behind the last section, which is [admin]. */
#define PUSH_CA(name) "[push]\nca_file = " name

#define STATE_DIR "state_dir = ."
#define GOOD_TLS "tls_certificate = good.pem\ntls_key = good.key"

static void each_file_that_is_wrong_is_named_with_its_key(void **state)
{
	static const struct {
		const char *server, *device, *admin;
		enum rc rc;
		const char *fault; /* a part of it; NULL: sound */
	} rows[] = {
		{STATE_DIR, GOOD_TLS, "", RC_OK, NULL},
		{STATE_DIR, GOOD_TLS, "socket_group = root", RC_OK, NULL},
		{STATE_DIR, GOOD_TLS, "socket_group = no-such-group", RC_NOT_FOUND, "[admin] socket_group"},
		{"state_dir = nowhere\ndatabase = pomona.db\nmaster_key = master.key", GOOD_TLS, "", RC_IO,
			"[server] state_dir"},
		{"state_dir = pomona.db\ndatabase = pomona.db\nmaster_key = master.key", GOOD_TLS, "", RC_INVALID,
			"is no folder"},
		{STATE_DIR "\ndatabase = none.db", GOOD_TLS, "", RC_IO, "[server] database"},
		{STATE_DIR "\nmaster_key = none.key", GOOD_TLS, "", RC_NOT_FOUND, "[server] master_key"},
		{STATE_DIR "\nmaster_key = junk.key", GOOD_TLS, "", RC_INVALID, "[server] master_key"},
		{STATE_DIR, "tls_certificate = none.pem\ntls_key = good.key", "", RC_NOT_FOUND,
			"[device] tls_certificate"},
		{STATE_DIR, "tls_certificate = good.pem\ntls_key = none.key", "", RC_NOT_FOUND,
			"[device] tls_key"},
		{STATE_DIR, "tls_certificate = good.pem\ntls_key = other.key", "", RC_INVALID,
			"[device] tls_certificate"},
		/* Our own would never be renewed if the daemon did not start. */
		{STATE_DIR, "tls_certificate = ended.pem\ntls_key = ended.key", "", RC_OK,
			"warning: [device] tls_certificate: "},
		{STATE_DIR, "tls_certificate = good.pem\ntls_key = open.key", "", RC_DENIED,
			"[device] tls_key: "},
		{STATE_DIR, "tls_certificate = good.pem\ntls_key = group.key", "", RC_OK, NULL},
		{STATE_DIR, GOOD_TLS "\nthreads = many", "", RC_INVALID, "threads"},
		{STATE_DIR, GOOD_TLS, PUSH_CA("good.pem"), RC_OK, NULL},
		{STATE_DIR, GOOD_TLS, PUSH_CA("bundle.pem"), RC_OK, NULL},
		{STATE_DIR, GOOD_TLS, PUSH_CA(""), RC_OK, NULL},
		{STATE_DIR, GOOD_TLS, PUSH_CA("none.pem"), RC_NOT_FOUND, "[push] ca_file"},
		{STATE_DIR, GOOD_TLS, PUSH_CA("good.key"), RC_INVALID, "[push] ca_file"},
		{STATE_DIR, GOOD_TLS, PUSH_CA("broken.pem"), RC_INVALID, "[push] ca_file"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO(buf_fini) struct buf faults = {0};

		buf_init(&faults, CONF_FAULTS_BYTES_MAX);
		write_conf(rows[i].server, rows[i].device, rows[i].admin);
		if (conf_check(conf_path, &faults) != rows[i].rc)
			fail_msg("row %zu: %s", i, buf_cstr(&faults));
		if (rows[i].fault == NULL)
			assert_int_equal(faults.len, 0);
		else
			assert_non_null(strstr(buf_cstr(&faults), rows[i].fault));
	}
}

static void a_folder_that_others_may_enter_is_told_and_one_that_they_may_change_is_refused(
	void **state)
{
	static const struct {
		mode_t mode;
		enum rc rc;
		const char *fault; /* NULL: none */
	} rows[] = {
		{0700, RC_OK, NULL},
		{0750, RC_OK, NULL},
		{0755, RC_OK, "warning: [server] state_dir: others may look into "},
		{0711, RC_OK, "warning: [server] state_dir: "},
		{0770, RC_DENIED, "[server] state_dir: "},
		{0702, RC_DENIED, "lets others at it: `chmod 700 "},
	};

	(void)state;
	write_conf(STATE_DIR, GOOD_TLS, "");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO(buf_fini) struct buf faults = {0};

		buf_init(&faults, CONF_FAULTS_BYTES_MAX);
		assert_int_equal(chmod(folder, rows[i].mode), 0);
		if (conf_check(conf_path, &faults) != rows[i].rc)
			fail_msg("row %zu: %s", i, buf_cstr(&faults));
		if (rows[i].fault == NULL)
			assert_int_equal(faults.len, 0);
		else
			assert_non_null(strstr(buf_cstr(&faults), rows[i].fault));
	}
	assert_int_equal(chmod(folder, 0700), 0);
}

static void all_faults_are_shown_a_line_each(void **state)
{
	AUTO(buf_fini) struct buf faults = {0};
	const char *text;
	int lines = 0;

	(void)state;
	buf_init(&faults, CONF_FAULTS_BYTES_MAX);
	write_conf("state_dir = nowhere", "tls_certificate = none.pem\ntls_key = good.key",
		"socket_group = no-such-group");
	assert_int_equal(conf_check(conf_path, &faults), RC_IO);
	text = buf_cstr(&faults);
	for (const char *at = strchr(text, '\n'); at != NULL; at = strchr(at + 1, '\n'))
		lines++;
	assert_int_equal(lines, 5); /* folder, database, master key, certificate, group */
}

static void a_conf_that_is_not_there_is_a_fault(void **state)
{
	AUTO(buf_fini) struct buf faults = {0};

	(void)state;
	buf_init(&faults, CONF_FAULTS_BYTES_MAX);
	assert_int_equal(conf_check(in_folder("none.conf"), &faults), RC_NOT_FOUND);
	assert_non_null(strstr(buf_cstr(&faults), "none.conf"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_file_that_is_wrong_is_named_with_its_key),
		cmocka_unit_test(a_folder_that_others_may_enter_is_told_and_one_that_they_may_change_is_refused),
		cmocka_unit_test(all_faults_are_shown_a_line_each),
		cmocka_unit_test(a_conf_that_is_not_there_is_a_fault),
	};

	return cmocka_run_group_tests_name("conf_check", tests, setup, teardown);
}
