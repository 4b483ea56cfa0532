/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_APNS_H
#define POMONA_SIM_APNS_H

/*
 * The service behind the connections: takes a request, says what becomes of it, remembers it, wakes the device.
 * Knows no socket. Threading: one thread at a time.
 */

#include "apns_fault.h"
#include "apns_ring.h"
#include "token_map.h"
#include "wake.h"

enum { APNS_ANSWER_BYTES_MAX = 160, APNS_REASONS_MAX = 64, APNS_RULES_MAX = 100000 };

struct apns_stats {
	uint64_t pushes;                    /* requests that were taken, whatever their answer */
	uint64_t accepted;                  /* answered 200 */
	uint64_t reasons[APNS_REASONS_MAX]; /* as apns_reason_at() numbers them; the last: others */
	uint64_t unanswered, refused, lost;
	uint64_t woken, wrong_magic;
	uint64_t connections, handshakes_failed, goaways, resets, pings;
	unsigned open; /* connections now */
};

struct apns {
	struct fault_state faults;
	struct apns_ring ring;
	struct apns_stats stats;
	struct token_map rules; /* tokens with an answer of their own */
	struct wake *wake;      /* borrowed; NULL: any token is a device's */
	struct chance chance;   /* ids */
};

enum rc apns_init(struct apns *apns, size_t keep, uint64_t seed, struct err *err) MUST_USE;
void apns_fini(struct apns *apns);

/* A token's own answer, until it is removed. */
struct apns_rule {
	struct slice token; /* bytes */
	unsigned status;    /* 200 removes the rule */
	const char *reason;
	int64_t timestamp_ms;  /* -1: now where the status is 410, else none */
	int64_t retry_after_s; /* -1: none */
};
/* RC_LIMIT past APNS_RULES_MAX; RC_NO_MEMORY. */
enum rc apns_rule_set(struct apns *apns, const struct apns_rule *wanted, struct err *err) MUST_USE;

struct apns_taken {
	enum apns_deed deed;
	unsigned status;
	char id[APNS_ID_TEXT_BYTES];
	char body[APNS_ANSWER_BYTES_MAX]; /* "" with 200 */
	int64_t retry_after_s;            /* -1: none */
	bool is_goaway;
};
void apns_take(struct apns *apns, const struct apns_request *request, const struct apns_peer *peer,
	uint64_t connection, int64_t now_ms, struct apns_taken *taken_r);

#endif
