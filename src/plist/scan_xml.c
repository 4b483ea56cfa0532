/* SPDX-License-Identifier: Apache-2.0 */
#include "scan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pomona/plist/plist.h"
#include "text.h"

enum { NAME_BYTES_MAX = 16, RULE_BYTES = 160 };

struct container {
	bool is_dict;
	bool has_key;  /* a key waits for its value */
	uint32_t dict; /* the dictionary's number in the document */
	uint32_t entries;
	size_t mark; /* where its children begin among those that the list has waiting */
};

struct scan {
	struct slice in;
	size_t at;
	size_t nodes;
	uint32_t dicts;
	unsigned depth;
	struct container open[PLIST_DEPTH_MAX];
	struct keyset keys;
	struct buf text; /* of a string or key, where it is not in one piece */
	struct plist_emit *emit;
	struct err *err;
};

struct tag {
	size_t at;  /* of its '<' */
	size_t end; /* behind its '>' */
	struct slice name;
	bool is_empty; /* <name/> */
};

struct element {
	struct slice name;
	enum rc (*scan)(struct scan *scan, const struct element *element, const struct tag *tag);
	/* Of what has only a text. */
	enum rc (*emit)(struct slice text, struct plist_emit *emit, struct err *err);
};

PRINTF_LIKE(4, 5)
static enum rc fault(struct scan *scan, size_t at, enum rc rc, const char *format, ...)
{
	char rule[RULE_BYTES];
	size_t line = 1;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(rule, sizeof(rule), format, args);
	va_end(args);
	for (size_t i = 0; i < at && i < scan->in.len; i++)
		line += scan->in.ptr[i] == '\n';
	return err_set(scan->err, rc, "property list, line %zu: %s", line, rule);
}

static bool is_space(uint8_t byte)
{
	return byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r';
}

static struct slice rest(const struct scan *scan)
{
	return slice_of(scan->in.ptr + scan->at, scan->in.len - scan->at);
}

static bool is_next(const struct scan *scan, struct slice literal)
{
	return scan->in.len - scan->at >= literal.len &&
		memcmp(scan->in.ptr + scan->at, literal.ptr, literal.len) == 0;
}

static void skip_space(struct scan *scan)
{
	while (scan->at < scan->in.len && is_space(scan->in.ptr[scan->at]))
		scan->at++;
}

/* Steps behind the next `literal`, which begins `from` bytes on or later. */
static bool skip_behind(struct scan *scan, size_t from, const char *literal)
{
	struct slice where = slice_sub(rest(scan), from, SIZE_MAX);
	const uint8_t *found =
		where.len == 0 ? NULL : memmem(where.ptr, where.len, literal, strlen(literal));

	if (found == NULL)
		return false;
	scan->at = (size_t)(found - scan->in.ptr) + strlen(literal);
	return true;
}

static enum rc count_node(struct scan *scan)
{
	if (++scan->nodes > PLIST_NODES_MAX)
		return fault(scan, scan->at, RC_LIMIT, "more than %d nodes", PLIST_NODES_MAX);
	return RC_OK;
}

static enum rc skip_comment(struct scan *scan)
{
	size_t at = scan->at;

	if (!skip_behind(scan, sizeof("<!--") - 1, "-->"))
		return fault(scan, at, RC_INVALID, "comment without an end");
	return RC_OK;
}

static enum rc skip_space_and_comments(struct scan *scan)
{
	for (;;) {
		enum rc rc = RC_OK;

		skip_space(scan);
		if (!is_next(scan, SLICE_LITERAL("<!--")))
			return RC_OK;
		rc = skip_comment(scan);
		if (rc != RC_OK)
			return rc;
	}
}

/* The declaration may be left out; where it names an encoding, that must be the one we read. */
static enum rc scan_declaration(struct scan *scan)
{
	static const char *const encodings[] = {"utf-8", "us-ascii"};
	size_t at = scan->at;
	struct slice text;
	const uint8_t *found;

