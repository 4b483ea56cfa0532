/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/identity/refusal.h"
#include "pomona/store/enrollment.h"
#include "pomona/store/history.h"
#include "pomona/store/identity.h"
#include "pomona/store/queue.h"

#include "pushing.h"

enum { STATUS_ALARMS = 20, SECONDS_A_DAY = 86400 };

static enum rc write_enrollments(struct txn *txn, struct json_value *root, struct err *err)
{
	struct json_value *rows = json_set_array(root, "enrollments");
	struct enrollment_count counts[ENROLLMENT_COUNTS_MAX];
	size_t count;
	enum rc rc = enrollment_counts(txn, counts, &count, err);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < count; i++) {
		struct json_value *row = json_append_object(rows);

		json_set_str(row, "kind", enrollment_kind_name(counts[i].kind));
		json_set_str(row, "state", enrollment_state_name(counts[i].state));
		json_set_int(row, "count", counts[i].count);
	}
	return RC_OK;
}

static enum rc write_queue(struct txn *txn, struct json_value *root, struct err *err)
{
	struct json_value *queue = json_set_object(root, "queue");
	struct json_value *states = json_set_object(queue, "by_state");
	int64_t by_state[QUEUE_STATE_END] = {0};
	int64_t oldest = 0;
	enum rc rc = queue_census(txn, by_state, &oldest, err);

	if (rc != RC_OK)
		return rc;
	for (int i = QUEUE_QUEUED; i < QUEUE_STATE_END; i++)
		json_set_int(states, queue_state_name((enum queue_state)i), by_state[i]);
	json_set_time(queue, "oldest_queued_at", oldest);
	if (oldest != 0)
		json_set_int(queue, "oldest_queued_age_s", txn_now(txn) - oldest);
	else
		json_set_str(queue, "oldest_queued_age_s", NULL);
	return RC_OK;
}

static void write_trouble(const struct api *api, struct json_value *writer)
{
	struct store_trouble trouble;
	struct json_value *object;

	if (!store_trouble(api->store, &trouble)) {
		json_set_str(writer, "trouble", NULL);
		return;
	}
	object = json_set_object(writer, "trouble");
	json_set_time(object, "since", trouble.since);
	json_set_int(object, "jobs", (int64_t)trouble.jobs);
	json_set_str(object, "text", trouble.text);
}

static enum rc write_history(struct txn *txn, struct json_value *root, struct err *err)
{
	struct json_value *history = json_set_object(root, "history");
	struct json_value *dropped = json_set_object(history, "dropped");
	struct history_view view = {0};
	enum rc rc = history_view(txn, &view, err);

	json_set_time(history, "time", view.time_s);
	json_set_time(history, "walked_at", view.walked_at);
	for (int i = 0; i < HISTORY_CLASS_COUNT; i++)
		json_set_int(dropped, history_class_name((enum history_class)i), view.dropped[i]);
	json_set_int(history, "bodies_dropped", view.bodies);
	json_set_int(history, "free_bytes", view.free_bytes);
	return rc;
}

static void write_writer(const struct api *api, struct json_value *root)
{
	struct json_value *writer = json_set_object(root, "writer");
	struct store_stats stats;

	store_stats(api->store, &stats);
	json_set_int(writer, "jobs_waiting", (int64_t)stats.jobs_waiting);
	json_set_int(writer, "jobs_total", (int64_t)stats.jobs_total);
	json_set_int(writer, "jobs_failed", (int64_t)stats.jobs_failed);
	json_set_int(writer, "jobs_refused", (int64_t)stats.jobs_refused);
	json_set_int(writer, "batch_jobs_max", (int64_t)stats.batch_jobs_max);
	json_set_int(writer, "commits_total", (int64_t)stats.commits_total);
	json_set_int(writer, "commit_us_last", (int64_t)stats.commit_us_last);
	json_set_int(writer, "commit_us_max", (int64_t)stats.commit_us_max);
	json_set_int(writer, "commit_us_mean",
		stats.commits_total == 0 ? 0 : (int64_t)(stats.commit_us_sum / stats.commits_total));
	json_set_int(writer, "checkpoints_failed", (int64_t)stats.checkpoints_failed);
	write_trouble(api, writer);
	json_set_int(root, "database_bytes", (int64_t)stats.database_bytes);
}

