/* SPDX-License-Identifier: Apache-2.0 */
#include "apns_fault.h"

#include <stdio.h>
#include <string.h>

#include "pomona/base/codec.h"

/* What json_read_fields() fills. */
struct draft {
	struct apns_faults faults;
	struct slice reason;
};

#define AT(field) offsetof(struct draft, faults.field)

static const struct json_field fields[] = {
	{"reason", JSON_KIND_STRING, false, offsetof(struct draft, reason), APNS_REASON_BYTES_MAX, 0, 0},
	{"status", JSON_KIND_INTEGER, false, AT(status), 0, 400, APNS_STATUS_MAX},
	{"rate_percent", JSON_KIND_INTEGER, false, AT(rate_percent), 0, 1, 100},
	{"timestamp_ms", JSON_KIND_INTEGER, false, AT(timestamp_ms), 0, 0, INT64_MAX},
	{"retry_after_s", JSON_KIND_INTEGER, false, AT(retry_after_s), 0, 0, APNS_RETRY_AFTER_MAX_S},
	{"lose_percent", JSON_KIND_INTEGER, false, AT(lose_percent), 0, 0, 100},
	{"refuse_every", JSON_KIND_INTEGER, false, AT(refuse_every), 0, 0, INT32_MAX},
	{"goaway_every", JSON_KIND_INTEGER, false, AT(goaway_every), 0, 0, INT32_MAX},
	{"reset_every", JSON_KIND_INTEGER, false, AT(reset_every), 0, 0, INT32_MAX},
	{"count", JSON_KIND_INTEGER, false, AT(count), 0, 0, INT64_MAX},
	{"mute", JSON_KIND_BOOL, false, AT(mute), 0, 0, 0},
	{"silence", JSON_KIND_BOOL, false, AT(silence), 0, 0, 0},
	{"stall_window", JSON_KIND_BOOL, false, AT(stall_window), 0, 0, 0},
	{"settings_delay_ms", JSON_KIND_INTEGER, false, AT(settings_delay_ms), 0, 0, 600000},
	{"max_streams", JSON_KIND_INTEGER, false, AT(max_streams), 0, 0, APNS_STREAMS_MAX},
	{"expired_cert", JSON_KIND_BOOL, false, AT(expired_cert), 0, 0, 0},
};

/* In the order of the table above. */
static const char *const helps[COUNT_OF(fields)] = {
	"pushes are answered with this reason of Apple's",
	"... with this status",
	"... so many of a hundred (100)",
	"... and this time beside it (410: now)",
	"... and a Retry-After",
	"so many of a hundred are answered 200 and never reach the device",
	"each n-th push is refused (RST_STREAM REFUSED_STREAM) and not taken",
	"each n-th push is the last one that its connection takes",
	"each n-th push is taken, then its connection is cut",
	"after so many pushes that went wrong all is well again",
	"true: pushes are taken and never answered, PINGs are",
	"true: nothing is sent any more, as if the network were gone",
	"true: no window, so that no payload can be sent",
	"new connections wait so long for SETTINGS",
	"SETTINGS_MAX_CONCURRENT_STREAMS (1000)",
	"true: new connections see a server's certificate that has expired",
};

bool apns_fault_word_at(size_t index, struct apns_fault_word *word_r)
{
	if (index >= COUNT_OF(fields))
		return false;
	*word_r = (struct apns_fault_word){.name = fields[index].key, .help = helps[index]};
	return true;
}

struct apns_faults apns_faults_none(void)
{
	return (struct apns_faults){.rate_percent = 100,
		.timestamp_ms = -1,
		.retry_after_s = -1,
		.max_streams = APNS_STREAMS_DEFAULT};
}

/* A reason of Apple's has a status of its own; for another one the status must be said. */
static enum rc settle_reason(struct draft *draft, struct err *err)
{
	const struct apns_reason *known = apns_reason_find(draft->reason);

