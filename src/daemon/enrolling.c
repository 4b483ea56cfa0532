/* SPDX-License-Identifier: Apache-2.0 */
#include "enrolling.h"

#include <stdio.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/base/file.h"

enum { SECONDS_A_DAY = 86400, LINE_BREAK_BYTES = 2 };

static enum rc take_challenge(const char *path, struct slice text, struct enroll_settings *settings,
	struct err *err)
{
	if (text.len > 0 && text.ptr[text.len - 1] == '\n')
		text.len--;
	if (text.len > 0 && text.ptr[text.len - 1] == '\r')
		text.len--;
	if (text.len == 0 || text.len > ENROLL_CHALLENGE_BYTES_MAX)
		return err_set(err, RC_INVALID, "%s: want one line of 1 to %d bytes", path,
			ENROLL_CHALLENGE_BYTES_MAX);
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] < ' ' || text.ptr[i] > '~')
			return err_set(err, RC_INVALID, "%s: want printable ASCII characters in one line", path);
	memcpy(settings->static_challenge, text.ptr, text.len);
	settings->static_challenge[text.len] = '\0';
	return RC_OK;
}

static enum rc read_challenge(const char *path, struct enroll_settings *settings, struct err *err)
{
	AUTO(buf_fini_secret) struct buf text;
	enum rc rc;

	buf_init(&text, ENROLL_CHALLENGE_BYTES_MAX + LINE_BREAK_BYTES);
	if (path[0] == '\0')
		return RC_OK;
	if (buf_reserve(&text, ENROLL_CHALLENGE_BYTES_MAX + LINE_BREAK_BYTES) == NULL)
		return buf_status(&text, path, err);
	rc = file_read(path, &text, err);
	return rc == RC_OK ? take_challenge(path, buf_slice(&text), settings, err) : rc;
}

/* --- profiles */

struct text {
	const char *name; /* of the key */
	const char *value;
	char *out;
	size_t size;
};

static enum rc copy_texts(const struct text *texts, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if ((size_t)snprintf(texts[i].out, texts[i].size, "%s", texts[i].value) >= texts[i].size)
			return err_set(err, RC_INVALID, "[enroll] %s: longer than %zu bytes", texts[i].name,
				texts[i].size - 1);
	return RC_OK;
}

/* A path begins where it ends. */
static void cut_slashes(char *url)
{
	size_t len = strlen(url);

	while (len > 0 && url[len - 1] == '/')
		url[--len] = '\0';
}

static enum rc check_profile(const struct enroll_profile_settings *profile, struct err *err)
{
	enum rc rc = profile_check_identifier(profile->identifier, err);

	if (rc != RC_OK)
		return err_context(err, "[enroll] profile_identifier");
	rc = profile_check_rights(profile->access_rights, err);
	if (rc != RC_OK)
		return err_context(err, "[enroll] access_rights");
	if (!utf8_is_xml_text(slice_of_str(profile->organization)))
		return err_set(err, RC_INVALID,
			"[enroll] organization: has characters that a profile cannot carry");
	if (profile->topic[0] != '\0')
		rc = profile_check_topic(profile->topic, err);
	if (rc != RC_OK)
		return err_context(err, "[enroll] topic");
	if (profile->url[0] != '\0')
		rc = profile_check_url("URL", profile->url, err);
	if (rc != RC_OK)
		return err_context(err, "[enroll] url");
	if (profile->acme_directory_url[0] != '\0')
		rc = profile_check_url("URL", profile->acme_directory_url, err);
	return rc == RC_OK ? RC_OK : err_context(err, "[enroll] acme_directory_url");
}