	if (!is_next(scan, SLICE_LITERAL("<?xml")))
		return RC_OK;
	if (!skip_behind(scan, 0, "?>"))
		return fault(scan, at, RC_INVALID, "XML declaration without an end");
	text = slice_of(scan->in.ptr + at, scan->at - at);
	found = memmem(text.ptr, text.len, "encoding", sizeof("encoding") - 1);
	if (found == NULL)
		return RC_OK;
	text = slice_sub(text, (size_t)(found - text.ptr) + sizeof("encoding") - 1, text.len);
	while (text.len > 0 && (is_space(text.ptr[0]) || strchr("=\"'", text.ptr[0]) != NULL))
		text = slice_sub(text, 1, text.len);
	for (size_t i = 0; i < COUNT_OF(encodings); i++)
		if (slice_is_str_nocase(slice_sub(text, 0, strlen(encodings[i])), encodings[i]))
			return RC_OK;
	return fault(scan, at, RC_INVALID, "encoding other than UTF-8");
}

/*
 * From a '<' on: steps behind the '>' which is outside of quotes; false where there is none, or
 * `forbidden` before it.
 */
static bool skip_markup(struct scan *scan, uint8_t forbidden)
{
	uint8_t quote = 0;

	for (scan->at++; scan->at < scan->in.len; scan->at++) {
		uint8_t byte = scan->in.ptr[scan->at];

		if (quote != 0)
			quote = byte == quote ? 0 : quote;
		else if (byte == '"' || byte == '\'')
			quote = byte;
		else if (byte == forbidden)
			return false;
		else if (byte == '>')
			break;
	}
	if (scan->at == scan->in.len)
		return false;
	scan->at++;
	return true;
}

static enum rc scan_doctype(struct scan *scan)
{
	size_t at = scan->at;

	if (!is_next(scan, SLICE_LITERAL("<!DOCTYPE")))
		return RC_OK;
	if (!skip_markup(scan, '['))
		return fault(scan, at, RC_INVALID, "DOCTYPE with a DTD inside or without an end");
	return skip_space_and_comments(scan);
}

static enum rc scan_prolog(struct scan *scan)
{
	size_t at;
	enum rc rc;

	if (is_next(scan, SLICE_LITERAL("\xEF\xBB\xBF")))
		scan->at += 3;
	skip_space(scan);
	rc = scan_declaration(scan);
	if (rc == RC_OK)
		rc = skip_space_and_comments(scan);
	if (rc == RC_OK)
		rc = scan_doctype(scan);
	if (rc != RC_OK)
		return rc;
	at = scan->at;
	if (!is_next(scan, SLICE_LITERAL("<plist")) || !skip_markup(scan, '<'))
		return fault(scan, at, RC_INVALID, "want the element plist");
	if (at + sizeof("<plist") - 1 < scan->at - 1 && !is_space(scan->in.ptr[at + sizeof("<plist") - 1]))
		return fault(scan, at, RC_INVALID, "want the element plist");
	return skip_space_and_comments(scan);
}

static enum rc scan_epilog(struct scan *scan)
{
	size_t at = scan->at;
	enum rc rc = skip_space_and_comments(scan);

	if (rc != RC_OK)
		return rc;
	if (!is_next(scan, SLICE_LITERAL("</plist")))
		return fault(scan, at, RC_INVALID, "want one value and </plist>");
	scan->at += sizeof("</plist") - 1;
	skip_space(scan);
	if (!is_next(scan, SLICE_LITERAL(">")))
		return fault(scan, at, RC_INVALID, "want one value and </plist>");
	scan->at++;
	rc = skip_space_and_comments(scan);
	if (rc != RC_OK)
		return rc;
	if (scan->at != scan->in.len)
		return fault(scan, scan->at, RC_INVALID, "something behind </plist>");
	return RC_OK;
}

