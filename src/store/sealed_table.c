/* SPDX-License-Identifier: Apache-2.0 */
#include "sealed_table.h"

#define COUNT(table_, where_) \
	"SELECT max(row), key, count(*) FROM (SELECT rowid AS row, substr(sealed, 2, 4) AS key" \
	" FROM " table_ " WHERE rowid > ?1 AND " where_ " ORDER BY rowid LIMIT ?2) GROUP BY key"
/* One number is the place; the other stays 0. */
#define WALK(table_, columns_, where_) \
	"SELECT rowid, 0, rowid, sealed, " columns_ " FROM " table_ " WHERE rowid > ?1 + ?2 AND " where_ \
	" ORDER BY rowid LIMIT ?3"
#define PUT(table_) \
	"UPDATE " table_ " SET sealed = ?2 WHERE rowid = ?1 AND substr(sealed, 1, 17) = ?3"
_Static_assert(SEAL_MARK_BYTES == 17, "as in the SQL");
#define TABLE(name_, columns_, where_, place_) \
	{ \
		.table = (name_), .column = "sealed", .count_sql = COUNT(name_, where_), \
		.walk_sql = WALK(name_, columns_, where_), .put_sql = PUT(name_), .place = (place_) \
	}
#define ALL "TRUE"
#define CA_KEY "'device_ca.key'"

enum { TEXT_BYTES = PLACE_BYTES };

static struct place pending_place(const struct query *row)
{
	return place_of_message(query_int(row, SEALED_TABLE_PLACE), "Authenticate");
}

static struct place message_place(const struct query *row)
{
	char type[TEXT_BYTES];

	query_copy(row, SEALED_TABLE_PLACE + 1, type, sizeof(type));
	return place_of_message(query_int(row, SEALED_TABLE_PLACE), type);
}

static struct place command_place(const struct query *row)
{
	return place_of_command(query_int(row, SEALED_TABLE_PLACE));
}

static struct place result_place(const struct query *row)
{
	return place_of_result(query_int(row, SEALED_TABLE_PLACE), query_int(row, SEALED_TABLE_PLACE + 1));
}

static struct place escrow_place(const struct query *row)
{
	return place_of_escrow(query_int(row, SEALED_TABLE_PLACE), query_int(row, SEALED_TABLE_PLACE + 1),
		query_int(row, SEALED_TABLE_PLACE + 2));
}

static struct place vault_place(const struct query *row)
{
	char name[TEXT_BYTES];

	query_copy(row, SEALED_TABLE_PLACE, name, sizeof(name));
	return place_of_vault(name);
}

static struct place push_cert_place(const struct query *row)
{
	char topic[TEXT_BYTES];

	query_copy(row, SEALED_TABLE_PLACE, topic, sizeof(topic));
	return place_of_push_cert(topic);
}

/*
 * A result's place is that of the queue's row that names it, and is found from there: so the queue is walked, and
 * rows without a result are passed over with no blob.
 */
#define WALK_RESULTS \
	"SELECT q.enrollment_id, q.command_id, r.id, r.sealed, q.enrollment_id, q.command_id FROM queue q" \
	" LEFT JOIN result r ON r.id = q.result_id WHERE (q.enrollment_id, q.command_id) > (?1, ?2)" \
	" ORDER BY q.enrollment_id, q.command_id LIMIT ?3"

static const struct sealed_table tables[] = {
	TABLE("pending_enrollment", "enrollment_id", ALL, pending_place),
	TABLE("checkin_message", "enrollment_id, message_type", ALL, message_place),
	TABLE("command_body", "command_id", ALL, command_place),
	{.table = "result",
		.column = "sealed",
		.count_sql = COUNT("result", ALL),
		.walk_sql = WALK_RESULTS,
		.put_sql = PUT("result"),
		.place = result_place},
	TABLE("escrow", "enrollment_id, kind, stored_at", ALL, escrow_place),
	TABLE("push_cert", "topic", ALL, push_cert_place),
	TABLE("vault", "name", "name <> " CA_KEY, vault_place),
	TABLE("vault", "name", "name = " CA_KEY, vault_place),
};
_Static_assert(COUNT_OF(tables) <= SEALED_TABLES_MAX, "what counts them has room");

const struct sealed_table *sealed_tables(size_t *count_r)
{
	*count_r = COUNT_OF(tables);
	return tables;
}
