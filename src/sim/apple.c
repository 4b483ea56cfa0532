/* SPDX-License-Identifier: Apache-2.0 */
#include "apple.h"

#include <stdio.h>
#include <string.h>

#include "ca.h"
#include "factory.h"
#include "pomona/base/file.h"
#include "pomona/base/rand.h"

enum { SERVER_VALID_S = 397 * 86400, DAY_S = 86400 };

static enum rc folder_of(const char *dir, char out[static PATH_MAX], struct err *err)
{
	return ca_path(dir, "apple", out, err);
}

static enum rc path_of(const char *dir, const char *name, char out[static PATH_MAX],
	struct err *err)
{
	char folder[PATH_MAX];
	enum rc rc = folder_of(dir, folder, err);

	return rc == RC_OK ? ca_path(folder, name, out, err) : rc;
}

static enum rc load_ca(const char *dir, struct authority **authority_r, struct err *err)
{
	char folder[PATH_MAX];
	enum rc rc = folder_of(dir, folder, err);

	*authority_r = NULL;
	if (rc == RC_OK)
		rc = ca_load(folder, authority_r, err);
	return rc;
}

/* Appends a new certificate and its key. */
static enum rc issue(const char *dir, const struct issue_params *params, struct buf *cert_pem,
	struct buf *key_pem, struct err *err)
{
	AUTO(authority_free) struct authority *authority = NULL;
	struct buf der;
	enum rc rc = load_ca(dir, &authority, err);

	if (rc != RC_OK)
		return rc;
	buf_init(&der, CERT_DER_BYTES_MAX);
	rc = authority_issue_key(authority, KEY_P256, params, &der, key_pem, err);
	if (rc == RC_OK) {
		cert_write_pem(buf_slice(&der), cert_pem);
		rc = buf_status(cert_pem, "certificate", err);
	}
	buf_fini(&der);
	return rc;
}

static struct issue_params server_params(int64_t now, int64_t valid_s)
{
	return (struct issue_params){.common_name = "localhost",
		.dns_name = "localhost",
		.other_name = "127.0.0.1",
		.is_server = true,
		.now = now,
		.valid_s = valid_s};
}

enum rc apple_issue_expired_server(const char *dir, int64_t now, struct buf *cert_pem,
	struct buf *key_pem, struct err *err)
{
	const struct issue_params params = server_params(now - 2 * (int64_t)DAY_S, DAY_S);

	return issue(dir, &params, cert_pem, key_pem, err);
}

enum rc apple_write_push(const char *dir, const struct apple_push *push, struct err *err)
{
	const struct issue_params params = {.common_name = "APSP:pomona-sim",
		.user_id = push->topic,
		.now = push->now,
		.valid_s = push->valid_s};
	struct buf cert, key;
	enum rc rc;

	buf_init(&cert, APPLE_FILE_BYTES_MAX);
	buf_init(&key, APPLE_FILE_BYTES_MAX);
	rc = issue(dir, &params, &cert, &key, err);
	/* The certificate grows by the key, reserved at once: no copy of it is left behind. */
	if (rc == RC_OK && buf_reserve(&cert, key.len) == NULL)
		rc = RC_NO_MEMORY;
	buf_append(&cert, buf_slice(&key));
	if (rc == RC_OK)
		rc = buf_status(&cert, "push certificate", err);
	if (rc == RC_OK)
		rc = file_replace(push->out, buf_slice(&cert), 0600, err);
	buf_fini_secret(&cert);
	buf_fini_secret(&key);
	return rc;
}

/* --- the parts of the folder: each is made if its file is missing */

static enum rc make_ca(const char *dir, const char *path, int64_t now, struct err *err)
{
	char folder[PATH_MAX];
	enum rc rc = folder_of(dir, folder, err);

	(void)path;
	return rc == RC_OK ? ca_create(folder, "Pomona simulated Apple CA", now, err) : rc;
}

static enum rc make_topic(const char *dir, const char *path, int64_t now, struct err *err)
{
	char uuid[UUID_TEXT_BYTES], topic[APPLE_TOPIC_BYTES_MAX + 1];

	(void)dir;
	(void)now;
	uuid_make(uuid);
	for (char *at = uuid; *at != '\0'; at++)
		if (*at >= 'A' && *at <= 'F')
			*at = (char)(*at - 'A' + 'a');
	(void)snprintf(topic, sizeof(topic), "com.apple.mgmt.External.%s\n", uuid);
	return file_replace(path, slice_of_str(topic), 0644, err);
}

