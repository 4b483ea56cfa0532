/* SPDX-License-Identifier: Apache-2.0 */
#include "enrollment_profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile_cms.h"

enum {
	KEY_BITS_DEFAULT = 2048,
	RETRIES_DEFAULT = 3,
	RETRY_DELAY_S_DEFAULT = 10,
	RIGHTS_ALL = 8191
};

#define SCEP_TYPE "com.apple.security.scep"
#define ACME_TYPE "com.apple.security.acme"
#define PKCS12_TYPE "com.apple.security.pkcs12"
#define MDM_TYPE "com.apple.mdm"

#define SCEP_TEXT(key, is_needed, field) \
	{ \
		key, PLIST_KIND_STRING, is_needed, offsetof(struct scep_payload, field), 0, \
			ENROLLMENT_TEXT_BYTES_MAX \
	}
#define SCEP_INT(key, field) \
	{ \
		key, PLIST_KIND_INTEGER, false, offsetof(struct scep_payload, field), 0, 0 \
	}

static const struct plist_field scep_fields[] = {
	SCEP_TEXT("URL", true, url),
	SCEP_TEXT("Name", false, name),
	SCEP_TEXT("Challenge", false, challenge),
	SCEP_TEXT("Key Type", false, key_type),
	SCEP_INT("Keysize", key_bits),
	SCEP_INT("Retries", retries),
	SCEP_INT("RetryDelay", retry_delay_s),
	{"Subject", PLIST_KIND_ARRAY, false, offsetof(struct scep_payload, subject), 0, 0},
	{"CAFingerprint", PLIST_KIND_DATA, false, offsetof(struct scep_payload, ca_digest), 0,
		ENROLLMENT_TEXT_BYTES_MAX},
};

#define MDM_TEXT(key, is_needed, field) \
	{ \
		key, PLIST_KIND_STRING, is_needed, offsetof(struct mdm_payload, field), 0, \
			ENROLLMENT_URL_BYTES - 1 \
	}
#define MDM_BOOL(key, field) \
	{ \
		key, PLIST_KIND_BOOL, false, offsetof(struct mdm_payload, field), 0, 0 \
	}

static const struct plist_field mdm_fields[] = {
	MDM_TEXT("IdentityCertificateUUID", true, identity_uuid),
	MDM_TEXT("Topic", true, topic),
	MDM_TEXT("ServerURL", true, server_url),
	MDM_TEXT("CheckInURL", false, check_in_url),
	MDM_TEXT("EnrollmentMode", false, mode),
	MDM_TEXT("AssignedManagedAppleID", false, account),
	MDM_BOOL("SignMessage", is_message_signed),
	MDM_BOOL("CheckOutWhenRemoved", is_check_out_wanted),
	{"AccessRights", PLIST_KIND_INTEGER, false, offsetof(struct mdm_payload, rights),
		offsetof(struct mdm_payload, has_rights), 0},
};

/* --- the payloads */

static enum rc read_scep(struct enrollment_profile *profile, const struct plist_node *payload,
	struct err *err)
{
	struct scep_payload *scep = &profile->scep;
	const struct plist_node *content = plist_dict_get(payload, "PayloadContent");

	*scep = (struct scep_payload){.key_bits = KEY_BITS_DEFAULT,
		.retries = RETRIES_DEFAULT,
		.retry_delay_s = RETRY_DELAY_S_DEFAULT};
	if (content == NULL || plist_kind(content) != PLIST_KIND_DICT)
		return err_set(err, RC_INVALID, SCEP_TYPE ": PayloadContent is not a dictionary");
	if (plist_read_fields(content, scep_fields, COUNT_OF(scep_fields), scep, err) != RC_OK)
		return err_context(err, SCEP_TYPE);
	if (scep->key_type.len > 0 && !slice_is_str(scep->key_type, "RSA"))
		return err_set(err, RC_INVALID, SCEP_TYPE ": Key Type: not RSA");
	if (!slice_has_prefix(scep->url, "https://") && !slice_has_prefix(scep->url, "http://"))
		return err_set(err, RC_INVALID, SCEP_TYPE ": URL: neither https:// nor http://");
	if (scep->retries < 0 || scep->retries > ENROLLMENT_RETRIES_MAX || scep->retry_delay_s < 0 ||
		scep->retry_delay_s > ENROLLMENT_RETRY_DELAY_S_MAX)
		return err_set(err, RC_INVALID, SCEP_TYPE ": Retries, RetryDelay: not 0 to %d, 0 to %d",
			ENROLLMENT_RETRIES_MAX, ENROLLMENT_RETRY_DELAY_S_MAX);
	profile->has_scep = true;
	return RC_OK;
}

