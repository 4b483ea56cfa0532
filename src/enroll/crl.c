/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

enum {
	LIST_BYTES_MAX = 33554432, /* INTENT_REVOKED_MAX entries with their texts, and room */
	TEXT_BYTES_MAX = LIST_BYTES_MAX,
};

static enum rc digest_of(const struct crl_params *params, uint8_t digest[static SHA256_BYTES],
	struct err *err)
{
	AUTO(buf_fini) struct buf text;
	enum rc rc;

	buf_init(&text, TEXT_BYTES_MAX);
	buf_printf(&text, "%lld\n", (long long)params->valid_s);
	for (size_t i = 0; i < params->count; i++)
		buf_printf(&text, "%s %lld\n", params->entries[i].serial,
			(long long)params->entries[i].revoked_at);
	rc = buf_status(&text, "CRL", err);
	if (rc == RC_OK)
		sha256(buf_slice(&text), digest);
	return rc;
}

static bool is_fresh(const struct crl_cache *cache, const struct crl_params *params,
	const uint8_t digest[static SHA256_BYTES])
{
	return cache->der.len > 0 && memcmp(cache->of, digest, SHA256_BYTES) == 0 &&
		params->now >= cache->made_at && params->now - cache->made_at < params->valid_s / CRL_LIFE_PARTS;
}

static enum rc sign(struct enroll *enroll, const struct crl_params *params,
	const uint8_t digest[static SHA256_BYTES], struct err *err)
{
	struct crl_cache *cache = &enroll->crl;
	enum rc rc;

	buf_fini(&cache->der);
	buf_init(&cache->der, CRL_BYTES_MAX);
	rc = authority_write_crl(enroll->device_ca, params, &cache->der, err);
	if (rc != RC_OK)
		buf_fini(&cache->der);
	memcpy(cache->of, digest, SHA256_BYTES);
	cache->made_at = params->now;
	return rc;
}

static enum rc make(struct enroll *enroll, struct txn *txn, struct arena *arena, struct buf *out,
	struct err *err)
{
	struct enroll_settings settings = enroll_settings(enroll);
	struct crl_entry *entries = NULL;
	struct crl_params params = {.now = txn_now(txn), .valid_s = settings.crl_valid_s};
	uint8_t digest[SHA256_BYTES];
	enum rc rc = identity_list_revoked(txn, arena, &entries, &params.count, err);

	settings_wipe(&settings);
	params.entries = entries;
	params.number = (uint64_t)params.now; /* goes up by itself, and needs no place to be kept */
	if (rc == RC_OK)
		rc = digest_of(&params, digest, err);
	if (rc != RC_OK)
		return rc;
	(void)pthread_mutex_lock(&enroll->crl.lock);
	if (!is_fresh(&enroll->crl, &params, digest))
		rc = sign(enroll, &params, digest, err);
	if (rc == RC_OK) {
		buf_append(out, buf_slice(&enroll->crl.der));
		rc = buf_status(out, "CRL", err);
	}
	(void)pthread_mutex_unlock(&enroll->crl.lock);
	return rc;
}

enum rc crl_make(struct enroll *enroll, struct buf *out, struct err *err)
{
	AUTO(arena_free) struct arena *arena = arena_new(LIST_BYTES_MAX);
	struct txn *txn = NULL;
	enum rc rc = store_read_begin(enroll->store, &txn, err);

	if (rc != RC_OK)
		return rc;
	if (arena == NULL)
		rc = err_set(err, RC_NO_MEMORY, "CRL");
	else
		rc = make(enroll, txn, arena, out, err);
	store_read_end(enroll->store, &txn);
	return rc;
}

/* One list on its way; lives in the arena of its request. */
struct crl_call {
	struct signer_job job;
	struct enroll *enroll;
	struct http_request *http;
};

static void on_signer(void *ctx)
{
	const struct crl_call *call = ctx;
	struct buf crl;
	struct err err = {0};

	buf_init(&crl, CRL_BYTES_MAX);
	if (crl_make(call->enroll, &crl, &err) == RC_OK)
		http_reply(call->http, 200, "application/pkix-crl", &crl);
	else
		enroll_fail(call->http, &err);
	buf_fini(&crl);
	http_resume(call->http);
}

void crl_handle(struct http_request *request, void *ctx)
{
	struct enroll *enroll = ctx;
	struct arena *arena = http_request_arena(request);
	struct crl_call *call = arena == NULL ? NULL : arena_alloc(arena, sizeof(*call));
	struct err err = {.rc = RC_OK};

	if (call == NULL) {
		enroll_busy(request);
		return;
	}
	*call =
		(struct crl_call){.job = {.run = on_signer, .ctx = call}, .enroll = enroll, .http = request};
	http_defer(request);
	if (signer_submit(enroll->signer, &call->job, &err) == RC_OK)
		return;
	enroll_busy(request);
	http_resume(request);
}
