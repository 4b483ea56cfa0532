/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "enroll/machine_info.h"
#include "pomona/pki/apple_chain.h"
#include "scep_ca.h"

enum { CONTENT_BYTES_MAX = 32768, ARENA_BYTES = 16 << 20, PATCH_BYTES = 3, BEGINS = 1700000000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char said[] =
	"<plist version=\"1.0\"><dict><key>UDID</key><string>U</string>"
	"<key>CHALLENGE</key><string>c</string></dict></plist>";

static struct apple_chain *chain;
static EVP_PKEY *key; /* the CA's, and the device's too: each run makes the same bytes */
static X509 *device;
static struct slice message; /* of the device, around `said` */

/* What CMS_sign() makes without a time in it is the same each time. */
static struct slice sign(struct slice content)
{
	const unsigned flags = CMS_BINARY | CMS_NOSMIMECAP;
	BIO *bio = BIO_new_mem_buf(content.ptr, (int)content.len);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags | CMS_PARTIAL);
	unsigned char *der = NULL;
	int len;

	if (CMS_add1_signer(cms, device, key, EVP_sha256(), flags | CMS_NOATTR) == NULL ||
		CMS_final(cms, bio, NULL, flags) != 1)
		abort();
	len = i2d_CMS_ContentInfo(cms, &der);
	if (len <= 0)
		abort();
	CMS_ContentInfo_free(cms);
	BIO_free(bio);
	return slice_of(der, (size_t)len);
}

static void make_device(const X509 *ca)
{
	X509_NAME *name = X509_NAME_new();

	device = X509_new();
	if (device == NULL ||
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"device", -1, -1,
			0) != 1)
		abort();
	(void)X509_set_version(device, X509_VERSION_3);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(device), 2);
	(void)X509_set_subject_name(device, name);
	(void)X509_set_issuer_name(device, X509_get_subject_name(ca));
	(void)ASN1_TIME_set(X509_getm_notBefore(device), BEGINS);
	(void)ASN1_TIME_set(X509_getm_notAfter(device), BEGINS + 1);
	(void)X509_set_pubkey(device, key);
	if (X509_sign(device, key, EVP_sha1()) <= 0)
		abort();
	X509_NAME_free(name);
}

static void load(void)
{
	const struct slice imported = slice_of(scep_ca_cert, sizeof(scep_ca_cert));
	const unsigned char *at = scep_ca_key;
	X509 *ca;

	key = d2i_AutoPrivateKey(NULL, &at, sizeof(scep_ca_key));
	at = scep_ca_cert;
	ca = d2i_X509(NULL, &at, sizeof(scep_ca_cert));
	if (key == NULL || ca == NULL || apple_chain_new(&imported, 1, &chain, NULL) != RC_OK)
		abort();
	make_device(ca);
	X509_free(ca);
	message = sign(slice_of_str(said));
}

static void read_info(struct slice content)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct machine_info info;
	struct err err = {.text = ""};

	if (arena != NULL && machine_info_read(content, arena, &info, &err) != RC_OK &&
		err.text[0] == '\0')
		abort();
}

/* `wanted`: what the device said. Whoever is good has said that, and nobody is good who says another thing. */
static enum apple_verdict open_message(struct slice bytes, struct slice wanted)
{
	AUTO(device_cms_free) struct device_cms *cms = NULL;
	struct err err = {.text = ""};
	enum apple_verdict verdict = apple_chain_open(chain, bytes, &cms, &err);

	if (verdict >= APPLE_VERDICT_COUNT || (verdict != APPLE_GOOD && err.text[0] == '\0'))
		abort();
	if (verdict == APPLE_GOOD && !slice_is_equal(device_cms_content(cms), wanted))
		abort();
	if (cms != NULL)
		read_info(device_cms_content(cms));
	return verdict;
}

/* Each three bytes: where, and what stands there now. */
static void open_patched(struct slice patches)
{
	uint8_t *copy = malloc(message.len);

	if (copy == NULL)
		return;
	memcpy(copy, message.ptr, message.len);
	for (size_t i = 0; i + PATCH_BYTES <= patches.len; i += PATCH_BYTES)
		copy[((size_t)patches.ptr[i] << 8 | patches.ptr[i + 1]) % message.len] = patches.ptr[i + 2];
	(void)open_message(slice_of(copy, message.len), slice_of_str(said));
	free(copy);
}

static void open_signed(struct slice content)
{
	struct slice der = sign(content);
	unsigned char *owned;

	memcpy(&owned, &der.ptr, sizeof(owned)); /* ours to free */
	if (open_message(der, content) != APPLE_GOOD)
		abort();
	OPENSSL_free(owned);
}

/* The first byte tells whether the rest is what a device says, changes to its message, or a message. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest;

	if (chain == NULL)
		load();
	if (size < 2 || size > CONTENT_BYTES_MAX)
		return 0;
	rest = slice_of(data + 1, size - 1);
	if (data[0] == 's')
		open_signed(rest);
	else if (data[0] == 'p')
		open_patched(rest);
	else
		(void)open_message(rest, slice_of_str(said));
	ERR_clear_error();
	return 0;
}
