/* SPDX-License-Identifier: Apache-2.0 */
#include "profile.h"

#include <stdlib.h>
#include <string.h>

#include "profile_cms.h"

#define PROFILE_DOMAIN "MCProfileErrorDomain"
#define PAYLOAD_DOMAIN "MCPayloadErrorDomain"

/* Of the lists in the protocol reference. */
static const struct refusal malformed = {PROFILE_DOMAIN, 1000, "Malformed profile"};
static const struct refusal bad_signature = {PROFILE_DOMAIN, 1004, "Bad signature"};
static const struct refusal not_installed = {"MCInstallationErrorDomain", 4001,
	"Installation failure"};
static const struct refusal not_managed = {"MCMDMErrorDomain", 12013, "Profile not managed"};
static const struct refusal bad_certificate = {"MCCertificateErrorDomain", 9005,
	"Certificate is malformed"};

/* What can be wrong with the keys of a profile, and with those of a payload in it. */
struct key_refusals {
	struct refusal version, missing, type;
};

static const struct key_refusals of_profile = {
	.version = {PROFILE_DOMAIN, 1001, "Unsupported profile version"},
	.missing = {PROFILE_DOMAIN, 1002, "Missing required field"},
	.type = {PROFILE_DOMAIN, 1003, "Bad data type in field"},
};
static const struct key_refusals of_payload = {
	.version = {PAYLOAD_DOMAIN, 2001, "Unsupported payload version"},
	.missing = {PAYLOAD_DOMAIN, 2002, "Missing required field"},
	.type = {PAYLOAD_DOMAIN, 2003, "Bad data type in field"},
};

/* Profiles and their payloads have these alike. */
static const struct {
	const char *key;
	enum plist_kind kind;
} required[] = {
	{"PayloadType", PLIST_KIND_STRING},
	{"PayloadVersion", PLIST_KIND_INTEGER},
	{"PayloadIdentifier", PLIST_KIND_STRING},
	{"PayloadUUID", PLIST_KIND_STRING},
};

static const struct refusal *check_keys(const struct plist_node *dict,
	const struct key_refusals *refusals)
{
	if (plist_kind(dict) != PLIST_KIND_DICT)
		return &refusals->type;
	for (size_t i = 0; i < COUNT_OF(required); i++) {
		const struct plist_node *value = plist_dict_get(dict, required[i].key);

		if (value == NULL)
			return &refusals->missing;
		if (plist_kind(value) != required[i].kind)
			return &refusals->type;
		if (required[i].kind == PLIST_KIND_STRING && plist_string(value).len == 0)
			return &refusals->missing;
	}
	if (plist_integer(plist_dict_get(dict, "PayloadVersion"), NULL) != 1)
		return &refusals->version;
	return NULL;
}

static enum rc check_payload(void *ctx, size_t index, struct plist_node *payload)
{
	const struct refusal **why = ctx;

	(void)index;
	*why = check_keys(payload, &of_payload);
	return *why == NULL ? RC_OK : RC_INVALID;
}

static const struct refusal *check_content(struct profile *profile)
{
	const struct plist_node *content = plist_dict_get(profile->root, "PayloadContent");
	const struct plist_node *secret = plist_dict_get(profile->root, "EncryptedPayloadContent");
	const struct refusal *why = NULL;

	if (secret != NULL) {
		profile->is_encrypted = true;
		return plist_kind(secret) == PLIST_KIND_DATA ? NULL : &of_profile.type;
	}
	if (content == NULL)
		return &of_profile.missing;
	if (plist_kind(content) != PLIST_KIND_ARRAY)
		return &of_profile.type;
	if (plist_array_each(content, check_payload, &why) != RC_OK && why == NULL)
		return &not_installed;
	return why;
}

static enum rc ignore_cert(void *ctx, struct slice der, bool is_identity)
{
	(void)ctx;
	(void)der;
	(void)is_identity;
	return RC_OK;
}

static struct refusals check(struct profile *profile)
{
	const struct refusal *why;

