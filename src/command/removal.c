/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/command/removal.h"

#include "pomona/command/command.h"
#include "pomona/plist/plist.h"
#include "pomona/store/renewal.h"

enum { ARENA_BYTES = 65536, TEXT_BYTES_MAX = 16384 };

static enum rc find_identifier(struct txn *txn, const struct enrollment *device,
	const char *fallback, struct arena *arena, const char **identifier_r, struct err *err)
{
	struct renewal_target target;
	struct renewal_facts facts;
	enum rc rc = renewal_of(txn, device->id, &facts, err);

	*identifier_r = "";
	if (rc == RC_OK)
		rc = renewal_target(txn, device->id, arena, &target, err);
	if (rc != RC_OK)
		return rc == RC_NOT_FOUND ? RC_OK : rc; /* it has no pin: it does not come as itself */
	*identifier_r = target.identifier;
	if (target.identifier[0] == '\0' && facts.is_by_scep)
		*identifier_r = fallback;
	return RC_OK;
}

static enum rc write_command(const char *identifier, struct buf *out, struct err *err)
{
	AUTO(plist_doc_free) struct plist_doc *doc = plist_doc_new_dict();
	struct plist_node *root;

	if (doc == NULL)
		return err_set(err, RC_NO_MEMORY, "RemoveProfile");
	root = plist_root(doc);
	if (plist_dict_set(root, "RequestType", plist_new_string(SLICE_LITERAL("RemoveProfile"))) !=
			RC_OK ||
		plist_dict_set(root, "Identifier", plist_new_string(slice_of_str(identifier))) != RC_OK)
		return err_set(err, RC_NO_MEMORY, "RemoveProfile");
	return plist_write_xml(doc, out, err);
}

static enum rc queue(struct txn *txn, int64_t enrollment_id, const char *identifier,
	struct arena *arena, struct err *err)
{
	AUTO(buf_fini) struct buf text;
	struct command_row row;
	int64_t command_id = 0;
	enum rc rc;

	buf_init(&text, TEXT_BYTES_MAX);
	rc = write_command(identifier, &text, err);
	if (rc == RC_OK)
		rc = command_from_plist(buf_slice(&text), arena, &row, err);
	if (rc != RC_OK)
		return rc;
	row.priority = COMMAND_PRIORITY_URGENT;
	rc = command_send_one(txn, &row, enrollment_id, 0, &command_id, err);
	return rc == RC_OK ? removal_put(txn, enrollment_id, command_id, err) : rc;
}

enum rc removal_begin(struct txn *txn, const struct enrollment *device, const char *fallback,
	bool *is_queued_r, struct err *err)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	const char *identifier = "";
	enum rc rc;

	*is_queued_r = false;
	if (arena == NULL)
		return err_set(err, RC_NO_MEMORY, "RemoveProfile");
	rc = removal_drop(txn, device->id, err); /* of an order before */
	if (rc == RC_OK)
		rc = find_identifier(txn, device, fallback, arena, &identifier, err);
	if (rc != RC_OK || identifier[0] == '\0')
		return rc;
	*is_queued_r = true;
	return queue(txn, device->id, identifier, arena, err);
}

enum rc removal_cancel(struct txn *txn, int64_t enrollment_id, bool *was_given_r, struct err *err)
{
	struct queue_item item;
	bool was_open;
	enum rc rc = removal_find(txn, enrollment_id, &item, err);

	*was_given_r = false;
	if (rc == RC_NOT_FOUND)
		return RC_OK;
	*was_given_r = rc == RC_OK && item.state != QUEUE_QUEUED;
	if (rc == RC_OK)
		rc = queue_cancel(txn, enrollment_id, item.command_id, &was_open, err);
	return rc == RC_OK ? removal_drop(txn, enrollment_id, err) : rc;
}
