/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "topic_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pomona/base/log.h"
#include "pomona/store/push.h"

#define SECRET_KEY "-secret-key-of-"
#define SECRET_MAGIC "magic-of-"

enum { START_S = 1800000000, LOG_BYTES_MAX = 64 * 1024 * 1024 };

struct world world;

/* --- the store, as far as it is asked */

enum rc store_read_begin(struct store *store, struct txn **txn_r, struct err *err)
{
	(void)store;
	(void)err;
	*txn_r = NULL;
	return RC_OK;
}

void store_read_end(struct store *store, struct txn **txn)
{
	(void)store;
	*txn = NULL;
}

enum rc push_cert_list(struct txn *txn, struct arena *arena, struct push_cert_view **views_r,
	size_t *count_r, struct err *err)
{
	struct push_cert_view *views = arena_alloc(arena, world.cert_count * sizeof(*views) + 1);

	(void)txn;
	if (world.list_rc != RC_OK)
		return err_set(err, world.list_rc, "certificates cannot be read");
	assert_non_null(views);
	for (size_t i = 0; i < world.cert_count; i++) {
		views[i] = (struct push_cert_view){
			.topic = world.certs[i].topic,
			.subject = "",
			.not_after = world.certs[i].not_after,
			.stored_at = world.certs[i].stored_at,
			.cert_pem = slice_of_str(world.certs[i].name),
		};
		sha256(slice_of_str(world.certs[i].name), views[i].sha256);
	}
	*views_r = views;
	*count_r = world.cert_count;
	return RC_OK;
}

enum rc push_cert_key(struct txn *txn, const char *topic, struct buf *key_pem, struct err *err)
{
	(void)txn;
	for (size_t i = 0; i < world.cert_count; i++) {
		if (strcmp(world.certs[i].topic, topic) != 0)
			continue;
		if (world.certs[i].key_rc != RC_OK)
			return err_set(err, world.certs[i].key_rc, "key cannot be opened");
		buf_append_str(key_pem, SECRET_KEY);
		buf_append_str(key_pem, world.certs[i].name);
		return RC_OK;
	}
	return err_set(err, RC_NOT_FOUND, "no such certificate");
}

/* --- time */

static int64_t unix_ms(void *ctx)
{
	(void)ctx;
	return world.unix_ms;
}

static int64_t monotonic_us(void *ctx)
{
	(void)ctx;
	return world.monotonic_us;
}

static const struct clock clock = {.unix_ms = unix_ms, .monotonic_us = monotonic_us};

int64_t world_now_s(void)
{
	return world.unix_ms / 1000;
}

void world_pass_ms(int64_t ms)
{
	world.unix_ms += ms;
	world.monotonic_us += ms * 1000;
}

void world_pass_s(int64_t s)
{
	for (int64_t i = 0; i < s; i++) {
		world_pass_ms(1000);
		topics_tick(world.topics);
		fake_turn();
	}
}

/* --- certificates */

void world_set_cert(const char *topic, const char *name, int64_t not_after)
{
	size_t i = 0;

	while (i < world.cert_count && strcmp(world.certs[i].topic, topic) != 0)
		i++;
	assert_true(i < WORLD_CERTS_MAX);
	world.cert_count += i == world.cert_count;
	(void)snprintf(world.certs[i].topic, sizeof(world.certs[i].topic), "%s", topic);
	(void)snprintf(world.certs[i].name, sizeof(world.certs[i].name), "%s", name);
	world.certs[i].not_after = not_after;
	world.certs[i].stored_at = world_now_s();
	world.certs[i].key_rc = RC_OK;
}

void world_remove_cert(const char *topic)
{
	for (size_t i = 0; i < world.cert_count; i++)
		if (strcmp(world.certs[i].topic, topic) == 0)
			world.certs[i--] = world.certs[--world.cert_count];
}

void world_load(void)
{
	struct err err;

	assert_int_equal(topics_load(world.topics, &err), RC_OK);
	fake_turn();
}

/* --- the scheduler above */

static void on_room(void *ctx)
{
	(void)ctx;
	assert_false(world.is_sending);
	world.rooms++;
}

static void on_alarm(void *ctx, const struct push_alarm *alarm)
{
	(void)ctx;
	if (world.alarm_count == WORLD_ALARMS_MAX)
		world.alarm_count = 0;
	(void)snprintf(world.alarms[world.alarm_count].kind, 64, "%s", alarm->kind);
	(void)snprintf(world.alarms[world.alarm_count].subject, PUSH_TOPIC_BYTES_MAX + 1, "%s",
		alarm->subject);
	(void)snprintf(world.alarms[world.alarm_count].text, TOPIC_WHY_BYTES, "%s", alarm->text);
	world.alarms[world.alarm_count++].is_clear = alarm->is_clear;
}

bool world_is_alarm(const char *kind)
{
	for (size_t i = world.alarm_count; i-- > 0;)
		if (strcmp(world.alarms[i].kind, kind) == 0)
			return !world.alarms[i].is_clear;
	return false;
}