static void write_signer(const struct api *api, struct json_value *root)
{
	struct json_value *signer = json_set_object(root, "signer");
	struct signer_stats stats = {.jobs_waiting = 0};

	if (api->signer != NULL)
		signer_stats(api->signer, &stats);
	json_set_int(signer, "jobs_waiting", (int64_t)stats.jobs_waiting);
	json_set_int(signer, "jobs_total", (int64_t)stats.jobs_total);
	json_set_int(signer, "jobs_refused", (int64_t)stats.jobs_refused);
	json_set_int(signer, "worked_us", (int64_t)stats.worked_us);
}

struct shown_cert {
	const char *what, *subject;
	const uint8_t *sha256;
	int64_t not_after;
};

static void write_shown(const struct shown_cert *cert, int64_t now, struct json_value *rows)
{
	struct json_value *row = json_append_object(rows);

	json_set_str(row, "what", cert->what);
	json_set_str(row, "subject", cert->subject);
	api_set_hex(row, "sha256", slice_of(cert->sha256, SHA256_BYTES));
	json_set_time(row, "not_after", cert->not_after);
	json_set_int(row, "days_left", (cert->not_after - now) / SECONDS_A_DAY);
}

static void write_certificate(const struct cert_facts *facts, const char *what, int64_t now,
	struct json_value *rows)
{
	const struct shown_cert cert = {.what = what,
		.subject = facts->subject,
		.sha256 = facts->sha256,
		.not_after = facts->not_after};

	write_shown(&cert, now, rows);
}

static enum rc write_push_certificates(struct call *call, struct txn *txn, struct json_value *rows,
	struct err *err)
{
	struct push_cert_view *views;
	size_t count;
	enum rc rc = push_cert_list(txn, call->arena, &views, &count, err);

	for (size_t i = 0; rc == RC_OK && i < count; i++) {
		const struct shown_cert cert = {.what = "push",
			.subject = views[i].subject,
			.sha256 = views[i].sha256,
			.not_after = views[i].not_after};

		write_shown(&cert, txn_now(txn), rows);
	}
	return rc;
}

static bool is_own_ca(const struct api *api, const struct cert_facts *facts)
{
	return slice_is_equal(slice_of(facts->sha256, SHA256_BYTES),
		slice_of(api->device_ca_facts.sha256, SHA256_BYTES));
}

static enum rc write_anchors(struct call *call, struct txn *txn, struct json_value *rows,
	struct err *err)
{
	struct slice *ders;
	size_t count;
	enum rc rc = anchor_list(txn, call->arena, &ders, &count, err);

	for (size_t i = 0; rc == RC_OK && i < count; i++) {
		struct cert_facts facts;

		rc = cert_read_facts(ders[i], &facts, err);
		if (rc == RC_OK && !is_own_ca(call->api, &facts))
			write_certificate(&facts, "anchor", txn_now(txn), rows);
	}
	return rc;
}

static enum rc write_certificates(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err)
{
	struct json_value *rows = json_set_array(root, "certificates");
	struct cert_facts tls;
	enum rc rc;

	(void)pthread_mutex_lock(&call->api->lock);
	tls = call->api->tls;
	(void)pthread_mutex_unlock(&call->api->lock);
	if (tls.not_after != 0)
		write_certificate(&tls, "tls", txn_now(txn), rows);
	write_certificate(&call->api->device_ca_facts, "device_ca", txn_now(txn), rows);
	rc = write_push_certificates(call, txn, rows, err);
	return rc == RC_OK ? write_anchors(call, txn, rows, err) : rc;
}

static void write_listener(const struct http_listener *listener, const char *name,
	struct json_value *listeners)
{
	static const char *const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
	struct json_value *object;
	struct json_value *replies;
	struct json_value *turned_away;
	struct http_stats stats;

	if (listener == NULL) {
		json_set_str(listeners, name, NULL);
		return;
	}
	http_listener_stats(listener, &stats);
	object = json_set_object(listeners, name);
	json_set_int(object, "connections", (int64_t)stats.connections_now);
	json_set_int(object, "connections_total", (int64_t)stats.connections_total);
	json_set_int(object, "requests", (int64_t)stats.requests_total);
	replies = json_set_object(object, "replies");
	for (size_t i = 0; i < COUNT_OF(classes); i++)
		json_set_int(replies, classes[i], (int64_t)stats.replies_by_class[i + 1]);
	turned_away = json_set_object(object, "turned_away");
	for (int i = 0; i < HTTP_AWAY_COUNT; i++)
		json_set_int(turned_away, http_away_name((enum http_away)i), (int64_t)stats.turned_away[i]);
}

