/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_TOPICS_H
#define POMONA_PUSH_TOPICS_H

/*
 * The lower half of the room: topics with their certificates, connections and breakers, which carry parcels to
 * APNs. The scheduler above decides who is pushed to, and when again. Threading: the loop's thread.
 */

#include "pomona/base/log.h"
#include "pomona/push/push.h"

struct topics;

/* What the scheduler shall do after an answer. */
enum push_action {
	PUSH_DONE,       /* APNs has it */
	PUSH_RETRY,      /* again after a gap that grows; retry_after_s tells at least how long */
	PUSH_TOKEN_DEAD, /* no push before a TokenUpdate */
	PUSH_TOPIC_STOP, /* the topic was stopped: parked until it goes on */
	PUSH_DROP, /* our own bug, or nothing that a repetition mends: no retry for this piece of work */
	PUSH_ACTION_COUNT
};

struct parcel_answer {
	enum push_action action;
	enum push_answer answer; /* for people */
	unsigned status;
	const char *reason;    /* borrowed for the call; "" */
	const char *apns_id;   /* "" */
	const char *detail;    /* "" */
	int64_t retry_after_s; /* 0: as the scheduler likes */
};

enum { PARCEL_MAGIC_BYTES_MAX = 1024 };

/*
 * One push. The caller's memory from topics_send() until `done`, which comes once, never from within
 * topics_send(). What GOAWAY, REFUSED_STREAM or the end of a connection hands back is sent again by this half,
 * up to a bound; the rest is for the scheduler.
 */
struct parcel {
	int64_t enrollment_id;
	uint8_t token[PUSH_TOKEN_BYTES_MAX];
	size_t token_len;
	char magic[PARCEL_MAGIC_BYTES_MAX];
	size_t magic_len;
	int64_t token_updated_at; /* UNIX seconds: a 410 that is older does not count */
	bool is_test;
	void (*done)(struct parcel *parcel, const struct parcel_answer *answer);
	struct parcel *next; /* theirs who have it */
	void *carrier;       /* topics' */
};

struct push_alarm {
	const char *kind;    /* a literal: "push_topic_stopped", ... */
	const char *subject; /* the topic; borrowed for the call, as text */
	const char *text;
	bool is_clear; /* takes the alarm back */
};

struct topics_params {
	struct net_loop *loop;
	struct store *store;
	const struct clock *clock;
	const struct push_params
		*push; /* host, port, proxy, CA, connections_max, ping; borrowed for the call */
	/* There is room again, or a topic goes on after a stop: parked ones may be tried. */
	void (*on_room)(void *ctx);
	/* To be written with the outcomes. */
	void (*on_alarm)(void *ctx, const struct push_alarm *alarm);
	void *ctx;
};
enum rc topics_new(const struct topics_params *params, struct topics **topics_r, struct err *err)
	MUST_USE;
/* Reads the certificates from the store: those that are new or changed replace connections, which finish
 * what is in flight; stopped topics with a new certificate go on. Blocks on a read from the store only. */
enum rc topics_load(struct topics *topics, struct err *err) MUST_USE;
void topics_set_settings(struct topics *topics, const struct push_settings *settings);

enum topics_verdict {
	TOPICS_TAKEN,
	TOPICS_FULL,           /* try again at on_room */
	TOPICS_NO_CERTIFICATE, /* none, or expired */
	TOPICS_STOPPED,
	TOPICS_WAITING, /* the breaker is open */
};
/* Before a parcel is made: would it be taken? */
enum topics_verdict topics_look(struct topics *topics, struct slice topic, bool is_test);
/* The topic is copied or found; on anything but TOPICS_TAKEN the parcel is still the caller's. */
enum topics_verdict topics_send(struct topics *topics, struct slice topic, struct parcel *parcel);
/* Fills topic_count, topics, reason_count, reasons, tokens_died_total. */
void topics_stats(struct topics *topics, struct push_stats *stats_r);
/* Once a second, and often enough for expiry: warnings at 30, 14, 7, 1 days, breakers, idle connections. */
void topics_tick(struct topics *topics);
/* Takes nothing any more, hands back what waits (RETRY) and what is in flight (LOST as RETRY). */
void topics_stop(struct topics *topics);
void topics_free(struct topics **topics);

/*
 * reason.c, pure: the table of APNs' reasons. The timestamp of a 410 must be of a later second than
 * `token_updated_at`: within the same one nobody knows which came first, and a token that lives must not die.
 */
enum push_action push_reason_action(unsigned status, struct slice reason, int64_t timestamp_ms,
	int64_t token_updated_at);
/* How loud a failure of this kind is told. */
enum log_level push_reason_level(unsigned status, const char *reason);

#endif
