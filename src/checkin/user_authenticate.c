/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

enum { CHALLENGE_BYTES_MAX = 512 };

/* A zero-length challenge says that no password is asked for; a second message may still come. */
enum rc checkin_decide_user_authenticate(const struct visit *visit)
{
	enum rc rc = checkin_require_enrolled(visit);

	if (rc != RC_OK || checkin_is_refused(visit))
		return rc;
	if (visit->policy->is_user_authenticate_gone) {
		outcome_refuse(visit->outcome, REFUSAL_USER_NOT_MANAGED, NULL);
		return RC_OK;
	}
	visit->outcome->channel_id = visit->sender->device.id;
	if (visit->message->has_digest_response)
		return RC_OK;
	return checkin_reply(visit, "DigestChallenge", plist_new_string(slice_of_str("")),
		CHALLENGE_BYTES_MAX);
}