	profile->root = plist_root(profile->doc);
	if (plist_kind(profile->root) != PLIST_KIND_DICT)
		return (struct refusals){&malformed, NULL};
	why = check_keys(profile->root, &of_profile);
	profile->identifier = plist_string(plist_dict_get(profile->root, "PayloadIdentifier"));
	if (why == NULL &&
		!slice_is_str(plist_string(plist_dict_get(profile->root, "PayloadType")), "Configuration"))
		return (struct refusals){&malformed, NULL};
	if (why == NULL)
		why = check_content(profile);
	if (why == NULL && profile->identifier.len >= PROFILE_ID_BYTES)
		why = &of_profile.type;
	if (why == NULL && profile_each_cert(profile, ignore_cert, NULL) != RC_OK)
		why = &bad_certificate;
	return why == NULL ? (struct refusals){NULL, NULL} : (struct refusals){&not_installed, why};
}

struct refusals profile_read(struct slice payload, struct profile *profile_r)
{
	struct refusals why = {NULL, NULL};
	struct buf content;
	enum rc rc;

	*profile_r = (struct profile){.doc = NULL};
	buf_init(&profile_r->signer_der, CERT_DER_BYTES_MAX);
	buf_init(&content, PROFILE_BYTES_MAX);
	rc = profile_unwrap(payload, &content, &profile_r->signer_der);
	if (rc == RC_DENIED)
		why.top = &bad_signature;
	else if (rc == RC_LIMIT || rc == RC_NO_MEMORY)
		why.top = &not_installed;
	else if (rc != RC_OK || plist_parse(buf_slice(&content), &profile_r->doc, NULL) != RC_OK)
		why.top = &malformed;
	else
		why = check(profile_r);
	buf_fini(&content);
	if (why.top != NULL)
		profile_fini(profile_r);
	return why;
}

void profile_fini(struct profile *profile)
{
	plist_doc_free(&profile->doc);
	buf_fini(&profile->signer_der);
	*profile = (struct profile){.doc = NULL};
}

/* --- what is installed */

/* `count` where there is none. */
static size_t find(const struct profile_set *set, struct slice identifier)
{
	bool is_found = false;
	size_t at = 0;

	while (at < set->count && !is_found) {
		struct profile profile;

		if (profile_read(buf_slice(&set->payloads[at]), &profile).top == NULL)
			is_found = slice_is_equal(profile.identifier, identifier);
		profile_fini(&profile);
		at += !is_found;
	}
	return at;
}

static size_t bytes_without(const struct profile_set *set, size_t without)
{
	size_t bytes = 0;

	for (size_t i = 0; i < set->count; i++)
		bytes += i == without ? 0 : set->payloads[i].len;
	return bytes;
}

/* The place `at`, which may be the first free one, gets `payload`. */
static bool put(struct profile_set *set, size_t at, struct slice payload)
{
	struct buf copy, *grown;

	buf_init(&copy, PROFILE_BYTES_MAX);
	buf_append(&copy, payload);
	if (copy.rc == RC_OK && at == set->count) {
		grown = realloc(set->payloads, (at + 1) * sizeof(*grown));
		if (grown == NULL) {
			buf_fini(&copy);
			return false;
		}
		set->payloads = grown;
		buf_init(&set->payloads[at], PROFILE_BYTES_MAX);
		set->count++;
	}
	if (copy.rc != RC_OK) {
		buf_fini(&copy);
		return false;
	}
	buf_fini(&set->payloads[at]);
	set->payloads[at] = copy;
	return true;
}

struct refusals profile_install(struct profile_set *set, struct slice payload)
{
	struct profile profile;
	struct refusals why = profile_read(payload, &profile);
	size_t at;

	if (why.top != NULL)
		return why;
	at = find(set, profile.identifier);
	profile_fini(&profile);
	if (at == PROFILES_MAX || bytes_without(set, at) + payload.len > PROFILES_BYTES_MAX ||
		!put(set, at, payload))
		why.top = &not_installed;
	return why;
}

struct refusals profile_remove(struct profile_set *set, struct slice identifier)
{
	size_t at = find(set, identifier);

	if (at == set->count)
		return (struct refusals){&not_managed, NULL};
	buf_fini(&set->payloads[at]);
	set->count--;
	memmove(&set->payloads[at], &set->payloads[at + 1], (set->count - at) * sizeof(*set->payloads));
	return (struct refusals){NULL, NULL};
}

void profile_set_clear(struct profile_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		buf_fini(&set->payloads[i]);
	free(set->payloads);
	*set = (struct profile_set){NULL, 0};
}
