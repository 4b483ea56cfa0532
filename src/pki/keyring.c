/* SPDX-License-Identifier: Apache-2.0 */
#include "keyring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "pomona/base/codec.h"
#include "pomona/base/file.h"
#include "pomona/base/rand.h"

enum {
	ID_BYTES = 4,
	ID_DIGITS = 2 * ID_BYTES,
	KEY_DIGITS = 2 * SEAL_KEY_BYTES,
	LINE_BYTES = ID_DIGITS + 1 + KEY_DIGITS, /* without its end */
	FILE_BYTES_MAX = SEAL_KEYS_MAX * (LINE_BYTES + 1),
	MODE_PRIVATE = 0600,
	MODE_OF_OTHERS = 0077,
	MODE_CREDENTIAL = 0440, /* an ACL for the service's user shows as the group's bit */
};

enum rc keyring_create_file(const char *path, struct err *err)
{
	AUTO(buf_fini_secret) struct buf text;
	uint8_t random[ID_BYTES + SEAL_KEY_BYTES];
	enum rc rc;

	buf_init(&text, LINE_BYTES + 1);
	(void)buf_reserve(&text, LINE_BYTES + 1);
	rand_bytes(random, sizeof(random));
	hex_encode(slice_of(random, ID_BYTES), &text);
	buf_append_byte(&text, ' ');
	hex_encode(slice_of(random + ID_BYTES, SEAL_KEY_BYTES), &text);
	buf_append_byte(&text, '\n');
	explicit_bzero(random, sizeof(random));
	rc = buf_status(&text, path, err);
	return rc != RC_OK ? rc : file_create(path, buf_slice(&text), MODE_PRIVATE, err);
}

static enum rc check_mode(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) != 0 && errno == ENOENT)
		return err_set(err, RC_NOT_FOUND, "%s: no such file", path);
	if (stat(path, &st) != 0)
		return err_set_errno(err, errno, "%s: cannot be looked at", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, RC_INVALID, "%s: not a file", path);
	if ((st.st_mode & 07777) == MODE_CREDENTIAL && st.st_uid == 0 && st.st_gid == 0)
		return RC_OK;
	if ((st.st_mode & MODE_OF_OTHERS) != 0)
		return err_set(err, RC_DENIED, "%s: mode %04o lets others at the keys; want 0600 or 0400", path,
			(unsigned)st.st_mode & 07777U);
	return RC_OK;
}

const struct sealing_key *keyring_find(const struct keyring *keyring, uint32_t key_id)
{
	for (size_t i = 0; i < keyring->count; i++)
		if (keyring->keys[i].id == key_id)
			return &keyring->keys[i];
	return NULL;
}

/* What the line breaks, or NULL when its key was added. Never says anything of the line's bytes. */
static const char *add_line(struct keyring *keyring, struct slice line)
{
	uint8_t id[ID_BYTES];
	struct sealing_key *key = &keyring->keys[keyring->count];

	if (keyring->count == SEAL_KEYS_MAX)
		return "too many keys, at most 16";
	if (line.len != LINE_BYTES || line.ptr[ID_DIGITS] != ' ' ||
		hex_parse(slice_sub(line, 0, ID_DIGITS), id, sizeof(id), NULL) != RC_OK ||
		hex_parse(slice_sub(line, ID_DIGITS + 1, KEY_DIGITS), key->bytes, sizeof(key->bytes), NULL) !=
			RC_OK)
		return "want 8 hex digits, one space, 64 hex digits";
	key->id = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
	if (keyring_find(keyring, key->id) != NULL)
		return "this key id stands above already";
	keyring->count++;
	return NULL;
}
_Static_assert(SEAL_KEYS_MAX == 16, "the fault's text names the limit");

static enum rc parse(struct keyring *keyring, struct slice text, const char *path, struct err *err)
{
	for (int number = 1; text.len > 0; number++) {
		size_t end = text.len;
		const char *rule;

		(void)slice_find_byte(text, '\n', &end);
		rule = add_line(keyring, slice_sub(text, 0, end));
		if (rule != NULL)
			return err_set(err, RC_INVALID, "%s:%d: %s", path, number, rule);
		text = slice_sub(text, end + 1, text.len);
	}
	if (keyring->count == 0)
		return err_set(err, RC_INVALID, "%s:1: no key in it", path);
	return RC_OK;
}

/* NULL where memory is short. */
static struct keyring *copy(const struct keyring *keyring)
{
	struct keyring *made = malloc(sizeof(*made));

	if (made != NULL)
		*made = *keyring;
	return made;
}

static void wipe(struct keyring *keyring)
{
	explicit_bzero(keyring, sizeof(*keyring));
}

enum rc keyring_load(const char *path, struct keyring **keyring_r, struct err *err)
{
	AUTO(buf_fini_secret) struct buf text;
	AUTO(wipe) struct keyring keyring = {.count = 0};
	enum rc rc;

	*keyring_r = NULL;
	/* One line more than is good, so that a file with too many keys is told by its line. */
	buf_init(&text, FILE_BYTES_MAX + LINE_BYTES + 1);
	(void)buf_reserve(&text, FILE_BYTES_MAX + LINE_BYTES + 1);
	rc = check_mode(path, err);
	if (rc == RC_OK)
		rc = file_read(path, &text, err);
	if (rc == RC_OK)
		rc = parse(&keyring, buf_slice(&text), path, err);
	if (rc != RC_OK)
		return rc;
	*keyring_r = copy(&keyring);
	return *keyring_r != NULL ? RC_OK : err_set(err, RC_NO_MEMORY, "%s", path);
}

struct keyring *keyring_of_key(uint32_t key_id, const uint8_t key[static SEAL_KEY_BYTES])
{
	AUTO(wipe) struct keyring keyring = {.count = 1, .keys = {{.id = key_id}}};

	memcpy(keyring.keys[0].bytes, key, SEAL_KEY_BYTES);
	return copy(&keyring);
}

uint32_t keyring_sealing_id(const struct keyring *keyring)
{
	return keyring->keys[keyring->count - 1].id;
}

void keyring_free(struct keyring **keyring)
{
	if (*keyring == NULL)
		return;
	wipe(*keyring);
	free(*keyring);
	*keyring = NULL;
}
