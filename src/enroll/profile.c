/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/enroll/profile.h"

#include <stdio.h>
#include <string.h>

#include "pomona/plist/plist.h"
#include "profile_check.h"

/* Apple's Device Management: TopLevel, CertificateRoot, CertificatePKCS1, SCEP, CertificatePKCS12, MDM. */

enum {
	UUID_TEXT_BYTES = 37,
	LABEL_BYTES = 128,
	IDENTIFIER_BYTES = PROFILE_TEXT_BYTES_MAX + 1 + LABEL_BYTES,
	PAYLOAD_VERSION = 1,
	KEY_USAGE_SIGN = 1,
	KEY_USAGE_SIGN_AND_ENCRYPT = 5,
	ACME_KEY_BITS = 384,
	SCEP_RETRIES = 3,
	SCEP_RETRY_DELAY_S = 10,
};

/* The first fault stays; what comes after it changes nothing. */
struct writing {
	const struct profile_params *params;
	const char *prefix; /* of labels: what is of another kind has other names */
	enum rc rc;
};

static void put(struct writing *writing, struct plist_node *dict, const char *key,
	struct plist_node *child)
{
	if (writing->rc == RC_OK)
		writing->rc = plist_dict_set(dict, key, child);
	else
		plist_node_free(&child);
}

static void put_str(struct writing *writing, struct plist_node *dict, const char *key,
	const char *text)
{
	put(writing, dict, key, plist_new_string(slice_of_str(text)));
}

/* Nothing where it is NULL or empty. */
static void put_optional(struct writing *writing, struct plist_node *dict, const char *key,
	const char *text)
{
	if (text != NULL && text[0] != '\0')
		put_str(writing, dict, key, text);
}

static void put_int(struct writing *writing, struct plist_node *dict, const char *key,
	int64_t value)
{
	put(writing, dict, key, plist_new_integer(value));
}

static void put_bool(struct writing *writing, struct plist_node *dict, const char *key, bool value)
{
	put(writing, dict, key, plist_new_bool(value));
}

static void append(struct writing *writing, struct plist_node *array, struct plist_node *child)
{
	if (writing->rc == RC_OK)
		writing->rc = plist_array_append(array, child);
	else
		plist_node_free(&child);
}

/* A dictionary that is the array's already; what is put into it after a fault is dropped. */
static struct plist_node *append_dict(struct writing *writing, struct plist_node *array)
{
	struct plist_node *dict = plist_new_dict();

	append(writing, array, dict);
	return dict;
}

/* --- names that stay */

static void take_byte(char *out, size_t *len, char byte)
{
	if (*len < PROFILE_TEXT_BYTES_MAX)
		out[(*len)++] = byte;
}

void profile_identifier_of(const char *hostname, char out[static PROFILE_TEXT_BYTES_MAX + 1])
{
	static const char tail[] = "pomona";
	size_t end = strlen(hostname);
	size_t len = 0;

	while (end > 0) {
		size_t begin = end;

		while (begin > 0 && hostname[begin - 1] != '.')
			begin--;
		for (size_t i = begin; i < end; i++)
			take_byte(out, &len, hostname[i] == ':' ? '-' : hostname[i]); /* an IPv6 address */
		take_byte(out, &len, '.');
		end = begin > 0 ? begin - 1 : 0;
	}
	for (size_t i = 0; tail[i] != '\0'; i++)
		take_byte(out, &len, tail[i]);
	out[len] = '\0';
}

/* A UUID of version 8 (RFC 9562 5.8): of the digest over identifier and label. */
static void make_uuid(const struct profile_params *params, const char *label,
	char out[static UUID_TEXT_BYTES])
{
	char text[IDENTIFIER_BYTES + 1];
	uint8_t d[SHA256_BYTES];

	(void)snprintf(text, sizeof(text), "%s\n%s", params->identifier, label);
	sha256(slice_of_str(text), d);
	d[6] = (uint8_t)((d[6] & 0x0f) | 0x80);
	d[8] = (uint8_t)((d[8] & 0x3f) | 0x80);
	(void)snprintf(out, UUID_TEXT_BYTES,
		"%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X", d[0], d[1], d[2], d[3],
		d[4], d[5], d[6], d[7], d[8], d[9], d[10], d[11], d[12], d[13], d[14], d[15]);
}