static enum rc read_profile(const struct config *config, struct enroll_profile_settings *profile,
	struct err *err)
{
	const struct text texts[] = {
		{"organization", config->enroll.organization, profile->organization,
			sizeof(profile->organization)},
		{"profile_identifier", config->enroll.profile_identifier, profile->identifier,
			sizeof(profile->identifier)},
		{"url", config->enroll.url, profile->url, sizeof(profile->url)},
		{"topic", config->enroll.topic, profile->topic, sizeof(profile->topic)},
		{"acme_directory_url", config->enroll.acme_directory_url, profile->acme_directory_url,
			sizeof(profile->acme_directory_url)},
	};
	enum rc rc = copy_texts(texts, COUNT_OF(texts), err);

	if (rc != RC_OK)
		return rc;
	if (profile->identifier[0] == '\0')
		profile_identifier_of(config->server.hostname, profile->identifier);
	cut_slashes(profile->url);
	profile->access_rights = config->enroll.access_rights;
	profile->is_check_out_wanted = config->enroll.check_out_when_removed == CONFIG_YES;
	profile->is_message_signed = config->enroll.sign_message == CONFIG_YES;
	return check_profile(profile, err);
}

/* --- Automated Device Enrollment */

static enum rc check_ade(const struct ade_settings *ade, struct err *err)
{
	static const char *const names[] = {"minimum_os_ios", "minimum_os_ipados", "minimum_os_macos"};
	const struct {
		const char *name, *url;
	} urls[] = {
		{"sso_profile_url", ade->sso_profile_url},
		{"sso_auth_url", ade->sso_auth_url},
		{"sso_manifest_url", ade->sso_manifest_url},
	};
	size_t count = 0;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < ADE_OS_COUNT; i++)
		if (ade->minimum_os[i][0] != '\0' && !ade_version_is_sound(ade->minimum_os[i]))
			return err_set(err, RC_INVALID, "[enroll] %s: want a version such as 17.5.1", names[i]);
	for (size_t i = 0; rc == RC_OK && i < COUNT_OF(urls); i++)
		if (urls[i].url[0] != '\0') {
			rc = profile_check_url(urls[i].name, urls[i].url, err);
			count++;
		}
	if (rc != RC_OK)
		return err_context(err, "[enroll]");
	if (count != 0 && count != COUNT_OF(urls))
		return err_set(err, RC_INVALID,
			"[enroll] sso_profile_url, sso_auth_url and sso_manifest_url: set all three or none");
	return RC_OK;
}

static enum rc read_ade(const struct config *config, struct ade_settings *ade, struct err *err)
{
	static const enum ade_devices devices[] = {
		[CONFIG_ADE_LISTED] = ADE_DEVICES_LISTED,
		[CONFIG_ADE_ALL] = ADE_DEVICES_ALL,
		[CONFIG_ADE_NONE] = ADE_DEVICES_NONE,
	};
	static const enum ade_login logins[] = {
		[CONFIG_ADE_LOGIN_NONE] = ADE_LOGIN_NONE,
		[CONFIG_ADE_LOGIN_DIGEST] = ADE_LOGIN_DIGEST,
		[CONFIG_ADE_LOGIN_DIGEST_MD5] = ADE_LOGIN_DIGEST_MD5,
	};
	char(*os)[ADE_VERSION_BYTES_MAX + 1] = ade->minimum_os;
	const struct text texts[] = {
		{"minimum_os_ios", config->enroll.minimum_os_ios, os[ADE_OS_IOS], sizeof(*os)},
		{"minimum_os_ipados", config->enroll.minimum_os_ipados, os[ADE_OS_IPADOS], sizeof(*os)},
		{"minimum_os_macos", config->enroll.minimum_os_macos, os[ADE_OS_MACOS], sizeof(*os)},
		{"sso_profile_url", config->enroll.sso_profile_url, ade->sso_profile_url,
			sizeof(ade->sso_profile_url)},
		{"sso_auth_url", config->enroll.sso_auth_url, ade->sso_auth_url, sizeof(ade->sso_auth_url)},
		{"sso_manifest_url", config->enroll.sso_manifest_url, ade->sso_manifest_url,
			sizeof(ade->sso_manifest_url)},
	};
	enum rc rc = copy_texts(texts, COUNT_OF(texts), err);

