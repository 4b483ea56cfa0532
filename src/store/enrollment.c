/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/enrollment.h"

#include <string.h>

#include "push_sql.h"
#include "txn.h"

static const struct {
	const char *name;
	bool is_user;
} kinds[] = {
	[ENROLLMENT_DEVICE] = {"device", false},
	[ENROLLMENT_USER] = {"user", true},
	[ENROLLMENT_SHARED_USER] = {"shared_ipad_user", true},
	[ENROLLMENT_BYOD_DEVICE] = {"byod_device", false},
	[ENROLLMENT_BYOD_USER] = {"byod_user", true},
};

static const char *const states[] = {
	[ENROLLMENT_PENDING] = "pending",
	[ENROLLMENT_ENROLLED] = "enrolled",
	[ENROLLMENT_REMOVAL_ORDERED] = "removal_ordered",
	[ENROLLMENT_REMOVED] = "removed",
	[ENROLLMENT_CHECKED_OUT] = "checked_out",
	[ENROLLMENT_ENDED] = "ended",
};

bool enrollment_kind_is_user(enum enrollment_kind kind)
{
	return (size_t)kind < COUNT_OF(kinds) && kinds[kind].is_user;
}

const char *enrollment_kind_name(enum enrollment_kind kind)
{
	const char *name = (size_t)kind < COUNT_OF(kinds) ? kinds[kind].name : NULL;

	return name == NULL ? "unknown" : name;
}

const char *enrollment_state_name(enum enrollment_state state)
{
	const char *name = (size_t)state < COUNT_OF(states) ? states[state] : NULL;

	return name == NULL ? "unknown" : name;
}

static enum rc check_ext_id(struct slice ext_id, struct err *err)
{
	size_t at;

	if (ext_id.len == 0 || slice_find_byte(ext_id, 0, &at))
		return err_set(err, RC_INVALID, "enrollment id: empty, or with a zero byte");
	return bytes_check("enrollment id", ext_id, ENROLLMENT_ID_BYTES_MAX, err);
}

/* Reads what both queries below select. */
static enum rc read_enrollment(struct query *query, struct enrollment *enrollment_r,
	struct err *err)
{
	enum rc rc = query_row(query, "enrollment", err);

	if (rc != RC_OK)
		return rc;
	enrollment_r->id = query_int(query, 0);
	enrollment_r->device_id = query_int(query, 1);
	enrollment_r->kind = (enum enrollment_kind)query_int(query, 2);
	enrollment_r->state = (enum enrollment_state)query_int(query, 3);
	query_copy(query, 4, enrollment_r->ext_id, sizeof(enrollment_r->ext_id));
	enrollment_r->identity_id = query_int(query, 5);
	enrollment_r->pending_identity_id = query_int(query, 6);
	enrollment_r->is_awaiting_configuration = query_int(query, 7) != 0;
	return RC_OK;
}

#define SELECT_ENROLLMENT \
	"SELECT e.id, e.device_id, e.kind, e.state, e.ext_id, e.identity_id, p.identity_id," \
	" e.is_awaiting_configuration" \
	" FROM enrollment e LEFT JOIN pending_enrollment p ON p.enrollment_id = e.id "

enum rc enrollment_find(struct txn *txn, struct slice ext_id, struct enrollment *enrollment_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SELECT_ENROLLMENT "WHERE e.ext_id = ?1", V_TEXT(ext_id));

	return rc == RC_OK ? read_enrollment(&query, enrollment_r, err) : rc;
}

enum rc enrollment_by_id(struct txn *txn, int64_t id, struct enrollment *enrollment_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SELECT_ENROLLMENT "WHERE e.id = ?1", V_INT(id));

	return rc == RC_OK ? read_enrollment(&query, enrollment_r, err) : rc;
}

/* The id that an INSERT ... RETURNING gives; no row: another enrollment has this ext_id. */
static enum rc read_added(struct query *query, struct slice ext_id, int64_t *id_r, struct err *err)
{
	bool is_row;
	enum rc rc = query_next(query, &is_row, err);

