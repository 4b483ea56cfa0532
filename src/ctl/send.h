/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_CTL_SEND_H
#define POMONA_CTL_SEND_H

/* The pure parts of `pomonactl send`, for its test. Threading: any thread. */

#include "ctl.h"

/* Is the word a file ("-", with a slash or a dot), or a RequestType? */
bool send_is_file(const char *word);
/* Sets body's "command" from a RequestType and the --Key options. */
enum rc send_build_command(const char *request_type, const struct args *args,
	struct json_value *body, struct err *err) MUST_USE;
/* Sets body's "command" from a JSON file, or "plist_base64" from anything else. */
enum rc send_add_content(struct slice content, struct json_value *body, struct err *err) MUST_USE;

#endif
