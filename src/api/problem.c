/* SPDX-License-Identifier: Apache-2.0 */
#include "private.h"

const char api_problem_content_type[] = "application/problem+json";

static const struct {
	unsigned status;
	const char *title;
} titles[] = {
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{413, "Content Too Large"},
	{415, "Unsupported Media Type"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{503, "Service Unavailable"},
};

static const char *title_of(unsigned status)
{
	for (size_t i = 0; i < COUNT_OF(titles); i++)
		if (titles[i].status == status)
			return titles[i].title;
	return "Error";
}

void api_problem_write(const struct problem *problem, struct buf *body)
{
	AUTO(json_free) struct json_value *root = json_new_object();

	json_set_str(root, "type", "about:blank");
	json_set_str(root, "title", title_of(problem->status));
	json_set_int(root, "status", problem->status);
	if (problem->detail != NULL)
		json_set_slice(root, "detail", slice_of_str(problem->detail));
	if (problem->field != NULL)
		json_set_str(root, "field", problem->field);
	if (problem->needed_role != NULL)
		json_set_str(root, "needed_role", problem->needed_role);
	if (json_write(root, false, body, NULL) != RC_OK)
		buf_clear(body); /* an error without a body is still an error */
}

void api_problem_reply(struct http_request *request, const struct problem *problem)
{
	struct buf body;

	buf_init(&body, API_PROBLEM_BYTES_MAX);
	api_problem_write(problem, &body);
	if (problem->status == 503)
		http_reply_header(request, "Retry-After", "5");
	http_reply_header(request, "Cache-Control", "no-store");
	http_reply(request, problem->status, api_problem_content_type, &body);
	buf_fini(&body);
}

void api_error_body(struct http_request *request, unsigned status, const char *text,
	struct buf *body, const char **content_type_r)
{
	const struct problem problem = {.status = status, .detail = text};

	(void)request;
	api_problem_write(&problem, body);
	*content_type_r = api_problem_content_type;
}
