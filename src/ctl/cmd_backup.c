/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl.h"
#include "pomona/base/file.h"
#include "pomona/config/config.h"
#include "pomona/store/backup.h"

enum { PROGRESS_STEP_BYTES = 4 * 1024 * 1024, EXIT_BY_SIGNAL = 128 };

/* The file that grows beside the one that is wanted, for the handler of signals. */
static char partial[BACKUP_PATH_BYTES];

struct saving {
	const struct ctl *ctl;
	const char *path;
	int fd;
	bool is_shown; /* progress, on a terminal */
	uint64_t bytes, bytes_shown;
};

static void on_signal(int number)
{
	(void)unlink(partial);
	_exit(EXIT_BY_SIGNAL + number);
}

static void heed_signals(void (*handler)(int number))
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		(void)signal(numbers[i], handler);
}

static void show_progress(struct saving *saving, uint64_t total)
{
	char done[TEXT_RELATIVE_BYTES];
	char all[TEXT_RELATIVE_BYTES];

	if (!saving->is_shown ||
		(saving->bytes - saving->bytes_shown < PROGRESS_STEP_BYTES && saving->bytes != total))
		return;
	saving->bytes_shown = saving->bytes;
	text_bytes((int64_t)saving->bytes, done);
	text_bytes((int64_t)total, all);
	fprintf(saving->ctl->err, "\r%s of %s%s", done, all, saving->bytes == total ? "\n" : "  ");
}

static bool save_part(void *ctx, struct slice part, uint64_t total)
{
	struct saving *saving = ctx;

	while (part.len > 0) {
		ssize_t put = write(saving->fd, part.ptr, part.len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0) {
			(void)ctl_fail(saving->ctl, CTL_REFUSED, "%s: cannot be written: %s", saving->path,
				strerrordesc_np(errno));
			return false;
		}
		saving->bytes += (uint64_t)put;
		part = slice_sub(part, (size_t)put, part.len);
	}
	show_progress(saving, total);
	return true;
}

static int open_partial(struct saving *saving)
{
	if ((size_t)snprintf(partial, sizeof(partial), "%s.XXXXXX", saving->path) >= sizeof(partial))
		return ctl_usage(saving->ctl, "%s: too long", saving->path);
	saving->fd = mkostemp(partial, O_CLOEXEC); /* mode 0600 */
	if (saving->fd < 0)
		return ctl_fail(saving->ctl, EX_CANTCREAT, "%s: cannot be made: %s", partial,
			strerrordesc_np(errno));
	heed_signals(on_signal);
	return 0;
}

static int fetch(struct saving *saving)
{
	int status;

	if (saving->is_shown)
		fprintf(saving->ctl->err, "pomonad makes a snapshot ...");
	status = api_fetch(saving->ctl, "/api/v1/backup", save_part, saving);
	if (status == 0 && fsync(saving->fd) != 0)
		status = ctl_fail(saving->ctl, CTL_REFUSED, "%s: cannot be synced: %s", saving->path,
			strerrordesc_np(errno));
	return status;
}

/* What was read over the network is read again from the disk: a backup that does not open is none. */
static int check(const struct saving *saving, struct store_file_facts *facts)
{
	struct err err = {.rc = RC_OK};

	if (store_file_check(partial, NULL, facts, &err) == RC_OK)
		return 0;
	return ctl_fail(saving->ctl, CTL_REFUSED, "what came is no sound database: %s", err.text);
}

static int sync_folder(const struct saving *saving)
{
	char copy[BACKUP_PATH_BYTES];
	int fd;
	int status = 0;

	(void)snprintf(copy, sizeof(copy), "%s", saving->path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		status = ctl_fail(saving->ctl, CTL_REFUSED, "%s: its folder cannot be synced: %s", saving->path,
			strerrordesc_np(errno));
	if (fd >= 0)
		(void)close(fd);
	return status;
}

static int put_in_place(const struct saving *saving, bool is_forced)
{
	const unsigned flags = is_forced ? 0 : RENAME_NOREPLACE;

	if (renameat2(AT_FDCWD, partial, AT_FDCWD, saving->path, flags) == 0)
		return sync_folder(saving);
	if (errno == EINVAL && !file_is_there(saving->path) && rename(partial, saving->path) == 0)
		return sync_folder(saving); /* a file system that cannot promise it */
	return ctl_fail(saving->ctl, CTL_REFUSED, "%s: %s", saving->path, strerrordesc_np(errno));
}

static void tell_done(const struct saving *saving, const struct store_file_facts *facts)
{
	const struct ctl *ctl = saving->ctl;
	AUTO(config_free) struct config *config = NULL;
	const char *key = "master.key of the state directory";
	char size[TEXT_RELATIVE_BYTES];

	if (ctl->url == NULL && config_load(ctl->conf, &config, NULL, NULL) == RC_OK)
		key = config->server.master_key;
	text_bytes((int64_t)saving->bytes, size);
	print_fact(ctl->out, "backup", "%s, %s, schema %" PRId64 ", %" PRId64 " enrolled", saving->path,
		size, facts->schema_version, facts->devices);
	fprintf(ctl->out,
		"\nThe master key is NOT in it, and without that key nobody can read what is sealed in it,\n"
		"you included. Keep a copy of %s in another place than\n"
		"the backups, such as a safe or a password store, and again after each change of it.\n"
		"The conf and the TLS files are not in it either.\n",
		key);
}

static void tell_json(const struct saving *saving, const struct store_file_facts *facts)
{
	AUTO(json_free) struct json_value *root = json_new_object();
	struct buf text;

	json_set_str(root, "file", saving->path);
	json_set_int(root, "bytes", (int64_t)saving->bytes);
	json_set_int(root, "schema_version", facts->schema_version);
	json_set_int(root, "enrolled", facts->devices);
	json_set_bool(root, "has_master_key", false);
	buf_init(&text, (size_t)8 * BACKUP_PATH_BYTES);
	if (json_write(root, false, &text, NULL) == RC_OK)
		fprintf(saving->ctl->out, "%.*s\n", SLICE_FMT(buf_slice(&text)));
	buf_fini(&text);
}

int cmd_backup(struct ctl *ctl, const struct args *args)
{
	struct saving saving = {.ctl = ctl, .path = args->words[0], .fd = -1};
	const bool is_forced = args_get(args, "--force") != NULL;
	struct store_file_facts facts = {0};
	int status;

	if (!is_forced && file_is_there(saving.path))
		return ctl_fail(ctl, CTL_REFUSED, "%s is there already: name another file, or add --force",
			saving.path);
	saving.is_shown = !ctl->is_json && isatty(fileno(ctl->err));
	status = open_partial(&saving);
	if (status != 0)
		return status;
	status = fetch(&saving);
	(void)close(saving.fd);
	if (status == 0)
		status = check(&saving, &facts);
	if (status == 0)
		status = put_in_place(&saving, is_forced);
	(void)unlink(partial); /* of the failures; else it has another name */
	heed_signals(SIG_DFL);
	if (status == 0 && ctl->is_json)
		tell_json(&saving, &facts);
	else if (status == 0)
		tell_done(&saving, &facts);
	return status;
}
