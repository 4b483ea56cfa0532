/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_IDENTITY_GUESSES_H
#define POMONA_IDENTITY_GUESSES_H

/*
 * How often a name, or an address, was wrong of late. A bounded table, in an order that nobody outside can foresee:
 * where it is full, those that were wrong least give way. Who has no guess left never does, so that nobody gets new
 * ones by making others up: where there is none but such, who is new has to wait like them. Threading: any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/slice.h"

struct guesses;

enum guess_sort { GUESS_NAME, GUESS_ADDRESS };

struct guesses *guesses_new(void);
/* Counts a guess before it is looked at, so that many at once are not more. False: no more for now. */
bool guesses_take(struct guesses *guesses, enum guess_sort sort, struct slice who, int64_t now_us);
/* It was right, or was not looked at after all. */
void guesses_give_back(struct guesses *guesses, enum guess_sort sort, struct slice who);
void guesses_free(struct guesses **guesses);

#endif
