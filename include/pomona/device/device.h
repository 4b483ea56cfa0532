/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_DEVICE_DEVICE_H
#define POMONA_DEVICE_DEVICE_H

/*
 * The way of one device message: from the request on the device listener through identity, plist
 * and one write job to the durable reply.
 * Threading: device_new/free: main. The rest: any thread.
 */

#include "pomona/base/clock.h"
#include "pomona/base/err.h"
#include "pomona/checkin/checkin.h"
#include "pomona/http/http.h"
#include "pomona/identity/refusal.h"
#include "pomona/pki/trust.h"
#include "pomona/push/push.h"
#include "pomona/store/store.h"

struct device;

enum { DEVICE_HEADER_BYTES = 64, DEVICE_CHALLENGE_BYTES = 1280 }; /* with the zero */

/*
 * Who sends a message is established in this order: the TLS certificate, Mdm-Signature, and from a proxy of the
 * listener a header with the certificate. The first that is there decides, good or bad.
 */
struct device_identity_settings {
	bool is_tls, is_signature;
	char header[DEVICE_HEADER_BYTES]; /* "": none */
	int64_t signing_skew_s;           /* 0: the time of signing is not looked at */
};

struct device_settings { /* may change while serving */
	struct checkin_policy policy;
	struct device_identity_settings identity;
	size_t checkin_bytes_max;
	size_t result_bytes_max;
};

struct device_params {
	struct store *store; /* borrowed until device_free() */
	const struct clock *clock;
	struct push *push; /* borrowed as the store; told of each contact. NULL: nobody is woken */
	struct user_directory *users; /* borrowed as the store; who may log in. NULL: nobody */
	struct trust *trust;          /* a reference of its own is taken */
	struct device_settings settings;
	/*
	 * Writes the challenge that goes with REFUSAL_LOGIN_REQUIRED, as WWW-Authenticate has it; "" where it cannot, and then
	 * there is no 401. NULL: as if it could not.
	 */
	void (*login_challenge)(void *ctx, char out[static DEVICE_CHALLENGE_BYTES]);
	void *login_ctx;
};

enum rc device_new(const struct device_params *params, struct device **device_r, struct err *err)
	MUST_USE;
/* The routes of the device listener; their ctx is the struct device. */
const struct http_route *device_routes(size_t *count_r);
/* Their `before`: strangers send small bodies only, and without TLS a proxy alone sends any. */
bool device_before(struct http_request *request, void *device);
void device_set_settings(struct device *device, const struct device_settings *settings);
/* Takes a reference. Connections that are open are judged again at their next message. */
void device_set_trust(struct device *device, struct trust *trust);
/* Submits the gathered last-seen times as a job; returns at once. */
void device_flush_seen(struct device *device);
/* The same, waiting until they are written: before the store stops. Blocks: main only. */
void device_flush_seen_wait(struct device *device);
/* The last-seen time gathered for an enrollment that is not written yet; 0: none. */
int64_t device_seen_at(struct device *device, int64_t enrollment_id);
struct refusal_log *device_refusals(struct device *device);

struct device_stats {
	uint64_t polls_idle;          /* Idle answered from a snapshot */
	uint64_t messages_by_kind[2]; /* [0] check-in, [1] command channel */
	uint64_t results_unknown;     /* results for a CommandUUID that we do not know */
	uint64_t judged;              /* certificates judged in full */
	uint64_t judged_by_pin;       /* taken from the pin instead */
};
void device_stats(const struct device *device, struct device_stats *stats_r);
void device_free(struct device **device);

#endif