static enum rc read_pkcs12(struct enrollment_profile *profile, const struct plist_node *payload,
	struct err *err)
{
	if (profile_read_identity(payload, &profile->cert_pem, &profile->key_pem) != RC_OK)
		return err_set(err, RC_INVALID, PKCS12_TYPE ": no identity, or with another password");
	return RC_OK;
}

static enum rc refuse_acme(struct enrollment_profile *profile, const struct plist_node *payload,
	struct err *err)
{
	(void)profile;
	(void)payload;
	return err_set(err, RC_UNSUPPORTED,
		ACME_TYPE ": simulated devices have no attested hardware, and get no identity by ACME");
}

static const struct {
	const char *type;
	enum rc (
		*read)(struct enrollment_profile *profile, const struct plist_node *payload, struct err *err);
} identity_kinds[] = {
	{SCEP_TYPE, read_scep},
	{PKCS12_TYPE, read_pkcs12},
	{ACME_TYPE, refuse_acme},
};

struct searching {
	const char *type;         /* NULL: an identity's */
	struct slice uuid;        /* empty: any */
	struct plist_node *found; /* NULL: none */
	unsigned count;
	size_t kind; /* of the identity */
};

static enum rc look(void *ctx, size_t index, struct plist_node *payload)
{
	struct searching *searching = ctx;
	struct slice type = plist_string(plist_dict_get(payload, "PayloadType"));
	struct slice uuid = plist_string(plist_dict_get(payload, "PayloadUUID"));
	bool is_it = searching->type != NULL && slice_is_str(type, searching->type);

	(void)index;
	for (size_t i = 0; i < COUNT_OF(identity_kinds) && searching->type == NULL && !is_it; i++) {
		is_it = slice_is_str(type, identity_kinds[i].type);
		searching->kind = i;
	}
	if (!is_it || (searching->uuid.len > 0 && !slice_is_equal(searching->uuid, uuid)))
		return RC_OK;
	searching->found = payload;
	searching->count++;
	return searching->type == NULL ? RC_BUSY : RC_OK; /* the first identity is the one */
}

static void search(const struct plist_node *payloads, struct searching *searching)
{
	enum rc rc = plist_array_each(payloads, look, searching);

	(void)rc; /* how a search ends is told by what it found */
}

static enum rc check_mdm(const struct enrollment_profile *profile, struct err *err)
{
	const struct mdm_payload *mdm = &profile->mdm;
	bool is_byod = slice_is_str(mdm->mode, "BYOD");

	if (!slice_has_prefix(mdm->server_url, "https://") ||
		(mdm->check_in_url.len > 0 && !slice_has_prefix(mdm->check_in_url, "https://")))
		return err_set(err, RC_INVALID, MDM_TYPE ": ServerURL, CheckInURL: not https://");
	if (mdm->topic.len >= ENROLLMENT_TOPIC_BYTES)
		return err_set(err, RC_INVALID, MDM_TYPE ": Topic: not less than %d bytes",
			ENROLLMENT_TOPIC_BYTES);
	if (mdm->mode.len > 0 && !is_byod && !slice_is_str(mdm->mode, "ADDE"))
		return err_set(err, RC_INVALID, MDM_TYPE ": EnrollmentMode: neither BYOD nor ADDE");
	if (is_byod && mdm->has_rights)
		return err_set(err, RC_INVALID, MDM_TYPE ": AccessRights: not in a BYOD enrollment");
	if (mdm->has_rights &&
		(mdm->rights < 1 || mdm->rights > RIGHTS_ALL ||
			((mdm->rights & 2) != 0 && (mdm->rights & 1) == 0) ||
			((mdm->rights & 128) != 0 && (mdm->rights & 64) == 0)))
		return err_set(err, RC_INVALID, MDM_TYPE ": AccessRights: not 1 to %d, 2 with 1, 128 with 64",
			RIGHTS_ALL);
	return RC_OK;
}

static enum rc read_mdm(struct enrollment_profile *profile, struct err *err)
{
	struct searching mdm = {.type = MDM_TYPE};

