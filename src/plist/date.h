/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PLIST_DATE_H
#define POMONA_PLIST_DATE_H

/*
 * A date as XML has it, also before 1970, which time_format() does not do.
 * Threading: any thread.
 */

#include <stdint.h>

enum { PLIST_DATE_TEXT_BYTES = 24 };

/* Into the years 1 to 9999, which are those that XML can name. */
int64_t plist_date_cut(int64_t unix_s);
/* "2026-11-21T03:04:05Z" */
void plist_date_format(int64_t unix_s, char out[static PLIST_DATE_TEXT_BYTES]);

#endif
