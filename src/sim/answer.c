/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <stdio.h>

#include "message.h"

enum {
	NO_NOT_NOW_IOS = 1, /* never put off by iOS */
	NO_NOT_NOW_MAC = 2, /* never put off by macOS */
	NO_NOT_NOW = NO_NOT_NOW_IOS | NO_NOT_NOW_MAC,
	FOR_USERS = 4,          /* on a user's channel too */
	FOR_ENROLLED_USERS = 8, /* in a user enrollment too */
	EVERYWHERE = FOR_USERS | FOR_ENROLLED_USERS,
};

/* A command: where it may come, what it must carry (NULL: nothing), what its result holds (NULL: a status only). */
struct command_spec {
	const char *name;
	unsigned platforms, flags;
	const char *key;
	enum plist_kind key_kind;
	fill_fn *fill;
};

#define ANY PLATFORM_ANY
#define IOS PLATFORM_IOS
#define MAC PLATFORM_MAC
#define TV PLATFORM_TV

static const struct command_spec commands[] = {
	{"AccountConfiguration", MAC, 0, NULL, 0, NULL},
	{"ActivationLockBypassCode", IOS | MAC, NO_NOT_NOW_MAC, NULL, 0, fill_activation_lock_bypass_code},
	{"AvailableOSUpdates", ANY, 0, NULL, 0, fill_available_os_updates},
	{"CertificateList", ANY, EVERYWHERE | NO_NOT_NOW_IOS, NULL, 0, fill_certificate_list},
	{"ClearActivationLockBypassCode", IOS | MAC, NO_NOT_NOW_MAC, NULL, 0, NULL},
	{"ClearPasscode", IOS, NO_NOT_NOW, "UnlockToken", PLIST_KIND_DATA, NULL},
	{"ClearRestrictionsPassword", IOS, 0, NULL, 0, NULL},
	{"DeclarativeManagement", ANY, EVERYWHERE, NULL, 0, NULL},
	{"DeleteUser", PLATFORM_IPAD | MAC, NO_NOT_NOW_MAC, NULL, 0, NULL},
	{"DeviceConfigured", ANY, 0, NULL, 0, NULL},
	{"DeviceInformation", ANY, EVERYWHERE | NO_NOT_NOW, "Queries", PLIST_KIND_ARRAY,
		fill_device_information},
	{"DeviceLocation", IOS, 0, NULL, 0, fill_device_location},
	{"DeviceLock", IOS | MAC, FOR_ENROLLED_USERS | NO_NOT_NOW, NULL, 0, NULL},
	{"DisableLostMode", IOS, 0, NULL, 0, NULL},
	{"DisableRemoteDesktop", MAC, 0, NULL, 0, NULL},
	{"EnableLostMode", IOS, 0, NULL, 0, NULL},
	{"EnableRemoteDesktop", MAC, 0, NULL, 0, NULL},
	{"EraseDevice", ANY, NO_NOT_NOW, NULL, 0, NULL},
	{"InstallApplication", ANY, EVERYWHERE, NULL, 0, fill_install_application},
	{"InstallEnterpriseApplication", MAC, FOR_ENROLLED_USERS, NULL, 0, NULL},
	{"InstallProfile", ANY, EVERYWHERE, "Payload", PLIST_KIND_DATA, NULL},
	{"InstallProvisioningProfile", ANY, EVERYWHERE, "ProvisioningProfile", PLIST_KIND_DATA, NULL},
	{"InstalledApplicationList", ANY, EVERYWHERE | NO_NOT_NOW_IOS, NULL, 0,
		fill_installed_application_list},
	{"LogOutUser", PLATFORM_IPAD, 0, NULL, 0, NULL},
	{"ManagedApplicationAttributes", IOS | TV, FOR_ENROLLED_USERS, "Identifiers", PLIST_KIND_ARRAY,
		fill_application_attributes},
	{"ManagedApplicationConfiguration", ANY, FOR_ENROLLED_USERS, "Identifiers", PLIST_KIND_ARRAY,
		fill_application_configurations},
	{"ManagedApplicationFeedback", ANY, FOR_ENROLLED_USERS, "Identifiers", PLIST_KIND_ARRAY,
		fill_application_feedback},
	{"ManagedApplicationList", ANY, FOR_ENROLLED_USERS, NULL, 0, fill_managed_application_list},
	{"ManagedMediaList", IOS, FOR_ENROLLED_USERS, NULL, 0, fill_managed_media_list},
	{"OSUpdateStatus", ANY, 0, NULL, 0, fill_os_update_status},
	{"PlayLostModeSound", IOS, 0, NULL, 0, NULL},
	{"ProfileList", ANY, EVERYWHERE | NO_NOT_NOW_IOS, NULL, 0, fill_profile_list},
	{"ProvisioningProfileList", ANY, EVERYWHERE | NO_NOT_NOW_IOS, NULL, 0,
		fill_provisioning_profile_list},
	{"RemoveApplication", ANY, FOR_ENROLLED_USERS, "Identifier", PLIST_KIND_STRING, NULL},
	{"RemoveProfile", ANY, EVERYWHERE, "Identifier", PLIST_KIND_STRING, NULL},
	{"RemoveProvisioningProfile", ANY, EVERYWHERE, "UUID", PLIST_KIND_STRING, NULL},
	{"RestartDevice", ANY, NO_NOT_NOW_MAC, NULL, 0, NULL},
	{"Restrictions", IOS | TV, NO_NOT_NOW_IOS, NULL, 0, fill_restrictions},
	{"ScheduleOSUpdate", ANY, 0, "Updates", PLIST_KIND_ARRAY, fill_update_results},
	{"ScheduleOSUpdateScan", MAC, 0, NULL, 0, NULL},
	{"SecurityInfo", ANY, FOR_ENROLLED_USERS, NULL, 0, fill_security_info},
	{"SetFirmwarePassword", MAC, 0, "NewPassword", PLIST_KIND_STRING, fill_firmware_password_changed},
	{"SetRecoveryLock", MAC, 0, NULL, 0, NULL},
	{"Settings", ANY, EVERYWHERE, "Settings", PLIST_KIND_ARRAY, fill_settings},
	{"ShutDownDevice", IOS | MAC, NO_NOT_NOW_MAC, NULL, 0, NULL},
	{"UnlockUserAccount", MAC, NO_NOT_NOW_MAC, "UserName", PLIST_KIND_STRING, NULL},
	{"UserList", PLATFORM_IPAD | MAC, NO_NOT_NOW_MAC, NULL, 0, fill_user_list},
	{"VerifyFirmwarePassword", MAC, 0, "Password", PLIST_KIND_STRING, fill_firmware_password_verified},
	{"VerifyRecoveryLock", MAC, 0, "Password", PLIST_KIND_STRING, fill_recovery_lock_verified},
};

