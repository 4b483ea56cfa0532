/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/cms.h>
#include <openssl/rsa.h>
#include <string.h>

#include "../pki/forge.h"
#include "pomona/enroll/profile.h"
#include "pomona/plist/plist.h"

enum { RSA_BITS = 2048 };

#define PLAIN(payloads_) \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" \
	"<plist version=\"1.0\"><dict><key>PayloadType</key><string>Configuration</string>" \
	"<key>PayloadIdentifier</key><string>org.example.mdm</string>" payloads_ "</dict></plist>"
#define PAYLOADS \
	"<key>PayloadContent</key><array><dict><key>PayloadType</key><string>com.apple.mdm</string>" \
	"<key>Secret</key><string>of one device</string></dict><string>second</string></array>"

static struct forged *device;

static int make_device(void **state)
{
	EVP_PKEY *key = EVP_RSA_gen(RSA_BITS);
	const struct forge_params params = {.common_name = "device", .key = key};

	(void)state;
	device = forge(&params);
	EVP_PKEY_free(key);
	return 0;
}

static int free_device(void **state)
{
	(void)state;
	forged_free(&device);
	return 0;
}

static enum rc try(const char *plain, struct slice cert, struct buf *out)
{
	struct err err = {.rc = RC_OK};

	buf_init(out, 2 * PROFILE_BYTES_MAX);
	return profile_encrypt(slice_of_str(plain), cert, out, &err);
}

/* The list in it, which the device's key opens. */
static struct plist_doc *opened(struct slice sealed)
{
	const unsigned char *at = sealed.ptr;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &at, (long)sealed.len);
	BIO *plain = BIO_new(BIO_s_mem());
	struct plist_doc *doc = NULL;
	char *bytes;
	long len;

	assert_int_equal(CMS_decrypt(cms, device->key, device->cert, NULL, plain, CMS_BINARY), 1);
	len = BIO_get_mem_data(plain, &bytes);
	assert_int_equal(plist_parse(slice_of(bytes, (size_t)len), &doc, NULL), RC_OK);
	BIO_free(plain);
	CMS_ContentInfo_free(cms);
	return doc;
}

static void the_payloads_are_the_device_s_alone_and_the_rest_stays(void **state)
{
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	AUTO(plist_doc_free) struct plist_doc *inner = NULL;
	AUTO(buf_fini) struct buf out;
	const struct plist_node *root;
	const struct plist_node *first;

	(void)state;
	assert_int_equal(try(PLAIN(PAYLOADS), forged_der(device), &out), RC_OK);
	assert_null(memmem(out.ptr, out.len, "of one device", 13));
	assert_int_equal(plist_parse(buf_slice(&out), &doc, NULL), RC_OK);
	root = plist_root(doc);
	assert_int_equal(plist_count(root), 4);
	assert_true(
		slice_is_str(plist_string(plist_dict_get(root, "PayloadIdentifier")), "org.example.mdm"));
	assert_true(plist_bool(plist_dict_get(root, "IsEncrypted")));
	assert_null(plist_dict_get(root, "PayloadContent"));
	inner = opened(plist_data(plist_dict_get(root, "EncryptedPayloadContent")));
	assert_int_equal(plist_kind(plist_root(inner)), PLIST_KIND_ARRAY);
	assert_int_equal(plist_count(plist_root(inner)), 2);
	first = plist_array_at(plist_root(inner), 0);
	assert_true(slice_is_str(plist_string(plist_dict_get(first, "Secret")), "of one device"));
}

static void what_is_no_profile_or_no_certificate_is_refused(void **state)
{
	const struct {
		const char *plain;
		struct slice cert;
	} cases[] = {
		{"nothing", forged_der(device)},
		{PLAIN(""), forged_der(device)},
		{PLAIN("<key>PayloadContent</key><dict/>"), forged_der(device)},
		{PLAIN(PAYLOADS), SLICE_LITERAL("nothing")},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(buf_fini) struct buf out;

		assert_int_equal(try(cases[i].plain, cases[i].cert, &out), RC_INVALID);
		assert_int_equal(out.len, 0);
	}
}

static void a_profile_has_a_bound(void **state)
{
	AUTO(buf_fini) struct buf out;
	static uint8_t large[PROFILE_BYTES_MAX + 1];

	(void)state;
	buf_init(&out, PROFILE_BYTES_MAX);
	memset(large, ' ', sizeof(large));
	memcpy(large, PLAIN(PAYLOADS), strlen(PLAIN(PAYLOADS)));
	assert_int_equal(profile_encrypt(slice_of(large, PROFILE_BYTES_MAX + 1), forged_der(device), &out,
																			NULL),
		RC_LIMIT);
	assert_int_equal(profile_encrypt(slice_of(large, PROFILE_BYTES_MAX), forged_der(device), &out,
																			NULL),
		RC_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_payloads_are_the_device_s_alone_and_the_rest_stays),
		cmocka_unit_test(what_is_no_profile_or_no_certificate_is_refused),
		cmocka_unit_test(a_profile_has_a_bound),
	};

	return cmocka_run_group_tests(tests, make_device, free_device);
}
