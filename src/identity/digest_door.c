/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/identity/digest_door.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/base/rand.h"

/* A nonce: when it was made, what makes it one of its kind, and a MAC over the two; all in hex. */
enum {
	TIME_BYTES = 8,
	RANDOM_BYTES = 12,
	BODY_BYTES = TIME_BYTES + RANDOM_BYTES,
	NONCE_BYTES = BODY_BYTES + MAC_BYTES,
	NONCE_DIGITS = 2 * NONCE_BYTES,
	US_A_SECOND = 1000000,
};

/* A nonce that was used: how far its count has come. */
struct used {
	uint8_t random[RANDOM_BYTES];
	int64_t made_us;
	uint32_t count; /* 0: the place is free */
};

struct digest_door {
	struct user_directory *users;
	const struct clock *clock;
	uint8_t key[MAC_BYTES];
	pthread_mutex_t lock; /* what follows */
	char realm[USER_REALM_BYTES_MAX + 1];
	struct used used[DIGEST_DOOR_NONCES_MAX];
	size_t next;
	int64_t forgotten_us; /* nonces made up to then may have been used and forgotten */
};

static const char *const verdict_names[] = {
	[DIGEST_DOOR_OPEN] = "open",
	[DIGEST_DOOR_NO_LOGIN] = "no_login",
	[DIGEST_DOOR_GARBLED] = "garbled",
	[DIGEST_DOOR_STALE] = "stale",
	[DIGEST_DOOR_WRONG] = "wrong",
	[DIGEST_DOOR_LIMITED] = "limited",
	[DIGEST_DOOR_UNAVAILABLE] = "unavailable",
};

const char *digest_door_verdict_name(enum digest_door_verdict verdict)
{
	return (unsigned)verdict < COUNT_OF(verdict_names) ? verdict_names[verdict] : "unknown";
}

enum rc digest_door_new(const struct digest_door_params *params, struct digest_door **door_r,
	struct err *err)
{
	struct digest_door *door;

	*door_r = NULL;
	if (!user_realm_is_sound(params->realm))
		return err_set(err, RC_INVALID, "realm: no challenge can carry it");
	door = calloc(1, sizeof(*door));
	if (door == NULL)
		return err_set(err, RC_NO_MEMORY, "digest login");
	door->users = params->users;
	door->clock = params->clock;
	(void)snprintf(door->realm, sizeof(door->realm), "%s", params->realm);
	rand_bytes(door->key, sizeof(door->key));
	(void)pthread_mutex_init(&door->lock, NULL);
	door->forgotten_us = -1;
	*door_r = door;
	return RC_OK;
}

void digest_door_set_realm(struct digest_door *door, const char *realm)
{
	if (!user_realm_is_sound(realm))
		return;
	(void)pthread_mutex_lock(&door->lock);
	(void)snprintf(door->realm, sizeof(door->realm), "%s", realm);
	(void)pthread_mutex_unlock(&door->lock);
}

static void copy_realm(struct digest_door *door, char out[static USER_REALM_BYTES_MAX + 1])
{
	(void)pthread_mutex_lock(&door->lock);
	memcpy(out, door->realm, sizeof(door->realm));
	(void)pthread_mutex_unlock(&door->lock);
}

void digest_door_free(struct digest_door **door)
{
	if (*door == NULL)
		return;
	explicit_bzero((*door)->key, sizeof((*door)->key));
	(void)pthread_mutex_destroy(&(*door)->lock);
	free(*door);
	*door = NULL;
}

/* --- nonces */

enum rc digest_door_challenge(struct digest_door *door, enum digest_kind algorithm, bool is_stale,
	struct buf *out, struct err *err)
{
	char realm[USER_REALM_BYTES_MAX + 1];
	uint8_t nonce[NONCE_BYTES];
	uint64_t now = (uint64_t)clock_monotonic_us(door->clock);
	enum rc rc;

	for (int i = 0; i < TIME_BYTES; i++)
		nonce[i] = (uint8_t)(now >> (56 - 8 * i));
	rand_bytes(nonce + TIME_BYTES, RANDOM_BYTES);
	rc = mac_of(door->key, slice_of(nonce, BODY_BYTES), nonce + BODY_BYTES, err);
	if (rc != RC_OK)
		return rc;
	copy_realm(door, realm);
	buf_printf(out, "Digest realm=\"%s\", qop=\"auth\", algorithm=%s, nonce=\"", realm,
		algorithm == DIGEST_MD5 ? "MD5" : "SHA-256");
	hex_encode(slice_of(nonce, NONCE_BYTES), out);
	buf_append_str(out, is_stale ? "\", stale=true" : "\"");
	return buf_status(out, "WWW-Authenticate", err);
}

