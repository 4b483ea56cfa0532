/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_NET_H2_TALK_H
#define POMONA_TESTS_NET_H2_TALK_H

/*
 * A client under test and its peer on one loop, and what the client was told. A test says what it waits for; nothing
 * waits for a time, but for a guard that makes a hanging test fail. Threading: the test's thread.
 */

#include "h2_peer.h"
#include "pomona/net/h2.h"

enum { TALK_TEXT_BYTES = 512, ASK_BODY_BYTES = H2_BODY_BYTES_MAX + 1 };

struct talk {
	struct net_loop *loop;
	struct net_timer *guard;
	struct peer peer;
	struct h2_params
		params; /* to localhost and the peer, trusting its CA; may be changed before talk_open() */
	struct h2 *h2;
	unsigned opens, rooms, goaways, ends, answers;
	uint32_t goaway_code;
	char goaway_debug[H2_GOAWAY_BYTES_MAX + 1];
	unsigned answers_at_goaway, answers_at_end;
	enum h2_end end;
	char end_text[TALK_TEXT_BYTES];
	bool (*until)(const struct talk *talk);
	/* Called in the events of the same names. */
	void (*on_open)(struct talk *talk);
	void (*on_room)(struct talk *talk);
	void (*on_answer)(struct talk *talk);
	bool frees_at_end, frees_at_answer;
	void *extra;
};

/* A request and what came of it. */
struct ask {
	struct h2_request request;
	struct talk *talk;
	struct h2_field fields[8];
	unsigned done;
	enum h2_fate fate;
	unsigned status;
	uint32_t error_code;
	char kept[H2_KEPT_MAX][H2_KEPT_BYTES_MAX + 1];
	uint8_t body[ASK_BODY_BYTES];
	size_t body_len;
};

extern struct certs talk_certs; /* made by talk_group_setup() */
int talk_group_setup(void **state);
/* A loop and the params; *state is a struct talk. */
int talk_setup(void **state);
int talk_teardown(void **state);

/* Starts the peer with `conf`, whose identity is the good one if it names none. */
void talk_listen(struct talk *talk, struct peer_conf conf);
void talk_open(struct talk *talk);
/* Both, and waits until it is open. */
void talk_start(struct talk *talk, struct peer_conf conf);
/* Runs the loop until it is so; the test fails if it never is. */
void talk_wait(struct talk *talk, bool (*until)(const struct talk *talk));
bool talk_is_open(const struct talk *talk);
bool talk_is_over(const struct talk *talk);
/* For the test's own callbacks: looks whether what is waited for has come. */
void talk_look(struct talk *talk);

/* POST with this path and body; `ask` is the test's memory until it is done. */
void ask_init(struct ask *ask, struct talk *talk, const char *path, struct slice body);
/* ask_init() and h2_request(), which must take it. */
void talk_ask(struct talk *talk, struct ask *ask, const char *path, const char *body);
/* Waits until so many were answered, or handed back, in all. */
void talk_wait_answers(struct talk *talk, unsigned count);

#endif
