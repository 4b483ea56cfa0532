/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "http_digest.h"
#include "web_form.h"

enum { TEXT_BYTES_MAX = 16384 };

#define FORM "<form method=\"post\" action=\"login\">"
#define FIELDS \
	"<input name=\"user\" value=\"old\"><input type=\"hidden\" name=\"a&amp;b\" value=\"&lt;1&gt;\">" \
	"<input name=\"password\">"

static const struct web_field login[] = {{"user", "ada@x"}, {"password", "p w&"}};

static enum rc fill_page(const char *page, const char *url, struct buf *action, struct buf *body)
{
	const struct web_filling filling = {slice_of_str(page), url, login, COUNT_OF(login)};

	buf_init(action, TEXT_BYTES_MAX);
	buf_init(body, TEXT_BYTES_MAX);
	return web_form_fill(&filling, action, body, NULL);
}

static void a_form_is_filled_and_goes_where_it_says(void **state)
{
	static const struct {
		const char *url, *action, *wanted;
	} cases[] = {
		{"https://h:1/account/login?user=x", "login", "https://h:1/account/login"},
		{"https://h:1/account/login?user=x/y", "/other", "https://h:1/other"},
		{"https://h:1/account/login?user=x", "", "https://h:1/account/login"},
		{"https://h:1", "x", "https://h:1/x"},
		{"https://h:1?q", "", "https://h:1/"},
		{"https://h:1/a/", "https://other/y?z", "https://other/y?z"},
	};
	struct buf action, body, page;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		buf_init(&page, TEXT_BYTES_MAX);
		buf_printf(&page,
			"<p>x</p><FORM action=\"%s\" class=\"a\">" FIELDS "</form><input name=\"later\">",
			cases[i].action);
		assert_int_equal(fill_page(buf_cstr(&page), cases[i].url, &action, &body), RC_OK);
		assert_string_equal(buf_cstr(&action), cases[i].wanted);
		assert_string_equal(buf_cstr(&body), "user=ada%40x&a%26b=%3C1%3E&password=p%20w%26");
		buf_fini(&action);
		buf_fini(&body);
		buf_fini(&page);
	}
}

static void a_page_without_such_a_form_is_none(void **state)
{
	static const char *const pages[] = {"", "<form", "<form>", "no form", FORM "</form>" FIELDS,
		FORM "<input name=\"user\"></form>", FORM "<input name=\"user\"><input name=\"password",
		FORM "<input name=user><input name=password></form>"};
	struct buf action, body;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(pages); i++) {
		assert_int_equal(fill_page(pages[i], "https://h/", &action, &body), RC_INVALID);
		buf_fini(&action);
		buf_fini(&body);
	}
}

static void a_form_has_so_many_fields_at_most(void **state)
{
	(void)state;
	for (int more = 0; more < 2; more++) {
		struct buf page, action, body;

		buf_init(&page, TEXT_BYTES_MAX);
		buf_append_str(&page, FORM);
		for (int i = 0; i < WEB_FORM_FIELDS_MAX - 3 + more; i++)
			buf_append_str(&page, "<input name=\"x\">");
		buf_append_str(&page, FIELDS "</form>");
		assert_int_equal(fill_page(buf_cstr(&page), "https://h/", &action, &body),
			more == 0 ? RC_OK : RC_INVALID);
		buf_fini(&page);
		buf_fini(&action);
		buf_fini(&body);
	}
}

static enum rc answer(const char *challenge, struct buf *header)
{
	const struct http_digest digest = {.method = "GET",
		.target = "/dir/index.html",
		.user = "Mufasa",
		.password = "Circle Of Life",
		.challenge = challenge};

	buf_init(header, HTTP_DIGEST_HEADER_BYTES_MAX);
	return http_digest_answer(&digest, header, NULL);
}

/* RFC 2617 3.5 without qop, so that nothing in it is by chance: MD5 of HA1, nonce and HA2. */
static void a_challenge_is_answered_as_the_rfc_computes_it(void **state)
{
	struct buf header;

	(void)state;
	assert_int_equal(answer("Digest realm=\"testrealm@host.com\", "
																									"nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc\"",
																			&header),
		RC_OK);
	assert_non_null(strstr(buf_cstr(&header), "response=\"670fd8c2df070c60b045671b8b24ff02\""));
	assert_non_null(strstr(buf_cstr(&header), "uri=\"/dir/index.html\""));
	assert_non_null(strstr(buf_cstr(&header), "opaque=\"5ccc\""));
	assert_null(strstr(buf_cstr(&header), "Circle"));
	buf_fini(&header);
}

static void what_is_no_digest_challenge_is_not_answered(void **state)
{
	static const char *const challenges[] = {"", "Digest", "Digest ", "Basic realm=\"x\"",
		"Digest realm=\"x\"", "Digest nonce=\"x\"", "Digest realm=\"x\", nonce=\"y\", algorithm=MD4",
		"Digest realm=\"x", "Digest realm=\"a\\\"b\", nonce=\"y\"",
		"Bearer method=\"apple-as-web\", url=\"https://h\""};
	struct buf header;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(challenges); i++) {
		assert_int_equal(answer(challenges[i], &header), RC_INVALID);
		buf_fini(&header);
	}
}

static void the_target_is_what_follows_the_host(void **state)
{
	(void)state;
	assert_string_equal(http_target_of("https://h:1/a/b?c"), "/a/b?c");
	assert_string_equal(http_target_of("https://h"), "/");
	assert_string_equal(http_target_of(""), "/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_form_is_filled_and_goes_where_it_says),
		cmocka_unit_test(a_page_without_such_a_form_is_none),
		cmocka_unit_test(a_form_has_so_many_fields_at_most),
		cmocka_unit_test(a_challenge_is_answered_as_the_rfc_computes_it),
		cmocka_unit_test(what_is_no_digest_challenge_is_not_answered),
		cmocka_unit_test(the_target_is_what_follows_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
