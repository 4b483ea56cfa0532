/* SPDX-License-Identifier: Apache-2.0 */
#include "schema.h"

#include <stdio.h>

#include "pomona/base/log.h"
#include "pomona/store/store.h"

enum { APPLICATION_ID = 0x504F4D4F }; /* "POMO" */

static const char *const migrations[] = {schema_0001, schema_0002, schema_0003, schema_0004,
	schema_0005, schema_0006, schema_0007, schema_0008, schema_0009, schema_0010, schema_0011,
	schema_0012, schema_0013, schema_0014, schema_0015, schema_0016};
_Static_assert(COUNT_OF(migrations) == STORE_SCHEMA_VERSION, "one migration a version");

static enum rc check_ours(struct db *db, const char *path, int64_t version, struct err *err)
{
	int64_t id;
	int64_t objects;
	enum rc rc = db_read_int(db, "PRAGMA application_id", &id, err);

	if (rc == RC_OK)
		rc = db_read_int(db, "SELECT count(*) FROM sqlite_schema", &objects, err);
	if (rc != RC_OK)
		return rc;
	if (id != APPLICATION_ID && (id != 0 || version != 0 || objects != 0))
		return err_set(err, RC_CORRUPT, "%s: is a database of another program", path);
	return RC_OK;
}

static enum rc migrate(struct db *db, int64_t version, struct err *err)
{
	char mark[96];
	enum rc rc = RC_OK;

	for (int64_t i = version; rc == RC_OK && i < STORE_SCHEMA_VERSION; i++)
		rc = db_script(db, migrations[i], err);
	(void)snprintf(mark, sizeof(mark), "PRAGMA application_id = %d; PRAGMA user_version = %d",
		APPLICATION_ID, STORE_SCHEMA_VERSION);
	if (rc == RC_OK)
		rc = db_script(db, mark, err);
	return rc;
}

enum rc schema_migrate(struct db *db, int64_t version, struct err *err)
{
	enum rc rc;

	if (version == STORE_SCHEMA_VERSION)
		return RC_OK;
	rc = db_script(db, "BEGIN IMMEDIATE", err);
	if (rc != RC_OK)
		return rc;
	rc = migrate(db, version, err);
	if (rc == RC_OK)
		rc = db_script(db, "COMMIT", err);
	if (rc != RC_OK)
		db_leave(db);
	else
		log_info("database_migrated", LOG_INT("from", version), LOG_INT("to", STORE_SCHEMA_VERSION));
	return rc;
}

enum rc schema_check(struct db *db, const char *path, int64_t *version_r, struct err *err)
{
	int64_t version;
	enum rc rc = db_read_int(db, "PRAGMA user_version", &version, err);

	if (rc == RC_OK)
		rc = check_ours(db, path, version, err);
	if (rc != RC_OK)
		return rc;
	if (version > STORE_SCHEMA_VERSION)
		return err_set(err, RC_UNSUPPORTED,
			"%s was written by a newer pomonad (schema %lld, this one knows %d): "
			"install that version or restore a backup",
			path, (long long)version, STORE_SCHEMA_VERSION);
	if (version < 0)
		return err_set(err, RC_CORRUPT, "%s: schema version %lld", path, (long long)version);
	*version_r = version;
	return RC_OK;
}
