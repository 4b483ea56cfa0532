/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_COMMAND_INTERNAL_H
#define POMONA_COMMAND_INTERNAL_H

/*
 * What the files of this room share: the checks that a command's tree must pass, and JSON made a tree.
 * Threading: any thread; pure.
 */

#include "pomona/json/json.h"
#include "pomona/plist/plist.h"

/* Command lies in {CommandUUID, Command}: one level is ours, and devices and we must be able to read it again. */
enum { COMMAND_DEPTH_MAX = PLIST_DEPTH_MAX - 1, PLACE_BYTES_MAX = 256 };

/* A place in the tree, such as "Payload.Items[3]", linked from the inside out. */
struct place {
	const struct place *parent; /* NULL at the root */
	const char *key;            /* NULL: an array's entry */
	size_t index;
	int depth; /* the root's is 1 */
};
struct place command_place_root(const char *name);
struct place command_place_key(const struct place *parent, const char *key);
struct place command_place_index(const struct place *parent, size_t index);
/* Fills `err` with "<place>: <fault>" and returns `rc`. */
enum rc command_place_fault(const struct place *place, enum rc rc, const char *fault,
	struct err *err);

/* What a tree that came as a property list must pass: depth, kinds and text that XML can carry. */
enum rc command_check_tree(const struct plist_node *node, const struct place *place,
	struct err *err) MUST_USE;
/* The node of a JSON value; the caller owns *node_r. */
enum rc command_plist_of_json(const struct json_value *value, const struct place *place,
	struct plist_node **node_r, struct err *err) MUST_USE;

#endif
