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

static void wipe(struct keyring *keyring)
{
	explicit_bzero(keyring, sizeof(*keyring));
}

static uint32_t id_of(const uint8_t bytes[static ID_BYTES])
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* A key more, at the end. There must be room for it. */
static void add_random(struct keyring *keyring)
{
	struct sealing_key *key = &keyring->keys[keyring->count];
	uint8_t id[ID_BYTES];

	do {
		rand_bytes(id, sizeof(id));
		key->id = id_of(id);
	} while (key->id == 0 || keyring_has(keyring, key->id)); /* 0 says that there is none */
	rand_bytes(key->bytes, sizeof(key->bytes));
	keyring->count++;
}

/* `text` is initialised here; a secret. */
static enum rc format(const struct keyring *keyring, const char *path, struct buf *text,
	struct err *err)
{
	buf_init(text, FILE_BYTES_MAX);
	(void)buf_reserve(text, FILE_BYTES_MAX); /* a secret is not moved in memory */
	for (size_t i = 0; i < keyring->count; i++) {
		buf_printf(text, "%08x ", (unsigned)keyring->keys[i].id);
		hex_encode(slice_of(keyring->keys[i].bytes, SEAL_KEY_BYTES), text);
		buf_append_byte(text, '\n');
	}
	return buf_status(text, path, err);
}

enum rc keyring_create_file(const char *path, struct err *err)
{
	AUTO(buf_fini_secret) struct buf text = {0};
	AUTO(wipe) struct keyring keyring = {.count = 0};
	enum rc rc;

	add_random(&keyring);
	rc = format(&keyring, path, &text, err);
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
	key->id = id_of(id);
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

	if (made == NULL)
		return NULL;
	memcpy(made->keys, keyring->keys, sizeof(made->keys));
	made->count = keyring->count;
	atomic_init(&made->holders, 1);
	return made;
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

size_t keyring_count(const struct keyring *keyring)
{
	return keyring->count;
}

uint32_t keyring_id(const struct keyring *keyring, size_t at)
{
	return keyring->keys[at].id;
}

bool keyring_has(const struct keyring *keyring, uint32_t key_id)
{
	return keyring_find(keyring, key_id) != NULL;
}

bool keyring_shares(const struct keyring *a, const struct keyring *b, uint32_t key_id)
{
	const struct sealing_key *of_a = keyring_find(a, key_id);
	const struct sealing_key *of_b = keyring_find(b, key_id);

	return of_a != NULL && of_b != NULL &&
		slice_is_equal_consttime(slice_of(of_a->bytes, SEAL_KEY_BYTES),
			slice_of(of_b->bytes, SEAL_KEY_BYTES));
}

bool keyring_is_same(const struct keyring *a, const struct keyring *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->keys[i].id != b->keys[i].id || !keyring_shares(a, b, a->keys[i].id))
			return false;
	return true;
}

void keyring_name_ids(const struct keyring *keyring, struct buf *out)
{
	for (size_t i = 0; i < keyring->count; i++)
		buf_printf(out, "%s%08x", i == 0 ? "" : ", ", (unsigned)keyring->keys[i].id);
}

struct keyring *keyring_ref(struct keyring *keyring)
{
	(void)atomic_fetch_add(&keyring->holders, 1);
	return keyring;
}

void keyring_free(struct keyring **keyring)
{
	if (*keyring == NULL)
		return;
	if (atomic_fetch_sub(&(*keyring)->holders, 1) == 1) {
		wipe(*keyring);
		free(*keyring);
	}
	*keyring = NULL;
}

bool keyring_file_is_credential(const char *path)
{
	static const char systems[] = "/run/credentials/";
	const char *own = getenv("CREDENTIALS_DIRECTORY");
	const size_t len = own == NULL ? 0 : strlen(own);

	return strncmp(path, systems, sizeof(systems) - 1) == 0 ||
		(len > 0 && strncmp(path, own, len) == 0 && path[len] == '/');
}

static enum rc rewrite(const char *path, const struct keyring *keyring, struct err *err)
{
	AUTO(buf_fini_secret) struct buf text = {0};
	enum rc rc = format(keyring, path, &text, err);

	return rc == RC_OK ? file_rewrite(path, buf_slice(&text), err) : rc;
}

static enum rc check_own(const char *path, struct err *err)
{
	if (!keyring_file_is_credential(path))
		return RC_OK;
	return err_set(err, RC_DENIED, "%s: a credential of systemd, which is a copy", path);
}

enum rc keyring_file_add(const char *path, struct keyring **keyring_r, struct err *err)
{
	AUTO(keyring_free) struct keyring *keyring = NULL;
	enum rc rc = check_own(path, err);

	*keyring_r = NULL;
	if (rc == RC_OK)
		rc = keyring_load(path, &keyring, err);
	if (rc == RC_OK && keyring->count == SEAL_KEYS_MAX)
		rc = err_set(err, RC_LIMIT, "%s: holds %d keys, and no more may be in it", path, SEAL_KEYS_MAX);
	if (rc != RC_OK)
		return rc;
	add_random(keyring);
	rc = rewrite(path, keyring, err);
	if (rc == RC_OK)
		*keyring_r = keyring_ref(keyring);
	return rc;
}

enum rc keyring_file_prune(const char *path, bool (*is_needed)(void *ctx, uint32_t key_id),
	void *ctx, struct keyring **keyring_r, struct err *err)
{
	AUTO(keyring_free) struct keyring *keyring = NULL;
	size_t kept = 0;
	size_t count;
	enum rc rc = check_own(path, err);

	*keyring_r = NULL;
	if (rc == RC_OK)
		rc = keyring_load(path, &keyring, err);
	if (rc != RC_OK)
		return rc;
	count = keyring->count;
	for (size_t i = 0; i < count; i++)
		if (i == count - 1 || is_needed(ctx, keyring->keys[i].id))
			keyring->keys[kept++] = keyring->keys[i];
	keyring->count = kept;
	explicit_bzero(&keyring->keys[kept], sizeof(keyring->keys[0]) * (SEAL_KEYS_MAX - kept));
	rc = kept == count ? RC_OK : rewrite(path, keyring, err);
	if (rc == RC_OK)
		*keyring_r = keyring_ref(keyring);
	return rc;
}
