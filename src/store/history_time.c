/* SPDX-License-Identifier: Apache-2.0 */
#include "history_sql.h"
#include "txn.h"

enum rc history_counter_get(struct txn *txn, const char *name, int64_t *value_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, "SELECT value FROM counter WHERE name = ?1", V_STR(name));

	if (rc == RC_OK)
		rc = query_row(&query, "counter", err);
	if (rc == RC_OK)
		*value_r = query_int(&query, 0);
	return rc;
}

enum rc history_counter_set(struct txn *txn, const char *name, int64_t value, struct err *err)
{
	return DO(txn, err, "UPDATE counter SET value = ?2 WHERE name = ?1 AND value <> ?2", V_STR(name),
		V_INT(value));
}

/* How far it may go since the last look; nothing of what passed while nobody looked. */
static int64_t allowance(struct txn *txn, struct history_walk *walk)
{
	int64_t now_us = clock_monotonic_us(txn->clock);
	int64_t allowed_s = (now_us - walk->looked_us) * HISTORY_CATCH_UP / 1000000;

	if (walk->has_looked && allowed_s <= 0)
		return 0; /* less than a second: the next look counts it */
	if (!walk->has_looked)
		allowed_s = 0;
	walk->has_looked = true;
	walk->looked_us = now_us;
	return allowed_s;
}

enum rc history_follow_clock(struct txn *txn, struct history_walk *walk, struct err *err)
{
	int64_t allowed_s = allowance(txn, walk);
	enum rc rc = RC_OK;

	if (walk->time_s == 0)
		rc = history_counter_get(txn, "history.time", &walk->time_s, err);
	if (rc != RC_OK)
		return rc;
	if (walk->written_time_s == 0)
		walk->written_time_s = walk->time_s;
	if (walk->time_s == 0 || walk->time_s > txn->now)
		walk->time_s = txn->now; /* nothing to be lost yet; or the clock was put back */
	if (allowed_s > txn->now - walk->time_s)
		allowed_s = txn->now - walk->time_s;
	walk->time_s += allowed_s;
	walk->ahead_s = txn->now - walk->time_s;
	return RC_OK;
}
