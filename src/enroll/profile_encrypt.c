/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "pomona/enroll/profile.h"
#include "pomona/pki/cms.h"
#include "pomona/plist/plist.h"

/* Apple's Configuration Profile: the array PayloadContent as a list of its own, in CMS, as EncryptedPayloadContent. */

static const char payloads_key[] = "PayloadContent";

enum {
	SEALED_BYTES_MAX = PROFILE_BYTES_MAX + CERT_DER_BYTES_MAX,
};

static enum rc copy_payload(void *ctx, size_t index, struct plist_node *payload)
{
	(void)index;
	return plist_array_append(ctx, plist_copy(payload));
}

/* The payloads alone, as XML. They hold secrets. */
static enum rc write_payloads(const struct plist_node *payloads, struct buf *out, struct err *err)
{
	AUTO(plist_doc_free) struct plist_doc *doc = plist_doc_new_array();
	enum rc rc;

	if (doc == NULL)
		return err_set(err, RC_NO_MEMORY, "profile");
	rc = plist_array_each(payloads, copy_payload, plist_root(doc));
	return rc == RC_OK ? plist_write_xml(doc, out, err) : err_set(err, rc, "profile: its payloads");
}

static enum rc copy_rest(void *ctx, const char *key, struct plist_node *value)
{
	return strcmp(key, payloads_key) == 0 ? RC_OK : plist_dict_set(ctx, key, plist_copy(value));
}

/* All but the payloads, and in their place what they became. */
static enum rc write_rest(const struct plist_node *profile, struct slice sealed, struct buf *out,
	struct err *err)
{
	AUTO(plist_doc_free) struct plist_doc *doc = plist_doc_new_dict();
	enum rc rc;

	if (doc == NULL)
		return err_set(err, RC_NO_MEMORY, "profile");
	rc = plist_dict_each(profile, copy_rest, plist_root(doc));
	if (rc == RC_OK)
		rc = plist_dict_set(plist_root(doc), "IsEncrypted", plist_new_bool(true));
	if (rc == RC_OK)
		rc = plist_dict_set(plist_root(doc), "EncryptedPayloadContent", plist_new_data(sealed));
	return rc == RC_OK ? plist_write_xml(doc, out, err) : err_set(err, rc, "profile: its keys");
}

static enum rc seal(const struct plist_node *payloads, struct slice cert_der, struct buf *sealed,
	struct err *err)
{
	AUTO(buf_fini_secret) struct buf plain;
	enum rc rc;

	buf_init(&plain, PROFILE_BYTES_MAX);
	if (buf_reserve(&plain, PROFILE_BYTES_MAX) == NULL) /* a secret is not moved in memory */
		return buf_status(&plain, "profile", err);
	rc = write_payloads(payloads, &plain, err);
	return rc == RC_OK ? cms_encrypt(cert_der, buf_slice(&plain), sealed, err) : rc;
}

enum rc profile_encrypt(struct slice profile, struct slice cert_der, struct buf *out,
	struct err *err)
{
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	AUTO(buf_fini) struct buf sealed;
	const struct plist_node *payloads;
	enum rc rc;

	buf_init(&sealed, SEALED_BYTES_MAX);
	if (profile.len > PROFILE_BYTES_MAX)
		return err_set(err, RC_LIMIT, "profile: longer than %d bytes", PROFILE_BYTES_MAX);
	rc = plist_parse(profile, &doc, err);
	if (rc != RC_OK)
		return rc;
	payloads = plist_dict_get(plist_root(doc), payloads_key);
	if (payloads == NULL || plist_kind(payloads) != PLIST_KIND_ARRAY)
		return err_set(err, RC_INVALID, "profile: want an array PayloadContent");
	rc = seal(payloads, cert_der, &sealed, err);
	return rc == RC_OK ? write_rest(plist_root(doc), buf_slice(&sealed), out, err) : rc;
}
