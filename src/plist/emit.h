/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PLIST_EMIT_H
#define POMONA_PLIST_EMIT_H

/*
 * A binary property list in the making, one object after the other. It is how XML goes to
 * libplist: its parser of binary lists is linear and small, while its parser of XML compares each
 * key with those before it, moves the rest of a text for each reference in it, and reads garbage
 * as some value.
 * Threading: one thread at a time.
 */

#include "pomona/base/buf.h"

struct plist_emit {
	struct buf objects; /* the list, as far as it goes */
	struct buf offsets; /* of each object: uint32_t */
	struct buf pending; /* objects that no container holds yet: uint32_t */
};

/* Cannot fail; a short memory or bound shows at the end. */
void plist_emit_init(struct plist_emit *emit, size_t bound_bytes);
void plist_emit_bool(struct plist_emit *emit, bool value);
/* The bits of a signed number, or of one past INT64_MAX. */
void plist_emit_integer(struct plist_emit *emit, uint64_t bits, bool is_unsigned);
void plist_emit_real(struct plist_emit *emit, double value);
void plist_emit_date(struct plist_emit *emit, int64_t unix_s);
/* UTF-8 goes where ASCII should: libplist takes the bytes as they are. */
void plist_emit_string(struct plist_emit *emit, struct slice text);
/*
 * Room for `len` bytes of data, which the caller fills before the next call; NULL when there is
 * none.
 */
uint8_t *plist_emit_data(struct plist_emit *emit, size_t len);
/* What the container's end shall be told. */
size_t plist_emit_mark(const struct plist_emit *emit);
/*
 * A container of all objects since the mark that have none: in a dictionary keys and values in
 * turn.
 */
void plist_emit_container(struct plist_emit *emit, bool is_dict, size_t mark);
/* Ends the list, whose root is the last object. Borrowed until plist_emit_fini(). */
enum rc plist_emit_finish(struct plist_emit *emit, struct slice *list_r, struct err *err) MUST_USE;
void plist_emit_fini(struct plist_emit *emit);

#endif
