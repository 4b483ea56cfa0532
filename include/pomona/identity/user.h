/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_IDENTITY_USER_H
#define POMONA_IDENTITY_USER_H

/*
 * Who may log in, behind one interface: a question is asked, and its answer comes by a call back, before the asking
 * returns or later and on another thread, so that a directory on the network can stand where the file is.
 * Threading: user_directory_new/free: main. The rest: any thread.
 */

#include "pomona/base/clock.h"
#include "pomona/identity/user_file.h"

/* Wrong answers in a quarter of an hour; what comes past it is not even looked at. */
enum { USER_WRONG_PER_NAME = 10, USER_WRONG_PER_ADDRESS = 50, USER_WRONG_WINDOW_S = 900 };

enum user_verdict {
	USER_GOOD,
	USER_WRONG,       /* the password, or what was computed from it */
	USER_UNKNOWN,     /* nobody has this name */
	USER_OTHER_REALM, /* the password was given under another realm: set it anew */
	USER_LIMITED,     /* too many wrong answers for this name or from this address */
	USER_UNAVAILABLE, /* the directory could not be asked */
};
const char *user_verdict_name(enum user_verdict verdict); /* "wrong", for the log */

struct user_query {
	struct slice name; /* these are borrowed until `done` */
	struct slice
		address; /* where it comes from; a port does not count, nor do the last 64 bits of IPv6 */
	const struct digest_answer *digest; /* of user_check_digest() */
	struct slice realm;                 /* the one that was asked for */
	const char *const *methods;         /* what the answer may be computed for */
	size_t method_count;
	struct slice password; /* of user_check_password() */
	/* Called once for each question; fills nothing, reads the answer below. */
	void (*done)(struct user_query *query);
	void *ctx;
	enum user_verdict verdict;
	char display_name[USER_DISPLAY_BYTES_MAX + 1]; /* of USER_GOOD */
};

struct user_directory;

/* Nobody is in it. */
enum rc user_directory_new(const struct clock *clock, struct user_directory **directory_r,
	struct err *err) MUST_USE;
/* Takes the file; from now on it is who there is. */
void user_directory_set(struct user_directory *directory, struct user_file **file);
/* USER_GOOD where there is such a user; nothing is proved by it. */
void user_find(struct user_directory *directory, struct user_query *query);
void user_check_digest(struct user_directory *directory, struct user_query *query);
/* Takes as long for a name that nobody has. */
void user_check_password(struct user_directory *directory, struct user_query *query);
void user_directory_free(struct user_directory **directory);

#endif
