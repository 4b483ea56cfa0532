/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "ctl.h"
#include "pomona/base/codec.h"
#include "send.h"

/* What DeviceInformation asks for when nothing else is said. */
static const char *const device_queries[] = {"UDID", "DeviceName", "OSVersion", "BuildVersion",
	"ModelName", "Model", "ProductName", "SerialNumber", "DeviceCapacity", "AvailableDeviceCapacity",
	"BatteryLevel", "WiFiMAC", "IsSupervised"};

bool send_is_file(const char *word)
{
	return strcmp(word, "-") == 0 || strchr(word, '/') != NULL || strchr(word, '.') != NULL;
}

/* `--Key VALUE` is text, except true, false, and what begins as a list or an object;
 * `--Key:json VALUE` is JSON of any kind. */
static enum rc add_key(struct json_value *command, const struct arg_option *option, struct err *err)
{
	const size_t name_len = strcspn(option->name + 2, ":=");
	const bool is_json = strncmp(option->name + 2 + name_len, ":json", 5) == 0;
	const struct slice value = slice_of_str(option->value);
	struct json_value *parsed = NULL;
	char key[128];

	if (name_len >= sizeof(key))
		return err_set(err, RC_LIMIT, "%.40s...: too long for a key", option->name);
	memcpy(key, option->name + 2, name_len);
	key[name_len] = '\0';
	if (slice_is_str(value, "true") || slice_is_str(value, "false")) {
		json_set_bool(command, key, slice_is_str(value, "true"));
	} else if (is_json || slice_has_prefix(value, "[") || slice_has_prefix(value, "{")) {
		if (json_parse(value, &parsed, err) != RC_OK)
			return err_context(err, "--%s", key);
		json_set_value(command, key, parsed);
	} else {
		json_set_str(command, key, option->value);
	}
	return RC_OK;
}

enum rc send_build_command(const char *request_type, const struct args *args,
	struct json_value *body, struct err *err)
{
	struct json_value *command = json_set_object(body, "command");
	enum rc rc = RC_OK;

	json_set_str(command, "RequestType", request_type);
	for (size_t i = 0; rc == RC_OK && i < args->option_count; i++) {
		const char *name = args->options[i].name;

		if (name[0] == '-' && name[1] == '-' && name[2] >= 'A' && name[2] <= 'Z')
			rc = add_key(command, &args->options[i], err);
	}
	if (rc == RC_OK && strcmp(request_type, "DeviceInformation") == 0 &&
		json_get(command, "Queries") == NULL) {
		struct json_value *queries = json_set_array(command, "Queries");

		for (size_t i = 0; i < COUNT_OF(device_queries); i++)
			json_append_slice(queries, slice_of_str(device_queries[i]));
	}
	return rc;
}

/* {"Command": {...}, "CommandUUID"?} or the inner object alone. */
static enum rc add_json(struct slice text, struct json_value *body, struct err *err)
{
	AUTO(json_free) struct json_value *file = NULL;
	struct json_value *copy = NULL;
	struct buf inner;
	enum rc rc = json_parse(text, &file, err);

	if (rc != RC_OK)
		return rc;
	if (json_text(file, "CommandUUID")[0] != '\0')
		json_set_str(body, "uuid", json_text(file, "CommandUUID"));
	buf_init(&inner, FILE_BYTES_MAX);
	rc = json_write(json_get(file, "Command") != NULL ? json_get(file, "Command") : file, false,
		&inner, err);
	if (rc == RC_OK)
		rc = json_parse(buf_slice(&inner), &copy, err);
	buf_fini(&inner);
	if (rc == RC_OK)
		json_set_value(body, "command", copy);
	return rc;
}

static enum rc add_plist(struct slice plist, struct json_value *body, struct err *err)
{
	struct buf text;
	enum rc rc;

