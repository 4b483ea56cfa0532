/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_LINK_H
#define POMONA_PUSH_LINK_H

/*
 * A topic's connections. Threading: the loop's thread.
 */

#include "topic.h"

enum link_state { LINK_CONNECTING, LINK_OPEN, LINK_GOING };

struct link {
	struct topic *topic;
	struct h2 *h2;
	enum link_state state;
	bool is_ours;        /* going by our wish */
	unsigned generation; /* of the topic's certificate */
	struct queue flight; /* in the order of sending */
	bool was_open;
	uint64_t sent, answered;
	uint32_t lost; /* since the last answer */
	struct link *next;
};

/* NULL: none has room. */
struct link *link_with_room(struct topic *topic);
bool link_is_any(const struct topic *topic, enum link_state state);
/* RC_BUSY, RC_NO_MEMORY: later; RC_INVALID, RC_LIMIT: never. */
enum rc link_send(struct link *link, struct carrier *carrier) MUST_USE;
/* Begins one if that is of use now. */
void link_want(struct topic *topic);
/* Takes no more, and ends when all is answered. */
void link_retire(struct link *link);
void link_retire_all(struct topic *topic);
/* Gives up those that do not answer. */
void link_check_all(struct topic *topic);
/* At once; hands back what is in flight. */
void link_drop_all(struct topic *topic, const struct parcel_answer *answer);
uint32_t link_in_flight(const struct topic *topic);

#endif
