/* SPDX-License-Identifier: Apache-2.0 */
#include "page.h"

#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/pki/cert.h"

/* The policy allows this one by its digest and no other. Contrast is 4.5 to 1 or more in both schemes (WCAG 1.4.3). */
static const char style[] =
	":root{color-scheme:light dark;--back:#f2f2f6;--card:#fff;--ink:#1b1b1f;--soft:#56565e;--line:#d6d6dd;"
	"--edge:#85858f;--go:#0056c7;--go-ink:#fff;--bad:#a50e0e;--bad-back:#fdecec}"
	"@media(prefers-color-scheme:dark){:root{--back:#101013;--card:#1d1d21;--ink:#f3f3f6;--soft:#b0b0ba;"
	"--line:#3a3a41;--edge:#85858f;--go:#8ab8ff;--go-ink:#071c3d;--bad:#ffb4ae;--bad-back:#3b1513}}"
	"*{box-sizing:border-box}"
	"html{-webkit-text-size-adjust:100%;text-size-adjust:100%}"
	"body{margin:0;padding:1.25rem 1rem 3rem;background:var(--back);color:var(--ink);"
	"font:1.0625rem/1.5 -apple-system,BlinkMacSystemFont,system-ui,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif}"
	"header,main{max-width:35rem;margin:0 auto;overflow-wrap:anywhere}"
	"header{padding:.25rem .25rem .75rem;color:var(--soft);font-weight:600}"
	"main{background:var(--card);border:1px solid var(--line);border-radius:1rem;padding:1.25rem}"
	"h1{margin:0 0 .75rem;font-size:1.625rem;line-height:1.2}"
	"h2{margin:1.75rem 0 .5rem;font-size:1.125rem;line-height:1.3}"
	"p{margin:0 0 .75rem}"
	"ul,ol{margin:0 0 .75rem;padding-left:1.5rem}"
	"li{margin:0 0 .375rem}"
	"li::marker{color:var(--soft)}"
	".small{color:var(--soft);font-size:.9375rem}"
	"dl{margin:0 0 .75rem;border-top:1px solid var(--line)}"
	"dl div{display:flex;flex-wrap:wrap;gap:0 1rem;padding:.5rem 0;border-bottom:1px solid var(--line)}"
	"dt{flex:0 0 6.5rem;color:var(--soft)}"
	"dd{flex:1 1 9rem;margin:0}"
	".alert{margin:0 0 1rem;padding:.75rem 1rem;border-left:.25rem solid var(--bad);border-radius:.5rem;"
	"background:var(--bad-back);color:var(--bad)}"
	"form{margin:1.25rem 0 0}"
	"label{display:block;margin:0 0 .25rem;font-weight:600}"
	"input{display:block;width:100%;min-height:3rem;margin:0 0 1rem;padding:.5rem .75rem;border:1px solid var(--edge);"
	"border-radius:.625rem;background:var(--card);color:var(--ink);font:inherit}"
	"button{display:block;width:100%;min-height:3.125rem;padding:.75rem 1rem;border:0;border-radius:.75rem;"
	"background:var(--go);color:var(--go-ink);font:inherit;font-weight:600;cursor:pointer}"
	"input:focus-visible,button:focus-visible,summary:focus-visible{outline:3px solid var(--go);outline-offset:3px}"
	"main>:last-child,li:last-child{margin-bottom:0}"
	"@media(min-width:40rem){body{padding-top:3rem}main{padding:2rem 2.25rem}button{width:auto;min-width:16rem}}";