static void on_done(struct parcel *parcel, const struct parcel_answer *answer)
{
	struct shipment *shipment = (struct shipment *)parcel;

	assert_false(world.is_sending);
	assert_null(parcel->carrier);
	shipment->done_count++;
	shipment->action = answer->action;
	shipment->answer = answer->answer;
	shipment->status = answer->status;
	shipment->retry_after_s = answer->retry_after_s;
	(void)snprintf(shipment->reason, sizeof(shipment->reason), "%s", answer->reason);
	(void)snprintf(shipment->apns_id, sizeof(shipment->apns_id), "%s", answer->apns_id);
	(void)snprintf(shipment->detail, sizeof(shipment->detail), "%s", answer->detail);
	world.done_count++;
	if (world.on_done != NULL)
		world.on_done(shipment);
}

struct shipment *ship_to(int64_t enrollment_id)
{
	struct shipment *shipment = calloc(1, sizeof(*shipment));
	struct parcel *parcel;

	assert_non_null(shipment);
	parcel = &shipment->parcel;
	parcel->enrollment_id = enrollment_id;
	parcel->token_len = 32;
	memset(parcel->token, 0xAB, parcel->token_len);
	memcpy(parcel->token, &enrollment_id, sizeof(enrollment_id));
	parcel->magic_len = (size_t)snprintf(parcel->magic, sizeof(parcel->magic), SECRET_MAGIC "%lld",
		(long long)enrollment_id);
	parcel->token_updated_at = START_S - DAY_S;
	parcel->done = on_done;
	return shipment;
}

enum topics_verdict world_send_on(const char *topic, struct shipment *shipment)
{
	enum topics_verdict verdict;

	world.is_sending = true;
	verdict = topics_send(world.topics, slice_of_str(topic), &shipment->parcel);
	world.is_sending = false;
	return verdict;
}

struct shipment *world_send(int64_t enrollment_id)
{
	struct shipment *shipment = ship_to(enrollment_id);

	assert_int_equal(world_send_on(TOPIC, shipment), TOPICS_TAKEN);
	return shipment;
}

struct shipment *world_send_test(int64_t enrollment_id)
{
	struct shipment *shipment = ship_to(enrollment_id);

	shipment->parcel.is_test = true;
	assert_int_equal(world_send_on(TOPIC, shipment), TOPICS_TAKEN);
	return shipment;
}

struct h2 *world_connect(void)
{
	struct shipment *first = world_send(1);
	struct h2 *h2 = fake_link(0);

	assert_non_null(h2);
	if (!fake_link_is_open(h2))
		fake_open(h2);
	fake_answer(h2, 200, "");
	assert_int_equal(first->done_count, 1);
	assert_int_equal(first->action, PUSH_DONE);
	free(first);
	return h2;
}

struct push_topic_stats world_stats(void)
{
	static struct push_stats stats;

	topics_stats(world.topics, &stats);
	for (size_t i = 0; i < stats.topic_count; i++)
		if (strcmp(stats.topics[i].topic, TOPIC) == 0)
			return stats.topics[i];
	return (struct push_topic_stats){.state = PUSH_TOPIC_NO_CERTIFICATE};
}

/* --- the log */

static char *read_log(void)
{
	off_t len = lseek(world.log_fd, 0, SEEK_END);
	char *text;

	assert_in_range(len, 0, LOG_BYTES_MAX);
	text = calloc(1, (size_t)len + 1);
	assert_non_null(text);
	assert_int_equal(pread(world.log_fd, text, (size_t)len, 0), len);
	return text;
}

size_t world_log_count(const char *what)
{
	char *text = read_log();
	size_t count = 0;
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
		count += strstr(line, what) != NULL;
	free(text);
	return count;
}

/* --- the life of it */

int world_set_up(void **state)
{
	(void)state;
	fake_net_reset();
	memset(&world, 0, sizeof(world));
	world.unix_ms = START_S * INT64_C(1000) + 123;
	world.monotonic_us = 5000000000;
	world.params = (struct push_params){
		.host = "apns.test",
		.port = 443,
		.proxy = "",
		.connections_max = 2,
		.settings = {.expiration_s = DAY_S, .priority = 10},
	};
	world.log_fd = memfd_create("log", 0);
	assert_true(world.log_fd >= 0);
	log_set_fd(world.log_fd);
	world_set_cert(TOPIC, "first", world_now_s() + 300 * (int64_t)DAY_S);
	world_start();
	return 0;
}

void world_start(void)
{
	const struct topics_params params = {
		.clock = &clock,
		.push = &world.params,
		.on_room = on_room,
		.on_alarm = on_alarm,
	};
	struct err err;

	if (world.topics != NULL)
		topics_free(&world.topics);
	assert_int_equal(topics_new(&params, &world.topics, &err), RC_OK);
	world_load();
}

int world_tear_down(void **state)
{
	(void)state;
	topics_free(&world.topics);
	fake_net_reset();
	log_set_fd(2);
	assert_int_equal(world_log_count("secret"), 0);
	assert_int_equal(world_log_count("magic-of"), 0);
	assert_int_equal(world_log_count("abababab"), 0); /* what each token ends in */
	assert_int_equal(world_log_count("\xAB\xAB"), 0);
	close(world.log_fd);
	return 0;
}
