/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/identity/claim.h"

#include <string.h>

/* The keys as they stand in the message; which of them count is decided below. */
struct claim_keys {
	struct slice udid, user_id, enrollment_id, enrollment_user_id;
	struct slice user_short_name, user_long_name;
	bool is_not_on_console;
	struct slice auth_token;
};

#define TEXT(key_, field_, max_) \
	{ \
		.key = (key_), .kind = PLIST_KIND_STRING, .offset = offsetof(struct claim_keys, field_), \
		.max_bytes = (max_) \
	}

static const struct plist_field fields[] = {
	TEXT("UDID", udid, ENROLLMENT_DEVICE_ID_BYTES_MAX),
	TEXT("UserID", user_id, ENROLLMENT_USER_PART_BYTES_MAX),
	TEXT("EnrollmentID", enrollment_id, ENROLLMENT_DEVICE_ID_BYTES_MAX),
	TEXT("EnrollmentUserID", enrollment_user_id, ENROLLMENT_USER_PART_BYTES_MAX),
	TEXT("UserShortName", user_short_name, ENROLLMENT_USER_PART_BYTES_MAX),
	TEXT("AuthToken", auth_token, ENROLLMENT_FACT_BYTES_MAX),
	TEXT("UserLongName", user_long_name, ENROLLMENT_FACT_BYTES_MAX),
	{.key = "NotOnConsole",
		.kind = PLIST_KIND_BOOL,
		.offset = offsetof(struct claim_keys, is_not_on_console)},
};

/* U+0000 to U+001F, U+007F, and U+0080 to U+009F, which some terminals obey as well. */
static bool is_control(struct slice text, size_t at)
{
	if (text.ptr[at] == 0xC2 && at + 1 < text.len)
		return text.ptr[at + 1] < 0xA0;
	return text.ptr[at] < 0x20 || text.ptr[at] == 0x7f;
}

bool claim_is_line(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (is_control(text, i))
			return false;
	return true;
}

/* Ids go into logs, lists and URLs; no id of Apple's has control characters. */
static enum rc check_id(const char *key, struct slice id, bool is_device, struct err *err)
{
	size_t at;

	if (is_device && slice_find_byte(id, ':', &at))
		return err_set(err, RC_INVALID, "%s: may not contain ':'", key);
	if (is_device && (slice_is_str(id, ".") || slice_is_str(id, "..")))
		return err_set(err, RC_INVALID, "%s: no URL can carry it", key);
	if (!claim_is_line(id))
		return err_set(err, RC_INVALID, "%s: has a control character", key);
	return RC_OK;
}

static enum rc set_user(struct claim *claim, const char *key, struct slice user,
	struct arena *arena, struct err *err)
{
	size_t len = claim->device_id.len + 1 + user.len;
	uint8_t *text;
	enum rc rc = check_id(key, user, false, err);

	if (rc != RC_OK)
		return rc;
	text = arena_alloc(arena, len);
	if (text == NULL)
		return err_set(err, RC_NO_MEMORY, "enrollment id");
	memcpy(text, claim->device_id.ptr, claim->device_id.len);
	text[claim->device_id.len] = ':';
	memcpy(text + claim->device_id.len + 1, user.ptr, user.len);
	claim->ext_id = slice_of(text, len);
	return RC_OK;
}

static enum rc set_device(struct claim *claim, enum enrollment_kind kind, const char *key,
	struct slice id, struct err *err)
{
	claim->kind = kind;
	claim->device_id = id;
	claim->ext_id = id;
	return check_id(key, id, true, err);
}

static enum rc read_udid(const struct claim_keys *keys, struct arena *arena, struct claim *claim,
	struct err *err)
{
	enum rc rc = set_device(claim, ENROLLMENT_DEVICE, "UDID", keys->udid, err);

	if (rc != RC_OK || keys->user_id.len == 0)
		return rc;
	if (!slice_is_str(keys->user_id, CLAIM_SHARED_IPAD_USER_ID)) {
		claim->kind = ENROLLMENT_USER;
		return set_user(claim, "UserID", keys->user_id, arena, err);
	}
	if (keys->user_short_name.len == 0)
		return err_set(err, RC_INVALID, "UserShortName: missing, though UserID says Shared iPad");
	claim->kind = ENROLLMENT_SHARED_USER;
	return set_user(claim, "UserShortName", keys->user_short_name, arena, err);
}

static enum rc read_enrollment_id(const struct claim_keys *keys, struct arena *arena,
	struct claim *claim, struct err *err)
{
	enum rc rc = set_device(claim, ENROLLMENT_BYOD_DEVICE, "EnrollmentID", keys->enrollment_id, err);

	if (rc != RC_OK || keys->enrollment_user_id.len == 0)
		return rc;
	claim->kind = ENROLLMENT_BYOD_USER;
	return set_user(claim, "EnrollmentUserID", keys->enrollment_user_id, arena, err);
}

enum rc claim_read(const struct plist_node *message, struct arena *arena, struct claim *claim_r,
	struct err *err)
{
	struct claim_keys keys = {0};
	enum rc rc;

	memset(claim_r, 0, sizeof(*claim_r));
	rc = plist_read_fields(message, fields, COUNT_OF(fields), &keys, err);
	if (rc != RC_OK)
		return rc;
	claim_r->user_short_name = keys.user_short_name;
	claim_r->user_long_name = keys.user_long_name;
	claim_r->auth_token = keys.auth_token;
	claim_r->is_not_on_console = keys.is_not_on_console;
	if (keys.udid.len != 0)
		return read_udid(&keys, arena, claim_r, err);
	if (keys.enrollment_id.len != 0)
		return read_enrollment_id(&keys, arena, claim_r, err);
	return err_set(err, RC_INVALID, "UDID or EnrollmentID: one of them must be there");
}
