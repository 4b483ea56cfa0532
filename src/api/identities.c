/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/store/identity.h"

#include "private.h"

/* Device certificates: made, listed, revoked. */

enum {
	DAYS_DEFAULT = 365,
	DAYS_MAX = 3650,
	SECONDS_A_DAY = 86400,
	PASSWORD_BYTES_MAX = 256,
	PKCS12_BYTES_MAX = 65536,
	PKCS12_TEXT_BYTES_MAX = 2 * PKCS12_BYTES_MAX,
	PEM_BYTES_MAX = 2 * CERT_DER_BYTES_MAX,
};

struct issue_fields {
	struct slice csr, device_id, common_name;
	struct json_value *pkcs12;
	bool is_renewal;
	int64_t days;
};

static const struct json_field issue_table[] = {
	{.key = "csr",
		.kind = JSON_KIND_STRING,
		.offset = offsetof(struct issue_fields, csr),
		.max_bytes = CSR_BYTES_MAX},
	{.key = "pkcs12", .kind = JSON_KIND_OBJECT, .offset = offsetof(struct issue_fields, pkcs12)},
	{.key = "device_id",
		.kind = JSON_KIND_STRING,
		.offset = offsetof(struct issue_fields, device_id),
		.max_bytes = ENROLLMENT_DEVICE_ID_BYTES_MAX},
	{.key = "common_name",
		.kind = JSON_KIND_STRING,
		.offset = offsetof(struct issue_fields, common_name),
		.max_bytes = PROFILE_COMMON_NAME_BYTES_MAX},
	{.key = "renewal", .kind = JSON_KIND_BOOL, .offset = offsetof(struct issue_fields, is_renewal)},
	{.key = "days",
		.kind = JSON_KIND_INTEGER,
		.offset = offsetof(struct issue_fields, days),
		.min = 1,
		.max = DAYS_MAX},
};

struct issue {
	struct job job;
	struct issue_fields fields;
	struct cert_facts facts;
	struct pkcs12_params pkcs12_params; /* its password in the arena, as all */
	struct slice der;
	struct slice pkcs12; /* empty: it was a CSR */
};

static struct issue *issue_of(struct job *job)
{
	return (struct issue *)job;
}

static enum rc check_fields(struct call *call, const struct issue_fields *fields, struct err *err)
{
	if ((fields->csr.ptr != NULL) == (fields->pkcs12 != NULL))
		return api_call_invalid(call, err, "csr", "give exactly one of csr, pkcs12");
	if (fields->is_renewal && fields->device_id.len == 0)
		return api_call_invalid(call, err, "device_id", "is needed for a renewal");
	return RC_OK;
}

/* NULL: a CSR's own. */
static const char *common_name_of(const struct issue *issue,
	char out[static PROFILE_COMMON_NAME_BYTES_MAX + 1])
{
	const struct issue_fields *fields = &issue->fields;

	if (fields->common_name.len == 0 && fields->pkcs12 == NULL)
		return NULL;
	profile_common_name(fields->common_name.len > 0 ? fields->common_name : fields->device_id, out);
	return out;
}

static struct issue_params params_of(const struct issue *issue, const char *common_name)
{
	const int64_t days = issue->fields.days != 0 ? issue->fields.days : DAYS_DEFAULT;

	return (struct issue_params){
		.common_name = common_name,
		.now = clock_unix_s(issue->job.call.api->clock),
		.valid_s = days * SECONDS_A_DAY,
	};
}

static enum rc keep(struct issue *issue, struct slice der, struct err *err)
{
	issue->der = arena_copy(issue->job.call.arena, der);
	if (issue->der.ptr == NULL)
		return api_call_no_memory(err);
	return cert_read_facts(issue->der, &issue->facts, err);
}

static enum rc issue_from_csr(struct issue *issue, struct err *err)
{
	char name[PROFILE_COMMON_NAME_BYTES_MAX + 1];
	const struct issue_params params = params_of(issue, common_name_of(issue, name));
	struct call *call = &issue->job.call;
	struct buf der;
	enum rc rc;

