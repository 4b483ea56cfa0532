/* SPDX-License-Identifier: Apache-2.0 */
#include "route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct route_segment {
	struct slice text; /* without braces */
	bool is_param;
};

struct route {
	const struct http_route *route;
	const struct http_room *room;
	size_t segment_count;
	struct route_segment segments[ROUTE_SEGMENTS_MAX];
};

struct route_table {
	size_t count;
	struct route routes[];
};

/* Takes "/segment" off the front of `rest`; false at the end. */
static bool next_segment(struct slice *rest, struct slice *segment_r)
{
	size_t end = 1;

	if (rest->len == 0 || rest->ptr[0] != '/')
		return false;
	while (end < rest->len && rest->ptr[end] != '/')
		end++;
	*segment_r = slice_sub(*rest, 1, end - 1);
	*rest = slice_sub(*rest, end, rest->len - end);
	return true;
}

static struct route_segment segment_of(struct slice text)
{
	if (text.len > 2 && text.ptr[0] == '{' && text.ptr[text.len - 1] == '}')
		return (struct route_segment){.text = slice_sub(text, 1, text.len - 2), .is_param = true};
	return (struct route_segment){.text = text};
}

static enum rc compile(const struct http_route *http_route, struct route *route, struct err *err)
{
	struct slice rest = slice_of_str(http_route->path);
	struct slice text;
	size_t params = 0;

	route->route = http_route;
	while (next_segment(&rest, &text)) {
		if (route->segment_count == ROUTE_SEGMENTS_MAX)
			return err_set(err, RC_LIMIT, "route %s: more than %d segments", http_route->path,
				ROUTE_SEGMENTS_MAX);
		route->segments[route->segment_count] = segment_of(text);
		params += route->segments[route->segment_count].is_param;
		route->segment_count++;
	}
	if (rest.len > 0 || route->segment_count == 0)
		return err_set(err, RC_INVALID, "route %s: must begin with /", http_route->path);
	if (params > HTTP_PATH_PARAMS_MAX)
		return err_set(err, RC_LIMIT, "route %s: more than %d parameters", http_route->path,
			HTTP_PATH_PARAMS_MAX);
	return RC_OK;
}

static size_t count_routes(const struct http_room *rooms, size_t count)
{
	size_t routes = 0;

	for (size_t i = 0; i < count; i++)
		routes += rooms[i].route_count;
	return routes;
}

static enum rc add_room(struct route_table *table, const struct http_room *room, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < room->route_count && rc == RC_OK; i++) {
		struct route *route = &table->routes[table->count++];

		route->room = room;
		rc = compile(&room->routes[i], route, err);
	}
	return rc;
}

enum rc route_table_new(const struct http_room *rooms, size_t count, struct route_table **table_r,
	struct err *err)
{
	struct route_table *table =
		calloc(1, sizeof(*table) + count_routes(rooms, count) * sizeof(table->routes[0]));
	enum rc rc = RC_OK;

	*table_r = NULL;
	if (table == NULL)
		return err_set(err, RC_NO_MEMORY, "routes");
	for (size_t i = 0; i < count && rc == RC_OK; i++)
		rc = add_room(table, &rooms[i], err);
	if (rc == RC_OK)
		*table_r = table;
	else
		route_table_free(&table);
	return rc;
}

/* An empty segment stands for nothing: "/devices/" is not "/devices/{id}". */
static bool path_fits(const struct route *route, struct slice rest, struct route_match *match)
{
	struct slice text;
	size_t at = 0;

	match->param_count = 0;
	while (next_segment(&rest, &text)) {
		const struct route_segment *segment = &route->segments[at];

		if (at++ == route->segment_count)
			return false;
		if (!segment->is_param) {
			if (!slice_is_equal(segment->text, text))
				return false;
			continue;
		}
		if (text.len == 0)
			return false;
		match->params[match->param_count].name = segment->text;
		match->params[match->param_count].value = text;
		match->param_count++;
	}
	return at == route->segment_count && rest.len == 0;
}

static bool method_fits(const struct http_route *route, const char *method)
{
	if (strcmp(route->method, method) == 0)
		return true;
	return strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0;
}

enum rc route_find(const struct route_table *table, const char *method, const char *path,
	struct route_match *match_r)
{
	struct slice rest = slice_of_str(path);
	enum rc rc = RC_NOT_FOUND;

	for (size_t i = 0; i < table->count; i++) {
		const struct route *route = &table->routes[i];

		if (!path_fits(route, rest, match_r))
			continue;
		match_r->route = route->route;
		match_r->room = route->room;
		if (method_fits(route->route, method))
			return RC_OK;
		rc = RC_DENIED;
	}
	match_r->route = NULL;
	match_r->room = NULL;
	match_r->param_count = 0;
	return rc;
}

static void allow_add(char out[static ROUTE_ALLOW_BYTES], const char *method)
{
	size_t len = strlen(out);

	if (strstr(out, method) == NULL)
		(void)snprintf(out + len, ROUTE_ALLOW_BYTES - len, "%s%s", len == 0 ? "" : ", ", method);
}

void route_allow(const struct route_table *table, const char *path,
	char out[static ROUTE_ALLOW_BYTES])
{
	struct slice rest = slice_of_str(path);
	struct route_match match;

	out[0] = 0;
	for (size_t i = 0; i < table->count; i++) {
		const struct http_route *route = table->routes[i].route;

		if (!path_fits(&table->routes[i], rest, &match))
			continue;
		allow_add(out, route->method);
		if (strcmp(route->method, "GET") == 0)
			allow_add(out, "HEAD");
	}
}

void route_table_free(struct route_table **table)
{
	free(*table);
	*table = NULL;
}
