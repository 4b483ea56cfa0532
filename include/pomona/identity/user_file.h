/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_IDENTITY_USER_FILE_H
#define POMONA_IDENTITY_USER_FILE_H

/*
 * The file of people who may log in: a line each of name, display name, the slow hash of the password, and what HTTP
 * Digest needs of it for one realm, with tabs between. pomonad reads it, pomonactl changes it.
 * Threading: one thread at a time; a file that is not changed: any thread.
 */

#include "pomona/identity/digest_login.h"

enum {
	USER_NAME_BYTES_MAX = 255,
	USER_DISPLAY_BYTES_MAX = 255,
	USER_REALM_BYTES_MAX = 127,
	USER_FILE_USERS_MAX = 10000,
};

struct user_row {
	char name[USER_NAME_BYTES_MAX + 1];
	char display_name[USER_DISPLAY_BYTES_MAX + 1];
	char password_hash[PASSWORD_HASH_BYTES];
	char realm[USER_REALM_BYTES_MAX + 1]; /* that of `ha1` */
	struct digest_ha1 ha1;
};

/* RC_INVALID, RC_LIMIT: an empty name, a colon in it, characters that are no text, a password too long or empty. */
enum rc user_row_make(const char *name, const char *display_name, const char *realm,
	struct slice password, struct user_row *row_r, struct err *err) MUST_USE;
/* Is it a realm that a challenge can carry in quotes as it stands? */
bool user_realm_is_sound(const char *realm);

struct user_file;

/* Nobody in it. NULL when memory is short. */
struct user_file *user_file_new(void);
/*
 * RC_NOT_FOUND: there is none. RC_DENIED where others have any access; RC_INVALID names the line and the rule. The
 * caller owns *file_r.
 */
enum rc user_file_load(const char *path, struct user_file **file_r, struct err *err) MUST_USE;
size_t user_file_count(const struct user_file *file);
/* In the order of their names. Borrowed until the next change. */
const struct user_row *user_file_at(const struct user_file *file, size_t index);
/* NULL: not in it. Borrowed as above. */
const struct user_row *user_file_find(const struct user_file *file, struct slice name);
/* Adds, or replaces who has the name. RC_LIMIT past USER_FILE_USERS_MAX. */
enum rc user_file_put(struct user_file *file, const struct user_row *row, struct err *err) MUST_USE;
/* False: nobody has the name. */
bool user_file_remove(struct user_file *file, struct slice name);
/* Atomically, mode 0600; what root saves belongs to who owns the folder. */
enum rc user_file_save(const struct user_file *file, const char *path, struct err *err) MUST_USE;
/* Wipes it. */
void user_file_free(struct user_file **file);

#endif
