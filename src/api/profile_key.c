/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include "pomona/base/codec.h"

#include "private.h"

/* A key that the server makes for a device, on its way into a profile. It is kept nowhere. */

enum { PEM_BYTES_MAX = 2 * CERT_DER_BYTES_MAX };

struct key_fields {
	struct slice password;
	bool is_legacy;
};

enum rc api_profile_key_read(struct call *call, const struct json_value *object,
	struct api_profile_key *key, struct err *err)
{
	static const struct json_field table[] = {
		{.key = "password",
			.kind = JSON_KIND_STRING,
			.offset = offsetof(struct key_fields, password),
			.max_bytes = PROFILE_TEXT_BYTES_MAX},
		{.key = "legacy", .kind = JSON_KIND_BOOL, .offset = offsetof(struct key_fields, is_legacy)},
	};
	struct key_fields fields = {.is_legacy = false};
	enum rc rc = json_read_fields(object, table, COUNT_OF(table), &fields, err);

	if (rc != RC_OK)
		return err_context(err, "pkcs12");
	key->is_legacy = fields.is_legacy;
	if (fields.password.ptr == NULL)
		return RC_OK;
	if (fields.password.len == 0 || !utf8_is_xml_text(fields.password))
		return api_call_invalid(call, err, "pkcs12", "the password is empty or no text");
	memcpy(key->password, fields.password.ptr, fields.password.len);
	key->is_password_told = true;
	return RC_OK;
}

static enum rc make_pair(struct api *api, struct slice device_id, struct api_profile_key *key,
	struct buf *der, struct buf *pem, struct err *err)
{
	char common_name[PROFILE_COMMON_NAME_BYTES_MAX + 1];
	const struct issue_params params = {.common_name = common_name,
		.now = clock_unix_s(api->clock),
		.valid_s = enroll_identity_valid_s(api->enroll)};
	const struct pkcs12_params pkcs12 = {.password = key->password,
		.friendly_name = common_name,
		.is_legacy = key->is_legacy};
	enum rc rc;

	profile_common_name(device_id, common_name);
	rc = authority_issue_key(api->device_ca, key->is_legacy ? KEY_RSA_2048 : KEY_P256, &params, der,
		pem, err);
	if (rc == RC_OK)
		rc = cert_read_facts(buf_slice(der), &key->facts, err);
	return rc == RC_OK ? authority_write_pkcs12(api->device_ca, buf_slice(der), buf_slice(pem),
																							&pkcs12, &key->pkcs12, err)
																				: rc;
}

enum rc api_profile_key_make(struct call *call, struct slice device_id, struct api_profile_key *key,
	struct err *err)
{
	struct buf der;
	struct buf pem;
	enum rc rc;

	if (!key->is_password_told)
		enroll_secret_make(key->password);
	buf_init(&der, CERT_DER_BYTES_MAX);
	buf_init(&pem, PEM_BYTES_MAX);
	buf_init(&key->pkcs12, PROFILE_PKCS12_BYTES_MAX);
	rc = make_pair(call->api, device_id, key, &der, &pem, err);
	key->der = arena_copy(call->arena, buf_slice(&der));
	if (rc == RC_OK && key->der.ptr == NULL)
		rc = api_call_no_memory(err);
	buf_fini(&der);
	buf_fini_secret(&pem);
	return rc;
}

struct profile_pkcs12 api_profile_key_slices(const struct api_profile_key *key)
{
	return (struct profile_pkcs12){
		.content = buf_slice(&key->pkcs12),
		.password = slice_of_str(key->is_password_told ? "" : key->password),
	};
}

void api_profile_key_wipe(struct api_profile_key *key)
{
	explicit_bzero(key->password, sizeof(key->password));
	buf_fini_secret(&key->pkcs12);
}
