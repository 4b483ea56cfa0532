/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#define ENROLLMENT_IDENTIFIER "com.example.pomona.enrollment"

/* It takes the place of the one by which the device is managed; that is for session.c to do. */
static struct refusals offer(struct device *device, struct slice payload,
	const struct enrollment_keys *keys)
{
	static const struct refusal no_room = {"MCInstallationErrorDomain", 4001, "Installation failure"};
	static const struct refusal bad = {"MCMDMErrorDomain", 12009, "Invalid replacement profile"};
	struct refusals why = {NULL, NULL};
	struct enrollment_profile profile;

	if (enrollment_profile_read(payload, keys, &profile, NULL) != RC_OK)
		return (struct refusals){&no_room, &bad};
	why = management_may_become(device->management, &profile);
	enrollment_profile_fini(&profile);
	if (why.top != NULL)
		return (struct refusals){&no_room, why.top};
	buf_clear(&device->offer);
	buf_append(&device->offer, payload);
	return (struct refusals){device->offer.rc == RC_OK ? NULL : &no_room, NULL};
}

struct refusals act_install_profile(const struct acting *act)
{
	struct slice payload = plist_data(plist_dict_get(act->command, "Payload"));
	const struct enrollment_keys keys = {buf_slice(&act->device->cert_pem),
		buf_slice(&act->device->key_pem)};

	if (!channel_is_user(act->channel) && enrollment_profile_is(payload, &keys))
		return offer(act->device, payload, &keys);
	return profile_install(&act->channel->profiles, payload);
}

struct refusals act_remove_profile(const struct acting *act)
{
	return profile_remove(&act->channel->profiles,
		plist_string(plist_dict_get(act->command, "Identifier")));
}

/* What a list says of a profile, and of each payload in it: these keys as they are, where they are. */
static const char *const told_keys[] = {
	"PayloadDescription",
	"PayloadDisplayName",
	"PayloadIdentifier",
	"PayloadOrganization",
	"PayloadType",
	"PayloadUUID",
	"PayloadVersion",
};

static void tell(struct build *build, struct plist_node *entry, const struct plist_node *from)
{
	for (size_t i = 0; i < COUNT_OF(told_keys); i++) {
		const struct plist_node *value = plist_dict_get(from, told_keys[i]);

		if (value != NULL && plist_kind(value) == PLIST_KIND_STRING)
			build_slice(build, entry, told_keys[i], plist_string(value));
		else if (value != NULL && plist_kind(value) == PLIST_KIND_INTEGER)
			build_int(build, entry, told_keys[i], plist_integer(value, NULL));
	}
}

struct telling {
	struct build *build;
	struct plist_node *list;
};

static enum rc tell_payload(void *ctx, size_t index, struct plist_node *payload)
{
	const struct telling *telling = ctx;

	(void)index;
	tell(telling->build, build_append_dict(telling->build, telling->list), payload);
	return RC_OK;
}

/* Only the profiles of Macs do not say whose they are. */
static void tell_state(const struct filling *fill, struct plist_node *entry, bool is_encrypted,
	bool is_fixed)
{
	build_bool(fill->build, entry, "HasRemovalPasscode", false);
	build_bool(fill->build, entry, "IsEncrypted", is_encrypted);
	build_bool(fill->build, entry, "PayloadRemovalDisallowed", is_fixed);
	if (fill->device->model->platform != PLATFORM_MAC)
		build_bool(fill->build, entry, "IsManaged", true);
}

static void append_data(struct build *build, struct plist_node *array, struct slice bytes)
{
	struct plist_node *node;

	if (build->rc != RC_OK)
		return;
	node = plist_new_data(bytes);
	build->rc = plist_array_append(array, node);
}

static void tell_profile(const struct filling *fill, struct plist_node *list,
	const struct profile *profile)
{
	struct plist_node *entry = build_append_dict(fill->build, list);
	struct telling telling = {fill->build, NULL};

	tell(fill->build, entry, profile->root);
	tell_state(fill, entry, profile->is_encrypted,
		plist_bool(plist_dict_get(profile->root, "PayloadRemovalDisallowed")));
	if (profile->signer_der.len > 0)
		append_data(fill->build, build_array(fill->build, entry, "SignerCertificates"),
			buf_slice(&profile->signer_der));
	if (profile->is_encrypted)
		return;
	telling.list = build_array(fill->build, entry, "PayloadContent");
	build_note(fill->build,
		plist_array_each(plist_dict_get(profile->root, "PayloadContent"), tell_payload, &telling));
}

