/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_ANSWER_H
#define POMONA_PUSH_ANSWER_H

/*
 * What a reply of APNs means for the parcel, its connection and its topic. Threading: the loop's thread.
 */

#include "link.h"

/* `carrier` is in no queue any more, and is ended, held back or sent again. */
void answer_take(struct link *link, struct carrier *carrier, const struct h2_reply *reply);
/* Lets go of verdicts that were held back long enough. */
void answer_release_held(struct topic *topic);

#endif
