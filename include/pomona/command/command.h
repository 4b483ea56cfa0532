/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_COMMAND_COMMAND_H
#define POMONA_COMMAND_COMMAND_H

/*
 * A command as an administrator gives it (a property list or JSON), normalised once to the XML that
 * devices are sent ever after.
 * Threading: any thread; pure but for a made CommandUUID.
 */

#include "pomona/base/arena.h"
#include "pomona/base/err.h"
#include "pomona/json/json.h"
#include "pomona/store/queue.h"

/*
 * From a plist: either {Command = {RequestType, ...}, CommandUUID?} or the inner dictionary alone.
 * A missing CommandUUID is made. RC_INVALID names the key. Everything in *row_r lives in the arena.
 */
enum rc command_from_plist(struct slice plist, struct arena *arena, struct command_row *row_r,
	struct err *err) MUST_USE;
/*
 * From a JSON object, the inner dictionary: {"RequestType": ..., ...}. {"$data": "<base64>"} stands
 * for data, {"$date": "<RFC 3339>"} for a date. null is invalid. `uuid` may be empty: one is made.
 */
enum rc command_from_json(const struct json_value *command, struct slice uuid, struct arena *arena,
	struct command_row *row_r, struct err *err) MUST_USE;
/* Queues it for one enrollment, in the transaction; it expires at not_after (0: never). */
enum rc command_send_one(struct txn *txn, const struct command_row *row, int64_t enrollment_id,
	int64_t not_after, int64_t *command_id_r, struct err *err) MUST_USE;
/* The inverse, for the API: a dictionary or an array as JSON with $data and $date; NULL for other kinds. */
struct plist_node;
struct json_value *command_json_of_plist(const struct plist_node *node);

#endif
