/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cert_watch.h"
#include "pomona/base/log.h"
#include "pomona/pki/authority.h"
#include "pomona/store/admin.h"
#include "pomona/store/identity.h"

enum { T0 = 1800000000, DAY_S = 86400, ALARMS_MAX = 8, LOG_BYTES = 65536 };

/* A store of our own: the writer runs when the test says so, at a time that it sets. */
static struct {
	struct store_job *waiting;
	bool is_full;
	int64_t now;
	struct slice anchors[1];
	size_t anchor_count;
	struct alarm {
		char kind[64], subject[80], text[512];
		int count;
	} alarms[ALARMS_MAX];
} store;

static struct authority *ca; /* 40 days from T0 */
static char ca_subject[SHA256_TEXT_BYTES];
static struct cert_watch watch;
static FILE *log_file;

enum rc store_submit(struct store *unused, struct store_job *job, struct err *err)
{
	(void)unused;
	if (store.is_full)
		return err_set(err, RC_BUSY, "full");
	assert_null(store.waiting);
	store.waiting = job;
	return RC_OK;
}

int64_t txn_now(const struct txn *txn)
{
	(void)txn;
	return store.now;
}

enum rc anchor_list(struct txn *txn, struct arena *arena, struct slice **ders_r, size_t *count_r,
	struct err *err)
{
	(void)txn;
	(void)arena;
	(void)err;
	*ders_r = store.anchors;
	*count_r = store.anchor_count;
	return RC_OK;
}

static struct alarm *find(const char *kind, const char *subject)
{
	for (size_t i = 0; i < ALARMS_MAX; i++)
		if (strcmp(store.alarms[i].kind, kind) == 0 && strcmp(store.alarms[i].subject, subject) == 0)
			return &store.alarms[i];
	return NULL;
}

enum rc alarm_raise(struct txn *txn, const char *kind, struct slice subject, const char *text,
	struct err *err)
{
	char name[80];
	struct alarm *alarm;

	(void)txn;
	(void)err;
	(void)snprintf(name, sizeof(name), "%.*s", SLICE_FMT(subject));
	alarm = find(kind, name);
	if (alarm == NULL)
		alarm = find("", "");
	assert_non_null(alarm);
	(void)snprintf(alarm->kind, sizeof(alarm->kind), "%s", kind);
	(void)snprintf(alarm->subject, sizeof(alarm->subject), "%s", name);
	(void)snprintf(alarm->text, sizeof(alarm->text), "%s", text);
	alarm->count++;
	return RC_OK;
}

enum rc alarm_clear(struct txn *txn, const char *kind, struct slice subject, struct err *err)
{
	char name[80];
	struct alarm *alarm;

	(void)txn;
	(void)snprintf(name, sizeof(name), "%.*s", SLICE_FMT(subject));
	alarm = find(kind, name);
	if (alarm == NULL)
		return err_set(err, RC_NOT_FOUND, "no such alarm");
	memset(alarm, 0, sizeof(*alarm));
	return RC_OK;
}

/* --- a look at a time */

static struct cert_watch_facts facts_of(int64_t not_after)
{
	return (struct cert_watch_facts){
		.hostname = "mdm.example.com",
		.tls = {.subject = "CN=mdm.example.com", .sha256 = {1}, .not_after = not_after},
	};
}

static void look(int64_t now, const struct cert_watch_facts *facts, enum rc commit)
{
	struct err err = {.rc = RC_OK};
	struct store_job *job;
	enum rc rc;

	store.now = now;
	cert_watch_begin(&watch, NULL, facts);
	job = store.waiting;
	assert_non_null(job);
	store.waiting = NULL;
	rc = job->run(job, NULL, &err);
	assert_int_equal(rc, RC_OK);
	job->done(job, commit, &err);
}

/* How often the event was logged since the last question. */
static int logged(const char *event)
{
	static char text[LOG_BYTES];
	const size_t len = strlen(event);
	size_t size;
	int count = 0;

	rewind(log_file);
	size = fread(text, 1, sizeof(text) - 1, log_file);
	text[size] = '\0';
	for (const char *at = text; (at = strstr(at, event)) != NULL; at += len)
		count++;
	return count;
}

static void forget_log(void)
{
	assert_int_equal(ftruncate(fileno(log_file), 0), 0);
	assert_int_equal(lseek(fileno(log_file), 0, SEEK_SET), 0);
}

static int setup(void **state)
{
	const struct authority_params params = {
		.key = KEY_P256,
		.common_name = "Old CA",
		.now = T0,
		.valid_s = 40 * DAY_S,
	};
	struct cert_facts facts;
	struct err err;

	(void)state;
	memset(&store, 0, sizeof(store));
	memset(&watch, 0, sizeof(watch));
	log_file = tmpfile();
	if (log_file == NULL || authority_new(&params, &ca, &err) != RC_OK ||
		cert_read_facts(authority_cert_der(ca), &facts, &err) != RC_OK)
		return -1;
	sha256_text(facts.sha256, ca_subject);
	store.anchors[0] = authority_cert_der(ca);
	log_set_fd(fileno(log_file));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_set_fd(STDERR_FILENO);
	authority_free(&ca);
	return fclose(log_file);
}

