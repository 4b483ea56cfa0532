/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor.h"

#include <stdlib.h>

enum { SECONDS_A_DAY = 86400, DAYS_WARNED = 30, FAULTS_BYTES = 65536 };

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
	doctor_print(&doctor);
	status = doctor.worst == FINDING_FAULT ? CTL_REFUSED : 0;
	config_free(&doctor.config);
	free(doctor.findings);
	return status;
}
