/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "init.h"
#include "pomona/base/file.h"
#include "pomona/store/admin.h"
#include "pomona/store/escrow.h"
#include "pomona/store/identity.h"

enum {
	CA_YEARS = 10,
	TLS_DAYS = 397, /* what browsers and Apple devices take of public CAs; ours need not, but may */
	SECONDS_A_DAY = 86400,
	KEY_BYTES_MAX = 16384,
	PEM_BYTES_MAX = 2 * CERT_DER_BYTES_MAX,
	TOKENS_BYTES_MAX = 1024 * 1024,
	COMMON_NAME_BYTES_MAX = 64, /* RFC 5280 ub-common-name */
};

/* --- authorities in the vault */

struct vault_names {
	const char *cert, *key;
};

static enum rc load(struct txn *txn, const struct vault_names *names,
	struct authority **authority_r, struct err *err)
{
	struct buf cert, key;
	enum rc rc;

	buf_init(&cert, CERT_DER_BYTES_MAX);
	buf_init(&key, KEY_BYTES_MAX);
	rc = vault_get(txn, names->cert, &cert, err);
	if (rc == RC_OK)
		rc = vault_get(txn, names->key, &key, err);
	if (rc == RC_OK)
		rc = authority_load(buf_slice(&cert), buf_slice(&key), authority_r, err);
	buf_fini(&cert);
	buf_fini_secret(&key);
	return rc;
}

static enum rc keep(struct txn *txn, const struct vault_names *names,
	const struct authority *authority, struct err *err)
{
	struct buf key;
	enum rc rc;

	buf_init(&key, KEY_BYTES_MAX);
	if (buf_reserve(&key, KEY_BYTES_MAX) == NULL)
		return err_set(err, RC_NO_MEMORY, "key");
	rc = authority_write_key_der(authority, &key, err);
	if (rc == RC_OK)
		rc = vault_put(txn, names->key, buf_slice(&key), err);
	if (rc == RC_OK)
		rc = vault_put(txn, names->cert, authority_cert_der(authority), err);
	buf_fini_secret(&key);
	return rc;
}

/* The one in the vault, or a new one that is kept there. */
static enum rc load_or_make(struct txn *txn, const struct vault_names *names,
	const struct authority_params *params, struct authority **authority_r, struct err *err)
{
	enum rc rc = load(txn, names, authority_r, err);

	if (rc != RC_NOT_FOUND)
		return rc;
	rc = authority_new(params, authority_r, err);
	return rc == RC_OK ? keep(txn, names, *authority_r, err) : rc;
}

/* --- the device CA */

static enum rc make_device_ca(void *ctx, struct txn *txn, struct err *err)
{
	static const struct vault_names names = {"device_ca.cert", "device_ca.key"};
	AUTO(authority_free) struct authority *authority = NULL;
	struct init *init = ctx;
	const struct authority_params params = {
		.key = KEY_RSA_2048, /* SCEP decrypts with it: every device has to pay for more bits */
		.common_name = "Pomona device CA",
		.now = init->now,
		.valid_s = (int64_t)CA_YEARS * 365 * SECONDS_A_DAY,
	};
	enum rc rc = load_or_make(txn, &names, &params, &authority, err);

	if (rc == RC_OK)
		rc = cert_read_facts(authority_cert_der(authority), &init->device_ca, err);
	if (rc != RC_OK)
		return rc;
	rc = anchor_add(txn, authority_cert_der(authority), &init->device_ca, err);
	return rc == RC_EXISTS ? RC_OK : rc;
}

enum rc init_make_device_ca(struct init *init, struct err *err)
{
	return store_run(init->store, make_device_ca, init, err);
}

/* --- the server's certificate */

static enum rc write_pem(const char *path, struct slice der, struct err *err)
{
	struct buf pem;
	enum rc rc;