static const char *const status_names[ANSWER_STATUS_COUNT] = {
	[ANSWER_ACKNOWLEDGED] = "Acknowledged",
	[ANSWER_ERROR] = "Error",
	[ANSWER_FORMAT_ERROR] = "CommandFormatError",
	[ANSWER_NOT_NOW] = "NotNow",
};

/* Of MCMDMErrorDomain, as the protocol reference lists them. */
enum { ERROR_NOT_AUTHORIZED = 12007, ERROR_INTERNAL = 12010, ERROR_UNKNOWN_COMMAND = 12021 };

struct verdict {
	enum answer_status status;
	int error_code;
	const char *error_text;
};

const char *answer_status_name(enum answer_status status)
{
	return status_names[status];
}

enum answer_status answer_status_of(struct slice name)
{
	enum answer_status status = ANSWER_ACKNOWLEDGED;

	while (status < ANSWER_STATUS_COUNT && !slice_is_str(name, status_names[status]))
		status++;
	return status;
}

static const struct command_spec *spec_find(struct slice name, const struct answer_params *params)
{
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		const struct command_spec *spec = &commands[i];

		if (!slice_is_str(name, spec->name))
			continue;
		if ((spec->platforms & params->device->model->platform) == 0)
			return NULL;
		return channel_is_user(params->channel) && !(spec->flags & FOR_USERS) ? NULL : spec;
	}
	return NULL;
}

static bool is_kind(const struct plist_node *node, enum plist_kind kind)
{
	return node != NULL && plist_kind(node) == kind;
}

static bool may_put_off(const struct command_spec *spec, const struct device *device)
{
	unsigned never = device->model->platform == PLATFORM_MAC ? NO_NOT_NOW_MAC : NO_NOT_NOW_IOS;

	return (spec->flags & never) == 0;
}

