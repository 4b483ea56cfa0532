/* SPDX-License-Identifier: Apache-2.0 */
#include "certs.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "pomona/base/log.h"
#include "pomona/store/push.h"

enum { LIST_BYTES_MAX = 2 * PUSH_TOPICS_MAX * PUSH_CERT_PEM_BYTES_MAX };

void certificate_fini(struct certificate *cert)
{
	buf_fini(&cert->cert_pem);
	buf_fini_secret(&cert->key_pem);
	*cert = (struct certificate){.topic = ""};
}

bool certificate_is_same(const struct certificate *a, const struct certificate *b)
{
	return a->stored_at == b->stored_at && memcmp(a->sha256, b->sha256, sizeof(a->sha256)) == 0 &&
		slice_is_equal_consttime(buf_slice(&a->key_pem), buf_slice(&b->key_pem));
}

static enum rc read_one(struct txn *txn, const struct push_cert_view *view,
	struct certificate *cert, struct err *err)
{
	enum rc rc;

	*cert = (struct certificate){.not_after = view->not_after, .stored_at = view->stored_at};
	buf_init(&cert->cert_pem, PUSH_CERT_PEM_BYTES_MAX);
	buf_init(&cert->key_pem, PUSH_CERT_PEM_BYTES_MAX);
	(void)snprintf(cert->topic, sizeof(cert->topic), "%s", view->topic);
	memcpy(cert->sha256, view->sha256, sizeof(cert->sha256));
	buf_append(&cert->cert_pem, view->cert_pem);
	rc = buf_status(&cert->cert_pem, "push certificate", err);
	return rc == RC_OK ? push_cert_key(txn, view->topic, &cert->key_pem, err) : rc;
}

static void read_or_log(struct txn *txn, const struct push_cert_view *view,
	struct certificate *cert)
{
	struct err err = {.rc = RC_OK};

	if (read_one(txn, view, cert, &err) == RC_OK)
		return;
	log_error("push_certificate_unreadable", LOG_STR("topic", view->topic),
		LOG_STR("reason", err.text));
	cert->is_unreadable = true;
}

static enum rc read_all(struct txn *txn, struct certificates *certs, struct err *err)
{
	AUTO(arena_free) struct arena *arena = arena_new(LIST_BYTES_MAX);
	struct push_cert_view *views = NULL;
	size_t count = 0;
	enum rc rc;

	if (arena == NULL)
		return err_set(err, RC_NO_MEMORY, "push certificates");
	rc = push_cert_list(txn, arena, &views, &count, err);
	if (rc != RC_OK)
		return rc;
	if (count > PUSH_TOPICS_MAX)
		log_warning("push_certificates_too_many", LOG_INT("max", PUSH_TOPICS_MAX),
			LOG_INT("stored", count));
	while (certs->count < count && certs->count < PUSH_TOPICS_MAX) {
		read_or_log(txn, &views[certs->count], &certs->list[certs->count]);
		certs->count++;
	}
	return RC_OK;
}

static enum rc read_snapshot(struct store *store, struct certificates *certs, struct err *err)
{
	struct txn *txn;
	enum rc rc = store_read_begin(store, &txn, err);

	if (rc != RC_OK)
		return rc;
	rc = read_all(txn, certs, err);
	store_read_end(store, &txn);
	return rc;
}

enum rc certificates_read(struct store *store, struct certificates *certs_r, struct err *err)
{
	enum rc rc;

	*certs_r = (struct certificates){.list = calloc(PUSH_TOPICS_MAX, sizeof(*certs_r->list))};
	if (certs_r->list == NULL)
		return err_set(err, RC_NO_MEMORY, "push certificates");
	rc = read_snapshot(store, certs_r, err);
	if (rc != RC_OK)
		certificates_fini(certs_r);
	return rc;
}

void certificates_fini(struct certificates *certs)
{
	for (size_t i = 0; i < certs->count; i++)
		certificate_fini(&certs->list[i]);
	free(certs->list);
	*certs = (struct certificates){.count = 0};
}