/* Reads "<name>", "<name/>", or with `opener` "</" "</name>". */
static enum rc scan_tag(struct scan *scan, struct slice opener, struct tag *tag)
{
	size_t name_at = scan->at + opener.len;

	tag->at = scan->at;
	if (!is_next(scan, opener))
		return fault(scan, tag->at, RC_INVALID, "want %.*s, found %s", SLICE_FMT(opener),
			scan->at == scan->in.len ? "the end" : "something else");
	scan->at = name_at;
	while (scan->at < scan->in.len && scan->in.ptr[scan->at] >= 'a' && scan->in.ptr[scan->at] <= 'z' &&
		scan->at - name_at < NAME_BYTES_MAX)
		scan->at++;
	tag->name = slice_of(scan->in.ptr + name_at, scan->at - name_at);
	skip_space(scan);
	tag->is_empty = is_next(scan, SLICE_LITERAL("/>"));
	if (!tag->is_empty && !is_next(scan, SLICE_LITERAL(">")))
		return fault(scan, tag->at, RC_INVALID, "no element of a property list, or one with attributes");
	scan->at += tag->is_empty ? 2 : 1;
	tag->end = scan->at;
	return RC_OK;
}

static enum rc scan_end_tag(struct scan *scan, struct slice name)
{
	struct tag tag = {.at = 0};
	enum rc rc = scan_tag(scan, SLICE_LITERAL("</"), &tag);

	if (rc != RC_OK)
		return rc;
	if (tag.is_empty || !slice_is_equal(tag.name, name))
		return fault(scan, tag.at, RC_INVALID, "want </%.*s>", SLICE_FMT(name));
	return RC_OK;
}

/* Text up to the next '<'. */
static struct slice take_run(struct scan *scan)
{
	struct slice run = rest(scan);

	(void)slice_find_byte(run, '<', &run.len);
	scan->at += run.len;
	return run;
}

/* Appends a run of plain text and references. */
static enum rc add_run(struct scan *scan, struct slice run)
{
	enum rc rc = plist_scan_unescape(run, &scan->text, scan->err);

	return rc == RC_OK ? rc : fault(scan, scan->at, rc, "%s", scan->err->text);
}

static enum rc add_cdata(struct scan *scan)
{
	size_t at = scan->at + sizeof("<![CDATA[") - 1;

	if (!skip_behind(scan, sizeof("<![CDATA[") - 1, "]]>"))
		return fault(scan, at, RC_INVALID, "CDATA without an end");
	buf_append(&scan->text, slice_of(scan->in.ptr + at, scan->at - 3 - at));
	return RC_OK;
}

/*
 * The text of <string> or <key> and its end tag. Most texts are one run without a reference, and
 * stay where they are; others are put together in scan->text. Borrowed until the next text.
 */
static enum rc scan_text(struct scan *scan, struct slice name, struct slice *text_r)
{
	struct slice run = take_run(scan);
	size_t at;
	enum rc rc = RC_OK;

	*text_r = run;
	if (is_next(scan, SLICE_LITERAL("</")) && !slice_find_byte(run, '&', &at))
		return scan_end_tag(scan, name);
	buf_clear(&scan->text);
	rc = add_run(scan, run);
	while (rc == RC_OK && !is_next(scan, SLICE_LITERAL("</"))) {
		if (is_next(scan, SLICE_LITERAL("<!--")))
			rc = skip_comment(scan);
		else if (is_next(scan, SLICE_LITERAL("<![CDATA[")))
			rc = add_cdata(scan);
		else
			return scan_end_tag(scan, name); /* which says what is wrong */
		if (rc == RC_OK)
			rc = add_run(scan, take_run(scan));
	}
	*text_r = buf_slice(&scan->text);
	if (rc == RC_OK)
		rc = buf_status(&scan->text, "property list: text", scan->err);
	return rc == RC_OK ? scan_end_tag(scan, name) : rc;
}

