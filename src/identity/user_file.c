/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/identity/user_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "pomona/base/codec.h"
#include "pomona/base/file.h"
#include "pomona/identity/claim.h"

enum {
	FIELDS = 6,
	LINE_BYTES_MAX = sizeof(struct user_row),
	FILE_BYTES_MAX = USER_FILE_USERS_MAX * LINE_BYTES_MAX,
	MODE_PRIVATE = 0600,
	MODE_OF_OTHERS = 0077,
	FIRST_ROWS = 16,
};

struct user_file {
	struct user_row *rows; /* owned, by name */
	size_t count, room;
};

/* --- one row */

static bool is_text(struct slice text)
{
	return utf8_is_xml_text(text) && claim_is_line(text);
}

static enum rc copy_text(const char *what, struct slice text, char *out, size_t max,
	struct err *err)
{
	if (text.len > max)
		return err_set(err, RC_LIMIT, "%s: %zu bytes, at most %zu", what, text.len, max);
	if (!is_text(text))
		return err_set(err, RC_INVALID, "%s: has characters that are no text", what);
	memcpy(out, text.ptr == NULL ? (const uint8_t *)"" : text.ptr, text.len);
	out[text.len] = '\0';
	return RC_OK;
}

/* A colon would end the name where a digest is computed. */
static enum rc set_name(struct slice name, struct user_row *row, struct err *err)
{
	size_t at;

	if (name.len == 0 || slice_trim(name).len != name.len)
		return err_set(err, RC_INVALID, "name: empty, or with white space around it");
	if (slice_find_byte(name, ':', &at) || name.ptr[0] == '#')
		return err_set(err, RC_INVALID, "name: has a colon, or begins with #");
	return copy_text("name", name, row->name, USER_NAME_BYTES_MAX, err);
}

