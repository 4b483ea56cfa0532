/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <string.h>

enum { NEAR_MAX = 3 }; /* edits */

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

static bool is_same_letter(uint8_t a, uint8_t b)
{
	return tolower(a) == tolower(b);
}

/* Levenshtein's distance without regard to case; SIZE_MAX where one is longer than any name of ours. */
static size_t distance(struct slice a, struct slice b)
{
	size_t row[CONFIG_NAME_BYTES_MAX + 1];

	if (a.len > CONFIG_NAME_BYTES_MAX || b.len > CONFIG_NAME_BYTES_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			bool is_same = is_same_letter(a.ptr[i - 1], b.ptr[j - 1]);
			size_t above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (is_same ? 0 : 1));
			diagonal = above;
		}
	}
	return row[b.len];
}

/* Keeps `candidate` in *best where it is nearer than what was found so far. */
static void consider(struct slice wanted, const char *candidate, size_t *nearest, const char **best)
{
	size_t edits = distance(wanted, slice_of_str(candidate));

	if (edits >= *nearest || edits * 2 > wanted.len)
		return;
	*nearest = edits;
	*best = candidate;
}

const char *config_suggest_section(struct slice section)
{
	size_t nearest = NEAR_MAX + 1;
	const char *best = NULL;
	size_t count;
	const struct config_key *keys = config_keys(&count);

	for (size_t i = 0; i < count; i++)
		consider(section, keys[i].section, &nearest, &best);
	return best;
}

const char *config_suggest_key(struct slice section, struct slice name)
{
	size_t nearest = NEAR_MAX + 1;
	const char *best = NULL;
	size_t count;
	const struct config_key *keys = config_keys(&count);

	for (size_t i = 0; i < count; i++)
		if (slice_is_str(section, keys[i].section))
			consider(name, keys[i].name, &nearest, &best);
	return best;
}
