/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_IDENTITY_DIGEST_DOOR_H
#define POMONA_IDENTITY_DIGEST_DOOR_H

/*
 * The HTTP Digest login of a route (RFC 7616): challenges in MD5 and SHA-256, and the judgement of what came back for
 * one: the user, the URL, the age of the nonce, and that each count of it comes once. Knows no HTTP but its headers.
 * Threading: new/free: main. The rest: any thread.
 */

#include "pomona/base/buf.h"
#include "pomona/identity/user.h"

enum {
	DIGEST_DOOR_NONCE_S = 300,
	DIGEST_DOOR_NONCES_MAX = 4096,
	DIGEST_DOOR_HEADER_BYTES_MAX = 512
};

enum digest_door_verdict {
	DIGEST_DOOR_OPEN,     /* query.display_name and answer.username tell who it is */
	DIGEST_DOOR_NO_LOGIN, /* no Authorization header: ask for one */
	DIGEST_DOOR_GARBLED,  /* 400 */
	DIGEST_DOOR_STALE, /* right, but the nonce is old, spent or another server's: ask again, stale=true */
	DIGEST_DOOR_WRONG,       /* query.verdict says in what way: ask again */
	DIGEST_DOOR_LIMITED,     /* too many wrong answers; not looked at */
	DIGEST_DOOR_UNAVAILABLE, /* 503 */
};
const char *digest_door_verdict_name(enum digest_door_verdict verdict); /* for the log */

struct digest_door;

struct digest_door_params {
	struct user_directory *users; /* borrowed until digest_door_free() */
	const struct clock *clock;
	const char *realm; /* copied; RC_INVALID unless user_realm_is_sound() */
};
enum rc digest_door_new(const struct digest_door_params *params, struct digest_door **door_r,
	struct err *err) MUST_USE;

/* From now on; answers for the former one are wrong. One that is not sound changes nothing. */
void digest_door_set_realm(struct digest_door *door, const char *realm);

/* The value of a WWW-Authenticate header: send one with SHA-256 and then one with MD5. */
enum rc digest_door_challenge(struct digest_door *door, enum digest_kind algorithm, bool is_stale,
	struct buf *out, struct err *err) MUST_USE;

/* One request. It lives until `done`, which is called once, before the knock returns or later. */
struct digest_knock {
	struct slice authorization; /* the header's value; empty: none */
	const char *method;
	struct slice target; /* as it stood in the request line */
	struct slice address;
	struct arena *arena;
	void (*done)(struct digest_knock *knock);
	void *ctx;
	enum digest_door_verdict verdict;
	struct digest_answer answer; /* unset where garbled or none */
	struct user_query query;
	/* the door's */
	struct digest_door *door;
	char realm[USER_REALM_BYTES_MAX + 1];
	const char *methods[1];
};
void digest_door_knock(struct digest_door *door, struct digest_knock *knock);
void digest_door_free(struct digest_door **door);

#endif