	(void)snprintf(draft->faults.reason, sizeof(draft->faults.reason), "%.*s",
		SLICE_FMT(draft->reason));
	if (!apns_reason_is_word(draft->reason))
		return err_set(err, RC_INVALID, "\"reason\": want letters and digits");
	if (draft->reason.len == 0 || draft->faults.status != 0)
		return RC_OK;
	if (known == NULL)
		return err_set(err, RC_INVALID, "\"reason\": none of Apple's; \"status\" must be given with it");
	draft->faults.status = known->status;
	return RC_OK;
}

enum rc apns_faults_read(const struct json_value *object, struct apns_faults *faults_r,
	struct err *err)
{
	struct draft draft = {.faults = apns_faults_none()};
	enum rc rc = json_read_fields(object, fields, COUNT_OF(fields), &draft, err);

	if (rc == RC_OK)
		rc = settle_reason(&draft, err);
	if (rc == RC_OK)
		*faults_r = draft.faults;
	return rc;
}

enum rc fault_words_read(const char *const *words, size_t count, struct json_value *object,
	struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		size_t key_len = strcspn(words[i], "=");
		const char *value = words[i] + key_len + 1;
		char key[32];
		int64_t number;

		if (key_len == 0 || key_len >= sizeof(key) || words[i][key_len] != '=')
			return err_set(err, RC_INVALID, "%s: want key=value", words[i]);
		(void)snprintf(key, sizeof(key), "%.*s", (int)key_len, words[i]);
		for (size_t k = 0; k < i; k++)
			if (strncmp(words[k], words[i], key_len + 1) == 0)
				return err_set(err, RC_INVALID, "%s: given twice", key);
		if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0)
			json_set_bool(object, key, value[0] == 't');
		else if (int64_parse(slice_of_str(value), INT64_MIN, INT64_MAX, &number, NULL) == RC_OK)
			json_set_int(object, key, number);
		else
			json_set_str(object, key, value);
	}
	return RC_OK;
}

/* --- the next push */

void fault_state_set(struct fault_state *state, const struct apns_faults *faults)
{
	state->faults = *faults;
	state->pushes = state->hits = 0;
}

static bool is_turn(uint64_t pushes, int64_t every)
{
	return every > 0 && pushes % (uint64_t)every == 0;
}

/* What may befall any one push. */
static void befall(struct fault_state *state, int64_t now_ms, struct apns_decision *decision)
{
	const struct apns_faults *faults = &state->faults;

	decision->is_goaway = is_turn(state->pushes, faults->goaway_every);
	if (is_turn(state->pushes, faults->reset_every)) {
		decision->deed = APNS_RESET;
	} else if (is_turn(state->pushes, faults->refuse_every)) {
		decision->deed = APNS_REFUSE;
	} else if (faults->status != 0 && chance_hits(&state->chance, faults->rate_percent)) {
		decision->status = (unsigned)faults->status;
		decision->reason = faults->reason;
		decision->retry_after_s = faults->retry_after_s;
		decision->timestamp_ms = faults->timestamp_ms;
		if (faults->timestamp_ms < 0 && faults->status == 410)
			decision->timestamp_ms = now_ms;
	} else if (faults->lose_percent > 0) {
		decision->is_lost = chance_hits(&state->chance, faults->lose_percent);
	}
}

struct apns_decision fault_decide(struct fault_state *state, int64_t now_ms)
{
	struct apns_decision decision = {.status = 200,
		.reason = "",
		.timestamp_ms = -1,
		.retry_after_s = -1};
	const struct apns_faults *faults = &state->faults;

	state->pushes++;
	if (faults->count == 0 || state->hits < (uint64_t)faults->count)
		befall(state, now_ms, &decision);
	if (decision.deed != APNS_ANSWER || decision.status != 200 || decision.is_lost ||
		decision.is_goaway)
		state->hits++;
	if (decision.deed == APNS_ANSWER && (faults->mute || faults->silence))
		decision.deed = APNS_QUIET;
	return decision;
}