static void join_label(const struct writing *writing, const char *label,
	char out[static LABEL_BYTES])
{
	const bool is_joined = writing->prefix[0] != '\0' && label[0] != '\0';

	(void)snprintf(out, LABEL_BYTES, "%s%s%s", writing->prefix, is_joined ? "." : "", label);
}

/* What every payload has. An empty name: the profile itself. */
static void put_head(struct writing *writing, struct plist_node *dict, const char *type,
	const char *name)
{
	const struct profile_params *params = writing->params;
	char identifier[IDENTIFIER_BYTES];
	char uuid[UUID_TEXT_BYTES];
	char label[LABEL_BYTES];

	join_label(writing, name, label);
	make_uuid(params, label, uuid);
	(void)snprintf(identifier, sizeof(identifier), "%s%s%s", params->identifier,
		label[0] == '\0' ? "" : ".", label);
	put_str(writing, dict, "PayloadType", type);
	put_int(writing, dict, "PayloadVersion", PAYLOAD_VERSION);
	put_str(writing, dict, "PayloadIdentifier", identifier);
	put_str(writing, dict, "PayloadUUID", uuid);
	put_optional(writing, dict, "PayloadOrganization", params->organization);
}

/* --- payloads */

static void add_cert(struct writing *writing, struct plist_node *payloads,
	const struct profile_cert *cert)
{
	const char *kind = cert->is_root ? "root" : "intermediate";
	struct plist_node *dict = append_dict(writing, payloads);
	uint8_t digest[SHA256_BYTES];
	char hex[SHA256_TEXT_BYTES];
	char label[LABEL_BYTES];

	sha256(cert->der, digest);
	sha256_text(digest, hex);
	(void)snprintf(label, sizeof(label), "%s.%s", kind, hex);
	put_head(writing, dict, cert->is_root ? "com.apple.security.root" : "com.apple.security.pkcs1",
		label);
	put_str(writing, dict, "PayloadDisplayName",
		cert->is_root ? "Root certificate" : "Intermediate certificate");
	put(writing, dict, "PayloadContent", plist_new_data(cert->der));
}

/* One [type, value] pair, in an RDN of its own: three levels. */
static void add_rdn(struct writing *writing, struct plist_node *subject, const char *type,
	const char *value)
{
	struct plist_node *rdn = plist_new_array();
	struct plist_node *pair = plist_new_array();

	append(writing, subject, rdn);
	append(writing, rdn, pair);
	append(writing, pair, plist_new_string(slice_of_str(type)));
	append(writing, pair, plist_new_string(slice_of_str(value)));
}

static void put_subject(struct writing *writing, struct plist_node *content,
	const char *common_name)
{
	struct plist_node *subject = plist_new_array();

	put(writing, content, "Subject", subject);
	if (writing->params->organization[0] != '\0' &&
		strlen(writing->params->organization) <= PROFILE_COMMON_NAME_BYTES_MAX)
		add_rdn(writing, subject, "O", writing->params->organization);
	add_rdn(writing, subject, "CN", common_name);
}

static void add_scep(struct writing *writing, struct plist_node *payloads)
{
	const struct profile_scep *scep = &writing->params->scep;
	struct plist_node *dict = append_dict(writing, payloads);
	struct plist_node *content = plist_new_dict();

	put_head(writing, dict, "com.apple.security.scep", "identity");
	put_str(writing, dict, "PayloadDisplayName", "Device identity");
	put(writing, dict, "PayloadContent", content);
	put_str(writing, content, "URL", scep->url);
	put_optional(writing, content, "Name", scep->name);
	put_subject(writing, content, scep->common_name);
	if (scep->challenge.len > 0)
		put(writing, content, "Challenge", plist_new_string(scep->challenge));
	put_int(writing, content, "Keysize", scep->key_bits);
	put_str(writing, content, "Key Type", "RSA");
	put_int(writing, content, "Key Usage", KEY_USAGE_SIGN_AND_ENCRYPT);
	put_int(writing, content, "Retries", SCEP_RETRIES);
	put_int(writing, content, "RetryDelay", SCEP_RETRY_DELAY_S);
	put_bool(writing, content, "KeyIsExtractable", false);
	if (scep->ca_sha1.len > 0)
		put(writing, content, "CAFingerprint", plist_new_data(scep->ca_sha1));
}

