/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pomona/pki/trust.h"

#include "world.h"

enum { ARENA_BYTES = 1 << 22, HEAD_BYTES = 512 };

struct world world;

static enum rc enroll_all(void *ctx, struct txn *txn, struct err *err)
{
	const int *count = ctx;
	enum rc rc = RC_OK;
	char name[16];
	int64_t id;

	for (int i = 1; rc == RC_OK && i <= *count; i++) {
		(void)snprintf(name, sizeof(name), "D%d", i);
		rc = enrollment_add_device(txn, ENROLLMENT_DEVICE, slice_of_str(name), &id, err);
		if (rc == RC_OK)
			rc = enrollment_set_state(txn, id, ENROLLMENT_ENROLLED, err);
		assert_int_equal(id, i);
	}
	return rc;
}

static void open_store(int devices)
{
	static const uint8_t key[SEAL_KEY_BYTES] = {1};
	struct store_params params = {.path = world.database, .clock = clock_system(), .is_create = true};

	world.keyring = keyring_of_key(1, key);
	params.keyring = world.keyring;
	assert_int_equal(store_open(&params, &world.store, NULL), RC_OK);
	assert_int_equal(store_start(world.store, NULL), RC_OK);
	world_run(enroll_all, &devices);
}

static int64_t unix_ms(void *ctx)
{
	(void)ctx;
	return world.now_s != 0 ? world.now_s * 1000 : clock_unix_ms(clock_system());
}

static int64_t monotonic_us(void *ctx)
{
	(void)ctx;
	return clock_monotonic_us(clock_system());
}

static void open_api(struct push *push)
{
	static const struct clock clock = {.unix_ms = unix_ms, .monotonic_us = monotonic_us};
	const struct authority_params ca = {.key = KEY_P256,
		.common_name = "CA",
		.now = 1800000000,
		.valid_s = 1000000};
	struct device_params device = {.store = world.store, .clock = clock_system()};
	struct api_params api = {.store = world.store,
		.clock = &clock,
		.push = push,
		.body_bytes_max = BODY_BYTES,
		.own_uid = world.own_uid != 0 ? world.own_uid : geteuid(),
		.socket_gid = getgid(),
		.socket_role = API_ROLE_ADMIN};
	struct http_listener_params params = {.name = "admin",
		.unix_path = world.socket,
		.unix_mode = 0600,
		.unix_gid = (gid_t)-1,
		.error_body = api_error_body,
		.threads = 1,
		.connections_max = 8,
		.idle_timeout_s = 60,
		.header_bytes_max = 16384,
		.body_bytes_total_max = BODY_BYTES,
		.arena_bytes_max = ARENA_BYTES};
	struct err err = {.rc = RC_OK};

	assert_int_equal(authority_new(&ca, &world.device_ca, NULL), RC_OK);
	assert_int_equal(trust_new(NULL, 0, &world.trust, NULL), RC_OK);
	device.trust = world.trust;
	assert_int_equal(device_new(&device, &world.device, NULL), RC_OK);
	api.device = world.device;
	api.device_ca = world.device_ca;
	assert_int_equal(api_new(&api, &world.api, NULL), RC_OK);
	params.rooms[0] = (struct http_room){.before = api_before, .ctx = world.api};
	params.rooms[0].routes = api_routes(&params.rooms[0].route_count);
	if (http_listener_start(&params, &world.listener, &err) != RC_OK)
		fail_msg("%s", err.text);
	params.unix_path = NULL;
	params.address = "127.0.0.1:0";
	if (http_listener_start(&params, &world.tcp, &err) != RC_OK)
		fail_msg("%s", err.text);
}

void world_open(int devices, struct push *push)
{
	(void)snprintf(world.dir, sizeof(world.dir), "/tmp/pomona-api-XXXXXX");
	assert_non_null(mkdtemp(world.dir));
	(void)snprintf(world.socket, sizeof(world.socket), "%s/s", world.dir);
	(void)snprintf(world.database, sizeof(world.database), "%s/db", world.dir);
	open_store(devices);
	open_api(push);
}

void world_close(void)
{
	static const char *const names[] = {"db", "db-wal", "db-shm", "db.lock", "s"};
	char path[64];

	http_listener_stop(&world.listener);
	http_listener_stop(&world.tcp);
	store_stop(world.store);
	api_free(&world.api);
	device_free(&world.device);
	trust_unref(&world.trust);
	authority_free(&world.device_ca);
	store_close(&world.store);
	keyring_free(&world.keyring);
	json_free(&world.json);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", world.dir, names[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(world.dir), 0);
}

static int connect_tcp(void)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons(http_listener_port(world.tcp)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int connect_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", world.socket);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* A server that will not have the body closes: what it said before can still be read. */
static void send_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		const ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		text += sent;
		len -= (size_t)sent;
	}
}

static void read_reply(int fd)
{
	size_t used = 0;
	ssize_t got;

	while ((got = read(fd, world.reply + used, sizeof(world.reply) - 1 - used)) > 0)
		used += (size_t)got;
	world.reply[used] = '\0';
}

int world_call(const char *method, const char *path, const char *body)
{
	const int fd = world.token != NULL ? connect_tcp() : connect_socket();
	const bool has_token = world.token != NULL && world.token[0] != '\0';
	char head[HEAD_BYTES];
	const char *content;
	int status = 0;

	(void)snprintf(head, sizeof(head),
		"%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s%s%s"
		"Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		method, path, has_token ? "Authorization: Bearer " : "", has_token ? world.token : "",
		has_token ? "\r\n" : "", body != NULL ? strlen(body) : 0);
	send_all(fd, head, strlen(head));
	send_all(fd, body, body != NULL ? strlen(body) : 0);
	read_reply(fd);
	(void)close(fd);
	assert_int_equal(sscanf(world.reply, "HTTP/1.1 %d", &status), 1);
	json_free(&world.json);
	content = strstr(world.reply, "\r\n\r\n");
	assert_non_null(content);
	if (json_parse(slice_of_str(content + 4), &world.json, NULL) != RC_OK)
		world.json = NULL;
	return status;
}

void world_run(enum rc (*fn)(void *ctx, struct txn *txn, struct err *err), void *ctx)
{
	struct err err = {.rc = RC_OK};

	if (store_run(world.store, fn, ctx, &err) != RC_OK)
		fail_msg("%s", err.text);
}

bool world_is_open(int64_t enrollment_id)
{
	struct txn *txn = NULL;
	bool is_open = false;

	assert_int_equal(store_read_begin(world.store, &txn, NULL), RC_OK);
	assert_int_equal(queue_is_open(txn, enrollment_id, &is_open, NULL), RC_OK);
	store_read_end(world.store, &txn);
	return is_open;
}

const char *world_text(const char *key)
{
	const struct slice text = json_string(json_get(world.json, key));

	return text.ptr != NULL ? (const char *)text.ptr : "";
}
