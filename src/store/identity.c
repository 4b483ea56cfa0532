/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/identity.h"

#include "txn.h"

#define IDENTITY_COLUMNS \
	"i.id, i.sha256, i.owner_id, i.issued_for, i.renewal_of, i.is_ours, i.not_before, i.not_after," \
	" i.revoked_at, i.chained_under, i.account_id, i.is_interim, i.renews_id"

static void read_identity(const struct query *query, struct identity *identity_r)
{
	identity_r->id = query_int(query, 0);
	query_sha256(query, 1, identity_r->sha256);
	identity_r->owner_id = query_int(query, 2);
	query_copy(query, 3, identity_r->issued_for, sizeof(identity_r->issued_for));
	identity_r->renewal_of = query_int(query, 4);
	identity_r->is_ours = query_int(query, 5) != 0;
	identity_r->not_before = query_int(query, 6);
	identity_r->not_after = query_int(query, 7);
	identity_r->revoked_at = query_int(query, 8);
	query_sha256(query, 9, identity_r->chained_under);
	identity_r->account_id = query_int(query, 10);
	identity_r->is_interim = query_int(query, 11) != 0;
	identity_r->renews_id = query_int(query, 12);
}

enum rc identity_find(struct txn *txn, const uint8_t sha256[static SHA256_BYTES],
	struct identity *identity_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT " IDENTITY_COLUMNS " FROM identity i WHERE i.sha256 = ?1", V_SHA256(sha256));

	if (rc == RC_OK)
		rc = query_row(&query, "identity", err);
	if (rc == RC_OK)
		read_identity(&query, identity_r);
	return rc;
}

enum rc identity_by_id(struct txn *txn, int64_t id, struct identity *identity_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc =
		QUERY(&query, txn, err, "SELECT " IDENTITY_COLUMNS " FROM identity i WHERE i.id = ?1", V_INT(id));

	if (rc == RC_OK)
		rc = query_row(&query, "identity", err);
	if (rc == RC_OK)
		read_identity(&query, identity_r);
	return rc;
}

enum rc identity_has_twin(struct txn *txn, const struct cert_facts *facts, bool *has_twin_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc =
		QUERY(&query, txn, err, "SELECT 1 FROM identity WHERE tbs_sha256 = ?1 AND sha256 <> ?2",
			V_SHA256(facts->tbs_sha256), V_SHA256(facts->sha256));

	return rc == RC_OK ? query_next(&query, has_twin_r, err) : rc;
}

enum rc identity_record(struct txn *txn, const struct cert_facts *facts,
	const uint8_t chained_under[static SHA256_BYTES], int64_t *id_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"INSERT INTO identity (sha256, not_before, not_after, recorded_at, chained_under, subject, issuer,"
		" serial, tbs_sha256) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
		" ON CONFLICT (sha256) DO UPDATE SET chained_under = excluded.chained_under"
		" ON CONFLICT (tbs_sha256) DO NOTHING RETURNING id",
		V_SHA256(facts->sha256), V_INT(facts->not_before), V_INT(facts->not_after), V_INT(txn->now),
		V_SHA256(chained_under), V_STR(facts->subject), V_STR(facts->issuer), V_STR(facts->serial),
		V_SHA256(facts->tbs_sha256));

	if (rc == RC_OK)
		rc = query_row(&query, "identity", err);
	if (rc == RC_NOT_FOUND)
		return err_set(err, RC_EXISTS, "a certificate that differs in its signature alone is known");
	if (rc == RC_OK)
		*id_r = query_int(&query, 0);
	return rc;
}

enum rc identity_set_owner(struct txn *txn, int64_t id, int64_t enrollment_id, struct err *err)
{
	enum rc rc = DO(txn, err,
		"UPDATE identity SET owner_id = ?2 WHERE id = ?1 AND (owner_id IS NULL OR owner_id = ?2)",
		V_INT(id), V_INT(enrollment_id));

	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_EXISTS, "the identity belongs to another device");
	return rc;
}

enum rc identity_issued(struct txn *txn, const struct identity_issued *issued, struct err *err)
{
	static const uint8_t never[SHA256_BYTES];
	const struct cert_facts *facts = issued->facts;
	enum rc rc = bytes_check("device id", issued->issued_for, ENROLLMENT_DEVICE_ID_BYTES_MAX, err);

