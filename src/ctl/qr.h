/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_CTL_QR_H
#define POMONA_CTL_QR_H

/*
 * QR codes, to be shown on a terminal or printed.
 * Threading: one thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/buf.h"
#include "pomona/base/err.h"

enum {
	QR_TEXT_BYTES_MAX = 2048,
	QR_SIDE_MAX = 177, /* modules; ISO/IEC 18004, version 40 */
	QR_QUIET = 4,      /* light modules around it, which scanners need */
	QR_FILE_BYTES_MAX = 4194304,
};

/* Owns its modules. */
struct qr {
	unsigned side;
	uint8_t *is_dark; /* side * side of 0 and 1, row by row */
};

/* RC_LIMIT past QR_TEXT_BYTES_MAX; RC_INVALID: no text. It can be a quarter damaged or dirty and still be read. */
enum rc qr_make(struct slice text, struct qr *qr_r, struct err *err) MUST_USE;
/* Two rows of modules a line. `is_terminal`: black on white whatever the terminal's colours are. */
void qr_write_text(const struct qr *qr, bool is_terminal, struct buf *out);
void qr_write_svg(const struct qr *qr, struct buf *out);
void qr_write_png(const struct qr *qr, struct buf *out);
void qr_fini(struct qr *qr);

#endif
