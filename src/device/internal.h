/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_DEVICE_INTERNAL_H
#define POMONA_DEVICE_INTERNAL_H

/*
 * What the files of this room share. Threading: a struct device: any thread. A struct message: the
 * handler's thread until it is submitted, then the writer's.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "pomona/base/log_limit.h"
#include "pomona/command/result.h"
#include "pomona/device/device.h"
#include "presence.h"

struct device {
	struct store *store;
	const struct clock *clock;
	struct push *push;            /* NULL: none */
	struct user_directory *users; /* NULL: none */
	/* NULL: none */
	void (*login_challenge)(void *ctx, char out[static DEVICE_CHALLENGE_BYTES]);
	void *login_ctx;
	pthread_rwlock_t lock; /* settings, trust, fingerprint; the generation is written under it */
	struct device_settings settings;
	struct trust *trust;
	uint8_t fingerprint[SHA256_BYTES];
	atomic_uint_fast64_t trust_generation; /* moves with `trust` */
	struct presence *presence;
	struct refusal_log *refusals;
	struct log_limit *refused_lines; /* one slot a refusal */
	atomic_uint_fast64_t polls_idle, results_unknown, judged, judged_by_pin;
	atomic_uint_fast64_t messages_by_kind[2];
};

struct device_settings device_settings(struct device *device);

/* credential.c: a certificate and the verdict on it. */
struct held_credential {
	struct credential credential;
	uint64_t trust_generation; /* what it was judged under */
	bool has_names;            /* facts are complete; else digest and dates only */
	bool is_pin_stale;         /* good, but its identity was last judged under other anchors */
};

/* What is kept with a connection. */
struct held_connection {
	struct held_credential tls;
	bool is_good; /* what the request under way shows, for the length of its body */
};

/* NULL when memory is short. */
struct held_connection *credential_connection(struct http_request *request);
/* Judges the connection's certificate, unless that was done under the present trust anchors. */
enum rc credential_hold(struct device *device, struct http_request *request,
	struct held_credential **held_r, struct err *err) MUST_USE;
/* Judges a chain, whatever it came from; `held` is overwritten. */
enum rc credential_judge(struct device *device, const struct slice *chain, size_t count,
	struct held_credential *held, struct err *err) MUST_USE;
/* Completes the facts from the leaf that they were judged of. */
void credential_read_names(struct held_credential *held, struct slice leaf);

/* shown.c: what a request shows of its sender, by TLS, by its signature or in a proxy's header. */
struct shown {
	struct held_credential
		*held;               /* the connection's, or in the request's arena; NULL: it could not be read */
	struct slice leaf;    /* the certificate that `held` speaks of; empty: none */
	enum refusal refusal; /* REFUSAL_NONE: nothing is wrong but for what `held` says */
	char text[REFUSAL_TEXT_BYTES]; /* what exactly was wrong, or a hint where nothing was shown */
};

/* From the head alone where `has_body` is false: then a signature itself is not looked at. */
enum rc shown_read(struct device *device, struct http_request *request, bool has_body,
	struct shown *shown_r, struct err *err) MUST_USE;
/* What is wrong with it by now. */
enum refusal shown_refusal(const struct device *device, const struct shown *shown);

enum message_kind { MESSAGE_CHECKIN, MESSAGE_COMMAND, MESSAGE_KIND_COUNT };
enum { MESSAGE_ROUTE_CHECKIN_ONLY = 1 }; /* in http_route.flags */

/* One device message on its way; lives in the arena of its request. */
struct message {
	struct store_job job;
	struct device *device;
	struct http_request *request;
	struct device_settings settings;
	enum message_kind kind;
	struct shown shown;
	bool is_read; /* one of the two below is filled */
	struct checkin_message checkin;
	struct result result;
	char client[HTTP_ADDRESS_BYTES];   /* who asks, where there is a question */
	struct checkin_question *question; /* of a user's login; NULL: nothing is asked */
	struct outcome outcome;
};

/* message.c: handlers of the routes. */
size_t message_body_max(const struct http_request *request, void *device);
void message_handle(struct http_request *request, void *device);
/* In the arena of the request; NULL when memory is short. */
struct message *message_new(struct device *device, struct http_request *request);
/* The 503 that needs none. */
void message_no_memory(struct http_request *request);
/* NULL where the message could not be read. */
const struct claim *message_claim(const struct message *message);
const char *message_name(const struct message *message);

/*
 * stranger.c: who has no good certificate is refused before a larger body is taken. Any check-in message of a device
 * finds room below, so that its refusal can name who it claims to be.
 */
enum { STRANGER_BODY_BYTES_MAX = 65536 };
/* How long a body may be whose length is not told, `limit` at most. */
size_t stranger_body_max(const struct http_request *request, size_t limit);

/* report.c: replies from the outcome, and notes, counts and logs what came of the message. */
void message_finish(struct message *message);
/* The same where the store failed: 503 with Retry-After; the fault goes to the log alone. */
void message_fail(struct message *message, const struct err *err);
/* A body over its limit, which http/ refuses without a handler's help. */
void report_too_large(struct device *device, const struct http_request *request);
/* Logs how many lines of refusals were left out. */
void report_hidden_refusals(struct device *device);

#endif
