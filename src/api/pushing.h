/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_API_PUSHING_H
#define POMONA_API_PUSHING_H

/*
 * What the files about pushes share. A request that asks for pushes is suspended until the loop's
 * thread has their results. Threading: whoever has the request: the worker, the writer, at the end
 * the loop's thread.
 */

#include "pomona/store/push.h"

#include "private.h"

/* The body of POST push, read and checked. */
struct push_body {
	const struct json_value *ids;    /* array of texts; NULL: by the filter */
	bool is_all;                     /* enrolled devices, not their users */
	struct enrollment_filter filter; /* limit and cursor are the caller's */
	bool is_urgent;
};
enum rc api_push_body_read(struct call *call, const struct json_value *body,
	struct push_body *push_r, struct err *err) MUST_USE;

/*
 * Pushes whose results the request waits for, suspended. In the request's arena, filled in but for
 * done, ctx and wait_ms of `ask`. On the loop's thread `reply` answers, or api_call_fail() where the
 * asking fails; then the request is resumed.
 */
struct asking {
	struct push_ask ask;
	struct call *call; /* in the arena too */
	void (*reply)(struct asking *asking);
	void *ctx;
};
/* Room for `count` results; NULL where memory is short. */
struct asking *api_asking_new(struct call *call, size_t count);
/* The request is deferred already, and must not be touched afterwards. */
void api_asking_start(struct asking *asking);
/* False: there is no push, and the request has its answer. */
bool api_has_push(struct http_request *request, void *api);
/* Fills `row`; advice for what was sent is given to a test only. */
void api_push_result_write(const struct push_result *result, const char *id, bool is_test,
	struct json_value *row);
/* Append it as text; the second is the row of an id that nobody has. */
enum rc api_push_result_append(struct buf *out, const struct push_result *result, const char *id,
	struct err *err) MUST_USE;
void api_push_unknown_append(struct buf *out, struct slice id);
/* "push" of a device. */
void api_push_view_write(const struct push_view *view, struct json_value *object);
/* "push", "inactive" and "dead_tokens" of status. */
enum rc api_push_status_write(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err) MUST_USE;

#endif