	buf_init(&der, CERT_DER_BYTES_MAX);
	rc = authority_issue_csr(call->api->device_ca, issue->fields.csr, &params, &der, err);
	if (rc == RC_INVALID || rc == RC_LIMIT)
		call->field = "csr";
	if (rc == RC_OK)
		rc = keep(issue, buf_slice(&der), err);
	buf_fini(&der);
	return rc;
}

struct pkcs12_fields {
	struct slice password;
	bool is_legacy;
};

static enum rc read_pkcs12(struct issue *issue, struct pkcs12_params *params, struct err *err)
{
	static const struct json_field table[] = {
		{.key = "password",
			.kind = JSON_KIND_STRING,
			.is_required = true,
			.offset = offsetof(struct pkcs12_fields, password),
			.max_bytes = PASSWORD_BYTES_MAX},
		{.key = "legacy", .kind = JSON_KIND_BOOL, .offset = offsetof(struct pkcs12_fields, is_legacy)},
	};
	struct call *call = &issue->job.call;
	struct pkcs12_fields fields = {.is_legacy = false};
	const struct slice *password = &fields.password;
	enum rc rc = json_read_fields(issue->fields.pkcs12, table, COUNT_OF(table), &fields, err);

	if (rc != RC_OK)
		return err_context(err, "pkcs12");
	if (password->len == 0 || memchr(password->ptr, 0, password->len) != NULL)
		return api_call_invalid(call, err, "pkcs12", "the password is empty or holds a zero byte");
	params->is_legacy = fields.is_legacy;
	params->password = arena_str(call->arena, *password);
	return params->password != NULL ? RC_OK : api_call_no_memory(err);
}

struct key_pair {
	struct buf der, key_pem, pkcs12;
};

static enum rc make_pair(struct issue *issue, struct key_pair *pair, struct pkcs12_params *pkcs12,
	struct err *err)
{
	const struct authority *authority = issue->job.call.api->device_ca;
	char name[PROFILE_COMMON_NAME_BYTES_MAX + 1];
	const struct issue_params params = params_of(issue, common_name_of(issue, name));
	enum rc rc = authority_issue_key(authority, KEY_P256, &params, &pair->der, &pair->key_pem, err);

	if (rc == RC_OK)
		rc = keep(issue, buf_slice(&pair->der), err);
	pkcs12->friendly_name = params.common_name;
	if (rc == RC_OK)
		rc = authority_write_pkcs12(authority, issue->der, buf_slice(&pair->key_pem), pkcs12,
			&pair->pkcs12, err);
	if (rc != RC_OK)
		return rc;
	issue->pkcs12 = arena_copy(issue->job.call.arena, buf_slice(&pair->pkcs12));
	return issue->pkcs12.ptr != NULL ? RC_OK : api_call_no_memory(err);
}

static enum rc issue_pkcs12(struct issue *issue, struct err *err)
{
	struct key_pair pair;
	enum rc rc;

	buf_init(&pair.der, CERT_DER_BYTES_MAX);
	buf_init(&pair.key_pem, PEM_BYTES_MAX);
	buf_init(&pair.pkcs12, PKCS12_BYTES_MAX);
	rc = make_pair(issue, &pair, &issue->pkcs12_params, err);
	buf_fini(&pair.der);
	buf_fini_secret(&pair.key_pem);
	buf_fini_secret(&pair.pkcs12);
	return rc;
}

static enum rc prepare_issue(struct job *job, struct err *err)
{
	struct issue *issue = issue_of(job);
	struct json_value *body;
	enum rc rc = api_call_body(&job->call, &body, err);

