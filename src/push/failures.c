/* SPDX-License-Identifier: Apache-2.0 */
#include "failures.h"

#include <stdio.h>
#include <string.h>

#include "pomona/base/log.h"

static struct failure *row_of(struct failures *failures, const char *reason, int64_t now_us)
{
	struct failure *row;

	for (size_t i = 0; i < failures->count; i++)
		if (strcmp(failures->rows[i].reason, reason) == 0)
			return &failures->rows[i];
	if (failures->count == FAILURES_MAX)
		return &failures->rows[FAILURES_MAX - 1];
	row = &failures->rows[failures->count++];
	(void)snprintf(row->reason, sizeof(row->reason), "%s",
		failures->count == FAILURES_MAX ? "other" : reason);
	row->told_us = now_us - FAILURES_WINDOW_US;
	return row;
}

static bool is_over(const struct failure *row, int64_t now_us)
{
	return now_us - row->told_us >= FAILURES_WINDOW_US;
}

bool failures_note(struct failures *failures, const struct failure_of *failure, int64_t now_us)
{
	struct failure *row = row_of(failures, failure->reason, now_us);

	row->untold++;
	if (!is_over(row, now_us))
		return false;
	log_warning("push_failed", LOG_STR("reason", failure->reason), LOG_INT("status", failure->status),
		LOG_INT("count", row->untold), LOG_INT("enrollment", failure->enrollment_id),
		LOG_STR("detail", failure->detail[0] == '\0' ? NULL : failure->detail));
	row->untold = 0;
	row->told_us = now_us;
	return true;
}

void failures_tick(struct failures *failures, int64_t now_us)
{
	for (size_t i = 0; i < failures->count; i++) {
		struct failure *row = &failures->rows[i];

		if (row->untold == 0 || !is_over(row, now_us))
			continue;
		log_warning("push_failed", LOG_STR("reason", row->reason), LOG_INT("count", row->untold));
		row->untold = 0;
		row->told_us = now_us;
	}
}
