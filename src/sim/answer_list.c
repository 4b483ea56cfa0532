/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

enum { CERT_SCRATCH_BYTES = CERT_DER_BYTES_MAX };

static const struct {
	const char *identifier, *name, *version;
	unsigned platforms;
	int64_t bundle_bytes;
} apps[] = {
	{"com.apple.mobilesafari", "Safari", "17.6", PLATFORM_IOS, 14000000},
	{"com.apple.Safari", "Safari", "17.6", PLATFORM_MAC, 13500000},
	{"com.apple.TVWatchList", "TV", "1.0", PLATFORM_TV, 9000000},
	{"com.example.pomona.orchard", "Orchard", "3.2.1", PLATFORM_ANY, 52000000},
	{"com.example.pomona.cider", "Cider", "1.0", PLATFORM_IOS | PLATFORM_MAC, 21000000},
};

void fill_installed_application_list(struct filling *fill, struct plist_node *result)
{
	struct plist_node *list = build_array(fill->build, result, "InstalledApplicationList");

	for (size_t i = 0; i < COUNT_OF(apps); i++) {
		struct plist_node *app;

		if ((apps[i].platforms & fill->device->model->platform) == 0)
			continue;
		app = build_append_dict(fill->build, list);
		build_str(fill->build, app, "Identifier", apps[i].identifier);
		build_str(fill->build, app, "Name", apps[i].name);
		build_str(fill->build, app, "ShortVersion", apps[i].version);
		build_str(fill->build, app, "Version", apps[i].version);
		build_int(fill->build, app, "BundleSize", apps[i].bundle_bytes);
	}
}

void fill_profile_list(struct filling *fill, struct plist_node *result)
{
	struct plist_node *profile =
		build_append_dict(fill->build, build_array(fill->build, result, "ProfileList"));

	build_str(fill->build, profile, "PayloadIdentifier", "com.example.pomona.enrollment");
	build_str(fill->build, profile, "PayloadUUID", "2D5C6F0B-6E0C-4C6C-9B38-3D5A6C1F7E11");
	build_str(fill->build, profile, "PayloadDisplayName", "Device Management");
	build_int(fill->build, profile, "PayloadVersion", 1);
	build_bool(fill->build, profile, "HasRemovalPasscode", false);
	build_bool(fill->build, profile, "IsEncrypted", false);
	build_bool(fill->build, profile, "IsManaged", true);
	build_bool(fill->build, profile, "PayloadRemovalDisallowed", false);
	(void)build_array(fill->build, profile, "PayloadContent");
}

static enum rc copy_der(void *ctx, struct slice der, struct err *err)
{
	buf_append(ctx, der);
	return buf_status(ctx, "certificate", err);
}

/* The device's own identity, as the server knows it from TLS. */
void fill_certificate_list(struct filling *fill, struct plist_node *result)
{
	struct plist_node *list = build_array(fill->build, result, "CertificateList");
	struct plist_node *entry;
	struct buf der;

	buf_init(&der, CERT_SCRATCH_BYTES);
	if (cert_pem_each(buf_slice(&fill->device->cert_pem), copy_der, &der, NULL) == RC_OK) {
		entry = build_append_dict(fill->build, list);
		build_str(fill->build, entry, "CommonName", device_id(fill->device));
		build_data(fill->build, entry, "Data", buf_slice(&der));
		build_bool(fill->build, entry, "IsIdentity", true);
	}
	buf_fini(&der);
}

void fill_managed_application_list(struct filling *fill, struct plist_node *result)
{
	(void)build_dict(fill->build, result, "ManagedApplicationList");
}

void fill_provisioning_profile_list(struct filling *fill, struct plist_node *result)
{
	(void)build_array(fill->build, result, "ProvisioningProfileList");
}

void fill_managed_media_list(struct filling *fill, struct plist_node *result)
{
	(void)build_array(fill->build, result, "Books");
}

void fill_available_os_updates(struct filling *fill, struct plist_node *result)
{
	(void)build_array(fill->build, result, "AvailableOSUpdates");
}

