/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include "pomona/base/codec.h"

struct place command_place_root(const char *name)
{
	return (struct place){.key = name, .depth = 1};
}

struct place command_place_key(const struct place *parent, const char *key)
{
	return (struct place){.parent = parent, .key = key, .depth = parent->depth + 1};
}

struct place command_place_index(const struct place *parent, size_t index)
{
	return (struct place){.parent = parent, .index = index, .depth = parent->depth + 1};
}

/* From the root inwards; as deep as COMMAND_DEPTH_MAX. */
static void append_place(const struct place *place, struct buf *out)
{
	if (place->parent != NULL)
		append_place(place->parent, out);
	if (place->key == NULL)
		buf_printf(out, "[%zu]", place->index);
	else
		buf_printf(out, "%s%s", place->parent != NULL ? "." : "",
			utf8_is_xml_text(slice_of_str(place->key)) ? place->key : "?");
}

enum rc command_place_fault(const struct place *place, enum rc rc, const char *fault,
	struct err *err)
{
	AUTO(buf_fini) struct buf text = {0};
	const char *where;

	buf_init(&text, PLACE_BYTES_MAX);
	append_place(place, &text);
	where = buf_cstr(&text);
	return err_set(err, rc, "%s: %s", where != NULL ? where : "deep inside the command", fault);
}

struct check {
	const struct place *place;
	struct err *err;
};

static enum rc check_entry(void *ctx, const char *key, struct plist_node *value)
{
	const struct check *check = ctx;
	struct place place = command_place_key(check->place, key);

	if (!utf8_is_xml_text(slice_of_str(key)))
		return command_place_fault(&place, RC_INVALID, "key has characters that XML cannot carry",
			check->err);
	return command_check_tree(value, &place, check->err);
}

static enum rc check_dict(const struct plist_node *node, const struct place *place, struct err *err)
{
	struct check check = {.place = place, .err = err};

	return plist_dict_each(node, check_entry, &check);
}

static enum rc check_array(const struct plist_node *node, const struct place *place,
	struct err *err)
{
	size_t count = plist_count(node);

	for (size_t i = 0; i < count; i++) {
		struct place entry = command_place_index(place, i);
		enum rc rc = command_check_tree(plist_array_at(node, i), &entry, err);

		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

/* Recursion ends at COMMAND_DEPTH_MAX. */
enum rc command_check_tree(const struct plist_node *node, const struct place *place,
	struct err *err)
{
	enum plist_kind kind = plist_kind(node);

	if (place->depth > COMMAND_DEPTH_MAX)
		return command_place_fault(place, RC_LIMIT, "nested too deeply", err);
	if (kind == PLIST_KIND_DICT)
		return check_dict(node, place, err);
	if (kind == PLIST_KIND_ARRAY)
		return check_array(node, place, err);
	if (kind == PLIST_KIND_UID)
		return command_place_fault(place, RC_INVALID, "an archive's reference is no value of a command",
			err);
	if (kind == PLIST_KIND_STRING && !utf8_is_xml_text(plist_string(node)))
		return command_place_fault(place, RC_INVALID, "text has characters that XML cannot carry", err);
	return RC_OK;
}