bool user_realm_is_sound(const char *realm)
{
	size_t len = strlen(realm);

	if (len == 0 || len > USER_REALM_BYTES_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (realm[i] < ' ' || realm[i] > '~' || strchr("\"\\:", realm[i]) != NULL)
			return false;
	return true;
}

static enum rc set_realm(struct slice realm, struct user_row *row, struct err *err)
{
	enum rc rc = copy_text("realm", realm, row->realm, USER_REALM_BYTES_MAX, err);

	if (rc == RC_OK && !user_realm_is_sound(row->realm))
		return err_set(err, RC_INVALID,
			"realm: want printable ASCII characters other than quote, backslash and colon");
	return rc;
}

enum rc user_row_make(const char *name, const char *display_name, const char *realm,
	struct slice password, struct user_row *row_r, struct err *err)
{
	enum rc rc;

	memset(row_r, 0, sizeof(*row_r));
	if (password.len == 0)
		return err_set(err, RC_INVALID, "password: empty");
	rc = set_name(slice_of_str(name), row_r, err);
	if (rc == RC_OK)
		rc = copy_text("display name", slice_of_str(display_name), row_r->display_name,
			USER_DISPLAY_BYTES_MAX, err);
	if (rc == RC_OK)
		rc = set_realm(slice_of_str(realm), row_r, err);
	if (rc == RC_OK)
		rc = password_hash(password, row_r->password_hash, err);
	if (rc == RC_OK)
		rc = digest_ha1_make(slice_of_str(name), slice_of_str(realm), password, &row_r->ha1, err);
	return rc;
}

/* --- the rows */

struct user_file *user_file_new(void)
{
	return calloc(1, sizeof(struct user_file));
}

size_t user_file_count(const struct user_file *file)
{
	return file->count;
}

const struct user_row *user_file_at(const struct user_file *file, size_t index)
{
	return &file->rows[index];
}

/* Where it is, or would be. */
static size_t place_of_name(const struct user_file *file, struct slice name, bool *is_there_r)
{
	size_t from = 0;
	size_t to = file->count;

	*is_there_r = false;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		int order = slice_compare(slice_of_str(file->rows[middle].name), name);

		if (order == 0) {
			*is_there_r = true;
			return middle;
		}
		if (order < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

const struct user_row *user_file_find(const struct user_file *file, struct slice name)
{
	bool is_there;
	size_t at = place_of_name(file, name, &is_there);

	return is_there ? &file->rows[at] : NULL;
}

/* Not realloc(), which would leave secrets where the rows were. */
static enum rc make_room(struct user_file *file, struct err *err)
{
	size_t room = file->room == 0 ? FIRST_ROWS : 2 * file->room;
	struct user_row *rows;

	if (file->rows != NULL && file->count < file->room)
		return RC_OK;
	rows = calloc(room, sizeof(*rows));
	if (rows == NULL)
		return err_set(err, RC_NO_MEMORY, "users");
	if (file->rows != NULL) {
		memcpy(rows, file->rows, file->count * sizeof(*rows));
		explicit_bzero(file->rows, file->count * sizeof(*rows));
	}
	free(file->rows);
	file->rows = rows;
	file->room = room;
	return RC_OK;
}

enum rc user_file_put(struct user_file *file, const struct user_row *row, struct err *err)
{
	bool is_there;
	size_t at = place_of_name(file, slice_of_str(row->name), &is_there);

	enum rc rc;

	if (!is_there && file->count == USER_FILE_USERS_MAX)
		return err_set(err, RC_LIMIT, "users: at most %d", USER_FILE_USERS_MAX);
	rc = make_room(file, err);
	if (rc != RC_OK)
		return rc;
	if (!is_there) {
		memmove(&file->rows[at + 1], &file->rows[at], (file->count - at) * sizeof(*row));
		file->count++;
	}
	file->rows[at] = *row;
	return RC_OK;
}

bool user_file_remove(struct user_file *file, struct slice name)
{
	bool is_there;
	size_t at = place_of_name(file, name, &is_there);

	if (!is_there)
		return false;
	file->count--;
	memmove(&file->rows[at], &file->rows[at + 1], (file->count - at) * sizeof(file->rows[0]));
	explicit_bzero(&file->rows[file->count], sizeof(file->rows[0]));
	return true;
}

void user_file_free(struct user_file **file)
{
	if (*file == NULL)
		return;
	if ((*file)->rows != NULL)
		explicit_bzero((*file)->rows, (*file)->count * sizeof((*file)->rows[0]));
	free((*file)->rows);
	free(*file);
	*file = NULL;
}

/* --- the file */

static enum rc check_mode(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) != 0 && errno == ENOENT)
		return err_set(err, RC_NOT_FOUND, "%s: no such file", path);
	if (stat(path, &st) != 0)
		return err_set_errno(err, errno, "%s: cannot be looked at", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, RC_INVALID, "%s: not a file", path);
	if ((st.st_mode & MODE_OF_OTHERS) != 0)
		return err_set(err, RC_DENIED, "%s: mode %04o lets others at the secrets; want 0600 or 0400",
			path, (unsigned)st.st_mode & 07777U);
	return RC_OK;
}

static bool is_hex(struct slice text)
{
	uint8_t bytes[DIGEST_HEX_BYTES / 2];

	return text.len <= 2 * sizeof(bytes) && hex_parse(text, bytes, text.len / 2, NULL) == RC_OK;
}

static bool split(struct slice line, struct slice fields[static FIELDS])
{
	for (size_t i = 0; i < FIELDS; i++) {
		size_t end = line.len;
		bool is_more = slice_find_byte(line, '\t', &end);

		if (is_more != (i + 1 < FIELDS))
			return false;
		fields[i] = slice_sub(line, 0, end);
		line = slice_sub(line, end + 1, line.len);
	}
	return true;
}

static bool set_ha1(const struct slice *hex, struct digest_ha1 *ha1)
{
	for (int kind = 0; kind < DIGEST_KIND_COUNT; kind++) {
		if (hex[kind].len != digest_hex_len((enum digest_kind)kind) || !is_hex(hex[kind]))
			return false;
		memcpy(ha1->hex[kind], hex[kind].ptr, hex[kind].len);
	}
	return true;
}

/* What is wrong never shows a secret. */
static enum rc read_line(struct slice line, struct user_row *row, struct err *err)
{
	struct slice fields[FIELDS];
	enum rc rc;

	if (!split(line, fields))
		return err_set(err, RC_INVALID, "want %d fields with tabs between", FIELDS);
	rc = set_name(fields[0], row, err);
	if (rc == RC_OK)
		rc = copy_text("display name", fields[1], row->display_name, USER_DISPLAY_BYTES_MAX, err);
	if (rc == RC_OK && (!password_hash_is_sound(fields[2]) || fields[2].len >= PASSWORD_HASH_BYTES))
		rc = err_set(err, RC_INVALID, "the third field is no hash of a password");
	if (rc == RC_OK)
		rc = set_realm(fields[3], row, err);
	if (rc == RC_OK && !set_ha1(&fields[4], &row->ha1))
		rc = err_set(err, RC_INVALID, "the last two fields are no digests");
	if (rc == RC_OK)
		memcpy(row->password_hash, fields[2].ptr, fields[2].len);
	return rc;
}

static enum rc add_line(struct user_file *file, struct slice line, struct err *err)
{
	struct user_row row = {.name = ""};
	enum rc rc = RC_OK;

	if (line.len == 0 || line.ptr[0] == '#')
		return RC_OK;
	rc = read_line(line, &row, err);
	if (rc == RC_OK && user_file_find(file, slice_of_str(row.name)) != NULL)
		rc = err_set(err, RC_INVALID, "this name stands above already");
	if (rc == RC_OK)
		rc = user_file_put(file, &row, err);
	explicit_bzero(&row, sizeof(row));
	return rc;
}

static enum rc parse(struct user_file *file, struct slice text, const char *path, struct err *err)
{
	for (int number = 1; text.len > 0; number++) {
		size_t end = text.len;
		enum rc rc;

		(void)slice_find_byte(text, '\n', &end);
		rc = add_line(file, slice_sub(text, 0, end), err);
		if (rc != RC_OK)
			return err_context(err, "%s:%d", path, number);
		text = slice_sub(text, end + 1, text.len);
	}
	return RC_OK;
}

/* Sized at once, so that no copy of a secret stays behind. */
static enum rc read_whole(const char *path, struct buf *text, struct err *err)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return err_set_errno(err, errno, "%s", path);
	if (st.st_size > FILE_BYTES_MAX)
		return err_set(err, RC_LIMIT, "%s: larger than %d bytes", path, FILE_BYTES_MAX);
	buf_init(text, (size_t)st.st_size + LINE_BYTES_MAX);
	if (buf_reserve(text, (size_t)st.st_size + LINE_BYTES_MAX) == NULL)
		return buf_status(text, path, err);
	return file_read(path, text, err);
}

