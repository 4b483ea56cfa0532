/* SPDX-License-Identifier: Apache-2.0 */
/* The benches' client: `load prepare DIR N` makes a device CA and N identities; `load MODE DIR PORT CLIENTS
 * COUNT` plays them and prints one line of JSON. tests/bench/run puts it all together. */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "device.h"
#include "pomona/base/clock.h"
#include "pomona/base/file.h"
#include "pomona/pki/authority.h"

enum { REQUEST_BYTES_MAX = 65536, FILE_BYTES_MAX = 65536, YEAR_S = 365 * 86400 };

struct bench {
	size_t wanted; /* connections or requests, as the mode counts */
	size_t started;
	char (*uuids)[DEVICE_UUID_BYTES]; /* by device: the command to answer, "" none */
};

static void die(const char *what, const struct err *err)
{
	(void)fprintf(stderr, "bench: %s: %s\n", what, err == NULL ? strerror(errno) : err->text);
	exit(1);
}

static bool next_enroll(struct client *client, void *ctx)
{
	(void)ctx;
	if (client->step == 0)
		device_say_authenticate(&client->request, client->device);
	else if (client->step == 1)
		device_say_token_update(&client->request, client->device);
	return client->step < 2;
}

static bool next_poll(struct client *client, void *ctx)
{
	(void)ctx;
	if (client->step == 0)
		device_say_idle(&client->request, client->device);
	return client->step == 0;
}

static bool next_idle(struct client *client, void *ctx)
{
	struct bench *bench = ctx;

	if (bench->started >= bench->wanted)
		return false;
	bench->started++;
	device_say_idle(&client->request, client->device);
	return true;
}

static bool next_answer(struct client *client, void *ctx)
{
	const struct bench *bench = ctx;
	const char *uuid = bench->uuids[client->device];

	if (client->step > 0 && uuid[0] == 0)
		return false;
	if (client->step == 0)
		device_say_idle(&client->request, client->device);
	else
		device_say_answer(&client->request, client->device, uuid);
	return true;
}

static bool check_empty(struct client *client, int status, const char *body, size_t len, void *ctx)
{
	(void)client;
	(void)body;
	(void)ctx;
	return status == 200 && len == 0;
}

static bool check_command(struct client *client, int status, const char *body, size_t len,
	void *ctx)
{
	const struct bench *bench = ctx;

	return device_read_command(body, len, bench->uuids[client->device]) && status == 200;
}

static bool again_counted(struct client *client, void *ctx)
{
	struct bench *bench = ctx;

	(void)client;
	return bench->started < bench->wanted && bench->started++ < bench->wanted;
}

static bool again_never(struct client *client, void *ctx)
{
	(void)client;
	(void)ctx;
	return false;
}

static const struct mode {
	const char *name;
	struct load load;
	bool is_counting_connections;
} modes[] = {
	{"enroll", {.next = next_enroll, .check = check_empty, .again = again_never}, false},
	{"poll", {.next = next_poll, .check = check_empty, .again = again_counted}, true},
	{"poll-resumed",
		{.next = next_poll, .check = check_empty, .again = again_counted, .is_resuming = true}, true},
	{"idle", {.next = next_idle, .check = check_empty, .again = again_never}, false},
	{"roundtrip", {.next = next_answer, .check = check_command, .again = again_never}, false},
};

static void write_pem(const char *path, const struct buf *pem)
{
	struct err err;

	if (file_create(path, buf_slice(pem), 0600, &err) != RC_OK)
		die(path, &err);
}

static void prepare_identity(const struct authority *ca, const char *path)
{
	struct issue_params issue = {.common_name = "bench",
		.now = clock_unix_s(clock_system()),
		.valid_s = YEAR_S};
	struct err err;
	struct buf der;
	struct buf key;
	struct buf pem;

	buf_init(&der, FILE_BYTES_MAX);
	buf_init(&key, FILE_BYTES_MAX);
	buf_init(&pem, FILE_BYTES_MAX);
	if (authority_issue_key(ca, KEY_P256, &issue, &der, &key, &err) != RC_OK)
		die("identity", &err);
	cert_write_pem(buf_slice(&der), &pem);
	buf_append(&pem, buf_slice(&key));
	write_pem(path, &pem);
	buf_fini(&der);
	buf_fini(&key);
	buf_fini(&pem);
}

