/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/pki/trust.h"

#include <openssl/err.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* OpenSSL's level 2: at least 112 bits, which takes RSA-2048. What P-256 and SHA-256 have is asked besides. */
enum { TRUST_AUTH_LEVEL = 2, TRUST_EC_BITS = 128, TRUST_DIGEST_BITS = 128 };

struct trust {
	atomic_uint refs;
	X509_STORE *store;
	uint8_t fingerprint[SHA256_BYTES];
};

/* Indexed by enum cert_verdict. */
static const char *const verdict_names[CERT_VERDICT_COUNT] = {
	[CERT_GOOD] = "good",
	[CERT_MISSING] = "missing",
	[CERT_GARBLED] = "garbled",
	[CERT_NOT_CHAINED] = "not_chained",
	[CERT_EXPIRED] = "expired",
	[CERT_NOT_YET] = "not_yet",
	[CERT_WRONG_PURPOSE] = "wrong_purpose",
	[CERT_UNJUDGED] = "unjudged",
};

const char *cert_verdict_name(enum cert_verdict verdict)
{
	return (unsigned)verdict < CERT_VERDICT_COUNT ? verdict_names[verdict] : "unknown";
}

static int compare_digests(const void *a, const void *b)
{
	return memcmp(a, b, SHA256_BYTES);
}

static void set_fingerprint(struct trust *trust, const struct slice *anchors, size_t count)
{
	uint8_t digests[TRUST_ANCHORS_MAX][SHA256_BYTES];

	for (size_t i = 0; i < count; i++)
		sha256(anchors[i], digests[i]);
	qsort(digests, count, SHA256_BYTES, compare_digests);
	sha256(slice_of(digests, count * SHA256_BYTES), trust->fingerprint);
}

static enum rc add_anchor(X509_STORE *store, struct slice der, size_t index, struct err *err)
{
	AUTO(ossl_cert_free) X509 *cert = NULL;
	struct cert_facts facts;

	if (pki_cert_parse(der, &cert, err) != RC_OK || pki_cert_facts(cert, der, &facts, err) != RC_OK)
		return err_context(err, "trust anchor %zu", index + 1);
	if (!facts.is_ca)
		return err_set(err, RC_INVALID, "trust anchor %zu: %s is not a CA", index + 1, facts.subject);
	(void)X509_check_purpose(cert, -1, 0); /* reads its extensions now: later, memory may be short */
	if (X509_STORE_add_cert(store, cert) != 1)
		return ossl_fault(err, RC_NO_MEMORY, "trust anchor %zu", index + 1);
	return RC_OK;
}

/* What every judgement has in common; time alone is set for each. */
static bool set_rules(X509_STORE *store)
{
	X509_VERIFY_PARAM *rules = X509_STORE_get0_param(store);

	X509_VERIFY_PARAM_set_depth(rules, CERT_CHAIN_MAX);
	X509_VERIFY_PARAM_set_auth_level(rules, TRUST_AUTH_LEVEL);
	return X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
		X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_SSL_CLIENT) == 1;
}

enum rc trust_new(const struct slice *anchors, size_t count, struct trust **trust_r,
	struct err *err)
{
	AUTO(trust_unref) struct trust *trust = NULL;

	*trust_r = NULL;
	if (count > TRUST_ANCHORS_MAX)
		return err_set(err, RC_LIMIT, "%zu trust anchors, want at most %d", count, TRUST_ANCHORS_MAX);
	trust = calloc(1, sizeof(*trust));
	if (trust == NULL)
		return err_set(err, RC_NO_MEMORY, "trust anchors");
	atomic_init(&trust->refs, 1);
	trust->store = X509_STORE_new();
	if (trust->store == NULL || !set_rules(trust->store))
		return ossl_fault(err, RC_NO_MEMORY, "trust anchors");
	for (size_t i = 0; i < count; i++) {
		enum rc rc = add_anchor(trust->store, anchors[i], i, err);

		if (rc != RC_OK)
			return rc;
	}
	set_fingerprint(trust, anchors, count);
	*trust_r = trust;
	trust = NULL; /* moved to the caller */
	return RC_OK;
}

struct trust *trust_ref(struct trust *trust)
{
	(void)atomic_fetch_add_explicit(&trust->refs, 1, memory_order_relaxed);
	return trust;
}

void trust_unref(struct trust **trust)
{
	struct trust *gone = *trust;

	*trust = NULL;
	if (gone == NULL || atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel) != 1)
		return;
	X509_STORE_free(gone->store);
	free(gone);
}

void trust_fingerprint(const struct trust *trust, uint8_t out[static SHA256_BYTES])
{
	memcpy(out, trust->fingerprint, SHA256_BYTES);
}