	if (rc == RC_OK && !is_row)
		return err_set(err, RC_EXISTS, "there is an enrollment %.*s", SLICE_FMT(ext_id));
	if (rc == RC_OK)
		*id_r = query_int(query, 0);
	return rc;
}

enum rc enrollment_add_device(struct txn *txn, enum enrollment_kind kind, struct slice ext_id,
	int64_t *id_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = check_ext_id(ext_id, err);

	if (rc == RC_OK)
		rc = QUERY(&query, txn, err,
			"INSERT INTO enrollment (kind, ext_id, state, created_at) VALUES (?1, ?2, ?3, ?4)"
			" ON CONFLICT DO NOTHING RETURNING id",
			V_INT(kind), V_TEXT(ext_id), V_INT(ENROLLMENT_PENDING), V_INT(txn->now));
	return rc == RC_OK ? read_added(&query, ext_id, id_r, err) : rc;
}

enum rc enrollment_add_user(struct txn *txn, enum enrollment_kind kind, struct slice ext_id,
	int64_t device_id, int64_t *id_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = check_ext_id(ext_id, err);

	if (rc == RC_OK)
		rc = QUERY(&query, txn, err,
			"INSERT INTO enrollment (kind, ext_id, state, device_id, created_at, enrolled_at)"
			" VALUES (?1, ?2, ?3, ?4, ?5, ?5)"
			" ON CONFLICT (ext_id) DO UPDATE SET state = excluded.state, ended_at = 0,"
			" enrolled_at = CASE state WHEN excluded.state THEN enrolled_at ELSE excluded.enrolled_at END"
			" WHERE device_id = excluded.device_id AND kind = excluded.kind RETURNING id",
			V_INT(kind), V_TEXT(ext_id), V_INT(ENROLLMENT_ENROLLED), V_INT(device_id), V_INT(txn->now));
	return rc == RC_OK ? read_added(&query, ext_id, id_r, err) : rc;
}

static enum rc check_facts(const struct device_facts *facts, struct err *err)
{
	const struct {
		const char *what;
		struct slice fact;
	} all[] = {
		{"Topic", facts->topic},
		{"DeviceName", facts->device_name},
		{"Model", facts->model},
		{"ModelName", facts->model_name},
		{"ProductName", facts->product_name},
		{"OSVersion", facts->os_version},
		{"BuildVersion", facts->build_version},
		{"SerialNumber", facts->serial_number},
		{"IMEI", facts->imei},
		{"MEID", facts->meid},
	};
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < COUNT_OF(all); i++)
		rc = bytes_check(all[i].what, all[i].fact, ENROLLMENT_FACT_BYTES_MAX, err);
	return rc;
}

enum rc enrollment_set_pending(struct txn *txn, int64_t id, int64_t identity_id,
	const struct device_facts *facts, struct slice raw, struct err *err)
{
	AUTO(buf_fini) struct buf sealed = {0};
	struct place place = place_of_message(id, "Authenticate");
	enum rc rc = check_facts(facts, err);

	if (rc == RC_OK)
		rc = txn_seal(txn, &place, raw, &sealed, err);
	if (rc == RC_OK)
		rc = DO(txn, err,
			"INSERT OR REPLACE INTO pending_enrollment (enrollment_id, identity_id, received_at, sealed,"
			" topic, device_name, model, model_name, product_name, os_version, build_version,"
			" serial_number, imei, meid)"
			" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
			V_INT(id), V_INT(identity_id), V_INT(txn->now), V_BLOB(buf_slice(&sealed)), V_TEXT(facts->topic),
			V_TEXT(facts->device_name), V_TEXT(facts->model), V_TEXT(facts->model_name),
			V_TEXT(facts->product_name), V_TEXT(facts->os_version), V_TEXT(facts->build_version),
			V_TEXT(facts->serial_number), V_TEXT(facts->imei), V_TEXT(facts->meid));
	return rc;
}

enum rc enrollment_drop_pending(struct txn *txn, int64_t id, struct err *err)
{
	return DO(txn, err, "DELETE FROM pending_enrollment WHERE enrollment_id = ?1", V_INT(id));
}

