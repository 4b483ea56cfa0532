/* SPDX-License-Identifier: Apache-2.0 */
#include "random.h"

#include <string.h>

/* SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

struct chance chance_of(uint64_t seed, uint64_t stream)
{
	return (struct chance){.state = mix(seed) ^ mix(stream + 1)};
}

uint64_t chance_u64(struct chance *chance)
{
	chance->state += 0x9E3779B97F4A7C15u;
	return mix(chance->state);
}

uint64_t chance_below(struct chance *chance, uint64_t end)
{
	return chance_u64(chance) % end; /* the bias is far below what a simulation shows */
}

bool chance_hits(struct chance *chance, int64_t percent)
{
	return (int64_t)chance_below(chance, 100) < percent;
}

void chance_bytes(struct chance *chance, void *out, size_t len)
{
	uint8_t *to = out;

	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)chance_u64(chance);
}

void chance_text(struct chance *chance, const char *alphabet, char *out, size_t len)
{
	size_t count = strlen(alphabet);

	for (size_t i = 0; i < len; i++)
		out[i] = alphabet[chance_below(chance, count)];
	out[len] = 0;
}
