/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/identity/channels.h"

#include "pomona/store/enrollment.h"
#include "pomona/store/escrow.h"
#include "pomona/store/queue.h"

enum {
	PAGE_USERS = 100,
	PAGE_BYTES_MAX = 4 * 1024 * 1024, /* 100 users with each fact at its longest */
};

struct visit {
	struct txn *txn;
	const char *why;
	bool is_escrow_archived;
};

static enum rc visit_channel(const struct visit *visit, int64_t id, struct err *err)
{
	int64_t count;
	enum rc rc = queue_cancel_all(visit->txn, id, visit->why, &count, err);

	if (rc == RC_OK && visit->is_escrow_archived)
		rc = escrow_archive(visit->txn, id, err);
	return rc;
}

/* Visits one page of users after *after_id, which moves on. */
static enum rc visit_page(const struct visit *visit, int64_t device_id, int64_t *after_id,
	size_t *count_r, struct err *err)
{
	const struct enrollment_filter filter = {.after_id = *after_id,
		.limit = PAGE_USERS,
		.device_id = device_id};
	AUTO(arena_free) struct arena *arena = arena_new(PAGE_BYTES_MAX);
	struct enrollment_view *views;
	enum rc rc;

	*count_r = 0;
	if (arena == NULL)
		return err_set(err, RC_NO_MEMORY, "users of a device");
	rc = enrollment_list(visit->txn, &filter, arena, &views, count_r, err);
	for (size_t i = 0; rc == RC_OK && i < *count_r; i++) {
		*after_id = views[i].enrollment.id;
		rc = visit_channel(visit, *after_id, err);
	}
	return rc;
}

static enum rc visit_all(const struct visit *visit, int64_t device_id, struct err *err)
{
	int64_t after_id = 0;
	size_t count = PAGE_USERS;
	enum rc rc = visit_channel(visit, device_id, err);

	while (rc == RC_OK && count == PAGE_USERS)
		rc = visit_page(visit, device_id, &after_id, &count, err);
	return rc;
}

enum rc channels_cancel(struct txn *txn, int64_t device_id, const char *why, struct err *err)
{
	const struct visit visit = {.txn = txn, .why = why};

	return visit_all(&visit, device_id, err);
}

enum rc channels_clear(struct txn *txn, int64_t device_id, const char *why, struct err *err)
{
	const struct visit visit = {.txn = txn, .why = why, .is_escrow_archived = true};

	return visit_all(&visit, device_id, err);
}
