/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "init.h"

static void the_paths_follow_from_the_folder(void **state)
{
	struct init init = {.hostname = "mdm.example.com"};

	(void)state;
	assert_int_equal(init_paths_set(&init, "/srv/pomona//", NULL, NULL, NULL, NULL), RC_OK);
	assert_string_equal(init.paths.dir, "/srv/pomona");
	assert_string_equal(init.paths.conf, "/srv/pomona/pomona.conf");
	assert_string_equal(init.paths.tls_key, "/srv/pomona/tls/server.key");
	assert_false(init.is_tls_given);
	assert_int_equal(init_paths_set(&init, "/srv/pomona", "/etc/pomona/pomona.conf", "/etc/ssl/a.pem",
																			"/etc/ssl/a.key", NULL),
		RC_OK);
	assert_string_equal(init.paths.conf, "/etc/pomona/pomona.conf");
	assert_string_equal(init.paths.tls_cert, "/etc/ssl/a.pem");
	assert_true(init.is_tls_given);
}

static void a_path_may_be_as_long_as_the_limit_and_no_longer(void **state)
{
	static char dir[INIT_PATH_BYTES_MAX];
	static struct init init;
	const size_t longest = INIT_PATH_BYTES_MAX - 1 - strlen("/tls/server.pem");

	(void)state;
	memset(dir, 'd', sizeof(dir));
	dir[0] = '/';
	dir[longest] = '\0';
	assert_int_equal(init_paths_set(&init, dir, NULL, NULL, NULL, NULL), RC_OK);
	dir[longest] = 'd';
	dir[longest + 1] = '\0';
	assert_int_equal(init_paths_set(&init, dir, NULL, NULL, NULL, NULL), RC_LIMIT);
}

static void the_conf_that_is_written_loads(void **state)
{
	struct init init = {.hostname = "mdm.example.com"};
	struct err err = {.rc = RC_OK};

	(void)state;
	assert_int_equal(init_paths_set(&init, "/srv/pomona", NULL, NULL, NULL, NULL), RC_OK);
	assert_int_equal(init_conf_check(&init, &err), RC_OK);
}

static bool writes(const struct init *init, const char *line)
{
	struct buf text;
	bool is_there;

	buf_init(&text, 65536);
	init_conf_write(init, &text);
	is_there = strstr(buf_cstr(&text), line) != NULL;
	buf_fini(&text);
	return is_there;
}

static void the_services_socket_lies_in_run_and_a_private_one_with_its_state(void **state)
{
	struct init init = {.hostname = "mdm.example.com", .socket_group = "pomona"};

	(void)state;
	assert_int_equal(init_paths_set(&init, "/var/lib/pomona", CTL_CONF_DEFAULT, NULL, NULL, NULL),
		RC_OK);
	assert_true(init_is_service(&init));
	assert_true(writes(&init, "\n#socket = /run/pomona/admin.sock\n"));
	assert_true(writes(&init, "\nsocket_group = pomona\n"));
	init.socket_group = NULL;
	assert_int_equal(init_paths_set(&init, "/srv/pomona", NULL, NULL, NULL, NULL), RC_OK);
	assert_false(init_is_service(&init));
	assert_true(writes(&init, "\nsocket = ${state_dir}/admin.sock\n"));
	assert_true(writes(&init, "\n#socket_group =\n"));
}

static void a_name_or_a_folder_that_a_conf_cannot_carry_is_told_first(void **state)
{
	static const struct {
		const char *hostname, *dir;
	} cases[] = {
		{"not a name", "/srv/pomona"},
		{"x\ninjected = 1", "/srv/pomona"},
		{"mdm.example.com", "/srv/po\nmona"},
		{"", "/srv/pomona"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct init init = {.hostname = cases[i].hostname};
		struct err err = {.rc = RC_OK};

		assert_int_equal(init_paths_set(&init, cases[i].dir, NULL, NULL, NULL, NULL), RC_OK);
		assert_int_not_equal(init_conf_check(&init, &err), RC_OK);
		assert_true(err.text[0] != '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_paths_follow_from_the_folder),
		cmocka_unit_test(a_path_may_be_as_long_as_the_limit_and_no_longer),
		cmocka_unit_test(the_conf_that_is_written_loads),
		cmocka_unit_test(the_services_socket_lies_in_run_and_a_private_one_with_its_state),
		cmocka_unit_test(a_name_or_a_folder_that_a_conf_cannot_carry_is_told_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
