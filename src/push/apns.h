/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_APNS_H
#define POMONA_PUSH_APNS_H

/*
 * APNs' provider API over HTTP/2 as far as MDM needs it: the fields and the body of a request, the meaning of a
 * reply. Pure. Threading: one thread at a time.
 */

#include "pomona/net/h2.h"
#include "topics.h"

enum {
	APNS_BODY_BYTES_MAX = 4096, /* Apple's limit for a payload */
	APNS_FIELD_COUNT = 8,
	APNS_PATH_BYTES_MAX = 10 + 2 * PUSH_TOKEN_BYTES_MAX, /* "/3/device/" and hex */
	APNS_NUMBER_BYTES = 21,
	APNS_AUTHORITY_BYTES_MAX = PUSH_HOST_BYTES_MAX + 8, /* [host]:65535 */
	APNS_EXPIRATION_STEP_S = 60, /* so that HPACK can put the header into its table */
	APNS_RETRY_AFTER_MAX_S = 86400,
	APNS_PORT = 443,
};

/* Names of the reply's fields, for h2_params.kept, and their places in h2_reply.kept. */
enum apns_kept { APNS_KEPT_ID, APNS_KEPT_RETRY_AFTER, APNS_KEPT_COUNT };
extern const char *const apns_kept_names[APNS_KEPT_COUNT];

/* What a request is written into; used for one after the other. */
struct apns_frame {
	struct h2_field fields[APNS_FIELD_COUNT];
	struct slice body; /* in body_bytes */
	char authority[APNS_AUTHORITY_BYTES_MAX + 1];
	char path[APNS_PATH_BYTES_MAX];
	char priority[APNS_NUMBER_BYTES];
	char expiration[APNS_NUMBER_BYTES];
	int64_t expires_at; /* that `expiration` says */
	uint8_t body_bytes[APNS_BODY_BYTES_MAX];
};

/* The frame holds pointers into itself: it must not move. */
void apns_frame_init(struct apns_frame *frame, const char *host, uint16_t port);
void apns_frame_set_priority(struct apns_frame *frame, int priority);
/*
 * RC_INVALID: no token, or a magic that is empty or no UTF-8; RC_LIMIT: the body is larger than Apple takes.
 * `expiration_s` 0: APNs tries once. `topic` is borrowed as long as the frame is used.
 */
enum rc apns_write(struct apns_frame *frame, struct slice topic, const struct parcel *parcel,
	int64_t now_s, int64_t expiration_s, struct err *err) MUST_USE;

struct apns_reply {
	char reason[PUSH_REASON_BYTES_MAX + 1]; /* "" where there was none */
	char apns_id[PUSH_ID_BYTES_MAX + 1];    /* "" */
	int64_t timestamp_ms;                   /* 0 */
	int64_t retry_after_s;                  /* 0 */
};
/* What makes no sense is left out. */
void apns_read(const struct h2_reply *reply, struct apns_reply *reply_r);
/* The apns-id alone: all that a reply of 200 has. */
void apns_read_id(const struct h2_reply *reply, char id[static PUSH_ID_BYTES_MAX + 1]);
/* A body, or a GOAWAY's debug data. */
void apns_read_reason(struct slice body, char reason[static PUSH_REASON_BYTES_MAX + 1],
	int64_t *timestamp_ms_r);

#endif
