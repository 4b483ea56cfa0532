/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "pomona/command/command.h"
#include "pomona/plist/plist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 64 << 20 };

/* What was accepted is XML that reads back: it can neither break a reply nor block a queue. */
static void check_row(const struct command_row *row)
{
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	AUTO(json_free) struct json_value *json = NULL;
	struct err err;

	if (plist_parse(row->body, &doc, &err) != RC_OK)
		abort();
	if (!slice_is_equal(plist_string(plist_dict_get(plist_root(doc), "CommandUUID")), row->uuid))
		abort();
	if (row->request_type.len == 0 || row->request_type.len > COMMAND_TYPE_BYTES_MAX)
		abort();
	json = command_json_of_plist(plist_root(doc));
	if (json == NULL)
		abort();
}

/* JSON where the text begins with a brace, else a property list. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	AUTO(json_free) struct json_value *json = NULL;
	struct command_row row;
	struct err err = {0};
	enum rc rc;

	if (arena == NULL)
		return 0;
	if (size > 0 && data[0] == '{') {
		rc = json_parse(slice_of(data, size), &json, &err);
		if (rc == RC_OK)
			rc = command_from_json(json, SLICE_LITERAL("U"), arena, &row, &err);
	} else {
		rc = command_from_plist(slice_of(data, size), arena, &row, &err);
	}
	if (rc == RC_OK)
		check_row(&row);
	else if (err.text[0] == '\0')
		abort();
	return 0;
}
