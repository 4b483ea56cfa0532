/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "pushing.h"

/*
 * POST push. Who is meant is found a page at a time: the first on the worker, from a snapshot; the
 * rest, so that no worker is held for long, by a chain of jobs. Up to PUSH_ASK_IDS_MAX enrollments
 * are pushed to while the request waits for what becomes of it; more are ordered, page by page.
 */

enum {
	PAGE = 1000,
	PAGE_BYTES_MAX = 32 * 1024 * 1024,
	PENDING_MAX = PUSH_ASK_IDS_MAX + PAGE,
	COUNT_TEXT_BYTES = 40,
};

struct push_post {
	struct store_job store_job; /* first: the writer hands it back */
	struct call call;
	struct push_body body;
	uint8_t *skipped; /* an id each: it stands there before. NULL without ids */
	uint8_t *unknown; /* an id each: nobody has it */
	size_t next;      /* index of the next id */
	int64_t after_id; /* the last enrollment that was looked at */
	bool is_over;
	size_t found, ordered;
	int64_t pending[PENDING_MAX]; /* found and not ordered yet */
	size_t pending_count;
	const char *names[PUSH_ASK_IDS_MAX]; /* of the first that were found */
};

static struct push_post *post_of(struct store_job *store_job)
{
	return (struct push_post *)store_job;
}

/* --- who is meant */

static enum rc add(struct push_post *post, const struct enrollment *enrollment, struct err *err)
{
	if (post->found < PUSH_ASK_IDS_MAX) {
		post->names[post->found] = arena_str(post->call.arena, slice_of_str(enrollment->ext_id));
		if (post->names[post->found] == NULL)
			return api_call_no_memory(err);
	}
	post->found++;
	post->pending[post->pending_count++] = enrollment->id;
	return RC_OK;
}

static enum rc find_id(struct push_post *post, struct txn *txn, size_t index, struct err *err)
{
	struct enrollment enrollment;
	enum rc rc = enrollment_find(txn, json_string(json_at(post->body.ids, index)), &enrollment, err);

	if (rc == RC_OK)
		return add(post, &enrollment, err);
	if (rc != RC_NOT_FOUND)
		return rc;
	post->unknown[index] = 1;
	return RC_OK;
}

static enum rc find_ids(struct push_post *post, struct txn *txn, struct err *err)
{
	const size_t count = json_count(post->body.ids);
	const size_t end = count - post->next > PAGE ? post->next + PAGE : count;
	enum rc rc = RC_OK;

	for (; rc == RC_OK && post->next < end; post->next++)
		if (!post->skipped[post->next])
			rc = find_id(post, txn, post->next, err);
	post->is_over = post->next == count;
	return rc;
}

static enum rc find_page(struct push_post *post, struct txn *txn, struct err *err)
{
	AUTO(arena_free) struct arena *arena = arena_new(PAGE_BYTES_MAX);
	struct enrollment_filter filter = post->body.filter;
	struct enrollment_view *views;
	size_t count;
	enum rc rc;

	if (arena == NULL)
		return api_call_no_memory(err);
	filter.after_id = post->after_id;
	filter.limit = PAGE;
	rc = enrollment_list(txn, &filter, arena, &views, &count, err);
	for (size_t i = 0; rc == RC_OK && i < count; i++) {
		post->after_id = views[i].enrollment.id;
		if (!post->body.is_all || !enrollment_kind_is_user(views[i].enrollment.kind))
			rc = add(post, &views[i].enrollment, err);
	}
	post->is_over = rc == RC_OK && count < PAGE;
	return rc;
}

static enum rc find_more(struct push_post *post, struct txn *txn, struct err *err)
{
	return post->body.ids != NULL ? find_ids(post, txn, err) : find_page(post, txn, err);
}

/* --- pushes that the request waits for */

static void audit(const struct push_post *post, size_t count)
{
	char text[COUNT_TEXT_BYTES];

	if (count == 0)
		return;
	(void)snprintf(text, sizeof(text), "%zu enrollments", count);
	api_call_audit(&post->call, "push", count == 1 ? post->names[0] : text);
}

/*
 * The ids that nobody has, and with `results` all, in the order of the request or of what the filter
 * found. Row by row: a tree of a million would take several times the memory of their text.
 */
static enum rc write_rows(const struct push_post *post, const struct push_result *results,
	struct buf *out, struct err *err)
{
	const size_t count = post->body.ids != NULL ? json_count(post->body.ids) : post->found;
	const char *separator = "";
	enum rc rc = RC_OK;
	size_t at = 0;

	for (size_t i = 0; rc == RC_OK && i < count; i++) {
		const bool is_unknown = post->body.ids != NULL && post->unknown[i];

		if ((post->body.ids != NULL && post->skipped[i]) || (!is_unknown && results == NULL))
			continue;
		buf_append_str(out, separator);
		separator = ",";
		if (is_unknown) {
			api_push_unknown_append(out, json_string(json_at(post->body.ids, i)));
			continue;
		}
		rc = api_push_result_append(out, &results[at], post->names[at], err);
		at++;
	}
	return rc;
}