enum rc enrollment_promote(struct txn *txn, int64_t id, struct err *err)
{
	enum rc rc = DO(txn, err,
		"UPDATE enrollment SET identity_id = p.identity_id, topic = p.topic, device_name = p.device_name,"
		" model = p.model, model_name = p.model_name, product_name = p.product_name,"
		" os_version = p.os_version, build_version = p.build_version, serial_number = p.serial_number,"
		" imei = p.imei, meid = p.meid, state = ?2, enrolled_at = ?3, ended_at = 0, token_dead_at = 0"
		" FROM pending_enrollment p WHERE p.enrollment_id = enrollment.id AND enrollment.id = ?1",
		V_INT(id), V_INT(ENROLLMENT_ENROLLED), V_INT(txn->now));

	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_NOT_FOUND, "no such pending enrollment");
	if (rc == RC_OK)
		rc = DO(txn, err,
			"INSERT OR REPLACE INTO checkin_message (enrollment_id, message_type, received_at, sealed)"
			" SELECT enrollment_id, 'Authenticate', received_at, sealed FROM pending_enrollment"
			" WHERE enrollment_id = ?1",
			V_INT(id));
	if (rc == RC_OK)
		rc = DO(txn, err, "DELETE FROM push WHERE enrollment_id = ?1", V_INT(id));
	return rc == RC_OK ? enrollment_drop_pending(txn, id, err) : rc;
}

/* For the updates of one enrollment. */
static enum rc must_change(struct txn *txn, enum rc rc, struct err *err)
{
	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_NOT_FOUND, "no such enrollment");
	return rc;
}

enum rc enrollment_set_state(struct txn *txn, int64_t id, enum enrollment_state state,
	struct err *err)
{
	enum rc rc = DO(txn, err,
		"UPDATE enrollment SET state = ?2,"
		" ended_at = CASE WHEN ?2 <= ?3 THEN 0 WHEN ended_at = 0 THEN ?4 ELSE ended_at END WHERE id = ?1",
		V_INT(id), V_INT(state), V_INT(ENROLLMENT_ENROLLED), V_INT(txn->now));

	return must_change(txn, rc, err);
}

enum rc enrollment_count_users(struct txn *txn, int64_t device_id, int64_t *count_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc =
		QUERY(&query, txn, err, "SELECT count(*) FROM enrollment WHERE device_id = ?1", V_INT(device_id));

	if (rc == RC_OK)
		rc = query_row(&query, "answer", err);
	if (rc == RC_OK)
		*count_r = query_int(&query, 0);
	return rc;
}

enum rc enrollment_end_users(struct txn *txn, int64_t device_id, struct err *err)
{
	enum rc rc = DO(txn, err, "DELETE FROM user_session WHERE device_id = ?1", V_INT(device_id));

	if (rc != RC_OK)
		return rc;
	return DO(txn, err,
		"UPDATE enrollment SET state = ?2, push_token = NULL, push_magic = '', token_dead_at = 0,"
		" ended_at = CASE ended_at WHEN 0 THEN ?3 ELSE ended_at END WHERE device_id = ?1",
		V_INT(device_id), V_INT(ENROLLMENT_ENDED), V_INT(txn->now));
}

static enum rc keep_token(struct txn *txn, int64_t id, const struct token_facts *facts,
	struct err *err)
{
	enum rc rc = DO(txn, err,
		"UPDATE enrollment SET push_token = ?2, push_magic = ?3, topic = ?4, token_updated_at = ?5, token_dead_at = 0,"
		" user_short_name = coalesce(nullif(?6, ''), user_short_name),"
		" user_long_name = coalesce(nullif(?7, ''), user_long_name),"
		" is_not_on_console = ?8,"
		" is_awaiting_configuration = CASE ?9 WHEN 0 THEN is_awaiting_configuration ELSE ?10 END"
		" WHERE id = ?1",
		V_INT(id), V_BLOB(facts->token), V_TEXT(facts->push_magic), V_TEXT(facts->topic), V_INT(txn->now),
		V_TEXT(facts->user_short_name), V_TEXT(facts->user_long_name), V_INT(facts->is_not_on_console),
		V_INT(facts->has_awaiting_configuration), V_INT(facts->is_awaiting_configuration));

