/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "pomona/base/codec.h"

#include "private.h"

void api_page_cursor_format(int64_t id, char out[static PAGE_CURSOR_BYTES])
{
	(void)snprintf(out, PAGE_CURSOR_BYTES, "%016llx", (unsigned long long)id);
}

enum rc api_page_cursor_parse(struct slice text, int64_t *id_r, struct err *err)
{
	uint8_t bytes[(PAGE_CURSOR_BYTES - 1) / 2];
	uint64_t id = 0;

	if (text.len != PAGE_CURSOR_BYTES - 1 || hex_parse(text, bytes, sizeof(bytes), NULL) != RC_OK)
		return err_set(err, RC_INVALID, "not a next_cursor of ours");
	for (size_t i = 0; i < sizeof(bytes); i++)
		id = id << 8 | bytes[i];
	if (id > INT64_MAX)
		return err_set(err, RC_INVALID, "not a next_cursor of ours");
	*id_r = (int64_t)id;
	return RC_OK;
}

enum rc api_page_read(struct call *call, struct page *page_r, struct err *err)
{
	const char *limit = http_request_query(call->request, "limit");
	const char *cursor = http_request_query(call->request, "cursor");
	int64_t number = PAGE_LIMIT_DEFAULT;

	*page_r = (struct page){.limit = PAGE_LIMIT_DEFAULT};
	if (limit != NULL && int64_parse(slice_of_str(limit), 1, PAGE_LIMIT_MAX, &number, NULL) != RC_OK)
		return api_call_invalid(call, err, "limit", "must be a number from 1 to %d", PAGE_LIMIT_MAX);
	page_r->limit = (int)number;
	if (cursor != NULL &&
		api_page_cursor_parse(slice_of_str(cursor), &page_r->after_id, NULL) != RC_OK)
		return api_call_invalid(call, err, "cursor", "must be the next_cursor of an earlier page");
	return RC_OK;
}

void api_page_end(const struct page *page, size_t count, int64_t last_id, struct json_value *root)
{
	char cursor[PAGE_CURSOR_BYTES];

	if (count < (size_t)page->limit) {
		json_set_str(root, "next_cursor", NULL);
		return;
	}
	api_page_cursor_format(last_id, cursor);
	json_set_str(root, "next_cursor", cursor);
}
