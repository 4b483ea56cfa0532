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

/* Holds the man page against the table of keys: each stands there with all that the table says of it. */

#define MAN_PAGE POMONA_SOURCE_DIR "/docs/man/pomona.conf.5"

enum { ENTRIES_MAX = CONFIG_KEYS_MAX, PAGE_BYTES_MAX = 1048576, TEXT_BYTES_MAX = 1024 };

/* What the page says of one key: its lines up to the next macro, joined by spaces. */
struct entry {
	char section[64], name[64];
	char text[TEXT_BYTES_MAX];
};

static struct entry entries[ENTRIES_MAX];
static size_t entry_count;

/* True where `line` begins with `macro`; *rest_r is what follows. */
static bool has_macro(struct slice line, const char *macro, struct slice *rest_r)
{
	if (!slice_has_prefix(line, macro))
		return false;
	*rest_r = slice_trim(slice_sub(line, strlen(macro), line.len));
	return true;
}

static void copy(char *to, size_t size, struct slice text)
{
	assert_true(text.len < size);
	(void)snprintf(to, size, "%.*s", SLICE_FMT(text));
}

static struct entry *add_entry(const char *section, struct slice name)
{
	struct entry *entry = &entries[entry_count++];

	assert_true(entry_count <= ENTRIES_MAX);
	copy(entry->section, sizeof(entry->section), slice_of_str(section));
	copy(entry->name, sizeof(entry->name), name);
	return entry;
}

static void add_line(struct entry *entry, struct slice line)
{
	const size_t used = strlen(entry->text);
	const int len = snprintf(entry->text + used, sizeof(entry->text) - used, "%s%.*s",
		used > 0 ? " " : "", SLICE_FMT(line));

	assert_true(len >= 0 && (size_t)len < sizeof(entry->text) - used);
}

static void read_lines(struct config_reader *reader)
{
	char section[64] = "";
	struct entry *entry = NULL; /* whose text goes on */
	struct slice rest = {NULL, 0};
	bool is_in_keys = false;

	while (config_reader_next(reader)) {
		if (!slice_has_prefix(reader->line, ".")) {
			if (entry != NULL)
				add_line(entry, reader->line);
			continue;
		}
		entry = NULL;
		if (has_macro(reader->line, ".Sh ", &rest))
			is_in_keys = slice_is_str(rest, "KEYS");
		else if (is_in_keys && has_macro(reader->line, ".Ss Section ", &rest))
			copy(section, sizeof(section), rest);
		else if (is_in_keys && has_macro(reader->line, ".It Cm ", &rest))
			entry = add_entry(section, rest);
	}
}

static int read_man_page(void **state)
{
	AUTO(buf_fini) struct buf text;
	struct config_reader reader = {.number = 0};
	struct err err;

	(void)state;
	buf_init(&text, PAGE_BYTES_MAX);
	assert_int_equal(file_read(MAN_PAGE, &text, &err), RC_OK);
	reader.rest = buf_slice(&text);
	read_lines(&reader);
	return 0;
}

static void every_key_stands_in_the_page_in_the_order_of_the_table_and_nothing_else(void **state)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);

	(void)state;
	for (size_t i = 0; i < count && i < entry_count; i++) {
		assert_string_equal(entries[i].section, keys[i].section);
		assert_string_equal(entries[i].name, keys[i].name);
	}
	assert_int_equal(entry_count, count);
}

static void append_default(const struct config_key *key, struct buf *out)
{
	if (key->fallback == NULL)
		buf_append_str(out, "required");
	else if (key->fallback[0] == '\0')
		buf_append_str(out, "empty by default");
	else
		buf_printf(out, "default %s", key->fallback);
}

static void a_key_is_told_with_its_help_kind_range_unit_default_and_whether_a_reload_takes_it(
	void **state)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		AUTO(buf_fini) struct buf want;

		buf_init(&want, TEXT_BYTES_MAX);
		buf_printf(&want, "%s Value: ", keys[i].help);
		key_kind_append(&keys[i], &want);
		buf_append_str(&want, "; ");
		append_default(&keys[i], &want);
		buf_append_str(&want, keys[i].is_reloadable ? "; reloadable." : ".");
		assert_string_equal(entries[i].text, buf_cstr(&want));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_stands_in_the_page_in_the_order_of_the_table_and_nothing_else),
		cmocka_unit_test(
			a_key_is_told_with_its_help_kind_range_unit_default_and_whether_a_reload_takes_it),
	};

	return cmocka_run_group_tests_name("config/man", tests, read_man_page, NULL);
}
