/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_APNS_CHECK_H
#define POMONA_SIM_APNS_CHECK_H

/*
 * One request as APNs sees it, and what APNs finds wrong with it.
 * Threading: any thread; no state.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/slice.h"

enum {
	APNS_TOKEN_BYTES_MAX = 100, /* our bound; Apple promises no size */
	APNS_TOKEN_TEXT_BYTES = 2 * APNS_TOKEN_BYTES_MAX + 1,
	APNS_TOPIC_BYTES_MAX = 255,
	APNS_PAYLOAD_BYTES_MAX = 4096,
	APNS_COLLAPSE_ID_BYTES_MAX = 64,
	APNS_ID_TEXT_BYTES = 37,
	APNS_MAGIC_BYTES_MAX = 255, /* that are kept */
	APNS_REASON_BYTES_MAX = 63,
	APNS_STATUS_MIN = 200,
	APNS_STATUS_MAX = 599,
};

/* The fields that APNs reads; any other is passed over. */
enum apns_field {
	APNS_FIELD_METHOD,
	APNS_FIELD_PATH,
	APNS_FIELD_ID,
	APNS_FIELD_TOPIC,
	APNS_FIELD_PUSH_TYPE,
	APNS_FIELD_PRIORITY,
	APNS_FIELD_EXPIRATION,
	APNS_FIELD_COLLAPSE_ID,
	APNS_FIELD_COUNT
};
/* ":method", "apns-id", ...; the other way gives APNS_FIELD_COUNT for any other name. */
const char *apns_field_name(enum apns_field field);
enum apns_field apns_field_of(struct slice name);
/* The longest value that can be right: of one that is longer a byte more is all that the check needs. */
size_t apns_field_bytes_max(enum apns_field field);

struct apns_request {
	struct slice fields[APNS_FIELD_COUNT]; /* the first value of each */
	unsigned present, twice;               /* bits of 1 << enum apns_field */
	struct slice body;                     /* at most APNS_PAYLOAD_BYTES_MAX are kept */
	size_t body_bytes;                     /* that came */
};

/* Who sends. */
struct apns_peer {
	bool is_anyone;  /* certificates are not asked for: any topic may be pushed to */
	bool has_cert;   /* of our CA */
	const char *uid; /* of the certificate's subject; "" where it has none */
};

/* What is right, read out. Slices point into the request. */
struct apns_push {
	uint8_t token[APNS_TOKEN_BYTES_MAX];
	size_t token_len;
	struct slice token_text, topic, push_type, id;
	int64_t priority;                     /* 10 where the request has none */
	int64_t expiration;                   /* -1 where it has none */
	char magic[APNS_MAGIC_BYTES_MAX + 1]; /* cut where it is longer */
};

struct apns_reason {
	const char *name;
	unsigned status;
};
/* The table of reasons; NULL past its end. */
const struct apns_reason *apns_reason_at(size_t index);
/* A word of letters and digits: what needs no escape in an answer. "" is none. */
bool apns_reason_is_word(struct slice text);
/* NULL where Apple has none of that name. */
const struct apns_reason *apns_reason_find(struct slice name);

/* NULL: nothing is wrong. The push is filled as far as the request can be read. */
const struct apns_reason *apns_check(const struct apns_request *request,
	const struct apns_peer *peer, struct apns_push *push_r);
/* The payload of a push for MDM, {"mdm": text} and nothing else; false: it is another. Cuts a long text. */
bool apns_payload_read(struct slice body, char magic[static APNS_MAGIC_BYTES_MAX + 1]);

#endif
