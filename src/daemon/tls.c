/* SPDX-License-Identifier: Apache-2.0 */
#include "tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "pomona/base/file.h"
#include "pomona/pki/authority.h"
#include "pomona/pki/expiry.h"
#include "pomona/store/escrow.h"
#include "server.h"

enum {
	VALID_S = 397 * 86400, /* as `pomonactl init` has it */
	MODE = 0644,
	MODE_BITS = 07777,
};

/* --- whose it is */

struct chain {
	struct buf *rest; /* PEM of all but the first; NULL: not wanted */
	struct buf leaf;
	size_t count;
};

static enum rc see_cert(void *ctx, struct slice der, struct err *err)
{
	struct chain *chain = ctx;

	(void)err;
	if (chain->count++ == 0)
		buf_append(&chain->leaf, der);
	else if (chain->rest != NULL)
		cert_write_pem(der, chain->rest);
	return RC_OK;
}

static enum rc read_chain(struct slice pem, struct buf *rest, struct chain *chain, struct err *err)
{
	enum rc rc;

	*chain = (struct chain){.rest = rest};
	buf_init(&chain->leaf, CERT_DER_BYTES_MAX);
	rc = cert_pem_each(pem, see_cert, chain, err);
	return rc == RC_OK ? buf_status(&chain->leaf, "TLS certificate", err) : rc;
}

static enum rc find_root(struct txn *txn, struct slice leaf, bool *is_own_r, struct err *err)
{
	AUTO(buf_fini) struct buf root;
	enum rc rc;

	buf_init(&root, CERT_DER_BYTES_MAX);
	rc = vault_get(txn, "tls_root.cert", &root, err);
	*is_own_r = rc == RC_OK && cert_is_issued_by(leaf, buf_slice(&root));
	return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum rc look_whose(const struct host_tls *tls, struct store *store, bool *is_own_r,
	struct err *err)
{
	struct txn *txn = NULL;
	struct chain chain;
	enum rc rc = read_chain(buf_slice(&tls->chain), NULL, &chain, err);

	if (rc == RC_OK)
		rc = store_read_begin(store, &txn, err);
	if (rc == RC_OK)
		rc = find_root(txn, buf_slice(&chain.leaf), is_own_r, err);
	if (txn != NULL)
		store_read_end(store, &txn);
	buf_fini(&chain.leaf);
	return rc;
}

enum rc tls_init(struct tls_in_force *in_force, const struct config *config,
	const struct host_tls *tls, struct store *store, struct err *err)
{
	*in_force = (struct tls_in_force){.renew_days = config->device.tls_renew_days, .leaf = tls->leaf};
	in_force->certificate = strdup(config->device.tls_certificate);
	in_force->key = strdup(config->device.tls_key);
	if (in_force->certificate == NULL || in_force->key == NULL)
		return err_set(err, RC_NO_MEMORY, "TLS certificate");
	return look_whose(tls, store, &in_force->is_own, err);
}

bool tls_is_due(const struct tls_in_force *in_force, int64_t now)
{
	return in_force->is_own && in_force->renew_days > 0 &&
		expiry_days(in_force->leaf.not_after, now) <= in_force->renew_days;
}

/* --- making the next */

static enum rc load_root(struct store *store, struct authority **root_r, struct err *err)
{
	struct txn *txn = NULL;
	enum rc rc = store_read_begin(store, &txn, err);

	if (rc != RC_OK)
		return rc;
	rc = server_read_authority(txn, "tls_root.cert", "tls_root.key", root_r, err);
	store_read_end(store, &txn);
	return rc == RC_NOT_FOUND ? err_set(err, rc, "the key of its root is not in the database") : rc;
}

/* The new one, then the rest of the old chain. */
static enum rc make_chain(const struct tls_in_force *in_force, struct store *store, int64_t now,
	struct host_tls *tls, struct err *err)
{
	AUTO(authority_free) struct authority *root = NULL;
	AUTO(buf_fini) struct buf rest;
	AUTO(buf_fini) struct buf der;
	struct chain chain;
	enum rc rc;

	buf_init(&rest, HOST_PEM_BYTES_MAX);
	buf_init(&der, CERT_DER_BYTES_MAX);
	if (memcmp(tls->leaf.sha256, in_force->leaf.sha256, SHA256_BYTES) != 0)
		return err_set(err, RC_EXISTS, "the file has another certificate than the one in force: reload");
	rc = read_chain(buf_slice(&tls->chain), &rest, &chain, err);
	if (rc == RC_OK)
		rc = load_root(store, &root, err);
	if (rc == RC_OK)
		rc = authority_renew_tls(root, buf_slice(&chain.leaf), now, VALID_S, &der, err);
	buf_fini(&chain.leaf);
	if (rc != RC_OK)
		return rc;
	buf_clear(&tls->chain);
	cert_write_pem(buf_slice(&der), &tls->chain);
	buf_append(&tls->chain, buf_slice(&rest));
	rc = buf_status(&tls->chain, "TLS certificate", err);
	return rc == RC_OK ? tls_pair_check(buf_slice(&tls->chain), buf_slice(&tls->key), &tls->leaf, err)
																				: rc;
}

/* Where a link points to, with the mode that it has. */
static enum rc install(const char *path, struct slice pem, struct err *err)
{
	char *real = realpath(path, NULL);
	struct stat st;
	enum rc rc;

	if (real == NULL || stat(real, &st) != 0) {
		free(real);
		return err_set_errno(err, errno, "%s", path);
	}
	rc = file_replace(real, pem, MODE, err);
	if (rc == RC_OK)
		(void)chmod(real, st.st_mode & MODE_BITS); /* the umask is narrower; it serves either way */
	free(real);
	return rc;
}

enum rc tls_renew(const struct tls_in_force *in_force, struct store *store, int64_t now,
	struct host_tls *tls_r, struct err *err)
{
	enum rc rc = host_tls_read(in_force->certificate, in_force->key, tls_r, err);

	if (rc == RC_OK)
		rc = make_chain(in_force, store, now, tls_r, err);
	if (rc == RC_OK)
		rc = install(in_force->certificate, buf_slice(&tls_r->chain), err);
	return rc == RC_OK ? RC_OK : err_context(err, "%s is not renewed", in_force->certificate);
}

void tls_fini(struct tls_in_force *in_force)
{
	free(in_force->certificate);
	free(in_force->key);
	*in_force = (struct tls_in_force){.certificate = NULL};
}