static enum rc scan_string(struct scan *scan, const struct element *element, const struct tag *tag)
{
	struct slice text = slice_of(NULL, 0);
	enum rc rc = tag->is_empty ? RC_OK : scan_text(scan, element->name, &text);

	if (rc == RC_OK)
		plist_emit_string(scan->emit, text);
	return rc;
}

static enum rc enter_key(struct scan *scan, size_t at, struct slice key)
{
	struct container *dict = &scan->open[scan->depth - 1];
	enum rc rc;

	if (key.len > PLIST_KEY_BYTES_MAX)
		return fault(scan, at, RC_LIMIT, "a key longer than %d bytes", PLIST_KEY_BYTES_MAX);
	if (++dict->entries > PLIST_DICT_ENTRIES_MAX)
		return fault(scan, at, RC_LIMIT, "a dictionary of more than %d entries", PLIST_DICT_ENTRIES_MAX);
	dict->has_key = true;
	rc = plist_keyset_add(&scan->keys, dict->dict, key);
	if (rc == RC_NO_MEMORY)
		return fault(scan, at, rc, "memory is short");
	if (rc != RC_OK)
		return fault(scan, at, RC_INVALID, "key \"%.*s\" twice in one dictionary",
			SLICE_FMT(plist_text_head(key)));
	plist_emit_string(scan->emit, key);
	return RC_OK;
}

static enum rc scan_key(struct scan *scan, const struct element *element, const struct tag *tag)
{
	struct container *parent = scan->depth == 0 ? NULL : &scan->open[scan->depth - 1];
	struct slice key = slice_of(NULL, 0);
	enum rc rc = RC_OK;

	if (parent == NULL || !parent->is_dict || parent->has_key)
		return fault(scan, tag->at, RC_INVALID, "a key where a value belongs");
	if (!tag->is_empty)
		rc = scan_text(scan, element->name, &key);
	return rc == RC_OK ? enter_key(scan, tag->at, key) : rc;
}

/* An element that has one text which must be of a form: no comment, no CDATA, no reference. */
static enum rc scan_scalar(struct scan *scan, const struct element *element, const struct tag *tag)
{
	struct slice run = tag->is_empty ? slice_of(NULL, 0) : take_run(scan);
	struct slice text = slice_trim(run);
	enum rc rc = element->emit(text, scan->emit, scan->err);

	if (rc != RC_OK)
		return fault(scan, tag->at, rc, "%.*s: %s", SLICE_FMT(element->name), scan->err->text);
	return tag->is_empty ? RC_OK : scan_end_tag(scan, element->name);
}

static enum rc emit_bool(struct slice text, bool value, struct plist_emit *emit, struct err *err)
{
	plist_emit_bool(emit, value);
	return text.len == 0 ? RC_OK : err_set(err, RC_INVALID, "must be empty");
}

static enum rc emit_true(struct slice text, struct plist_emit *emit, struct err *err)
{
	return emit_bool(text, true, emit, err);
}

static enum rc emit_false(struct slice text, struct plist_emit *emit, struct err *err)
{
	return emit_bool(text, false, emit, err);
}

static enum rc enter_container(struct scan *scan, const struct tag *tag, bool is_dict)
{
	size_t mark = plist_emit_mark(scan->emit);

	if (tag->is_empty) {
		plist_emit_container(scan->emit, is_dict, mark);
		return RC_OK;
	}
	if (scan->depth == PLIST_DEPTH_MAX)
		return fault(scan, tag->at, RC_LIMIT, "nested deeper than %d", PLIST_DEPTH_MAX);
	scan->open[scan->depth++] =
		(struct container){.is_dict = is_dict, .dict = scan->dicts, .mark = mark};
	scan->dicts += is_dict;
	return RC_OK;
}

