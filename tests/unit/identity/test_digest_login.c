/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "pomona/base/buf.h"
#include "pomona/identity/digest_login.h"

enum { ARENA_BYTES = 1 << 20 };

static enum rc read_in(struct arena *arena, const char *text, struct digest_answer *answer_r,
	struct err *err)
{
	return digest_answer_read(slice_of_str(text), arena, answer_r, err);
}

static bool is_right(const char *text, const char *password, const char *method)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct digest_answer answer;
	struct digest_ha1 ha1;
	struct err err = {0};
	bool is_right = false;

	if (read_in(arena, text, &answer, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(digest_ha1_make(answer.username, answer.realm, slice_of_str(password), &ha1,
																			NULL),
		RC_OK);
	assert_int_equal(digest_answer_check(&answer, &ha1, &method, 1, &is_right, NULL), RC_OK);
	return is_right;
}

#define RFC7616(more) \
	"Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\"," \
	" nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001," \
	" cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, " more \
	", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""

/* RFC 7616, 3.9.1 and RFC 2617, 3.5. */
static const struct {
	const char *text, *password;
} vectors[] = {
	{RFC7616("response=\"8ca523f5e9506fed4657c9700eebdbec\", algorithm=MD5"), "Circle of Life"},
	{RFC7616("response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\","
										" algorithm=SHA-256"),
		"Circle of Life"},
	{"Digest username=\"Mufasa\", realm=\"testrealm@host.com\","
		" nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", qop=auth, nc=00000001,"
		" cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\","
		" opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
		"Circle Of Life"},
	/* The form of RFC 2069, its example with the digest of its errata. */
	{"Digest username=\"Mufasa\", realm=\"testrealm@host.com\","
		" nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\","
		" response=\"1949323746fe6a43ef61f9606e7febea\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
		"CircleOfLife"},
};

static void answers_of_the_standards_are_right(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		assert_true(is_right(vectors[i].text, vectors[i].password, "GET"));
		assert_false(is_right(vectors[i].text, vectors[i].password, "PUT"));
		assert_false(is_right(vectors[i].text, "circle of life", "GET"));
	}
}

/* Every byte of what is hashed counts. */
static void an_answer_with_another_byte_is_wrong_or_unreadable(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(16 * ARENA_BYTES);
	static const char *const method[] = {"GET"};
	const char *text = vectors[0].text;
	struct digest_answer answer;
	struct digest_ha1 ha1;
	const char *opaque = strstr(text, ", opaque");

	(void)state;
	assert_int_equal(read_in(arena, text, &answer, NULL), RC_OK);
	assert_int_equal(digest_ha1_make(answer.username, answer.realm, SLICE_LITERAL("Circle of Life"),
																			&ha1, NULL),
		RC_OK);
	for (const char *at = strstr(text, "uri="); at < opaque; at++) {
		char changed[DIGEST_ANSWER_BYTES_MAX];
		bool right = true;

		if (*at == ' ' || *at == '=' || strncmp(at, "MD5", 3) == 0 || strncmp(at, "algorithm", 9) == 0)
			continue;
		snprintf(changed, sizeof(changed), "%s", text);
		changed[at - text] = *at == 'x' ? 'y' : 'x';
		if (strstr(changed, "algorithm=MD5") == NULL)
			continue;
		if (read_in(arena, changed, &answer, NULL) != RC_OK)
			continue;
		assert_int_equal(digest_answer_check(&answer, &ha1, method, 1, &right, NULL), RC_OK);
		assert_false(right);
	}
}

#define LEAST "username=u, realm=r, nonce=n, uri=/, response="
#define MD5_ZERO "00000000000000000000000000000000"

static void what_clients_write_is_read(void **state)
{
	static const char *const good[] = {
		LEAST MD5_ZERO,
		"Digest " LEAST MD5_ZERO,
		"  digest\t" LEAST MD5_ZERO,
		",, " LEAST MD5_ZERO ",,",
		"USERNAME = \"u\" ,Realm= r,nonce =n,uri=\"/\", Response=" MD5_ZERO,
		LEAST MD5_ZERO ", algorithm=\"md5\"",
		LEAST MD5_ZERO ", unknown=\"a, b = \\\"c\", unknown=2",
		LEAST MD5_ZERO ", qop=\"auth\", cnonce=c, nc=0000000A",
		LEAST MD5_ZERO ", qop=, nc=1",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		struct digest_answer answer;
		struct err err = {0};

		if (read_in(arena, good[i], &answer, &err) != RC_OK)
			fail_msg("%s: %s", good[i], err.text);
		assert_true(slice_is_str(answer.username, "u"));
		assert_true(slice_is_str(answer.uri, "/"));
	}
}

static void escapes_stand_for_themselves(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct digest_answer answer;

	(void)state;
	assert_int_equal(read_in(arena,
																			"username=\"a\\\"b\\\\c\",realm=r,nonce=n,uri=/,response=" MD5_ZERO, &answer,
																			NULL),
		RC_OK);
	assert_true(slice_is_str(answer.username, "a\"b\\c"));
	assert_int_equal(read_in(arena, LEAST MD5_ZERO ", qop=auth, cnonce=c, nc=0000001f", &answer, NULL),
		RC_OK);
	assert_int_equal(answer.nc_number, 31);
}

