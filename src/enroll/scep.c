/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "internal.h"
#include "pomona/base/codec.h"
#include "pomona/base/log.h"

#define PKI_MESSAGE "application/x-pki-message"

enum { REPLY_BYTES_MAX = 2 * CRL_BYTES_MAX };

/*
 * One PKIOperation on its way; lives in the arena of its request. A worker takes it, the signer's thread opens the
 * message and makes certificate and reply, the writer keeps the certificate.
 */
struct pki_call {
	struct store_job job;
	struct signer_job signer_job;
	struct enroll *enroll;
	struct http_request *http;
	struct enroll_settings settings;
	struct scep_policy policy;
	struct scep_request *scep;
	const struct scep_facts *facts;
	struct scep_decision decision;
	struct cert_facts cert_facts;
	struct buf message; /* of a query; a body stays where it is */
	struct slice given; /* the message, wherever */
	struct buf cert;    /* DER of what is given */
	struct buf reply;   /* a CertRep with it, when it is ready */
	/* Where a policy service is asked: */
	struct policy_ask ask;
	struct intent_names names;
	struct buf question;
	char denied_for[POLICY_REASON_BYTES_MAX + 1];
};

static void call_fini(void *object)
{
	struct pki_call *call = object;

	scep_request_free(&call->scep);
	buf_fini(&call->message);
	buf_fini(&call->cert);
	buf_fini(&call->reply);
	buf_fini_secret(&call->question);
	settings_wipe(&call->settings);
}

/* NULL when memory is short. It goes with its request. */
static struct pki_call *call_new(struct enroll *enroll, struct http_request *request)
{
	struct arena *arena = http_request_arena(request);
	struct pki_call *call = arena == NULL ? NULL : arena_alloc(arena, sizeof(*call));

	if (call == NULL || !arena_on_free(arena, call_fini, call))
		return NULL;
	call->enroll = enroll;
	call->http = request;
	call->settings = enroll_settings(enroll);
	call->policy = (struct scep_policy){
		.static_challenge = slice_of_str(call->settings.static_challenge),
		.challenge_grace_s = call->settings.challenge_grace_s,
		.ca_subject = enroll->ca.subject,
	};
	buf_init(&call->message, SCEP_MESSAGE_BYTES_MAX);
	buf_init(&call->cert, CERT_DER_BYTES_MAX);
	buf_init(&call->reply, REPLY_BYTES_MAX);
	buf_init(&call->question, POLICY_QUESTION_BYTES_MAX);
	return call;
}

static struct scep_writer writer_of(const struct pki_call *call)
{
	return (struct scep_writer){.ca = call->enroll->device_ca,
		.now_unix_s = clock_unix_s(call->enroll->clock)};
}

static void log_refused(struct pki_call *call, enum scep_refusal refusal, enum scep_fail fail,
	const char *text)
{
	const struct scep_facts *facts = call->facts;

	atomic_fetch_add(&call->enroll->scep_refused, 1);
	if (!log_limit_take(call->enroll->refused_lines, refusal, clock_monotonic_us(call->enroll->clock)))
		return;
	log_warning("scep_refused", LOG_STR("request", http_request_id(call->http)),
		LOG_STR("reason", scep_refusal_name(refusal)), LOG_STR("fail_info", scep_fail_name(fail)),
		LOG_STR("message", facts == NULL ? NULL : scep_kind_name(facts->kind)),
		LOG_STR("transaction", facts == NULL ? NULL : facts->transaction_id),
		LOG_STR("signer", facts == NULL ? NULL : facts->signer.subject), LOG_STR("text", text),
		LOG_STR("peer", http_request_peer(call->http)));
}

static void reply_ready(struct pki_call *call)
{
	http_reply(call->http, 200, PKI_MESSAGE, &call->reply);
}

static void reply_failure(struct pki_call *call, enum scep_refusal refusal, enum scep_fail fail,
	const char *text)
{
	const struct scep_writer writer = writer_of(call);
	struct err err = {0};

	log_refused(call, refusal, fail, text);
	buf_clear(&call->reply);
	if (scep_write_failure(call->scep, &writer, fail, text, &call->reply, &err) == RC_OK)
		reply_ready(call);
	else
		enroll_fail(call->http, &err);
}

static void reply_refusal(struct pki_call *call)
{
	enum scep_refusal refusal = call->decision.refusal;

	reply_failure(call, refusal, scep_refusal_fail(refusal), scep_refusal_text(refusal));
}

static void log_given(struct pki_call *call, const char *event)
{
	log_info(event, LOG_STR("request", http_request_id(call->http)),
		LOG_STR("message", scep_kind_name(call->facts->kind)),
		LOG_STR("transaction", call->facts->transaction_id), LOG_STR("serial", call->cert_facts.serial),
		LOG_STR("subject", call->cert_facts.subject),
		LOG_STR("device", call->decision.issued_for[0] == '\0' ? NULL : call->decision.issued_for),
		LOG_STR("peer", http_request_peer(call->http)));
}

