/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_PUSH_H
#define POMONA_PUSH_PUSH_H

/*
 * Waking devices: who, when, and by which APNs connection. Runs on the outbound loop; the device and API
 * rooms tell it what happened.
 * Threading: push_new/start/stop/free: main, with the loop not running for new and free. The rest: any thread,
 * where nothing else is said.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/arena.h"
#include "pomona/base/clock.h"
#include "pomona/base/err.h"
#include "pomona/net/net.h"
#include "pomona/pki/push_cert.h"
#include "pomona/store/push.h"
#include "pomona/store/store.h"

enum { PUSH_ASK_IDS_MAX = 200, PUSH_HOST_BYTES_MAX = 255 };

struct push;

struct push_settings { /* may change while running */
	int64_t rate_per_s;   /* pushes begun a second at most; 0: no cap */
	int64_t expiration_s; /* how long APNs keeps a push for a device that is offline; 0: one attempt */
	int priority;         /* apns-priority: 10, 5 or 1 */
	int64_t retry_first_s;    /* the first gap after a push that went unanswered; doubles ... */
	int64_t retry_max_s;      /* ... up to this */
	int64_t probe_interval_s; /* a push to each enrollment that has been silent for so long; 0: none */
	int64_t inactive_after_s; /* 0: never */
};

struct push_params {
	struct net_loop *loop; /* borrowed until push_free(), as all that follow */
	struct store *store;
	const struct clock *clock;
	char host[PUSH_HOST_BYTES_MAX + 1]; /* of APNs */
	uint16_t port;
	const char *proxy;   /* "host:port"; "": none. Copied, as ca_pem */
	struct slice ca_pem; /* empty: the system's store */
	int connections_max; /* to APNs, a topic */
	int64_t ping_interval_ms;
	struct push_settings settings;
};

enum rc push_new(const struct push_params *params, struct push **push_r, struct err *err) MUST_USE;
/* Loads the certificates and begins to look for work. The store's writer and the loop run, or will soon. */
enum rc push_start(struct push *push, struct err *err) MUST_USE;
/* Begins nothing new, and returns when outcomes are written. The loop and the writer still run. */
void push_stop(struct push *push);
void push_free(struct push **push);

void push_set_settings(struct push *push, const struct push_settings *settings);
/* A certificate was put or removed (durable): connections of that topic are replaced. */
void push_certs_changed(struct push *push);
/* Something was published to queues (durable): have a look. Cheap; many pokes are one look. */
void push_poke(struct push *push);

enum push_contact_kind {
	PUSH_CONTACT_MESSAGE, /* it spoke to us */
	PUSH_CONTACT_DRAINED, /* empty reply, and nothing was left */
	PUSH_CONTACT_RESTING, /* empty reply to a NotNow, with held work: it comes again of its own accord */
	PUSH_CONTACT_HELD, /* empty reply to another status, with held work: it does not come unless woken */
	PUSH_CONTACT_TOKEN, /* a TokenUpdate was taken */
};
struct push_contact {
	int64_t enrollment_id;
	enum push_contact_kind kind;
	int64_t seen_seq; /* of RESTING and HELD: queue_last_seq() of the decision's transaction */
};
/* After the commit behind the reply. Cheap: it is called for every message. */
void push_contact(struct push *push, const struct push_contact *contact);

enum push_class { PUSH_CLASS_URGENT, PUSH_CLASS_NORMAL, PUSH_CLASS_PROBE, PUSH_CLASS_COUNT };

/*
 * Pushes in any case, whether there is work or not; nobody waits. The ids are copied. RC_BUSY: it is stopping, or
 * too many orders wait.
 */
enum rc push_order(struct push *push, const int64_t *ids, size_t count, enum push_class class,
	struct err *err) MUST_USE;

