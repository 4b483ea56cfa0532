/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/http/http.h"

#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"
#include "private.h"
#include "server.h"

enum { PATH_BYTES = 128 };

static char folder[] = "/tmp/pomona-http-XXXXXX";
static char path[PATH_BYTES];
static struct server *server;
static struct client *client;

static int make_folder(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/admin.sock", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder); /* and fails where something was left */
}

static struct http_listener_params params_of(const char *at)
{
	return (struct http_listener_params){.name = "test",
		.unix_path = at,
		.unix_mode = 0660,
		.unix_gid = (gid_t)-1,
		.connections_max = 10,
		.threads = 1,
		.header_bytes_max = 32768};
}

static int start(void **state)
{
	const struct http_listener_params params = params_of(path);

	(void)state;
	server = server_start(&params);
	client = calloc(1, sizeof(*client));
	return 0;
}

static int stop(void **state)
{
	(void)state;
	free(client);
	server_stop(&server);
	return 0;
}

static void requests_are_served_over_a_unix_socket(void **state)
{
	struct answer answer;
	char who[64];

	(void)state;
	(void)snprintf(who, sizeof(who), "GET /about unix:%u ", (unsigned)geteuid());
	client_connect_unix(client, path);
	assert_int_equal(client_ask(client, "GET", "/hello").status, 200);
	answer = client_ask(client, "GET", "/about");
	assert_non_null(strstr(answer.body, who));
	(void)snprintf(who, sizeof(who), "%u", (unsigned)geteuid());
	answer = client_ask(client, "GET", "/user");
	assert_string_equal(answer.body, who);
	answer = client_ask(client, "GET", "/defer");
	assert_string_equal(answer.body, "deferred /defer ");
	assert_int_equal(http_listener_port(server_listener(server)), 0);
	client_close(client);
}

static void a_peer_with_a_name_of_its_own_is_served(void **state)
{
	struct sockaddr_un own = {.sun_family = AF_UNIX};
	struct sockaddr_un there = {.sun_family = AF_UNIX};

	(void)state;
	/* As long as a name can be: libmicrohttpd has less room for it. */
	memset(own.sun_path, 'x', sizeof(own.sun_path) - 1);
	own.sun_path[0] = 0;
	memcpy(there.sun_path, path, strlen(path));
	client_connect_unix(client, path);
	client_close(client);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(client->fd, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(connect(client->fd, (struct sockaddr *)&there, sizeof(there)), 0);
	assert_int_equal(client_ask(client, "GET", "/hello").status, 200);
	client_close(client);
}

static void the_socket_has_its_mode(void **state)
{
	struct stat info;

	(void)state;
	assert_int_equal(lstat(path, &info), 0);
	assert_true(S_ISSOCK(info.st_mode));
	assert_int_equal(info.st_mode & 0777, 0660);
}

static void the_socket_goes_with_its_listener(void **state)
{
	const struct http_listener_params params = params_of(path);

	(void)state;
	server_stop(&server);
	assert_int_equal(access(path, F_OK), -1);
	server = server_start(&params);
}

static enum rc try_start(const char *at)
{
	const struct http_listener_params params = params_of(at);
	struct http_listener *listener = NULL;
	enum rc rc = http_listener_start(&params, &listener, NULL);

	assert_true((listener != NULL) == (rc == RC_OK));
	http_listener_stop(&listener);
	return rc;
}

static void a_living_socket_is_not_taken_over(void **state)
{
	(void)state;
	assert_int_equal(try_start(path), RC_BUSY);
	client_connect_unix(client, path);
	assert_int_equal(client_ask(client, "GET", "/hello").status, 200);
	client_close(client);
}

static void a_left_over_socket_is_replaced(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char other[PATH_BYTES];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	(void)snprintf(other, sizeof(other), "%s/other.sock", folder);
	memcpy(address.sun_path, other, strlen(other));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(try_start(other), RC_OK);
}

static void another_file_is_left_alone(void **state)
{
	char other[PATH_BYTES];
	int fd;

	(void)state;
	(void)snprintf(other, sizeof(other), "%s/file", folder);
	fd = open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(try_start(other), RC_EXISTS);
	assert_int_equal(unlink(other), 0);
}

static void a_path_is_bounded(void **state)
{
	char longest[PATH_BYTES];
	size_t len = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

	(void)state;
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, folder, strlen(folder));
	longest[strlen(folder)] = '/';
	longest[len] = 0;
	assert_int_equal(try_start(longest), RC_OK);
	longest[len] = 'x';
	longest[len + 1] = 0;
	assert_int_equal(try_start(longest), RC_LIMIT);
	assert_int_equal(try_start(""), RC_LIMIT);
}

/* In a child, as `uid` with these groups: is this end of a pair ours to the other end? */
static bool peer_is_ours(uid_t uid, gid_t gid, const gid_t *groups, size_t count)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(address);
	bool is_ours;
	pid_t child;
	int fd;

	/* A name that the kernel chooses. */
	assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &len), 0);
	child = fork();
	if (child == 0) {
		int end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool is_good = setgroups(count, groups) == 0 && setgid(gid) == 0 && setuid(uid) == 0 &&
			connect(end, (struct sockaddr *)&address, len) == 0;

		_exit(is_good ? 0 : 1);
	}
	fd = accept(listening, NULL, NULL);
	assert_true(fd >= 0);
	is_ours = socket_is_peer_of(fd, 4242);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(close(fd), 0);
	assert_int_equal(close(listening), 0);
	return is_ours;
}

static void root_and_members_of_the_group_are_ours(void **state)
{
	static const gid_t member[] = {7, 4242, 9};
	static const gid_t stranger[] = {7, 4243, 9};

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_true(peer_is_ours(0, 7, stranger, 3));
	assert_true(peer_is_ours(1234, 4242, NULL, 0));
	assert_true(peer_is_ours(1234, 7, member, 3));
	assert_false(peer_is_ours(1234, 7, stranger, 3));
	assert_false(peer_is_ours(4242, 7, NULL, 0));
}

static void a_tcp_peer_is_nobodys(void **state)
{
	struct server *tcp = server_start(NULL);
	struct answer answer;

	(void)state;
	client_connect(client, server_port(tcp));
	answer = client_ask(client, "GET", "/peer");
	assert_string_equal(answer.body, "foreign");
	answer = client_ask(client, "GET", "/user");
	assert_string_equal(answer.body, "nobody");
	client_close(client);
	server_stop(&tcp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(requests_are_served_over_a_unix_socket, start, stop),
		cmocka_unit_test_setup_teardown(a_peer_with_a_name_of_its_own_is_served, start, stop),
		cmocka_unit_test_setup_teardown(the_socket_has_its_mode, start, stop),
		cmocka_unit_test_setup_teardown(the_socket_goes_with_its_listener, start, stop),
		cmocka_unit_test_setup_teardown(a_living_socket_is_not_taken_over, start, stop),
		cmocka_unit_test_setup_teardown(a_left_over_socket_is_replaced, start, stop),
		cmocka_unit_test_setup_teardown(another_file_is_left_alone, start, stop),
		cmocka_unit_test_setup_teardown(a_path_is_bounded, start, stop),
		cmocka_unit_test(root_and_members_of_the_group_are_ours),
		cmocka_unit_test_setup_teardown(a_tcp_peer_is_nobodys, start, stop),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
