/* SPDX-License-Identifier: Apache-2.0 */
#include "form.h"

#include <string.h>

#include "pomona/base/codec.h"

/* The next pair of what is left; false: there is none. */
static bool take_pair(struct slice *left, struct slice *name_r, struct slice *value_r)
{
	struct slice pair = *left;
	size_t at = left->len;

	if (left->len == 0)
		return false;
	if (slice_find_byte(*left, '&', &at))
		pair.len = at;
	*left = slice_sub(*left, at + 1, left->len);
	*name_r = pair;
	*value_r = slice_of(NULL, 0);
	if (slice_find_byte(pair, '=', &at)) {
		*name_r = slice_sub(pair, 0, at);
		*value_r = slice_sub(pair, at + 1, pair.len);
	}
	return true;
}

/* One character, and how many bytes it took. */
static enum rc take_byte(struct slice in, uint8_t *byte_r, size_t *len_r)
{
	*len_r = 1;
	*byte_r = in.ptr[0] == '+' ? ' ' : in.ptr[0];
	if (in.ptr[0] != '%')
		return RC_OK;
	*len_r = 3;
	return in.len < 3 ? RC_INVALID : hex_parse(slice_sub(in, 1, 2), byte_r, 1, NULL);
}

static bool is_control(uint8_t byte)
{
	return byte < ' ' || byte == 0x7f;
}

static enum rc decode(struct slice in, char *out, size_t size)
{
	size_t len = 0;

	while (in.len > 0) {
		uint8_t byte;
		size_t taken;

		if (take_byte(in, &byte, &taken) != RC_OK || is_control(byte))
			return RC_INVALID;
		if (len + 1 >= size)
			return RC_LIMIT;
		out[len++] = (char)byte;
		in = slice_sub(in, taken, in.len);
	}
	out[len] = '\0';
	return utf8_is_valid(slice_of(out, len)) ? RC_OK : RC_INVALID;
}

static enum rc decode_field(struct slice value, const char *name, char *out, size_t size,
	struct err *err)
{
	enum rc rc = decode(value, out, size);

	if (rc == RC_OK)
		return RC_OK;
	explicit_bzero(out, size);
	if (rc == RC_LIMIT)
		return err_set(err, rc, "%s: longer than %zu bytes", name, size - 1);
	return err_set(err, rc, "%s: cannot be read", name);
}

enum rc form_field(struct slice body, const char *name, char *out, size_t size, struct err *err)
{
	struct slice left = body;
	struct slice found;
	struct slice value;

	out[0] = '\0';
	if (body.len > FORM_BYTES_MAX)
		return err_set(err, RC_LIMIT, "form: longer than %d bytes", FORM_BYTES_MAX);
	while (take_pair(&left, &found, &value))
		if (slice_is_str(found, name))
			return decode_field(value, name, out, size, err);
	return err_set(err, RC_NOT_FOUND, "%s: is missing", name);
}
