/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_DAEMON_USERS_H
#define POMONA_DAEMON_USERS_H

/*
 * The user file that the conf names, read at the start, by SIGHUP, and whenever it has changed. Threading: main.
 */

#include <sys/stat.h>

#include "pomona/config/config.h"
#include "pomona/identity/user.h"

struct users_file {
	struct user_directory *directory; /* borrowed */
	const char *path;                 /* borrowed */
	struct stat read; /* as it was when it was looked at last; st_ino 0: it was not there */
	bool is_to_read;  /* it could not be read then, which may pass without a change of it */
};

/* Reads it; a file that is not there has nobody in it. On a fault those who were known stay. */
enum rc users_load(struct users_file *users, struct err *err) MUST_USE;
/* The same where it looks changed; logs what came of it. */
void users_look(struct users_file *users);
/* For a check of the conf: can the file be read, and does the realm do? */
enum rc users_check(const struct config *config, struct err *err) MUST_USE;

#endif
