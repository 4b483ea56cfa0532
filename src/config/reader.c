/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "pomona/base/codec.h"

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool is_name_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_name(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_name_byte(s.ptr[i]))
			return false;
	return s.len > 0 && s.len <= CONFIG_NAME_BYTES_MAX;
}

bool config_reader_next(struct config_reader *reader)
{
	size_t end;
	size_t next;

	if (reader->number == 0 && slice_has_prefix(reader->rest, "\xEF\xBB\xBF"))
		reader->rest = slice_sub(reader->rest, 3, reader->rest.len);
	if (reader->rest.len == 0)
		return false;
	end = reader->rest.len;
	next = end;
	if (slice_find_byte(reader->rest, '\n', &end))
		next = end + 1;
	if (end > 0 && reader->rest.ptr[end - 1] == '\r')
		end--;
	reader->line = slice_sub(reader->rest, 0, end);
	reader->rest = slice_sub(reader->rest, next, reader->rest.len);
	reader->number++;
	return true;
}

struct slice config_line_section(struct slice line)
{
	struct slice all = slice_trim(line);

	return slice_sub(all, 1, all.len < 2 ? 0 : all.len - 2);
}

struct slice config_line_name(struct slice line)
{
	size_t at = 0;

	(void)slice_find_byte(line, '=', &at);
	return slice_trim(slice_sub(line, 0, at));
}

struct slice config_line_value(struct slice line)
{
	size_t at = line.len;

	(void)slice_find_byte(line, '=', &at);
	return slice_trim(slice_sub(line, at + 1, line.len));
}

static bool is_blank_or_comment(struct slice line)
{
	struct slice all = slice_trim(line);

	return all.len == 0 || all.ptr[0] == '#' || all.ptr[0] == ';';
}

static bool is_section(struct slice line)
{
	return line.len > 0 && line.ptr[0] == '[';
}

static bool is_too_long(struct slice line)
{
	return line.len > CONFIG_LINE_BYTES_MAX;
}

static bool has_control(struct slice line)
{
	for (size_t i = 0; i < line.len; i++)
		if ((line.ptr[i] < 0x20 && line.ptr[i] != '\t') || line.ptr[i] == 0x7F)
			return true;
	return false;
}

static bool is_not_utf8(struct slice line)
{
	return !utf8_is_valid(line);
}

static bool is_indented(struct slice line)
{
	return !is_blank_or_comment(line) && is_space(line.ptr[0]);
}

static bool has_inline_comment(struct slice line)
{
	if (is_blank_or_comment(line))
		return false;
	for (size_t i = 1; i < line.len; i++)
		if ((line.ptr[i] == ';' || line.ptr[i] == '#') && is_space(line.ptr[i - 1]))
			return true;
	return false;
}

static bool is_bad_section(struct slice line)
{
	struct slice all = slice_trim(line);

	return is_section(line) && (all.ptr[all.len - 1] != ']' || !is_name(config_line_section(line)));
}

static bool is_bad_pair(struct slice line)
{
	return !is_blank_or_comment(line) && !is_section(line) && !is_name(config_line_name(line));
}

static bool is_quoted(struct slice line)
{
	struct slice value = config_line_value(line);

	return !is_blank_or_comment(line) && !is_section(line) && value.len > 0 && value.ptr[0] == '"';
}

/* What inih would cut, join or misread, and what people take for a conf file but is none; first
 * match. */
static const struct {
	bool (*is_broken)(struct slice line);
	const char *rule;
} line_rules[] = {
	{is_too_long, "the line is longer than 4096 bytes"},
	{has_control, "the line has a control character"},
	{is_not_utf8, "the line is not UTF-8"},
	{is_indented,
		"a section or key begins its line, without white space (nothing goes on from the line above)"},
	{has_inline_comment, "a comment needs a line of its own"},
	{is_bad_section, "want [section], made of letters, digits and _"},
	{is_bad_pair, "want [section], key = value, or a comment that begins with #"},
	{is_quoted, "a value is written without quotes"},
};
_Static_assert(CONFIG_LINE_BYTES_MAX == 4096, "the rule's text names the limit");

enum config_line config_line_classify(struct slice line, const char **rule_r)
{
	for (size_t i = 0; i < COUNT_OF(line_rules); i++) {
		if (!line_rules[i].is_broken(line))
			continue;
		*rule_r = line_rules[i].rule;
		return CONFIG_LINE_FAULTY;
	}
	if (is_blank_or_comment(line))
		return CONFIG_LINE_BLANK;
	return is_section(line) ? CONFIG_LINE_SECTION : CONFIG_LINE_PAIR;
}
