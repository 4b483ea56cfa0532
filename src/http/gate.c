/* SPDX-License-Identifier: Apache-2.0 */
#include "gate.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/rand.h"

#define NS_PER_S INT64_C(1000000000)
#define US_PER_S INT64_C(1000000)
#define NS_PER_US INT64_C(1000)
#define V4_PREFIX (UINT64_C(0xffff) << 32) /* no /64 that is in use begins so */

/* A token bucket that holds a second's worth, as the time at which it is full again. */
struct bucket {
	int64_t full_at_ns;
};

struct cell {
	uint32_t connections;
	uint32_t taken; /* handshakes in the second that it was last seen in */
	int64_t second;
	struct bucket handshakes;
	int64_t known_until_us; /* 0: never known */
};

struct gate {
	struct gate_limits limits;
	uint64_t secret[2];
	pthread_mutex_t lock; /* of all below */
	struct bucket handshakes;
	int64_t second;
	uint32_t cells_now; /* that asked in this second, and in the one before */
	uint32_t cells_before;
	struct cell cells[GATE_CELLS + 1];
};

enum rc gate_new(const struct gate_limits *limits, struct gate **gate_r, struct err *err)
{
	struct gate *gate = calloc(1, sizeof(*gate));

	*gate_r = gate;
	if (gate == NULL)
		return err_set(err, RC_NO_MEMORY, "limits for each address");
	gate->limits = *limits;
	rand_bytes(gate->secret, sizeof(gate->secret));
	(void)pthread_mutex_init(&gate->lock, NULL);
	return RC_OK;
}

static uint64_t big_endian(const uint8_t *bytes, size_t count)
{
	uint64_t value = 0;

	for (size_t i = 0; i < count; i++)
		value = value << 8 | bytes[i];
	return value;
}

/* One number for all that counts as one address. */
static bool key_of(const struct sockaddr *address, uint64_t *key_r)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address != NULL && address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		*key_r = V4_PREFIX | ntohl(v4.sin_addr.s_addr);
		return true;
	}
	if (address == NULL || address->sa_family != AF_INET6)
		return false;
	memcpy(&v6, address, sizeof(v6));
	if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) /* an IPv4 peer of a listener on [::] */
		*key_r = V4_PREFIX | big_endian(v6.sin6_addr.s6_addr + 12, 4);
	else
		*key_r = big_endian(v6.sin6_addr.s6_addr, 8);
	return true;
}

bool gate_cell(const struct gate *gate, const struct sockaddr *address, size_t *cell_r)
{
	uint64_t mixed;

	if (!key_of(address, &mixed))
		return false;
	mixed = (mixed ^ gate->secret[0]) * UINT64_C(0x9e3779b97f4a7c15);
	mixed = (mixed ^ mixed >> 32 ^ gate->secret[1]) * UINT64_C(0xd6e8feb86659fd93);
	*cell_r = (size_t)(mixed >> 32) % GATE_CELLS;
	return true;
}

static int64_t later_of(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* When the bucket is full again if one more is taken. */
static int64_t after_one(const struct bucket *bucket, unsigned per_s, int64_t now_ns)
{
	return later_of(bucket->full_at_ns, now_ns) + (per_s == 0 ? 0 : NS_PER_S / per_s);
}

static bool is_empty(const struct bucket *bucket, unsigned per_s, int64_t now_ns)
{
	return per_s > 0 && after_one(bucket, per_s, now_ns) > now_ns + NS_PER_S;
}

/* With the lock held, as what follows. */
static void note_second(struct gate *gate, struct cell *cell, int64_t now_ns)
{
	int64_t second = now_ns / NS_PER_S + 1; /* so that 0 is before all */

	if (gate->second < second) { /* two workers may come here in the other order */
		gate->cells_before = gate->second + 1 == second ? gate->cells_now : 0;
		gate->cells_now = 0;
		gate->second = second;
	}
	if (cell->second == gate->second)
		return;
	cell->second = gate->second;
	cell->taken = 0;
	gate->cells_now++;
}

static bool is_known(const struct cell *cell, int64_t now_us)
{
	return cell->known_until_us > now_us;
}

/*
 * What all may have together is used up. Whoever is known, or took less than an even share of half of it, is let in
 * on credit, of a second's worth at most: so a flood shuts out no other address, also none that is seen for the first
 * time; and one from more addresses than there are shares, none of a fleet.
 */
static bool has_share(const struct gate *gate, const struct cell *cell, int64_t now_ns)
{
	uint32_t cells = gate->cells_now > gate->cells_before ? gate->cells_now : gate->cells_before;

	if (cells == 0) /* not so: who asks is one */
		return false;
	return (is_known(cell, now_ns / NS_PER_US) || cell->taken < gate->limits.per_s / 2 / cells) &&
		!is_empty(&gate->handshakes, gate->limits.per_s, now_ns + NS_PER_S);
}

static enum http_away judge(const struct gate *gate, const struct cell *cell, int64_t now_ns)
{
	const struct gate_limits *limits = &gate->limits;
	bool is_one = cell != &gate->cells[GATE_CELL_SHARED];

	if (is_one && limits->connections_per_address > 0 &&
		cell->connections >= limits->connections_per_address)
		return HTTP_AWAY_CONNECTIONS_PER_ADDRESS;
	if (is_one && is_empty(&cell->handshakes, limits->per_address_per_s, now_ns))
		return HTTP_AWAY_HANDSHAKES_PER_ADDRESS;
	if (is_empty(&gate->handshakes, limits->per_s, now_ns) && !has_share(gate, cell, now_ns))
		return HTTP_AWAY_HANDSHAKES;
	return HTTP_AWAY_COUNT;
}

enum http_away gate_ask(struct gate *gate, size_t cell, int64_t now_us)
{
	const struct gate_limits *limits = &gate->limits;
	struct cell *at = &gate->cells[cell];
	int64_t now_ns = now_us * 1000;
	enum http_away away;

	(void)pthread_mutex_lock(&gate->lock);
	note_second(gate, at, now_ns);
	away = judge(gate, at, now_ns);
	if (away == HTTP_AWAY_COUNT) {
		at->taken++;
		at->handshakes.full_at_ns = after_one(&at->handshakes, limits->per_address_per_s, now_ns);
		gate->handshakes.full_at_ns = after_one(&gate->handshakes, limits->per_s, now_ns);
	}
	(void)pthread_mutex_unlock(&gate->lock);
	return away;
}

bool gate_enter(struct gate *gate, size_t cell, int64_t now_us)
{
	bool known;

	(void)pthread_mutex_lock(&gate->lock);
	gate->cells[cell].connections++;
	known = is_known(&gate->cells[cell], now_us);
	(void)pthread_mutex_unlock(&gate->lock);
	return known;
}

void gate_know(struct gate *gate, size_t cell, int64_t now_us)
{
	(void)pthread_mutex_lock(&gate->lock);
	gate->cells[cell].known_until_us = now_us + GATE_KNOWN_S * US_PER_S;
	(void)pthread_mutex_unlock(&gate->lock);
}

void gate_leave(struct gate *gate, size_t cell)
{
	(void)pthread_mutex_lock(&gate->lock);
	gate->cells[cell].connections--;
	(void)pthread_mutex_unlock(&gate->lock);
}

void gate_free(struct gate **gate)
{
	if (*gate == NULL)
		return;
	(void)pthread_mutex_destroy(&(*gate)->lock);
	free(*gate);
	*gate = NULL;
}
