/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/identity/digest_login.h"

#include <string.h>

#include "pomona/base/codec.h"

/* --- reading */

struct reader {
	struct slice rest;
	struct arena *arena;
	struct err *err;
};

static bool is_space(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static void skip_spaces(struct reader *reader)
{
	while (reader->rest.len > 0 && is_space(reader->rest.ptr[0]))
		reader->rest = slice_sub(reader->rest, 1, reader->rest.len);
}

static bool skip_byte(struct reader *reader, uint8_t byte)
{
	skip_spaces(reader);
	if (reader->rest.len == 0 || reader->rest.ptr[0] != byte)
		return false;
	reader->rest = slice_sub(reader->rest, 1, reader->rest.len);
	return true;
}

/* tchar of RFC 9110, 5.6.2; and, as base64 stands unquoted with some clients, '/', '=' and ':' in values. */
static bool is_token_byte(uint8_t byte, bool is_value)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	if ((byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z'))
		return true;
	if (byte != 0 && memchr(marks, byte, sizeof(marks) - 1) != NULL)
		return true;
	return is_value && (byte == '/' || byte == '=' || byte == ':' || byte == '?');
}

static struct slice take_token(struct reader *reader, bool is_value)
{
	size_t len = 0;
	struct slice token;

	skip_spaces(reader);
	while (len < reader->rest.len && is_token_byte(reader->rest.ptr[len], is_value))
		len++;
	token = slice_sub(reader->rest, 0, len);
	reader->rest = slice_sub(reader->rest, len, reader->rest.len);
	return token;
}

/* Behind the opening quote. A backslash makes the byte behind it stand for itself. */
static enum rc take_quoted(struct reader *reader, struct slice *value_r)
{
	uint8_t *bytes = arena_alloc(reader->arena, reader->rest.len + 1);
	size_t len = 0;

	if (bytes == NULL)
		return err_set(reader->err, RC_NO_MEMORY, "digest");
	for (size_t at = 0; at < reader->rest.len; at++) {
		uint8_t byte = reader->rest.ptr[at];

		if (byte == '"') {
			reader->rest = slice_sub(reader->rest, at + 1, reader->rest.len);
			*value_r = slice_of(bytes, len);
			return RC_OK;
		}
		if (byte == '\\' && ++at < reader->rest.len)
			byte = reader->rest.ptr[at];
		if (byte < ' ' || byte == 0x7f)
			return err_set(reader->err, RC_INVALID, "digest: a control character in a value");
		bytes[len++] = byte;
	}
	return err_set(reader->err, RC_INVALID, "digest: a quote without its end");
}

static enum rc take_pair(struct reader *reader, struct slice *name_r, struct slice *value_r)
{
	*name_r = take_token(reader, false);
	if (name_r->len == 0 || !skip_byte(reader, '='))
		return err_set(reader->err, RC_INVALID, "digest: want name=value pairs with commas between");
	skip_spaces(reader);
	if (skip_byte(reader, '"'))
		return take_quoted(reader, value_r);
	*value_r = take_token(reader, true);
	return RC_OK;
}

struct pairs {
	struct slice username, realm, nonce, uri, response, cnonce, nc, qop, algorithm;
};

static const struct {
	const char *name;
	size_t offset;
} known[] = {
#define PAIR(name_) \
	{ \
#name_, offsetof(struct pairs, name_) \
	}
	PAIR(username),
	PAIR(realm),
	PAIR(nonce),
	PAIR(uri),
	PAIR(response),
	PAIR(cnonce),
	PAIR(nc),
	PAIR(qop),
	PAIR(algorithm),
#undef PAIR
};

/* A name that stands twice could be read in two ways. An empty value keeps a pointer and so is told from none. */
static enum rc keep_pair(struct reader *reader, struct pairs *pairs, struct slice name,
	struct slice value)
{
	for (size_t i = 0; i < COUNT_OF(known); i++) {
		struct slice *place = (struct slice *)(void *)((char *)pairs + known[i].offset);

		if (!slice_is_str_nocase(name, known[i].name))
			continue;
		if (place->ptr != NULL)
			return err_set(reader->err, RC_INVALID, "digest: %s stands twice", known[i].name);
		*place = value;
	}
	return RC_OK;
}

static void skip_scheme(struct reader *reader)
{
	enum { SCHEME_BYTES = 6 };

	skip_spaces(reader);
	if (reader->rest.len > SCHEME_BYTES && is_space(reader->rest.ptr[SCHEME_BYTES]) &&
		slice_is_str_nocase(slice_sub(reader->rest, 0, SCHEME_BYTES), "Digest"))
		reader->rest = slice_sub(reader->rest, SCHEME_BYTES, reader->rest.len);
}

static enum rc read_pairs(struct reader *reader, struct pairs *pairs)
{
	skip_scheme(reader);
	for (size_t count = 0;; count++) {
		struct slice name;
		struct slice value = {.ptr = NULL};
		enum rc rc;

		while (skip_byte(reader, ','))
			;
		skip_spaces(reader);
		if (reader->rest.len == 0)
			return RC_OK;
		if (count == DIGEST_PARAMS_MAX)
			return err_set(reader->err, RC_LIMIT, "digest: more than %d parameters", DIGEST_PARAMS_MAX);
		rc = take_pair(reader, &name, &value);
		if (rc == RC_OK)
			rc = keep_pair(reader, pairs, name, value);
		if (rc != RC_OK)
			return rc;
		skip_spaces(reader);
		if (reader->rest.len > 0 && reader->rest.ptr[0] != ',')
			return err_set(reader->err, RC_INVALID, "digest: want a comma between parameters");
	}
}

/* --- checking what was read */

static enum rc set_algorithm(struct slice name, struct digest_answer *answer, struct err *err)
{
	answer->algorithm = DIGEST_MD5;
	if (name.len == 0 || slice_is_str_nocase(name, "MD5"))
		return RC_OK;
	answer->algorithm = DIGEST_SHA256;
	if (slice_is_str_nocase(name, "SHA-256"))
		return RC_OK;
	return err_set(err, RC_INVALID, "digest: algorithm: want MD5 or SHA-256");
}

static bool read_nc(struct slice nc, uint32_t *number_r)
{
	uint8_t bytes[DIGEST_NC_DIGITS / 2];

	if (nc.len != DIGEST_NC_DIGITS || hex_parse(nc, bytes, sizeof(bytes), NULL) != RC_OK)
		return false;
	*number_r =
		(uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
	return true;
}

static enum rc set_qop(const struct pairs *pairs, struct digest_answer *answer, struct err *err)
{
	if (pairs->qop.len == 0)
		return RC_OK;
	if (!slice_is_str_nocase(pairs->qop, "auth"))
		return err_set(err, RC_INVALID, "digest: qop: want auth");
	if (pairs->cnonce.len == 0)
		return err_set(err, RC_INVALID, "digest: cnonce: missing, though qop is there");
	if (!read_nc(pairs->nc, &answer->nc_number))
		return err_set(err, RC_INVALID, "digest: nc: want 8 hex digits");
	answer->qop = pairs->qop;
	answer->cnonce = pairs->cnonce;
	answer->nc = pairs->nc;
	return RC_OK;
}

static enum rc check_there(const struct pairs *pairs, struct err *err)
{
	const struct {
		const char *name;
		struct slice value;
	} required[] = {
		{"username", pairs->username},
		{"realm", pairs->realm},
		{"nonce", pairs->nonce},
		{"uri", pairs->uri},
		{"response", pairs->response},
	};

	for (size_t i = 0; i < COUNT_OF(required); i++)
		if (required[i].value.len == 0)
			return err_set(err, RC_INVALID, "digest: %s: missing", required[i].name);
	return RC_OK;
}

enum rc digest_answer_read(struct slice text, struct arena *arena, struct digest_answer *answer_r,
	struct err *err)
{
	struct reader reader = {.rest = text, .arena = arena, .err = err};
	struct pairs pairs = {.username = {.ptr = NULL}};
	enum rc rc;

	memset(answer_r, 0, sizeof(*answer_r));
	if (text.len > DIGEST_ANSWER_BYTES_MAX)
		return err_set(err, RC_LIMIT, "digest: %zu bytes, at most %d", text.len, DIGEST_ANSWER_BYTES_MAX);
	rc = read_pairs(&reader, &pairs);
	if (rc == RC_OK)
		rc = check_there(&pairs, err);
	if (rc == RC_OK)
		rc = set_algorithm(pairs.algorithm, answer_r, err);
	if (rc == RC_OK)
		rc = set_qop(&pairs, answer_r, err);
	if (rc == RC_OK && pairs.response.len != digest_hex_len(answer_r->algorithm))
		rc = err_set(err, RC_INVALID, "digest: response: of the wrong length");
	if (rc != RC_OK)
		return rc;
	answer_r->username = pairs.username;
	answer_r->realm = pairs.realm;
	answer_r->nonce = pairs.nonce;
	answer_r->uri = pairs.uri;
	answer_r->response = pairs.response;
	return RC_OK;
}

/* --- computing */

enum rc digest_ha1_make(struct slice username, struct slice realm, struct slice password,
	struct digest_ha1 *ha1_r, struct err *err)
{
	const struct slice parts[] = {username, realm, password};
	enum rc rc = RC_OK;

	for (int kind = 0; rc == RC_OK && kind < DIGEST_KIND_COUNT; kind++)
		rc = digest_hex((enum digest_kind)kind, parts, COUNT_OF(parts), ha1_r->hex[kind], err);
	return rc;
}

/* RFC 7616, 3.4.1; without qop as RFC 2069 has it. */
static enum rc compute(const struct digest_answer *answer, const struct digest_ha1 *ha1,
	const char *method, char want[static DIGEST_HEX_BYTES], struct err *err)
{
	const struct slice a2[] = {slice_of_str(method), answer->uri};
	char ha2[DIGEST_HEX_BYTES];
	struct slice parts[6];
	size_t count = 0;
	enum rc rc = digest_hex(answer->algorithm, a2, COUNT_OF(a2), ha2, err);

	parts[count++] = slice_of_str(ha1->hex[answer->algorithm]);
	parts[count++] = answer->nonce;
	if (answer->qop.len > 0) {
		parts[count++] = answer->nc;
		parts[count++] = answer->cnonce;
		parts[count++] = answer->qop;
	}
	parts[count++] = slice_of_str(ha2);
	return rc == RC_OK ? digest_hex(answer->algorithm, parts, count, want, err) : rc;
}

static char lower(uint8_t byte)
{
	return (char)(byte >= 'A' && byte <= 'F' ? byte - 'A' + 'a' : byte);
}

enum rc digest_answer_check(const struct digest_answer *answer, const struct digest_ha1 *ha1,
	const char *const *methods, size_t method_count, bool *is_right_r, struct err *err)
{
	char given[DIGEST_HEX_BYTES] = {0};
	size_t len = digest_hex_len(answer->algorithm);

	*is_right_r = false;
	if (answer->response.len != len)
		return RC_OK;
	for (size_t i = 0; i < len; i++)
		given[i] = lower(answer->response.ptr[i]);
	for (size_t i = 0; i < method_count; i++) {
		char want[DIGEST_HEX_BYTES];
		enum rc rc = compute(answer, ha1, methods[i], want, err);

		if (rc != RC_OK)
			return rc;
		if (slice_is_equal_consttime(slice_of(want, len), slice_of(given, len)))
			*is_right_r = true;
	}
	return RC_OK;
}