	if (rc == RC_OK)
		rc = json_read_fields(body, issue_table, COUNT_OF(issue_table), &issue->fields, err);
	if (rc == RC_OK)
		rc = check_fields(&job->call, &issue->fields, err);
	if (rc != RC_OK || issue->fields.pkcs12 == NULL)
		return rc;
	return read_pkcs12(issue, &issue->pkcs12_params, err);
}

static enum rc sign_issue(struct job *job, struct err *err)
{
	struct issue *issue = issue_of(job);

	return issue->fields.pkcs12 != NULL ? issue_pkcs12(issue, err) : issue_from_csr(issue, err);
}

static enum rc run_issue(struct job *job, struct txn *txn, struct err *err)
{
	struct issue *issue = issue_of(job);
	struct identity_issued issued = {
		.facts = &issue->facts,
		.der = issue->der,
		.issued_for = issue->fields.device_id,
	};
	struct enrollment device;
	enum rc rc;

	if (issue->fields.is_renewal) {
		rc = enrollment_find(txn, issue->fields.device_id, &device, err);
		if (rc == RC_NOT_FOUND)
			return err_set(err, rc, "device_id: no device has this id, so there is nothing to renew");
		if (rc != RC_OK)
			return rc;
		if (enrollment_kind_is_user(device.kind))
			return api_call_conflict(err, "device_id: this is a user channel: give the id of its device");
		issued.renewal_of = device.id;
	}
	return identity_issued(txn, &issued, err);
}

static void set_pem(struct json_value *object, const char *key, struct slice der)
{
	struct buf pem;

	buf_init(&pem, PEM_BYTES_MAX);
	cert_write_pem(der, &pem);
	json_set_slice(object, key, buf_slice(&pem));
	buf_fini(&pem);
}

static void reply_issue(struct job *job)
{
	const struct issue *issue = issue_of(job);
	struct json_value *root = json_new_object();

	api_call_audit(&job->call, "issue_identity", issue->facts.serial);
	api_set_cert(root, &issue->facts);
	json_set_slice(root, "issued_for", issue->fields.device_id);
	json_set_bool(root, "is_renewal", issue->fields.is_renewal);
	set_pem(root, "certificate", issue->der);
	set_pem(root, "ca", authority_cert_der(job->call.api->device_ca));
	if (issue->pkcs12.len > 0) {
		struct buf text;

		buf_init(&text, PKCS12_TEXT_BYTES_MAX);
		base64_encode(issue->pkcs12, &text);
		json_set_slice(root, "pkcs12", buf_slice(&text));
		buf_fini_secret(&text);
	}
	api_call_reply(&job->call, 201, &root);
}

void api_identities_post(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct issue),
		.prepare = prepare_issue,
		.sign = sign_issue,
		.run = run_issue,
		.reply = reply_issue};

	api_job_handle(request, api, &type);
}

static void write_view(const struct identity_view *view, struct json_value *row)
{
	const struct identity *identity = &view->identity;

	api_set_hex(row, "sha256", slice_of(identity->sha256, SHA256_BYTES));
	json_set_str(row, "subject", view->subject);
	json_set_str(row, "issuer", view->issuer);
	json_set_str(row, "serial", view->serial);
	json_set_str(row, "owner", view->owner_ext_id[0] != '\0' ? view->owner_ext_id : NULL);
	json_set_str(row, "issued_for", identity->issued_for[0] != '\0' ? identity->issued_for : NULL);
	json_set_bool(row, "is_renewal", identity->renewal_of != 0);
	json_set_bool(row, "is_ours", identity->is_ours);
	json_set_time(row, "not_before", identity->not_before);
	json_set_time(row, "not_after", identity->not_after);
	json_set_time(row, "revoked_at", identity->revoked_at);
	json_set_time(row, "recorded_at", view->recorded_at);
}

static enum rc read_identities(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err)
{
	struct json_value *rows = json_set_array(root, "identities");
	struct identity_view *views;
	struct page page;
	size_t count;
	enum rc rc = api_page_read(call, &page, err);

