/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_WEB_FORM_H
#define POMONA_SIM_WEB_FORM_H

/*
 * The first form of a web page, filled in as a person would: what stands in its fields already stays, but for the ones
 * that are given. Enough of HTML for a login page, and no more.
 * Threading: any thread.
 */

#include "pomona/base/buf.h"
#include "pomona/base/err.h"

enum { WEB_FORM_FIELDS_MAX = 32, WEB_FORM_TEXT_BYTES_MAX = 4096 };

struct web_field {
	const char *name, *value;
};
struct web_filling {
	struct slice page;
	const char *url;                /* of the page */
	const struct web_field *fields; /* of these each must be in the form */
	size_t count;
};
/* Appends where the form goes, and what of it (application/x-www-form-urlencoded). RC_INVALID: no such form. */
enum rc web_form_fill(const struct web_filling *filling, struct buf *action, struct buf *body,
	struct err *err) MUST_USE;

#endif
