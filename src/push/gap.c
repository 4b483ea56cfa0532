/* SPDX-License-Identifier: Apache-2.0 */
#include "gap.h"

/* splitmix64 */
uint32_t jitter_next(struct jitter *jitter)
{
	uint64_t z = jitter->state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return (uint32_t)((z ^ (z >> 31)) >> 32);
}

static int64_t doubled(int64_t first, int64_t max, unsigned doublings)
{
	int64_t gap = first;

	for (unsigned i = 0; i < doublings && gap < max; i++)
		gap *= 2;
	return gap < max ? gap : max;
}

int64_t gap_s(struct jitter *jitter, int64_t first_s, int64_t max_s, unsigned doublings)
{
	int64_t gap = doubled(first_s, max_s, doublings);
	int64_t low = gap - gap / 4;
	int64_t high = GAP_LONGEST_S(gap) < max_s ? GAP_LONGEST_S(gap) : max_s;
	int64_t spread = low + (int64_t)(jitter_next(jitter) % (uint64_t)(high - low + 1));

	return spread > 1 ? spread : 1;
}