	if (rc == RC_OK)
		rc = identity_list(txn, page.after_id, page.limit, call->arena, &views, &count, err);
	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < count; i++)
		write_view(&views[i], json_append_object(rows));
	api_page_end(&page, count, count > 0 ? views[count - 1].identity.id : 0, root);
	return RC_OK;
}

void api_identities_get(struct http_request *request, void *api)
{
	api_call_read(request, api, read_identities);
}

struct revoke {
	struct job job;
	uint8_t sha256[SHA256_BYTES];
	struct cert_facts facts; /* of the certificate that was sent */
	size_t count;            /* 0: none was; 1 */
	struct identity_revoked revoked;
};

static enum rc take_cert(void *ctx, struct slice der, struct err *err)
{
	struct revoke *revoke = ctx;

	if (revoke->count++ > 0)
		return err_set(err, RC_INVALID, "more than one certificate");
	return cert_read_facts(der, &revoke->facts, err);
}

static enum rc prepare_revoke(struct job *job, struct err *err)
{
	static const struct json_field table[] = {
		{.key = "certificate",
			.kind = JSON_KIND_STRING,
			.is_required = true,
			.offset = 0,
			.max_bytes = PEM_BYTES_MAX},
	};
	struct revoke *revoke = (struct revoke *)job;
	struct call *call = &job->call;
	struct slice pem = {.ptr = NULL};
	struct json_value *body;
	enum rc rc = api_param_sha256(call, revoke->sha256, err);

	if (rc != RC_OK || http_request_body(call->request).len == 0)
		return rc;
	rc = api_call_body(call, &body, err);
	if (rc == RC_OK)
		rc = json_read_fields(body, table, COUNT_OF(table), &pem, err);
	if (rc != RC_OK)
		return rc;
	call->field = "certificate";
	rc = cert_pem_each(pem, take_cert, revoke, err);
	if (rc != RC_OK)
		return err_context(err, "certificate");
	if (memcmp(revoke->facts.sha256, revoke->sha256, SHA256_BYTES) != 0)
		return api_call_invalid(call, err, "certificate", "its SHA-256 is not the one of the path");
	call->field = NULL;
	return RC_OK;
}

/* One that never came is written down, so that it is known when it comes. */
static enum rc run_revoke(struct job *job, struct txn *txn, struct err *err)
{
	static const uint8_t never[SHA256_BYTES];
	struct revoke *revoke = (struct revoke *)job;
	enum rc rc = identity_revoke(txn, revoke->sha256, &revoke->revoked, err);
	int64_t id;

	if (rc == RC_NOT_FOUND && revoke->count == 0)
		return err_set(err, rc,
			"no device certificate that was issued here or came has this SHA-256: send the certificate");
	if (rc != RC_NOT_FOUND)
		return rc;
	rc = identity_record(txn, &revoke->facts, never, &id, err);
	return rc == RC_OK ? identity_revoke(txn, revoke->sha256, &revoke->revoked, err) : rc;
}

static void reply_revoke(struct job *job)
{
	const char *sha256 = http_request_param(job->call.request, "sha256");
	const struct identity_revoked *revoked = &((const struct revoke *)job)->revoked;
	struct json_value *root = json_new_object();

	api_call_audit(&job->call, "revoke_identity", sha256);
	json_set_str(root, "sha256", sha256);
	json_set_int(root, "others_revoked", revoked->others);
	if (revoked->is_successor_pinned) {
		api_set_hex(root, "renewed_by", slice_of(revoked->sha256, SHA256_BYTES));
		json_set_str(root, "message",
			"refused from now on; its device goes on with the one that took its place");
	} else {
		json_set_str(root, "renewed_by", NULL);
		json_set_str(root, "message", "its device is refused from now on");
	}
	api_call_reply(&job->call, 200, &root);
}

void api_identity_revoke_post(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct revoke),
		.prepare = prepare_revoke,
		.run = run_revoke,
		.reply = reply_revoke};

	api_job_handle(request, api, &type);
}