static bool open_nonce(const struct digest_door *door, struct slice text, struct used *used_r)
{
	uint8_t nonce[NONCE_BYTES];
	uint8_t mac[MAC_BYTES];
	uint64_t made = 0;

	if (text.len != NONCE_DIGITS || hex_parse(text, nonce, sizeof(nonce), NULL) != RC_OK ||
		mac_of(door->key, slice_of(nonce, BODY_BYTES), mac, NULL) != RC_OK ||
		!slice_is_equal_consttime(slice_of(mac, MAC_BYTES), slice_of(nonce + BODY_BYTES, MAC_BYTES)))
		return false;
	for (int i = 0; i < TIME_BYTES; i++)
		made = made << 8 | nonce[i];
	used_r->made_us = (int64_t)made;
	memcpy(used_r->random, nonce + TIME_BYTES, RANDOM_BYTES);
	return true;
}

static struct used *find_used(struct digest_door *door, const struct used *nonce)
{
	for (size_t i = 0; i < DIGEST_DOOR_NONCES_MAX; i++)
		if (door->used[i].count > 0 && memcmp(door->used[i].random, nonce->random, RANDOM_BYTES) == 0)
			return &door->used[i];
	return NULL;
}

/* In the place of who came first; of what was made before that one, nothing unknown is good any more. */
static void remember(struct digest_door *door, const struct used *nonce, uint32_t count)
{
	struct used *place = &door->used[door->next];

	if (place->count > 0 && place->made_us > door->forgotten_us)
		door->forgotten_us = place->made_us;
	*place = *nonce;
	place->count = count;
	door->next = (door->next + 1) % DIGEST_DOOR_NONCES_MAX;
}

/* Is the nonce young, and its count one that has not been? */
static bool use_nonce(struct digest_door *door, const struct used *nonce, uint32_t count)
{
	int64_t age_us = clock_monotonic_us(door->clock) - nonce->made_us;
	struct used *known;
	bool is_fresh;

	if (age_us < 0 || age_us >= (int64_t)DIGEST_DOOR_NONCE_S * US_A_SECOND || count == 0)
		return false;
	(void)pthread_mutex_lock(&door->lock);
	known = find_used(door, nonce);
	is_fresh = known != NULL ? count > known->count : nonce->made_us > door->forgotten_us;
	if (is_fresh && known != NULL)
		known->count = count;
	else if (is_fresh)
		remember(door, nonce, count);
	(void)pthread_mutex_unlock(&door->lock);
	return is_fresh;
}

/* --- the knock */

static const enum digest_door_verdict verdict_of_user[] = {
	[USER_GOOD] = DIGEST_DOOR_OPEN,
	[USER_WRONG] = DIGEST_DOOR_WRONG,
	[USER_UNKNOWN] = DIGEST_DOOR_WRONG,
	[USER_OTHER_REALM] = DIGEST_DOOR_WRONG,
	[USER_LIMITED] = DIGEST_DOOR_LIMITED,
	[USER_UNAVAILABLE] = DIGEST_DOOR_UNAVAILABLE,
};

/* Only who knows the password is told that the nonce is stale, and only such an answer uses a count up. */
static void user_was_asked(struct user_query *query)
{
	struct digest_knock *knock = query->ctx;
	struct used nonce;

	knock->verdict = verdict_of_user[query->verdict];
	if (knock->verdict == DIGEST_DOOR_OPEN &&
		(!open_nonce(knock->door, knock->answer.nonce, &nonce) ||
			!use_nonce(knock->door, &nonce, knock->answer.nc_number)))
		knock->verdict = DIGEST_DOOR_STALE;
	knock->done(knock);
}

static bool is_other_scheme(struct slice authorization)
{
	return !slice_is_str_nocase(slice_sub(slice_trim(authorization), 0, 6), "Digest");
}

/* False: knock->verdict says why. A client that knows qop uses it, so that its counts can be told apart. */
static bool read_knock(struct digest_knock *knock)
{
	knock->verdict = DIGEST_DOOR_NO_LOGIN;
	if (knock->authorization.len == 0 || is_other_scheme(knock->authorization))
		return false;
	knock->verdict = DIGEST_DOOR_GARBLED;
	return digest_answer_read(knock->authorization, knock->arena, &knock->answer, NULL) == RC_OK &&
		knock->answer.qop.len > 0 && slice_is_equal(knock->answer.uri, knock->target);
}

void digest_door_knock(struct digest_door *door, struct digest_knock *knock)
{
	knock->door = door;
	if (!read_knock(knock)) {
		knock->done(knock);
		return;
	}
	knock->methods[0] = knock->method;
	copy_realm(door, knock->realm);
	knock->query = (struct user_query){
		.name = knock->answer.username,
		.address = knock->address,
		.digest = &knock->answer,
		.realm = slice_of_str(knock->realm),
		.methods = knock->methods,
		.method_count = COUNT_OF(knock->methods),
		.done = user_was_asked,
		.ctx = knock,
	};
	user_check_digest(door->users, &knock->query);
}
