/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/intent.h"

#include "txn.h"

enum rc identity_read_issued(struct txn *txn, int64_t id, struct identity *identity_r,
	struct buf *der, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	uint8_t sha256[SHA256_BYTES];
	enum rc rc = QUERY(&query, txn, err,
		"SELECT i.sha256, c.der FROM identity i JOIN certificate c ON c.identity_id = i.id"
		" WHERE i.id = ?1 AND i.is_ours = 1",
		V_INT(id));

	if (rc == RC_OK)
		rc = query_row(&query, "identity", err);
	if (rc != RC_OK)
		return rc;
	query_sha256(&query, 0, sha256);
	buf_append(der, query_bytes(&query, 1));
	rc = buf_status(der, "certificate", err);
	return rc == RC_OK ? identity_find(txn, sha256, identity_r, err) : rc;
}

enum rc identity_find_issued(struct txn *txn, const char *serial, int64_t *id_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT id FROM identity WHERE serial = ?1 AND is_ours = 1 ORDER BY id DESC LIMIT 1",
		V_STR(serial));

	if (rc == RC_OK)
		rc = query_row(&query, "identity", err);
	if (rc == RC_OK)
		*id_r = query_int(&query, 0);
	return rc;
}

enum rc identity_list_revoked(struct txn *txn, struct arena *arena, struct crl_entry **entries_r,
	size_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	void *list = NULL;
	bool is_row = true;
	bool is_short = false;
	enum rc rc = QUERY(&query, txn, err,
		"SELECT serial, revoked_at FROM identity WHERE revoked_at > 0 AND is_ours = 1 AND not_after > ?1"
		" ORDER BY revoked_at DESC LIMIT ?2",
		V_INT(txn->now), V_INT(INTENT_REVOKED_MAX));

	*count_r = 0;
	while (rc == RC_OK && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row) {
		struct crl_entry *entry = list_next(arena, &list, count_r, sizeof(*entry));

		if (entry != NULL)
			*entry = (struct crl_entry){query_str(&query, 0, arena, &is_short), query_int(&query, 1)};
		if (entry == NULL || is_short)
			return err_set(err, RC_NO_MEMORY, "revoked identities");
	}
	*entries_r = list;
	return rc;
}
