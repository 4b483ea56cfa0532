/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor.h"

#include <stdarg.h>

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
	if (doctor->count < FINDINGS_MAX)
		doctor->findings[doctor->count++] = finding;
}

enum finding_level doctor_worst(const struct doctor *doctor)
{
	enum finding_level worst = FINDING_OK;

	for (size_t i = 0; i < doctor->count; i++)
		if (doctor->findings[i].level > worst)
			worst = doctor->findings[i].level;
	return worst;
}
