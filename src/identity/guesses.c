/* SPDX-License-Identifier: Apache-2.0 */
#include "guesses.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/rand.h"
#include "pomona/identity/user.h"
#include "pomona/pki/cert.h"

enum { SETS = 1024, WAYS = 4, US_A_SECOND = 1000000 };

struct slot {
	uint8_t key[SHA256_BYTES];
	enum guess_sort sort;
	unsigned count; /* 0: free */
	int64_t since_us;
};

struct guesses {
	uint8_t salt[SHA256_BYTES];
	pthread_mutex_t lock;
	struct slot slots[SETS][WAYS];
};

static const unsigned limits[] = {
	[GUESS_NAME] = USER_WRONG_PER_NAME,
	[GUESS_ADDRESS] = USER_WRONG_PER_ADDRESS,
};

struct guesses *guesses_new(void)
{
	struct guesses *guesses = calloc(1, sizeof(*guesses));

	if (guesses == NULL)
		return NULL;
	rand_bytes(guesses->salt, sizeof(guesses->salt));
	(void)pthread_mutex_init(&guesses->lock, NULL);
	return guesses;
}

void guesses_free(struct guesses **guesses)
{
	if (*guesses == NULL)
		return;
	(void)pthread_mutex_destroy(&(*guesses)->lock);
	free(*guesses);
	*guesses = NULL;
}

static void key_of(const struct guesses *guesses, enum guess_sort sort, struct slice who,
	uint8_t key[static SHA256_BYTES])
{
	uint8_t text[1 + SHA256_BYTES + SHA256_BYTES] = {(uint8_t)sort};

	memcpy(text + 1, guesses->salt, SHA256_BYTES);
	sha256(who, text + 1 + SHA256_BYTES);
	sha256(slice_of(text, sizeof(text)), key);
}

static struct slot *set_of(struct guesses *guesses, const uint8_t key[static SHA256_BYTES])
{
	return guesses->slots[((unsigned)key[0] << 8 | key[1]) % SETS];
}

static struct slot *find(struct slot *set, const uint8_t key[static SHA256_BYTES])
{
	for (size_t i = 0; i < WAYS; i++)
		if (set[i].count > 0 && memcmp(set[i].key, key, SHA256_BYTES) == 0)
			return &set[i];
	return NULL;
}

static bool is_at_limit(const struct slot *slot)
{
	return slot->count >= limits[slot->sort];
}

/* NULL: all are at their limit. */
static struct slot *least(struct slot *set)
{
	struct slot *slot = NULL;

	for (size_t i = 0; i < WAYS; i++)
		if (!is_at_limit(&set[i]) && (slot == NULL || set[i].count < slot->count))
			slot = &set[i];
	return slot;
}

static void forget_old(struct slot *set, int64_t now_us)
{
	for (size_t i = 0; i < WAYS; i++)
		if (now_us - set[i].since_us >= (int64_t)USER_WRONG_WINDOW_S * US_A_SECOND)
			set[i].count = 0;
}

static struct slot *find_or_make(struct slot *set, const struct slot *wanted)
{
	struct slot *slot = find(set, wanted->key);

	if (slot != NULL)
		return slot;
	slot = least(set);
	if (slot != NULL)
		*slot = *wanted;
	return slot;
}

bool guesses_take(struct guesses *guesses, enum guess_sort sort, struct slice who, int64_t now_us)
{
	struct slot wanted = {.sort = sort, .since_us = now_us};
	struct slot *set;
	struct slot *slot;
	bool is_taken;

	key_of(guesses, sort, who, wanted.key);
	(void)pthread_mutex_lock(&guesses->lock);
	set = set_of(guesses, wanted.key);
	forget_old(set, now_us);
	slot = find_or_make(set, &wanted);
	is_taken = slot != NULL && !is_at_limit(slot);
	if (is_taken)
		slot->count++;
	(void)pthread_mutex_unlock(&guesses->lock);
	return is_taken;
}

void guesses_give_back(struct guesses *guesses, enum guess_sort sort, struct slice who)
{
	uint8_t key[SHA256_BYTES];
	struct slot *slot;

	key_of(guesses, sort, who, key);
	(void)pthread_mutex_lock(&guesses->lock);
	slot = find(set_of(guesses, key), key);
	if (slot != NULL)
		slot->count--;
	(void)pthread_mutex_unlock(&guesses->lock);
}
