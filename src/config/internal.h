/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_CONFIG_INTERNAL_H
#define POMONA_CONFIG_INTERNAL_H

/*
 * What the files of this room share: the reader of lines, the setters of values, the table's
 * look-up.
 * Threading: one thread at a time.
 */

#include "pomona/base/slice.h"
#include "pomona/config/config.h"

enum {
	CONFIG_KEYS_MAX = 128,
	CONFIG_NAME_BYTES_MAX = 48,         /* inih cuts sections and names at 49 */
	CONFIG_SOCKET_PATH_BYTES_MAX = 107, /* sun_path of unix(7) */
};

/* "credential:NAME" in place of a path: what systemd gives the service under that name. */
#define CONFIG_CREDENTIAL "credential:"
enum { CONFIG_CREDENTIAL_BYTES_MAX = 255 };

/* The prefix of paths that stands for [server] state_dir. */
#define CONFIG_STATE_DIR "${state_dir}"

/* Hands out the lines of a conf text one by one and says what is wrong with one. */
struct config_reader {
	struct slice rest;
	struct slice line; /* without its end */
	int number;        /* of `line`, from 1 */
};

enum config_line { CONFIG_LINE_BLANK, CONFIG_LINE_SECTION, CONFIG_LINE_PAIR, CONFIG_LINE_FAULTY };

/* False at the end of the text. */
bool config_reader_next(struct config_reader *reader);
/* CONFIG_LINE_FAULTY: *rule_r says which rule the line breaks. */
enum config_line config_line_classify(struct slice line, const char **rule_r);
/* Of a sound section line, what is between the brackets; of a sound pair, what is around the first
 * '='. */
struct slice config_line_section(struct slice line);
struct slice config_line_name(struct slice line);
struct slice config_line_value(struct slice line);

const struct config_key *config_key_find(struct slice section, struct slice name);
bool config_section_is_known(struct slice section);
/* The nearest known section; the nearest key of `section`; NULL where nothing is near. */
const char *config_suggest_section(struct slice section);
const char *config_suggest_key(struct slice section, struct slice name);
/* The section that has a key of this very name; NULL: none. */
const char *config_section_of_key(struct slice name);

/* Checks `value` and keeps it in its field, in place of what was there. The text of `why` is the
 * rule alone. */
enum rc config_value_set(struct config *config, const struct config_key *key, struct slice value,
	struct err *why) MUST_USE;
bool config_key_is_text(const struct config_key *key);
/* The field of a key for which config_key_is_text(). */
char **config_text_field(struct config *config, const struct config_key *key);
int64_t config_number_of(const struct config *config, const struct config_key *key);

/* config_load() behind the file system: `name` goes into faults, `folder` in front of relative
 * paths. */
struct config_source {
	struct slice text;
	const char *name;
	const char *folder;
};
enum rc config_parse(const struct config_source *source, struct config **config_r,
	struct buf *faults, struct err *err) MUST_USE;

#endif