static void tell_payload_bytes(const struct filling *fill, struct plist_node *list,
	struct slice payload)
{
	struct profile profile;

	if (profile_read(payload, &profile).top == NULL)
		tell_profile(fill, list, &profile);
	profile_fini(&profile);
}

/* What brought the device under management; a user's channel has none of its own. */
static void tell_enrollment(const struct filling *fill, struct plist_node *list)
{
	static const struct {
		const char *key, *profile, *payload;
	} texts[] = {
		{"PayloadDisplayName", "Device Management", "Device Management"},
		{"PayloadIdentifier", ENROLLMENT_IDENTIFIER, ENROLLMENT_IDENTIFIER ".mdm"},
		{"PayloadOrganization", "Pomona", "Pomona"},
		{"PayloadType", "Configuration", "com.apple.mdm"},
		{"PayloadUUID", "2D5C6F0B-6E0C-4C6C-9B38-3D5A6C1F7E11", "7B0A53C4-90D2-4B18-A6EE-5C1F08D7E2A9"},
	};
	struct plist_node *profile, *payload;

	if (channel_is_user(fill->channel))
		return;
	if (fill->device->management != NULL) {
		tell_payload_bytes(fill, list, buf_slice(&fill->device->management->payload));
		return;
	}
	profile = build_append_dict(fill->build, list);
	payload = build_append_dict(fill->build, build_array(fill->build, profile, "PayloadContent"));
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		build_str(fill->build, profile, texts[i].key, texts[i].profile);
		build_str(fill->build, payload, texts[i].key, texts[i].payload);
	}
	build_int(fill->build, profile, "PayloadVersion", 1);
	build_int(fill->build, payload, "PayloadVersion", 1);
	tell_state(fill, profile, false, false);
}

void fill_profile_list(struct filling *fill, struct plist_node *result)
{
	const struct profile_set *set = &fill->channel->profiles;
	struct plist_node *list = build_array(fill->build, result, "ProfileList");

	tell_enrollment(fill, list);
	for (size_t i = 0; i < set->count; i++)
		tell_payload_bytes(fill, list, buf_slice(&set->payloads[i]));
}

/* --- certificates */

static enum rc tell_cert(void *ctx, struct slice der, bool is_identity)
{
	const struct telling *telling = ctx;
	struct plist_node *entry = build_append_dict(telling->build, telling->list);
	struct cert_facts facts;

	if (cert_read_facts(der, &facts, NULL) != RC_OK)
		return RC_INVALID;
	build_str(telling->build, entry, "CommonName", facts.common_name);
	build_data(telling->build, entry, "Data", der);
	build_bool(telling->build, entry, "IsIdentity", is_identity);
	return RC_OK;
}

static enum rc tell_identity(void *ctx, struct slice der, struct err *err)
{
	(void)err;
	return tell_cert(ctx, der, true);
}

static enum rc tell_anchor(void *ctx, struct slice der, struct err *err)
{
	(void)err;
	return tell_cert(ctx, der, false);
}

/* The device's own identity, as the server knows it from TLS, and what profiles have brought. */
void fill_certificate_list(struct filling *fill, struct plist_node *result)
{
	const struct profile_set *set = &fill->channel->profiles;
	struct telling telling = {fill->build, build_array(fill->build, result, "CertificateList")};

	if (fill->device->cert_pem.len > 0)
		build_note(fill->build,
			cert_pem_each(buf_slice(&fill->device->cert_pem), tell_identity, &telling, NULL));
	if (fill->device->management != NULL && !channel_is_user(fill->channel) &&
		fill->device->management->anchors_pem.len > 0)
		build_note(fill->build,
			cert_pem_each(buf_slice(&fill->device->management->anchors_pem), tell_anchor, &telling, NULL));
	for (size_t i = 0; i < set->count; i++) {
		struct profile profile;

		if (profile_read(buf_slice(&set->payloads[i]), &profile).top == NULL)
			build_note(fill->build, profile_each_cert(&profile, tell_cert, &telling));
		profile_fini(&profile);
	}
}