/* The CertRep with call->cert. */
static enum rc prepare_reply(struct pki_call *call, struct err *err)
{
	const struct scep_writer writer = writer_of(call);

	buf_clear(&call->reply);
	return scep_write_cert(call->scep, &writer, buf_slice(&call->cert), &call->reply, err);
}

static enum rc read_again(struct pki_call *call, struct txn *txn, struct err *err)
{
	struct identity identity;

	buf_clear(&call->cert);
	return identity_read_issued(txn, call->decision.identity_id, &identity, &call->cert, err);
}

/* The certificate that was decided on is in call->cert. */
static void reply_again(struct pki_call *call)
{
	struct err err = {0};

	if (cert_read_facts(buf_slice(&call->cert), &call->cert_facts, &err) != RC_OK ||
		prepare_reply(call, &err) != RC_OK) {
		enroll_fail(call->http, &err);
		return;
	}
	atomic_fetch_add(&call->enroll->scep_repeated, 1);
	log_given(call, "scep_repeated");
	reply_ready(call);
}

/*
 * Asked again, now where it counts. What was issued meanwhile for a request that is refused, or that another one
 * of the same transaction was quicker than, is thrown away: nobody has seen it.
 */
static enum rc run(struct store_job *job, struct txn *txn, struct err *err)
{
	struct pki_call *call = (struct pki_call *)job;
	enum rc rc = scep_decide(txn, &call->policy, call->facts, &call->decision, err);

	if (rc != RC_OK || call->decision.refusal != SCEP_NOT_REFUSED)
		return rc;
	if (call->decision.identity_id != 0)
		return read_again(call, txn, err);
	call->decision.issued.facts = &call->cert_facts;
	call->decision.issued.der = buf_slice(&call->cert);
	return scep_keep(txn, call->facts, &call->decision, err);
}
_Static_assert(offsetof(struct pki_call, job) == 0, "a job is its call");

/* The writer decided otherwise than the signer had before. */
static void answer_late(void *ctx)
{
	struct pki_call *call = ctx;

	if (call->decision.refusal != SCEP_NOT_REFUSED)
		reply_refusal(call);
	else
		reply_again(call);
	http_resume(call->http);
}

static void give_to_signer(struct pki_call *call, void (*next)(void *ctx))
{
	struct err err = {.rc = RC_OK};

	call->signer_job = (struct signer_job){.run = next, .ctx = call};
	if (signer_submit(call->enroll->signer, &call->signer_job, &err) == RC_OK)
		return;
	enroll_busy(call->http);
	http_resume(call->http);
}

static void done(struct store_job *job, enum rc rc, const struct err *err)
{
	struct pki_call *call = (struct pki_call *)job;

	if (rc == RC_OK &&
		(call->decision.refusal != SCEP_NOT_REFUSED || call->decision.identity_id != 0)) {
		give_to_signer(call, answer_late);
		return;
	}
	if (rc == RC_OK) {
		atomic_fetch_add(&call->enroll->scep_issued, 1);
		log_given(call, "scep_issued");
		reply_ready(call);
	} else {
		enroll_fail(call->http, err);
	}
	http_resume(call->http);
}

/* The subject is what the client asked for, which is shown to people and decides nothing. */
static enum rc issue(struct pki_call *call, struct err *err)
{
	const struct issue_params params = {.now = clock_unix_s(call->enroll->clock),
		.valid_s = call->settings.identity_valid_s};
	enum rc rc =
		scep_issue(call->scep, call->enroll->device_ca, &params, &call->cert, &call->cert_facts, err);

	return rc == RC_OK ? prepare_reply(call, err) : rc;
}

/* True: the writer has the call. */
static bool issue_and_keep(struct pki_call *call)
{
	struct err err = {0};
	enum rc rc = issue(call, &err);

	if (rc == RC_INVALID || rc == RC_LIMIT) {
		reply_failure(call, SCEP_REFUSED_GARBLED, SCEP_BAD_REQUEST, err.text);
		return false;
	}
	call->job.run = run;
	call->job.done = done;
	if (rc == RC_OK)
		rc = store_submit(call->enroll->store, &call->job, &err);
	if (rc == RC_OK)
		return true;
	enroll_fail(call->http, &err);
	return false;
}

static enum rc decide(struct pki_call *call, struct err *err)
{
	struct txn *txn = NULL;
	enum rc rc = store_read_begin(call->enroll->store, &txn, err);

