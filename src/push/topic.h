/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_TOPIC_H
#define POMONA_PUSH_TOPIC_H

/*
 * One topic: its certificate, its connections and its breaker, and the parcels that are under way. `done` of a parcel
 * may call topic_look() and topic_send(); it comes from an event of the loop, a tick, a change of the certificate or
 * the end, never from topic_send(). Threading: the loop's thread.
 */

#include "apns.h"
#include "breaker.h"
#include "carrier.h"
#include "certs.h"
#include "guard.h"
#include "pomona/pki/expiry.h"

enum {
	TOPIC_WAITING_MAX = 512,     /* parcels that wait for room on a connection; past it TOPICS_FULL */
	TOPIC_HELD_MAX = 4096,       /* verdicts on tokens that are held back; likewise */
	TOPIC_RESENDS_MAX = 64,      /* of one parcel, after which the scheduler has it again */
	TOPIC_VAIN_RESENDS_MAX = 3,  /* likewise, while APNs answers nothing else either */
	TOPIC_WINDOW_MAX = 1000,     /* past it there is none */
	TOPIC_LINKS_MAX = 32,        /* with those that are going */
	TOPIC_OPENS_MAX = 10,        /* connections begun at once; then one a second */
	TOPIC_ANSWER_MAX_MS = 30000, /* then the connection is given up */
	TOPIC_CONNECT_MAX_MS = 20000,
	TOPIC_MORE_LINKS_MS = 5000,    /* after one more failed while others work */
	TOPIC_RECONNECT_GAP_MS = 5000, /* between connections given up because APNs has trouble */
	TOPIC_DOWN_MS = 600000,        /* without an answer, then a person is told */
	TOPIC_WHY_BYTES = 256,
};

struct reason_count {
	char reason[PUSH_REASON_BYTES_MAX + 1];
	uint64_t count;
};

/* What the topics have in common. */
struct shared {
	struct net_loop *loop;
	const struct clock *clock;
	char host[PUSH_HOST_BYTES_MAX + 1];
	uint16_t port;
	char *proxy;       /* owned */
	struct buf ca_pem; /* owned */
	int connections_max;
	int64_t ping_interval_ms;
	int64_t expiration_s;
	struct apns_frame frame;
	struct carrier_pool pool;
	struct reason_count reasons[PUSH_REASONS_MAX];
	size_t reason_count;
	uint64_t tokens_died_total;
	struct net_timer *soon; /* for what must not happen within topic_send() */
	bool is_room_due;       /* on_room is to be called soon */
	bool is_stopped;
	void (*on_room)(void *ctx);
	void (*on_alarm)(void *ctx, const struct push_alarm *alarm);
	void *ctx;
};

struct link;

struct topic {
	struct shared *shared;
	char name[PUSH_TOPIC_BYTES_MAX + 1];
	size_t name_len;
	struct certificate cert;
	bool has_cert;
	enum cert_expiry expiry; /* as far as it was told of */
	unsigned generation;     /* of the certificate */
	struct breaker breaker;
	struct guard guard;
	char why[TOPIC_WHY_BYTES]; /* it waits or is stopped */
	struct link *links;
	size_t link_count;
	uint64_t answers; /* of any kind */
	/*
	 * 0, or how many may be in flight: what is in flight on a connection that is cut is lost with it. So after
	 * that few may, and one more with each answer.
	 */
	uint32_t window;
	unsigned opens_left;
	int64_t more_links_at_ms;
	int64_t reconnected_ms;
	int64_t loaded_s; /* the certificate */
	enum rc open_rc;  /* a connection could not be begun: to be told soon */
	char open_why[TOPIC_WHY_BYTES];
	struct queue waiting;  /* for room */
	struct queue held;     /* for the guard */
	struct queue broken;   /* cannot be sent: to be told soon */
	int64_t down_since_ms; /* since its first pause with no answer after it; INT64_MIN: it is up */
	bool is_down_told;
	bool is_room_wanted; /* somebody was turned away */
	bool is_proven;      /* APNs took a push with this certificate */
	uint64_t sent, refused, lost;
	struct topic *next;
};

enum rc topic_new(struct shared *shared, const char *name, struct topic **topic_r, struct err *err)
	MUST_USE;
/* Takes what is in `cert`; connections with the former one finish what is in flight. */
void topic_set_cert(struct topic *topic, struct certificate *cert);
void topic_remove_cert(struct topic *topic);
enum topics_verdict topic_look(struct topic *topic, bool is_test);
enum topics_verdict topic_send(struct topic *topic, struct parcel *parcel);
void topic_tick(struct topic *topic);
/* When shared->soon has fired. */
void topic_soon(struct topic *topic);
/* Hands everything back; shared->is_stopped is set before. */
void topic_stop(struct topic *topic);
void topic_stats(const struct topic *topic, struct push_topic_stats *stats_r);
/* Nothing is under way. */
bool topic_is_idle(const struct topic *topic);
/* After topic_stop(), or while it is idle. */
void topic_free(struct topic **topic);

/* For link.c and answer.c. */

int64_t shared_now_ms(const struct shared *shared); /* monotonic */
/* Ends a carrier, which is in no queue. */
void topic_finish(struct carrier *carrier, const struct parcel_answer *answer);
/* Ends all that were in a queue. */
void topic_finish_all(struct queue all, const struct parcel_answer *answer);
/* Once more, before those that came later; false: it was sent often enough, or the topic does not send. */
bool topic_resend(struct carrier *carrier);
/* Sends what waits as far as there is room, and begins a connection where that helps. */
void topic_pump(struct topic *topic);
/* What was wrong with all of its pushes is over. */
void topic_clear_alarms(struct topic *topic);
/* Stops it, with an alarm, and hands back what waits. */
void topic_halt(struct topic *topic, const char *why);
/* A push was taken in spite of a stop or pause. */
void topic_resume(struct topic *topic);
/* The breaker counts a fault of APNs. */
void topic_fault(struct topic *topic, bool is_proof, const char *why);
/* A connection did not come to be, or never answered. */
void topic_link_failed(struct topic *topic, const char *why);
void topic_alarm(struct topic *topic, const char *kind, const char *text, bool is_clear);
void topic_call_soon(struct topic *topic);

#endif
