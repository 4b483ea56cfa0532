/* SPDX-License-Identifier: Apache-2.0 */
#include "profile_check.h"

#include <stddef.h>
#include <string.h>

#include "pomona/base/codec.h"

static const char https[] = "https://";
static const char http[] = "http://";
static const char topic_prefix[] = "com.apple.mgmt.";

enum rc profile_check_rights(int64_t rights, struct err *err)
{
	static const struct {
		int64_t right, needs;
	} rules[] = {
		{PROFILE_RIGHT_CHANGE_PROFILES, PROFILE_RIGHT_INSPECT_PROFILES},
		{PROFILE_RIGHT_CHANGE_PROVISIONING, PROFILE_RIGHT_INSPECT_PROVISIONING},
	};

	if (rights < 1 || rights > PROFILE_RIGHTS_ALL)
		return err_set(err, RC_INVALID, "AccessRights: %lld, want 1 to %d", (long long)rights,
			PROFILE_RIGHTS_ALL);
	for (size_t i = 0; i < COUNT_OF(rules); i++)
		if ((rights & rules[i].right) != 0 && (rights & rules[i].needs) == 0)
			return err_set(err, RC_INVALID, "AccessRights: %lld has %lld, which needs %lld too",
				(long long)rights, (long long)rules[i].right, (long long)rules[i].needs);
	return RC_OK;
}

static bool is_printable(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static bool has_host(const char *url, const char *scheme)
{
	const size_t len = strlen(scheme);

	return strncmp(url, scheme, len) == 0 && url[len] != '\0' && strchr("/:?#", url[len]) == NULL;
}

enum rc profile_check_url(const char *what, const char *url, struct err *err)
{
	if (strlen(url) > PROFILE_URL_BYTES_MAX)
		return err_set(err, RC_INVALID, "%s: longer than %d bytes", what, PROFILE_URL_BYTES_MAX);
	if (!has_host(url, https))
		return err_set(err, RC_INVALID, "%s: must begin with https:// and a host", what);
	if (!is_printable(url))
		return err_set(err, RC_INVALID, "%s: want printable ASCII without blanks", what);
	return RC_OK;
}

static enum rc check_scep_url(const char *url, struct err *err)
{
	const bool is_plain = has_host(url, http);

	if (is_plain && strlen(url) <= PROFILE_URL_BYTES_MAX && is_printable(url))
		return RC_OK;
	return profile_check_url("SCEP URL", url, err);
}

enum rc profile_check_identifier(const char *identifier, struct err *err)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
	const size_t len = strlen(identifier);

	if (len == 0 || len > PROFILE_TEXT_BYTES_MAX || strspn(identifier, letters) != len)
		return err_set(err, RC_INVALID, "PayloadIdentifier: want 1 to %d letters, digits, '.', '-', '_'",
			PROFILE_TEXT_BYTES_MAX);
	return RC_OK;
}

enum rc profile_check_topic(const char *topic, struct err *err)
{
	const size_t prefix = sizeof(topic_prefix) - 1;

	if (strncmp(topic, topic_prefix, prefix) != 0 || topic[prefix] == '\0' || !is_printable(topic) ||
		strlen(topic) > PROFILE_TEXT_BYTES_MAX)
		return err_set(err, RC_INVALID, "Topic: must begin with %s, as a push certificate's does",
			topic_prefix);
	return RC_OK;
}

static enum rc check_text(const char *what, const char *text, size_t min, size_t max,
	struct err *err)
{
	const size_t len = strlen(text);

	if (len < min || len > max)
		return err_set(err, RC_INVALID, "%s: want %zu to %zu bytes", what, min, max);
	if (!utf8_is_xml_text(slice_of_str(text)))
		return err_set(err, RC_INVALID, "%s: has characters that XML cannot carry", what);
	return RC_OK;
}

static enum rc check_texts(const struct profile_params *params, struct err *err)
{
	static const struct {
		const char *what;
		size_t offset, min, max;
	} texts[] = {
		{"PayloadOrganization", offsetof(struct profile_params, organization), 0, PROFILE_TEXT_BYTES_MAX},
		{"PayloadDisplayName", offsetof(struct profile_params, display_name), 1, PROFILE_TEXT_BYTES_MAX},
		{"PayloadDescription", offsetof(struct profile_params, description), 0,
			PROFILE_DESCRIPTION_BYTES_MAX},
	};
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < COUNT_OF(texts); i++) {
		const char *const *text =
			(const char *const *)(const void *)((const char *)params + texts[i].offset);

		rc = check_text(texts[i].what, *text, texts[i].min, texts[i].max, err);
	}
	return rc;
}

static enum rc check_scep(const struct profile_scep *scep, struct err *err)
{
	enum rc rc = check_scep_url(scep->url, err);

	if (rc == RC_OK)
		rc = check_text("SCEP Subject", scep->common_name, 1, PROFILE_COMMON_NAME_BYTES_MAX, err);
	if (rc == RC_OK && scep->name != NULL)
		rc = check_text("SCEP Name", scep->name, 1, PROFILE_TEXT_BYTES_MAX, err);
	if (rc != RC_OK)
		return rc;
	if (scep->challenge.len > PROFILE_CHALLENGE_BYTES_MAX || !utf8_is_xml_text(scep->challenge))
		return err_set(err, RC_INVALID, "SCEP Challenge: want at most %d bytes that XML can carry",
			PROFILE_CHALLENGE_BYTES_MAX);
	if (scep->key_bits != 2048 && scep->key_bits != 4096)
		return err_set(err, RC_INVALID, "SCEP Keysize: want 2048 or 4096");
	if (scep->ca_sha1.len != 0 && scep->ca_sha1.len != SHA1_BYTES)
		return err_set(err, RC_INVALID, "SCEP CAFingerprint: want %d bytes", SHA1_BYTES);
	return RC_OK;
}