	if (rc == RC_OK)
		rc = bytes_check("certificate", issued->der, CERT_DER_BYTES_MAX, err);
	if (rc == RC_OK)
		rc = DO(txn, err,
			"INSERT INTO identity (sha256, not_before, not_after, recorded_at, chained_under, subject,"
			" issuer, serial, is_ours, issued_for, renewal_of, tbs_sha256, is_interim, account_id, renews_id)"
			" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, ?9, ?10, ?11, ?13, coalesce(?12, (SELECT i.account_id"
			" FROM enrollment e JOIN identity i ON i.id = e.identity_id WHERE e.id = ?10)),"
			" coalesce(?14, (SELECT e.identity_id FROM enrollment e WHERE e.id = ?10)))"
			" ON CONFLICT (sha256) DO UPDATE SET is_ours = 1, issued_for = excluded.issued_for,"
			" renewal_of = excluded.renewal_of, account_id = excluded.account_id,"
			" is_interim = excluded.is_interim, renews_id = excluded.renews_id",
			V_SHA256(facts->sha256), V_INT(facts->not_before), V_INT(facts->not_after), V_INT(txn->now),
			V_SHA256(never), V_STR(facts->subject), V_STR(facts->issuer), V_STR(facts->serial),
			V_TEXT(issued->issued_for), V_ID(issued->renewal_of), V_SHA256(facts->tbs_sha256),
			V_ID(issued->account_id), V_INT(issued->is_interim), V_ID(issued->renews_id));
	if (rc == RC_OK)
		rc = DO(txn, err,
			"INSERT OR REPLACE INTO certificate (identity_id, der)"
			" SELECT id, ?2 FROM identity WHERE sha256 = ?1",
			V_SHA256(facts->sha256), V_BLOB(issued->der));
	return rc;
}

enum rc identity_end_renewals(struct txn *txn, int64_t enrollment_id, struct err *err)
{
	enum rc rc =
		DO(txn, err, "UPDATE identity SET renewal_of = NULL WHERE renewal_of = ?1", V_INT(enrollment_id));

	if (rc == RC_OK)
		rc = DO(txn, err,
			"UPDATE intent INDEXED BY intent_by_renewal SET expires_at = ?2"
			" WHERE renewal_of = ?1 AND used_at = 0 AND expires_at > ?2",
			V_INT(enrollment_id), V_INT(txn->now));
	return rc;
}

/* --- what is revoked */

_Static_assert(ENROLLMENT_ENROLLED == 2 && ENROLLMENT_REMOVAL_ORDERED == 3, "numbers in SQL");
#define IS_PIN \
	" EXISTS (SELECT 1 FROM enrollment e WHERE e.id = i.owner_id AND e.identity_id = i.id" \
	" AND e.state IN (2, 3))"
/* ?1 and all that came of it; a pin and what came of that are not in it, unless ?1 is the pin. */
#define LINE \
	"WITH RECURSIVE line (id) AS (SELECT id FROM identity WHERE sha256 = ?1 UNION SELECT i.id FROM line" \
	" CROSS JOIN identity i INDEXED BY identity_by_former ON i.renews_id = line.id WHERE NOT" IS_PIN \
	")"

static enum rc find_pinned_successor(struct txn *txn, const uint8_t sha256[static SHA256_BYTES],
	struct identity_revoked *revoked, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		LINE
		" SELECT i.sha256 FROM line CROSS JOIN identity i INDEXED BY identity_by_former"
		" ON i.renews_id = line.id WHERE" IS_PIN " LIMIT 1",
		V_SHA256(sha256));

	if (rc == RC_OK)
		rc = query_next(&query, &revoked->is_successor_pinned, err);
	if (rc == RC_OK && revoked->is_successor_pinned)
		query_sha256(&query, 0, revoked->sha256);
	return rc;
}

enum rc identity_revoke(struct txn *txn, const uint8_t sha256[static SHA256_BYTES],
	struct identity_revoked *revoked_r, struct err *err)
{
	struct identity identity;
	enum rc rc = identity_find(txn, sha256, &identity, err);