	buf_init(&pem, PEM_BYTES_MAX);
	cert_write_pem(der, &pem);
	rc = buf_status(&pem, path, err);
	if (rc == RC_OK)
		rc = file_replace(path, buf_slice(&pem), 0644, err);
	buf_fini(&pem);
	return rc;
}

static enum rc issue_tls(struct init *init, const struct authority *root, struct err *err)
{
	const struct issue_params params = {
		.common_name = strlen(init->hostname) <= COMMON_NAME_BYTES_MAX ? init->hostname : "Pomona",
		.dns_name = init->hostname,
		.is_server = true,
		.now = init->now,
		.valid_s = (int64_t)TLS_DAYS * SECONDS_A_DAY,
	};
	struct buf der, key;
	enum rc rc;

	buf_init(&der, CERT_DER_BYTES_MAX);
	buf_init(&key, KEY_BYTES_MAX);
	rc = authority_issue_key(root, KEY_P256, &params, &der, &key, err);
	if (rc == RC_OK)
		rc = file_replace(init->paths.tls_key, buf_slice(&key), 0600, err);
	if (rc == RC_OK)
		rc = write_pem(init->paths.tls_cert, buf_slice(&der), err);
	buf_fini(&der);
	buf_fini_secret(&key);
	return rc;
}

/* Both files of one making: a run that was interrupted between them left a key without its certificate. */
static bool is_pair_there(struct init *init)
{
	struct buf cert, key;
	bool is_there;

	buf_init(&cert, FILE_BYTES_MAX);
	buf_init(&key, KEY_BYTES_MAX);
	is_there = file_read(init->paths.tls_cert, &cert, NULL) == RC_OK &&
		file_read(init->paths.tls_key, &key, NULL) == RC_OK &&
		tls_pair_check(buf_slice(&cert), buf_slice(&key), &init->tls_leaf, NULL) == RC_OK;
	buf_fini(&cert);
	buf_fini_secret(&key);
	return is_there;
}

static enum rc make_root(void *ctx, struct txn *txn, struct err *err)
{
	static const struct vault_names names = {"tls_root.cert", "tls_root.key"};
	AUTO(authority_free) struct authority *root = NULL;
	struct init *init = ctx;
	const struct authority_params params = {
		.key = KEY_P256,
		.common_name = "Pomona TLS root",
		.now = init->now,
		.valid_s = (int64_t)CA_YEARS * 365 * SECONDS_A_DAY,
	};
	enum rc rc = load_or_make(txn, &names, &params, &root, err);

	if (rc == RC_OK)
		rc = write_pem(init->paths.root_cert, authority_cert_der(root), err);
	if (rc == RC_OK && !is_pair_there(init))
		rc = issue_tls(init, root, err);
	if (rc == RC_OK && !is_pair_there(init))
		rc = err_set(err, RC_INTERNAL, "the TLS certificate just made does not belong to its key");
	return rc;
}

enum rc init_make_tls(struct init *init, struct err *err)
{
	return init->is_tls_given ? RC_OK : store_run(init->store, make_root, init, err);
}

/* --- the first token */

static enum rc add_token(void *ctx, struct txn *txn, struct err *err)
{
	AUTO(arena_free) struct arena *arena = arena_new(TOKENS_BYTES_MAX);
	struct api_token_view *views;
	static const struct api_token token = {
		.name = "first",
		.role = API_ROLE_ADMIN,
		.created_by = "init",
	};
	struct init *init = ctx;
	uint8_t hash[SHA256_BYTES];
	size_t count;
	enum rc rc;

	if (arena == NULL)
		return err_set(err, RC_NO_MEMORY, "tokens");
	rc = api_token_list(txn, arena, &views, &count, err);
	if (rc != RC_OK || count > 0)
		return rc;
	token_make(init->token);
	token_hash(slice_of_str(init->token), hash);
	return api_token_add(txn, &token, hash, err);
}

enum rc init_make_token(struct init *init, struct err *err)
{
	return store_run(init->store, add_token, init, err);
}
