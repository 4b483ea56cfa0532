/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_PAGE_H
#define POMONA_ENROLL_PAGE_H

/*
 * Pages for people: HTML in one style, phone first, light and dark, without scripts and without anything from elsewhere.
 * All that is not a literal of ours is escaped here. A page is written from page_open() to page_close() and then sent;
 * what does not fit or for which memory is short shows when it is sent.
 * Threading: any thread.
 */

#include <stdbool.h>

#include "pomona/base/buf.h"
#include "pomona/http/http.h"

enum {
	PAGE_BYTES_MAX = 65536,
	PAGE_POLICY_BYTES_MAX = 512,
};

#define PAGE_CONTENT_TYPE "text/html; charset=utf-8"

/* Initialises `page`. `organization` stands at the top: "" leaves it out. */
void page_open(struct buf *page, const char *title, const char *organization);
/* Text as it stands; what has a meaning in HTML loses it. */
void page_text(struct buf *page, const char *text);
void page_slice(struct buf *page, struct slice text);
/* Our own literals with their tags. */
void page_html(struct buf *page, const char *html);
/* <h2>, <p>, and a paragraph in smaller letters. */
void page_heading(struct buf *page, const char *text);
void page_paragraph(struct buf *page, const char *text);
void page_small(struct buf *page, const char *text);

enum page_list { PAGE_LIST, PAGE_STEPS };
void page_list(struct buf *page, enum page_list kind, const char *const *items, size_t count);
/* A name and what it is, in two columns: between page_facts_open() and _close(). */
void page_facts_open(struct buf *page);
void page_fact(struct buf *page, const char *name, const char *value);
void page_facts_close(struct buf *page);
/* What went wrong: read out at once by who does not see it. */
void page_alert(struct buf *page, const char *text);

/* A form that is sent by POST to `action`, of this server, relative to the page's own address. */
void page_form_open(struct buf *page, const char *action);
struct page_field {
	const char *name; /* of the form's field: letters */
	const char *label;
	const char *value;        /* NULL: none */
	const char *autocomplete; /* "username", "current-password" */
	size_t chars_max;
	bool is_password;
};
void page_field(struct buf *page, const struct page_field *field);
/* Carried along, not seen. */
void page_hidden(struct buf *page, const char *name, const char *value);
void page_button(struct buf *page, const char *text);
void page_form_close(struct buf *page);

void page_close(struct buf *page);

/*
 * The Content-Security-Policy that page_reply() sends. `form_to`: where else a form's answer may lead, such as
 * "scheme:" of a redirect; "": nowhere.
 */
void page_policy(const char *form_to, struct buf *out);
/* Takes the page. 503 where it could not be written. */
void page_reply(struct http_request *request, unsigned status, struct buf *page,
	const char *form_to);
/* One short page: a title and a paragraph. */
void page_say(struct http_request *request, unsigned status, const char *organization,
	const char *title, const char *text);

#endif
