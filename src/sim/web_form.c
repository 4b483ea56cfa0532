/* SPDX-License-Identifier: Apache-2.0 */
#include "web_form.h"

#include <stdio.h>
#include <string.h>

#include "pomona/net/net.h"

/* From `what` on, in letters of any case; the length of `text` where it is not there. */
static size_t find(struct slice text, const char *what)
{
	size_t len = strlen(what);

	for (size_t at = 0; at + len <= text.len; at++)
		if (slice_is_str_nocase(slice_sub(text, at, len), what))
			return at;
	return text.len;
}

static void append_unescaped(struct buf *out, struct slice text)
{
	static const struct {
		const char *name;
		char byte;
	} entities[] = {{"&amp;", '&'}, {"&quot;", '"'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&#39;", '\''},
		{"&#34;", '"'}};

	while (text.len > 0) {
		size_t taken = 1;
		uint8_t byte = text.ptr[0];

		for (size_t i = 0; i < COUNT_OF(entities); i++)
			if (slice_has_prefix(text, entities[i].name)) {
				taken = strlen(entities[i].name);
				byte = (uint8_t)entities[i].byte;
			}
		buf_append_byte(out, byte);
		text = slice_sub(text, taken, text.len);
	}
}

/* Of a tag name="value"; false: it has none of that name. */
static bool attribute(struct slice tag, const char *name, struct buf *out)
{
	char begin[32];
	size_t at, end;

	(void)snprintf(begin, sizeof(begin), " %s=\"", name);
	at = find(tag, begin);
	tag = slice_sub(tag, at + strlen(begin), tag.len);
	buf_clear(out);
	if (!slice_find_byte(tag, '"', &end))
		return false;
	append_unescaped(out, slice_sub(tag, 0, end));
	return out->rc == RC_OK;
}

/* The next tag of that name, without its end; *rest goes behind it. */
static bool next_tag(struct slice *rest, const char *name, struct slice *tag_r)
{
	size_t at = find(*rest, name), end;

	*rest = slice_sub(*rest, at, rest->len);
	if (!slice_find_byte(*rest, '>', &end))
		return false;
	*tag_r = slice_sub(*rest, 0, end);
	*rest = slice_sub(*rest, end, rest->len);
	return true;
}

/* "https://h/x" as it is, "/x" on the page's host, "x" beside the page, "" the page itself. */
static void append_action(const char *page_url, struct slice action, struct buf *out)
{
	const char *scheme_end = strstr(page_url, "://");
	size_t len = scheme_end == NULL ? 0 : (size_t)(scheme_end - page_url) + 3;
	const size_t path = len + strcspn(page_url + len, "/?#");
	const size_t path_end = path + strcspn(page_url + path, "?#");

	if (slice_has_prefix(action, "https://")) {
		buf_append(out, action);
		return;
	}
	for (len = path_end; len > path && page_url[len - 1] != '/';)
		len--;
	if (action.len == 0)
		len = path_end;
	else if (action.ptr[0] == '/')
		len = path;
	buf_append(out, slice_of(page_url, len));
	if (len == path && (action.len == 0 || action.ptr[0] != '/'))
		buf_append_byte(out, '/');
	buf_append(out, action);
}

struct typing {
	const struct web_filling *filling;
	struct buf *body;
	size_t typed, seen;
};

static void type_field(struct typing *typing, struct slice name, struct slice value)
{
	const struct web_filling *filling = typing->filling;

	for (size_t i = 0; i < filling->count; i++)
		if (slice_is_str(name, filling->fields[i].name)) {
			value = slice_of_str(filling->fields[i].value);
			typing->typed++;
		}
	if (typing->body->len > 0)
		buf_append_byte(typing->body, '&');
	net_url_append(typing->body, name);
	buf_append_byte(typing->body, '=');
	net_url_append(typing->body, value);
	typing->seen++;
}

static void type_all(struct typing *typing, struct slice form)
{
	AUTO(buf_fini) struct buf name;
	AUTO(buf_fini) struct buf value;
	struct slice tag;

	buf_init(&name, WEB_FORM_TEXT_BYTES_MAX);
	buf_init(&value, WEB_FORM_TEXT_BYTES_MAX);
	while (typing->seen < WEB_FORM_FIELDS_MAX && next_tag(&form, "<input ", &tag)) {
		if (!attribute(tag, "name", &name))
			continue;
		if (!attribute(tag, "value", &value))
			buf_clear(&value);
		type_field(typing, buf_slice(&name), buf_slice(&value));
	}
}

enum rc web_form_fill(const struct web_filling *filling, struct buf *action, struct buf *body,
	struct err *err)
{
	struct typing typing = {.filling = filling, .body = body};
	struct slice form = filling->page;
	AUTO(buf_fini) struct buf text;
	struct slice tag;

	buf_init(&text, WEB_FORM_TEXT_BYTES_MAX);
	if (!next_tag(&form, "<form", &tag))
		return err_set(err, RC_INVALID, "the page has no form");
	(void)attribute(tag, "action", &text);
	append_action(filling->url, buf_slice(&text), action);
	type_all(&typing, slice_sub(form, 0, find(form, "</form")));
	if (typing.typed != filling->count)
		return err_set(err, RC_INVALID, "the page's form has not the fields of a login");
	if (buf_status(action, "form", err) != RC_OK)
		return action->rc;
	return buf_status(body, "form", err);
}
