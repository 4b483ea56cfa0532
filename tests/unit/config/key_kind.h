/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_CONFIG_KEY_KIND_H
#define POMONA_TESTS_CONFIG_KEY_KIND_H

#include "internal.h"

/* How the documents call a key's kind of value: range and unit, choices, and whether it may be empty. */
void key_kind_append(const struct config_key *key, struct buf *out);

#endif
