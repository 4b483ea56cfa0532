/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor.h"

#include <stdlib.h>

enum {
	SECONDS_A_DAY = 86400,
	DAYS_WARNED = 30,
	REPORT_BYTES_MAX = 4 * 1024 * 1024,
	FAULTS_BYTES = 65536
};

static const char *const level_names[] = {
	[FINDING_OK] = "ok",
	[FINDING_WARNING] = "warning",
	[FINDING_FAULT] = "fault",
};

void doctor_find_end(struct doctor *doctor, const char *what, const char *subject,
	int64_t not_after, const char *advice)
{
	enum finding_level level = FINDING_OK;
	char ends[TEXT_RELATIVE_BYTES];

	if (doctor->ctl->now >= not_after)
		level = FINDING_FAULT;
	else if (not_after - doctor->ctl->now <= (int64_t)DAYS_WARNED * SECONDS_A_DAY)
		level = FINDING_WARNING;
	text_relative(not_after, doctor->ctl->now, ends);
	doctor_find(doctor, level, what, advice, "%s %s %s", subject,
		level == FINDING_FAULT ? "ended" : "ends", ends);
}

static void look_at_conf(struct doctor *doctor)
{
	const char *path = doctor->ctl->conf;
	struct err err = {.rc = RC_OK};
	struct buf faults;

	buf_init(&faults, FAULTS_BYTES);
	if (config_load(path, &doctor->config, &faults, &err) == RC_OK)
		doctor_find(doctor, FINDING_OK, "conf", NULL, "%s", path);
	else
		doctor_find(doctor, FINDING_FAULT, "conf",
			"correct it; `pomonad -t -c FILE` shows every fault (pomonactl -c FILE names another conf)",
			"%s", err.text);
	buf_fini(&faults);
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
	json_set_str(root, "worst", level_names[doctor_worst(doctor)]);
	buf_init(&text, REPORT_BYTES_MAX);
	if (json_write(root, false, &text, NULL) == RC_OK)
		fprintf(doctor->ctl->out, "%.*s\n", SLICE_FMT(buf_slice(&text)));
	buf_fini(&text);
}

int cmd_doctor(struct ctl *ctl, const struct args *args)
{
	struct doctor doctor = {.ctl = ctl};
	const bool is_here = ctl->url == NULL;
	int status;

	(void)args;
	doctor.findings = calloc(FINDINGS_MAX, sizeof(*doctor.findings));
	if (doctor.findings == NULL)
		return ctl_fail(ctl, EX_OSERR, "too little memory");
	if (is_here)
		look_at_conf(&doctor);
	if (doctor.config != NULL) {
		doctor_look_at_files(&doctor);
		doctor_look_at_socket(&doctor);
	}
	if (doctor.config != NULL || !is_here || ctl->socket != NULL)
		doctor_look_at_server(&doctor);
	if (doctor.config != NULL)
		doctor_look_at_push(&doctor);
	if (ctl->is_json)
		print_json(&doctor);
	else
		print_all(&doctor);
	status = doctor_worst(&doctor) == FINDING_FAULT ? CTL_REFUSED : 0;
	config_free(&doctor.config);
	free(doctor.findings);
	return status;
}