static enum rc load(const char *path, struct user_file *file, struct err *err)
{
	AUTO(buf_fini_secret) struct buf text = {.ptr = NULL};
	enum rc rc = check_mode(path, err);

	if (rc == RC_OK)
		rc = read_whole(path, &text, err);
	return rc == RC_OK ? parse(file, buf_slice(&text), path, err) : rc;
}

enum rc user_file_load(const char *path, struct user_file **file_r, struct err *err)
{
	struct user_file *file = user_file_new();
	enum rc rc;

	*file_r = NULL;
	if (file == NULL)
		return err_set(err, RC_NO_MEMORY, "%s", path);
	rc = load(path, file, err);
	if (rc == RC_OK)
		*file_r = file;
	else
		user_file_free(&file);
	return rc;
}

enum rc user_file_save(const struct user_file *file, const char *path, struct err *err)
{
	AUTO(buf_fini_secret) struct buf text;
	enum rc rc;

	buf_init(&text, (file->count + 1) * LINE_BYTES_MAX);
	if (buf_reserve(&text, (file->count + 1) * LINE_BYTES_MAX) == NULL)
		return buf_status(&text, path, err);
	buf_append_str(&text, "# Users of Pomona; change them with `pomonactl user`.\n");
	for (size_t i = 0; i < file->count; i++) {
		const struct user_row *row = &file->rows[i];

		buf_printf(&text, "%s\t%s\t%s\t%s\t%s\t%s\n", row->name, row->display_name, row->password_hash,
			row->realm, row->ha1.hex[DIGEST_MD5], row->ha1.hex[DIGEST_SHA256]);
	}
	rc = buf_status(&text, path, err);
	if (rc != RC_OK)
		return rc;
	return file_replace_for_folder(path, buf_slice(&text), MODE_PRIVATE, err);
}
