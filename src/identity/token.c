/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/identity/judge.h"
#include "pomona/store/user_session.h"

enum rc judge_require_token(struct txn *txn, const struct claim *claim, const struct sender *sender,
	struct outcome *outcome, struct err *err)
{
	struct user_session session;
	uint8_t digest[SHA256_BYTES];
	enum rc rc;

	if (claim->kind != ENROLLMENT_USER || sender->standing != STANDING_PINNED)
		return RC_OK;
	rc = user_session_find(txn, claim->ext_id, &session, err);
	if (rc != RC_OK)
		return rc == RC_NOT_FOUND ? RC_OK : rc;
	sha256(claim->auth_token, digest);
	if (session.has_token && claim->auth_token.len > 0 &&
		slice_is_equal_consttime(slice_of(digest, SHA256_BYTES),
			slice_of(session.token_sha256, SHA256_BYTES)))
		return RC_OK;
	outcome_refuse(outcome, REFUSAL_USER_NOT_AUTHENTICATED, NULL);
	return RC_OK;
}
