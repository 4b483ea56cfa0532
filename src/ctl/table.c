/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl.h"
#include "pomona/base/codec.h"

enum { CELL_BYTES_MAX = 4096, FACT_BYTES_MAX = 8192, LABEL_COLUMNS = 24, GAP_COLUMNS = 2 };

static const char absent[] = "-";

struct table {
	const char *const *columns;
	size_t column_count;
	char **cells; /* owned, row by row */
	size_t cell_count, cell_room;
	bool is_failed;
};

struct table *table_new(const char *const *columns)
{
	struct table *table = calloc(1, sizeof(*table));

	if (table == NULL)
		return NULL;
	table->columns = columns;
	while (columns[table->column_count] != NULL)
		table->column_count++;
	return table;
}

static char *clean_copy(const char *text)
{
	struct buf clean;
	char *copy = NULL;

	buf_init(&clean, CELL_BYTES_MAX);
	text_clean(slice_of_str(text), TEXT_FOR_PEOPLE, &clean);
	if (buf_cstr(&clean) != NULL)
		copy = strdup(buf_cstr(&clean));
	buf_fini(&clean);
	return copy;
}

static bool make_room(struct table *table)
{
	const size_t room = table->cell_room == 0 ? 256 : 2 * table->cell_room;
	char **cells;

	if (table->cell_count < table->cell_room)
		return true;
	cells = reallocarray(table->cells, room, sizeof(*cells));
	if (cells == NULL)
		return false;
	table->cells = cells;
	table->cell_room = room;
	return true;
}

void table_add(struct table *table, const char *text)
{
	char *copy;

	if (table == NULL || table->is_failed)
		return;
	copy = clean_copy(text == NULL || text[0] == '\0' ? absent : text);
	if (copy == NULL || !make_room(table)) {
		free(copy);
		table->is_failed = true;
		return;
	}
	table->cells[table->cell_count++] = copy;
}

void table_add_json(struct table *table, const struct json_value *object, const char *key)
{
	const struct json_value *value = json_get(object, key);
	char number[32];

	if (value != NULL && json_kind(value) == JSON_KIND_INTEGER) {
		(void)snprintf(number, sizeof(number), "%" PRId64, json_integer(value));
		table_add(table, number);
	} else if (value != NULL && json_kind(value) == JSON_KIND_BOOL) {
		table_add(table, json_bool(value) ? "yes" : "no");
	} else {
		table_add(table, json_text(object, key));
	}
}

void table_add_time(struct table *table, const struct json_value *object, const char *key,
	int64_t now)
{
	char text[TEXT_RELATIVE_BYTES];
	int64_t then;

	if (time_parse(slice_of_str(json_text(object, key)), &then, NULL) != RC_OK) {
		table_add(table, NULL);
		return;
	}
	text_relative(then, now, text);
	table_add(table, text);
}

static size_t width_of(const struct table *table, size_t column)
{
	size_t width = text_columns(table->columns[column]);

	for (size_t i = column; i < table->cell_count; i += table->column_count)
		if (text_columns(table->cells[i]) > width)
			width = text_columns(table->cells[i]);
	return width;
}

static void print_row(const struct table *table, const char *const *cells, const size_t *widths,
	FILE *out)
{
	for (size_t i = 0; i < table->column_count; i++) {
		const bool is_last = i + 1 == table->column_count;
		const size_t used = text_columns(cells[i]);

		fprintf(out, "%s", cells[i]);
		if (!is_last)
			fprintf(out, "%*s", (int)(widths[i] - used) + GAP_COLUMNS, "");
	}
	fprintf(out, "\n");
}

static size_t width_of_all(const struct table *table, const size_t *widths)
{
	size_t width = 0;

	for (size_t i = 0; i < table->column_count; i++)
		width += widths[i] + (i > 0 ? GAP_COLUMNS : 0);
	return width;
}

