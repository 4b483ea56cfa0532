/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "key_kind.h"
#include "pomona/base/file.h"

#define CONF_FILE POMONA_SOURCE_DIR "/conf/pomona.conf"

/* What the file says of one key. */
struct entry {
	char section[64], name[64], value[256];
	bool is_commented;
	char comment[1024]; /* the lines above it, each with its end */
};

enum { ENTRIES_MAX = CONFIG_KEYS_MAX };

static struct entry entries[ENTRIES_MAX];
static size_t entry_count;

static void copy(char *to, size_t size, struct slice text)
{
	assert_true(text.len < size);
	(void)snprintf(to, size, "%.*s", SLICE_FMT(text));
}

/* "key = value" or "#key = value"; what else begins with # is a comment, and has a space behind it. */
static void add_entry(struct slice line, const char *section, const char *comment)
{
	struct entry *entry = &entries[entry_count++];

	assert_true(entry_count <= ENTRIES_MAX);
	entry->is_commented = line.ptr[0] == '#';
	if (entry->is_commented)
		line = slice_sub(line, 1, line.len);
	copy(entry->section, sizeof(entry->section), slice_of_str(section));
	copy(entry->name, sizeof(entry->name), config_line_name(line));
	copy(entry->value, sizeof(entry->value), config_line_value(line));
	copy(entry->comment, sizeof(entry->comment), slice_of_str(comment));
}

static int read_conf_file(void **state)
{
	AUTO(buf_fini) struct buf text;
	AUTO(buf_fini) struct buf comment;
	struct config_reader reader = {.number = 0};
	char section[64] = "";
	struct err err;

	(void)state;
	buf_init(&text, CONFIG_FILE_BYTES_MAX);
	buf_init(&comment, sizeof(entries[0].comment) - 1);
	assert_int_equal(file_read(CONF_FILE, &text, &err), RC_OK);
	reader.rest = buf_slice(&text);
	while (config_reader_next(&reader)) {
		if (slice_has_prefix(reader.line, "# ") || slice_is_str(reader.line, "#")) {
			buf_append(&comment, reader.line);
			buf_append_byte(&comment, '\n');
			continue;
		}
		if (slice_has_prefix(reader.line, "["))
			copy(section, sizeof(section), config_line_section(reader.line));
		else if (reader.line.len > 0)
			add_entry(reader.line, section, buf_cstr(&comment));
		buf_clear(&comment);
	}
	return 0;
}

static void every_key_stands_in_the_file_in_the_order_of_the_table_and_nothing_else(void **state)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);

	(void)state;
	assert_int_equal(entry_count, count);
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(entries[i].section, keys[i].section);
		assert_string_equal(entries[i].name, keys[i].name);
	}
}

static void a_default_is_commented_out_and_equal_and_a_required_key_is_set(void **state)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(entries[i].is_commented, keys[i].fallback != NULL);
		if (keys[i].fallback != NULL)
			assert_string_equal(entries[i].value, keys[i].fallback);
	}
}

static void a_key_is_explained_by_its_help_kind_range_and_unit(void **state)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		AUTO(buf_fini) struct buf want;

		buf_init(&want, 4096);
		buf_printf(&want, "# %s\n# ", keys[i].help);
		key_kind_append(&keys[i], &want);
		buf_printf(&want, "%s%s\n", keys[i].fallback == NULL ? "; required" : "",
			keys[i].is_reloadable ? "; reloadable" : "");
		assert_string_equal(entries[i].comment, buf_cstr(&want));
	}
}

static void the_file_loads_as_it_is_shipped(void **state)
{
	AUTO(config_free) struct config *config = NULL;
	struct err err;

	(void)state;
	assert_int_equal(config_load(CONF_FILE, &config, NULL, &err), RC_OK);
	assert_string_equal(config->server.state_dir, "/var/lib/pomona");
}

static void the_file_loads_with_every_comment_mark_taken_away(void **state)
{
	AUTO(config_free) struct config *config = NULL;
	AUTO(config_free) struct config *shipped = NULL;
	AUTO(buf_fini) struct buf text;
	AUTO(buf_fini) struct buf names;
	struct config_source source = {.name = "x.conf", .folder = "/"};
	struct err err;

	(void)state;
	buf_init(&text, CONFIG_FILE_BYTES_MAX);
	buf_init(&names, CONFIG_FILE_BYTES_MAX);
	for (size_t i = 0; i < entry_count; i++)
		buf_printf(&text, "[%s]\n%s = %s\n", entries[i].section, entries[i].name, entries[i].value);
	source.text = buf_slice(&text);
	assert_int_equal(config_parse(&source, &config, NULL, &err), RC_OK);
	assert_int_equal(config_load(CONF_FILE, &shipped, NULL, &err), RC_OK);
	config_diff_fixed(shipped, config, &names);
	assert_string_equal(buf_cstr(&names), "");
}

static void the_table_is_sound(void **state)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		assert_true(strlen(keys[i].section) <= CONFIG_NAME_BYTES_MAX);
		assert_true(strlen(keys[i].name) <= CONFIG_NAME_BYTES_MAX);
		assert_non_null(keys[i].help);
		assert_non_null(keys[i].unit);
		assert_true((keys[i].type == CONFIG_TYPE_CHOICE) == (keys[i].choices != NULL));
		for (size_t other = 0; other < i; other++)
			assert_true(keys[i].offset != keys[other].offset);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_stands_in_the_file_in_the_order_of_the_table_and_nothing_else),
		cmocka_unit_test(a_default_is_commented_out_and_equal_and_a_required_key_is_set),
		cmocka_unit_test(a_key_is_explained_by_its_help_kind_range_and_unit),
		cmocka_unit_test(the_file_loads_as_it_is_shipped),
		cmocka_unit_test(the_file_loads_with_every_comment_mark_taken_away),
		cmocka_unit_test(the_table_is_sound),
	};

	return cmocka_run_group_tests_name("config/conf_file", tests, read_conf_file, NULL);
}
