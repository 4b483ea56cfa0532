/* SPDX-License-Identifier: Apache-2.0 */
#include "away.h"

#include "pomona/base/clock.h"
#include "pomona/base/log.h"

static const char *const names[HTTP_AWAY_COUNT] = {
	[HTTP_AWAY_CONNECTIONS_PER_ADDRESS] = "connections_per_address",
	[HTTP_AWAY_HANDSHAKES] = "handshakes_per_s",
	[HTTP_AWAY_HANDSHAKES_PER_ADDRESS] = "handshakes_per_address_per_s",
	[HTTP_AWAY_HANDSHAKE_TIMEOUT] = "handshake_timeout",
	[HTTP_AWAY_HEADER_TIMEOUT] = "header_timeout",
	[HTTP_AWAY_BODY_TIMEOUT] = "body_timeout",
	[HTTP_AWAY_REPLY_TIMEOUT] = "reply_timeout",
	[HTTP_AWAY_STRANGERS_BODIES] = "strangers_bodies",
};

const char *http_away_name(enum http_away reason)
{
	return (unsigned)reason < HTTP_AWAY_COUNT ? names[reason] : "";
}

void away_note(struct away *away, const char *listener, enum http_away reason, const char *peer)
{
	int64_t next_us = atomic_load(&away->reasons[reason].next_line_us);
	int64_t now_us = clock_monotonic_us(clock_system());

	(void)atomic_fetch_add(&away->reasons[reason].count, 1);
	if (now_us < next_us ||
		!atomic_compare_exchange_strong(&away->reasons[reason].next_line_us, &next_us,
			now_us + AWAY_LOG_INTERVAL_US)) {
		(void)atomic_fetch_add(&away->reasons[reason].hidden, 1);
		return;
	}
	log_warning("turned_away", LOG_STR("listener", listener), LOG_STR("reason", names[reason]),
		LOG_STR("peer", peer), LOG_INT("more_before", atomic_exchange(&away->reasons[reason].hidden, 0)));
}
