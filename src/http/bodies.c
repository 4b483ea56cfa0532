/* SPDX-License-Identifier: Apache-2.0 */
#include "bodies.h"

#include "pomona/http/http.h"

static size_t part_of(size_t bytes_max, size_t part)
{
	size_t bytes = bytes_max / part;

	if (bytes < HTTP_STRANGER_BODY_BYTES_MAX)
		bytes = HTTP_STRANGER_BODY_BYTES_MAX;
	return bytes < bytes_max ? bytes : bytes_max;
}

void bodies_init(struct bodies *bodies, size_t bytes_max)
{
	bodies->bytes_max[SENDER_DEVICE] = bytes_max;
	bodies->bytes_max[SENDER_NEIGHBOUR] = part_of(bytes_max, BODIES_NEIGHBOURS_PART);
	bodies->bytes_max[SENDER_STRANGER] = part_of(bytes_max, BODIES_STRANGERS_PART);
	for (int i = 0; i < SENDER_COUNT; i++)
		atomic_init(&bodies->bytes_now[i], 0);
}

bool bodies_fit(const struct bodies *bodies, enum sender sender, uint64_t bytes)
{
	for (int i = 0; i <= (int)sender; i++) {
		size_t now = atomic_load_explicit(&bodies->bytes_now[i], memory_order_relaxed);

		if (now > bodies->bytes_max[i] || bytes > bodies->bytes_max[i] - now)
			return false;
	}
	return true;
}

bool bodies_take(struct bodies *bodies, enum sender sender, size_t bytes)
{
	bool is_in_bounds = true;

	for (int i = 0; i <= (int)sender; i++)
		if (atomic_fetch_add(&bodies->bytes_now[i], bytes) + bytes > bodies->bytes_max[i])
			is_in_bounds = false;
	return is_in_bounds;
}

void bodies_give_back(struct bodies *bodies, enum sender sender, size_t bytes)
{
	for (int i = 0; i <= (int)sender; i++)
		(void)atomic_fetch_sub(&bodies->bytes_now[i], bytes);
}
