/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_STORE_VERSION_1_H
#define POMONA_TESTS_STORE_VERSION_1_H

/*
 * A database as the program left it that knew schema 1: an enrolled device UDID-1 and a user of it, a command "done"
 * that was answered, a command "open" that was not, secrets.
 */

#include "fixture.h"

/* At f->path, where there is no file yet. */
void version_1_make(struct fixture *f);
/* Opens it with the present program and finds everything again. */
void version_1_assert_whole(struct fixture *f);

#endif
