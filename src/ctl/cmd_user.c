/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "ctl.h"
#include "pomona/base/file.h"
#include "pomona/config/config.h"
#include "pomona/identity/user_file.h"

/* The user file of the conf, read and, for a change, locked against another one. */
struct editing {
	const struct ctl *ctl;
	struct config *config;
	struct user_file *file;
	int lock; /* -1: none */
};

static void editing_fini(struct editing *editing)
{
	config_free(&editing->config);
	user_file_free(&editing->file);
	if (editing->lock >= 0)
		(void)close(editing->lock);
}

/* `status` is what a fault means that is none of our own. */
static int fail(const struct editing *editing, int status, const struct err *err)
{
	if (err->rc == RC_NO_MEMORY)
		status = EX_OSERR;
	if (err->rc == RC_INTERNAL)
		status = EX_SOFTWARE;
	return ctl_fail(editing->ctl, status, "%s", err->text);
}

/* The folder's, since the file is replaced by another each time. */
static int take_lock(struct editing *editing)
{
	const struct ctl *ctl = editing->ctl;
	const char *path = editing->config->users.file;

	editing->lock = file_open_folder(path);
	if (editing->lock < 0)
		return ctl_fail(ctl, EX_CANTCREAT, "the folder of %s: %s", path, strerrordesc_np(errno));
	if (flock(editing->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return ctl_fail(ctl, CTL_REFUSED, "%s: another pomonactl changes the users; try again", path);
	return ctl_fail(ctl, EX_OSERR, "the folder of %s: %s", path, strerrordesc_np(errno));
}

static int begin(struct editing *editing, bool is_change)
{
	struct err err = {0};
	int status = 0;
	enum rc rc;

	if (editing->ctl->url != NULL || editing->ctl->socket != NULL) {
		(void)ctl_usage(editing->ctl, "user works on the user file of the conf, which -c FILE names");
		return EX_USAGE;
	}
	rc = config_load(editing->ctl->conf, &editing->config, NULL, &err);
	if (rc != RC_OK)
		return fail(editing, EX_NOINPUT, &err);
	if (is_change)
		status = take_lock(editing);
	if (status != 0)
		return status;
	rc = user_file_load(editing->config->users.file, &editing->file, &err);
	if (rc == RC_NOT_FOUND) {
		editing->file = user_file_new();
		return editing->file != NULL ? 0 : ctl_fail(editing->ctl, EX_OSERR, "too little memory");
	}
	if (rc == RC_OK)
		return 0;
	return fail(editing, rc == RC_INVALID || rc == RC_LIMIT ? EX_DATAERR : EX_NOINPUT, &err);
}

static int save(const struct editing *editing)
{
	struct err err = {0};

	if (user_file_save(editing->file, editing->config->users.file, &err) != RC_OK)
		return fail(editing, EX_CANTCREAT, &err);
	return 0;
}

static int take_password(const struct ctl *ctl, const struct args *args, struct buf *password)
{
	AUTO(buf_fini_secret) struct buf again = {.ptr = NULL};
	const char *path = args_get(args, "--password-file");
	int status;

	if (path != NULL)
		return ctl_read_password(ctl, path, password);
	status = ctl_ask_password(ctl, "Password: ", password);
	if (status == 0)
		status = ctl_ask_password(ctl, "Again: ", &again);
	if (status == 0 && !slice_is_equal_consttime(buf_slice(password), buf_slice(&again)))
		return ctl_fail(ctl, CTL_REFUSED, "the two are not the same");
	return status;
}

static int put(struct editing *editing, const char *name, const char *display_name,
	struct slice password)
{
	struct user_row row;
	struct err err = {0};
	enum rc rc = user_row_make(name, display_name, editing->config->users.realm, password, &row, &err);

	if (rc == RC_OK)
		rc = user_file_put(editing->file, &row, &err);
	explicit_bzero(&row, sizeof(row));
	if (rc == RC_INVALID || rc == RC_LIMIT)
		return ctl_fail(editing->ctl, EX_DATAERR, "%s", err.text);
	return rc == RC_OK ? save(editing) : fail(editing, EX_SOFTWARE, &err);
}

static const char *or_empty(const char *text)
{
	return text == NULL ? "" : text;
}

int cmd_user_add(struct ctl *ctl, const struct args *args)
{
	AUTO(editing_fini) struct editing editing = {.ctl = ctl, .lock = -1};
	AUTO(buf_fini_secret) struct buf password = {.ptr = NULL};
	int status = begin(&editing, true);

	if (status == 0 && user_file_find(editing.file, slice_of_str(args->words[0])) != NULL)
		return ctl_fail(ctl, CTL_REFUSED,
			"there is such a user: `pomonactl user passwd` sets another password");
	if (status == 0)
		status = take_password(ctl, args, &password);
	if (status == 0)
		status = put(&editing, args->words[0], or_empty(args_get(args, "--name")), buf_slice(&password));
	return status;
}

int cmd_user_passwd(struct ctl *ctl, const struct args *args)
{
	AUTO(editing_fini) struct editing editing = {.ctl = ctl, .lock = -1};
	AUTO(buf_fini_secret) struct buf password = {.ptr = NULL};
	const struct user_row *row = NULL;
	char display_name[USER_DISPLAY_BYTES_MAX + 1];
	int status = begin(&editing, true);

	if (status != 0)
		return status;
	row = user_file_find(editing.file, slice_of_str(args->words[0]));
	if (row == NULL)
		return ctl_fail(ctl, CTL_REFUSED, "there is no such user");
	(void)snprintf(display_name, sizeof(display_name), "%s", row->display_name);
	status = take_password(ctl, args, &password);
	if (status == 0)
		status = put(&editing, args->words[0], display_name, buf_slice(&password));
	return status;
}

int cmd_user_remove(struct ctl *ctl, const struct args *args)
{
	AUTO(editing_fini) struct editing editing = {.ctl = ctl, .lock = -1};
	int status = begin(&editing, true);

	if (status != 0)
		return status;
	if (!user_file_remove(editing.file, slice_of_str(args->words[0])))
		return ctl_fail(ctl, CTL_REFUSED, "there is no such user");
	return save(&editing);
}

static void list_json(const struct editing *editing)
{
	AUTO(json_free) struct json_value *root = json_new_object();
	AUTO(buf_fini) struct buf text;
	struct json_value *users = json_set_array(root, "users");

	buf_init(&text, FILE_BYTES_MAX);
	for (size_t i = 0; i < user_file_count(editing->file); i++) {
		const struct user_row *row = user_file_at(editing->file, i);
		struct json_value *user = json_append_object(users);

		json_set_str(user, "name", row->name);
		json_set_str(user, "display_name", row->display_name);
		json_set_str(user, "realm", row->realm);
	}
	if (json_write(root, true, &text, NULL) == RC_OK)
		(void)fprintf(editing->ctl->out, "%.*s", SLICE_FMT(buf_slice(&text)));
}

int cmd_user_list(struct ctl *ctl, const struct args *args)
{
	static const char *const columns[] = {"NAME", "DISPLAY NAME", "REALM", NULL};
	AUTO(editing_fini) struct editing editing = {.ctl = ctl, .lock = -1};
	struct table *table;
	int status = begin(&editing, false);

	(void)args;
	if (status != 0)
		return status;
	if (ctl->is_json) {
		list_json(&editing);
		return 0;
	}
	table = table_new(columns);
	for (size_t i = 0; i < user_file_count(editing.file); i++) {
		const struct user_row *row = user_file_at(editing.file, i);

		table_add(table, row->name);
		table_add(table, row->display_name);
		table_add(table, row->realm);
	}
	table_print(table, ctl->out);
	table_free(&table);
	return 0;
}
