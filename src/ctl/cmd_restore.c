/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "ctl.h"
#include "pomona/config/config.h"
#include "pomona/store/backup.h"

/* The disk failed when the backup was in its place, or the former database could not be moved back into its own. */
static int tell_half_done(const struct ctl *ctl, const struct store_restore *restore,
	const struct err *err)
{
	if (!restore->is_in_place) {
		(void)ctl_fail(ctl, CTL_REFUSED,
			"nothing was restored, and the former database is not in its place: %s", err->text);
		fprintf(ctl->err,
			"           it is %s: mend the disk, then move it, and its -wal where there is one,\n"
			"           to %s, or restore again\n",
			restore->aside, restore->path);
		return CTL_REFUSED;
	}
	(void)ctl_fail(ctl, CTL_REFUSED, "restored, but not synced: %s", err->text);
	fprintf(ctl->err, "           look at the disk, and `sync`, before pomonad starts\n");
	if (restore->aside[0] != '\0')
		fprintf(ctl->err, "           the former database is %s\n", restore->aside);
	return CTL_REFUSED;
}

static int tell_fault(const struct ctl *ctl, const struct config *config, enum rc rc,
	const struct err *err)
{
	static const char *const advice[RC_COUNT] = {
		[RC_BUSY] = "stop pomonad first: `systemctl stop pomonad`",
		[RC_DENIED] = "put the master key that was in force when the backup was made in its place",
		[RC_CORRUPT] = "the file is damaged, cut off, or no backup of Pomona: use another one",
		[RC_UNSUPPORTED] = "install the version of Pomona that made the backup, or a later one",
	};

	(void)ctl_fail(ctl, CTL_REFUSED, "nothing was restored: %s", err->text);
	if (advice[rc] != NULL)
		fprintf(ctl->err, "           %s\n", advice[rc]);
	if (rc == RC_DENIED)
		fprintf(ctl->err, "           ([server] master_key is %s)\n", config->server.master_key);
	return CTL_REFUSED;
}

static void tell_done(const struct ctl *ctl, const struct store_restore *restore)
{
	print_fact(ctl->out, "restored", "%s, schema %" PRId64 ", %" PRId64 " enrolled", restore->path,
		restore->facts.schema_version, restore->facts.devices);
	if (restore->aside[0] != '\0')
		print_fact(ctl->out, "former database", "%s (delete it when all is well)", restore->aside);
	fprintf(ctl->out,
		"\nStart pomonad. All is as of the backup:\n"
		"- tokens, identities and CAs that were revoked after it are valid again: revoke them again;\n"
		"- devices that enrolled after it are unknown: keep unknown_device = refuse until they have\n"
		"  enrolled anew;\n"
		"- what was queued after it is lost, and what was still open in it is sent again.\n");
}

static void tell_json(const struct ctl *ctl, const struct store_restore *restore)
{
	AUTO(json_free) struct json_value *root = json_new_object();
	struct buf text;

	json_set_str(root, "database", restore->path);
	json_set_str(root, "former", restore->aside[0] != '\0' ? restore->aside : NULL);
	json_set_int(root, "schema_version", restore->facts.schema_version);
	json_set_int(root, "enrolled", restore->facts.devices);
	buf_init(&text, (size_t)16 * BACKUP_PATH_BYTES);
	if (json_write(root, false, &text, NULL) == RC_OK)
		fprintf(ctl->out, "%.*s\n", SLICE_FMT(buf_slice(&text)));
	buf_fini(&text);
}

int cmd_restore(struct ctl *ctl, const struct args *args)
{
	AUTO(config_free) struct config *config = NULL;
	AUTO(keyring_free) struct keyring *keyring = NULL;
	struct store_restore restore = {.from = args->words[0], .clock = clock_system()};
	const char *key = args_get(args, "--master-key");
	struct err err = {.rc = RC_OK};
	enum rc rc;

	if (ctl->url != NULL || ctl->socket != NULL)
		return ctl_usage(ctl, "restore works on the files of a stopped pomonad, which -c FILE names");
	if (config_load(ctl->conf, &config, NULL, &err) != RC_OK)
		return ctl_fail(ctl, EX_NOINPUT, "%s (-c FILE names another conf)", err.text);
	if (keyring_load(key != NULL ? key : config->server.master_key, &keyring, &err) != RC_OK)
		return ctl_fail(ctl, CTL_REFUSED,
			"the master key: %s: restore it first from where it is kept (or name it by --master-key, where "
			"pomonad gets it from systemd)",
			err.text);
	restore.path = config->server.database;
	restore.keyring = keyring;
	rc = store_restore(&restore, &err);
	if (rc != RC_OK && (restore.is_in_place || restore.aside[0] != '\0'))
		return tell_half_done(ctl, &restore, &err);
	if (rc != RC_OK)
		return tell_fault(ctl, config, rc, &err);
	if (ctl->is_json)
		tell_json(ctl, &restore);
	else
		tell_done(ctl, &restore);
	return 0;
}