	if (rc != RC_OK)
		return rc;
	rc = scep_decide(txn, &call->policy, call->facts, &call->decision, err);
	if (rc == RC_OK && call->decision.refusal == SCEP_NOT_REFUSED && call->decision.identity_id != 0)
		rc = read_again(call, txn, err);
	if (rc == RC_OK && call->enroll->policy != NULL && call->decision.intent_id != 0)
		rc = intent_read_names(txn, call->decision.intent_id, &call->names, err);
	store_read_end(call->enroll->store, &txn);
	return rc;
}

/* --- the policy service */

/* The address without its port, which would make a question of each try. */
static struct slice peer_of(const struct pki_call *call, char text[static HTTP_ADDRESS_BYTES])
{
	const bool is_alone = http_request_client(call->http, text);
	const char *colon = is_alone ? NULL : strrchr(text, ':');

	return colon == NULL ? slice_of_str(text) : slice_of(text, (size_t)(colon - text));
}

static enum rc write_question(struct pki_call *call, struct err *err)
{
	const struct scep_facts *facts = call->facts;
	const struct scep_decision *decision = &call->decision;
	char peer[HTTP_ADDRESS_BYTES];
	const struct policy_question question = {
		.message = scep_kind_name(facts->kind),
		.transaction = facts->transaction_id,
		.is_renewal = decision->is_renewal || decision->issued.renewal_of != 0,
		.csr_der = facts->csr_der,
		.subject = facts->subject,
		.key_sha256 = facts->key_sha256,
		.device = decision->issued_for,
		.serial_number = call->names.serial_number,
		.user_name = call->names.user_name,
		.way = decision->intent_id == 0 ? NULL : intent_way_name(call->names.way),
		.signer = decision->is_renewal ? &facts->signer : NULL,
		.peer = peer_of(call, peer),
	};

	return policy_question_write(&question, &call->question, err);
}

/* It was allowed. On the signer's thread again. */
static void go_on(void *ctx)
{
	struct pki_call *call = ctx;
	struct http_request *request = call->http;

	if (!issue_and_keep(call))
		http_resume(request);
}

static void answer_denied(void *ctx)
{
	struct pki_call *call = ctx;
	const char *text =
		call->denied_for[0] != '\0' ? call->denied_for : scep_refusal_text(SCEP_REFUSED_POLICY);

	reply_failure(call, SCEP_REFUSED_POLICY, scep_refusal_fail(SCEP_REFUSED_POLICY), text);
	http_resume(call->http);
}

/* On the outbound loop. Without an answer the client comes again, with the same message and challenge. */
static void on_policy(struct policy_ask *ask, enum policy_verdict verdict, const char *text)
{
	struct pki_call *call = (struct pki_call *)(void *)((char *)ask - offsetof(struct pki_call, ask));

	if (verdict == POLICY_SILENT && call->enroll->is_silence_allowed)
		verdict = POLICY_ALLOWED;
	if (verdict == POLICY_ALLOWED) {
		give_to_signer(call, go_on);
	} else if (verdict == POLICY_DENIED) {
		memcpy(call->denied_for, text, strlen(text) + 1);
		give_to_signer(call, answer_denied);
	} else {
		enroll_busy(call->http);
		http_resume(call->http);
	}
}

/* True: the service has the call. */
static bool ask_policy(struct pki_call *call)
{
	struct err err = {0};
	enum rc rc = write_question(call, &err);

	call->ask = (struct policy_ask){.question = buf_slice(&call->question), .done = on_policy};
	if (rc != RC_OK) {
		enroll_fail(call->http, &err);
		return false;
	}
	if (policy_submit(call->enroll->policy, &call->ask, &err) == RC_OK)
		return true;
	enroll_busy(call->http);
	return false;
}

/* --- answers */

static bool answer(struct pki_call *call)
{
	struct err err = {0};

	if (decide(call, &err) != RC_OK)
		enroll_fail(call->http, &err);
	else if (call->decision.refusal != SCEP_NOT_REFUSED)
		reply_refusal(call);
	else if (call->decision.identity_id != 0)
		reply_again(call);
	else
		return call->enroll->policy == NULL ? issue_and_keep(call) : ask_policy(call);
	return false;
}

static void answer_crl(struct pki_call *call)
{
	const struct scep_writer writer = writer_of(call);
	struct buf crl;
	struct err err = {0};
	enum rc rc;

	if (strcmp(call->facts->issuer, call->enroll->ca.subject) != 0) {
		call->decision.refusal = SCEP_REFUSED_NOT_FOUND;
		reply_refusal(call);
		return;
	}
	buf_init(&crl, CRL_BYTES_MAX);
	rc = crl_make(call->enroll, &crl, &err);
	if (rc == RC_OK)
		rc = scep_write_crl(call->scep, &writer, buf_slice(&crl), &call->reply, &err);
	if (rc == RC_OK)
		reply_ready(call);
	else
		enroll_fail(call->http, &err);
	buf_fini(&crl);
}

