/* SPDX-License-Identifier: Apache-2.0 */
#include "pushing.h"

/* What became of one push, for people. */

/* What to do about an answer that APNs' reason does not explain. */
static const char *const advice_by_answer[PUSH_ANSWER_COUNT] = {
	[PUSH_ANSWER_WAITING] =
		"it goes on by itself: `pomonactl device show ID` tells later what became of it",
	[PUSH_ANSWER_NO_TOKEN] =
		"this channel is not enrolled, or has not told its push token yet: it does so when it enrolls",
	[PUSH_ANSWER_TOKEN_DEAD] =
		"APNs does not know the token any more: the device was erased, restored or has lost its profile; "
		"it is woken again after its next TokenUpdate",
	[PUSH_ANSWER_NO_CERTIFICATE] =
		"`pomonactl pushcert list` shows which topics have no valid push certificate; "
		"`pomonactl pushcert set FILE` brings one in",
	[PUSH_ANSWER_STOPPED] =
		"`pomonactl alarms` tells why; when it is mended, a new certificate or a test that "
		"succeeds (`pomonactl pushcert test ID`) lets the topic go on",
	[PUSH_ANSWER_UNREACHABLE] =
		"see that this host reaches the conf's [push] server, directly on its port or by the [net] "
		"proxy; it is tried again by itself",
};

static const char test_succeeded[] =
	"certificate, topic and token fit together: a device that is online comes within seconds; "
	"one that does not is offline, or its network keeps port 5223 or 443 to Apple shut";

static const char *advice_for(const struct push_result *result, bool is_test)
{
	if (result->answer == PUSH_ANSWER_SENT)
		return is_test ? test_succeeded : NULL;
	if (result->status != 0 && result->status != 200)
		return push_reason_advice(result->status, result->reason);
	return (unsigned)result->answer < PUSH_ANSWER_COUNT ? advice_by_answer[result->answer] : NULL;
}

static const char *or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

void api_push_result_write(const struct push_result *result, const char *id, bool is_test,
	struct json_value *row)
{
	json_set_str(row, "id", id);
	json_set_str(row, "answer", push_answer_name(result->answer));
	if (result->status != 0)
		json_set_int(row, "status", result->status);
	else
		json_set_str(row, "status", NULL);
	json_set_str(row, "reason", or_null(result->reason));
	json_set_str(row, "apns_id", or_null(result->apns_id));
	json_set_str(row, "detail", or_null(result->detail));
	json_set_str(row, "advice", advice_for(result, is_test));
}

enum rc api_push_result_append(struct buf *out, const struct push_result *result, const char *id,
	struct err *err)
{
	AUTO(json_free) struct json_value *row = json_new_object();

	api_push_result_write(result, id, false, row);
	return json_write(row, false, out, err);
}

void api_push_unknown_append(struct buf *out, struct slice id)
{
	buf_append_str(out, "{\"id\":");
	api_ids_append_text(out, id);
	buf_append_str(out,
		",\"answer\":\"unknown\",\"status\":null,\"reason\":null,\"apns_id\":null,\"detail\":null,"
		"\"advice\":\"no device or user channel has this id: `pomonactl devices` lists them\"}");
}