void page_slice(struct buf *page, struct slice text)
{
	static const char *const escapes[UINT8_MAX + 1] =
		{['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;"};
	size_t begin = 0;

	for (size_t i = 0; i < text.len; i++) {
		const char *escape = escapes[text.ptr[i]];

		if (escape == NULL)
			continue;
		buf_append(page, slice_sub(text, begin, i - begin));
		buf_append_str(page, escape);
		begin = i + 1;
	}
	buf_append(page, slice_sub(text, begin, text.len - begin));
}

void page_text(struct buf *page, const char *text)
{
	page_slice(page, slice_of_str(text));
}

void page_html(struct buf *page, const char *html)
{
	buf_append_str(page, html);
}

/* `open` and `close` are literals of ours. */
static void wrap(struct buf *page, const char *open, const char *text, const char *close)
{
	page_html(page, open);
	page_text(page, text);
	page_html(page, close);
}

void page_open(struct buf *page, const char *title, const char *organization)
{
	buf_init(page, PAGE_BYTES_MAX);
	page_html(page,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<meta name=\"robots\" content=\"noindex\">\n<link rel=\"icon\" href=\"data:,\">\n");
	page_html(page, "<title>");
	page_text(page, title);
	if (organization[0] != '\0')
		wrap(page, " - ", organization, "");
	page_html(page, "</title>\n<style>");
	page_html(page, style);
	page_html(page, "</style>\n</head>\n<body>\n");
	if (organization[0] != '\0')
		wrap(page, "<header>", organization, "</header>\n");
	wrap(page, "<main>\n<h1>", title, "</h1>\n");
}

void page_heading(struct buf *page, const char *text)
{
	wrap(page, "<h2>", text, "</h2>\n");
}

void page_paragraph(struct buf *page, const char *text)
{
	wrap(page, "<p>", text, "</p>\n");
}

void page_small(struct buf *page, const char *text)
{
	wrap(page, "<p class=\"small\">", text, "</p>\n");
}

void page_list(struct buf *page, enum page_list kind, const char *const *items, size_t count)
{
	page_html(page, kind == PAGE_STEPS ? "<ol>\n" : "<ul>\n");
	for (size_t i = 0; i < count; i++)
		wrap(page, "<li>", items[i], "</li>\n");
	page_html(page, kind == PAGE_STEPS ? "</ol>\n" : "</ul>\n");
}

void page_facts_open(struct buf *page)
{
	page_html(page, "<dl>\n");
}

void page_fact(struct buf *page, const char *name, const char *value)
{
	wrap(page, "<div><dt>", name, "</dt>");
	wrap(page, "<dd>", value, "</dd></div>\n");
}

void page_facts_close(struct buf *page)
{
	page_html(page, "</dl>\n");
}

void page_alert(struct buf *page, const char *text)
{
	wrap(page, "<p class=\"alert\" role=\"alert\">", text, "</p>\n");
}

/* --- forms */

void page_form_open(struct buf *page, const char *action)
{
	wrap(page, "<form method=\"post\" action=\"", action, "\">\n");
}

void page_field(struct buf *page, const struct page_field *field)
{
	wrap(page, "<label for=\"", field->name, "\">");
	wrap(page, "", field->label, "</label>\n");
	wrap(page, "<input id=\"", field->name, "\" name=\"");
	wrap(page, "", field->name, "\" type=\"");
	page_html(page, field->is_password ? "password" : "text");
	wrap(page, "\" autocomplete=\"", field->autocomplete, "\"");
	buf_printf(page, " maxlength=\"%zu\"", field->chars_max);
	if (field->value != NULL)
		wrap(page, " value=\"", field->value, "\"");
	page_html(page, " autocapitalize=\"none\" spellcheck=\"false\" required>\n");
}

void page_hidden(struct buf *page, const char *name, const char *value)
{
	wrap(page, "<input type=\"hidden\" name=\"", name, "\"");
	wrap(page, " value=\"", value, "\">\n");
}

void page_button(struct buf *page, const char *text)
{
	wrap(page, "<button type=\"submit\">", text, "</button>\n");
}

void page_form_close(struct buf *page)
{
	page_html(page, "</form>\n");
}

void page_close(struct buf *page)
{
	page_html(page, "</main>\n</body>\n</html>\n");
}

/* --- sending */

void page_policy(const char *form_to, struct buf *out)
{
	uint8_t digest[SHA256_BYTES];

	sha256(slice_of_str(style), digest);
	buf_append_str(out, "default-src 'none'; style-src 'sha256-");
	base64_encode(slice_of(digest, sizeof(digest)), out);
	buf_append_str(out,
		"'; img-src data:; base-uri 'none'; frame-ancestors 'none'; form-action 'self'");
	if (form_to[0] != '\0')
		buf_printf(out, " %s", form_to);
}

void page_reply(struct http_request *request, unsigned status, struct buf *page,
	const char *form_to)
{
	AUTO(buf_fini) struct buf policy;
	const char *text;

	buf_init(&policy, PAGE_POLICY_BYTES_MAX);
	page_policy(form_to, &policy);
	text = buf_cstr(&policy);
	if (text == NULL || page->rc != RC_OK) {
		buf_fini(page);
		http_reply_header(request, "Retry-After", "5");
		http_reply_copy(request, 503, "text/plain; charset=utf-8", SLICE_LITERAL("come again later\n"));
		return;
	}
	http_reply_header(request, "Content-Security-Policy", text);
	http_reply_header(request, "Referrer-Policy", "no-referrer");
	http_reply_header(request, "X-Content-Type-Options", "nosniff");
	http_reply_header(request, "Cache-Control", "no-store");
	http_reply(request, status, PAGE_CONTENT_TYPE, page);
}

void page_say(struct http_request *request, unsigned status, const char *organization,
	const char *title, const char *text)
{
	struct buf page;

	page_open(&page, title, organization);
	page_paragraph(&page, text);
	page_close(&page);
	page_reply(request, status, &page, "");
}
