/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/pki/apple_chain.h"

#include <openssl/err.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "signed.h"

struct apple_chain {
	atomic_uint refs;
	X509_STORE *store;
	size_t count;
};

/* Indexed by enum apple_verdict: as logs call it, and in a sentence. */
static const struct {
	const char *name, *text;
} verdicts[APPLE_VERDICT_COUNT] = {
	[APPLE_GOOD] = {"good", ""},
	[APPLE_NOTHING_IMPORTED] = {"no_apple_ca",
		"no certificate of Apple's is imported: `pomonactl apple-ca import`"},
	[APPLE_GARBLED] = {"garbled", "it cannot be read"},
	[APPLE_NOT_CHAINED] = {"not_apple", "no imported certificate of Apple's has issued the signer's"},
	[APPLE_WEAK] = {"weak", "the signer's key, or the digest of its certificate, is not taken"},
	[APPLE_NOT_SIGNED] = {"not_signed", "its signature does not hold"},
	[APPLE_UNJUDGED] = {"unjudged", "memory was short"},
};

const char *apple_verdict_name(enum apple_verdict verdict)
{
	return (unsigned)verdict < APPLE_VERDICT_COUNT ? verdicts[verdict].name : "unknown";
}

const char *apple_cert_name(const uint8_t sha256[static SHA256_BYTES])
{
	static const struct {
		const char *name, *sha256;
	} known[] = {
		{"Apple Root CA", "b0b1730ecbc7ff4505142c49f1295e6eda6bcaed7e2c68c5be91b5a11001f024"},
		{"Apple iPhone Certification Authority",
			"e4e2936d3c076ec4aea8ac37277524950ca005894b39bba2d347fa33155ae5fa"},
		{"Apple iPhone Device CA", "76f27d00e1333bc88de0e2916c38c9a7f2b75774c25a794c092a80e3c4c66cce"},
	};
	char hex[SHA256_TEXT_BYTES];

	sha256_text(sha256, hex);
	for (size_t i = 0; i < COUNT_OF(known); i++)
		if (strcmp(known[i].sha256, hex) == 0)
			return known[i].name;
	return NULL;
}

static enum rc parse_cert(struct slice der, X509 **cert_r, struct cert_facts *facts_r,
	struct err *err)
{
	AUTO(ossl_cert_free) X509 *cert = NULL;
	enum rc rc = pki_cert_parse(der, &cert, err);

	if (rc == RC_OK)
		rc = pki_cert_facts(cert, der, facts_r, err);
	if (rc != RC_OK)
		return rc;
	if (!facts_r->is_ca)
		return err_set(err, RC_INVALID, "%s is not the certificate of a CA", facts_r->subject);
	if (!pki_signed_is_key_taken(cert)) {
		ERR_clear_error();
		return err_set(err, RC_INVALID, "%s: its key is not taken: want RSA of %d to %d bits, or EC",
			facts_r->subject, SIGNER_RSA_BITS_MIN, SIGNER_RSA_BITS_MAX);
	}
	(void)X509_check_purpose(cert, -1, 0); /* reads its extensions now: later, memory may be short */
	*cert_r = cert;
	cert = NULL; /* moved to the caller */
	return RC_OK;
}

enum rc apple_cert_check(struct slice der, struct cert_facts *facts_r, struct err *err)
{
	AUTO(ossl_cert_free) X509 *cert = NULL;

	return parse_cert(der, &cert, facts_r, err);
}

/* Its own security level would refuse what Apple's chain is made of: what is taken is asked by ourselves. */
static bool set_rules(X509_STORE *store)
{
	X509_VERIFY_PARAM *rules = X509_STORE_get0_param(store);

	X509_VERIFY_PARAM_set_depth(rules, APPLE_CERTS_MAX);
	X509_VERIFY_PARAM_set_auth_level(rules, 0);
	return X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME) ==
		1;
}

static enum rc add_cert(struct apple_chain *chain, struct slice der, struct err *err)
{
	AUTO(ossl_cert_free) X509 *cert = NULL;
	struct cert_facts facts;
	enum rc rc = parse_cert(der, &cert, &facts, err);

	if (rc == RC_OK && X509_STORE_add_cert(chain->store, cert) != 1)
		return ossl_fault(err, RC_NO_MEMORY, "Apple's certificates");
	return rc;
}

