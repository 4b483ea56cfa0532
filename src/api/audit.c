/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/base/log.h"

#include "private.h"

enum { TARGETS_BYTES_MAX = 4096 };

void api_call_audit_slice(const struct call *call, const char *what, struct slice id)
{
	log_audit("admin_change", LOG_STR("who", call->who), LOG_STR("what", what), LOG_SLICE("id", id),
		LOG_STR("request", http_request_id(call->request)),
		LOG_STR("peer", http_request_peer(call->request)));
}

void api_call_audit(const struct call *call, const char *what, const char *id)
{
	api_call_audit_slice(call, what, slice_of_str(id));
}

void api_call_audit_detail(const struct call *call, const char *what, const char *id,
	const char *detail)
{
	log_audit("admin_change", LOG_STR("who", call->who), LOG_STR("what", what), LOG_STR("id", id),
		LOG_STR("detail", detail), LOG_STR("request", http_request_id(call->request)),
		LOG_STR("peer", http_request_peer(call->request)));
}

static void write_names(const struct audit_targets *targets, struct buf *out)
{
	const size_t count = targets->ids != NULL ? json_count(targets->ids) : 0;
	size_t named = 0;

	if (targets->ids == NULL)
		buf_append_str(out, "all");
	for (size_t i = 0; i < count && named <= AUDIT_TARGETS_MAX; i++) {
		if (targets->repeated[i] || targets->outcomes[i] != targets->outcome)
			continue;
		if (named > 0)
			buf_append_byte(out, ' ');
		if (named < AUDIT_TARGETS_MAX)
			buf_append(out, json_string(json_at(targets->ids, i)));
		else
			buf_append_str(out, "...");
		named++;
	}
}

void api_call_audit_targets(const struct call *call, const char *what, struct slice id,
	const struct audit_targets *targets)
{
	struct buf names;

	buf_init(&names, TARGETS_BYTES_MAX);
	write_names(targets, &names);
	log_audit("admin_change", LOG_STR("who", call->who), LOG_STR("what", what), LOG_SLICE("id", id),
		LOG_SLICE("request_type", targets->request_type), LOG_INT("count", targets->count),
		LOG_SLICE("targets", buf_slice(&names)), LOG_STR("request", http_request_id(call->request)),
		LOG_STR("peer", http_request_peer(call->request)));
	buf_fini(&names);
}
