/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor.h"

#include <stdarg.h>

enum { REPORT_BYTES_MAX = 4 * 1024 * 1024 };

static const char *const level_names[] = {
	[FINDING_OK] = "ok",
	[FINDING_WARNING] = "warning",
	[FINDING_FAULT] = "fault",
};

void doctor_find(struct doctor *doctor, enum finding_level level, const char *what,
	const char *advice, const char *format, ...)
{
	struct finding finding = {.level = level};
	va_list args;

	va_start(args, format);
	(void)vsnprintf(finding.text, sizeof(finding.text), format, args);
	va_end(args);
	(void)snprintf(finding.what, sizeof(finding.what), "%s", what);
	if (level != FINDING_OK && advice != NULL)
		(void)snprintf(finding.advice, sizeof(finding.advice), "%s", advice);
	if (level > doctor->worst)
		doctor->worst = level;
	if (doctor->count < FINDINGS_MAX)
		doctor->findings[doctor->count++] = finding;
	else
		doctor->left_out++;
}

static void print_line(FILE *out, const char *head, const char *text)
{
	struct buf clean;

	buf_init(&clean, (size_t)8 * FINDING_TEXT_BYTES);
	text_clean(slice_of_str(text), TEXT_FOR_PEOPLE, &clean);
	fprintf(out, "%s%s\n", head, buf_cstr(&clean) != NULL ? buf_cstr(&clean) : "");
	buf_fini(&clean);
}

static void print_all(const struct doctor *doctor)
{
	FILE *out = doctor->ctl->out;

	for (size_t i = 0; i < doctor->count; i++) {
		const struct finding *finding = &doctor->findings[i];
		char head[FINDING_WHAT_BYTES + 32];

		(void)snprintf(head, sizeof(head), "%-8s %-20s ", level_names[finding->level], finding->what);
		print_line(out, head, finding->text);
		if (finding->advice[0] != '\0')
			print_line(out, "         -> ", finding->advice);
	}
	if (doctor->left_out > 0)
		fprintf(out,
			"%-8s %-20s %zu more findings have no room here, and count for the exit status\n"
			"         -> look again when some of these are mended\n",
			level_names[doctor->worst], "findings", doctor->left_out);
}

static void print_json(const struct doctor *doctor)
{
	AUTO(json_free) struct json_value *root = json_new_object();
	struct json_value *rows = json_set_array(root, "findings");
	struct buf text;

	for (size_t i = 0; i < doctor->count; i++) {
		const struct finding *finding = &doctor->findings[i];
		struct json_value *row = json_append_object(rows);

		json_set_str(row, "level", level_names[finding->level]);
		json_set_str(row, "what", finding->what);
		json_set_str(row, "text", finding->text);
		json_set_str(row, "advice", finding->advice[0] != '\0' ? finding->advice : NULL);
	}
	json_set_int(root, "left_out", (int64_t)doctor->left_out);
	json_set_str(root, "worst", level_names[doctor->worst]);
	buf_init(&text, REPORT_BYTES_MAX);
	if (json_write(root, false, &text, NULL) == RC_OK)
		fprintf(doctor->ctl->out, "%.*s\n", SLICE_FMT(buf_slice(&text)));
	buf_fini(&text);
}

void doctor_print(const struct doctor *doctor)
{
	if (doctor->ctl->is_json)
		print_json(doctor);
	else
		print_all(doctor);
}