/* What OpenSSL found first; what is not named here, weak keys and digests too, is a chain that does not hold. */
static const struct {
	int error;
	enum cert_verdict verdict;
} verdicts[] = {
	{X509_V_OK, CERT_GOOD},
	{X509_V_ERR_CERT_HAS_EXPIRED, CERT_EXPIRED},
	{X509_V_ERR_CERT_NOT_YET_VALID, CERT_NOT_YET},
	{X509_V_ERR_INVALID_PURPOSE, CERT_WRONG_PURPOSE},
	{X509_V_ERR_OUT_OF_MEM, CERT_UNJUDGED},
};

static enum cert_verdict verdict_of(int error)
{
	for (size_t i = 0; i < COUNT_OF(verdicts); i++)
		if (verdicts[i].error == error)
			return verdicts[i].verdict;
	return CERT_NOT_CHAINED;
}

static bool is_key_strong(X509 *cert)
{
	const EVP_PKEY *key = X509_get0_pubkey(cert);

	return EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
		EVP_PKEY_get_security_bits(key) >= TRUST_EC_BITS;
}

static bool is_signature_strong(X509 *cert)
{
	int bits = 0;

	return X509_get_signature_info(cert, NULL, NULL, &bits, NULL) == 1 && bits >= TRUST_DIGEST_BITS;
}

/* Its last one is the anchor, whose own signature proves nothing anyway. */
static bool is_path_strong(const STACK_OF(X509) * path)
{
	int count = sk_X509_num(path);

	for (int i = 0; i < count; i++)
		if (!is_key_strong(sk_X509_value(path, i)) ||
			(i < count - 1 && !is_signature_strong(sk_X509_value(path, i))))
			return false;
	return count > 0;
}

static enum cert_verdict verify(const struct trust *trust, X509 *leaf, STACK_OF(X509) * helpers,
	int64_t now_unix_s)
{
	AUTO(ossl_store_ctx_free) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	enum cert_verdict verdict;

	if (ctx == NULL || X509_STORE_CTX_init(ctx, trust->store, leaf, helpers) != 1)
		return CERT_UNJUDGED;
	X509_STORE_CTX_set_time(ctx, 0, (time_t)now_unix_s);
	if (X509_verify_cert(ctx) != 1) {
		verdict = verdict_of(X509_STORE_CTX_get_error(ctx));
		return verdict == CERT_GOOD ? CERT_NOT_CHAINED : verdict;
	}
	if (!is_path_strong(X509_STORE_CTX_get0_chain(ctx)))
		return CERT_NOT_CHAINED;
	return X509_check_ca(leaf) == 0 ? CERT_GOOD : CERT_WRONG_PURPOSE;
}

/* False: memory is short. Broken ones are passed over. */
static bool read_helpers(const struct slice *chain, size_t count, STACK_OF(X509) * *helpers_r)
{
	*helpers_r = sk_X509_new_null();
	for (size_t i = 1; *helpers_r != NULL && i < count && i < CERT_CHAIN_MAX; i++) {
		X509 *cert = NULL;
		enum rc rc = pki_cert_parse(chain[i], &cert, NULL);

		if (rc == RC_NO_MEMORY)
			return false;
		if (rc == RC_OK && sk_X509_push(*helpers_r, cert) <= 0) {
			X509_free(cert);
			return false;
		}
	}
	return *helpers_r != NULL;
}

static enum cert_verdict judge(const struct trust *trust, const struct slice *chain, size_t count,
	int64_t now_unix_s, struct cert_facts *facts_r)
{
	AUTO(ossl_cert_free) X509 *leaf = NULL;
	AUTO(ossl_certs_free) STACK_OF(X509) *helpers = NULL;
	enum cert_verdict verdict;
	enum rc rc;

	rc = pki_cert_parse(chain[0], &leaf, NULL);
	if (rc == RC_OK)
		rc = pki_cert_facts(leaf, chain[0], facts_r, NULL);
	if (rc != RC_OK)
		return rc == RC_NO_MEMORY ? CERT_UNJUDGED : CERT_GARBLED;
	if (ossl_was_memory_short()) /* for its extensions, which OpenSSL then takes for broken */
		return CERT_UNJUDGED;
	if (!read_helpers(chain, count, &helpers))
		return CERT_UNJUDGED;
	verdict = verify(trust, leaf, helpers, now_unix_s);
	return verdict != CERT_GOOD && ossl_was_memory_short() ? CERT_UNJUDGED : verdict;
}

enum cert_verdict trust_judge(const struct trust *trust, const struct slice *chain, size_t count,
	int64_t now_unix_s, struct cert_facts *facts_r)
{
	enum cert_verdict verdict = CERT_MISSING;

	*facts_r = (struct cert_facts){.not_after = 0};
	if (count > 0)
		verdict = judge(trust, chain, count, now_unix_s, facts_r);
	ossl_forget();
	return verdict;
}