static void add_pkcs12(struct writing *writing, struct plist_node *payloads)
{
	const struct profile_pkcs12 *pkcs12 = &writing->params->pkcs12;
	struct plist_node *dict = append_dict(writing, payloads);

	put_head(writing, dict, "com.apple.security.pkcs12", "identity");
	put_str(writing, dict, "PayloadDisplayName", "Device identity");
	put(writing, dict, "PayloadContent", plist_new_data(pkcs12->content));
	if (pkcs12->password.len > 0)
		put(writing, dict, "Password", plist_new_string(pkcs12->password));
}

static void put_client_use(struct writing *writing, struct plist_node *dict)
{
	struct plist_node *uses = plist_new_array();

	put(writing, dict, "ExtendedKeyUsage", uses);
	append(writing, uses,
		plist_new_string(SLICE_LITERAL("1.3.6.1.5.5.7.3.2"))); /* RFC 5280 4.2.1.12 */
}

/* A key that is bound to the hardware is on P-256 or P-384, and only signs. */
static void add_acme(struct writing *writing, struct plist_node *payloads)
{
	const struct profile_acme *acme = &writing->params->acme;
	struct plist_node *dict = append_dict(writing, payloads);

	put_head(writing, dict, "com.apple.security.acme", "identity");
	put_str(writing, dict, "PayloadDisplayName", "Device identity");
	put_str(writing, dict, "DirectoryURL", acme->directory_url);
	put(writing, dict, "ClientIdentifier", plist_new_string(acme->client_identifier));
	put_str(writing, dict, "KeyType", "ECSECPrimeRandom");
	put_int(writing, dict, "KeySize", ACME_KEY_BITS);
	put_bool(writing, dict, "HardwareBound", true);
	put_bool(writing, dict, "Attest", true);
	put_subject(writing, dict, acme->common_name);
	put_int(writing, dict, "UsageFlags", KEY_USAGE_SIGN);
	put_client_use(writing, dict);
	put_bool(writing, dict, "KeyIsExtractable", false);
}

static void put_capabilities(struct writing *writing, struct plist_node *dict)
{
	static const struct {
		enum profile_capability bit;
		const char *name;
	} capabilities[] = {
		{PROFILE_PER_USER_CONNECTIONS, "com.apple.mdm.per-user-connections"},
		{PROFILE_BOOTSTRAP_TOKEN, "com.apple.mdm.bootstraptoken"},
		{PROFILE_GET_TOKEN, "com.apple.mdm.token"},
	};
	struct plist_node *array = plist_new_array();

	put(writing, dict, "ServerCapabilities", array);
	for (size_t i = 0; i < COUNT_OF(capabilities); i++)
		if ((writing->params->capabilities & (unsigned)capabilities[i].bit) != 0)
			append(writing, array, plist_new_string(slice_of_str(capabilities[i].name)));
}

static void add_mdm(struct writing *writing, struct plist_node *payloads)
{
	const struct profile_params *params = writing->params;
	struct plist_node *dict = append_dict(writing, payloads);
	char identity[UUID_TEXT_BYTES];

	make_uuid(params, "identity", identity);
	put_head(writing, dict, "com.apple.mdm", "mdm");
	put_str(writing, dict, "PayloadDisplayName", "Device management");
	put_str(writing, dict, "IdentityCertificateUUID", identity);
	put_str(writing, dict, "Topic", params->topic);
	put_str(writing, dict, "ServerURL", params->server_url);
	put_str(writing, dict, "CheckInURL", params->check_in_url);
	put_bool(writing, dict, "SignMessage", params->is_message_signed);
	if (params->mode != PROFILE_MODE_BYOD)
		put_int(writing, dict, "AccessRights", params->access_rights);
	if (params->mode != PROFILE_MODE_NONE) {
		put_str(writing, dict, "EnrollmentMode", params->mode == PROFILE_MODE_BYOD ? "BYOD" : "ADDE");
		put_str(writing, dict, "AssignedManagedAppleID", params->managed_id);
	}
	put_bool(writing, dict, "CheckOutWhenRemoved", params->is_check_out_wanted);
	if (params->is_apns_development)
		put_bool(writing, dict, "UseDevelopmentAPNS", true);
	if (params->capabilities != 0)
		put_capabilities(writing, dict);
}

