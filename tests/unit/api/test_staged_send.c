/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pomona/pki/trust.h"

#include "private.h"

/* A send to many, through a real listener and a real store; slices and refusals are the test's. */

enum {
	DEVICES = 300,
	SLICE = 100, /* adds in a slice */
	REPLY_BYTES = 65536,
	BODY_BYTES = 32768,
	ARENA_BYTES = 1 << 20,
};

struct world {
	char dir[32];
	char socket[64];
	char database[64];
	struct keyring *keyring;
	struct store *store;
	struct authority *device_ca;
	struct trust *trust;
	struct device *device;
	struct api *api;
	struct http_listener *listener;
	char reply[REPLY_BYTES];
};

static struct world world;
static atomic_int adds;           /* in the slice under way */
static atomic_int submits;        /* of the request under way */
static atomic_int refused_submit; /* the submission that finds the queue full; 0: none */
static atomic_bool was_seen_early;

static bool is_open(int64_t enrollment_id)
{
	struct txn *txn = NULL;
	bool is_open = false;

	assert_int_equal(store_read_begin(world.store, &txn, NULL), RC_OK);
	assert_int_equal(queue_is_open(txn, enrollment_id, &is_open, NULL), RC_OK);
	store_read_end(world.store, &txn);
	return is_open;
}

enum rc __real_store_submit(struct store *store, struct store_job *job, struct err *err);
enum rc __wrap_store_submit(struct store *store, struct store_job *job, struct err *err);
bool __wrap_txn_is_slice_over(const struct txn *txn);
enum rc __real_batch_add(struct txn *txn, int64_t batch_id, int64_t enrollment_id,
	bool *was_queued_r, struct err *err);
enum rc __wrap_batch_add(struct txn *txn, int64_t batch_id, int64_t enrollment_id,
	bool *was_queued_r, struct err *err);

enum rc __wrap_store_submit(struct store *store, struct store_job *job, struct err *err)
{
	const int number = atomic_fetch_add(&submits, 1) + 1;

	if (number > 1 && is_open(1))
		atomic_store(&was_seen_early, true);
	if (number == atomic_load(&refused_submit))
		return err_set(err, RC_BUSY, "the test's queue is full");
	atomic_store(&adds, 0);
	return __real_store_submit(store, job, err);
}

bool __wrap_txn_is_slice_over(const struct txn *txn)
{
	(void)txn;
	return atomic_load(&adds) >= SLICE;
}

enum rc __wrap_batch_add(struct txn *txn, int64_t batch_id, int64_t enrollment_id,
	bool *was_queued_r, struct err *err)
{
	atomic_fetch_add(&adds, 1);
	return __real_batch_add(txn, batch_id, enrollment_id, was_queued_r, err);
}

static enum rc enroll_all(void *ctx, struct txn *txn, struct err *err)
{
	enum rc rc = RC_OK;
	char name[16];
	int64_t id;

	(void)ctx;
	for (int i = 1; rc == RC_OK && i <= DEVICES; i++) {
		(void)snprintf(name, sizeof(name), "D%d", i);
		rc = enrollment_add_device(txn, ENROLLMENT_DEVICE, slice_of_str(name), &id, err);
		if (rc == RC_OK)
			rc = enrollment_set_state(txn, id, ENROLLMENT_ENROLLED, err);
		assert_int_equal(id, i);
	}
	return rc;
}

static void open_store(void)
{
	static const uint8_t key[SEAL_KEY_BYTES] = {1};
	struct store_params params = {.path = world.database, .clock = clock_system(), .is_create = true};

	world.keyring = keyring_of_key(1, key);
	params.keyring = world.keyring;
	assert_int_equal(store_open(&params, &world.store, NULL), RC_OK);
	assert_int_equal(store_start(world.store, NULL), RC_OK);
	assert_int_equal(store_run(world.store, enroll_all, NULL, NULL), RC_OK);
}

static void open_api(void)
{
	const struct authority_params ca = {.key = KEY_P256,
		.common_name = "CA",
		.now = 1800000000,
		.valid_s = 1000000};
	struct device_params device = {.store = world.store, .clock = clock_system()};
	struct api_params api = {.store = world.store,
		.clock = clock_system(),
		.body_bytes_max = ARENA_BYTES,
		.socket_gid = getgid()};
	struct http_listener_params params = {.name = "admin",
		.unix_path = world.socket,
		.unix_mode = 0600,
		.unix_gid = (gid_t)-1,
		.before = api_before,
		.error_body = api_error_body,
		.threads = 1,
		.connections_max = 8,
		.idle_timeout_s = 60,
		.header_bytes_max = 16384,
		.body_bytes_total_max = ARENA_BYTES,
		.arena_bytes_max = 4 * (size_t)ARENA_BYTES};
	struct err err = {.rc = RC_OK};

	assert_int_equal(authority_new(&ca, &world.device_ca, NULL), RC_OK);
	assert_int_equal(trust_new(NULL, 0, &world.trust, NULL), RC_OK);
	device.trust = world.trust;
	assert_int_equal(device_new(&device, &world.device, NULL), RC_OK);
	api.device = world.device;
	api.device_ca = world.device_ca;
	assert_int_equal(api_new(&api, &world.api, NULL), RC_OK);
	params.ctx = world.api;
	params.routes = api_routes(&params.route_count);
	if (http_listener_start(&params, &world.listener, &err) != RC_OK)
		fail_msg("%s", err.text);
}

