/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/ota.h"

#include "txn.h"

#define SELECT_OTA \
	"SELECT o.intent_id, i.device_id, i.serial_number, i.created_by, o.challenge_sha256, i.expires_at," \
	" o.begun_at, o.signer_sha256, coalesce(o.scep_intent_id, 0), coalesce(s.device_id, '')," \
	" coalesce(s.serial_number, ''), o.finished_at" \
	" FROM ota o JOIN intent i ON i.id = o.intent_id LEFT JOIN intent s ON s.id = o.scep_intent_id"

enum rc ota_add(struct txn *txn, const struct intent_new *intent, int64_t *id_r, struct err *err)
{
	struct intent_new without = *intent;
	enum rc rc;

	without.challenge_sha256 = NULL; /* SCEP must not take it */
	rc = intent_add(txn, &without, id_r, err);
	if (rc == RC_OK)
		rc = DO(txn, err,
			"INSERT INTO ota (intent_id, challenge_sha256) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
			V_INT(*id_r), V_SHA256(intent->challenge_sha256));
	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_EXISTS, "this challenge is another's");
	return rc;
}

static enum rc read_row(struct query *query, struct ota *ota_r, struct err *err)
{
	enum rc rc = query_row(query, "enrollment over the air", err);

	if (rc != RC_OK)
		return rc;
	*ota_r = (struct ota){
		.intent_id = query_int(query, 0),
		.expires_at = query_int(query, 5),
		.begun_at = query_int(query, 6),
		.scep_intent_id = query_int(query, 8),
		.finished_at = query_int(query, 11),
	};
	query_copy(query, 1, ota_r->device_id, sizeof(ota_r->device_id));
	query_copy(query, 2, ota_r->serial_number, sizeof(ota_r->serial_number));
	query_copy(query, 3, ota_r->created_by, sizeof(ota_r->created_by));
	query_sha256(query, 4, ota_r->challenge_sha256);
	query_sha256(query, 7, ota_r->signer_sha256);
	query_copy(query, 9, ota_r->came_id, sizeof(ota_r->came_id));
	query_copy(query, 10, ota_r->came_serial, sizeof(ota_r->came_serial));
	return RC_OK;
}

enum rc ota_find_by_challenge(struct txn *txn, const uint8_t challenge_sha256[static SHA256_BYTES],
	struct ota *ota_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc =
		QUERY(&query, txn, err, SELECT_OTA " WHERE o.challenge_sha256 = ?1", V_SHA256(challenge_sha256));

	return rc == RC_OK ? read_row(&query, ota_r, err) : rc;
}

enum rc ota_find_by_identity(struct txn *txn, int64_t identity_id, struct ota *ota_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SELECT_OTA " WHERE s.identity_id = ?1", V_INT(identity_id));

	return rc == RC_OK ? read_row(&query, ota_r, err) : rc;
}

enum rc ota_begin(struct txn *txn, const struct ota *ota,
	const uint8_t signer_sha256[static SHA256_BYTES], int64_t scep_intent_id, struct err *err)
{
	enum rc rc = DO(txn, err,
		"UPDATE ota SET begun_at = iif(begun_at = 0, ?2, begun_at), signer_sha256 = ?3, scep_intent_id = ?4"
		" WHERE intent_id = ?1",
		V_INT(ota->intent_id), V_INT(txn->now), V_SHA256(signer_sha256), V_INT(scep_intent_id));

	if (rc == RC_OK)
		rc = DO(txn, err,
			"UPDATE identity SET revoked_at = ?2 WHERE revoked_at = 0"
			" AND id = (SELECT identity_id FROM intent WHERE id = ?1)",
			V_INT(ota->scep_intent_id), V_INT(txn->now));
	if (rc == RC_OK)
		rc = DO(txn, err, "DELETE FROM intent WHERE id = ?1 AND used_at = 0", V_INT(ota->scep_intent_id));
	return rc;
}

enum rc ota_finish(struct txn *txn, int64_t intent_id, struct err *err)
{
	enum rc rc =
		DO(txn, err, "UPDATE ota SET finished_at = ?2 WHERE intent_id = ?1 AND finished_at = 0",
			V_INT(intent_id), V_INT(txn->now));

	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_EXISTS, "it was finished before");
	return rc;
}
