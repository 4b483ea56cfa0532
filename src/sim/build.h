/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_BUILD_H
#define POMONA_SIM_BUILD_H

/*
 * Building property lists without asking after each key: the first fault stays in `rc`, later steps do
 * nothing, and the maker asks once, at the end.
 * Threading: one thread at a time.
 */

#include "pomona/plist/plist.h"

struct build {
	enum rc rc;
};

/* What went wrong beside the building counts too. */
void build_note(struct build *build, enum rc rc);
void build_str(struct build *build, struct plist_node *dict, const char *key, const char *text);
void build_slice(struct build *build, struct plist_node *dict, const char *key, struct slice text);
void build_data(struct build *build, struct plist_node *dict, const char *key, struct slice bytes);
void build_bool(struct build *build, struct plist_node *dict, const char *key, bool fact);
void build_int(struct build *build, struct plist_node *dict, const char *key, int64_t number);
void build_real(struct build *build, struct plist_node *dict, const char *key, double number);
/* These return the new child, borrowed from its parent; NULL past a fault. */
struct plist_node *build_dict(struct build *build, struct plist_node *dict, const char *key);
struct plist_node *build_array(struct build *build, struct plist_node *dict, const char *key);
struct plist_node *build_append_dict(struct build *build, struct plist_node *array);
void build_append_str(struct build *build, struct plist_node *array, const char *text);

#endif
