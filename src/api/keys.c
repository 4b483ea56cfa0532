/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "pomona/store/keys.h"

#include "private.h"

/*
 * The keys that the database is sealed under. What changes the key file runs on the writer, like what is sealed: one
 * change after the other, and what is sealed after it is under the new key.
 */

enum { ID_TEXT_BYTES = 9 };

static void id_text(uint32_t id, char text[static ID_TEXT_BYTES])
{
	(void)snprintf(text, ID_TEXT_BYTES, "%08x", (unsigned)id);
}

static uint32_t newest_of(const struct store_keys_status *status)
{
	uint32_t id = 0;

	for (size_t i = 0; i < status->count; i++)
		if (status->keys[i].is_there)
			id = status->keys[i].id;
	return id;
}

static void write_row(const struct store_keys_status *status, size_t at, struct json_value *rows)
{
	const struct store_key *key = &status->keys[at];
	struct json_value *row = json_append_object(rows);
	char id[ID_TEXT_BYTES];

	id_text(key->id, id);
	json_set_str(row, "id", id);
	json_set_bool(row, "is_there", key->is_there);
	json_set_bool(row, "is_sealing", key->id == newest_of(status));
	if (status->state == STORE_KEYS_UNCOUNTED)
		json_set_str(row, "blobs", NULL);
	else
		json_set_int(row, "blobs", key->blobs);
}

void api_keys_write(struct api *api, struct json_value *object)
{
	struct json_value *rows;
	struct store_keys_status status;

	store_keys_status(api->store, &status);
	json_set_str(object, "state", store_keys_state_name(status.state));
	json_set_int(object, "blobs", status.blobs);
	json_set_int(object, "left", status.left);
	json_set_str(object, "fault", status.fault[0] != '\0' ? status.fault : NULL);
	rows = json_set_array(object, "keys");
	for (size_t i = 0; i < status.count; i++)
		write_row(&status, i, rows);
}

static void write_all(struct api *api, struct json_value *root)
{
	json_set_str(root, "file", api->master_key);
	json_set_bool(root, "is_credential", keyring_file_is_credential(api->master_key));
	api_keys_write(api, root);
}

static enum rc read_keys(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err)
{
	(void)txn;
	(void)err;
	write_all(call->api, root);
	return RC_OK;
}

void api_keys_get(struct http_request *request, void *api)
{
	api_call_read(request, api, read_keys);
}

static void reply_keys(struct job *job)
{
	struct json_value *root = json_new_object();

	write_all(job->call.api, root);
	api_call_reply(&job->call, 200, &root);
}

/* --- counting */

static enum rc run_count(struct job *job, struct txn *txn, struct err *err)
{
	(void)txn;
	(void)err;
	store_keys_count(job->call.api->store);
	return RC_OK;
}

static void reply_count(struct job *job)
{
	api_call_audit(&job->call, "count_keys", "");
	reply_keys(job);
}

void api_keys_count(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct job),
		.run = run_count,
		.reply = reply_count};

	api_job_handle(request, api, &type);
}

/* --- a new key */

struct rotation {
	struct job job;
	uint32_t former, newest;
};

static enum rc check_calm(struct api *api, struct err *err)
{
	struct store_keys_status status;

	store_keys_status(api->store, &status);
	if (status.state == STORE_KEYS_SETTLED || status.state == STORE_KEYS_UNCOUNTED)
		return RC_OK;
	return api_call_conflict(err,
		"the blobs are being counted or re-sealed: wait until `pomonactl key status` says settled");
}

static enum rc load_ours(struct api *api, struct keyring **keyring_r, struct err *err)
{
	struct err fault = {.rc = RC_OK};
	enum rc rc = keyring_load(api->master_key, keyring_r, &fault);

	if (rc != RC_OK)
		return api_call_conflict(err, "%s: put it right: without it pomonad does not start again",
			fault.text);
	rc = store_keys_may_take(api->store, *keyring_r, &fault);
	return rc == RC_OK ? RC_OK : api_call_conflict(err, "%s: %s", api->master_key, fault.text);
}

static enum rc add_key(struct api *api, struct keyring **keyring_r, struct err *err)
{
	struct err fault = {.rc = RC_OK};
	enum rc rc;

	keyring_free(keyring_r);
	rc = keyring_file_add(api->master_key, keyring_r, &fault);
	if (rc == RC_DENIED && keyring_file_is_credential(api->master_key))
		return api_call_conflict(err,
			"%s. Add a key with `pomonactl key new FILE` to the file that it is made from, then restart "
			"pomonad, which re-seals by itself",
			fault.text);
	if (rc == RC_DENIED)
		return api_call_conflict(err,
			"%s. Add a key with `pomonactl key new FILE` as who may write it, then `pomonactl key rotate` "
			"takes it",
			fault.text);
	if (rc == RC_LIMIT)
		return api_call_conflict(err, "%s: take older ones out with `pomonactl key prune`", fault.text);
	return rc == RC_OK ? RC_OK : err_set(err, rc, "%s", fault.text);
}

