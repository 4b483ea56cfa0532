/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/identity/refusal.h"

#include "private.h"

static bool is_zero(const uint8_t digest[static SHA256_BYTES])
{
	static const uint8_t zero[SHA256_BYTES];

	return slice_is_equal(slice_of(digest, SHA256_BYTES), slice_of(zero, SHA256_BYTES));
}

static void set_text(struct json_value *row, const char *key, const char *text)
{
	json_set_slice(row, key, slice_of_str(text));
}

static void write_entry(const struct refusal_entry *entry, struct json_value *row)
{
	json_set_time(row, "at", entry->at);
	json_set_str(row, "reason", refusal_name(entry->refusal));
	json_set_int(row, "status", refusal_http_status(entry->refusal));
	json_set_str(row, "remedy", refusal_remedy(entry->refusal));
	set_text(row, "claimed_id", entry->claimed_id);
	set_text(row, "message", entry->message);
	set_text(row, "peer", entry->peer);
	set_text(row, "text", entry->text);
	if (is_zero(entry->cert_sha256)) {
		json_set_str(row, "certificate", NULL);
	} else {
		struct json_value *certificate = json_set_object(row, "certificate");

		api_set_hex(certificate, "sha256", slice_of(entry->cert_sha256, SHA256_BYTES));
		set_text(certificate, "subject", entry->cert_subject);
	}
}

void api_refusals_get(struct http_request *request, void *api)
{
	AUTO(json_free) struct json_value *root = json_new_object();
	struct json_value *rows = json_set_array(root, "refusals");
	struct refusal_entry *entries = NULL;
	struct err err = {.rc = RC_OK};
	struct call call;
	struct page page;
	size_t count = 0;
	enum rc rc;

	api_call_init(&call, api, request);
	rc = api_page_read(&call, &page, &err);
	if (rc == RC_OK)
		rc = refusal_log_latest(device_refusals(call.api->device), page.limit, call.arena, &entries,
			&count, &err);
	if (rc != RC_OK) {
		api_call_fail(&call, rc, &err);
		return;
	}
	for (size_t i = 0; i < count; i++)
		write_entry(&entries[i], json_append_object(rows));
	api_call_reply(&call, 200, &root);
}