/* A line a cell, under the column's name; what is not there is left out. */
static void print_as_facts(const struct table *table, FILE *out)
{
	for (size_t row = 0; row + table->column_count <= table->cell_count; row += table->column_count) {
		fprintf(out, "%s", row > 0 ? "\n" : "");
		for (size_t i = 0; i < table->column_count; i++)
			if (strcmp(table->cells[row + i], absent) != 0)
				fprintf(out, "%-*s  %s\n", LABEL_COLUMNS, table->columns[i], table->cells[row + i]);
	}
}

void table_print_within(const struct table *table, size_t columns, FILE *out)
{
	size_t widths[TABLE_COLUMNS_MAX];

	if (table == NULL || table->is_failed) {
		fprintf(out, "(too little memory for this table)\n");
		return;
	}
	for (size_t i = 0; i < table->column_count; i++)
		widths[i] = width_of(table, i);
	if (columns > 0 && table->cell_count > 0 && width_of_all(table, widths) > columns) {
		print_as_facts(table, out);
		return;
	}
	print_row(table, table->columns, widths, out);
	for (size_t i = 0; i + table->column_count <= table->cell_count; i += table->column_count)
		print_row(table, (const char *const *)&table->cells[i], widths, out);
}

/* 0: it is no terminal, or does not say. */
static size_t terminal_columns(FILE *out)
{
	struct winsize size;

	if (!isatty(fileno(out)) || ioctl(fileno(out), TIOCGWINSZ, &size) != 0)
		return 0;
	return size.ws_col;
}

void table_print(const struct table *table, FILE *out)
{
	table_print_within(table, terminal_columns(out), out);
}

void table_free(struct table **table)
{
	if (*table == NULL)
		return;
	for (size_t i = 0; i < (*table)->cell_count; i++)
		free((*table)->cells[i]);
	free((*table)->cells);
	free(*table);
	*table = NULL;
}

/* --- single facts */

const char *json_text(const struct json_value *object, const char *key)
{
	const struct json_value *value = json_get(object, key);

	if (value == NULL || json_kind(value) != JSON_KIND_STRING)
		return "";
	return (const char *)json_string(value).ptr;
}

void print_fact(FILE *out, const char *key, const char *format, ...)
{
	char text[FACT_BYTES_MAX];
	struct buf clean;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	buf_init(&clean, 8 * sizeof(text));
	text_clean(slice_of_str(text), TEXT_FOR_PEOPLE, &clean);
	fprintf(out, "%-*s  %s\n", LABEL_COLUMNS, key, buf_cstr(&clean) != NULL ? buf_cstr(&clean) : "");
	buf_fini(&clean);
}

void print_json_fact(const struct ctl *ctl, const struct json_value *object, const char *key,
	const char *label)
{
	const struct json_value *value = json_get(object, key);

	if (value == NULL || json_kind(value) == JSON_KIND_NULL)
		return;
	if (json_kind(value) == JSON_KIND_BOOL)
		print_fact(ctl->out, label, "%s", json_bool(value) ? "yes" : "no");
	else if (json_kind(value) == JSON_KIND_INTEGER)
		print_fact(ctl->out, label, "%" PRId64, json_integer(value));
	else
		print_fact(ctl->out, label, "%s", json_text(object, key));
}

void print_json_time(const struct ctl *ctl, const struct json_value *object, const char *key,
	const char *label)
{
	char text[TEXT_RELATIVE_BYTES];
	int64_t then;

	if (time_parse(slice_of_str(json_text(object, key)), &then, NULL) != RC_OK)
		return;
	text_relative(then, ctl->now, text);
	print_fact(ctl->out, label, "%s (%s)", text, json_text(object, key));
}

void print_more(const struct ctl *ctl, const struct json_value *json)
{
	if (json_text(json, "next_cursor")[0] != '\0')
		fprintf(ctl->out, "(more: add --cursor %s)\n", json_text(json, "next_cursor"));
}

void print_each(const struct json_value *object,
	enum rc (*visit)(void *ctx, const char *key, struct json_value *value), void *ctx)
{
	if (object != NULL && json_each(object, visit, ctx) != RC_OK)
		return; /* not an object */
}