	*revoked_r = (struct identity_revoked){.others = 0};
	if (rc == RC_NOT_FOUND)
		return err_set(err, RC_NOT_FOUND, "no such identity");
	if (rc == RC_OK)
		rc = find_pinned_successor(txn, sha256, revoked_r, err);
	if (rc == RC_OK)
		rc = DO(txn, err,
			"UPDATE identity SET revoked_at = ?2 WHERE revoked_at = 0 AND id IN (" LINE
			" SELECT id FROM line)",
			V_SHA256(sha256), V_INT(txn->now));
	if (rc == RC_OK)
		revoked_r->others = txn_changes(txn) - (identity.revoked_at == 0 ? 1 : 0);
	return rc;
}

enum rc identity_took_over(struct txn *txn, int64_t id, struct err *err)
{
	return DO(txn, err, "UPDATE identity SET took_over_at = ?2 WHERE id = ?1", V_INT(id),
		V_INT(txn->now));
}

enum rc identity_renewed_at(struct txn *txn, int64_t former, int64_t enrollment_id, int64_t *at_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT CASE WHEN EXISTS (SELECT 1 FROM renewal r WHERE r.enrollment_id = e.id"
		" AND r.identity_id = ?1 AND r.command_id > 0) THEN i.took_over_at ELSE 0 END"
		" FROM enrollment e CROSS JOIN identity i ON i.id = e.identity_id"
		" WHERE e.id = ?2 AND i.renews_id = ?1",
		V_INT(former), V_INT(enrollment_id));

	if (rc == RC_OK)
		rc = query_row(&query, "identity", err);
	if (rc == RC_OK)
		*at_r = query_int(&query, 0);
	return rc;
}

static enum rc read_count(struct query *query, enum rc rc, int64_t *count_r, struct err *err)
{
	*count_r = 0;
	if (rc == RC_OK)
		rc = query_row(query, "identity", err);
	if (rc == RC_OK)
		*count_r = query_int(query, 0);
	return rc;
}

enum rc identity_count_unused(struct txn *txn, const char *issued_for, int64_t *count_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT count(*) FROM identity INDEXED BY identity_unused WHERE issued_for = ?1"
		" AND owner_id IS NULL AND is_ours = 1 AND revoked_at = 0 AND not_after > ?2",
		V_STR(issued_for), V_INT(txn->now));

	return read_count(&query, rc, count_r, err);
}

enum rc identity_count_unused_after(struct txn *txn, int64_t former, int64_t *count_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT count(*) FROM identity INDEXED BY identity_by_former WHERE renews_id = ?1"
		" AND owner_id IS NULL AND revoked_at = 0 AND not_after > ?2",
		V_INT(former), V_INT(txn->now));

	return read_count(&query, rc, count_r, err);
}

static enum rc read_view(const struct query *query, struct arena *arena, struct identity_view *view,
	struct err *err)
{
	bool is_short = false;

	read_identity(query, &view->identity);
	view->subject = query_str(query, 13, arena, &is_short);
	view->issuer = query_str(query, 14, arena, &is_short);
	view->serial = query_str(query, 15, arena, &is_short);
	view->owner_ext_id = query_str(query, 16, arena, &is_short);
	view->recorded_at = query_int(query, 17);
	return is_short ? err_set(err, RC_NO_MEMORY, "identities") : RC_OK;
}

/* NOLINTNEXTLINE(readability-function-size): its door has seven parameters */
enum rc identity_list(struct txn *txn, int64_t after_id, int limit, struct arena *arena,
	struct identity_view **views_r, size_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	void *list = NULL;
	bool is_row = true;
	enum rc rc = limit_check(limit, err);

	*count_r = 0;
	if (rc == RC_OK)
		rc = QUERY(&query, txn, err,
			"SELECT " IDENTITY_COLUMNS
			", i.subject, i.issuer, i.serial, e.ext_id, i.recorded_at"
			" FROM identity i LEFT JOIN enrollment e ON e.id = i.owner_id"
			" WHERE i.id > ?1 ORDER BY i.id LIMIT ?2",
			V_INT(after_id), V_INT(limit));
	while (rc == RC_OK && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row) {
		struct identity_view *view = list_next(arena, &list, count_r, sizeof(*view));

		rc =
			view == NULL ? err_set(err, RC_NO_MEMORY, "identities") : read_view(&query, arena, view, err);
	}
	*views_r = list;
	return rc;
}
