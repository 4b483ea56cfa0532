/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "pomona/store/push.h"
#include "push_sql.h"
#include "txn.h"

_Static_assert(sizeof("push_cert/") + PUSH_TOPIC_BYTES_MAX <= PLACE_BYTES, "no topic is cut");

static enum rc check_cert(const struct push_cert *cert, struct err *err)
{
	enum rc rc = bytes_check("certificate", buf_slice(&cert->cert_pem), PUSH_CERT_PEM_BYTES_MAX, err);

	if (rc == RC_OK)
		rc = bytes_check("key", buf_slice(&cert->key_pem), PUSH_CERT_PEM_BYTES_MAX, err);
	if (rc == RC_OK && cert->topic[0] == '\0')
		return err_set(err, RC_INVALID, "topic: empty");
	return rc;
}

enum rc push_cert_put(struct txn *txn, const struct push_cert *cert, struct err *err)
{
	AUTO(buf_fini) struct buf sealed = {0};
	struct place place = place_of_push_cert(cert->topic);
	const struct cert_facts *facts = &cert->facts;
	enum rc rc = check_cert(cert, err);

	if (rc == RC_OK)
		rc = txn_seal(txn, &place, buf_slice(&cert->key_pem), &sealed, err);
	if (rc == RC_OK)
		rc = DO(txn, err,
			"INSERT OR REPLACE INTO push_cert (topic, subject, sha256, not_before, not_after, stored_at,"
			" cert_pem, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
			V_STR(cert->topic), V_STR(facts->subject), V_SHA256(facts->sha256), V_INT(facts->not_before),
			V_INT(facts->not_after), V_INT(txn->now), V_BLOB(buf_slice(&cert->cert_pem)),
			V_BLOB(buf_slice(&sealed)));
	return rc;
}

static enum rc read_cert(const struct query *query, struct arena *arena,
	struct push_cert_view *view, struct err *err)
{
	struct slice sha256 = query_bytes(query, 2);
	bool is_short = false;

	*view = (struct push_cert_view){
		.topic = query_str(query, 0, arena, &is_short),
		.subject = query_str(query, 1, arena, &is_short),
		.not_before = query_int(query, 3),
		.not_after = query_int(query, 4),
		.stored_at = query_int(query, 5),
		.cert_pem = arena_copy(arena, query_bytes(query, 6)),
		.enrollments = query_int(query, 7),
	};
	if (sha256.len == sizeof(view->sha256))
		memcpy(view->sha256, sha256.ptr, sha256.len);
	if (is_short || view->cert_pem.ptr == NULL)
		return err_set(err, RC_NO_MEMORY, "push certificates");
	return RC_OK;
}

enum rc push_cert_list(struct txn *txn, struct arena *arena, struct push_cert_view **views_r,
	size_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	void *list = NULL;
	bool is_row = true;
	enum rc rc = QUERY(&query, txn, err, SQL_PUSH_CERTS);

	*count_r = 0;
	while (rc == RC_OK && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row) {
		struct push_cert_view *view = list_next(arena, &list, count_r, sizeof(*view));

		if (view == NULL)
			return err_set(err, RC_NO_MEMORY, "push certificates");
		rc = read_cert(&query, arena, view, err);
	}
	*views_r = list;
	return rc;
}

enum rc push_cert_key(struct txn *txn, const char *topic, struct buf *key_pem, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	struct place place = place_of_push_cert(topic);
	enum rc rc =
		QUERY(&query, txn, err, "SELECT sealed FROM push_cert WHERE topic = ?1", V_STR(topic));

	if (rc == RC_OK)
		rc = query_row(&query, "push certificate", err);
	return rc == RC_OK ? txn_unseal(txn, &place, query_bytes(&query, 0), key_pem, err) : rc;
}

enum rc push_cert_remove(struct txn *txn, const char *topic, struct err *err)
{
	enum rc rc = DO(txn, err, "DELETE FROM push_cert WHERE topic = ?1", V_STR(topic));

	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_NOT_FOUND, "no such push certificate");
	return rc;
}

enum rc push_topic_list(struct txn *txn, int limit, struct arena *arena,
	struct push_topic_view **views_r, size_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	void *list = NULL;
	bool is_short = false;
	bool is_row = true;
	enum rc rc = limit_check(limit, err);

	*count_r = 0;
	if (rc == RC_OK)
		rc = QUERY(&query, txn, err, SQL_PUSH_TOPICS, V_INT(limit));
	while (rc == RC_OK && !is_short && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row) {
		struct push_topic_view *view = list_next(arena, &list, count_r, sizeof(*view));

		if (view == NULL)
			return err_set(err, RC_NO_MEMORY, "topics");
		view->topic = query_str(&query, 0, arena, &is_short);
		view->enrollments = query_int(&query, 1);
		view->has_cert = query_int(&query, 2) != 0;
	}
	*views_r = list;
	return is_short ? err_set(err, RC_NO_MEMORY, "topics") : rc;
}
