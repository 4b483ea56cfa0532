/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_STORE_HISTORY_KIT_H
#define POMONA_TESTS_STORE_HISTORY_KIT_H

/* Lives of small fleets, for the tests of history. Commands of a kind from "Q" on ask, those before it act. */

#include "fixture.h"
#include "pomona/store/history.h"

enum { DAY = 86400 };

/* All classes are kept so long. */
struct history_walk history_walk_of(int64_t keep_s);
/* One slice in a transaction of its own, until the clock has gone so far. */
void history_walk_slice(struct fixture *f, struct history_walk *walk, int64_t slice_us);
/* Gives the number of slices. */
int64_t history_walk_to_end(struct fixture *f, struct history_walk *walk);
/* Real time goes on, and history's time with it. */
void history_live(struct fixture *f, struct history_walk *walk, int64_t seconds);

int64_t history_enroll(struct fixture *f, const char *name);
/* A published batch to some. */
void history_send(struct fixture *f, const char *uuid, const char *request_type, const int64_t *ids,
	size_t count);
void history_answer(struct fixture *f, int64_t id, const char *uuid, enum queue_state state);
bool history_has(struct fixture *f, int64_t id, const char *uuid);
/* What the tables must hold at any time. */
void history_check_tables(const struct fixture *f);

#endif
