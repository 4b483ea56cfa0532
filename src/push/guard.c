/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <stddef.h>

enum { NEVER_MS = -GUARD_LONG_MS };

void guard_init(struct guard *guard)
{
	*guard = (struct guard){.short_window = {.bucket = 0}};
	for (size_t i = 0; i < GUARD_BAD_MIN; i++)
		guard->bad[i].at_ms = NEVER_MS;
}

static void count(struct guard_window *window, int64_t span_ms, int64_t now_ms, bool is_bad)
{
	int64_t bucket = now_ms / (span_ms / GUARD_BUCKETS);
	size_t at = (size_t)bucket % GUARD_BUCKETS;

	if (bucket - window->bucket >= GUARD_BUCKETS)
		*window = (struct guard_window){.bucket = bucket};
	while (window->bucket < bucket) {
		window->bucket++;
		window->buckets[(size_t)window->bucket % GUARD_BUCKETS].answers = 0;
		window->buckets[(size_t)window->bucket % GUARD_BUCKETS].bad = 0;
	}
	window->buckets[at].answers++;
	window->buckets[at].bad += is_bad;
}

static bool is_most_bad(const struct guard_window *window)
{
	uint64_t answers = 0;
	uint64_t bad = 0;

	for (size_t i = 0; i < GUARD_BUCKETS; i++) {
		answers += window->buckets[i].answers;
		bad += window->buckets[i].bad;
	}
	return bad * 2 > answers;
}

/* One device whose token is refused again and again is one. The oldest makes room. */
static void remember(struct guard *guard, int64_t enrollment_id, int64_t now_ms)
{
	size_t at = 0;

	for (size_t i = 0; i < GUARD_BAD_MIN; i++) {
		if (guard->bad[i].enrollment_id == enrollment_id) {
			at = i;
			break;
		}
		if (guard->bad[i].at_ms < guard->bad[at].at_ms)
			at = i;
	}
	guard->bad[at].enrollment_id = enrollment_id;
	guard->bad[at].at_ms = now_ms;
}

static bool is_mass(const struct guard *guard, const struct guard_window *window, int64_t span_ms,
	int64_t now_ms)
{
	for (size_t i = 0; i < GUARD_BAD_MIN; i++)
		if (guard->bad[i].at_ms <= now_ms - span_ms)
			return false;
	return is_most_bad(window);
}

void guard_answer(struct guard *guard, int64_t now_ms)
{
	count(&guard->short_window, GUARD_SHORT_MS, now_ms, false);
	count(&guard->long_window, GUARD_LONG_MS, now_ms, false);
}

bool guard_bad(struct guard *guard, int64_t enrollment_id, int64_t now_ms)
{
	count(&guard->short_window, GUARD_SHORT_MS, now_ms, true);
	count(&guard->long_window, GUARD_LONG_MS, now_ms, true);
	remember(guard, enrollment_id, now_ms);
	return is_mass(guard, &guard->short_window, GUARD_SHORT_MS, now_ms) ||
		is_mass(guard, &guard->long_window, GUARD_LONG_MS, now_ms);
}