	buf_init(&text, 2 * (size_t)FILE_BYTES_MAX);
	base64_encode(plist, &text);
	rc = buf_status(&text, "command", err);
	if (rc == RC_OK)
		json_set_slice(body, "plist_base64", buf_slice(&text));
	buf_fini(&text);
	return rc;
}

enum rc send_add_content(struct slice content, struct json_value *body, struct err *err)
{
	if (slice_has_prefix(slice_trim(content), "{"))
		return add_json(content, body, err);
	return add_plist(content, body, err);
}

static int add_file(const struct ctl *ctl, const char *path, struct json_value *body)
{
	struct err err = {.rc = RC_OK};
	struct buf content;
	int status;

	buf_init(&content, FILE_BYTES_MAX);
	status = ctl_read_file(ctl, path, &content);
	if (status == 0 && send_add_content(buf_slice(&content), body, &err) != RC_OK)
		status = ctl_fail(ctl, EX_DATAERR, "%s: %s", path, err.text);
	buf_fini(&content);
	return status;
}

static int add_command(const struct ctl *ctl, const struct args *args, struct json_value *body)
{
	struct err err = {.rc = RC_OK};

	if (send_is_file(args->words[0]))
		return add_file(ctl, args->words[0], body);
	if (send_build_command(args->words[0], args, body, &err) != RC_OK)
		return ctl_usage(ctl, "%s", err.text);
	return 0;
}

static int add_targets(const struct ctl *ctl, const struct args *args, struct json_value *body)
{
	const bool is_all = args_get(args, "--all") != NULL;
	struct json_value *ids;

	if (is_all == (args->word_count > 1))
		return ctl_usage(ctl, "to whom? give either ids or --all");
	if (is_all) {
		json_set_bool(body, "all", true);
		return 0;
	}
	ids = json_set_array(body, "ids");
	for (size_t i = 1; i < args->word_count; i++)
		json_append_slice(ids, slice_of_str(args->words[i]));
	return 0;
}

/* Those that were not queued, by name; queued ones are counted only. */
static enum rc print_outcome(void *ctx, const char *id, struct json_value *outcome)
{
	const struct ctl *ctl = ctx;

	if (!slice_is_str(json_string(outcome), "queued"))
		print_fact(ctl->out, (const char *)json_string(outcome).ptr, "%s", id);
	return RC_OK;
}

static int print_sent(struct ctl *ctl, const struct answer *answer)
{
	const struct json_value *counts = json_get(answer->json, "counts");
	const struct json_value *outcomes = json_get(answer->json, "outcomes");
	const int64_t queued = json_integer(json_get(counts, "queued"));
	const int64_t already = json_integer(json_get(counts, "already_queued"));

	if (!answer_print_json(ctl, answer)) {
		print_json_fact(ctl, answer->json, "uuid", "command");
		print_json_fact(ctl, answer->json, "request_type", "type");
		print_fact(ctl->out, "queued", "%lld", (long long)queued);
		if (outcomes != NULL)
			print_each(outcomes, print_outcome, ctl);
	}
	if (queued + already == 0)
		return ctl_fail(ctl, CTL_REFUSED,
			"nobody was sent the command: `pomonactl devices --state enrolled` lists who can be");
	return 0;
}

int cmd_send(struct ctl *ctl, const struct args *args)
{
	struct json_value *body = json_new_object();
	struct answer answer;
	int status = add_targets(ctl, args, body);

	if (status == 0)
		status = add_command(ctl, args, body);
	if (args_get(args, "--uuid") != NULL)
		json_set_str(body, "uuid", args_get(args, "--uuid"));
	if (args_get(args, "--not-after") != NULL)
		json_set_str(body, "not_after", args_get(args, "--not-after"));
	if (status != 0) {
		json_free(&body);
		return status;
	}
	status = api_call_json(ctl, "POST", "/api/v1/commands", body, &answer);
	if (status == 0)
		status = print_sent(ctl, &answer);
	answer_fini(&answer);
	return status;
}
