/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/apple_anchor.h"

#include "txn.h"

enum rc apple_anchor_add(struct txn *txn, struct slice der, const struct cert_facts *facts,
	struct slice imported_by, struct err *err)
{
	enum rc rc = bytes_check("certificate", der, CERT_DER_BYTES_MAX, err);

	if (rc == RC_OK)
		rc = bytes_check("who imports it", imported_by, APPLE_ANCHOR_BY_BYTES_MAX, err);
	if (rc == RC_OK)
		rc = DO(txn, err,
			"INSERT INTO apple_anchor (sha256, subject, imported_by, imported_at, der)"
			" VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
			V_SHA256(facts->sha256), V_STR(facts->subject), V_TEXT(imported_by), V_INT(txn->now),
			V_BLOB(der));
	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_EXISTS, "%s is imported already", facts->subject);
	return rc;
}

enum rc apple_anchor_remove(struct txn *txn, const uint8_t sha256[static SHA256_BYTES],
	struct err *err)
{
	enum rc rc = DO(txn, err, "DELETE FROM apple_anchor WHERE sha256 = ?1", V_SHA256(sha256));

	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_NOT_FOUND, "no imported certificate of Apple's has this SHA-256");
	return rc;
}

static bool copy_row(const struct query *query, struct arena *arena, struct apple_anchor *anchor)
{
	bool is_short = false;

	anchor->der = arena_copy(arena, query_bytes(query, 0));
	anchor->imported_by = query_str(query, 1, arena, &is_short);
	anchor->imported_at = query_int(query, 2);
	return anchor->der.ptr != NULL && !is_short;
}

enum rc apple_anchor_list(struct txn *txn, struct arena *arena, struct apple_anchor **anchors_r,
	size_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	void *list = NULL;
	bool is_row = true;
	enum rc rc =
		QUERY(&query, txn, err, "SELECT der, imported_by, imported_at FROM apple_anchor ORDER BY id");

	*count_r = 0;
	while (rc == RC_OK && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row) {
		struct apple_anchor *anchor = list_next(arena, &list, count_r, sizeof(*anchor));

		if (anchor == NULL || !copy_row(&query, arena, anchor))
			return err_set(err, RC_NO_MEMORY, "Apple's certificates");
	}
	*anchors_r = list;
	return rc;
}
