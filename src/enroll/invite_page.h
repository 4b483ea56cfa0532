/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_INVITE_PAGE_H
#define POMONA_ENROLL_INVITE_PAGE_H

/*
 * What people read who follow a link: who will manage the device, what that lets them see and do, how it is done. What
 * it says follows from the rights that the profile will ask for.
 * Threading: any thread; pure.
 */

#include "page.h"
#include "pomona/store/invitation.h"

struct invite_page {
	const char *organization; /* "": has none */
	const char *host;         /* of the server */
	const char *action;       /* where the button leads, relative to the page */
	const char *alert;        /* what went wrong with the last try; NULL: nothing */
	const char *user_name;    /* as it was typed then; NULL: nothing */
	int64_t access_rights;
	bool is_told_of_removal; /* the server, when a person ends it */
	const struct invitation *invitation;
};
/* Initialises `page`. */
void invite_page_write(const struct invite_page *params, struct buf *page);

#endif