/* Both dice are thrown for each command, so that one rate does not change what the other hits. */
static struct verdict judge(const struct command_spec *spec, const struct answer_params *params,
	struct chance *chance, const struct plist_node *command)
{
	bool is_put_off = chance_hits(chance, params->notnow_percent);
	bool is_failing = chance_hits(chance, params->error_percent);

	if (!is_kind(command, PLIST_KIND_DICT) ||
		!is_kind(plist_dict_get(command, "RequestType"), PLIST_KIND_STRING))
		return (struct verdict){.status = ANSWER_FORMAT_ERROR};
	if (spec == NULL)
		return (struct verdict){ANSWER_ERROR, ERROR_UNKNOWN_COMMAND, "Unknown command"};
	if (spec->key != NULL && !is_kind(plist_dict_get(command, spec->key), spec->key_kind))
		return (struct verdict){.status = ANSWER_FORMAT_ERROR};
	if (params->device->enrollment_id[0] != 0 && !(spec->flags & FOR_ENROLLED_USERS))
		return (struct verdict){ANSWER_ERROR, ERROR_NOT_AUTHORIZED, "Not authorized"};
	if (is_put_off && may_put_off(spec, params->device))
		return (struct verdict){.status = ANSWER_NOT_NOW};
	if (is_failing)
		return (struct verdict){ANSWER_ERROR, ERROR_INTERNAL, "Simulated failure"};
	return (struct verdict){.status = ANSWER_ACKNOWLEDGED};
}

static void build_error_chain(struct build *build, struct plist_node *result,
	const struct verdict *verdict)
{
	struct plist_node *chain = build_array(build, result, "ErrorChain");
	struct plist_node *link = build_append_dict(build, chain);

	build_int(build, link, "ErrorCode", verdict->error_code);
	build_str(build, link, "ErrorDomain", "MCMDMErrorDomain");
	build_str(build, link, "LocalizedDescription", verdict->error_text);
	build_str(build, link, "USEnglishDescription", verdict->error_text);
}

static enum rc write_result(const struct answer_params *params, struct chance *chance,
	const struct plist_node *root, struct buf *out, struct answer *answer, struct err *err)
{
	const struct plist_node *command = plist_dict_get(root, "Command");
	struct slice name = plist_string(plist_dict_get(command, "RequestType"));
	const struct command_spec *spec = spec_find(name, params);
	struct verdict verdict = judge(spec, params, chance, command);
	AUTO(plist_doc_free) struct plist_doc *doc = plist_doc_new_dict();
	struct build build = {.rc = doc == NULL ? RC_NO_MEMORY : RC_OK};
	struct filling fill = {params->device, params->channel, chance, command, &build};
	struct plist_node *result = doc == NULL ? NULL : plist_root(doc);

	build_str(&build, result, "Status", status_names[verdict.status]);
	build_slice(&build, result, "CommandUUID", plist_string(plist_dict_get(root, "CommandUUID")));
	message_identify(&build, result, params->device, params->channel);
	if (verdict.status == ANSWER_ERROR)
		build_error_chain(&build, result, &verdict);
	if (verdict.status == ANSWER_ACKNOWLEDGED && spec->fill != NULL)
		spec->fill(&fill, result);
	*answer = (struct answer){.status = verdict.status,
		.is_erase = verdict.status == ANSWER_ACKNOWLEDGED && slice_is_str(name, "EraseDevice")};
	(void)snprintf(answer->request_type, sizeof(answer->request_type), "%.*s", SLICE_FMT(name));
	if (build.rc != RC_OK)
		return err_set(err, build.rc, "result");
	return plist_write_xml(doc, out, err);
}

enum rc answer_command(const struct answer_params *params, struct chance *chance,
	struct slice command, struct buf *result, struct answer *answer_r, struct err *err)
{
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	const struct plist_node *uuid;
	enum rc rc = plist_parse(command, &doc, err);

	*answer_r = (struct answer){0};
	if (rc != RC_OK)
		return err_context(err, "command");
	uuid = plist_dict_get(plist_root(doc), "CommandUUID");
	if (!is_kind(uuid, PLIST_KIND_STRING) || plist_string(uuid).len == 0)
		return err_set(err, RC_INVALID, "command: no CommandUUID");
	return write_result(params, chance, plist_root(doc), result, answer_r, err);
}