void fill_os_update_status(struct filling *fill, struct plist_node *result)
{
	(void)build_array(fill->build, result, "OSUpdateStatus");
}

void fill_update_results(struct filling *fill, struct plist_node *result)
{
	(void)build_array(fill->build, result, "UpdateResults");
}

void fill_restrictions(struct filling *fill, struct plist_node *result)
{
	struct plist_node *all = build_dict(fill->build, result, "GlobalRestrictions");

	(void)build_dict(fill->build, all, "restrictedBool");
	(void)build_dict(fill->build, all, "restrictedValue");
}

void fill_user_list(struct filling *fill, struct plist_node *result)
{
	struct plist_node *users = build_array(fill->build, result, "Users");

	for (unsigned i = 1; i < fill->device->channel_count; i++) {
		const struct channel *channel = &fill->device->channels[i];
		struct plist_node *user = build_append_dict(fill->build, users);

		build_str(fill->build, user, "UserName", channel->short_name);
		build_str(fill->build, user, "FullName", channel->long_name);
		build_bool(fill->build, user, "IsLoggedIn", channel->is_enrolled);
		build_bool(fill->build, user, "HasDataToSync", false);
	}
}

/* Settings is always acknowledged: each item has a status of its own. */
void fill_settings(struct filling *fill, struct plist_node *result)
{
	const struct plist_node *asked = plist_dict_get(fill->command, "Settings");
	struct plist_node *list = build_array(fill->build, result, "Settings");

	for (size_t i = 0; i < plist_count(asked); i++) {
		struct slice item = plist_string(plist_dict_get(plist_array_at(asked, i), "Item"));
		struct plist_node *done = build_append_dict(fill->build, list);

		build_slice(fill->build, done, "Item", item);
		build_str(fill->build, done, "Status", item.len > 0 ? "Acknowledged" : "CommandFormatError");
	}
}

void fill_install_application(struct filling *fill, struct plist_node *result)
{
	const struct plist_node *identifier = plist_dict_get(fill->command, "Identifier");

	if (identifier != NULL && plist_kind(identifier) == PLIST_KIND_STRING)
		build_slice(fill->build, result, "Identifier", plist_string(identifier));
	build_str(fill->build, result, "State", "Installing");
}

void fill_application_attributes(struct filling *fill, struct plist_node *result)
{
	(void)build_array(fill->build, result, "ApplicationAttributes");
}

void fill_application_configurations(struct filling *fill, struct plist_node *result)
{
	(void)build_array(fill->build, result, "ApplicationConfigurations");
}

void fill_application_feedback(struct filling *fill, struct plist_node *result)
{
	(void)build_array(fill->build, result, "ManagedApplicationFeedback");
}

void fill_device_location(struct filling *fill, struct plist_node *result)
{
	build_real(fill->build, result, "Latitude", 52.52);
	build_real(fill->build, result, "Longitude", 13.405);
	build_real(fill->build, result, "HorizontalAccuracy", 65);
	build_real(fill->build, result, "VerticalAccuracy", 10);
	build_real(fill->build, result, "Altitude", 34);
	build_real(fill->build, result, "Speed", -1);
	build_real(fill->build, result, "Course", -1);
}

void fill_firmware_password_changed(struct filling *fill, struct plist_node *result)
{
	struct plist_node *outcome = build_dict(fill->build, result, "SetFirmwarePassword");

	build_bool(fill->build, outcome, "PasswordChanged", true);
}

void fill_firmware_password_verified(struct filling *fill, struct plist_node *result)
{
	struct plist_node *outcome = build_dict(fill->build, result, "VerifyFirmwarePassword");

	build_bool(fill->build, outcome, "PasswordVerified", true);
}

void fill_recovery_lock_verified(struct filling *fill, struct plist_node *result)
{
	build_bool(fill->build, result, "PasswordVerified", true);
}

void fill_activation_lock_bypass_code(struct filling *fill, struct plist_node *result)
{
	build_str(fill->build, result, "ActivationLockBypassCode", "2VK5R-Y6WPX-47FQ-13JN-5D0H-8T");
}
