/* SPDX-License-Identifier: Apache-2.0 */
#include "build.h"

void build_note(struct build *build, enum rc rc)
{
	if (build->rc == RC_OK)
		build->rc = rc;
}

/* Takes `child`. */
static struct plist_node *set(struct build *build, struct plist_node *dict, const char *key,
	struct plist_node *child)
{
	if (build->rc != RC_OK) {
		plist_node_free(&child);
		return NULL;
	}
	build->rc = plist_dict_set(dict, key, child);
	return build->rc == RC_OK ? child : NULL;
}

static struct plist_node *append(struct build *build, struct plist_node *array,
	struct plist_node *child)
{
	if (build->rc != RC_OK) {
		plist_node_free(&child);
		return NULL;
	}
	build->rc = plist_array_append(array, child);
	return build->rc == RC_OK ? child : NULL;
}

void build_slice(struct build *build, struct plist_node *dict, const char *key, struct slice text)
{
	(void)set(build, dict, key, plist_new_string(text));
}

void build_str(struct build *build, struct plist_node *dict, const char *key, const char *text)
{
	build_slice(build, dict, key, slice_of_str(text));
}

void build_data(struct build *build, struct plist_node *dict, const char *key, struct slice bytes)
{
	(void)set(build, dict, key, plist_new_data(bytes));
}

void build_bool(struct build *build, struct plist_node *dict, const char *key, bool fact)
{
	(void)set(build, dict, key, plist_new_bool(fact));
}

void build_int(struct build *build, struct plist_node *dict, const char *key, int64_t number)
{
	(void)set(build, dict, key, plist_new_integer(number));
}

void build_real(struct build *build, struct plist_node *dict, const char *key, double number)
{
	(void)set(build, dict, key, plist_new_real(number));
}

struct plist_node *build_dict(struct build *build, struct plist_node *dict, const char *key)
{
	return set(build, dict, key, plist_new_dict());
}

struct plist_node *build_array(struct build *build, struct plist_node *dict, const char *key)
{
	return set(build, dict, key, plist_new_array());
}

struct plist_node *build_append_dict(struct build *build, struct plist_node *array)
{
	return append(build, array, plist_new_dict());
}

void build_append_str(struct build *build, struct plist_node *array, const char *text)
{
	(void)append(build, array, plist_new_string(slice_of_str(text)));
}
