/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "enroll/ade_decide.h"
#include "pomona/base/codec.h"
#include "pomona/json/json.h"
#include "pomona/pki/device_cms.h"
#include "pomona/plist/plist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DER_SEQUENCE = 0x30, ARENA_BYTES_MAX = 8 << 20 };

static const struct ade_settings policies[] = {
	{.devices = ADE_DEVICES_LISTED},
	{.devices = ADE_DEVICES_ALL,
		.minimum_os = {"17.5.1", "99.9", "14"},
		.sso_profile_url = "https://sso.example/p",
		.sso_auth_url = "https://sso.example/a",
		.sso_manifest_url = "https://sso.example/m"},
};

/* What is typed can be written in both forms, and read. */
static void check_says(const struct enroll_refusal_says *says)
{
	AUTO(json_free) struct json_value *json = NULL;
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	AUTO(buf_fini) struct buf text, xml;
	struct err err = {0};

	buf_init(&text, ENROLL_REFUSAL_BYTES_MAX);
	buf_init(&xml, ENROLL_REFUSAL_BYTES_MAX);
	if (enroll_refusal_write(says, ENROLL_REFUSAL_JSON, &text, &err) != RC_OK ||
		enroll_refusal_write(says, ENROLL_REFUSAL_PLIST, &xml, &err) != RC_OK ||
		json_parse(buf_slice(&text), &json, &err) != RC_OK ||
		plist_parse(buf_slice(&xml), &doc, &err) != RC_OK)
		abort();
}

static void check_info(const struct machine_info *info)
{
	char token[UUID_TEXT_BYTES];
	struct enroll_refusal_says says;

	if (!utf8_is_xml_text(info->udid) || !utf8_is_xml_text(info->serial))
		abort();
	for (size_t i = 0; i < COUNT_OF(policies); i++)
		for (int is_listed = 0; is_listed < 2; is_listed++) {
			enum ade_reason reason = ade_decide(&policies[i], info, is_listed != 0);

			if (reason == ADE_GOOD && (info->udid.len == 0 || info->serial.len == 0))
				abort();
			if (ade_says(reason, &policies[i], info, token, &says))
				check_says(&says);
		}
}

/*
 * What comes to the configuration URL, past the certificate: what looks like DER is a signed message, which is read, and
 * verified with whatever key it brings; the rest is what would stand in one.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(device_cms_free) struct device_cms *cms = NULL;
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES_MAX);
	struct slice content = slice_of(data, size);
	struct machine_info info;
	struct err err = {0};

	if (arena == NULL)
		return 0;
	if (size > 0 && data[0] == DER_SEQUENCE) {
		if (device_cms_parse(content, &cms, &err) != RC_OK) {
			if (err.text[0] == '\0')
				abort();
			return 0;
		}
		content = device_cms_content(cms);
		if (device_cms_verify(cms, &err) != RC_OK && err.text[0] == '\0')
			abort();
	}
	if (machine_info_read(content, arena, &info, &err) == RC_OK)
		check_info(&info);
	else if (err.text[0] == '\0' || !utf8_is_xml_text(slice_of_str(err.text)))
		abort();
	return 0;
}