	search(profile->payloads, &mdm);
	if (mdm.count == 0)
		return RC_OK;
	if (mdm.count > 1)
		return err_set(err, RC_INVALID, MDM_TYPE ": more than one payload");
	profile->has_mdm = true;
	if (plist_read_fields(mdm.found, mdm_fields, COUNT_OF(mdm_fields), &profile->mdm, err) != RC_OK)
		return err_context(err, MDM_TYPE);
	return check_mdm(profile, err);
}

static enum rc read_identity(struct enrollment_profile *profile, struct err *err)
{
	struct searching identity = {.uuid = profile->mdm.identity_uuid};

	search(profile->payloads, &identity);
	if (identity.found == NULL && profile->has_mdm)
		return err_set(err, RC_INVALID,
			MDM_TYPE ": IdentityCertificateUUID: no payload of that PayloadUUID is an identity");
	if (identity.found == NULL)
		return err_set(err, RC_INVALID, "the profile has neither management nor an identity");
	return identity_kinds[identity.kind].read(profile, identity.found, err);
}

static enum rc keep_anchor(void *ctx, struct slice der, bool is_identity)
{
	struct buf *pem = ctx;

	if (!is_identity)
		cert_write_pem(der, pem);
	return buf_status(pem, "certificates", NULL);
}

/* --- the profile */

static enum rc open_payloads(struct enrollment_profile *profile, const struct enrollment_keys *keys,
	struct err *err)
{
	const struct plist_node *root = profile->profile.root;
	AUTO(buf_fini_secret) struct buf content;
	enum rc rc;

	buf_init(&content, PROFILE_BYTES_MAX);
	profile->payloads = plist_dict_get(root, "PayloadContent");
	if (!profile->profile.is_encrypted)
		return RC_OK;
	if (keys == NULL)
		return err_set(err, RC_DENIED, "the profile is encrypted, and there is no identity to open it");
	rc = profile_decrypt(plist_data(plist_dict_get(root, "EncryptedPayloadContent")), keys->cert_pem,
		keys->key_pem, &content);
	if (rc != RC_OK)
		return err_set(err, rc, "the profile is encrypted to another, or damaged");
	if (plist_parse(buf_slice(&content), &profile->opened, err) != RC_OK)
		return err_context(err, "EncryptedPayloadContent");
	profile->payloads = plist_root(profile->opened);
	if (plist_kind(profile->payloads) != PLIST_KIND_ARRAY)
		return err_set(err, RC_INVALID, "EncryptedPayloadContent: not an array");
	return RC_OK;
}

static enum rc read_all(struct enrollment_profile *profile, const struct enrollment_keys *keys,
	struct err *err)
{
	enum rc rc = open_payloads(profile, keys, err);

	if (rc == RC_OK)
		rc = read_mdm(profile, err);
	if (rc == RC_OK)
		rc = read_identity(profile, err);
	if (rc == RC_OK &&
		payloads_each_cert(profile->payloads, keep_anchor, &profile->anchors_pem) != RC_OK)
		rc = err_set(err, RC_INVALID, "a certificate in the profile is none, or there are too many");
	return rc;
}

enum rc enrollment_profile_read(struct slice payload, const struct enrollment_keys *keys,
	struct enrollment_profile *profile_r, struct err *err)
{
	struct err own = {0};
	struct refusals why;
	enum rc rc;

	err = err == NULL ? &own : err;
	*profile_r = (struct enrollment_profile){.payloads = NULL};
	buf_init(&profile_r->cert_pem, ENROLLMENT_PEM_BYTES_MAX);
	buf_init(&profile_r->key_pem, ENROLLMENT_PEM_BYTES_MAX);
	buf_init(&profile_r->anchors_pem, ENROLLMENT_ANCHORS_BYTES_MAX);
	why = profile_read(payload, &profile_r->profile);
	if (why.top == NULL) {
		rc = read_all(profile_r, keys, err);
	} else {
		const struct refusal *last = why.cause == NULL ? why.top : why.cause;

		rc = err_set(err, RC_INVALID, "%s (%s %d)", last->text, last->domain, last->code);
	}
	if (rc != RC_OK)
		enrollment_profile_fini(profile_r);
	return rc;
}