	return must_change(txn, rc, err);
}

static enum rc check_token(const struct token_facts *facts, struct err *err)
{
	enum rc rc = bytes_check("Token", facts->token, PUSH_TOKEN_BYTES_MAX, err);

	if (rc == RC_OK)
		rc = bytes_check("PushMagic", facts->push_magic, ENROLLMENT_FACT_BYTES_MAX, err);
	if (rc == RC_OK)
		rc = bytes_check("Topic", facts->topic, ENROLLMENT_FACT_BYTES_MAX, err);
	if (rc == RC_OK)
		rc = bytes_check("UserShortName", facts->user_short_name, ENROLLMENT_FACT_BYTES_MAX, err);
	if (rc == RC_OK)
		rc = bytes_check("UserLongName", facts->user_long_name, ENROLLMENT_FACT_BYTES_MAX, err);
	return rc;
}

/* What was pushed to another address, or to a token that was dead, reached nobody. */
static enum rc forget_pushed(struct txn *txn, int64_t id, const struct token_facts *facts,
	struct err *err)
{
	return DO(txn, err,
		"UPDATE push SET pushed_seq = 0, tries = 0 WHERE enrollment_id = ?1 AND EXISTS"
		" (SELECT 1 FROM enrollment WHERE id = ?1 AND"
		" (push_token IS NOT ?2 OR push_magic <> ?3 OR topic <> ?4 OR token_dead_at > 0))",
		V_INT(id), V_BLOB(facts->token), V_TEXT(facts->push_magic), V_TEXT(facts->topic));
}

enum rc enrollment_set_token(struct txn *txn, int64_t id, const struct token_facts *facts,
	struct slice raw, struct err *err)
{
	AUTO(buf_fini) struct buf sealed = {0};
	struct place place = place_of_message(id, "TokenUpdate");
	enum rc rc = check_token(facts, err);

	if (rc == RC_OK)
		rc = forget_pushed(txn, id, facts, err);
	if (rc == RC_OK)
		rc = keep_token(txn, id, facts, err);
	if (rc == RC_OK)
		rc = txn_seal(txn, &place, raw, &sealed, err);
	if (rc == RC_OK)
		rc = DO(txn, err,
			"INSERT OR REPLACE INTO checkin_message (enrollment_id, message_type, received_at, sealed)"
			" VALUES (?1, 'TokenUpdate', ?2, ?3)",
			V_INT(id), V_INT(txn->now), V_BLOB(buf_slice(&sealed)));
	return rc;
}

enum rc enrollment_drop_token(struct txn *txn, int64_t id, struct err *err)
{
	enum rc rc = DO(txn, err,
		"UPDATE enrollment SET push_token = NULL, push_magic = '', token_dead_at = 0 WHERE id = ?1",
		V_INT(id));

	return must_change(txn, rc, err);
}

enum rc enrollment_configured(struct txn *txn, int64_t id, int64_t command_id, struct err *err)
{
	return DO(txn, err,
		"UPDATE enrollment SET is_awaiting_configuration = 0 WHERE id = ?1 AND EXISTS (SELECT 1"
		" FROM command WHERE id = ?2 AND request_type IN ('DeviceConfigured', 'UserConfigured'))",
		V_INT(id), V_INT(command_id));
}

static enum rc end_inactivity(struct txn *txn, int64_t id, bool *was_inactive_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SQL_PUSH_IS_INACTIVE, V_INT(id));

	if (rc == RC_OK)
		rc = query_next(&query, was_inactive_r, err);
	if (rc != RC_OK || !*was_inactive_r)
		return rc;
	return DO(txn, err, "UPDATE enrollment SET inactive_at = 0 WHERE id = ?1", V_INT(id));
}

