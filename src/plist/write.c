/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/plist/plist.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "date.h"
#include "doc.h"
#include "pomona/base/codec.h"
#include "text.h"

/*
 * libplist's own writer knows no bound, ends the program where memory is short, writes what XML
 * cannot carry, and gives years before 1000 fewer digits than a date has. This one asks for
 * nothing but the buffer.
 */

struct level {
	const struct plist_node *node;
	void *iter;   /* owned */
	char *key;    /* owned; of the entry being written, NULL in an array */
	size_t entry; /* its number, from 1 */
};

struct writer {
	struct buf *out;
	struct level open[PLIST_DEPTH_MAX];
	unsigned depth;
	struct err *err;
};

int64_t plist_date_cut(int64_t unix_s)
{
	static const int64_t first = -62135596800; /* 0001-01-01T00:00:00Z */
	static const int64_t last = 253402300799;  /* 9999-12-31T23:59:59Z */

	return unix_s < first ? first : unix_s > last ? last : unix_s;
}

void plist_date_format(int64_t unix_s, char out[static PLIST_DATE_TEXT_BYTES])
{
	time_t when = (time_t)plist_date_cut(unix_s);
	struct tm tm;

	(void)gmtime_r(&when, &tm);
	(void)snprintf(out, PLIST_DATE_TEXT_BYTES, "%04u-%02u-%02uT%02u:%02u:%02uZ",
		(unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
		(unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
		(unsigned)tm.tm_sec % 100);
}

static const char *escape_of(uint8_t c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	default: /* a carriage return, of which a reader of XML would make a newline */
		return "&#13;";
	}
}

static void append_escaped(struct buf *out, struct slice text)
{
	while (text.len > 0) {
		size_t len = 0;

		while (len < text.len && text.ptr[len] != '&' && text.ptr[len] != '<' && text.ptr[len] != '>' &&
			text.ptr[len] != '\r')
			len++;
		buf_append(out, slice_sub(text, 0, len));
		if (len == text.len)
			return;
		buf_append_str(out, escape_of(text.ptr[len]));
		text = slice_sub(text, len + 1, text.len);
	}
}

static enum rc write_string(struct writer *writer, const struct plist_node *node)
{
	struct slice text = plist_string(node);

	if (!utf8_is_xml_text(text))
		return err_set(writer->err, RC_INVALID, "text has characters that XML cannot carry");
	buf_append_str(writer->out, "<string>");
	append_escaped(writer->out, text);
	buf_append_str(writer->out, "</string>\n");
	return RC_OK;
}

static enum rc write_data(struct writer *writer, const struct plist_node *node)
{
	buf_append_str(writer->out, "<data>");
	base64_encode(plist_data(node), writer->out);
	buf_append_str(writer->out, "</data>\n");
	return RC_OK;
}

static enum rc write_bool(struct writer *writer, const struct plist_node *node)
{
	buf_append_str(writer->out, plist_bool(node) ? "<true/>\n" : "<false/>\n");
	return RC_OK;
}

static enum rc write_integer(struct writer *writer, const struct plist_node *node)
{
	bool is_unsigned;
	int64_t value = plist_integer(node, &is_unsigned);

	if (is_unsigned)
		buf_printf(writer->out, "<integer>%llu</integer>\n", (unsigned long long)value);
	else
		buf_printf(writer->out, "<integer>%lld</integer>\n", (long long)value);
	return RC_OK;
}

/* The fewest digits that read back as the same number. */
static enum rc write_real(struct writer *writer, const struct plist_node *node)
{
	double value = plist_real(node);
	char text[32];

	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) >= value && strtod(text, NULL) <= value)
			break;
	}
	if (isnan(value))
		(void)snprintf(text, sizeof(text), "nan");
	else if (isinf(value))
		(void)snprintf(text, sizeof(text), "%cinfinity", value > 0 ? '+' : '-');
	buf_printf(writer->out, "<real>%s</real>\n", text);
	return RC_OK;
}

static enum rc write_date(struct writer *writer, const struct plist_node *node)
{
	char text[PLIST_DATE_TEXT_BYTES];

	plist_date_format(plist_date_unix_s(node), text);
	buf_printf(writer->out, "<date>%s</date>\n", text);
	return RC_OK;
}

