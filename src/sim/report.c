/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>

#include "pomona/json/json.h"

void report_status(struct report *report, unsigned status)
{
	if (status < REPORT_STATUS_MAX)
		report->statuses[status]++;
	if (status >= 400 && status <= 499)
		report->refused++;
}

static uint64_t errors_of(const struct report *report)
{
	return report->answers[ANSWER_ERROR] + report->answers[ANSWER_FORMAT_ERROR];
}

static uint64_t refused_pushes(const struct apns_stats *pushes)
{
	return pushes->pushes - pushes->accepted - pushes->unanswered;
}

void report_write_text(const struct report *report, const struct report_fleet *fleet,
	struct buf *out)
{
	buf_printf(out, "%" PRId64 " s: %u of %u enrolled, %" PRIu64 " polls, ", fleet->elapsed_s,
		fleet->enrolled, fleet->devices, report->polls);
	if (fleet->pushes != NULL)
		buf_printf(out,
			"%" PRIu64 " pushes (%" PRIu64 " woke a device, %" PRIu64 " of a wrong magic, %" PRIu64
			" refused), ",
			fleet->pushes->pushes, fleet->pushes->woken, fleet->pushes->wrong_magic,
			refused_pushes(fleet->pushes));
	buf_printf(out, "answers: %" PRIu64 " acknowledged, %" PRIu64 " not now, %" PRIu64 " errors; ",
		report->answers[ANSWER_ACKNOWLEDGED], report->answers[ANSWER_NOT_NOW], errors_of(report));
	buf_printf(out, "%" PRIu64 " refused, %" PRIu64 " unenrolled, %" PRIu64 " failed; HTTP",
		report->refused, report->unenrolled, report->failed);
	for (unsigned i = 0; i < REPORT_STATUS_MAX; i++)
		if (report->statuses[i] > 0)
			buf_printf(out, " %u: %" PRIu64, i, report->statuses[i]);
}

enum rc report_write_json(const struct report *report, const struct report_fleet *fleet,
	struct buf *out, struct err *err)
{
	AUTO(json_free) struct json_value *root = json_new_object();
	struct json_value *statuses;

	if (root == NULL)
		return err_set(err, RC_NO_MEMORY, "report");
	json_set_int(root, "elapsed_s", fleet->elapsed_s);
	json_set_int(root, "devices", fleet->devices);
	json_set_int(root, "enrolled", fleet->enrolled);
	json_set_int(root, "polls", (int64_t)report->polls);
	json_set_int(root, "acknowledged", (int64_t)report->answers[ANSWER_ACKNOWLEDGED]);
	json_set_int(root, "not_now", (int64_t)report->answers[ANSWER_NOT_NOW]);
	json_set_int(root, "errors", (int64_t)errors_of(report));
	json_set_int(root, "refused", (int64_t)report->refused);
	json_set_int(root, "unenrolled", (int64_t)report->unenrolled);
	json_set_int(root, "failed", (int64_t)report->failed);
	if (fleet->pushes != NULL) {
		struct json_value *pushes = json_set_object(root, "pushes");

		json_set_int(pushes, "taken", (int64_t)fleet->pushes->pushes);
		json_set_int(pushes, "woke", (int64_t)fleet->pushes->woken);
		json_set_int(pushes, "wrong_magic", (int64_t)fleet->pushes->wrong_magic);
		json_set_int(pushes, "refused", (int64_t)refused_pushes(fleet->pushes));
	}
	statuses = json_set_object(root, "status");
	for (unsigned i = 0; i < REPORT_STATUS_MAX; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "%u", i);
		if (report->statuses[i] > 0)
			json_set_int(statuses, key, (int64_t)report->statuses[i]);
	}
	return json_write(root, false, out, err);
}