enum rc enrollment_seen(struct txn *txn, int64_t id, int64_t seen_at, bool *was_inactive_r,
	struct err *err)
{
	enum rc rc;

	*was_inactive_r = false;
	rc = end_inactivity(txn, id, was_inactive_r, err);
	if (rc != RC_OK)
		return rc;
	return DO(txn, err, "UPDATE enrollment SET last_seen_at = ?2 WHERE id = ?1 AND last_seen_at <> ?2",
		V_INT(id), V_INT(seen_at));
}

enum rc enrollment_raw_message(struct txn *txn, int64_t id, const char *message_type,
	struct buf *out, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	struct place place = place_of_message(id, message_type);
	enum rc rc = QUERY(&query, txn, err,
		"SELECT sealed FROM checkin_message WHERE enrollment_id = ?1 AND message_type = ?2", V_INT(id),
		V_STR(message_type));

	if (rc == RC_OK)
		rc = query_row(&query, "message", err);
	return rc == RC_OK ? txn_unseal(txn, &place, query_bytes(&query, 0), out, err) : rc;
}

enum rc enrollment_is_any(struct txn *txn, bool *is_any_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT EXISTS (SELECT 1 FROM enrollment WHERE kind IN (?1, ?2) AND state = ?3)",
		V_INT(ENROLLMENT_DEVICE), V_INT(ENROLLMENT_BYOD_DEVICE), V_INT(ENROLLMENT_ENROLLED));

	if (rc == RC_OK)
		rc = query_row(&query, "answer", err);
	if (rc == RC_OK)
		*is_any_r = query_int(&query, 0) != 0;
	return rc;
}

#define OF_DEVICE "(SELECT id FROM enrollment WHERE id = ?1 OR device_id = ?1)"

/* Finished rows leave the totals with the rows. */
static enum rc uncount_finished(struct txn *txn, int64_t id, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	bool is_row = true;
	enum rc rc = QUERY(&query, txn, err,
		"SELECT state, count(*) FROM queue WHERE enrollment_id IN " OF_DEVICE
		" AND state >= ?2 GROUP BY state",
		V_INT(id), V_INT(QUEUE_DONE));

	while (rc == RC_OK && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row)
		txn->finished[query_int(&query, 0)] -= query_int(&query, 1);
	return rc;
}

static enum rc check_forgettable(struct txn *txn, int64_t id, struct err *err)
{
	struct enrollment enrollment;
	enum rc rc = enrollment_by_id(txn, id, &enrollment, err);

	if (rc != RC_OK)
		return rc;
	if (enrollment_kind_is_user(enrollment.kind))
		return err_set(err, RC_INVALID, "a user is forgotten with its device");
	if (enrollment.state == ENROLLMENT_ENROLLED)
		return err_set(err, RC_EXISTS, "%s is enrolled: unenroll it first", enrollment.ext_id);
	return RC_OK;
}

enum rc enrollment_forget(struct txn *txn, int64_t id, struct err *err)
{
	enum rc rc = check_forgettable(txn, id, err);

	if (rc == RC_OK)
		rc = uncount_finished(txn, id, err);
	if (rc == RC_OK)
		rc = DO(txn, err,
			"DELETE FROM result WHERE id IN (SELECT result_id FROM queue WHERE result_id IS NOT NULL"
			" AND enrollment_id IN " OF_DEVICE ")",
			V_INT(id));
	if (rc == RC_OK) /* commands to nobody else: their bodies may tell of the device */
		rc = DO(txn, err,
			"DELETE FROM command WHERE id IN"
			" (SELECT command_id FROM queue WHERE enrollment_id IN " OF_DEVICE
			") AND NOT EXISTS"
			" (SELECT 1 FROM queue q WHERE q.command_id = command.id AND q.enrollment_id NOT IN " OF_DEVICE
			")",
			V_INT(id));
	/* All that refers to it goes along: see ON DELETE in the schema. */
	return rc == RC_OK ? DO(txn, err, "DELETE FROM enrollment WHERE id = ?1", V_INT(id)) : rc;
}
