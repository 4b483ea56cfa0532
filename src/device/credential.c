/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "pomona/store/identity.h"

/* The trust anchors of one moment. */
struct anchors {
	struct trust *trust; /* a reference of its own */
	uint8_t fingerprint[SHA256_BYTES];
	uint64_t generation;
};

static void anchors_take(struct device *device, struct anchors *anchors)
{
	(void)pthread_rwlock_rdlock(&device->lock);
	anchors->trust = trust_ref(device->trust);
	memcpy(anchors->fingerprint, device->fingerprint, SHA256_BYTES);
	anchors->generation = atomic_load(&device->trust_generation);
	(void)pthread_rwlock_unlock(&device->lock);
}

static enum rc find_identity(struct device *device, const uint8_t digest[static SHA256_BYTES],
	struct identity *identity_r, struct err *err)
{
	struct txn *txn = NULL;
	enum rc rc = store_read_begin(device->store, &txn, err);

	if (rc != RC_OK)
		return rc;
	rc = identity_find(txn, digest, identity_r, err);
	store_read_end(device->store, &txn);
	return rc;
}

/*
 * A certificate that was judged good under these very anchors needs no second verification, which
 * costs 130 us: its digest says that it is the same.
 */
static bool is_good_by_pin(const struct identity *identity, const struct anchors *anchors,
	int64_t now)
{
	return identity->revoked_at == 0 && identity->not_before <= now && now <= identity->not_after &&
		memcmp(identity->chained_under, anchors->fingerprint, SHA256_BYTES) == 0;
}

static void take_from_pin(struct held_credential *held, const struct identity *identity)
{
	held->credential.verdict = CERT_GOOD;
	memcpy(held->credential.facts.sha256, identity->sha256, SHA256_BYTES);
	held->credential.facts.not_before = identity->not_before;
	held->credential.facts.not_after = identity->not_after;
}

static enum rc judge(struct device *device, const struct anchors *anchors,
	const struct slice *chain, size_t count, struct held_credential *held, struct err *err)
{
	int64_t now = clock_unix_s(device->clock);
	struct identity identity;
	uint8_t digest[SHA256_BYTES];
	enum rc rc;

	sha256(chain[0], digest);
	rc = find_identity(device, digest, &identity, err);
	if (rc != RC_OK && rc != RC_NOT_FOUND)
		return rc;
	if (rc == RC_OK && is_good_by_pin(&identity, anchors, now)) {
		take_from_pin(held, &identity);
		atomic_fetch_add(&device->judged_by_pin, 1);
		return RC_OK;
	}
	held->credential.verdict = trust_judge(anchors->trust, chain, count, now, &held->credential.facts);
	if (held->credential.verdict == CERT_UNJUDGED)
		return err_set(err, RC_NO_MEMORY, "the certificate could not be judged: memory is short");
	held->has_names = true;
	held->is_pin_stale = rc == RC_OK && held->credential.verdict == CERT_GOOD;
	atomic_fetch_add(&device->judged, 1);
	return RC_OK;
}

enum rc credential_judge(struct device *device, const struct slice *chain, size_t count,
	struct held_credential *held, struct err *err)
{
	struct anchors anchors;
	enum rc rc = RC_OK;

	anchors_take(device, &anchors);
	memset(held, 0, sizeof(*held));
	memcpy(held->credential.chained_under, anchors.fingerprint, SHA256_BYTES);
	if (count == 0) {
		held->credential.verdict = CERT_MISSING;
		held->has_names = true;
	} else {
		rc = judge(device, &anchors, chain, count, held, err);
	}
	if (rc == RC_OK)
		held->trust_generation = anchors.generation;
	trust_unref(&anchors.trust);
	return rc;
}

struct held_connection *credential_connection(struct http_request *request)
{
	struct held_connection *connection = http_connection_state(request);

	if (connection != NULL)
		return connection;
	connection = calloc(1, sizeof(*connection));
	if (connection != NULL)
		http_connection_set_state(request, connection, free);
	return connection;
}

enum rc credential_hold(struct device *device, struct http_request *request,
	struct held_credential **held_r, struct err *err)
{
	struct held_connection *connection = credential_connection(request);
	struct slice chain[HTTP_PEER_CERTS_MAX];
	size_t count;

	if (connection == NULL)
		return err_set(err, RC_NO_MEMORY, "the connection's credential");
	*held_r = &connection->tls;
	if (connection->tls.trust_generation == atomic_load(&device->trust_generation))
		return RC_OK;
	count = http_request_peer_certs(request, chain);
	return credential_judge(device, chain, count, &connection->tls, err);
}

void credential_read_names(struct held_credential *held, struct slice leaf)
{
	struct cert_facts facts;
	struct err err;

	if (held->has_names)
		return;
	held->has_names = true;
	if (cert_read_facts(leaf, &facts, &err) == RC_OK)
		held->credential.facts = facts;
}
