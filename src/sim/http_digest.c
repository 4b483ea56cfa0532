/* SPDX-License-Identifier: Apache-2.0 */
#include "http_digest.h"

#include <openssl/evp.h>
#include <string.h>

#include "pomona/base/rand.h"

enum { HEX_BYTES_MAX = 2 * EVP_MAX_MD_SIZE + 1 };

/* Of a challenge, without quotes; empty: not there. */
struct asked {
	struct slice realm, nonce, opaque, algorithm, qop;
};

static void take(struct asked *asked, struct slice name, struct slice value)
{
	const struct {
		const char *name;
		struct slice *to;
	} names[] = {{"realm", &asked->realm}, {"nonce", &asked->nonce}, {"opaque", &asked->opaque},
		{"algorithm", &asked->algorithm}, {"qop", &asked->qop}};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (slice_is_str_nocase(name, names[i].name))
			*names[i].to = value;
}

/* name=value or name="value", which *rest moves past. What is escaped in quotes is not understood. */
static bool next_pair(struct slice *rest, struct slice *name_r, struct slice *value_r)
{
	size_t at = 0;

	while (rest->len > 0 && (rest->ptr[0] == ' ' || rest->ptr[0] == ','))
		*rest = slice_sub(*rest, 1, rest->len);
	if (!slice_find_byte(*rest, '=', &at))
		return false;
	*name_r = slice_trim(slice_sub(*rest, 0, at));
	*rest = slice_sub(*rest, at + 1, rest->len);
	if (rest->len > 0 && rest->ptr[0] == '"') {
		*rest = slice_sub(*rest, 1, rest->len);
		if (!slice_find_byte(*rest, '"', &at))
			return false;
		*value_r = slice_sub(*rest, 0, at);
		*rest = slice_sub(*rest, at + 1, rest->len);
		return !slice_find_byte(*value_r, '\\', &at);
	}
	at = rest->len;
	(void)slice_find_byte(*rest, ',', &at);
	*value_r = slice_trim(slice_sub(*rest, 0, at));
	*rest = slice_sub(*rest, at, rest->len);
	return true;
}

static bool read_challenge(const char *challenge, struct asked *asked)
{
	static const char scheme[] = "Digest ";
	struct slice rest = slice_of_str(challenge);
	struct slice name, value;

	if (!slice_is_str_nocase(slice_sub(rest, 0, strlen(scheme)), scheme))
		return false;
	rest = slice_sub(rest, strlen(scheme), rest.len);
	while (next_pair(&rest, &name, &value))
		take(asked, name, value);
	return asked->realm.len > 0 && asked->nonce.len > 0 &&
		asked->nonce.len <= HTTP_DIGEST_VALUE_BYTES_MAX &&
		asked->realm.len <= HTTP_DIGEST_VALUE_BYTES_MAX;
}

static const EVP_MD *algorithm_of(const struct asked *asked)
{
	if (asked->algorithm.len == 0 || slice_is_str_nocase(asked->algorithm, "MD5"))
		return EVP_md5();
	return slice_is_str_nocase(asked->algorithm, "SHA-256") ? EVP_sha256() : NULL;
}

/* "" where it cannot be computed. */
static void digest_hex(const EVP_MD *md, struct buf *text, char hex[static HEX_BYTES_MAX])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t bytes[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (text->rc != RC_OK || EVP_Digest(text->ptr, text->len, bytes, &len, md, NULL) != 1)
		len = 0;
	for (unsigned i = 0; i < len; i++) {
		hex[(size_t)2 * i] = digits[bytes[i] >> 4];
		hex[(size_t)2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[(size_t)2 * len] = '\0';
	buf_clear(text);
}

static void compute(const struct http_digest *digest, const struct asked *asked, const EVP_MD *md,
	const char *cnonce, char response[static HEX_BYTES_MAX])
{
	char first[HEX_BYTES_MAX], second[HEX_BYTES_MAX];
	struct buf text;

	buf_init(&text, HTTP_DIGEST_HEADER_BYTES_MAX);
	(void)buf_reserve(&text, HTTP_DIGEST_HEADER_BYTES_MAX / 2);
	buf_printf(&text, "%s:%.*s:%s", digest->user, SLICE_FMT(asked->realm), digest->password);
	digest_hex(md, &text, first);
	buf_printf(&text, "%s:%s", digest->method, digest->target);
	digest_hex(md, &text, second);
	if (asked->qop.len > 0)
		buf_printf(&text, "%s:%.*s:00000001:%s:auth:%s", first, SLICE_FMT(asked->nonce), cnonce, second);
	else
		buf_printf(&text, "%s:%.*s:%s", first, SLICE_FMT(asked->nonce), second);
	digest_hex(md, &text, response);
	buf_fini_secret(&text);
}

enum rc http_digest_answer(const struct http_digest *digest, struct buf *header, struct err *err)
{
	struct asked asked = {.qop = {NULL, 0}};
	const EVP_MD *md = read_challenge(digest->challenge, &asked) ? algorithm_of(&asked) : NULL;
	char response[HEX_BYTES_MAX], cnonce[UUID_TEXT_BYTES];

	if (md == NULL)
		return err_set(err, RC_INVALID, "WWW-Authenticate: no Digest in MD5 or SHA-256");
	uuid_make(cnonce);
	compute(digest, &asked, md, cnonce, response);
	buf_printf(header,
		"Authorization: Digest username=\"%s\", realm=\"%.*s\", nonce=\"%.*s\", uri=\"%s\", "
		"response=\"%s\"",
		digest->user, SLICE_FMT(asked.realm), SLICE_FMT(asked.nonce), digest->target, response);
	if (asked.algorithm.len > 0)
		buf_printf(header, ", algorithm=%.*s", SLICE_FMT(asked.algorithm));
	if (asked.qop.len > 0)
		buf_printf(header, ", qop=auth, nc=00000001, cnonce=\"%s\"", cnonce);
	if (asked.opaque.len > 0)
		buf_printf(header, ", opaque=\"%.*s\"", SLICE_FMT(asked.opaque));
	return buf_status(header, "Authorization", err);
}

const char *http_target_of(const char *url)
{
	const char *host = strstr(url, "://");
	const char *path = host == NULL ? NULL : strchr(host + 3, '/');

	return path == NULL ? "/" : path;
}
