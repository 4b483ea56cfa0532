/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PLIST_SCAN_H
#define POMONA_PLIST_SCAN_H

/*
 * The scan that every document passes before libplist sees it: linear, without recursion, and
 * strict where libplist is silent (garbage that it would read as 0, as 1970, or not at all).
 * Threading: any thread.
 */

#include "emit.h"
#include "keyset.h"
#include "pomona/base/buf.h"
#include "pomona/base/err.h"
#include "pomona/base/slice.h"

/* Makes of an XML document the binary list that says the same, up to its end. */
enum rc plist_scan_xml(struct slice in, struct plist_emit *emit, struct err *err) MUST_USE;
enum rc plist_scan_binary(struct slice in, struct err *err) MUST_USE;

/* Texts of XML elements; each fills `err` with the rule alone, and the caller adds where. */
enum rc plist_scan_chars(struct slice text, size_t *at_r, struct err *err) MUST_USE;
enum rc plist_scan_integer(struct slice text, struct plist_emit *emit, struct err *err) MUST_USE;
enum rc plist_scan_real(struct slice text, struct plist_emit *emit, struct err *err) MUST_USE;
enum rc plist_scan_date(struct slice text, struct plist_emit *emit, struct err *err) MUST_USE;
enum rc plist_scan_data(struct slice text, struct plist_emit *emit, struct err *err) MUST_USE;
/* Appends `text` with its references resolved. */
enum rc plist_scan_unescape(struct slice text, struct buf *out, struct err *err) MUST_USE;

#endif
