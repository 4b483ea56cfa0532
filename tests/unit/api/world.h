/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TEST_API_WORLD_H
#define POMONA_TEST_API_WORLD_H

/*
 * The admin API over a real listener and a real store, in a folder of its own.
 * Threading: the test's thread.
 */

#include "private.h"

enum { REPLY_BYTES = 1 << 20, BODY_BYTES = 1 << 20 };

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
	struct http_listener *listener, *tcp;
	const char *token;     /* calls go over TCP with it, "" for none; NULL: over the Unix socket */
	uid_t own_uid;         /* of world_open(); 0: the test's */
	_Atomic int64_t now_s; /* the API's clock; 0: the system's */
	char reply[REPLY_BYTES];
	struct json_value *json; /* of the reply's body; NULL: it is none */
};
extern struct world world;

/* With devices D1 to D<count> enrolled, whose ids in the store are 1 to count. */
void world_open(int devices, struct push *push);
void world_close(void);
/* The reply's status. A body of NULL is none. */
int world_call(const char *method, const char *path, const char *body);
/* Runs `fn` in a job. */
void world_run(enum rc (*fn)(void *ctx, struct txn *txn, struct err *err), void *ctx);
/* Does the enrollment have open work that is published? */
bool world_is_open(int64_t enrollment_id);
/* The text of a member of the reply, "" where there is none. */
const char *world_text(const char *key);

#endif