static void garbled(struct pki_call *call, const char *text)
{
	log_refused(call, SCEP_REFUSED_GARBLED, SCEP_FAIL_NONE, text);
	enroll_say(call->http, 400, text);
}

static bool pki_message(struct pki_call *call)
{
	enum scep_fail fail;
	struct err err = {0};
	enum rc rc = scep_read(call->enroll->device_ca, call->given, &call->scep, &fail, &err);

	if (rc == RC_INVALID || rc == RC_LIMIT) {
		garbled(call, err.text);
		return false;
	}
	if (rc != RC_OK) {
		enroll_fail(call->http, &err);
		return false;
	}
	call->facts = scep_request_facts(call->scep);
	if (fail == SCEP_FAIL_NONE && call->facts->kind != SCEP_GET_CRL)
		return answer(call);
	if (fail != SCEP_FAIL_NONE)
		reply_failure(call, SCEP_REFUSED_GARBLED, fail, err.text);
	else
		answer_crl(call);
	return false;
}

static void on_signer(void *ctx)
{
	struct pki_call *call = ctx;
	struct http_request *request = call->http; /* the call may be gone when the writer has it */

	if (!pki_message(call))
		http_resume(request);
}

/* Base64 in a query, where a `+` that was not escaped came as a space. */
static enum rc message_of_query(struct pki_call *call, struct buf *message, struct err *err)
{
	const char *query = http_request_query(call->http, "message");
	struct slice text = slice_of_str(query);
	char *copy = query == NULL ? NULL : arena_str(http_request_arena(call->http), text);

	if (query == NULL)
		return err_set(err, RC_INVALID, "query: want message=<base64 of the pkiMessage>");
	if (copy == NULL)
		return err_set(err, RC_NO_MEMORY, "SCEP");
	for (char *at = copy; *at != '\0'; at++)
		if (*at == ' ')
			*at = '+';
	return base64_parse(slice_of(copy, text.len), message, err);
}

static void pki_operation(struct enroll *enroll, struct http_request *request)
{
	struct pki_call *call = call_new(enroll, request);
	struct err err = {0};

	if (call == NULL) {
		enroll_busy(request);
		return;
	}
	call->given = http_request_body(request);
	if (call->given.len == 0) {
		if (message_of_query(call, &call->message, &err) != RC_OK) {
			garbled(call, err.text);
			return;
		}
		call->given = buf_slice(&call->message);
	}
	http_defer(request);
	give_to_signer(call, on_signer);
}

/* SHA-384 is not of the RFC; strongSwan 5.9.8 asks for AES only where it stands here. */
static void get_ca_caps(struct enroll *enroll, struct http_request *request)
{
	(void)enroll;
	enroll_say(request, 200,
		"POSTPKIOperation\nSHA-1\nSHA-256\nSHA-384\nSHA-512\nAES\nDES3\nRenewal\nSCEPStandard\n");
}

/* The CA itself answers, so its certificate comes alone: a bundle would promise certificates of an RA. */
static void get_ca_cert(struct enroll *enroll, struct http_request *request)
{
	http_reply_copy(request, 200, "application/x-x509-ca-cert", authority_cert_der(enroll->device_ca));
}

static void get_next_ca_cert(struct enroll *enroll, struct http_request *request)
{
	(void)enroll;
	enroll_say(request, 404, "there is no next CA certificate");
}

static const struct {
	const char *name;
	void (*handle)(struct enroll *enroll, struct http_request *request);
} operations[] = {
	{"GetCACaps", get_ca_caps},
	{"GetCACert", get_ca_cert},
	{"GetNextCACert", get_next_ca_cert},
	{"PKIOperation", pki_operation},
};

size_t scep_body_max(const struct http_request *request, void *enroll)
{
	(void)request;
	(void)enroll;
	return SCEP_MESSAGE_BYTES_MAX;
}

void scep_handle(struct http_request *request, void *ctx)
{
	struct enroll *enroll = ctx;
	const char *operation = http_request_query(request, "operation");
	struct enroll_settings settings = enroll_settings(enroll);
	bool is_on = settings.is_scep_on;

	settings_wipe(&settings);
	if (!is_on) {
		enroll_say(request, 404, "SCEP is switched off");
		return;
	}
	for (size_t i = 0; operation != NULL && i < COUNT_OF(operations); i++)
		if (strcmp(operation, operations[i].name) == 0) {
			operations[i].handle(enroll, request);
			return;
		}
	enroll_say(request, 400,
		"query: want operation=GetCACaps, GetCACert, GetNextCACert or PKIOperation");
}
