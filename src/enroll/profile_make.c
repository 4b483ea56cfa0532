/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "pomona/base/arena.h"
#include "pomona/store/escrow.h"
#include "pomona/store/push.h"

/* The enrollment profile of this server: of its settings, its push certificate, its own root. */

enum {
	ARENA_BYTES_MAX = 4194304,
	SEALED_BYTES_MAX = 2 * PROFILE_BYTES_MAX, /* in base64 */
	URL_BYTES = PROFILE_URL_BYTES_MAX + 16,
	NAME_BYTES = PROFILE_TEXT_BYTES_MAX + 64,
	KEY_BITS = 2048,
};

struct making {
	struct enroll_profile_settings settings;
	char topic[PROFILE_TEXT_BYTES_MAX + 1];
	char server_url[URL_BYTES], check_in_url[URL_BYTES], scep_url[URL_BYTES], service_url[URL_BYTES];
	char display_name[NAME_BYTES], description[NAME_BYTES];
	char common_name[PROFILE_COMMON_NAME_BYTES_MAX + 1];
	uint8_t ca_sha1[SHA1_BYTES];
	struct buf root; /* DER of our own TLS root; empty: none */
};

/* --- what the database has */

static enum rc choose_topic(struct txn *txn, struct making *making, struct err *err)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES_MAX);
	struct push_cert_view *views;
	size_t count, good = 0;
	enum rc rc;

	if (arena == NULL)
		return err_set(err, RC_NO_MEMORY, "push certificates");
	rc = push_cert_list(txn, arena, &views, &count, err);
	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < count; i++)
		if (views[i].not_after > txn_now(txn) && good++ == 0)
			(void)snprintf(making->topic, sizeof(making->topic), "%s", views[i].topic);
	if (good == 0)
		return err_set(err, RC_EXISTS,
			"there is no push certificate, and so no topic: `pomonactl pushcert set`, or name it in the "
			"conf, [enroll] topic");
	if (good > 1)
		return err_set(err, RC_EXISTS,
			"there are %zu push certificates: name the topic in the conf, [enroll] topic", good);
	return RC_OK;
}

static enum rc read_store(struct enroll *enroll, struct making *making, struct err *err)
{
	struct txn *txn = NULL;
	enum rc rc = store_read_begin(enroll->store, &txn, err);

	if (rc != RC_OK)
		return rc;
	if (making->topic[0] != '\0')
		rc = RC_OK; /* it stays */
	else if (making->settings.topic[0] == '\0')
		rc = choose_topic(txn, making, err);
	else
		memcpy(making->topic, making->settings.topic, sizeof(making->topic));
	if (rc == RC_OK && vault_get(txn, "tls_root.cert", &making->root, NULL) != RC_OK)
		buf_clear(&making->root); /* none: the certificate is another's */
	store_read_end(enroll->store, &txn);
	return rc;
}

/* --- the rest */

static void make_urls(struct making *making, const char *base)
{
	(void)snprintf(making->server_url, URL_BYTES, "%s/mdm", base);
	(void)snprintf(making->check_in_url, URL_BYTES, "%s/checkin", base);
	(void)snprintf(making->scep_url, URL_BYTES, "%s/scep", base);
	(void)snprintf(making->service_url, URL_BYTES, "%s/enroll/ota", base);
}

static void make_names(struct making *making)
{
	const char *who = making->settings.organization;

	if (who[0] == '\0') {
		(void)snprintf(making->display_name, NAME_BYTES, "Device management");
		(void)snprintf(making->description, NAME_BYTES, "Lets this device be managed.");
		return;
	}
	(void)snprintf(making->display_name, NAME_BYTES, "%s", who);
	(void)snprintf(making->description, NAME_BYTES, "Lets %s manage this device.", who);
}

static enum profile_mode mode_of(const struct account *account)
{
	if (account == NULL)
		return PROFILE_MODE_NONE;
	return account->mode == ACCOUNT_BYOD ? PROFILE_MODE_BYOD : PROFILE_MODE_ADDE;
}

static enum rc write_plain(const struct making *making, const struct enroll_profile_ask *ask,
	bool has_own_root, struct buf *out, struct err *err)
{
	const struct enroll_profile_settings *settings = &making->settings;
	const struct profile_cert root = {.der = buf_slice(&making->root), .is_root = true};
	const struct account *account = ask->account;
	const bool is_byod = account != NULL && account->mode == ACCOUNT_BYOD;
	const struct profile_params params = {
		.kind = ask->kind,
		.identifier = settings->identifier,
		.organization = settings->organization,
		.display_name = making->display_name,
		.description = making->description,
		.server_url = making->server_url,
		.check_in_url = making->check_in_url,
		.service_url = making->service_url,
		.topic = making->topic,
		.access_rights = is_byod ? 0 : settings->access_rights,
		.mode = mode_of(account),
		.managed_id = account == NULL ? NULL : account->managed_id,
		.capabilities = PROFILE_PER_USER_CONNECTIONS | (is_byod ? 0U : PROFILE_BOOTSTRAP_TOKEN),
		.is_message_signed = settings->is_message_signed,
		.is_check_out_wanted = settings->is_check_out_wanted,
		.identity = ask->identity,
		.scep =
			{
				.url = making->scep_url,
				.common_name = making->common_name,
				.challenge = ask->challenge,
				.ca_sha1 = slice_of(making->ca_sha1, SHA1_BYTES),
				.key_bits = KEY_BITS,
			},
		.pkcs12 = ask->pkcs12,
		.acme =
			{
				.directory_url = settings->acme_directory_url,
				.common_name = making->common_name,
				.client_identifier = ask->client_identifier,
			},
		.certs = &root,
		.cert_count = has_own_root && ask->kind == PROFILE_KIND_ENROLLMENT ? 1 : 0,
	};

	return profile_write(&params, out, err);
}

