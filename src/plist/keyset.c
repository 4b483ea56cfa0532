/* SPDX-License-Identifier: Apache-2.0 */
#include "keyset.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/rand.h"

static uint64_t hash_key[2];
static pthread_once_t hash_key_once = PTHREAD_ONCE_INIT;

static void make_hash_key(void)
{
	rand_bytes(hash_key, sizeof(hash_key));
}

void plist_keyset_init(struct keyset *set)
{
	(void)pthread_once(&hash_key_once, make_hash_key);
	memset(set->first, 0, sizeof(set->first));
	set->slots = set->first;
	set->slot_count = KEYSET_FIRST_SLOTS;
	set->used = 0;
}

static uint64_t rotate(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

static void sip_rounds(uint64_t v[static 4], unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static void sip_word(uint64_t v[static 4], uint64_t word)
{
	v[3] ^= word;
	sip_rounds(v, 2);
	v[0] ^= word;
}

/* The dictionary's number goes in as the first word, so that one set serves the whole document. */
static uint64_t hash(uint32_t dict, struct slice key)
{
	uint64_t v[4] = {
		hash_key[0] ^ 0x736f6d6570736575,
		hash_key[1] ^ 0x646f72616e646f6d,
		hash_key[0] ^ 0x6c7967656e657261,
		hash_key[1] ^ 0x7465646279746573,
	};
	uint64_t last = (uint64_t)key.len << 56;

	sip_word(v, dict);
	for (; key.len >= sizeof(uint64_t); key = slice_of(key.ptr + 8, key.len - 8)) {
		uint64_t word;

		memcpy(&word, key.ptr, sizeof(word));
		sip_word(v, word);
	}
	for (size_t i = 0; i < key.len; i++)
		last |= (uint64_t)key.ptr[i] << 8 * i;
	sip_word(v, last);
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	last = v[0] ^ v[1] ^ v[2] ^ v[3];
	return last == 0 ? 1 : last;
}

/* Where `value` is, or the free slot where it belongs. */
static uint64_t *find(uint64_t *slots, size_t slot_count, uint64_t value)
{
	size_t at = (size_t)value & (slot_count - 1);

	while (slots[at] != 0 && slots[at] != value)
		at = (at + 1) & (slot_count - 1);
	return &slots[at];
}

static bool grow(struct keyset *set)
{
	size_t slot_count = set->slot_count * 4;
	uint64_t *slots = calloc(slot_count, sizeof(*slots));

	if (slots == NULL)
		return false;
	for (size_t i = 0; i < set->slot_count; i++)
		if (set->slots[i] != 0)
			*find(slots, slot_count, set->slots[i]) = set->slots[i];
	plist_keyset_fini(set);
	set->slots = slots;
	set->slot_count = slot_count;
	return true;
}

enum rc plist_keyset_add(struct keyset *set, uint32_t dict, struct slice key)
{
	uint64_t value = hash(dict, key);
	uint64_t *slot;

	if (set->used >= set->slot_count / 2 && !grow(set))
		return RC_NO_MEMORY;
	slot = find(set->slots, set->slot_count, value);
	if (*slot != 0)
		return RC_EXISTS;
	*slot = value;
	set->used++;
	return RC_OK;
}

void plist_keyset_fini(struct keyset *set)
{
	if (set->slots != set->first)
		free(set->slots);
	set->slots = set->first;
}
