/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_PUSH_TOPIC_WORLD_H
#define POMONA_TESTS_PUSH_TOPIC_WORLD_H

/*
 * The lower half with everything around it made by the test: time, the store's certificates, connections. Counts each
 * parcel's end, and looks through the log for secrets when it is over. Threading: the test's.
 */

#include "fake_net.h"
#include "topic.h"
#include "topics.h"

#define TOPIC "com.apple.mgmt.External.1"
#define OTHER_TOPIC "com.apple.mgmt.External.2"

enum { DAY_S = 86400, WORLD_CERTS_MAX = 70, WORLD_ALARMS_MAX = 4096 };

struct shipment {
	struct parcel parcel;
	unsigned done_count;
	enum push_action action;
	enum push_answer answer;
	unsigned status;
	int64_t retry_after_s;
	char reason[PUSH_REASON_BYTES_MAX + 1], apns_id[PUSH_ID_BYTES_MAX + 1], detail[TOPIC_WHY_BYTES];
};

struct world {
	struct topics *topics;
	int64_t unix_ms, monotonic_us;
	struct push_params params;
	struct {
		char topic[PUSH_TOPIC_BYTES_MAX + 1];
		char name[32]; /* its PEM is just this */
		int64_t not_after, stored_at;
		enum rc key_rc;
	} certs[WORLD_CERTS_MAX];
	size_t cert_count;
	enum rc list_rc;
	size_t rooms; /* on_room was called */
	struct {
		char kind[64], subject[PUSH_TOPIC_BYTES_MAX + 1], text[TOPIC_WHY_BYTES];
		bool is_clear;
	} alarms[WORLD_ALARMS_MAX];
	size_t alarm_count;
	size_t done_count;
	bool is_sending; /* within topics_send(): `done` must not come */
	void (*on_done)(struct shipment *shipment);
	int log_fd;
};
extern struct world world;

/* For cmocka: a world with one certificate, loaded; and its end, which frees all. */
int world_set_up(void **state);
int world_tear_down(void **state);
/* With world.params and certificates as they are now. */
void world_start(void);
void world_set_cert(const char *topic, const char *name, int64_t not_after);
void world_remove_cert(const char *topic);
void world_load(void);
void world_pass_ms(int64_t ms);
/* Second by second, with a tick and a turn each. */
void world_pass_s(int64_t s);
int64_t world_now_s(void);

/* The caller frees it, after its end. */
struct shipment *ship_to(int64_t enrollment_id);
enum topics_verdict world_send_on(const char *topic, struct shipment *shipment);
/* Sends it on TOPIC, which must take it. */
struct shipment *world_send(int64_t enrollment_id);
struct shipment *world_send_test(int64_t enrollment_id);
/* One push, answered by 200, on an open connection; it is the one that fake_link(0) gives. */
struct h2 *world_connect(void);
struct push_topic_stats world_stats(void);
/* The last alarm of this kind is raised. */
bool world_is_alarm(const char *kind);
/* How many lines of the log hold this text. */
size_t world_log_count(const char *text);

#endif
