/* SPDX-License-Identifier: Apache-2.0 */
#include "qr.h"

#include <errno.h>
#include <qrencode.h>
#include <stdlib.h>
#include <string.h>

enum {
	PIXELS = 8, /* a module's side, and with a bit a pixel also a module's row in bytes: one */
	STORED_BYTES_MAX = 65535, /* of a block of deflate, RFC 1951 3.2.4 */
	ADLER_BASE = 65521,
	LENGTH_BYTES = 4,
	CRC_BITS = 8,
};

enum rc qr_make(struct slice text, struct qr *qr_r, struct err *err)
{
	QRcode *code;

	*qr_r = (struct qr){.side = 0};
	if (text.len == 0)
		return err_set(err, RC_INVALID, "QR code: want a text");
	if (text.len > QR_TEXT_BYTES_MAX)
		return err_set(err, RC_LIMIT, "QR code: longer than %d bytes", QR_TEXT_BYTES_MAX);
	code = QRcode_encodeData((int)text.len, text.ptr, 0, QR_ECLEVEL_M);
	if (code == NULL)
		return err_set(err, errno == ENOMEM ? RC_NO_MEMORY : RC_LIMIT, "QR code: cannot be made");
	qr_r->side = (unsigned)code->width;
	qr_r->is_dark = malloc((size_t)qr_r->side * qr_r->side);
	for (size_t i = 0; qr_r->is_dark != NULL && i < (size_t)qr_r->side * qr_r->side; i++)
		qr_r->is_dark[i] = code->data[i] & 1;
	QRcode_free(code);
	return qr_r->is_dark != NULL ? RC_OK : err_set(err, RC_NO_MEMORY, "QR code");
}

void qr_fini(struct qr *qr)
{
	free(qr->is_dark);
	*qr = (struct qr){.side = 0};
}

/* With the quiet zone: 0 to side + 2 * QR_QUIET. */
static bool is_dark(const struct qr *qr, unsigned row, unsigned column)
{
	if (row < QR_QUIET || column < QR_QUIET || row >= qr->side + QR_QUIET ||
		column >= qr->side + QR_QUIET)
		return false;
	return qr->is_dark[(size_t)(row - QR_QUIET) * qr->side + (column - QR_QUIET)] != 0;
}

static unsigned whole_side(const struct qr *qr)
{
	return qr->side + 2 * QR_QUIET;
}

void qr_write_text(const struct qr *qr, bool is_terminal, struct buf *out)
{
	static const char *const blocks[] = {" ", "\xe2\x96\x84", "\xe2\x96\x80", "\xe2\x96\x88"};
	const unsigned side = whole_side(qr);

	for (unsigned row = 0; row < side; row += 2) {
		if (is_terminal)
			buf_append_str(out, "\033[38;5;16;48;5;231m");
		for (unsigned column = 0; column < side; column++)
			buf_append_str(out, blocks[2 * is_dark(qr, row, column) + is_dark(qr, row + 1, column)]);
		buf_append_str(out, is_terminal ? "\033[0m\n" : "\n");
	}
}

void qr_write_svg(const struct qr *qr, struct buf *out)
{
	const unsigned side = whole_side(qr);

	buf_printf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
		"viewBox=\"0 0 %u %u\" width=\"%u\" height=\"%u\" shape-rendering=\"crispEdges\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n<path d=\"",
		side, side, side * PIXELS, side * PIXELS);
	for (unsigned row = 0; row < side; row++)
		for (unsigned column = 0; column < side; column++)
			if (is_dark(qr, row, column))
				buf_printf(out, "M%u %uh1v1h-1z", column, row);
	buf_append_str(out, "\"/>\n</svg>\n");
}

/* --- PNG (ISO/IEC 15948): one bit a pixel, and a zlib stream (RFC 1950) that does not compress */

static void put_be32(struct buf *out, uint32_t number)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		buf_append_byte(out, (uint8_t)(number >> shift));
}

static uint32_t crc32_of(struct slice bytes)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < bytes.len; i++) {
		crc ^= bytes.ptr[i];
		for (int bit = 0; bit < CRC_BITS; bit++)
			crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static uint32_t adler32_of(struct slice bytes)
{
	uint32_t a = 1;
	uint32_t b = 0;

	for (size_t i = 0; i < bytes.len; i++) {
		a = (a + bytes.ptr[i]) % ADLER_BASE;
		b = (b + a) % ADLER_BASE;
	}
	return b << 16 | a;
}

/* `chunk` begins with its four letters. */
static void put_chunk(struct buf *out, struct slice chunk)
{
	put_be32(out, (uint32_t)(chunk.len - LENGTH_BYTES));
	buf_append(out, chunk);
	put_be32(out, crc32_of(chunk));
}

static void put_header(struct buf *out, uint32_t pixels)
{
	AUTO(buf_fini) struct buf chunk;

	buf_init(&chunk, QR_FILE_BYTES_MAX);
	buf_append_str(&chunk, "IHDR");
	put_be32(&chunk, pixels);
	put_be32(&chunk, pixels);
	/* a bit a pixel, grey, and the one kind of compression, filter and order that there is */
	buf_append(&chunk, slice_of((const uint8_t[]){1, 0, 0, 0, 0}, 5));
	put_chunk(out, buf_slice(&chunk));
}

/* Each row of pixels behind the number of its filter, none. */
static void put_rows(const struct qr *qr, struct buf *out)
{
	const unsigned side = whole_side(qr);

	for (unsigned row = 0; row < side * PIXELS; row++) {
		buf_append_byte(out, 0);
		for (unsigned column = 0; column < side; column++)
			buf_append_byte(out, is_dark(qr, row / PIXELS, column) ? 0x00 : 0xff);
	}
}

static void put_block(struct buf *out, struct slice bytes, bool is_last)
{
	const uint16_t len = (uint16_t)bytes.len;

	buf_append_byte(out, is_last);
	buf_append_byte(out, (uint8_t)len);
	buf_append_byte(out, (uint8_t)(len >> 8));
	buf_append_byte(out, (uint8_t)~len);
	buf_append_byte(out, (uint8_t)((uint16_t)~len >> 8));
	buf_append(out, bytes);
}

static void put_image(const struct qr *qr, struct buf *out)
{
	AUTO(buf_fini) struct buf rows;
	AUTO(buf_fini) struct buf chunk;

	buf_init(&rows, QR_FILE_BYTES_MAX);
	buf_init(&chunk, QR_FILE_BYTES_MAX);
	put_rows(qr, &rows);
	buf_append(&chunk, SLICE_LITERAL("IDAT\x78\x01"));
	for (size_t at = 0; at < rows.len; at += STORED_BYTES_MAX)
		put_block(&chunk, slice_sub(buf_slice(&rows), at, STORED_BYTES_MAX),
			rows.len - at <= STORED_BYTES_MAX);
	put_be32(&chunk, adler32_of(buf_slice(&rows)));
	put_chunk(out, buf_slice(&chunk));
	if (out->rc == RC_OK)
		out->rc = rows.rc != RC_OK ? rows.rc : chunk.rc;
}

void qr_write_png(const struct qr *qr, struct buf *out)
{
	buf_append(out, SLICE_LITERAL("\x89PNG\r\n\x1a\n"));
	put_header(out, whole_side(qr) * PIXELS);
	put_image(qr, out);
	put_chunk(out, SLICE_LITERAL("IEND"));
}
