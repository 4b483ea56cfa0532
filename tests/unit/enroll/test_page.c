/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "page.h"
#include "pomona/base/codec.h"
#include "pomona/pki/cert.h"

#define HOSTILE "\"><script>alert('x')</script>&"
#define HARMLESS "&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;"

static void write_all(struct buf *page, const char *text)
{
	const struct page_field field = {.name = "name",
		.label = text,
		.value = text,
		.autocomplete = "username",
		.chars_max = 255};
	const char *const items[] = {text, "plain"};

	page_open(page, text, text);
	page_heading(page, text);
	page_paragraph(page, text);
	page_small(page, text);
	page_alert(page, text);
	page_list(page, PAGE_LIST, items, COUNT_OF(items));
	page_list(page, PAGE_STEPS, items, COUNT_OF(items));
	page_facts_open(page);
	page_fact(page, text, text);
	page_facts_close(page);
	page_form_open(page, text);
	page_field(page, &field);
	page_hidden(page, "kept", text);
	page_button(page, text);
	page_form_close(page);
	page_close(page);
}

static size_t count(const char *text, const char *wanted)
{
	size_t found = 0;

	for (const char *at = text; (at = strstr(at, wanted)) != NULL; at += strlen(wanted))
		found++;
	return found;
}

static void what_is_not_ours_has_no_meaning_in_a_page(void **state)
{
	struct buf page;
	const char *html;

	(void)state;
	write_all(&page, HOSTILE);
	html = buf_cstr(&page);
	assert_non_null(html);
	assert_null(strstr(html, "<script"));
	assert_null(strstr(html, HOSTILE));
	assert_int_equal(count(html, HARMLESS), 17);
	buf_fini(&page);
}

static void a_page_has_what_phones_and_screen_readers_need(void **state)
{
	static const char *const wanted[] = {"<!DOCTYPE html>\n<html lang=\"en\">",
		"<meta charset=\"utf-8\">", "name=\"viewport\" content=\"width=device-width",
		"<title>Hello - Orchard</title>", "<header>Orchard</header>", "<h1>Hello</h1>",
		"</main>\n</body>\n</html>\n"};
	struct buf page;
	const char *html;

	(void)state;
	page_open(&page, "Hello", "Orchard");
	page_close(&page);
	html = buf_cstr(&page);
	for (size_t i = 0; i < COUNT_OF(wanted); i++)
		if (strstr(html, wanted[i]) == NULL)
			fail_msg("no %s", wanted[i]);
	buf_fini(&page);
	page_open(&page, "Hello", "");
	assert_null(strstr(buf_cstr(&page), "<header>"));
	buf_fini(&page);
}

/* A label stands for its input, and a browser knows which of them is the password. */
static void a_field_has_its_label(void **state)
{
	const struct page_field field = {.name = "password",
		.label = "Password",
		.autocomplete = "current-password",
		.chars_max = 1024,
		.is_password = true};
	struct buf page;
	const char *html;

	(void)state;
	page_open(&page, "Hello", "");
	page_field(&page, &field);
	html = buf_cstr(&page);
	assert_non_null(strstr(html, "<label for=\"password\">Password</label>"));
	assert_non_null(strstr(html,
		"<input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" "
		"maxlength=\"1024\""));
	assert_null(strstr(html, " value="));
	buf_fini(&page);
}

/* A browser takes the style by the digest of what stands between its tags, to the byte. */
static void the_policy_allows_the_style_that_is_there_and_nothing_else(void **state)
{
	AUTO(buf_fini) struct buf page;
	AUTO(buf_fini) struct buf wanted;
	AUTO(buf_fini) struct buf policy;
	uint8_t digest[SHA256_BYTES];
	const char *begin;

	(void)state;
	buf_init(&wanted, PAGE_POLICY_BYTES_MAX);
	buf_init(&policy, PAGE_POLICY_BYTES_MAX);
	page_open(&page, "Hello", "Orchard");
	begin = strstr(buf_cstr(&page), "<style>");
	assert_non_null(begin);
	begin += strlen("<style>");
	sha256(slice_of(begin, (size_t)(strstr(begin, "</style>") - begin)), digest);
	buf_append_str(&wanted, "default-src 'none'; style-src 'sha256-");
	base64_encode(slice_of(digest, sizeof(digest)), &wanted);
	buf_append_str(&wanted,
		"'; img-src data:; base-uri 'none'; frame-ancestors 'none'; form-action 'self' app:");
	page_policy("app:", &policy);
	assert_string_equal(buf_cstr(&policy), buf_cstr(&wanted));
}

static void a_page_has_a_bound(void **state)
{
	struct buf page;

	(void)state;
	page_open(&page, "Hello", "");
	for (size_t i = 0; i < PAGE_BYTES_MAX; i++)
		page_text(&page, "&");
	assert_int_equal(page.rc, RC_LIMIT);
	buf_fini(&page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_ours_has_no_meaning_in_a_page),
		cmocka_unit_test(a_page_has_what_phones_and_screen_readers_need),
		cmocka_unit_test(a_field_has_its_label),
		cmocka_unit_test(the_policy_allows_the_style_that_is_there_and_nothing_else),
		cmocka_unit_test(a_page_has_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
