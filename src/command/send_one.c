/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/command/command.h"

/* NOLINTNEXTLINE(readability-function-size): six things that belong together nowhere else */
enum rc command_send_one(struct txn *txn, const struct command_row *row, int64_t enrollment_id,
	int64_t not_after, int64_t *command_id_r, struct err *err)
{
	int64_t batch_id = 0;
	bool was_queued;
	enum rc rc = command_put(txn, row, command_id_r, err);

	if (rc == RC_OK)
		rc = batch_begin(txn, *command_id_r, not_after, &batch_id, err);
	if (rc == RC_OK)
		rc = batch_add(txn, batch_id, enrollment_id, &was_queued, err);
	return rc == RC_OK ? batch_publish(txn, batch_id, err) : rc;
}
