/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl.h"

static void print(const struct ctl *ctl, const struct json_value *json)
{
	const struct json_value *rows = json_get(json, "refusals");

	if (json_count(rows) == 0)
		fprintf(ctl->out, "nothing was refused since pomonad started\n");
	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);
		const struct json_value *certificate = json_get(row, "certificate");

		print_json_time(ctl, row, "at", "refused");
		print_fact(ctl->out, "  reason", "%s (%lld)", json_text(row, "reason"),
			(long long)json_integer(json_get(row, "status")));
		if (json_text(row, "text")[0] != '\0')
			print_json_fact(ctl, row, "text", "  exactly");
		print_fact(ctl->out, "  claimed", "%s %s", json_text(row, "claimed_id"),
			json_text(row, "message"));
		print_json_fact(ctl, row, "peer", "  from");
		if (certificate != NULL && json_kind(certificate) == JSON_KIND_OBJECT) {
			print_json_fact(ctl, certificate, "subject", "  certificate");
			print_json_fact(ctl, certificate, "sha256", "  its SHA-256");
		}
		print_json_fact(ctl, row, "remedy", "  what to do");
	}
}

int cmd_refusals(struct ctl *ctl, const struct args *args)
{
	char path[API_PATH_BYTES_MAX] = "/api/v1/refusals";

	if (!api_path_add(path, "limit", args_get(args, "--limit")))
		return ctl_usage(ctl, "--limit is too long");
	return api_show(ctl, "GET", path, print);
}