/* The signer stays while the lock is held. */
static enum rc write_signed(struct enroll *enroll, struct making *making,
	const struct enroll_profile_ask *ask, struct buf *out, struct err *err)
{
	const struct cms_signer *signer = enroll->profile_signer;
	AUTO(buf_fini_secret) struct buf plain;
	AUTO(buf_fini) struct buf sealed;
	const bool is_sealed = ask->encrypt_to.len > 0;
	enum rc rc;

	buf_init(&plain, PROFILE_BYTES_MAX);
	buf_init(&sealed, SEALED_BYTES_MAX);
	if (signer == NULL)
		return err_set(err, RC_BUSY, "there is no certificate yet to sign it with");
	if (buf_reserve(&plain, PROFILE_BYTES_MAX) == NULL) /* a secret is not moved in memory */
		return buf_status(&plain, "profile", err);
	rc = write_plain(making, ask,
		cert_is_issued_by(cms_signer_cert_der(signer), buf_slice(&making->root)), &plain, err);
	if (rc == RC_OK && is_sealed)
		rc = profile_encrypt(buf_slice(&plain), ask->encrypt_to, &sealed, err);
	if (rc != RC_OK)
		return rc;
	return cms_sign_attached(signer, is_sealed ? buf_slice(&sealed) : buf_slice(&plain),
		clock_unix_s(enroll->clock), out, err);
}

/* Of two sets of rights that hold each what it needs, what both have does so too. */
static enum rc keep_what_stays(struct making *making, const struct enroll_profile_ask *ask,
	struct err *err)
{
	struct enroll_profile_settings *settings = &making->settings;
	const char *topic = ask->topic == NULL ? "" : ask->topic;
	const char *identifier = ask->identifier == NULL ? "" : ask->identifier;

	if (strlen(topic) >= sizeof(making->topic) || strlen(identifier) >= sizeof(settings->identifier))
		return err_set(err, RC_LIMIT, "the topic or the identifier of the profile is too long");
	memcpy(making->topic, topic, strlen(topic) + 1);
	if (identifier[0] != '\0')
		memcpy(settings->identifier, identifier, strlen(identifier) + 1);
	if (ask->rights_max != 0)
		settings->access_rights &= ask->rights_max;
	if (settings->access_rights == 0)
		settings->access_rights = ask->rights_max;
	if (ask->facts_r == NULL)
		return RC_OK;
	memcpy(ask->facts_r->identifier, settings->identifier, sizeof(settings->identifier));
	ask->facts_r->access_rights = settings->access_rights;
	return RC_OK;
}

static enum rc make(struct enroll *enroll, struct making *making,
	const struct enroll_profile_ask *ask, struct buf *out, struct err *err)
{
	enum rc rc = keep_what_stays(making, ask, err);

	if (rc == RC_OK)
		rc = read_store(enroll, making, err);
	if (rc == RC_OK)
		rc = sha1_fingerprint(authority_cert_der(enroll->device_ca), making->ca_sha1, err);
	if (rc != RC_OK)
		return rc;
	make_urls(making, ask->url);
	make_names(making);
	profile_common_name(ask->device_id, making->common_name);
	(void)pthread_rwlock_rdlock(&enroll->lock);
	rc = write_signed(enroll, making, ask, out, err);
	(void)pthread_rwlock_unlock(&enroll->lock);
	return rc;
}

enum rc enroll_make_profile(struct enroll *enroll, const struct enroll_profile_ask *ask,
	struct buf *out, struct err *err)
{
	struct enroll_settings settings = enroll_settings(enroll);
	struct making making = {.settings = settings.profile};
	const bool is_scep_on = settings.is_scep_on;
	enum rc rc;

	settings_wipe(&settings);
	if (ask->identity == PROFILE_IDENTITY_SCEP && !is_scep_on)
		return err_set(err, RC_EXISTS,
			"devices get their identity by SCEP, which is off: [enroll] scep in the conf");
	if (ask->identity == PROFILE_IDENTITY_ACME && making.settings.acme_directory_url[0] == '\0')
		return err_set(err, RC_EXISTS,
			"there is no ACME server: [enroll] acme_directory_url in the conf");
	buf_init(&making.root, CERT_DER_BYTES_MAX);
	rc = make(enroll, &making, ask, out, err);
	buf_fini(&making.root);
	return rc;
}
