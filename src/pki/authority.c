/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/pki/authority.h"

#include "internal.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

struct authority {
	X509 *cert;
	EVP_PKEY *key;
	struct buf der;
	int64_t not_after;
};

/* 9999-12-31T23:59:59Z, the last moment that a certificate can name. */
static const int64_t time_max = 253402300799;

/* Keeps references of its own to both. */
static enum rc authority_of(X509 *cert, EVP_PKEY *key, struct authority **authority_r,
	struct err *err)
{
	AUTO(authority_free) struct authority *authority = calloc(1, sizeof(*authority));
	struct cert_facts facts;

	if (authority == NULL)
		return err_set(err, RC_NO_MEMORY, "authority");
	buf_init(&authority->der, CERT_DER_BYTES_MAX);
	if (X509_up_ref(cert) == 1)
		authority->cert = cert;
	if (EVP_PKEY_up_ref(key) == 1)
		authority->key = key;
	if (pki_cert_write(cert, &authority->der, err) != RC_OK ||
		pki_cert_facts(cert, buf_slice(&authority->der), &facts, err) != RC_OK)
		return err_context(err, "authority");
	authority->not_after = facts.not_after;
	*authority_r = authority;
	authority = NULL; /* moved to the caller */
	return RC_OK;
}

/* The end of a validity that begins at `now`. */
static enum rc end_of(int64_t now, int64_t valid_s, int64_t *end_r, struct err *err)
{
	if (now < AUTHORITY_BACKDATE_S || now > time_max || valid_s <= 0)
		return err_set(err, RC_INVALID, "certificate: it must begin after 1970 and end after it begins");
	*end_r = valid_s > time_max - now ? time_max : now + valid_s;
	return RC_OK;
}

enum rc authority_new(const struct authority_params *params, struct authority **authority_r,
	struct err *err)
{
	AUTO(ossl_key_free) EVP_PKEY *key = NULL;
	AUTO(ossl_name_free) X509_NAME *name = NULL;
	AUTO(ossl_cert_free) X509 *cert = NULL;
	const struct pki_name texts = {.organization = params->organization,
		.common_name = params->common_name};
	struct pki_cert_plan plan = {.is_ca = true, .not_before = params->now - AUTHORITY_BACKDATE_S};
	enum rc rc = end_of(params->now, params->valid_s, &plan.not_after, err);

	*authority_r = NULL;
	if (rc == RC_OK)
		rc = pki_name_make(&texts, &name, err);
	if (rc == RC_OK)
		rc = pki_key_make(params->key, &key, err);
	plan.subject = name;
	plan.key = key;
	plan.issuer_key = key;
	if (rc == RC_OK)
		rc = pki_cert_build(&plan, &cert, err);
	return rc != RC_OK ? rc : authority_of(cert, key, authority_r, err);
}

enum rc authority_load(struct slice cert_der, struct slice key_der, struct authority **authority_r,
	struct err *err)
{
	AUTO(ossl_cert_free) X509 *cert = NULL;
	AUTO(ossl_key_free) EVP_PKEY *key = NULL;

	*authority_r = NULL;
	if (pki_cert_parse(cert_der, &cert, err) != RC_OK ||
		pki_key_parse_der(key_der, &key, err) != RC_OK || pki_key_check(key, "authority", err) != RC_OK)
		return err_context(err, "authority");
	if (!pki_key_is_of(key, cert))
		return err_set(err, RC_INVALID, "authority: the key is not the certificate's");
	if (X509_check_ca(cert) != 1)
		return err_set(err, RC_INVALID, "authority: the certificate is not a CA's");
	return authority_of(cert, key, authority_r, err);
}

struct slice authority_cert_der(const struct authority *authority)
{
	return buf_slice(&authority->der);
}

X509 *pki_authority_cert(const struct authority *authority)
{
	return authority->cert;
}

EVP_PKEY *pki_authority_key(const struct authority *authority)
{
	return authority->key;
}

enum rc authority_write_key_der(const struct authority *authority, struct buf *out, struct err *err)
{
	return pki_key_write_der(authority->key, out, err);
}

void authority_free(struct authority **authority)
{
	if (*authority == NULL)
		return;
	X509_free((*authority)->cert);
	EVP_PKEY_free((*authority)->key);
	buf_fini(&(*authority)->der);
	free(*authority);
	*authority = NULL;
}

