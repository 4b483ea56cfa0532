/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/identity/user.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guesses.h"
#include "pomona/base/network.h"

/* Compared with where nobody has the name, so that the time does not tell. */
#define HASH_OF_NOBODY \
	"scrypt$15$8$1$00000000000000000000000000000000$" \
	"0000000000000000000000000000000000000000000000000000000000000000"

struct user_directory {
	const struct clock *clock;
	pthread_rwlock_t lock; /* file */
	struct user_file *file;
	struct guesses *guesses;
};

static const char *const verdict_names[] = {
	[USER_GOOD] = "good",
	[USER_WRONG] = "wrong",
	[USER_UNKNOWN] = "unknown_user",
	[USER_OTHER_REALM] = "other_realm",
	[USER_LIMITED] = "limited",
	[USER_UNAVAILABLE] = "unavailable",
};

const char *user_verdict_name(enum user_verdict verdict)
{
	return (unsigned)verdict < COUNT_OF(verdict_names) ? verdict_names[verdict] : "unknown";
}

enum rc user_directory_new(const struct clock *clock, struct user_directory **directory_r,
	struct err *err)
{
	AUTO(user_directory_free) struct user_directory *directory = calloc(1, sizeof(*directory));

	*directory_r = NULL;
	if (directory == NULL)
		return err_set(err, RC_NO_MEMORY, "users");
	directory->clock = clock;
	(void)pthread_rwlock_init(&directory->lock, NULL);
	directory->file = user_file_new();
	directory->guesses = guesses_new();
	if (directory->file == NULL || directory->guesses == NULL)
		return err_set(err, RC_NO_MEMORY, "users");
	*directory_r = directory;
	directory = NULL; /* moved to the caller */
	return RC_OK;
}

void user_directory_set(struct user_directory *directory, struct user_file **file)
{
	struct user_file *old;

	(void)pthread_rwlock_wrlock(&directory->lock);
	old = directory->file;
	directory->file = *file;
	*file = NULL;
	(void)pthread_rwlock_unlock(&directory->lock);
	user_file_free(&old);
}

void user_directory_free(struct user_directory **directory)
{
	if (*directory == NULL)
		return;
	user_file_free(&(*directory)->file);
	guesses_free(&(*directory)->guesses);
	(void)pthread_rwlock_destroy(&(*directory)->lock);
	free(*directory);
	*directory = NULL;
}

/* A copy, which the caller wipes: the file may be replaced meanwhile. */
static bool copy_row(struct user_directory *directory, struct slice name, struct user_row *row_r)
{
	const struct user_row *row;

	(void)pthread_rwlock_rdlock(&directory->lock);
	row = user_file_find(directory->file, name);
	if (row != NULL)
		*row_r = *row;
	(void)pthread_rwlock_unlock(&directory->lock);
	return row != NULL;
}

/* Who counts as one address; what is none, such as the peer of a Unix socket, as it stands. */
static struct slice site_of(const struct user_query *query, struct ip_address *address)
{
	struct slice shown;

	if (ip_address_parse_peer(query->address, &shown, address))
		return ip_address_site(address);
	return query->address;
}

static bool take_guess(struct user_directory *directory, const struct user_query *query)
{
	int64_t now_us = clock_monotonic_us(directory->clock);
	struct ip_address address;
	struct slice site = site_of(query, &address);

	if (!guesses_take(directory->guesses, GUESS_ADDRESS, site, now_us))
		return false;
	if (guesses_take(directory->guesses, GUESS_NAME, query->name, now_us))
		return true;
	guesses_give_back(directory->guesses, GUESS_ADDRESS, site);
	return false;
}

static void give_back_guess(struct user_directory *directory, const struct user_query *query)
{
	struct ip_address address;

	guesses_give_back(directory->guesses, GUESS_ADDRESS, site_of(query, &address));
	guesses_give_back(directory->guesses, GUESS_NAME, query->name);
}

static void answer(struct user_directory *directory, struct user_query *query,
	const struct user_row *row)
{
	if (query->verdict == USER_GOOD)
		(void)snprintf(query->display_name, sizeof(query->display_name), "%s", row->display_name);
	if (query->verdict == USER_GOOD || query->verdict == USER_UNAVAILABLE)
		give_back_guess(directory, query);
	query->done(query);
}

void user_find(struct user_directory *directory, struct user_query *query)
{
	struct user_row row = {.name = ""};

	query->verdict = copy_row(directory, query->name, &row) ? USER_GOOD : USER_UNKNOWN;
	(void)snprintf(query->display_name, sizeof(query->display_name), "%s", row.display_name);
	explicit_bzero(&row, sizeof(row));
	query->done(query);
}

static enum user_verdict judge_digest(const struct user_query *query, const struct user_row *row)
{
	bool is_right = false;

	if (!slice_is_equal(query->digest->realm, query->realm))
		return USER_WRONG;
	if (!slice_is_str(query->realm, row->realm))
		return USER_OTHER_REALM;
	if (digest_answer_check(query->digest, &row->ha1, query->methods, query->method_count, &is_right,
						NULL) != RC_OK)
		return USER_UNAVAILABLE;
	return is_right ? USER_GOOD : USER_WRONG;
}

void user_check_digest(struct user_directory *directory, struct user_query *query)
{
	struct user_row row = {.name = ""};

	if (!take_guess(directory, query))
		query->verdict = USER_LIMITED;
	else if (!copy_row(directory, query->name, &row))
		query->verdict = USER_UNKNOWN;
	else
		query->verdict = judge_digest(query, &row);
	answer(directory, query, &row);
	explicit_bzero(&row, sizeof(row));
}

static enum user_verdict judge_password(const struct user_query *query, const char *hash,
	bool is_known)
{
	bool is_right = false;

	if (query->password.len > PASSWORD_TEXT_BYTES_MAX)
		return USER_WRONG;
	if (password_check(query->password, slice_of_str(hash), &is_right, NULL) != RC_OK)
		return USER_UNAVAILABLE;
	if (!is_known)
		return USER_UNKNOWN;
	return is_right ? USER_GOOD : USER_WRONG;
}

void user_check_password(struct user_directory *directory, struct user_query *query)
{
	struct user_row row = {.password_hash = HASH_OF_NOBODY};

	if (!take_guess(directory, query)) {
		query->verdict = USER_LIMITED;
	} else {
		bool is_known = copy_row(directory, query->name, &row);

		query->verdict = judge_password(query, row.password_hash, is_known);
	}
	answer(directory, query, &row);
	explicit_bzero(&row, sizeof(row));
}
