/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>

#include "pomona/base/log.h"
#include "pomona/base/codec.h"

#include "private.h"

enum { SECONDS_A_DAY = 86400 };

static void free_json(void *object)
{
	struct json_value *value = object;

	json_free(&value);
}

void api_call_init(struct call *call, struct api *api, struct http_request *request)
{
	const struct administrator *administrator = http_connection_state(request);

	*call = (struct call){
		.api = api,
		.request = request,
		.arena = http_request_arena(request),
		.who = administrator != NULL ? administrator->who : "",
	};
}

enum rc api_call_invalid(struct call *call, struct err *err, const char *field, const char *format,
	...)
{
	char text[ERR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	call->field = field;
	return err_set(err, RC_INVALID, "%s: %s", field, text);
}

enum rc api_call_read_end(struct call *call, const struct api_validity *validity, struct slice text,
	int64_t *expires_at_r, struct err *err)
{
	const int64_t now = clock_unix_s(call->api->clock);

	*expires_at_r = validity->default_s == 0 ? 0 : now + validity->default_s;
	if (text.ptr == NULL)
		return RC_OK;
	if (time_parse(text, expires_at_r, NULL) != RC_OK)
		return api_call_invalid(call, err, "expires_at", "must be a time such as 2027-01-31T12:00:00Z");
	if (*expires_at_r <= now)
		return api_call_invalid(call, err, "expires_at", "has passed already");
	if (validity->days_max != 0 && *expires_at_r > now + validity->days_max * SECONDS_A_DAY)
		return api_call_invalid(call, err, "expires_at", "must be within %lld days",
			(long long)validity->days_max);
	return RC_OK;
}

enum rc api_call_conflict(struct err *err, const char *format, ...)
{
	char text[ERR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return err_set(err, RC_EXISTS, "%s", text);
}

enum rc api_call_no_memory(struct err *err)
{
	return err_set(err, RC_NO_MEMORY, "too little memory for this request");
}

void api_call_reply(struct call *call, unsigned status, struct json_value **root)
{
	struct err err = {.rc = RC_OK};
	struct buf body;
	enum rc rc;

	buf_init(&body, API_REPLY_BYTES_MAX);
	rc = json_write(*root, false, &body, &err);
	json_free(root);
	if (rc == RC_OK) {
		http_reply_header(call->request, "Cache-Control", "no-store");
		http_reply(call->request, status, "application/json", &body);
	} else {
		api_call_fail(call, rc, &err);
	}
	buf_fini(&body);
}

/* A queue that is full passes; everything else is a fault to look at. */
static void log_failure(const struct call *call, enum rc rc, const struct err *err)
{
	log_write(rc == RC_BUSY ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, "admin_request_failed",
		(const struct log_field[]){
			LOG_STR("request", http_request_id(call->request)),
			LOG_STR("path", http_request_path(call->request)),
			LOG_STR("rc", rc_name(rc)),
			LOG_STR("text", err->text),
			{.key = NULL},
		});
}

void api_call_fail(struct call *call, enum rc rc, const struct err *err)
{
	const struct problem problem = {
		.status = call->status != 0 ? call->status : rc_http_status(rc),
		.detail = err->rc != RC_OK && err->text[0] != '\0' ? err->text : NULL,
		.field = call->field,
	};

	if (problem.status >= 500)
		log_failure(call, rc, err);
	api_problem_reply(call->request, &problem);
}

static bool is_json(struct http_request *request)
{
	const char *type = http_request_content_type(request);

	return type[0] == '\0' || slice_is_str(slice_of_str(type), "application/json");
}

enum rc api_call_body(struct call *call, struct json_value **body_r, struct err *err)
{
	struct json_value *body = NULL;
	enum rc rc;

	*body_r = NULL;
	if (!is_json(call->request)) {
		call->status = 415;
		return err_set(err, RC_UNSUPPORTED, "send the body as application/json");
	}
	rc = json_parse(http_request_body(call->request), &body, err);
	if (rc != RC_OK)
		return rc;
	if (!arena_on_free(call->arena, free_json, body)) {
		json_free(&body);
		return api_call_no_memory(err);
	}
	if (json_kind(body) != JSON_KIND_OBJECT)
		return err_set(err, RC_INVALID, "the body must be a JSON object");
	*body_r = body;
	return RC_OK;
}

void api_call_read(struct http_request *request, void *api, api_call_reader *read)
{
	AUTO(json_free) struct json_value *root = json_new_object();
	struct err err = {.rc = RC_OK};
	struct txn *txn = NULL;
	struct call call;
	enum rc rc;

	api_call_init(&call, api, request);
	rc = store_read_begin(call.api->store, &txn, &err);
	if (rc == RC_OK) {
		rc = read(&call, txn, root, &err);
		store_read_end(call.api->store, &txn);
	}
	if (rc == RC_OK)
		api_call_reply(&call, 200, &root);
	else
		api_call_fail(&call, rc, &err);
}
