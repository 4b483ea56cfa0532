/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_HTTP_ROUTE_H
#define POMONA_HTTP_ROUTE_H

/*
 * The table of routes, compiled once: patterns cut into segments. The first route that fits wins.
 * Threading: any thread; immutable.
 */

#include "pomona/http/http.h"

enum { ROUTE_SEGMENTS_MAX = 12, ROUTE_ALLOW_BYTES = 64 };

struct route_table;
struct route_segment;

struct route_match {
	const struct http_route *route;
	const struct http_room *room; /* whose it is */
	size_t param_count;
	struct {
		struct slice name;  /* lives as long as the routes */
		struct slice value; /* borrows from the path; not decoded */
	} params[HTTP_PATH_PARAMS_MAX];
};

/* The rooms are borrowed until route_table_free(). */
enum rc route_table_new(const struct http_room *rooms, size_t count, struct route_table **table_r,
	struct err *err) MUST_USE;
/* A HEAD finds what GET finds. RC_NOT_FOUND: no such path; RC_DENIED: the path has other methods. */
enum rc route_find(const struct route_table *table, const char *method, const char *path,
	struct route_match *match_r) MUST_USE;
/* The methods of the path: "GET, HEAD, PUT". */
void route_allow(const struct route_table *table, const char *path,
	char out[static ROUTE_ALLOW_BYTES]);
void route_table_free(struct route_table **table);

#endif
