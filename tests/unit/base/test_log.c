/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pomona/base/compiler.h"
#include "pomona/base/log.h"

static int pipe_fds[2];
static char line[8192];

static int open_pipe(void **state)
{
	(void)state;
	assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
	assert_int_equal(pipe(pipe_fds), 0);
	log_set_fd(pipe_fds[1]);
	log_set_level(LOG_LEVEL_INFO);
	return 0;
}

static int close_pipe(void **state)
{
	(void)state;
	log_set_fd(STDERR_FILENO);
	(void)close(pipe_fds[0]);
	return close(pipe_fds[1]);
}

/* What one call wrote: one write is one read. */
static const char *written(void)
{
	ssize_t len = read(pipe_fds[0], line, sizeof(line) - 1);

	assert_true(len > 0);
	line[len] = 0;
	return line;
}

static void a_line_has_level_event_and_fields(void **state)
{
	(void)state;
	log_info("enrolled", LOG_STR("device", "ABC-1"), LOG_INT("ms", -3),
		LOG_SLICE("type", SLICE_LITERAL("iPad")));
	assert_string_equal(written(), "level=info event=enrolled device=ABC-1 ms=-3 type=iPad\n");
	log_error("down");
	assert_string_equal(written(), "level=error event=down\n");
}

static void a_missing_text_leaves_its_field_out(void **state)
{
	(void)state;
	log_warning("odd", LOG_STR("a", NULL), LOG_STR("b", ""), LOG_SLICE("c", slice_of(NULL, 0)));
	assert_string_equal(written(), "level=warning event=odd b=\"\" c=\"\"\n");
}

static void no_value_can_forge_a_line_or_a_field(void **state)
{
	static const struct {
		struct slice value;
		const char *text;
	} cases[] = {
		{SLICE_LITERAL("a b"), "\"a b\""},
		{SLICE_LITERAL("a=b"), "\"a=b\""},
		{SLICE_LITERAL("a\"b"), "\"a\\\"b\""},
		{SLICE_LITERAL("a\\b"), "\"a\\\\b\""},
		{SLICE_LITERAL("a\nlevel=error"), "\"a\\x0alevel=error\""},
		{SLICE_LITERAL("\r\0\x1b\x7f"), "\"\\x0d\\x00\\x1b\\x7f\""},
		{SLICE_LITERAL("\u00e9"), "\"\u00e9\""},
		{SLICE_LITERAL("\xc2\x9b"
																	"31m"),
			"\"\\xc2\\x9b31m\""}, /* a terminal's command */
		{SLICE_LITERAL("\xc3"), "\"\\xc3\""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char want[128];

		(void)snprintf(want, sizeof(want), "level=info event=x v=%s\n", cases[i].text);
		log_info("x", LOG_SLICE("v", cases[i].value));
		assert_string_equal(written(), want);
	}
}

static void lines_above_the_level_are_dropped_but_for_the_audit(void **state)
{
	(void)state;
	log_debug("no");
	log_info("yes");
	assert_string_equal(written(), "level=info event=yes\n");
	log_set_level(LOG_LEVEL_ERROR);
	log_warning("no");
	log_audit("yes");
	assert_string_equal(written(), "level=audit event=yes\n");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("yes");
	assert_string_equal(written(), "level=debug event=yes\n");
}

static void under_journald_a_line_begins_with_its_priority(void **state)
{
	static const char *const prefixes[] = {"<3>", "<4>", "<6>", "<7>", "<5>"};

	(void)state;
	assert_int_equal(setenv("JOURNAL_STREAM", "8:1", 1), 0);
	log_set_level(LOG_LEVEL_DEBUG);
	for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_AUDIT; level++) {
		log_write((enum log_level)level, "x", &(struct log_field){.key = NULL});
		assert_int_equal(strncmp(written(), prefixes[level], 3), 0);
	}
}

static void gathered_lines_are_written_together_at_the_end(void **state)
{
	(void)state;
	log_gather();
	log_info("a", LOG_INT("n", 1));
	log_info("b");
	log_gather_end();
	assert_string_equal(written(), "level=info event=a n=1\nlevel=info event=b\n");
	log_info("c");
	assert_string_equal(written(), "level=info event=c\n");
}

static void a_warning_takes_the_gathered_lines_along_at_once(void **state)
{
	(void)state;
	log_gather();
	log_info("a");
	log_warning("b");
	assert_string_equal(written(), "level=info event=a\nlevel=warning event=b\n");
	log_audit("c");
	assert_string_equal(written(), "level=audit event=c\n");
	log_gather_end();
}

/* Lines of 512 bytes: eight fill what a pipe takes in one piece, the ninth waits for the next. */
static void more_than_a_pipe_takes_at_once_is_written_before(void **state)
{
	char value[512 - sizeof("level=info event=x v=")];

	(void)state;
	memset(value, 'a', sizeof(value));
	log_gather();
	for (int i = 0; i < 9; i++)
		log_info("x", LOG_SLICE("v", slice_of(value, sizeof(value))));
	assert_int_equal(strlen(written()), 4096);
	log_gather_end();
	assert_int_equal(strlen(written()), 512);
}

static void a_long_value_is_cut_and_the_line_still_ends(void **state)
{
	char value[1000];

	(void)state;
	memset(value, 'a', sizeof(value));
	value[sizeof(value) - 1] = 0;
	log_info("x", LOG_STR("v", value), LOG_STR("w", "b"));
	assert_int_equal(strlen(written()), strlen("level=info event=x v= w=b\n") + 512);
}

static void a_long_line_is_cut_and_still_ends(void **state)
{
	char value[600];
	struct log_field fields[21] = {{.key = NULL}};
	const char *text;

	(void)state;
	memset(value, '\n', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	for (size_t i = 0; i < 20; i++)
		fields[i] = LOG_STR("v", value);
	log_write(LOG_LEVEL_INFO, "x", fields);
	text = written();
	assert_true(strlen(text) <= 4097);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_line_has_level_event_and_fields, open_pipe, close_pipe),
		cmocka_unit_test_setup_teardown(a_missing_text_leaves_its_field_out, open_pipe, close_pipe),
		cmocka_unit_test_setup_teardown(no_value_can_forge_a_line_or_a_field, open_pipe, close_pipe),
		cmocka_unit_test_setup_teardown(lines_above_the_level_are_dropped_but_for_the_audit, open_pipe,
			close_pipe),
		cmocka_unit_test_setup_teardown(under_journald_a_line_begins_with_its_priority, open_pipe,
			close_pipe),
		cmocka_unit_test_setup_teardown(gathered_lines_are_written_together_at_the_end, open_pipe,
			close_pipe),
		cmocka_unit_test_setup_teardown(a_warning_takes_the_gathered_lines_along_at_once, open_pipe,
			close_pipe),
		cmocka_unit_test_setup_teardown(more_than_a_pipe_takes_at_once_is_written_before, open_pipe,
			close_pipe),
		cmocka_unit_test_setup_teardown(a_long_value_is_cut_and_the_line_still_ends, open_pipe,
			close_pipe),
		cmocka_unit_test_setup_teardown(a_long_line_is_cut_and_still_ends, open_pipe, close_pipe),
	};

	return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
