/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/config/config.h"

#include "internal.h"

#include <stdlib.h>
#include <string.h>

void config_free(struct config **config)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);

	if (*config == NULL)
		return;
	for (size_t i = 0; i < count; i++)
		if (config_key_is_text(&keys[i]))
			free(*config_text_field(*config, &keys[i]));
	free(*config);
	*config = NULL;
}

static const char *text_of(const struct config *config, const struct config_key *key)
{
	return *(char *const *)((const uint8_t *)config + key->offset);
}

static bool is_same(const struct config *a, const struct config *b, const struct config_key *key)
{
	if (config_key_is_text(key))
		return strcmp(text_of(a, key), text_of(b, key)) == 0;
	return config_number_of(a, key) == config_number_of(b, key);
}

void config_diff_fixed(const struct config *old, const struct config *fresh, struct buf *names)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);

	for (size_t i = 0; i < count; i++)
		if (!keys[i].is_reloadable && !is_same(old, fresh, &keys[i]))
			buf_printf(names, "%s.%s\n", keys[i].section, keys[i].name);
}
