/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "qr.h"

#define URL "https://mdm.example.org/enroll/0123456789012345678901234567890123456789"

static struct qr make(struct slice text)
{
	struct err err = {.rc = RC_OK};
	struct qr qr;

	if (qr_make(text, &qr, &err) != RC_OK)
		fail_msg("%s", err.text);
	return qr;
}

/* ISO/IEC 18004 6.3.3: in three corners there is a finder of 7 by 7 modules. */
static void assert_finder(const struct qr *qr, unsigned row, unsigned column)
{
	for (unsigned i = 0; i < 7; i++)
		for (unsigned j = 0; j < 7; j++) {
			const bool is_ring = i == 0 || i == 6 || j == 0 || j == 6;
			const bool is_core = i >= 2 && i <= 4 && j >= 2 && j <= 4;

			assert_int_equal(qr->is_dark[(row + i) * qr->side + column + j], is_ring || is_core);
		}
}

static void a_code_has_its_finders(void **state)
{
	struct qr qr = make(slice_of_str(URL));

	(void)state;
	assert_int_equal(qr.side % 4, 1);
	assert_finder(&qr, 0, 0);
	assert_finder(&qr, 0, qr.side - 7);
	assert_finder(&qr, qr.side - 7, 0);
	qr_fini(&qr);
	assert_null(qr.is_dark);
}

static void a_text_has_bounds(void **state)
{
	static uint8_t text[QR_TEXT_BYTES_MAX + 1];
	struct qr qr = {.side = 0};

	(void)state;
	memset(text, '~', sizeof(text));
	assert_int_equal(qr_make(slice_of(text, sizeof(text)), &qr, NULL), RC_LIMIT);
	assert_int_equal(qr_make(slice_of(text, 0), &qr, NULL), RC_INVALID);
	qr = make(slice_of(text, QR_TEXT_BYTES_MAX));
	assert_true(qr.side <= QR_SIDE_MAX);
	qr_fini(&qr);
}

static uint32_t be32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The largest has more rows than a block of deflate holds. */
static void a_png_is_made_of_its_chunks(void **state)
{
	static const char *const names[] = {"IHDR", "IDAT", "IEND"};
	static uint8_t text[QR_TEXT_BYTES_MAX];
	struct buf png;
	struct qr qr;
	size_t at = 8;

	(void)state;
	memset(text, 'a', sizeof(text));
	qr = make(slice_of(text, sizeof(text)));
	buf_init(&png, QR_FILE_BYTES_MAX);
	qr_write_png(&qr, &png);
	assert_int_equal(png.rc, RC_OK);
	assert_memory_equal(png.ptr, "\x89PNG\r\n\x1a\n", 8);
	assert_int_equal(be32(png.ptr + 16), (qr.side + 2 * QR_QUIET) * 8);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		assert_memory_equal(png.ptr + at + 4, names[i], 4);
		at += be32(png.ptr + at) + 12;
	}
	assert_int_equal(at, png.len);
	assert_int_equal(be32(png.ptr + png.len - 4), 0xae426082); /* of IEND, ISO/IEC 15948 */
	buf_fini(&png);
	qr_fini(&qr);
}

static void a_terminal_gets_two_rows_a_line(void **state)
{
	struct qr qr = make(slice_of_str(URL));
	struct buf text;
	size_t lines = 0;

	(void)state;
	buf_init(&text, QR_FILE_BYTES_MAX);
	qr_write_text(&qr, true, &text);
	for (size_t i = 0; i < text.len; i++)
		lines += text.ptr[i] == '\n';
	assert_int_equal(lines, (qr.side + 2 * QR_QUIET + 1) / 2);
	assert_memory_equal(text.ptr, "\033[38;5;16;48;5;231m ", 20);
	buf_clear(&text);
	qr_write_text(&qr, false, &text);
	assert_null(memchr(text.ptr, '\033', text.len));
	buf_fini(&text);
	qr_fini(&qr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_code_has_its_finders),
		cmocka_unit_test(a_text_has_bounds),
		cmocka_unit_test(a_png_is_made_of_its_chunks),
		cmocka_unit_test(a_terminal_gets_two_rows_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
