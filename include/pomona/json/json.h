/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_JSON_JSON_H
#define POMONA_JSON_JSON_H

/*
 * JSON (RFC 8259) for the admin API and the command line: a bounded parse to a tree, and a tree to
 * text.
 * Threading: any thread; a value belongs to one at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/buf.h"
#include "pomona/base/err.h"

enum {
	JSON_BYTES_MAX = 64 << 20, /* of a text; callers have lower bounds of their own */
	JSON_DEPTH_MAX = 64,       /* of a parsed text */
	JSON_VALUES_MAX = 1000000, /* of a parsed text, keys counted too */
};

/*
 * jansson exports functions of these names: ours get symbols of their own, or each would be called
 * in the other's place.
 */
#define json_integer pomona_json_integer
#define json_real pomona_json_real
#define json_string pomona_json_string

enum json_kind {
	JSON_KIND_OBJECT,
	JSON_KIND_ARRAY,
	JSON_KIND_STRING,
	JSON_KIND_INTEGER,
	JSON_KIND_REAL,
	JSON_KIND_BOOL,
	JSON_KIND_NULL,
};

/* Parents own their children; the root is freed by json_free(), which wipes texts. */
struct json_value;

/*
 * RC_INVALID names line and column; duplicate keys, integers outside int64 and \u0000 are invalid.
 * RC_LIMIT, RC_NO_MEMORY. Any value can be the root.
 */
enum rc json_parse(struct slice text, struct json_value **value_r, struct err *err) MUST_USE;
void json_free(struct json_value **value);

enum json_kind json_kind(const struct json_value *value);
/* "object", "text", ...: for error texts. */
const char *json_kind_name(enum json_kind kind);
/* NULL where `object` is no object or has no such key. Borrowed, as everything that is read. */
struct json_value *json_get(const struct json_value *object, const char *key);
size_t json_count(const struct json_value *value);
struct json_value *json_at(const struct json_value *array, size_t index);
enum rc json_each(const struct json_value *object,
	enum rc (*visit)(void *ctx, const char *key, struct json_value *value), void *ctx) MUST_USE;
struct slice json_string(const struct json_value *value); /* empty for other kinds */
int64_t json_integer(const struct json_value *value);
double json_real(const struct json_value *value); /* a whole number, too */
bool json_bool(const struct json_value *value);

/* Like plist_read_fields(): STRING -> struct slice, BOOL -> bool, INTEGER -> int64_t, others ->
 * struct json_value *. */
struct json_field {
	const char *key;
	enum json_kind kind;
	bool is_required;
	size_t offset;
	size_t max_bytes; /* STRING */
	int64_t min, max; /* INTEGER; both 0: any */
};

/*
 * RC_INVALID names the key and the rule; an unknown key is invalid too. null is as good as
 * absent.
 */
enum rc json_read_fields(const struct json_value *object, const struct json_field *fields,
	size_t field_count, void *out, struct err *err) MUST_USE;

/*
 * Building; each key once, which nobody checks. A failed step is sticky in the parent: json_write()
 * tells. Each json_set_* and json_append_* copies; those that return a value return the new child,
 * borrowed from its parent (never NULL: past a failure it is a child that is thrown away).
 */
struct json_value *json_new_object(void);
struct json_value *json_new_array(void);
void json_set_str(struct json_value *object, const char *key, const char *text); /* NULL: null */
/* Bytes that are no UTF-8 are replaced by U+FFFD. */
void json_set_slice(struct json_value *object, const char *key, struct slice text);
void json_set_int(struct json_value *object, const char *key, int64_t number);
/* null where the number is infinite or none. */
void json_set_real(struct json_value *object, const char *key, double number);
void json_set_bool(struct json_value *object, const char *key, bool fact);
/* RFC 3339; 0 gives null. */
void json_set_time(struct json_value *object, const char *key, int64_t unix_s);
struct json_value *json_set_object(struct json_value *object, const char *key);
struct json_value *json_set_array(struct json_value *object, const char *key);
/* Takes `child`; one that is not whole makes the parent fail. */
void json_set_value(struct json_value *object, const char *key, struct json_value *child);
void json_append_slice(struct json_value *array, struct slice text);
void json_append_int(struct json_value *array, int64_t number);
struct json_value *json_append_object(struct json_value *array);
struct json_value *json_append_array(struct json_value *array);
void json_append_value(struct json_value *array, struct json_value *child);

/* Appends the text, keys in the order of insertion; `is_pretty`: two spaces of indent and a final
 * newline. */
enum rc json_write(const struct json_value *value, bool is_pretty, struct buf *out, struct err *err)
	MUST_USE;

#endif