static void prepare(const char *dir, size_t count)
{
	struct authority_params params = {.key = KEY_P256,
		.common_name = "Bench device CA",
		.now = clock_unix_s(clock_system()),
		.valid_s = 10LL * YEAR_S};
	struct authority *ca = NULL;
	struct err err;
	struct buf pem;
	char path[PATH_MAX];

	buf_init(&pem, FILE_BYTES_MAX);
	if (authority_new(&params, &ca, &err) != RC_OK)
		die("CA", &err);
	cert_write_pem(authority_cert_der(ca), &pem);
	(void)snprintf(path, sizeof(path), "%s/ca.pem", dir);
	write_pem(path, &pem);
	for (size_t i = 0; i < count; i++) {
		device_identity_path(path, sizeof(path), dir, i);
		prepare_identity(ca, path);
	}
	buf_fini(&pem);
	authority_free(&ca);
}

static void load_client(struct client *client, const char *dir, size_t device)
{
	client->device = device;
	client->tls = device_tls(dir, device);
	buf_init(&client->request, REQUEST_BYTES_MAX);
	if (client->tls == NULL)
		die("identity", NULL);
	(void)SSL_CTX_set_session_cache_mode(client->tls, SSL_SESS_CACHE_CLIENT);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void print_result(const char *mode, struct load_result *result)
{
	size_t n = result->latency_count;

	qsort(result->latencies_us, n, sizeof(*result->latencies_us), by_value);
	(void)printf("{\"mode\":\"%s\",\"requests\":%" PRIu64 ",\"connections\":%" PRIu64
														",\"errors\":%" PRIu64 ",\"seconds\":%.4f,\"p50_us\":%u,\"p99_us\":%u}\n",
		mode, result->requests, result->connections, result->errors, result->seconds,
		n == 0 ? 0 : result->latencies_us[n / 2], n == 0 ? 0 : result->latencies_us[n * 99 / 100]);
}

static int play(const struct mode *mode, const char *dir, unsigned port, size_t clients,
	size_t count)
{
	struct bench bench = {
		.wanted = count,
		.started = mode->is_counting_connections ? clients : 0,
		.uuids = calloc(clients, DEVICE_UUID_BYTES),
	};
	struct client *fleet = calloc(clients, sizeof(*fleet));
	struct load load = mode->load;
	struct load_result result;

	if (fleet == NULL || bench.uuids == NULL)
		die("memory", NULL);
	load.ctx = &bench;
	for (size_t i = 0; i < clients; i++)
		load_client(&fleet[i], dir, i);
	result = load_run(fleet, clients, port, &load);
	print_result(mode->name, &result);
	for (size_t i = 0; i < clients; i++) {
		SSL_SESSION_free(fleet[i].session);
		SSL_CTX_free(fleet[i].tls);
		buf_fini(&fleet[i].request);
	}
	free(fleet);
	free(bench.uuids);
	free(result.latencies_us);
	return result.errors == 0 ? 0 : 1;
}

static size_t number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end != 0 || value == 0 || value > 100000000)
		die("a number from 1 to 100000000 is wanted", NULL);
	return value;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "prepare") == 0) {
		prepare(argv[2], number(argv[3]));
		return 0;
	}
	for (size_t i = 0; argc == 6 && i < COUNT_OF(modes); i++)
		if (strcmp(argv[1], modes[i].name) == 0)
			return play(&modes[i], argv[2], (unsigned)number(argv[3]), number(argv[4]), number(argv[5]));
	(void)fprintf(stderr,
		"usage: bench-load prepare DIR COUNT\n"
		"       bench-load enroll|poll|poll-resumed|idle|roundtrip DIR PORT CLIENTS COUNT\n");
	return 64;
}
