/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "ctl.h"
#include "pomona/pki/seal.h"

static bool is_true(const struct json_value *object, const char *key)
{
	const struct json_value *value = json_get(object, key);

	return value != NULL && json_kind(value) == JSON_KIND_BOOL && json_bool(value);
}

static const char *use_of(const struct json_value *row)
{
	if (!is_true(row, "is_there"))
		return "missing: put its line back into the key file";
	return is_true(row, "is_sealing") ? "seals and opens" : "opens";
}

static void print_keys(const struct ctl *ctl, const struct json_value *json)
{
	static const char *const columns[] = {"KEY", "USE", "BLOBS", NULL};
	const struct json_value *rows = json_get(json, "keys");
	struct table *table = table_new(columns);

	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);

		table_add_json(table, row, "id");
		table_add(table, use_of(row));
		table_add_json(table, row, "blobs");
	}
	table_print(table, ctl->out);
	table_free(&table);
}

static bool is_under_way(const struct json_value *json)
{
	const char *state = json_text(json, "state");

	return strcmp(state, "counting") == 0 || strcmp(state, "resealing") == 0 ||
		strcmp(state, "halted") == 0;
}

static void print_progress(const struct ctl *ctl, const struct json_value *json)
{
	const int64_t blobs = json_integer(json_get(json, "blobs"));
	const int64_t left = json_integer(json_get(json, "left"));

	print_json_fact(ctl, json, "state", "state");
	print_fact(ctl->out, "rotating", "%s", is_under_way(json) ? "yes" : "no");
	if (strcmp(json_text(json, "state"), "uncounted") != 0)
		print_fact(ctl->out, "progress", "%" PRId64 " of %" PRId64 " blobs are under the newest key",
			blobs - left, blobs);
	if (json_text(json, "fault")[0] != '\0')
		print_json_fact(ctl, json, "fault", "halted by");
}

static void print_status(const struct ctl *ctl, const struct json_value *json)
{
	print_fact(ctl->out, "key file", "%s%s", json_text(json, "file"),
		is_true(json, "is_credential") ? " (a credential of systemd)" : "");
	print_progress(ctl, json);
	fprintf(ctl->out, "\n");
	print_keys(ctl, json);
}

int cmd_key_status(struct ctl *ctl, const struct args *args)
{
	(void)args;
	return api_show(ctl, "GET", "/api/v1/keys", print_status);
}

int cmd_key_count(struct ctl *ctl, const struct args *args)
{
	(void)args;
	return api_show(ctl, "POST", "/api/v1/keys/count", print_status);
}

#define KEEP_OLD_KEYS \
	"Backups that were made before need the older keys: keep a copy of those as long as the backups,\n" \
	"in another place than they are.\n"

static void print_rotated(const struct ctl *ctl, const struct json_value *json)
{
	print_status(ctl, json);
	fprintf(ctl->out,
		"\nThe new key is on the disk and seals from now on; what is under older ones is re-sealed while\n"
		"pomonad serves: `pomonactl key status` shows how far it is, `pomonactl key prune` then takes the\n"
		"older keys out of the file. Make a copy of the key file now.\n" KEEP_OLD_KEYS);
}

int cmd_key_rotate(struct ctl *ctl, const struct args *args)
{
	(void)args;
	return api_show(ctl, "POST", "/api/v1/keys/rotate", print_rotated);
}

static void print_pruned(const struct ctl *ctl, const struct json_value *json)
{
	const struct json_value *gone = json_get(json, "removed");

	for (size_t i = 0; i < json_count(gone); i++)
		print_fact(ctl->out, "removed", "%.*s", SLICE_FMT(json_string(json_at(gone, i))));
	print_status(ctl, json);
	fprintf(ctl->out, "\n" KEEP_OLD_KEYS);
}

int cmd_key_prune(struct ctl *ctl, const struct args *args)
{
	(void)args;
	return api_show(ctl, "POST", "/api/v1/keys/prune", print_pruned);
}

int cmd_key_new(struct ctl *ctl, const struct args *args)
{
	AUTO(keyring_free) struct keyring *keyring = NULL;
	const char *path = args->words[0];
	struct err err = {.rc = RC_OK};

	if (ctl->url != NULL || ctl->socket != NULL)
		return ctl_usage(ctl, "key new works on a file, and asks no server");
	if (keyring_file_add(path, &keyring, &err) != RC_OK)
		return ctl_fail(ctl, CTL_REFUSED, "%s", err.text);
	if (ctl->is_json) {
		fprintf(ctl->out, "{\"id\":\"%08x\"}\n", (unsigned)keyring_sealing_id(keyring));
		return 0;
	}
	print_fact(ctl->out, "new key", "%08x, the last line of %s", (unsigned)keyring_sealing_id(keyring),
		path);
	fprintf(ctl->out,
		"\npomonad does not know it yet. Where the file is pomonad's own, `pomonactl key rotate` takes it.\n"
		"Where pomonad gets it as a credential of systemd: make the credential anew if it is encrypted,\n"
		"then `systemctl restart pomonad`, which re-seals by itself.\n" KEEP_OLD_KEYS);
	return 0;
}
