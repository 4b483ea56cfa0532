/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

enum { LIST_BYTES_MAX = 33554432 }; /* INTENT_REVOKED_MAX entries with their texts, and room */

static enum rc make(struct enroll *enroll, struct txn *txn, struct arena *arena, struct buf *out,
	struct err *err)
{
	struct enroll_settings settings = enroll_settings(enroll);
	struct crl_entry *entries = NULL;
	struct crl_params params = {.now = txn_now(txn), .valid_s = settings.crl_valid_s};
	enum rc rc = identity_list_revoked(txn, arena, &entries, &params.count, err);

	settings_wipe(&settings);
	params.entries = entries;
	params.number = (uint64_t)params.now; /* goes up by itself, and needs no place to be kept */
	return rc == RC_OK ? authority_write_crl(enroll->device_ca, &params, out, err) : rc;
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

void crl_handle(struct http_request *request, void *ctx)
{
	struct enroll *enroll = ctx;
	struct buf crl;
	struct err err = {0};

	buf_init(&crl, CRL_BYTES_MAX);
	if (crl_make(enroll, &crl, &err) == RC_OK)
		http_reply(request, 200, "application/pkix-crl", &crl);
	else
		enroll_fail(request, &err);
	buf_fini(&crl);
}
