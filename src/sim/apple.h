/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_APPLE_H
#define POMONA_SIM_APPLE_H

/*
 * What Apple has and gives, in the folder <dir>/apple: ca.pem and ca.key, the CA of APNs' server and of push
 * certificates; server.pem and server.key for localhost and 127.0.0.1; topic, the devices' topic; push.pem, a
 * push certificate for it with its key; devices.pem and devices.key, who certifies devices in their factory.
 * Threading: any thread; these block.
 */

#include <stdint.h>

#include "pomona/base/buf.h"
#include "pomona/base/err.h"

/* The certificates of those who certify devices in their factory, and the key of the first. */
#define APPLE_FACTORY_CHAIN "devices.pem"
#define APPLE_FACTORY_KEY "devices.key"

enum {
	APPLE_TOPIC_BYTES_MAX = 255,
	APPLE_FILE_BYTES_MAX = 65536,
	APPLE_PUSH_VALID_S = 365 * 86400, /* as Apple's portal issues them */
};

/* Makes what is missing. RC_EXISTS where nothing is: nothing is changed. */
enum rc apple_create(const char *dir, int64_t now, struct err *err) MUST_USE;
/* RC_NOT_FOUND where apple_create() was not here. */
enum rc apple_read_topic(const char *dir, char topic[static APPLE_TOPIC_BYTES_MAX + 1],
	struct err *err) MUST_USE;
/* Appends the content of one of the folder's files. */
enum rc apple_read(const char *dir, const char *name, struct buf *out, struct err *err) MUST_USE;

struct apple_push {
	const char *topic;
	int64_t now; /* it begins here */
	int64_t valid_s;
	const char *out; /* certificate and key in one file */
};
enum rc apple_write_push(const char *dir, const struct apple_push *push, struct err *err) MUST_USE;
/* Appends certificate and key of a server that ended yesterday. */
enum rc apple_issue_expired_server(const char *dir, int64_t now, struct buf *cert_pem,
	struct buf *key_pem, struct err *err) MUST_USE;

#endif
