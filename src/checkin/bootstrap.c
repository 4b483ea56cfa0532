/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include "pomona/store/escrow.h"

enum { REPLY_OVERHEAD_BYTES = 1024 };

enum rc checkin_decide_set_bootstrap_token(const struct visit *visit)
{
	const struct checkin_message *message = visit->message;
	int64_t id = visit->sender->device.id;
	enum rc rc = checkin_require_enrolled(visit);

	if (rc != RC_OK || checkin_is_refused(visit))
		return rc;
	visit->outcome->channel_id = id;
	if (message->bootstrap_token.len != 0) {
		visit->outcome->event = "bootstrap_token_set";
		return escrow_put(visit->txn, id, ESCROW_BOOTSTRAP_TOKEN, message->bootstrap_token, visit->err);
	}
	visit->outcome->event = "bootstrap_token_deleted";
	rc = escrow_drop(visit->txn, id, ESCROW_BOOTSTRAP_TOKEN, visit->err);
	return rc == RC_NOT_FOUND ? RC_OK : rc; /* deleted already */
}

enum rc checkin_decide_get_bootstrap_token(const struct visit *visit)
{
	AUTO(buf_fini_secret) struct buf token = {0};
	int64_t id = visit->sender->device.id;
	enum rc rc = checkin_require_enrolled(visit);

	if (rc != RC_OK || checkin_is_refused(visit))
		return rc;
	visit->outcome->channel_id = id;
	buf_init(&token, ESCROW_BYTES_MAX);
	if (buf_reserve(&token, ESCROW_BYTES_MAX) == NULL)
		return buf_status(&token, "bootstrap token", visit->err);
	rc = escrow_get(visit->txn, id, ESCROW_BOOTSTRAP_TOKEN, &token, visit->err);
	if (rc == RC_NOT_FOUND)
		return RC_OK; /* none stored: an empty body */
	if (rc != RC_OK)
		return rc;
	visit->outcome->event = "bootstrap_token_read";
	return checkin_reply(visit, "BootstrapToken", plist_new_data(buf_slice(&token)),
		2 * token.len + REPLY_OVERHEAD_BYTES);
}
