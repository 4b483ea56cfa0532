/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_JSON_VALUE_H
#define POMONA_JSON_VALUE_H

/*
 * The tree. It is ours and not jansson's, so that a failed step can leave its mark in the parent:
 * there is no such place in a json_t. Jansson parses, which is the delicate part.
 * Threading: as json.h.
 */

#include "pomona/json/json.h"

struct json_member {
	char *key;                /* owned; NULL in an array */
	struct json_value *value; /* owned */
};

struct json_value {
	enum json_kind kind;
	enum rc fault; /* of a step of building; once set, nothing is added any more */
	size_t count;  /* members, or bytes of text */
	size_t cap;
	union {
		struct json_member *members; /* owned */
		char *text;                  /* owned, ends with a zero that is not counted */
		int64_t integer;
		double real;
		bool fact;
	};
};

/* NULL when memory is short. */
struct json_value *json_value_new(enum json_kind kind);
/* Bytes that are no UTF-8 are replaced. */
struct json_value *json_value_new_text(struct slice text);
/* Takes `child`, NULL or failed ones too, and marks the parent then. Copies `key`. */
void json_value_add(struct json_value *parent, const char *key, struct json_value *child);
/*
 * What stands for a child that could not be made: failed from the start, so that nothing changes
 * it.
 */
struct json_value *json_value_sink(void);

#endif