static bool is_ip_address(const char *name)
{
	uint8_t address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* The characters of DNS names, and a leading "*.": enough to keep out what would be misread elsewhere. */
static bool is_dns_text(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
	size_t from = strncmp(name, "*.", 2) == 0 ? 2 : 0;

	return name[from] != '\0' && strlen(name) <= DNS_NAME_BYTES_MAX &&
		name[from + strspn(name + from, allowed)] == '\0';
}

static bool is_alt_name(const char *name)
{
	return name == NULL || is_ip_address(name) || is_dns_text(name);
}

static enum rc issue(const struct authority *authority, const struct issue_params *params,
	const struct pki_cert_plan *who, struct buf *cert_der, struct cert_facts *facts_r, struct err *err)
{
	AUTO(ossl_cert_free) X509 *cert = NULL;
	struct pki_cert_plan plan = *who;
	const size_t began = cert_der->len;
	enum rc rc = end_of(params->now, params->valid_s, &plan.not_after, err);

	if (rc != RC_OK)
		return rc;
	if (authority->not_after <= params->now)
		return err_set(err, RC_INVALID, "the CA itself has expired");
	if (!is_alt_name(params->dns_name) || !is_alt_name(params->other_name))
		return err_set(err, RC_INVALID, "want a DNS name of at most %d bytes, or an IP address",
			DNS_NAME_BYTES_MAX);
	if (X509_NAME_entry_count(plan.subject) == 0 && params->dns_name == NULL && plan.names_of == NULL)
		return err_set(err, RC_INVALID, "a subject is needed");
	if (plan.not_after > authority->not_after)
		plan.not_after = authority->not_after;
	plan.not_before = params->now - AUTHORITY_BACKDATE_S;
	plan.issuer = authority->cert;
	plan.issuer_key = authority->key;
	plan.dns_names[0] = params->dns_name;
	plan.dns_names[1] = params->other_name;
	plan.is_server = params->is_server;
	rc = pki_cert_build(&plan, &cert, err);
	if (rc == RC_OK)
		rc = pki_cert_write(cert, cert_der, err);
	if (rc != RC_OK || facts_r == NULL)
		return rc;
	return pki_cert_facts(cert, slice_sub(buf_slice(cert_der), began, SIZE_MAX), facts_r, err);
}

enum rc pki_authority_issue(const struct authority *authority, const struct pki_csr *csr,
	const struct issue_params *params, struct buf *cert_der, struct cert_facts *facts_r,
	struct err *err)
{
	AUTO(ossl_name_free) X509_NAME *name = NULL;
	const struct pki_name texts = {.user_id = params->user_id, .common_name = params->common_name};
	struct pki_cert_plan plan = {.is_ca = false};
	enum rc rc = RC_OK;

	if (params->common_name != NULL || params->user_id != NULL)
		rc = pki_name_make(&texts, &name, err);
	if (rc != RC_OK)
		return rc;
	plan.subject = name != NULL ? name : csr->subject;
	plan.key = csr->key;
	return issue(authority, params, &plan, cert_der, facts_r, err);
}

enum rc authority_issue_csr(const struct authority *authority, struct slice csr,
	const struct issue_params *params, struct buf *cert_der, struct err *err)
{
	AUTO(pki_csr_fini) struct pki_csr request = {.key = NULL};
	enum rc rc = pki_csr_parse(csr, NULL, &request, err);

	return rc == RC_OK ? pki_authority_issue(authority, &request, params, cert_der, NULL, err) : rc;
}

enum rc authority_issue_key(const struct authority *authority, enum key_kind kind,
	const struct issue_params *params, struct buf *cert_der, struct buf *key_pem, struct err *err)
{
	AUTO(ossl_key_free) EVP_PKEY *key = NULL;
	AUTO(ossl_name_free) X509_NAME *name = NULL;
	const struct pki_name texts = {.user_id = params->user_id, .common_name = params->common_name};
	struct pki_cert_plan plan = {.is_ca = false};
	enum rc rc = pki_name_make(&texts, &name, err);

	if (rc == RC_OK)
		rc = pki_key_make(kind, &key, err);
	if (rc != RC_OK)
		return rc;
	plan.subject = name;
	plan.key = key;
	rc = issue(authority, params, &plan, cert_der, NULL, err);
	return rc != RC_OK ? rc : pki_key_write_pem(key, key_pem, err);
}

enum rc authority_renew_tls(const struct authority *authority, struct slice cert_der, int64_t now,
	int64_t valid_s, struct buf *out, struct err *err)
{
	const struct issue_params params = {.is_server = true, .now = now, .valid_s = valid_s};
	AUTO(ossl_cert_free) X509 *old = NULL;
	AUTO(buf_fini) struct buf der;
	struct pki_cert_plan plan = {.is_ca = false};
	struct cert_facts before, after;
	enum rc rc = cert_read_facts(cert_der, &before, err);

	buf_init(&der, CERT_DER_BYTES_MAX);
	if (rc != RC_OK || (rc = pki_cert_parse(cert_der, &old, err)) != RC_OK)
		return rc;
	if (!cert_is_issued_by(cert_der, authority_cert_der(authority)))
		return err_set(err, RC_INVALID, "%s is not of this CA", before.subject);
	plan.subject = X509_get_subject_name(old);
	plan.key = X509_get0_pubkey(old);
	plan.names_of = old;
	rc = issue(authority, &params, &plan, &der, NULL, err);
	if (rc == RC_OK)
		rc = cert_read_facts(buf_slice(&der), &after, err);
	if (rc != RC_OK)
		return rc;
	if (after.not_after <= before.not_after)
		return err_set(err, RC_INVALID, "a new one would not end later: its root ends first");
	buf_append(out, buf_slice(&der));
	return buf_status(out, "certificate", err);
}
