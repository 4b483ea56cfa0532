/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_BENCH_DEVICE_H
#define POMONA_BENCH_DEVICE_H

/*
 * What a bench's device says, and who it is: its identity lies in a folder that `bench-load prepare` made.
 * Threading: any; nothing is shared.
 */

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "pomona/base/buf.h"

enum { DEVICE_UUID_BYTES = 128 };

/* Each appends a whole request to `out`. */
void device_say_idle(struct buf *out, size_t device);
void device_say_answer(struct buf *out, size_t device, const char *uuid);
void device_say_authenticate(struct buf *out, size_t device);
void device_say_token_update(struct buf *out, size_t device);

/* The CommandUUID of a reply's body, "" where it is empty. False: neither empty nor a command. */
bool device_read_command(const char *body, size_t len, char uuid_r[static DEVICE_UUID_BYTES]);

/* False while more of the reply must come; `reply` has a zero behind its `len` bytes. */
bool device_is_reply_whole(const char *reply, size_t len, const char **body_r, size_t *body_len_r);

void device_identity_path(char *path, size_t size, const char *dir, size_t device);
/* A context of its own with the device's certificate; NULL where it cannot be read. */
SSL_CTX *device_tls(const char *dir, size_t device);

#endif