static void each_step_is_one_line_and_the_last_ones_are_alarms(void **state)
{
	const struct cert_watch_facts facts = facts_of(T0 + 40 * DAY_S);

	(void)state;
	store.anchor_count = 1;
	for (int64_t hour = 0; hour <= 42 * 24; hour++) {
		const int64_t left = 40 * 24 - hour;
		const int steps = (left <= 30 * 24) + (left <= 14 * 24) + (left <= 7 * 24) + (left <= 24);
		const bool is_near = left <= 7 * 24 && left > 0;

		look(T0 + hour * 3600, &facts, RC_OK);
		assert_int_equal(logged("event=tls_cert_expiring"), steps);
		assert_int_equal(logged("event=ca_cert_expiring"), steps);
		assert_int_equal(logged("event=tls_cert_expired"), left <= 0);
		assert_int_equal(logged("event=ca_cert_expired"), left <= 0);
		assert_int_equal(find("tls_cert_expiring", "mdm.example.com") != NULL, is_near);
		assert_int_equal(find("ca_cert_expiring", ca_subject) != NULL, is_near);
		assert_int_equal(find("tls_cert_expired", "mdm.example.com") != NULL, left <= 0);
		assert_int_equal(find("ca_cert_expired", ca_subject) != NULL, left <= 0);
	}
	assert_int_equal(find("ca_cert_expired", ca_subject)->count, 1);
	assert_non_null(strstr(find("ca_cert_expired", ca_subject)->text, "CN=Old CA"));
}

static void a_new_certificate_or_a_clock_set_back_takes_the_alarms_away(void **state)
{
	struct cert_watch_facts facts = facts_of(T0 + DAY_S);

	(void)state;
	look(T0, &facts, RC_OK);
	assert_non_null(find("tls_cert_expiring", "mdm.example.com"));
	look(T0 - 100 * DAY_S, &facts, RC_OK);
	assert_null(find("tls_cert_expiring", "mdm.example.com"));
	look(T0 + DAY_S, &facts, RC_OK);
	assert_non_null(find("tls_cert_expired", "mdm.example.com"));
	facts = facts_of(T0 + 300 * DAY_S);
	facts.tls.sha256[0] = 2;
	look(T0 + DAY_S, &facts, RC_OK);
	assert_null(find("tls_cert_expired", "mdm.example.com"));
	forget_log();
	look(T0 + 300 * DAY_S - 1, &facts, RC_OK);
	assert_int_equal(logged("event=tls_cert_expiring"), 1);
}

static void what_a_process_before_left_is_taken_away(void **state)
{
	const struct cert_watch_facts facts = facts_of(T0 + 300 * DAY_S);
	struct slice subject = SLICE_LITERAL("mdm.example.com");

	(void)state;
	assert_int_equal(alarm_raise(NULL, "tls_cert_expired", subject, "x", NULL), RC_OK);
	assert_int_equal(alarm_raise(NULL, "tls_cert_not_renewed", subject, "x", NULL), RC_OK);
	look(T0, &facts, RC_OK);
	assert_null(find("tls_cert_expired", "mdm.example.com"));
	assert_null(find("tls_cert_not_renewed", "mdm.example.com"));
}

static void what_did_not_become_durable_is_said_at_the_next_look(void **state)
{
	struct cert_watch_facts facts = facts_of(T0 + DAY_S);

	(void)state;
	(void)snprintf(facts.fault, sizeof(facts.fault), "no root");
	look(T0, &facts, RC_IO);
	assert_int_equal(logged("event=tls_cert_expiring"), 0);
	assert_int_equal(logged("event=tls_cert_not_renewed"), 0);
	look(T0, &facts, RC_OK);
	look(T0, &facts, RC_OK);
	assert_int_equal(logged("event=tls_cert_expiring"), 1);
	assert_int_equal(logged("event=tls_cert_not_renewed"), 1);
	store.is_full = true;
	cert_watch_begin(&watch, NULL, &facts);
	store.is_full = false;
	cert_watch_begin(&watch, NULL, &facts);
	cert_watch_begin(&watch, NULL, &facts); /* would trip over the one that waits */
	assert_non_null(store.waiting);
}

static void our_own_is_told_of_only_where_it_cannot_be_renewed(void **state)
{
	struct cert_watch_facts facts = facts_of(T0 + DAY_S);

	(void)state;
	facts.is_tls_renewed = true;
	look(T0, &facts, RC_OK);
	assert_int_equal(logged("level="), 0);
	facts.is_tls_renewed = false;
	for (int turn = 0; turn < 4; turn++) {
		(void)snprintf(facts.fault, sizeof(facts.fault), "%s", turn < 2 ? "no root" : "disk full");
		look(T0, &facts, RC_OK);
		assert_string_equal(find("tls_cert_not_renewed", "mdm.example.com")->text, facts.fault);
		assert_non_null(find("tls_cert_expiring", "mdm.example.com"));
		assert_int_equal(logged("event=tls_cert_not_renewed"), 1 + turn / 2);
		assert_int_equal(logged("event=tls_cert_expiring"), 1);
	}
	facts.is_tls_renewed = true;
	facts.fault[0] = '\0';
	look(T0, &facts, RC_OK);
	assert_null(find("tls_cert_not_renewed", "mdm.example.com"));
	assert_null(find("tls_cert_expiring", "mdm.example.com"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_step_is_one_line_and_the_last_ones_are_alarms),
		TEST(a_new_certificate_or_a_clock_set_back_takes_the_alarms_away),
		TEST(what_a_process_before_left_is_taken_away),
		TEST(what_did_not_become_durable_is_said_at_the_next_look),
		TEST(our_own_is_told_of_only_where_it_cannot_be_renewed),
	};

	return cmocka_run_group_tests_name("cert_watch", tests, NULL, NULL);
}