static void (*const identity_writers[])(struct writing *writing, struct plist_node *payloads) = {
	[PROFILE_IDENTITY_SCEP] = add_scep,
	[PROFILE_IDENTITY_PKCS12] = add_pkcs12,
	[PROFILE_IDENTITY_ACME] = add_acme,
};

static void fill_enrollment(struct writing *writing, struct plist_node *root)
{
	const struct profile_params *params = writing->params;
	struct plist_node *payloads = plist_new_array();

	put_head(writing, root, "Configuration", "");
	put_str(writing, root, "PayloadDisplayName", params->display_name);
	put_optional(writing, root, "PayloadDescription", params->description);
	put_str(writing, root, "PayloadScope", "System");
	put_bool(writing, root, "PayloadRemovalDisallowed", params->is_removal_disallowed);
	put(writing, root, "PayloadContent", payloads);
	for (size_t i = 0; i < params->cert_count; i++)
		add_cert(writing, payloads, &params->certs[i]);
	identity_writers[params->identity](writing, payloads);
	if (params->kind == PROFILE_KIND_ENROLLMENT)
		add_mdm(writing, payloads);
}

/* --- the profile that asks a device to come: a payload by itself, in no profile */

static void fill_service(struct writing *writing, struct plist_node *root)
{
	static const char *const attributes[] = {"UDID", "SERIAL", "PRODUCT", "VERSION"};
	const struct profile_params *params = writing->params;
	struct plist_node *content = plist_new_dict();
	struct plist_node *asked = plist_new_array();

	put_head(writing, root, "Profile Service", "");
	put_str(writing, root, "PayloadDisplayName", params->display_name);
	put_optional(writing, root, "PayloadDescription", params->description);
	put(writing, root, "PayloadContent", content);
	put_str(writing, content, "URL", params->service_url);
	put(writing, content, "Challenge", plist_new_string(params->scep.challenge));
	put(writing, content, "DeviceAttributes", asked);
	for (size_t i = 0; i < COUNT_OF(attributes); i++)
		append(writing, asked, plist_new_string(slice_of_str(attributes[i])));
}

void profile_common_name(struct slice device_id, char out[static PROFILE_COMMON_NAME_BYTES_MAX + 1])
{
	const struct slice unknown = slice_of_str("Pomona device identity");
	const bool is_fit = device_id.len > 0 && device_id.len <= PROFILE_COMMON_NAME_BYTES_MAX;
	const struct slice name = is_fit ? device_id : unknown;

	memcpy(out, name.ptr, name.len);
	out[name.len] = '\0';
}

/* Indexed by enum profile_kind. */
static const struct kind {
	const char *prefix;
	void (*fill)(struct writing *writing, struct plist_node *root);
} kinds[] = {
	[PROFILE_KIND_ENROLLMENT] = {"", fill_enrollment},
	[PROFILE_KIND_SERVICE] = {"ota-service", fill_service},
	[PROFILE_KIND_IDENTITY_ALONE] = {"ota", fill_enrollment},
};

enum rc profile_write(const struct profile_params *params, struct buf *out, struct err *err)
{
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	const struct kind *kind = &kinds[params->kind];
	struct writing writing = {.params = params,
		.prefix = kind->prefix,
		.rc = profile_check(params, err)};

	if (writing.rc != RC_OK)
		return writing.rc;
	doc = plist_doc_new_dict();
	if (doc == NULL)
		return err_set(err, RC_NO_MEMORY, "profile");
	kind->fill(&writing, plist_root(doc));
	if (writing.rc != RC_OK)
		return err_set(err, writing.rc, "profile: cannot be made");
	return plist_write_xml(doc, out, err);
}
