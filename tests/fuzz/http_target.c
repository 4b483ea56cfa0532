/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_route ROUTES[] = {
	{.method = "GET", .path = "/"},
	{.method = "PUT", .path = "/mdm"},
	{.method = "GET", .path = "/devices/{id}"},
	{.method = "GET", .path = "/{a}/{b}/{c}/{d}"},
};

static void check_params(const struct route_match *match)
{
	for (size_t i = 0; i < match->param_count; i++) {
		struct slice value = match->params[i].value;
		char *decoded = malloc(value.len + 1);

		if (value.len == 0)
			abort();
		if (decoded != NULL && target_decode(value, decoded) && strlen(decoded) > value.len)
			abort();
		free(decoded);
	}
}

/* What is cut into pairs reads back as pairs, within the room that was promised. */
static void check_query(const char *query)
{
	size_t room = 2 * strlen(query) + 2;
	char *out = malloc(room);
	size_t len = 0;
	size_t zeros = 0;

	if (out != NULL && target_query_parse(query, out, &len)) {
		for (size_t i = 0; i < len; i++)
			zeros += out[i] == 0;
		if (len > room || zeros % 2 != 0 || (len > 0 && out[len - 1] != 0))
			abort();
	}
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct http_room room = {.routes = ROUTES, .route_count = COUNT_OF(ROUTES)};
	struct route_table *table = NULL;
	struct route_match match;
	char allow[ROUTE_ALLOW_BYTES];
	char *target = calloc(1, size + 1);
	const char *path;
	char *query;

	if (target == NULL || route_table_new(&room, 1, &table, NULL) != RC_OK)
		abort();
	if (size > 0)
		memcpy(target, data, size);
	query = strchr(target, '?');
	if (query != NULL) {
		*query = 0;
		check_query(query + 1);
	}
	path = target_path(target);
	if (path != NULL && route_find(table, "GET", path, &match) == RC_OK)
		check_params(&match);
	if (path != NULL)
		route_allow(table, path, allow);
	route_table_free(&table);
	free(target);
	return 0;
}