static int open_world(void **state)
{
	(void)state;
	(void)snprintf(world.dir, sizeof(world.dir), "/tmp/pomona-api-XXXXXX");
	assert_non_null(mkdtemp(world.dir));
	(void)snprintf(world.socket, sizeof(world.socket), "%s/s", world.dir);
	(void)snprintf(world.database, sizeof(world.database), "%s/db", world.dir);
	atomic_store(&refused_submit, 0);
	atomic_store(&was_seen_early, false);
	open_store();
	open_api();
	return 0;
}

static int close_world(void **state)
{
	static const char *const names[] = {"db", "db-wal", "db-shm", "db.lock", "s"};
	char path[64];

	(void)state;
	http_listener_stop(&world.listener);
	store_stop(world.store);
	api_free(&world.api);
	device_free(&world.device);
	trust_unref(&world.trust);
	authority_free(&world.device_ca);
	store_close(&world.store);
	keyring_free(&world.keyring);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", world.dir, names[i]);
		(void)unlink(path);
	}
	return rmdir(world.dir);
}

static int connect_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", world.socket);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Posts `body`; the status. The reply is in world.reply. */
static int post(const char *body)
{
	static char request[BODY_BYTES + 512];
	const int fd = connect_socket();
	size_t used = 0;
	ssize_t got;
	int status = 0;

	atomic_store(&submits, 0);
	(void)snprintf(request, sizeof(request),
		"POST /api/v1/commands HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
		"Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(body), body);
	assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
	while ((got = read(fd, world.reply + used, sizeof(world.reply) - 1 - used)) > 0)
		used += (size_t)got;
	world.reply[used] = '\0';
	(void)close(fd);
	assert_int_equal(sscanf(world.reply, "HTTP/1.1 %d", &status), 1);
	return status;
}

static const char *body_to(int count)
{
	static char body[BODY_BYTES];
	size_t used = (size_t)snprintf(body, sizeof(body),
		"{\"uuid\": \"U\", \"command\": {\"RequestType\": \"ProfileList\"}, \"ids\": [");

	for (int i = 1; i <= count; i++)
		used += (size_t)snprintf(body + used, sizeof(body) - used, "%s\"D%d\"", i > 1 ? "," : "", i);
	(void)snprintf(body + used, sizeof(body) - used, "]}");
	return body;
}

static void a_small_send_is_one_job(void **state)
{
	(void)state;
	assert_int_equal(post(body_to(SEND_SMALL_IDS_MAX)), 200);
	assert_int_equal(atomic_load(&submits), 1);
	assert_true(is_open(SEND_SMALL_IDS_MAX));
	assert_false(is_open(SEND_SMALL_IDS_MAX + 1));
}

static void a_large_send_is_staged_and_seen_at_once(void **state)
{
	(void)state;
	assert_int_equal(post(body_to(DEVICES)), 200);
	assert_int_equal(atomic_load(&submits), DEVICES / SLICE);
	assert_false(atomic_load(&was_seen_early));
	assert_non_null(strstr(world.reply, "\"queued\":300,"));
	for (int id = 1; id <= DEVICES; id++)
		assert_true(is_open(id));
}

static void a_send_that_is_given_up_half_way_is_seen_by_nobody_until_it_is_repeated(void **state)
{
	(void)state;
	atomic_store(&refused_submit, 2);
	assert_int_equal(post(body_to(DEVICES)), 503);
	assert_non_null(strstr(world.reply, "Retry-After"));
	for (int id = 1; id <= DEVICES; id++)
		assert_false(is_open(id));
	atomic_store(&refused_submit, 0);
	assert_int_equal(post(body_to(DEVICES)), 200);
	assert_non_null(strstr(world.reply, "\"queued\":200,\"already_queued\":100,"));
	for (int id = 1; id <= DEVICES; id++)
		assert_true(is_open(id));
}

static void a_full_queue_is_told_before_anything_is_done(void **state)
{
	(void)state;
	atomic_store(&refused_submit, 1);
	assert_int_equal(post(body_to(1)), 503);
	assert_false(is_open(1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_small_send_is_one_job, open_world, close_world),
		cmocka_unit_test_setup_teardown(a_large_send_is_staged_and_seen_at_once, open_world, close_world),
		cmocka_unit_test_setup_teardown(
			a_send_that_is_given_up_half_way_is_seen_by_nobody_until_it_is_repeated, open_world,
			close_world),
		cmocka_unit_test_setup_teardown(a_full_queue_is_told_before_anything_is_done, open_world,
			close_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