	if (rc != RC_OK)
		return rc;
	ade->devices = devices[config->enroll.ade_devices];
	ade->signature =
		config->enroll.ade_signature == CONFIG_ADE_ANY ? ADE_SIGNATURE_ANY : ADE_SIGNATURE_APPLE;
	ade->login = logins[config->enroll.ade_login];
	ade->is_encrypted = config->enroll.ade_encrypt == CONFIG_YES;
	(void)snprintf(ade->realm, sizeof(ade->realm), "%s", config->users.realm);
	return check_ade(ade, err);
}
_Static_assert((int)ADE_REALM_BYTES > (int)USER_REALM_BYTES_MAX, "the conf's realm fits");

/* --- the policy service */

static enum rc see_certificate(void *ctx, struct slice der, struct err *err)
{
	struct cert_facts facts;

	(void)ctx;
	return cert_read_facts(der, &facts, err);
}

static enum rc read_policy_ca(const char *path, struct buf *pem, struct err *err)
{
	enum rc rc;

	buf_init(pem, ENROLL_POLICY_CA_BYTES_MAX);
	if (path[0] == '\0')
		return RC_OK;
	rc = file_read(path, pem, err);
	if (rc == RC_OK)
		rc = cert_pem_each(buf_slice(pem), see_certificate, NULL, err);
	return rc == RC_OK ? RC_OK : err_context(err, "[enroll] policy_ca_file: %s", path);
}

enum rc enrolling_policy(const struct config *config, struct buf *ca_pem,
	struct enroll_policy *policy_r, struct err *err)
{
	enum rc rc = read_policy_ca(config->enroll.policy_ca_file, ca_pem, err);

	if (rc != RC_OK)
		return rc;
	*policy_r = (struct enroll_policy){
		.url = config->enroll.policy_url[0] == '\0' ? NULL : config->enroll.policy_url,
		.ca_pem = buf_slice(ca_pem),
		.timeout_s = config->enroll.policy_timeout_s,
		.is_silence_allowed = config->enroll.policy_when_silent == CONFIG_POLICY_ALLOW,
	};
	rc = enroll_policy_check(policy_r, err);
	return rc == RC_OK ? RC_OK : err_context(err, "[enroll] policy_url");
}

enum rc enrolling_signer(const struct host_tls *tls, struct cms_signer **signer_r, struct err *err)
{
	return cms_signer_new(buf_slice(&tls->chain), buf_slice(&tls->key), signer_r, err);
}

enum rc enrolling_settings(const struct config *config, struct enroll_settings *settings_r,
	struct err *err)
{
	enum rc rc;

	*settings_r = (struct enroll_settings){
		.is_scep_on = config->enroll.scep == CONFIG_ON,
		.identity_valid_s = config->enroll.identity_days * SECONDS_A_DAY,
		.challenge_grace_s = config->enroll.challenge_grace_s,
		.crl_valid_s = config->enroll.crl_valid_s,
		.renew_before_s = config->enroll.renew_before * SECONDS_A_DAY,
		.is_account_offered = {[ACCOUNT_BYOD] = config->enroll.account_byod == CONFIG_ON,
			[ACCOUNT_ADDE] = config->enroll.account_adde == CONFIG_ON},
		.access_token_s = config->enroll.access_token_days * SECONDS_A_DAY,
		.is_ota_encrypted = config->enroll.ota_encrypt == CONFIG_YES,
	};
	rc = read_profile(config, &settings_r->profile, err);
	if (rc == RC_OK)
		rc = read_ade(config, &settings_r->ade, err);
	if (rc != RC_OK)
		return rc;
	rc = read_challenge(config->enroll.scep_challenge_file, settings_r, err);
	return rc == RC_OK ? RC_OK : err_context(err, "[enroll] scep_challenge_file");
}
