/* SPDX-License-Identifier: Apache-2.0 */
#include "users.h"

#include <string.h>

#include "pomona/base/log.h"

static void look(const char *path, struct stat *st)
{
	if (stat(path, st) != 0)
		memset(st, 0, sizeof(*st));
}

/* RC_OK and nobody where there is no file. */
static enum rc read_file(const char *path, struct user_file **file_r, struct err *err)
{
	struct err own = {.rc = RC_OK};
	enum rc rc = user_file_load(path, file_r, &own);

	if (rc == RC_NOT_FOUND) {
		*file_r = user_file_new();
		return *file_r != NULL ? RC_OK : err_set(err, RC_NO_MEMORY, "users");
	}
	return rc == RC_OK ? RC_OK : err_set(err, rc, "[users] file: %s", own.text);
}

/* Such a fault stands in the file, or in its mode: nothing comes of reading it again before it has changed. */
static const bool is_of_the_file[RC_COUNT] = {
	[RC_OK] = true,
	[RC_INVALID] = true,
	[RC_LIMIT] = true,
	[RC_DENIED] = true,
};

enum rc users_load(struct users_file *users, struct err *err)
{
	AUTO(user_file_free) struct user_file *file = NULL;
	struct stat now;
	enum rc rc;

	look(users->path, &now); /* before: what changes while it is read is read again */
	rc = read_file(users->path, &file, err);
	users->is_to_read = !is_of_the_file[rc];
	users->read = now;
	if (rc != RC_OK)
		return rc;
	log_info("users_read", LOG_INT("count", (int64_t)user_file_count(file)));
	user_directory_set(users->directory, &file);
	return RC_OK;
}

static bool is_changed(const struct users_file *users)
{
	struct stat now;

	look(users->path, &now);
	return now.st_ino != users->read.st_ino || now.st_dev != users->read.st_dev ||
		now.st_size != users->read.st_size || now.st_mode != users->read.st_mode ||
		now.st_uid != users->read.st_uid || now.st_ctim.tv_sec != users->read.st_ctim.tv_sec ||
		now.st_ctim.tv_nsec != users->read.st_ctim.tv_nsec;
}

void users_look(struct users_file *users)
{
	const bool is_new = is_changed(users);
	const bool was_to_read = users->is_to_read;
	struct err err = {0};

	if (!is_new && !was_to_read)
		return;
	/* A fault that lasts is told once. */
	if (users_load(users, &err) != RC_OK && (is_new || !was_to_read))
		log_error("users_not_read", LOG_STR("error", err.text),
			LOG_STR("advice", "those who were known before stay: check with `pomonactl user list`"));
}

enum rc users_check(const struct config *config, struct err *err)
{
	AUTO(user_file_free) struct user_file *file = NULL;

	if (!user_realm_is_sound(config->users.realm))
		return err_set(err, RC_INVALID,
			"[users] realm: want 1 to %d printable ASCII characters other than quote, backslash and colon",
			USER_REALM_BYTES_MAX);
	return read_file(config->users.file, &file, err);
}
