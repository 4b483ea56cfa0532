/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/identity.h"
#include "txn.h"

enum rc anchor_add(struct txn *txn, struct slice der, const struct cert_facts *facts,
	struct err *err)
{
	enum rc rc = bytes_check("certificate", der, CERT_DER_BYTES_MAX, err);

	if (rc == RC_OK)
		rc = DO(txn, err,
			"INSERT INTO anchor (sha256, subject, not_after, added_at, der) VALUES (?1, ?2, ?3, ?4, ?5)"
			" ON CONFLICT DO NOTHING",
			V_SHA256(facts->sha256), V_STR(facts->subject), V_INT(facts->not_after), V_INT(txn->now),
			V_BLOB(der));
	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_EXISTS, "%s is trusted already", facts->subject);
	return rc;
}

enum rc anchor_remove(struct txn *txn, const uint8_t sha256[static SHA256_BYTES], struct err *err)
{
	enum rc rc = DO(txn, err, "DELETE FROM anchor WHERE sha256 = ?1", V_SHA256(sha256));

	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_NOT_FOUND, "no such trust anchor");
	return rc;
}

enum rc anchor_list(struct txn *txn, struct arena *arena, struct slice **ders_r, size_t *count_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	void *list = NULL;
	bool is_row = true;
	enum rc rc = QUERY(&query, txn, err, "SELECT der FROM anchor ORDER BY id");

	*count_r = 0;
	while (rc == RC_OK && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row) {
		struct slice *der = list_next(arena, &list, count_r, sizeof(*der));

		if (der == NULL)
			return err_set(err, RC_NO_MEMORY, "trust anchors");
		*der = arena_copy(arena, query_bytes(&query, 0));
		if (der->ptr == NULL)
			return err_set(err, RC_NO_MEMORY, "trust anchors");
	}
	*ders_r = list;
	return rc;
}
