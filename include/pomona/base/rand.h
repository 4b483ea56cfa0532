/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_BASE_RAND_H
#define POMONA_BASE_RAND_H

/*
 * Random bytes from the kernel, and the ids made of them. There is no fallback: a kernel that
 * cannot give random bytes stops the program, since every key and token rests on them. Threading:
 * any thread.
 */

#include <stddef.h>

enum { UUID_TEXT_BYTES = 37 };

void rand_bytes(void *out, size_t len);
/* A random UUID (RFC 9562, version 4), upper case as Apple's own, with a terminating zero. */
void uuid_make(char out[static UUID_TEXT_BYTES]);

#endif
