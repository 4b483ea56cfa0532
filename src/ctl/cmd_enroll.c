/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl.h"

int cmd_enroll_challenge(struct ctl *ctl, const struct args *args)
{
	const char *expires = args_get(args, "--expires");
	char expires_at[TEXT_TIME_BYTES];
	struct json_value *body;
	struct answer answer;
	int status;

	if (expires != NULL && !text_time_to_come(expires, ctl->now, expires_at))
		return ctl_usage(ctl, "--expires wants a time such as 1h, 7d or 2027-01-31T12:00:00Z");
	body = json_new_object();
	if (args_get(args, "--device") != NULL)
		json_set_str(body, "device_id", args_get(args, "--device"));
	if (args_get(args, "--serial") != NULL)
		json_set_str(body, "serial_number", args_get(args, "--serial"));
	if (expires != NULL)
		json_set_str(body, "expires_at", expires_at);
	status = api_call_json(ctl, "POST", "/api/v1/enroll/challenges", body, &answer);
	if (status == 0 && !answer_print_json(ctl, &answer)) {
		print_json_fact(ctl, answer.json, "challenge", "challenge");
		print_json_fact(ctl, answer.json, "url", "url");
		print_json_time(ctl, answer.json, "expires_at", "ends");
		fprintf(ctl->err, "give it to one device: it is shown this once and works once\n");
	}
	answer_fini(&answer);
	return status;
}