static void what_is_no_answer_is_told(void **state)
{
	static const struct {
		const char *text, *fault;
	} bad[] = {
		{"", "username: missing"},
		{"Digest", "pairs"},
		{"Basic dTpw", "pairs"},
		{"username=u", "realm: missing"},
		{LEAST "00", "response: of the wrong length"},
		{LEAST MD5_ZERO ", algorithm=SHA-256", "response: of the wrong length"},
		{LEAST MD5_ZERO ", algorithm=MD5-sess", "algorithm"},
		{LEAST MD5_ZERO ", qop=auth-int, cnonce=c, nc=00000001", "qop"},
		{LEAST MD5_ZERO ", qop=auth, nc=00000001", "cnonce: missing"},
		{LEAST MD5_ZERO ", qop=auth, cnonce=c", "nc:"},
		{LEAST MD5_ZERO ", qop=auth, cnonce=c, nc=1", "nc:"},
		{LEAST MD5_ZERO ", qop=auth, cnonce=c, nc=0000000g", "nc:"},
		{LEAST MD5_ZERO ", username=u", "username stands twice"},
		{LEAST MD5_ZERO ", x=\"", "quote"},
		{LEAST MD5_ZERO ", x=\"\\", "quote"},
		{LEAST MD5_ZERO ", x=\"\\\"", "quote"},
		{LEAST MD5_ZERO ", x=\"\n\"", "control"},
		{LEAST MD5_ZERO ", x", "pairs"},
		{LEAST MD5_ZERO " x=1", "comma"},
		{LEAST MD5_ZERO "; x=1", "comma"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		struct digest_answer answer;
		struct err err = {0};

		assert_int_equal(read_in(arena, bad[i].text, &answer, &err), RC_INVALID);
		if (strstr(err.text, bad[i].fault) == NULL)
			fail_msg("%s: \"%s\"", bad[i].text, err.text);
	}
}

static void an_answer_has_its_limits(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	static char text[DIGEST_ANSWER_BYTES_MAX + 2];
	struct digest_answer answer;
	size_t len;

	(void)state;
	memset(text, ' ', sizeof(text) - 1);
	memcpy(text, LEAST MD5_ZERO, sizeof(LEAST MD5_ZERO) - 1);
	text[DIGEST_ANSWER_BYTES_MAX] = '\0';
	assert_int_equal(read_in(arena, text, &answer, NULL), RC_OK);
	text[DIGEST_ANSWER_BYTES_MAX] = ' ';
	assert_int_equal(read_in(arena, text, &answer, NULL), RC_LIMIT);
	len = (size_t)snprintf(text, sizeof(text), LEAST MD5_ZERO);
	for (int i = 5; i < DIGEST_PARAMS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, ",x=1");
	assert_int_equal(read_in(arena, text, &answer, NULL), RC_OK);
	snprintf(text + len, sizeof(text) - len, ",x=1");
	assert_int_equal(read_in(arena, text, &answer, NULL), RC_LIMIT);
}

static uint32_t dice = 1;

static uint32_t throw_dice(uint32_t sides)
{
	dice = dice * 1664525U + 1013904223U;
	return (dice >> 8) % sides;
}

static void write_quoted(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s=\"", name);
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\' || throw_dice(4) == 0)
			buf_append_byte(out, '\\');
		buf_append_byte(out, (uint8_t)*value);
	}
	buf_printf(out, "\"%s,%s", throw_dice(2) ? " " : "", throw_dice(2) ? "\t" : "");
}

/* Whatever the values are, and in whatever way they are quoted: what was written is read. */
static void what_was_written_is_read_again(void **state)
{
	static const char *const names[] = {"username", "realm", "nonce", "uri", "cnonce"};

	(void)state;
	for (int round = 0; round < 2000; round++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		char values[COUNT_OF(names)][16];
		AUTO(buf_fini) struct buf text;
		size_t first = throw_dice(COUNT_OF(names));
		struct digest_answer answer;
		struct err err = {0};

		buf_init(&text, DIGEST_ANSWER_BYTES_MAX);
		for (size_t i = 0; i < COUNT_OF(names); i++) {
			size_t at = (i + first) % COUNT_OF(names);
			size_t count = 1 + throw_dice(15);

			memset(values[at], 0, sizeof(values[at]));
			for (size_t j = 0; j < count; j++)
				values[at][j] = (char)(' ' + throw_dice('~' - ' ' + 1));
			write_quoted(&text, names[at], values[at]);
		}
		buf_append_str(&text, "qop=auth,nc=00000001,response=" MD5_ZERO);
		if (read_in(arena, buf_cstr(&text), &answer, &err) != RC_OK)
			fail_msg("%s: %s", buf_cstr(&text), err.text);
		assert_true(slice_is_str(answer.username, values[0]));
		assert_true(slice_is_str(answer.realm, values[1]));
		assert_true(slice_is_str(answer.nonce, values[2]));
		assert_true(slice_is_str(answer.uri, values[3]));
		assert_true(slice_is_str(answer.cnonce, values[4]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_of_the_standards_are_right),
		cmocka_unit_test(an_answer_with_another_byte_is_wrong_or_unreadable),
		cmocka_unit_test(what_clients_write_is_read),
		cmocka_unit_test(escapes_stand_for_themselves),
		cmocka_unit_test(what_is_no_answer_is_told),
		cmocka_unit_test(an_answer_has_its_limits),
		cmocka_unit_test(what_was_written_is_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
