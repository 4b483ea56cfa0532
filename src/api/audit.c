/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/base/log.h"

#include "private.h"

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

/* Whole ids, as many as a value of the log has room for; "..." says that there are more. */
static bool add_name(struct buf *out, struct slice id, size_t named)
{
	static const struct slice more = SLICE_LITERAL("...");
	const size_t space = named > 0 ? 1 : 0;
	const bool has_room =
		named < AUDIT_TARGETS_MAX && out->len + space + id.len + 1 + more.len <= LOG_VALUE_BYTES;

	if (space > 0)
		buf_append_byte(out, ' ');
	buf_append(out, has_room ? id : more);
	return has_room;
}

static void write_names(const struct audit_targets *targets, struct buf *out)
{
	const size_t count = targets->ids != NULL ? json_count(targets->ids) : 0;
	size_t named = 0;

	if (targets->ids == NULL)
		buf_append_str(out, "all");
	for (size_t i = 0; i < count; i++) {
		if (targets->repeated[i] || targets->outcomes[i] != targets->outcome)
			continue;
		if (!add_name(out, json_string(json_at(targets->ids, i)), named))
			return;
		named++;
	}
}

void api_call_audit_targets(const struct call *call, const char *what, struct slice id,
	const struct audit_targets *targets)
{
	struct buf names;

	buf_init(&names, LOG_VALUE_BYTES);
	write_names(targets, &names);
	log_audit("admin_change", LOG_STR("who", call->who), LOG_STR("what", what), LOG_SLICE("id", id),
		LOG_SLICE("request_type", targets->request_type), LOG_INT("count", targets->count),
		LOG_SLICE("targets", buf_slice(&names)), LOG_STR("request", http_request_id(call->request)),
		LOG_STR("peer", http_request_peer(call->request)));
	buf_fini(&names);
}
