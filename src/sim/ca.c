/* SPDX-License-Identifier: Apache-2.0 */
#include "ca.h"

#include <stdio.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/base/file.h"

enum { CA_FILE_BYTES_MAX = 65536, CA_VALID_S = 10 * 365 * 24 * 3600, PEM_COLUMNS = 64 };

static const char key_begin[] = "-----BEGIN PRIVATE KEY-----\n";
static const char key_end[] = "-----END PRIVATE KEY-----\n";

enum rc ca_path(const char *dir, const char *name, char out[static PATH_MAX], struct err *err)
{
	int len = snprintf(out, PATH_MAX, "%s/%s", dir, name);

	if (len < 0 || len >= PATH_MAX)
		return err_set(err, RC_LIMIT, "--dir: path longer than %d bytes", PATH_MAX);
	return RC_OK;
}

static enum rc write_key(const struct authority *authority, const char *path, struct err *err)
{
	struct buf der, base64, pem;
	enum rc rc;

	buf_init(&der, CA_FILE_BYTES_MAX);
	buf_init(&base64, CA_FILE_BYTES_MAX);
	buf_init(&pem, CA_FILE_BYTES_MAX);
	rc = authority_write_key_der(authority, &der, err);
	base64_encode(buf_slice(&der), &base64);
	buf_append_str(&pem, key_begin);
	for (size_t at = 0; at < base64.len; at += PEM_COLUMNS) {
		buf_append(&pem, slice_sub(buf_slice(&base64), at, PEM_COLUMNS));
		buf_append_byte(&pem, '\n');
	}
	buf_append_str(&pem, key_end);
	if (rc == RC_OK)
		rc = buf_status(&pem, "CA key", err);
	if (rc == RC_OK)
		rc = file_replace(path, buf_slice(&pem), 0600, err);
	buf_fini_secret(&der);
	buf_fini_secret(&base64);
	buf_fini_secret(&pem);
	return rc;
}

static enum rc write_cert(const struct authority *authority, const char *path, struct err *err)
{
	struct buf pem;
	enum rc rc;

	buf_init(&pem, CA_FILE_BYTES_MAX);
	cert_write_pem(authority_cert_der(authority), &pem);
	rc = buf_status(&pem, "CA certificate", err);
	if (rc == RC_OK)
		rc = file_replace(path, buf_slice(&pem), 0644, err);
	buf_fini(&pem);
	return rc;
}

/* The certificate is written last: while it is missing, no device has been given one, and a new key is harmless. */
enum rc ca_create(const char *dir, const char *common_name, int64_t now, struct err *err)
{
	const struct authority_params params = {.key = KEY_P256,
		.common_name = common_name,
		.organization = "Pomona simulator",
		.now = now,
		.valid_s = CA_VALID_S};
	AUTO(authority_free) struct authority *authority = NULL;
	char cert_path[PATH_MAX], key_path[PATH_MAX];
	enum rc rc = ca_path(dir, "ca.pem", cert_path, err);

	if (rc == RC_OK)
		rc = ca_path(dir, "ca.key", key_path, err);
	if (rc != RC_OK)
		return rc;
	if (file_is_there(cert_path)) {
		if (!file_is_there(key_path))
			return err_set(err, RC_CORRUPT, "%s is there, but %s is not", cert_path, key_path);
		return err_set(err, RC_EXISTS, "%s is there already", cert_path);
	}
	rc = file_make_dir(dir, 0700, err);
	if (rc == RC_OK)
		rc = authority_new(&params, &authority, err);
	if (rc == RC_OK)
		rc = write_key(authority, key_path, err);
	if (rc == RC_OK)
		rc = write_cert(authority, cert_path, err);
	return rc;
}

static enum rc copy_der(void *ctx, struct slice der, struct err *err)
{
	struct buf *out = ctx;

	buf_clear(out);
	buf_append(out, der);
	return buf_status(out, "CA certificate", err);
}

static enum rc read_cert(const char *path, struct buf *der, struct err *err)
{
	struct buf pem;
	enum rc rc;

	buf_init(&pem, CA_FILE_BYTES_MAX);
	rc = file_read(path, &pem, err);
	if (rc == RC_OK)
		rc = cert_pem_each(buf_slice(&pem), copy_der, der, err);
	buf_fini(&pem);
	return rc;
}

static enum rc read_key(const char *path, struct buf *der, struct err *err)
{
	struct buf pem;
	struct slice body;
	enum rc rc;

	buf_init(&pem, CA_FILE_BYTES_MAX);
	rc = file_read(path, &pem, err);
	body = buf_slice(&pem);
	if (rc == RC_OK &&
		(!slice_has_prefix(body, key_begin) || body.len < strlen(key_begin) + strlen(key_end)))
		rc = err_set(err, RC_CORRUPT, "%s: not a PEM private key", path);
	if (rc == RC_OK) {
		body = slice_sub(body, strlen(key_begin), body.len - strlen(key_begin) - strlen(key_end));
		rc = base64_parse(body, der, err);
	}
	buf_fini_secret(&pem);
	return rc;
}

enum rc ca_load(const char *dir, struct authority **authority_r, struct err *err)
{
	char cert_path[PATH_MAX], key_path[PATH_MAX];
	struct buf cert_der, key_der;
	enum rc rc = ca_path(dir, "ca.pem", cert_path, err);

	*authority_r = NULL;
	if (rc == RC_OK)
		rc = ca_path(dir, "ca.key", key_path, err);
	if (rc != RC_OK)
		return rc;
	buf_init(&cert_der, CA_FILE_BYTES_MAX);
	buf_init(&key_der, CA_FILE_BYTES_MAX);
	rc = read_cert(cert_path, &cert_der, err);
	if (rc == RC_OK)
		rc = read_key(key_path, &key_der, err);
	if (rc == RC_OK)
		rc = authority_load(buf_slice(&cert_der), buf_slice(&key_der), authority_r, err);
	buf_fini(&cert_der);
	buf_fini_secret(&key_der);
	return rc;
}
