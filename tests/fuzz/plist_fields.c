/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "pomona/base/codec.h"
#include "pomona/plist/plist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_BYTES_MAX = 8 };

struct message {
	struct slice type;
	struct slice token;
	bool is_supervised;
	bool has_level;
	int64_t level;
	struct plist_node *info;
	struct plist_node *chain;
};

static const struct plist_field fields[] = {
	{"Type", PLIST_KIND_STRING, true, offsetof(struct message, type), 0, TEXT_BYTES_MAX},
	{"Token", PLIST_KIND_DATA, false, offsetof(struct message, token), 0, TEXT_BYTES_MAX},
	{"Supervised", PLIST_KIND_BOOL, false, offsetof(struct message, is_supervised), 0, 0},
	{"Level", PLIST_KIND_INTEGER, false, offsetof(struct message, level),
		offsetof(struct message, has_level), 0},
	{"Info", PLIST_KIND_DICT, false, offsetof(struct message, info), 0, 0},
	{"Chain", PLIST_KIND_ARRAY, false, offsetof(struct message, chain), 0, 0},
};

/* A message that is read keeps every promise of its table. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	struct message message = {.level = 0};
	struct err err;

	if (plist_parse(slice_of(data, size), &doc, &err) != RC_OK)
		return 0;
	if (plist_read_fields(plist_root(doc), fields, COUNT_OF(fields), &message, &err) != RC_OK) {
		if (err.rc != RC_INVALID || !utf8_is_xml_text(slice_of_str(err.text)))
			abort();
		return 0;
	}
	if (message.type.len == 0 || message.type.len > TEXT_BYTES_MAX ||
		message.token.len > TEXT_BYTES_MAX || !utf8_is_xml_text(message.type))
		abort();
	if (message.level != 0 && !message.has_level)
		abort();
	if ((message.info != NULL && plist_kind(message.info) != PLIST_KIND_DICT) ||
		(message.chain != NULL && plist_kind(message.chain) != PLIST_KIND_ARRAY))
		abort();
	return 0;
}
