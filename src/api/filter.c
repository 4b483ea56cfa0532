/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/renewal.h"

#include "private.h"

/* "enrolled" -> ENROLLMENT_ENROLLED; false for a word that is none. */
static bool state_of(struct slice word, int *state_r)
{
	for (int i = ENROLLMENT_PENDING; i <= ENROLLMENT_ENDED; i++)
		if (slice_is_str(word, enrollment_state_name((enum enrollment_state)i))) {
			*state_r = i;
			return true;
		}
	return false;
}

static bool kind_of(struct slice word, int *kind_r)
{
	for (int i = ENROLLMENT_DEVICE; i <= ENROLLMENT_BYOD_USER; i++)
		if (slice_is_str(word, enrollment_kind_name((enum enrollment_kind)i))) {
			*kind_r = i;
			return true;
		}
	return false;
}

static bool activity_of(struct slice word, int *activity_r)
{
	*activity_r = slice_is_str(word, "active") ? ENROLLMENT_ACTIVE : ENROLLMENT_INACTIVE;
	return *activity_r == ENROLLMENT_ACTIVE || slice_is_str(word, "inactive");
}

/* Those that the status counts; the end of all, done, is none of them. */
static bool renewal_of_word(struct slice word, int *renewal_r)
{
	for (int i = RENEWAL_ORDERED; i < RENEWAL_STATE_END; i++)
		if (i != RENEWAL_DONE && slice_is_str(word, renewal_state_name((enum renewal_state)i))) {
			*renewal_r = i;
			return true;
		}
	return false;
}

enum rc api_filter_read(struct call *call, const struct filter_words *words,
	struct enrollment_filter *filter, struct err *err)
{
	if (words->state.ptr != NULL && !state_of(words->state, &filter->state))
		return api_call_invalid(call, err, "state",
			"must be pending, enrolled, removal_ordered, removed, checked_out or ended");
	if (words->kind.ptr != NULL && !kind_of(words->kind, &filter->kind))
		return api_call_invalid(call, err, "kind",
			"must be device, user, shared_ipad_user, byod_device or byod_user");
	if (words->activity.ptr != NULL && !activity_of(words->activity, &filter->activity))
		return api_call_invalid(call, err, "activity", "must be active or inactive");
	if (words->renewal.ptr != NULL && !renewal_of_word(words->renewal, &filter->renewal))
		return api_call_invalid(call, err, "renewal",
			"must be ordered, sent, failed, impossible or over");
	filter->serial_number = words->serial_number;
	return RC_OK;
}
