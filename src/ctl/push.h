/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_CTL_PUSH_H
#define POMONA_CTL_PUSH_H

/* The pure parts of `pomonactl push` and `pushcert`, for their test. Threading: any thread. */

#include "ctl.h"

/* Fills `body` from the ids, --all, --filter KEY=VALUE and --urgent. */
enum rc push_build_body(const struct args *args, struct json_value *body, struct err *err) MUST_USE;
/* Was it pushed, or will it be? */
bool push_is_done(const struct json_value *result);
/* Does the PEM hold a private key that wants a password? */
bool pushcert_is_encrypted(struct slice pem);

#endif
