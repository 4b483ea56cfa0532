/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/err.h>
#include <string.h>

#include "forge.h"
#include "pomona/base/codec.h"
#include "pomona/pki/cert_header.h"

enum { TEXT_BYTES_MAX = 65536 };

static struct forged *cert;
static struct buf value; /* what the proxy sends */

static int setup(void **state)
{
	(void)state;
	cert = forge_ca("A device");
	buf_init(&value, TEXT_BYTES_MAX);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	forged_free(&cert);
	buf_fini(&value);
	return 0;
}

/* As nginx escapes: everything but letters, digits and "-._~"; or line ends and spaces alone. */
static void append_escaped(struct slice text, bool is_all)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];
		bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			strchr("-._~", c) != NULL;

		if (is_plain || (!is_all && c != '\n' && c != ' '))
			buf_append_byte(&value, c);
		else
			buf_printf(&value, "%%%02X", c);
	}
}

static void append_pem(bool is_all)
{
	struct slice pem = forge_pem_of_cert(cert);

	append_escaped(pem, is_all);
	forge_free(&pem);
}

static enum rc parse(struct err *err)
{
	AUTO(buf_fini) struct buf der;
	enum rc rc;

	buf_init(&der, CERT_DER_BYTES_MAX);
	rc = cert_header_parse(buf_slice(&value), &der, err);
	assert_int_equal(ERR_peek_error(), 0);
	if (rc == RC_OK)
		assert_true(slice_is_equal(buf_slice(&der), forged_der(cert)));
	return rc;
}

static void assert_refused(const char *fault)
{
	struct err err = {0};

	assert_int_not_equal(parse(&err), RC_OK);
	if (strstr(err.text, fault) == NULL)
		fail_msg("%s: %s", fault, err.text);
}

static void set(const char *text)
{
	buf_clear(&value);
	buf_append_str(&value, text);
}

static void rfc_9440_is_a_byte_sequence(void **state)
{
	(void)state;
	set(":");
	base64_encode(forged_der(cert), &value);
	assert_refused("want one byte sequence");
	buf_append_str(&value, ":");
	assert_int_equal(parse(NULL), RC_OK);
	buf_append_str(&value, " ");
	assert_int_equal(parse(NULL), RC_OK);
	buf_append_str(&value, ";a=1");
	assert_refused("want one byte sequence");
}

static void two_byte_sequences_are_none(void **state)
{
	(void)state;
	set(":");
	base64_encode(forged_der(cert), &value);
	buf_append_str(&value, ":, :");
	base64_encode(forged_der(cert), &value);
	buf_append_str(&value, ":");
	assert_refused("base64");
}

static void escaped_pem_may_escape_all_or_line_ends_alone(void **state)
{
	(void)state;
	append_pem(true);
	assert_int_equal(parse(NULL), RC_OK);
	buf_clear(&value);
	append_pem(false);
	assert_non_null(strstr(buf_cstr(&value), "%0A"));
	assert_int_equal(parse(NULL), RC_OK);
}

static void two_certificates_in_pem_are_refused(void **state)
{
	(void)state;
	append_pem(true);
	append_pem(true);
	assert_refused("more than one certificate");
}

static void bare_base64_is_der(void **state)
{
	(void)state;
	base64_encode(forged_der(cert), &value);
	assert_int_equal(parse(NULL), RC_OK);
}

static void what_is_malformed_is_refused(void **state)
{
	static const struct {
		const char *text, *fault;
	} rows[] = {
		{"", "empty"},
		{" \t", "empty"},
		{":", "want one byte sequence"},
		{"::", "empty"},
		{": :", "empty"},
		{":!!!!:", "base64"},
		{":AAA:", "base64"},
		{"!!!!", "base64"},
		{"(null)", "base64"},
		{"-----BEGIN", "no CERTIFICATE block"},
		{"-----BEGIN%20CERTIFICATE-----%0", "a percent escape is broken"},
		{"-----BEGIN%20CERTIFICATE-----%", "a percent escape is broken"},
		{"-----BEGIN%20CERTIFICATE-----%0G", "a percent escape is broken"},
		{"-----BEGIN%20CERTIFICATE-----%00", "a percent escape is broken"},
		{"-----BEGIN%20CERTIFICATE-----%0AAAAA%0A", "PEM block is broken"},
		{"-----BEGIN%20CERTIFICATE-----%0A-----END%20CERTIFICATE-----%0A", "PEM block"},
		{"-----BEGIN%20CERTIFICATE-----%0AAAAA%0A-----END%20CERTIFICATE-----%0A", "certificate"},
		{"-----BEGIN%20FOO-----%0AAAAA%0A-----END%20FOO-----%0A", "no CERTIFICATE block"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		set(rows[i].text);
		assert_refused(rows[i].fault);
	}
}

static void a_header_has_so_many_bytes_at_most(void **state)
{
	struct err err;

	(void)state;
	append_pem(true);
	while (value.len < CERT_HEADER_BYTES_MAX)
		buf_append_byte(&value, ' ');
	assert_int_equal(parse(NULL), RC_OK);
	buf_append_byte(&value, ' ');
	assert_int_equal(parse(&err), RC_LIMIT);
}

static void a_certificate_has_so_many_bytes_at_most(void **state)
{
	AUTO(buf_fini) struct buf out;
	AUTO(buf_fini) struct buf der;
	struct err err;

	(void)state;
	buf_init(&out, CERT_DER_BYTES_MAX);
	buf_init(&der, CERT_DER_BYTES_MAX + 1);
	while (der.len < CERT_DER_BYTES_MAX)
		buf_append_byte(&der, 'x');
	base64_encode(buf_slice(&der), &value);
	assert_int_equal(cert_header_parse(buf_slice(&value), &out, &err), RC_OK);
	buf_clear(&out);
	buf_clear(&value);
	buf_append_byte(&der, 'x');
	base64_encode(buf_slice(&der), &value);
	assert_int_equal(cert_header_parse(buf_slice(&value), &out, &err), RC_LIMIT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rfc_9440_is_a_byte_sequence),
		TEST(two_byte_sequences_are_none),
		TEST(escaped_pem_may_escape_all_or_line_ends_alone),
		TEST(two_certificates_in_pem_are_refused),
		TEST(bare_base64_is_der),
		TEST(what_is_malformed_is_refused),
		TEST(a_header_has_so_many_bytes_at_most),
		TEST(a_certificate_has_so_many_bytes_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