/* XML has no such kind; this is the form that Apple's tools give it. */
static enum rc write_uid(struct writer *writer, const struct plist_node *node)
{
	buf_printf(writer->out, "<dict>\n<key>CF$UID</key>\n<integer>%lld</integer>\n</dict>\n",
		(long long)plist_integer(node, NULL));
	return RC_OK;
}

static enum rc enter(struct writer *writer, const struct plist_node *node)
{
	struct level *level = &writer->open[writer->depth];

	if (writer->depth == PLIST_DEPTH_MAX)
		return err_set(writer->err, RC_LIMIT, "nested deeper than %d", PLIST_DEPTH_MAX);
	*level = (struct level){.node = node, .iter = plist_native_iter_new(node)};
	if (level->iter == NULL)
		return err_set(writer->err, RC_NO_MEMORY, "memory is short");
	writer->depth++;
	buf_append_str(writer->out, plist_kind(node) == PLIST_KIND_DICT ? "<dict>\n" : "<array>\n");
	return RC_OK;
}

static enum rc write_value(struct writer *writer, const struct plist_node *node)
{
	static enum rc (*const writers[])(struct writer * writer, const struct plist_node *node) = {
		[PLIST_KIND_DICT] = enter,
		[PLIST_KIND_ARRAY] = enter,
		[PLIST_KIND_STRING] = write_string,
		[PLIST_KIND_DATA] = write_data,
		[PLIST_KIND_BOOL] = write_bool,
		[PLIST_KIND_INTEGER] = write_integer,
		[PLIST_KIND_REAL] = write_real,
		[PLIST_KIND_DATE] = write_date,
		[PLIST_KIND_UID] = write_uid,
	};

	return writers[plist_kind(node)](writer, node);
}

static enum rc write_key(struct writer *writer, const char *key)
{
	if (!utf8_is_xml_text(slice_of_str(key)))
		return err_set(writer->err, RC_INVALID, "a key has characters that XML cannot carry");
	buf_append_str(writer->out, "<key>");
	append_escaped(writer->out, slice_of_str(key));
	buf_append_str(writer->out, "</key>\n");
	return RC_OK;
}

static void leave(struct writer *writer)
{
	struct level *level = &writer->open[--writer->depth];

	plist_native_iter_free(&level->iter);
	free(level->key);
}

/* The next entry of the innermost container, or its end. */
static enum rc step(struct writer *writer)
{
	struct level *level = &writer->open[writer->depth - 1];
	struct plist_node *value;
	enum rc rc = RC_OK;

	free(level->key);
	level->entry++;
	if (!plist_native_iter_next(level->node, level->iter, &level->key, &value)) {
		buf_append_str(writer->out,
			plist_kind(level->node) == PLIST_KIND_DICT ? "</dict>\n" : "</array>\n");
		leave(writer);
		return RC_OK;
	}
	if (level->key != NULL)
		rc = write_key(writer, level->key);
	return rc == RC_OK ? write_value(writer, value) : rc;
}

/* Where the fault is, from the inside out. */
static void name_place(struct writer *writer)
{
	for (unsigned i = writer->depth; i > 0; i--) {
		const struct level *level = &writer->open[i - 1];
		struct slice key = plist_text_head(slice_of_str(level->key));

		if (utf8_is_xml_text(key) && key.len > 0)
			(void)err_context(writer->err, "%.*s", SLICE_FMT(key));
		else if (level->entry > 0)
			(void)err_context(writer->err, "entry %zu", level->entry);
	}
}

static enum rc write_root(struct writer *writer, const struct plist_node *root)
{
	enum rc rc = write_value(writer, root);

	while (rc == RC_OK && writer->depth > 0 && writer->out->rc == RC_OK)
		rc = step(writer);
	if (rc != RC_OK)
		name_place(writer);
	while (writer->depth > 0)
		leave(writer);
	return rc;
}

enum rc plist_write_xml(const struct plist_doc *doc, struct buf *out, struct err *err)
{
	struct err unwanted = {0};
	struct writer writer = {.out = out, .depth = 0, .err = err == NULL ? &unwanted : err};
	enum rc rc;

	buf_append_str(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
		"\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
		"<plist version=\"1.0\">\n");
	rc = write_root(&writer, doc->root);
	if (rc != RC_OK)
		return err_context(writer.err, "property list");
	buf_append_str(out, "</plist>\n");
	return buf_status(out, "property list", err);
}