static void reply(struct push_post *post, const struct push_result *results)
{
	struct err err = {.rc = RC_OK};
	struct buf out;
	enum rc rc;

	audit(post, post->found);
	buf_init(&out, API_REPLY_BYTES_MAX);
	buf_append_byte(&out, '{');
	if (post->ordered > 0)
		buf_printf(&out, "\"ordered\":%zu,", post->ordered);
	buf_append_str(&out, "\"results\":[");
	rc = write_rows(post, results, &out, &err);
	buf_append_str(&out, "]}");
	if (rc == RC_OK)
		rc = buf_status(&out, "results", &err);
	if (rc == RC_OK) {
		http_reply_header(post->call.request, "Cache-Control", "no-store");
		http_reply(post->call.request, post->ordered > 0 ? 202 : 200, "application/json", &out);
	} else {
		api_call_fail(&post->call, rc, &err);
	}
	buf_fini(&out);
}

static void reply_asked(struct asking *asking)
{
	reply(asking->ctx, asking->ask.results);
}

static void ask(struct push_post *post)
{
	struct asking *asking = api_asking_new(&post->call, post->pending_count);
	struct err err = {.rc = RC_OK};

	if (asking == NULL) {
		const enum rc rc = api_call_no_memory(&err);

		api_call_fail(&post->call, rc, &err);
		http_resume(post->call.request);
		return;
	}
	asking->reply = reply_asked;
	asking->ctx = post;
	asking->ask.class = post->body.is_urgent ? PUSH_CLASS_URGENT : PUSH_CLASS_NORMAL;
	for (size_t i = 0; i < post->pending_count; i++)
		asking->ask.results[i].enrollment_id = post->pending[i];
	api_asking_start(asking);
}

/* --- pushes that nobody waits for */

static bool is_order(const struct push_post *post)
{
	return post->found > PUSH_ASK_IDS_MAX;
}

static enum rc order(struct push_post *post, struct err *err)
{
	const enum push_class class = post->body.is_urgent ? PUSH_CLASS_URGENT : PUSH_CLASS_NORMAL;
	enum rc rc;

	if (!is_order(post) || post->pending_count == 0)
		return RC_OK;
	rc = push_order(post->call.api->push, post->pending, post->pending_count, class, err);
	if (rc != RC_OK)
		return rc;
	post->ordered += post->pending_count;
	post->pending_count = 0;
	return RC_OK;
}

/* --- the way through */

/* All are found. The request is deferred, and is gone when this returns. */
static void finish(struct push_post *post)
{
	if (post->found > 0 && !is_order(post)) {
		ask(post);
		return;
	}
	reply(post, NULL);
	http_resume(post->call.request);
}

/* What was ordered goes on, so it is told and in the log. */
static void fail(struct push_post *post, enum rc rc, const struct err *err)
{
	struct err told = *err;

	if (post->ordered > 0) {
		audit(post, post->ordered);
		rc = err_context(&told, "after %zu pushes were ordered", post->ordered);
	}
	api_call_fail(&post->call, rc, &told);
	http_resume(post->call.request);
}

static void go_on(struct push_post *post)
{
	struct err err = {.rc = RC_OK};
	enum rc rc = order(post, &err);

	if (rc == RC_OK && post->is_over) {
		finish(post);
		return;
	}
	if (rc == RC_OK)
		rc = store_submit(post->call.api->store, &post->store_job, &err);
	if (rc != RC_OK)
		fail(post, rc, &err);
}

static enum rc run(struct store_job *store_job, struct txn *txn, struct err *err)
{
	return find_more(post_of(store_job), txn, err);
}

static void done(struct store_job *store_job, enum rc rc, const struct err *err)
{
	if (rc == RC_OK)
		go_on(post_of(store_job));
	else
		fail(post_of(store_job), rc, err);
}

static enum rc read_body(struct push_post *post, struct err *err)
{
	struct call *call = &post->call;
	struct json_value *body;
	enum rc rc = api_call_body(call, &body, err);

	if (rc == RC_OK)
		rc = api_push_body_read(call, body, &post->body, err);
	if (rc != RC_OK || post->body.ids == NULL)
		return rc;
	post->unknown = arena_alloc(call->arena, json_count(post->body.ids));
	if (post->unknown == NULL)
		return api_call_no_memory(err);
	return api_ids_find_repeated(post->body.ids, call->arena, &post->skipped, err);
}

static enum rc find_first(struct push_post *post, struct err *err)
{
	struct store *store = post->call.api->store;
	struct txn *txn = NULL;
	enum rc rc = store_read_begin(store, &txn, err);

	if (rc != RC_OK)
		return rc;
	rc = find_more(post, txn, err);
	store_read_end(store, &txn);
	return rc;
}

void api_push_post(struct http_request *request, void *api)
{
	struct err err = {.rc = RC_OK};
	struct push_post *post;
	struct call call;
	enum rc rc;

	if (!api_has_push(request, api))
		return;
	api_call_init(&call, api, request);
	post = arena_alloc(call.arena, sizeof(*post));
	if (post == NULL) {
		rc = api_call_no_memory(&err);
		api_call_fail(&call, rc, &err);
		return;
	}
	post->call = call;
	post->store_job.run = run;
	post->store_job.done = done;
	rc = read_body(post, &err);
	if (rc == RC_OK)
		rc = find_first(post, &err);
	if (rc != RC_OK) {
		api_call_fail(&post->call, rc, &err);
		return;
	}
	http_defer(request); /* first: the others may be faster than the next line */
	go_on(post);
}
