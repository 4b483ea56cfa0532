/* SPDX-License-Identifier: Apache-2.0 */
#include "machine_info.h"

#include <stddef.h>
#include <stdint.h>

#include "pomona/plist/plist.h"
#include "pomona/store/enrollment.h"

enum { DIGITS_MAX = 9 };

#define TEXT(key_, field_, max_) \
	{ \
		.key = (key_), .kind = PLIST_KIND_STRING, .offset = offsetof(struct machine_info, field_), \
		.max_bytes = (max_) \
	}
#define BOOL(key_, field_) \
	{ \
		.key = (key_), .kind = PLIST_KIND_BOOL, .offset = offsetof(struct machine_info, field_) \
	}

enum rc machine_info_read(struct slice content, struct arena *arena, struct machine_info *info_r,
	struct err *err)
{
	static const struct plist_field table[] = {
		TEXT("UDID", udid, ENROLLMENT_DEVICE_ID_BYTES_MAX),
		TEXT("SERIAL", serial, MACHINE_INFO_TEXT_BYTES_MAX),
		TEXT("PRODUCT", product, MACHINE_INFO_TEXT_BYTES_MAX),
		TEXT("VERSION", build, MACHINE_INFO_TEXT_BYTES_MAX),
		TEXT("SUPPLEMENTAL_BUILD_VERSION", supplemental_build, MACHINE_INFO_TEXT_BYTES_MAX),
		TEXT("OS_VERSION", os_version, MACHINE_INFO_TEXT_BYTES_MAX),
		TEXT("LANGUAGE", language, MACHINE_INFO_TEXT_BYTES_MAX),
		TEXT("CHALLENGE", challenge, MACHINE_INFO_TEXT_BYTES_MAX),
		TEXT("SOFTWARE_UPDATE_DEVICE_ID", software_update_device_id, MACHINE_INFO_TEXT_BYTES_MAX),
		{.key = "PAIRING_TOKEN",
			.kind = PLIST_KIND_DATA,
			.offset = offsetof(struct machine_info, pairing_token),
			.max_bytes = MACHINE_INFO_TOKEN_BYTES_MAX},
		BOOL("MDM_CAN_REQUEST_SOFTWARE_UPDATE", can_request_software_update),
		BOOL("MDM_CAN_REQUEST_PSSO_CONFIG", can_request_platform_sso),
	};
	const struct plist_doc *doc;
	enum rc rc = plist_parse_in(arena, content, &doc, err);

	*info_r = (struct machine_info){.can_request_software_update = false};
	if (rc == RC_OK)
		rc = plist_read_fields(plist_root(doc), table, COUNT_OF(table), info_r, err);
	return rc == RC_OK ? RC_OK : err_context(err, "machine information");
}

enum machine_platform machine_platform(struct slice product)
{
	static const struct {
		const char *prefix;
		enum machine_platform platform;
	} products[] = {
		{"iPhone", MACHINE_IOS},
		{"iPod", MACHINE_IOS},
		{"iPad", MACHINE_IPADOS},
		{"Mac", MACHINE_MACOS}, /* MacBookPro18,3, Macmini9,1, Mac14,2 */
		{"iMac", MACHINE_MACOS},
		{"VirtualMac", MACHINE_MACOS},
		{"AppleTV", MACHINE_TVOS},
		{"RealityDevice", MACHINE_VISIONOS},
		{"Watch", MACHINE_WATCHOS},
	};

	for (size_t i = 0; i < COUNT_OF(products); i++)
		if (slice_has_prefix(product, products[i].prefix))
			return products[i].platform;
	return MACHINE_UNKNOWN;
}

/* False: no version. */
static bool read_parts(struct slice version, uint32_t parts[static MACHINE_VERSION_PARTS_MAX])
{
	size_t count = 0, digits = 0;

	for (size_t i = 0; i < MACHINE_VERSION_PARTS_MAX; i++)
		parts[i] = 0;
	for (size_t i = 0; i < version.len; i++) {
		const uint8_t byte = version.ptr[i];

		if (byte >= '0' && byte <= '9' && digits < DIGITS_MAX) {
			parts[count] = parts[count] * 10 + (uint32_t)(byte - '0');
			digits++;
		} else if (byte == '.' && digits > 0 && count + 1 < MACHINE_VERSION_PARTS_MAX) {
			count++;
			digits = 0;
		} else {
			return false;
		}
	}
	return digits > 0;
}

bool machine_version_is_sound(struct slice version)
{
	uint32_t parts[MACHINE_VERSION_PARTS_MAX];

	return read_parts(version, parts);
}

int machine_version_compare(struct slice left, struct slice right)
{
	uint32_t a[MACHINE_VERSION_PARTS_MAX], b[MACHINE_VERSION_PARTS_MAX];

	if (!read_parts(left, a) || !read_parts(right, b))
		return 0;
	for (size_t i = 0; i < MACHINE_VERSION_PARTS_MAX; i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	return 0;
}