/* A key file that has another last line than we know was given a new key by hand: that one is taken. */
static enum rc run_rotate(struct job *job, struct txn *txn, struct err *err)
{
	AUTO(keyring_free) struct keyring *keyring = NULL;
	struct rotation *rotation = (struct rotation *)job;
	struct api *api = job->call.api;
	struct store_keys_status status;
	enum rc rc = check_calm(api, err);

	if (rc == RC_OK)
		rc = load_ours(api, &keyring, err);
	if (rc != RC_OK)
		return rc;
	store_keys_status(api->store, &status);
	rotation->former = newest_of(&status);
	if (keyring_sealing_id(keyring) == rotation->former)
		rc = add_key(api, &keyring, err);
	if (rc != RC_OK)
		return rc;
	rotation->newest = keyring_sealing_id(keyring);
	return store_keys_take(txn, keyring, err);
}

static void reply_rotate(struct job *job)
{
	const struct rotation *rotation = (struct rotation *)job;
	char former[ID_TEXT_BYTES];
	char newest[ID_TEXT_BYTES];

	id_text(rotation->former, former);
	id_text(rotation->newest, newest);
	api_call_audit_detail(&job->call, "rotate_key", newest, former);
	reply_keys(job);
}

void api_keys_rotate(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct rotation),
		.run = run_rotate,
		.reply = reply_rotate};

	api_job_handle(request, api, &type);
}

/* --- taking old keys out */

struct prune {
	struct job job;
	uint32_t gone[SEAL_KEYS_MAX];
	size_t gone_count;
};

static bool is_needed(void *ctx, uint32_t key_id)
{
	return store_keys_is_needed(ctx, key_id);
}

/* Those of the keyring that nothing is sealed under. */
static enum rc find_gone(struct prune *prune, struct err *err)
{
	struct api *api = prune->job.call.api;
	const struct store_key *held = NULL;
	struct store_keys_status status;

	store_keys_status(api->store, &status);
	if (status.state == STORE_KEYS_UNCOUNTED)
		return api_call_conflict(err, "there is one key only, and it is needed");
	for (size_t i = 0; i < status.count; i++) {
		const struct store_key *key = &status.keys[i];

		if (!key->is_there || key->id == newest_of(&status))
			continue;
		if (!is_needed(api->store, key->id))
			prune->gone[prune->gone_count++] = key->id;
		else
			held = key;
	}
	if (prune->gone_count > 0)
		return RC_OK;
	if (held != NULL)
		return api_call_conflict(err, "the key %08x is needed: %lld blobs are sealed under it",
			(unsigned)held->id, (long long)held->blobs);
	return api_call_conflict(err, "there is one key only, and it is needed");
}

static enum rc prune_file(struct prune *prune, struct keyring **keyring_r, struct err *err)
{
	struct api *api = prune->job.call.api;
	AUTO(buf_fini) struct buf ids = {0};
	struct err fault = {.rc = RC_OK};
	enum rc rc = keyring_file_prune(api->master_key, is_needed, api->store, keyring_r, &fault);

	if (rc != RC_DENIED)
		return rc == RC_OK ? RC_OK : err_set(err, rc, "%s", fault.text);
	buf_init(&ids, (size_t)16 * SEAL_KEYS_MAX);
	for (size_t i = 0; i < prune->gone_count; i++)
		buf_printf(&ids, "%s%08x", i == 0 ? "" : ", ", (unsigned)prune->gone[i]);
	return api_call_conflict(err,
		"%s. Nothing is sealed under %.*s: delete the lines that begin so from the file%s, and restart pomonad",
		fault.text, SLICE_FMT(buf_slice(&ids)),
		keyring_file_is_credential(api->master_key) ? " that it is made from" : "");
}

static enum rc run_prune(struct job *job, struct txn *txn, struct err *err)
{
	AUTO(keyring_free) struct keyring *keyring = NULL;
	struct prune *prune = (struct prune *)job;
	enum rc rc = check_calm(job->call.api, err);

	if (rc == RC_OK)
		rc = find_gone(prune, err);
	if (rc == RC_OK)
		rc = load_ours(job->call.api, &keyring, err);
	keyring_free(&keyring);
	if (rc == RC_OK)
		rc = prune_file(prune, &keyring, err);
	return rc == RC_OK ? store_keys_take(txn, keyring, err) : rc;
}

static void reply_prune(struct job *job)
{
	const struct prune *prune = (struct prune *)job;
	struct json_value *root = json_new_object();
	struct json_value *gone;
	char id[ID_TEXT_BYTES];

	write_all(job->call.api, root);
	gone = json_set_array(root, "removed");
	for (size_t i = 0; i < prune->gone_count; i++) {
		id_text(prune->gone[i], id);
		json_append_slice(gone, slice_of_str(id));
		api_call_audit(&job->call, "remove_key", id);
	}
	api_call_reply(&job->call, 200, &root);
}

void api_keys_prune(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct prune),
		.run = run_prune,
		.reply = reply_prune};

	api_job_handle(request, api, &type);
}
