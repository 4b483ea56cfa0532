/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

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