enum rc apple_chain_new(const struct slice *ders, size_t count, struct apple_chain **chain_r,
	struct err *err)
{
	AUTO(apple_chain_unref) struct apple_chain *chain = NULL;
	enum rc rc = RC_OK;

	*chain_r = NULL;
	if (count > APPLE_CERTS_MAX)
		return err_set(err, RC_LIMIT, "%zu certificates of Apple's, want at most %d", count,
			APPLE_CERTS_MAX);
	chain = calloc(1, sizeof(*chain));
	if (chain == NULL)
		return err_set(err, RC_NO_MEMORY, "Apple's certificates");
	atomic_init(&chain->refs, 1);
	chain->count = count;
	chain->store = X509_STORE_new();
	if (chain->store == NULL || !set_rules(chain->store))
		return ossl_fault(err, RC_NO_MEMORY, "Apple's certificates");
	for (size_t i = 0; rc == RC_OK && i < count; i++)
		rc = add_cert(chain, ders[i], err);
	if (rc != RC_OK)
		return rc;
	*chain_r = chain;
	chain = NULL; /* moved to the caller */
	return RC_OK;
}

struct apple_chain *apple_chain_ref(struct apple_chain *chain)
{
	(void)atomic_fetch_add_explicit(&chain->refs, 1, memory_order_relaxed);
	return chain;
}

void apple_chain_unref(struct apple_chain **chain)
{
	struct apple_chain *gone = *chain;

	*chain = NULL;
	if (gone == NULL || atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel) != 1)
		return;
	X509_STORE_free(gone->store);
	free(gone);
}

/* MD5 and the like: what can be forged. */
static bool is_digest_taken(X509 *cert)
{
	static const int digests[] = {NID_sha1, NID_sha256, NID_sha384, NID_sha512};
	int digest = NID_undef;

	if (X509_get_signature_info(cert, &digest, NULL, NULL, NULL) != 1)
		return false;
	for (size_t i = 0; i < COUNT_OF(digests); i++)
		if (digests[i] == digest)
			return true;
	return false;
}

/* What came with the message is no help here: who is above the signer must have been imported. */
static enum apple_verdict judge(const struct apple_chain *chain, X509 *signer)
{
	AUTO(ossl_store_ctx_free) X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	if (ctx == NULL || X509_STORE_CTX_init(ctx, chain->store, signer, NULL) != 1)
		return APPLE_UNJUDGED;
	if (X509_verify_cert(ctx) != 1 || X509_check_ca(signer) != 0)
		return APPLE_NOT_CHAINED;
	return pki_signed_is_key_taken(signer) && is_digest_taken(signer) ? APPLE_GOOD : APPLE_WEAK;
}

enum apple_verdict apple_chain_judge(const struct apple_chain *chain, struct slice der)
{
	AUTO(ossl_cert_free) X509 *signer = NULL;
	enum apple_verdict verdict;
	enum rc rc;

	if (chain->count == 0)
		return APPLE_NOTHING_IMPORTED;
	rc = pki_cert_parse(der, &signer, NULL);
	if (rc != RC_OK)
		return rc == RC_NO_MEMORY ? APPLE_UNJUDGED : APPLE_GARBLED;
	ossl_forget();
	verdict = judge(chain, signer);
	if (ossl_was_memory_short())
		return verdict == APPLE_GOOD ? APPLE_GOOD : APPLE_UNJUDGED;
	return verdict;
}

enum apple_verdict apple_chain_open(const struct apple_chain *chain, struct slice message,
	struct device_cms **cms_r, struct err *err)
{
	enum apple_verdict verdict;
	enum rc rc = device_cms_parse(message, cms_r, err);

	if (rc != RC_OK)
		return rc == RC_NO_MEMORY ? APPLE_UNJUDGED : APPLE_GARBLED;
	verdict = apple_chain_judge(chain, device_cms_signer_der(*cms_r));
	if (verdict != APPLE_GOOD) {
		(void)err_set(err, RC_DENIED, "%s", verdicts[verdict].text);
		return verdict;
	}
	rc = device_cms_verify(*cms_r, err);
	if (rc == RC_NO_MEMORY)
		return APPLE_UNJUDGED;
	if (rc == RC_UNSUPPORTED)
		return APPLE_WEAK;
	return rc == RC_OK ? APPLE_GOOD : APPLE_NOT_SIGNED;
}
