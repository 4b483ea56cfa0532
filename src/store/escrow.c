/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/escrow.h"

#include "txn.h"

/* One that does not open is not the same. */
static enum rc is_live(struct txn *txn, int64_t enrollment_id, enum escrow_kind kind,
	struct slice secret, bool *is_live_r, struct err *err)
{
	AUTO(buf_fini_secret) struct buf live = {0};
	enum rc rc;

	buf_init(&live, ESCROW_BYTES_MAX);
	rc = escrow_get(txn, enrollment_id, kind, &live, err);
	*is_live_r = rc == RC_OK && slice_is_equal_consttime(buf_slice(&live), secret);
	return rc == RC_NOT_FOUND || rc == RC_CORRUPT ? RC_OK : rc;
}

static enum rc prune(struct txn *txn, int64_t enrollment_id, enum escrow_kind kind, struct err *err)
{
	return DO(txn, err,
		"DELETE FROM escrow WHERE enrollment_id = ?1 AND kind = ?2 AND archived_at > 0 AND id <="
		" (SELECT id FROM escrow WHERE enrollment_id = ?1 AND kind = ?2 AND archived_at > 0"
		" ORDER BY id DESC LIMIT 1 OFFSET ?3)",
		V_INT(enrollment_id), V_INT(kind), V_INT(ESCROW_ARCHIVED_MAX));
}

static enum rc replace(struct txn *txn, int64_t enrollment_id, enum escrow_kind kind,
	struct slice secret, struct err *err)
{
	AUTO(buf_fini) struct buf sealed = {0};
	struct place place = place_of_escrow(enrollment_id, kind, txn->now);
	enum rc rc = escrow_drop(txn, enrollment_id, kind, err);

	if (rc == RC_OK)
		rc = prune(txn, enrollment_id, kind, err);
	if (rc == RC_OK)
		rc = txn_seal(txn, &place, secret, &sealed, err);
	if (rc == RC_OK)
		rc = DO(txn, err,
			"INSERT INTO escrow (enrollment_id, kind, stored_at, sealed) VALUES (?1, ?2, ?3, ?4)",
			V_INT(enrollment_id), V_INT(kind), V_INT(txn->now), V_BLOB(buf_slice(&sealed)));
	return rc;
}

enum rc escrow_put(struct txn *txn, int64_t enrollment_id, enum escrow_kind kind,
	struct slice secret, struct err *err)
{
	bool is_same = false;
	enum rc rc = bytes_check("escrowed secret", secret, ESCROW_BYTES_MAX, err);

	if (rc == RC_OK)
		rc = is_live(txn, enrollment_id, kind, secret, &is_same, err);
	return rc == RC_OK && !is_same ? replace(txn, enrollment_id, kind, secret, err) : rc;
}

enum rc escrow_get(struct txn *txn, int64_t enrollment_id, enum escrow_kind kind, struct buf *out,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	struct place place;
	enum rc rc = QUERY(&query, txn, err,
		"SELECT stored_at, sealed FROM escrow WHERE enrollment_id = ?1 AND kind = ?2 AND archived_at = 0",
		V_INT(enrollment_id), V_INT(kind));

	if (rc == RC_OK)
		rc = query_row(&query, "escrowed secret", err);
	if (rc != RC_OK)
		return rc;
	place = place_of_escrow(enrollment_id, kind, query_int(&query, 0));
	return txn_unseal(txn, &place, query_bytes(&query, 1), out, err);
}

enum rc escrow_drop(struct txn *txn, int64_t enrollment_id, enum escrow_kind kind, struct err *err)
{
	return DO(txn, err,
		"UPDATE escrow SET archived_at = ?3 WHERE enrollment_id = ?1 AND kind = ?2 AND archived_at = 0",
		V_INT(enrollment_id), V_INT(kind), V_INT(txn->now));
}

enum rc escrow_archive(struct txn *txn, int64_t enrollment_id, struct err *err)
{
	return DO(txn, err,
		"UPDATE escrow SET archived_at = ?2 WHERE enrollment_id = ?1 AND archived_at = 0",
		V_INT(enrollment_id), V_INT(txn->now));
}

enum rc vault_put(struct txn *txn, const char *name, struct slice secret, struct err *err)
{
	AUTO(buf_fini) struct buf sealed = {0};
	struct place place = place_of_vault(name);
	enum rc rc = bytes_check("secret", secret, ESCROW_BYTES_MAX, err);

	if (rc == RC_OK)
		rc = bytes_check("name of a secret", slice_of_str(name), VAULT_NAME_BYTES_MAX, err);
	if (rc == RC_OK)
		rc = txn_seal(txn, &place, secret, &sealed, err);
	if (rc == RC_OK)
		rc = DO(txn, err, "INSERT OR REPLACE INTO vault (name, stored_at, sealed) VALUES (?1, ?2, ?3)",
			V_STR(name), V_INT(txn->now), V_BLOB(buf_slice(&sealed)));
	return rc;
}

enum rc vault_get(struct txn *txn, const char *name, struct buf *out, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	struct place place = place_of_vault(name);
	enum rc rc = QUERY(&query, txn, err, "SELECT sealed FROM vault WHERE name = ?1", V_STR(name));

	if (rc == RC_OK)
		rc = query_row(&query, "secret", err);
	return rc == RC_OK ? txn_unseal(txn, &place, query_bytes(&query, 0), out, err) : rc;
}
