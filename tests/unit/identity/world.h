/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_IDENTITY_WORLD_H
#define POMONA_TESTS_IDENTITY_WORLD_H

/*
 * A real store in a folder of its own, with a clock that the test sets, and certificates by name: what the
 * suites of identity/, checkin/ and command/ stand on. What fails in it fails the test.
 * Threading: the test's thread.
 */

#include "pomona/base/clock.h"
#include "pomona/identity/refusal.h"
#include "pomona/identity/sender.h"
#include "pomona/store/store.h"

enum { WORLD_BEGINS = 1700000000, WORLD_YEAR_S = 365 * 86400 };

struct world {
	char dir[64];
	int64_t now; /* UNIX seconds: set it to let time pass */
	struct clock clock;
	struct keyring *keyring;
	struct store *store;
};

void world_open(struct world *world);
void world_close(struct world *world);

typedef enum rc (*world_fn)(void *ctx, struct txn *txn, struct err *err);
/* A write transaction that must succeed. */
void world_write(struct world *world, world_fn fn, void *ctx);

/* A good certificate, valid for ten years around the beginning; the same name is the same certificate. */
struct credential world_credential(const char *name);
/* The same certificate with another signature that holds. */
struct credential world_twin(const char *name);
/* Records it as issued by our CA; `issued_for` may be "", `renewal_of` an enrollment's id or "". */
void world_issue(struct world *world, const struct credential *credential, const char *issued_for,
	const char *renewal_of);
void world_revoke(struct world *world, const struct credential *credential);

/* False where there is none. */
bool world_find(struct world *world, const char *ext_id, struct enrollment *enrollment_r);
/* The state of an enrollment that must be there. */
enum enrollment_state world_state(struct world *world, const char *ext_id);
void world_set_state(struct world *world, const char *ext_id, enum enrollment_state state);
/* How often an alarm of that kind and subject was raised. */
int64_t world_alarms(struct world *world, const char *kind, const char *subject);
int64_t world_automatic_unenrollments(struct world *world);
/* The number that a statement gives, on a connection of its own. */
int64_t world_look(struct world *world, const char *sql);
/* The store is opened again with a key file that has another key only. */
void world_lose_key(struct world *world);

#endif