void enrollment_profile_fini(struct enrollment_profile *profile)
{
	profile_fini(&profile->profile);
	plist_doc_free(&profile->opened);
	buf_fini(&profile->cert_pem);
	buf_fini_secret(&profile->key_pem);
	buf_fini(&profile->anchors_pem);
	*profile = (struct enrollment_profile){.payloads = NULL};
}

bool enrollment_profile_is(struct slice payload, const struct enrollment_keys *keys)
{
	struct enrollment_profile profile = {.payloads = NULL};
	struct searching mdm = {.type = MDM_TYPE};
	struct err err = {0};

	if (profile_read(payload, &profile.profile).top == NULL &&
		open_payloads(&profile, keys, &err) == RC_OK)
		search(profile.payloads, &mdm);
	profile_fini(&profile.profile);
	plist_doc_free(&profile.opened);
	return mdm.count > 0;
}

/* --- what is kept */

static void copy_text(char *out, size_t size, struct slice text)
{
	(void)snprintf(out, size, "%.*s", SLICE_FMT(text));
}

struct management *management_new_empty(void)
{
	struct management *management = calloc(1, sizeof(*management));

	if (management == NULL)
		return NULL;
	buf_init(&management->anchors_pem, ENROLLMENT_ANCHORS_BYTES_MAX);
	buf_init(&management->payload, PROFILE_BYTES_MAX);
	return management;
}

struct management *management_new(const struct enrollment_profile *profile, struct slice payload)
{
	const struct mdm_payload *mdm = &profile->mdm;
	struct management *management = management_new_empty();

	if (management == NULL)
		return NULL;
	copy_text(management->server_url, ENROLLMENT_URL_BYTES, mdm->server_url);
	copy_text(management->check_in_url, ENROLLMENT_URL_BYTES,
		mdm->check_in_url.len > 0 ? mdm->check_in_url : mdm->server_url);
	copy_text(management->topic, ENROLLMENT_TOPIC_BYTES, mdm->topic);
	copy_text(management->identifier, PROFILE_ID_BYTES, profile->profile.identifier);
	management->rights = mdm->has_rights ? mdm->rights : RIGHTS_ALL;
	management->is_message_signed = mdm->is_message_signed;
	management->is_check_out_wanted = mdm->is_check_out_wanted;
	management->is_byod = slice_is_str(mdm->mode, "BYOD");
	buf_append(&management->anchors_pem, buf_slice(&profile->anchors_pem));
	buf_append(&management->payload, payload);
	if (management->anchors_pem.rc != RC_OK || management->payload.rc != RC_OK)
		management_free(&management);
	return management;
}

void management_free(struct management **management)
{
	struct management *gone = *management;

	if (gone == NULL)
		return;
	*management = NULL;
	buf_fini(&gone->anchors_pem);
	buf_fini_secret(&gone->payload); /* it may hold a challenge or a password */
	free(gone);
}

struct refusals management_may_become(const struct management *now,
	const struct enrollment_profile *next)
{
	static const struct refusal no_mdm = {"MCInstallationErrorDomain", 4015,
		"Replacement profile does not contain an MDM payload"};
	static const struct refusal many = {"MCMDMErrorDomain", 12001, "Multiple MDM instances"};
	static const struct refusal mismatch = {"MCMDMErrorDomain", 12012, "MDM replacement mismatch"};
	static const struct refusal rights = {"MCMDMErrorDomain", 12000, "Invalid access rights"};
	const struct mdm_payload *mdm = &next->mdm;
	struct slice check_in = mdm->check_in_url.len > 0 ? mdm->check_in_url : mdm->server_url;

	if (!next->has_mdm)
		return (struct refusals){&no_mdm, NULL};
	if (now == NULL)
		return (struct refusals){NULL, NULL};
	if (!slice_is_str(next->profile.identifier, now->identifier))
		return (struct refusals){&many, NULL};
	if (!slice_is_str(mdm->server_url, now->server_url) ||
		!slice_is_str(check_in, now->check_in_url) || !slice_is_str(mdm->topic, now->topic) ||
		slice_is_str(mdm->mode, "BYOD") != now->is_byod)
		return (struct refusals){&mismatch, NULL};
	if (((mdm->has_rights ? mdm->rights : RIGHTS_ALL) & ~now->rights) != 0)
		return (struct refusals){&rights, NULL};
	return (struct refusals){NULL, NULL};
}
