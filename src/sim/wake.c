/* SPDX-License-Identifier: Apache-2.0 */
#include "wake.h"

#include <stdio.h>
#include <stdlib.h>

#include "token_map.h"

struct entry {
	struct token_key key; /* first: see token_map.h */
	const char *topic;
	char magic[APNS_MAGIC_BYTES_MAX + 1];
	void *who;
	unsigned channel;
	int64_t gone_ms; /* 0: the token is in use */
};

struct wake {
	struct token_map entries;
	void (*rouse)(void *who, unsigned channel);
};

struct wake *wake_new(void (*rouse)(void *who, unsigned channel))
{
	struct wake *wake = calloc(1, sizeof(*wake));

	if (wake != NULL)
		wake->rouse = rouse;
	return wake;
}

void wake_free(struct wake **wake)
{
	if (*wake == NULL)
		return;
	token_map_clear(&(*wake)->entries);
	free(*wake);
	*wake = NULL;
}

static struct entry *entry_find(const struct wake *wake, struct slice token)
{
	return (struct entry *)(void *)token_map_find(&wake->entries, token);
}

static struct entry *entry_new(struct wake *wake, struct slice token)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (entry != NULL && token_key_set(&entry->key, token) &&
		token_map_add(&wake->entries, &entry->key) == RC_OK)
		return entry;
	free(entry);
	return NULL;
}

enum rc wake_add(struct wake *wake, const struct wake_channel *channel)
{
	struct entry *entry = entry_find(wake, channel->token);

	if (channel->token.len > APNS_TOKEN_BYTES_MAX)
		return RC_LIMIT;
	if (entry == NULL)
		entry = entry_new(wake, channel->token);
	if (entry == NULL)
		return RC_NO_MEMORY;
	entry->topic = channel->topic;
	(void)snprintf(entry->magic, sizeof(entry->magic), "%s", channel->magic);
	entry->who = channel->who;
	entry->channel = channel->channel;
	entry->gone_ms = 0;
	return RC_OK;
}

void wake_retire(struct wake *wake, struct slice token, int64_t now_ms)
{
	struct entry *entry = entry_find(wake, token);

	if (entry != NULL && entry->gone_ms == 0)
		entry->gone_ms = now_ms;
}

enum wake_verdict wake_judge(const struct wake *wake, const struct apns_push *push,
	int64_t *gone_ms_r)
{
	const struct entry *entry = entry_find(wake, slice_of(push->token, push->token_len));

	*gone_ms_r = 0;
	if (entry == NULL)
		return WAKE_UNKNOWN;
	if (!slice_is_str(push->topic, entry->topic))
		return WAKE_OTHER_TOPIC;
	*gone_ms_r = entry->gone_ms;
	return entry->gone_ms != 0 ? WAKE_GONE : WAKE_KNOWN;
}

bool wake_push(struct wake *wake, const struct apns_push *push)
{
	const struct entry *entry = entry_find(wake, slice_of(push->token, push->token_len));

	if (entry == NULL || !slice_is_str(slice_of_str(entry->magic), push->magic))
		return false;
	wake->rouse(entry->who, entry->channel);
	return true;
}