static enum rc check_pkcs12(const struct profile_pkcs12 *pkcs12, struct err *err)
{
	if (pkcs12->content.len == 0 || pkcs12->content.len > PROFILE_PKCS12_BYTES_MAX)
		return err_set(err, RC_INVALID, "PKCS#12: want 1 to %d bytes", PROFILE_PKCS12_BYTES_MAX);
	if (pkcs12->password.len > PROFILE_TEXT_BYTES_MAX || !utf8_is_xml_text(pkcs12->password))
		return err_set(err, RC_INVALID, "PKCS#12 Password: want at most %d bytes that XML can carry",
			PROFILE_TEXT_BYTES_MAX);
	return RC_OK;
}

static enum rc check_acme(const struct profile_acme *acme, struct err *err)
{
	enum rc rc = profile_check_url("ACME DirectoryURL", acme->directory_url, err);

	if (rc == RC_OK)
		rc = check_text("ACME Subject", acme->common_name, 1, PROFILE_COMMON_NAME_BYTES_MAX, err);
	if (rc != RC_OK)
		return rc;
	if (acme->client_identifier.len == 0 ||
		acme->client_identifier.len > PROFILE_CHALLENGE_BYTES_MAX ||
		!utf8_is_xml_text(acme->client_identifier))
		return err_set(err, RC_INVALID, "ACME ClientIdentifier: want 1 to %d bytes that XML can carry",
			PROFILE_CHALLENGE_BYTES_MAX);
	return RC_OK;
}

static enum rc check_certs(const struct profile_params *params, struct err *err)
{
	if (params->cert_count > PROFILE_CERTS_MAX)
		return err_set(err, RC_INVALID, "certificates: more than %d", PROFILE_CERTS_MAX);
	for (size_t i = 0; i < params->cert_count; i++)
		if (params->certs[i].der.len == 0 || params->certs[i].der.len > CERT_DER_BYTES_MAX)
			return err_set(err, RC_INVALID, "certificate %zu: want 1 to %d bytes", i + 1,
				CERT_DER_BYTES_MAX);
	return RC_OK;
}

static enum rc check_identity(const struct profile_params *params, struct err *err)
{
	switch (params->identity) {
	case PROFILE_IDENTITY_SCEP:
		return check_scep(&params->scep, err);
	case PROFILE_IDENTITY_PKCS12:
		return check_pkcs12(&params->pkcs12, err);
	case PROFILE_IDENTITY_ACME:
		return check_acme(&params->acme, err);
	}
	return err_set(err, RC_INTERNAL, "no such kind of identity: %d", (int)params->identity);
}

static enum rc check_mode(const struct profile_params *params, struct err *err)
{
	if (params->mode == PROFILE_MODE_NONE && params->managed_id != NULL)
		return err_set(err, RC_INVALID, "AssignedManagedAppleID: without EnrollmentMode");
	if (params->mode != PROFILE_MODE_NONE && params->managed_id == NULL)
		return err_set(err, RC_INVALID, "AssignedManagedAppleID: EnrollmentMode needs it");
	if (params->mode == PROFILE_MODE_BYOD && params->access_rights != 0)
		return err_set(err, RC_INVALID, "AccessRights: EnrollmentMode BYOD forbids them");
	if (params->mode != PROFILE_MODE_NONE &&
		check_text("AssignedManagedAppleID", params->managed_id, 1, PROFILE_TEXT_BYTES_MAX, err) != RC_OK)
		return RC_INVALID;
	if (params->mode == PROFILE_MODE_BYOD)
		return RC_OK;
	return profile_check_rights(params->access_rights, err);
}

static enum rc check_service(const struct profile_params *params, struct err *err)
{
	const struct slice challenge = params->scep.challenge;
	enum rc rc = profile_check_url("URL", params->service_url, err);

	if (rc != RC_OK)
		return rc;
	if (challenge.len == 0 || challenge.len > PROFILE_CHALLENGE_BYTES_MAX ||
		!utf8_is_xml_text(challenge))
		return err_set(err, RC_INVALID, "Challenge: want 1 to %d bytes that XML can carry",
			PROFILE_CHALLENGE_BYTES_MAX);
	return RC_OK;
}

static enum rc check_mdm(const struct profile_params *params, struct err *err)
{
	enum rc rc = profile_check_url("ServerURL", params->server_url, err);

	if (rc == RC_OK)
		rc = profile_check_url("CheckInURL", params->check_in_url, err);
	if (rc == RC_OK)
		rc = profile_check_topic(params->topic, err);
	return rc == RC_OK ? check_mode(params, err) : rc;
}

enum rc profile_check(const struct profile_params *params, struct err *err)
{
	enum rc rc = profile_check_identifier(params->identifier, err);

	if (rc == RC_OK)
		rc = check_texts(params, err);
	if (rc == RC_OK && params->kind == PROFILE_KIND_SERVICE)
		return check_service(params, err);
	if (rc == RC_OK && params->kind == PROFILE_KIND_ENROLLMENT)
		rc = check_mdm(params, err);
	if (rc == RC_OK)
		rc = check_identity(params, err);
	return rc == RC_OK ? check_certs(params, err) : rc;
}