static enum rc scan_dict(struct scan *scan, const struct element *element, const struct tag *tag)
{
	(void)element;
	return enter_container(scan, tag, true);
}

static enum rc scan_array(struct scan *scan, const struct element *element, const struct tag *tag)
{
	(void)element;
	return enter_container(scan, tag, false);
}

static const struct element elements[] = {
	/* The commonest first. */
	{SLICE_LITERAL("key"), scan_key, NULL},
	{SLICE_LITERAL("string"), scan_string, NULL},
	{SLICE_LITERAL("dict"), scan_dict, NULL},
	{SLICE_LITERAL("integer"), scan_scalar, plist_scan_integer},
	{SLICE_LITERAL("true"), scan_scalar, emit_true},
	{SLICE_LITERAL("false"), scan_scalar, emit_false},
	{SLICE_LITERAL("data"), scan_scalar, plist_scan_data},
	{SLICE_LITERAL("array"), scan_array, NULL},
	{SLICE_LITERAL("date"), scan_scalar, plist_scan_date},
	{SLICE_LITERAL("real"), scan_scalar, plist_scan_real},
};

static enum rc scan_element(struct scan *scan)
{
	struct container *parent = scan->depth == 0 ? NULL : &scan->open[scan->depth - 1];
	const struct element *element = NULL;
	struct tag tag = {.at = 0};
	enum rc rc = scan_tag(scan, SLICE_LITERAL("<"), &tag);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; element == NULL && i < COUNT_OF(elements); i++)
		if (slice_is_equal(tag.name, elements[i].name))
			element = &elements[i];
	if (element == NULL)
		return fault(scan, tag.at, RC_INVALID, "no element of a property list: %.*s",
			SLICE_FMT(tag.name));
	rc = count_node(scan);
	if (rc != RC_OK)
		return rc;
	if (parent != NULL && parent->is_dict && element->scan != scan_key) {
		if (!parent->has_key)
			return fault(scan, tag.at, RC_INVALID, "a value without a key");
		parent->has_key = false;
	}
	return element->scan(scan, element, &tag);
}

static enum rc leave_container(struct scan *scan)
{
	struct container *container = &scan->open[scan->depth - 1];

	if (container->has_key)
		return fault(scan, scan->at, RC_INVALID, "a key without a value");
	scan->depth--;
	plist_emit_container(scan->emit, container->is_dict, container->mark);
	return scan_end_tag(scan, container->is_dict ? SLICE_LITERAL("dict") : SLICE_LITERAL("array"));
}

static enum rc scan_value(struct scan *scan)
{
	enum rc rc;

	do {
		rc = skip_space_and_comments(scan);
		if (rc != RC_OK)
			return rc;
		if (scan->depth > 0 && is_next(scan, SLICE_LITERAL("</")))
			rc = leave_container(scan);
		else
			rc = scan_element(scan);
	} while (rc == RC_OK && scan->depth > 0);
	return rc;
}

static enum rc scan_document(struct scan *scan)
{
	enum rc rc = scan_prolog(scan);

	if (rc == RC_OK)
		rc = scan_value(scan);
	return rc == RC_OK ? scan_epilog(scan) : rc;
}

enum rc plist_scan_xml(struct slice in, struct plist_emit *emit, struct err *err)
{
	struct scan scan;
	size_t at = 0;
	enum rc rc;

	scan.in = in;
	scan.at = 0;
	scan.nodes = 0;
	scan.dicts = 0;
	scan.depth = 0;
	scan.emit = emit;
	scan.err = err;
	rc = plist_scan_chars(in, &at, err);
	if (rc != RC_OK)
		return fault(&scan, at, rc, "%s", err->text);
	buf_init(&scan.text, in.len); /* a reference is never shorter than its character */
	plist_keyset_init(&scan.keys);
	rc = scan_document(&scan);
	plist_keyset_fini(&scan.keys);
	buf_fini_secret(&scan.text);
	return rc;
}
