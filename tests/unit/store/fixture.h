/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_STORE_FIXTURE_H
#define POMONA_TESTS_STORE_FIXTURE_H

/* A store in a folder of its own, with a clock that tests set and a fixed key. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pomona/base/arena.h"
#include "pomona/store/admin.h"
#include "pomona/store/enrollment.h"
#include "pomona/store/escrow.h"
#include "pomona/store/identity.h"
#include "pomona/store/push.h"
#include "pomona/store/queue.h"
#include "pomona/store/store.h"

struct fixture {
	char dir[64];
	char path[96];
	struct clock clock;
	int64_t now_s, monotonic_us, monotonic_step_us; /* each look at the monotonic clock takes a step */
	struct keyring *keyring;
	struct store *store;
	struct arena *arena;
	struct txn *read;
	bool is_writing;
};

extern const char *fixture_root; /* where the folders are made: "/tmp" */
/* Where the system has a folder in memory, there: many small databases whose syncs need not be true. */
void fixture_root_in_memory(void);
enum { T0 = 1700000000 };

/* cmocka setup and teardown: *state is the fixture. Its store is open but not started. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* The same without a store. */
int fixture_setup_closed(void **state);
void fixture_open(struct fixture *f);
enum rc fixture_try_open(struct fixture *f, struct err *err);
void fixture_close(struct fixture *f);

/* A file in the fixture's folder, beside the database; how many of a glob(3) pattern are there. */
enum { FIXTURE_PATH_BYTES = 128 };
void fixture_path(const struct fixture *f, const char *name, char path[static FIXTURE_PATH_BYTES]);
size_t fixture_count_files(const struct fixture *f, const char *pattern);

/* The writer's transaction on the test's own thread, begun where there is none; of a store that is not started. */
struct txn *fixture_write(struct fixture *f);
void fixture_commit(struct fixture *f);
void fixture_rollback(struct fixture *f);
/* A read transaction that sees what was committed until now. */
struct txn *fixture_read(struct fixture *f);

/* Asserts with the text of `err`. */
void assert_rc_at(enum rc rc, enum rc want, const struct err *err, const char *file, int line);
#define assert_rc(rc, want, err) assert_rc_at(rc, want, err, __FILE__, __LINE__)
#define assert_ok(rc, err) assert_rc(rc, RC_OK, err)

#define S(text) SLICE_LITERAL(text)

/* A certificate's facts, told apart by `mark`. */
struct cert_facts facts_of(uint8_t mark);
/* A device that is enrolled, by its verbs. Its raw Authenticate is "raw authenticate". */
enum rc enroll_device(struct txn *txn, const char *ext_id, uint8_t mark, int64_t *id_r,
	struct err *err);
/* A TokenUpdate with that token, of topic "com.example.mdm". Its raw message is "raw token". */
enum rc give_token(struct txn *txn, int64_t id, const char *push_token, struct err *err);
/* A command in one published batch to one enrollment. */
enum rc send_command(struct txn *txn, const char *uuid, int priority, int64_t enrollment_id,
	int64_t not_after, struct err *err);
/* A push certificate of facts_of(mark) with these texts for PEM. */
enum rc put_push_cert(struct txn *txn, const char *topic, uint8_t mark, struct slice cert_pem,
	struct slice key_pem, struct err *err);
void assert_slice(struct slice got, const char *want);
/* The text that a verb appended to `buf`, which is emptied for the next one. */
void assert_text(struct buf *buf, const char *want);
/* The first number that a statement gives, on a connection of its own. */
int64_t look(const struct fixture *f, const char *sql);
/* Changes the file behind the store's back. */
void tamper(const struct fixture *f, const char *sql);

#endif