enum push_answer {
	PUSH_ANSWER_SENT,           /* APNs took it */
	PUSH_ANSWER_WAITING,        /* not decided when the wait was over: it goes on by itself */
	PUSH_ANSWER_REFUSED,        /* by APNs: see reason */
	PUSH_ANSWER_NO_TOKEN,       /* the channel has no push token, or is not enrolled */
	PUSH_ANSWER_TOKEN_DEAD,     /* APNs said so before, and no TokenUpdate came since */
	PUSH_ANSWER_NO_CERTIFICATE, /* for its topic: none, or expired */
	PUSH_ANSWER_STOPPED,        /* its topic is stopped: see the alarm */
	PUSH_ANSWER_UNREACHABLE,    /* no connection to APNs */
	PUSH_ANSWER_COUNT
};
const char *push_answer_name(enum push_answer answer); /* "sent", "waiting", ... */

struct push_result {
	int64_t enrollment_id; /* in */
	enum push_answer answer;
	unsigned status; /* APNs' HTTP status; 0: none */
	char reason[PUSH_REASON_BYTES_MAX + 1];
	char apns_id[PUSH_ID_BYTES_MAX + 1];
	char detail[256]; /* for people: what failed on our side, "" else */
};
/*
 * The same, with the result of each id. The struct is the caller's until `done` is called, once, on the loop's
 * thread, after `wait_ms` at the latest. is_test: dead tokens and stopped topics are tried all the same, at once,
 * and an accepted push closes the topic's breaker.
 */
struct push_ask {
	struct push_result *results;
	size_t count; /* 1..PUSH_ASK_IDS_MAX */
	enum push_class class;
	bool is_test;
	int64_t wait_ms;
	void (*done)(struct push_ask *ask);
	void *ctx;
	size_t open_count; /* from here on push's own */
	int64_t ends_us;
	struct push_ask *next;
};
/* RC_INVALID: their number. RC_BUSY: it is stopping, or too many wait already. */
enum rc push_ask(struct push *push, struct push_ask *ask, struct err *err) MUST_USE;

/* What an APNs reason means and what to do about it, for people; for a status without a known reason too. */
const char *push_reason_advice(unsigned status, const char *reason);

enum push_topic_state {
	PUSH_TOPIC_IDLE, /* no connection is needed now */
	PUSH_TOPIC_CONNECTING,
	PUSH_TOPIC_OPEN,
	PUSH_TOPIC_WAITING, /* the breaker is open: it tries again by itself */
	PUSH_TOPIC_STOPPED, /* until its certificate changes, or a test succeeds */
	PUSH_TOPIC_EXPIRED,
	PUSH_TOPIC_NO_CERTIFICATE,
	PUSH_TOPIC_STATE_COUNT
};
const char *push_topic_state_name(enum push_topic_state state);

enum { PUSH_TOPICS_MAX = 64, PUSH_REASONS_MAX = 48 };
struct push_topic_stats {
	char topic[PUSH_TOPIC_BYTES_MAX + 1];
	enum push_topic_state state;
	char why[256]; /* of WAITING and STOPPED; "" else */
	int64_t not_after;
	uint32_t connections, in_flight;
	uint64_t sent, refused, lost; /* taken by APNs; refused by it; not answered */
};
struct push_stats {
	size_t topic_count;
	struct push_topic_stats topics[PUSH_TOPICS_MAX];
	uint64_t tracked;                 /* enrollments with open work */
	uint64_t ready[PUSH_CLASS_COUNT]; /* waiting for their turn */
	uint64_t pushes_total, contacts_total, tokens_died_total, outcomes_waiting;
	size_t reason_count;
	struct {
		char reason[PUSH_REASON_BYTES_MAX + 1];
		uint64_t count;
	} reasons[PUSH_REASONS_MAX];
	int64_t oldest_ready_s; /* how long the oldest of `ready` waits */
};
/* A copy of what the loop wrote last, at most a second old. */
void push_stats(struct push *push, struct push_stats *stats_r);

#endif
