/* SPDX-License-Identifier: Apache-2.0 */
#include "h2_fields.h"

enum rc h2_fields_check(const struct h2_request *request, size_t *header_bytes_r, struct err *err)
{
	size_t bytes = 0;

	if (request->field_count > H2_FIELDS_MAX)
		return err_set(err, RC_LIMIT, "request: %zu fields, at most %d", request->field_count,
			H2_FIELDS_MAX);
	if (request->body.len > H2_BODY_BYTES_MAX)
		return err_set(err, RC_LIMIT, "request: a body of %zu bytes, at most %d", request->body.len,
			H2_BODY_BYTES_MAX);
	for (size_t i = 0; i < request->field_count; i++)
		bytes += request->fields[i].name.len + request->fields[i].value.len;
	*header_bytes_r = bytes;
	if (bytes > H2_REQUEST_HEADER_BYTES_MAX)
		return err_set(err, RC_LIMIT, "request: more than %d bytes of header fields",
			H2_REQUEST_HEADER_BYTES_MAX);
	return RC_OK;
}

/* nghttp2 copies the fields and leaves our const alone; its type cannot say so. */
static uint8_t *bytes_lent(struct slice s)
{
	union {
		const uint8_t *in;
		uint8_t *out;
	} ptr = {.in = s.ptr};

	return ptr.out;
}

void h2_fields_lend(const struct h2_request *request, nghttp2_nv fields[static H2_FIELDS_MAX])
{
	for (size_t i = 0; i < request->field_count; i++) {
		const struct h2_field *field = &request->fields[i];

		fields[i] = (nghttp2_nv){
			.name = bytes_lent(field->name),
			.namelen = field->name.len,
			.value = bytes_lent(field->value),
			.valuelen = field->value.len,
			.flags = field->is_unique ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE,
		};
	}
}
