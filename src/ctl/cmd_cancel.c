/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl.h"

static enum rc print_count(void *ctx, const char *name, struct json_value *count)
{
	const struct ctl *ctl = ctx;

	if (json_integer(count) != 0)
		print_fact(ctl->out, name, "%lld", (long long)json_integer(count));
	return RC_OK;
}

int cmd_cancel(struct ctl *ctl, const struct args *args)
{
	struct json_value *body = json_new_object();
	char path[API_PATH_BYTES_MAX];
	struct answer answer;
	int status;

	if (args->word_count > 1) {
		struct json_value *ids = json_set_array(body, "ids");

		for (size_t i = 1; i < args->word_count; i++)
			json_append_slice(ids, slice_of_str(args->words[i]));
	}
	if (!api_path(path, "/api/v1/commands/", args->words[0], "/cancel")) {
		json_free(&body);
		return ctl_usage(ctl, "the UUID is too long");
	}
	status = api_call_json(ctl, "POST", path, body, &answer);
	if (status == 0 && !answer_print_json(ctl, &answer)) {
		print_json_fact(ctl, answer.json, "uuid", "command");
		print_each(json_get(answer.json, "counts"), print_count, ctl);
	}
	answer_fini(&answer);
	return status;
}