/* The key first: a certificate that is there has its key. */
static enum rc make_server(const char *dir, const char *path, int64_t now, struct err *err)
{
	const struct issue_params params = server_params(now, SERVER_VALID_S);
	char key_path[PATH_MAX];
	struct buf cert, key;
	enum rc rc = path_of(dir, "server.key", key_path, err);

	if (rc != RC_OK)
		return rc;
	buf_init(&cert, APPLE_FILE_BYTES_MAX);
	buf_init(&key, APPLE_FILE_BYTES_MAX);
	rc = issue(dir, &params, &cert, &key, err);
	if (rc == RC_OK)
		rc = file_replace(key_path, buf_slice(&key), 0600, err);
	if (rc == RC_OK)
		rc = file_replace(path, buf_slice(&cert), 0644, err);
	buf_fini(&cert);
	buf_fini_secret(&key);
	return rc;
}

static enum rc make_push(const char *dir, const char *path, int64_t now, struct err *err)
{
	char topic[APPLE_TOPIC_BYTES_MAX + 1];
	const struct apple_push push = {.topic = topic,
		.now = now,
		.valid_s = APPLE_PUSH_VALID_S,
		.out = path};
	enum rc rc = apple_read_topic(dir, topic, err);

	return rc == RC_OK ? apple_write_push(dir, &push, err) : rc;
}

static enum rc make_factory(const char *dir, const char *path, int64_t now, struct err *err)
{
	char key_path[PATH_MAX];
	struct buf chain, key;
	enum rc rc = path_of(dir, APPLE_FACTORY_KEY, key_path, err);

	(void)now;
	if (rc != RC_OK)
		return rc;
	buf_init(&chain, APPLE_FILE_BYTES_MAX);
	buf_init(&key, APPLE_FILE_BYTES_MAX);
	rc = factory_make(&chain, &key, err);
	if (rc == RC_OK)
		rc = file_replace(key_path, buf_slice(&key), 0600, err);
	if (rc == RC_OK)
		rc = file_replace(path, buf_slice(&chain), 0644, err);
	buf_fini(&chain);
	buf_fini_secret(&key);
	return rc;
}

enum rc apple_create(const char *dir, int64_t now, struct err *err)
{
	static const struct {
		const char *name;
		enum rc (*make)(const char *dir, const char *path, int64_t now, struct err *err);
	} parts[] = {
		{"ca.pem", make_ca},
		{"topic", make_topic},
		{"server.pem", make_server},
		{"push.pem", make_push},
		{APPLE_FACTORY_CHAIN, make_factory},
	};
	char path[PATH_MAX];
	bool is_changed = false;
	enum rc rc = folder_of(dir, path, err);

	if (rc == RC_OK)
		rc = file_make_dir(path, 0700, err);
	for (size_t i = 0; i < COUNT_OF(parts) && rc == RC_OK; i++) {
		rc = path_of(dir, parts[i].name, path, err);
		if (rc != RC_OK || file_is_there(path))
			continue;
		rc = parts[i].make(dir, path, now, err);
		is_changed = true;
	}
	if (rc == RC_OK && !is_changed)
		return err_set(err, RC_EXISTS, "%s is there already", path);
	return rc;
}

/* --- reading */

enum rc apple_read(const char *dir, const char *name, struct buf *out, struct err *err)
{
	char path[PATH_MAX];
	enum rc rc = path_of(dir, name, path, err);

	return rc == RC_OK ? file_read(path, out, err) : rc;
}

enum rc apple_read_topic(const char *dir, char topic[static APPLE_TOPIC_BYTES_MAX + 1],
	struct err *err)
{
	struct buf text;
	struct slice word;
	enum rc rc;

	topic[0] = '\0';
	buf_init(&text, APPLE_FILE_BYTES_MAX);
	rc = apple_read(dir, "topic", &text, err);
	word = slice_trim(buf_slice(&text));
	if (rc == RC_OK && (word.len == 0 || word.len > APPLE_TOPIC_BYTES_MAX))
		rc = err_set(err, RC_CORRUPT, "%s/apple/topic: want 1 to %d bytes", dir, APPLE_TOPIC_BYTES_MAX);
	if (rc == RC_OK)
		(void)snprintf(topic, APPLE_TOPIC_BYTES_MAX + 1, "%.*s", SLICE_FMT(word));
	buf_fini(&text);
	return rc;
}
