/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include <stdlib.h>
#include <string.h>

enum { TEST_BYTES_MAX = 256 << 20 };

struct plist_doc *parse_as(struct slice bytes, enum rc rc, const char *words)
{
	struct plist_doc *doc = NULL;
	struct err err = {.rc = RC_OK, .text = ""};
	enum rc got = plist_parse(bytes, &doc, &err);

	if (got != rc)
		fail_msg("%s (%s), want %s", rc_name(got), err.text, rc_name(rc));
	assert_true((doc != NULL) == (rc == RC_OK));
	if (rc != RC_OK) {
		assert_int_equal(err.rc, rc);
		assert_null(strchr(err.text, '\n'));
		if (strstr(err.text, words) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", err.text, words);
	}
	return doc;
}

char *written(const struct plist_doc *doc)
{
	AUTO(buf_fini) struct buf out = {0};
	struct err err = {.text = ""};
	const char *text;
	const char *from;
	char *to;

	buf_init(&out, TEST_BYTES_MAX);
	if (plist_write_xml(doc, &out, &err) != RC_OK)
		fail_msg("%s", err.text);
	text = buf_cstr(&out);
	assert_non_null(text);
	from = strstr(text, "<plist version=\"1.0\">\n");
	assert_non_null(from);
	from += strlen("<plist version=\"1.0\">\n");
	to = strndup(from, strlen(from) - strlen("</plist>\n"));
	assert_non_null(to);
	return to;
}

void assert_writes(struct slice bytes, const char *xml)
{
	struct plist_doc *doc = parse_as(bytes, RC_OK, "");
	char *got = written(doc);

	assert_string_equal(got, xml);
	free(got);
	plist_doc_free(&doc);
}

void binary_init(struct binary *binary)
{
	buf_init(&binary->bytes, TEST_BYTES_MAX);
	buf_append_str(&binary->bytes, "bplist00");
	binary->count = 0;
}

void binary_object(struct binary *binary, struct slice bytes)
{
	assert_true(binary->count < COUNT_OF(binary->offsets));
	binary->offsets[binary->count++] = binary->bytes.len;
	buf_append(&binary->bytes, bytes);
}

static void append_number(struct buf *out, uint64_t value, unsigned bytes)
{
	while (bytes-- > 0)
		buf_append_byte(out, (uint8_t)(value >> 8 * bytes));
}

struct slice binary_finish(struct binary *binary, size_t root)
{
	size_t table_at = binary->bytes.len;

	for (size_t i = 0; i < binary->count; i++)
		append_number(&binary->bytes, binary->offsets[i], 2);
	append_number(&binary->bytes, 0, 6);
	append_number(&binary->bytes, 2, 1);
	append_number(&binary->bytes, 1, 1);
	append_number(&binary->bytes, binary->count, 8);
	append_number(&binary->bytes, root, 8);
	append_number(&binary->bytes, table_at, 8);
	return buf_slice(&binary->bytes);
}

void binary_fini(struct binary *binary)
{
	buf_fini(&binary->bytes);
}