static void write_device(struct device *device, struct json_value *root)
{
	struct json_value *object = json_set_object(root, "device");
	struct device_stats stats;

	device_stats(device, &stats);
	json_set_int(object, "messages_checkin", (int64_t)stats.messages_by_kind[0]);
	json_set_int(object, "messages_command", (int64_t)stats.messages_by_kind[1]);
	json_set_int(object, "polls_idle", (int64_t)stats.polls_idle);
	json_set_int(object, "results_unknown", (int64_t)stats.results_unknown);
	json_set_int(object, "judged", (int64_t)stats.judged);
	json_set_int(object, "judged_by_pin", (int64_t)stats.judged_by_pin);
}

static void write_refusals(struct device *device, struct json_value *root)
{
	struct json_value *object = json_set_object(root, "refusals");
	const struct refusal_log *log = device_refusals(device);

	for (int i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++) {
		const uint64_t count = refusal_log_count(log, (enum refusal)i);

		if (count > 0)
			json_set_int(object, refusal_name((enum refusal)i), (int64_t)count);
	}
}

static void write_denied(struct api *api, struct json_value *root)
{
	struct json_value *object = json_set_object(root, "denied");

	for (int i = DENIAL_NONE + 1; i < DENIAL_COUNT; i++)
		json_set_int(object, api_denial_name((enum denial)i),
			(int64_t)atomic_load(&api->denied[i].total));
}

static void write_enrolling(const struct api *api, struct json_value *root)
{
	struct json_value *scep = json_set_object(root, "scep");
	struct json_value *ade = json_set_object(root, "ade");
	struct json_value *ota = json_set_object(root, "ota");
	struct json_value *links = json_set_object(root, "links");
	struct enroll_stats stats = {.scep_issued = 0};

	if (api->enroll != NULL)
		enroll_stats(api->enroll, &stats);
	json_set_int(scep, "issued", (int64_t)stats.scep_issued);
	json_set_int(scep, "repeated", (int64_t)stats.scep_repeated);
	json_set_int(scep, "refused", (int64_t)stats.scep_refused);
	json_set_int(ade, "given", (int64_t)stats.ade_given);
	json_set_int(ade, "refused", (int64_t)stats.ade_refused);
	json_set_int(ota, "begun", (int64_t)stats.ota_begun);
	json_set_int(ota, "finished", (int64_t)stats.ota_finished);
	json_set_int(ota, "refused", (int64_t)stats.ota_refused);
	json_set_int(links, "profiles", (int64_t)stats.link_profiles);
	json_set_int(links, "refused", (int64_t)stats.links_refused);
}

static enum rc read_status(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err)
{
	struct api *api = call->api;
	struct json_value *listeners;
	enum rc rc;

	json_set_str(root, "version", POMONA_VERSION);
	json_set_bool(root, "ready", atomic_load(&api->is_ready));
	json_set_time(root, "started_at", api->started_unix);
	json_set_int(root, "uptime_s", (clock_monotonic_us(api->clock) - api->started_us) / 1000000);
	rc = write_enrollments(txn, root, err);
	if (rc == RC_OK)
		rc = write_queue(txn, root, err);
	if (rc == RC_OK)
		rc = write_history(txn, root, err);
	if (rc == RC_OK)
		rc = api_renewals_status_write(call, txn, root, err);
	if (rc == RC_OK)
		rc = api_push_status_write(call, txn, root, err);
	if (rc == RC_OK)
		rc = write_certificates(call, txn, root, err);
	if (rc == RC_OK)
		rc = api_alarms_write(call, txn, STATUS_ALARMS, root, err);
	write_writer(api, root);
	api_keys_write(api, json_set_object(root, "keys"));
	write_signer(api, root);
	listeners = json_set_object(root, "listeners");
	write_listener(atomic_load(&api->device_listener), "device", listeners);
	write_listener(atomic_load(&api->plain_listener), "device_plain", listeners);
	write_listener(atomic_load(&api->admin_listener), "admin", listeners);
	write_listener(atomic_load(&api->socket_listener), "admin_socket", listeners);
	write_device(api->device, root);
	write_refusals(api->device, root);
	write_denied(api, root);
	write_enrolling(api, root);
	return rc;
}

void api_status_get(struct http_request *request, void *api)
{
	api_call_read(request, api, read_status);
}
