/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <stdio.h>

#include "message.h"

enum {
	NO_NOT_NOW_IOS = 1, /* never put off by iOS */
	NO_NOT_NOW_MAC = 2, /* never put off by macOS */
	NO_NOT_NOW = NO_NOT_NOW_IOS | NO_NOT_NOW_MAC,
	FOR_MAC_USERS = 4,    /* on the channel of a Mac's user too */
	FOR_SHARED_USERS = 8, /* on that of a Shared iPad's user too */
	FOR_USERS = FOR_MAC_USERS | FOR_SHARED_USERS,
	FOR_ENROLLED_USERS = 16, /* in a user enrollment too */
	SHARED_PAD = 32,         /* of iPads, only Shared ones know it */
	EVERYWHERE = FOR_USERS | FOR_ENROLLED_USERS,
};

/* A command: where it may come, what it must carry (NULL: nothing), what its result holds (NULL: a status only). */
struct command_spec {
	const char *name;
	unsigned platforms, flags;
	const char *key;
	enum plist_kind key_kind;
	fill_fn *fill;
	act_fn *act; /* NULL: nothing that would show later */
};

#define ANY PLATFORM_ANY
#define IOS PLATFORM_IOS
#define MAC PLATFORM_MAC
#define TV PLATFORM_TV

static const struct command_spec commands[] = {
	{"AccountConfiguration", MAC, 0, NULL, 0, NULL, NULL},
	{"ActivationLockBypassCode", IOS | MAC, NO_NOT_NOW_MAC, NULL, 0, fill_activation_lock_bypass_code,
		NULL},
	{"AvailableOSUpdates", ANY, 0, NULL, 0, fill_available_os_updates, NULL},
	{"CertificateList", ANY, FOR_MAC_USERS | FOR_ENROLLED_USERS | NO_NOT_NOW_IOS, NULL, 0,
		fill_certificate_list, NULL},
	{"ClearActivationLockBypassCode", IOS | MAC, NO_NOT_NOW_MAC, NULL, 0, NULL, NULL},
	{"ClearPasscode", IOS, NO_NOT_NOW, "UnlockToken", PLIST_KIND_DATA, NULL, NULL},
	{"ClearRestrictionsPassword", IOS, 0, NULL, 0, NULL, NULL},
	{"DeclarativeManagement", ANY, EVERYWHERE, NULL, 0, NULL, NULL},
	{"DeleteUser", PLATFORM_IPAD | MAC, SHARED_PAD | NO_NOT_NOW_MAC, NULL, 0, NULL, NULL},
	{"DeviceConfigured", ANY, 0, NULL, 0, NULL, act_end_setup},
	{"DeviceInformation", ANY, EVERYWHERE | NO_NOT_NOW, "Queries", PLIST_KIND_ARRAY,
		fill_device_information, NULL},
	{"DeviceLocation", IOS, 0, NULL, 0, fill_device_location, NULL},
	{"DeviceLock", IOS | MAC, FOR_ENROLLED_USERS | NO_NOT_NOW, NULL, 0, NULL, NULL},
	{"DisableLostMode", IOS, 0, NULL, 0, NULL, NULL},
	{"DisableRemoteDesktop", MAC, 0, NULL, 0, NULL, NULL},
	{"EnableLostMode", IOS, 0, NULL, 0, NULL, NULL},
	{"EnableRemoteDesktop", MAC, 0, NULL, 0, NULL, NULL},
	{"EraseDevice", ANY, NO_NOT_NOW, NULL, 0, NULL, NULL},
	{"InstallApplication", ANY, EVERYWHERE, NULL, 0, fill_install_application, NULL},
	{"InstallEnterpriseApplication", MAC, FOR_ENROLLED_USERS, NULL, 0, NULL, NULL},
	{"InstallProfile", ANY, EVERYWHERE, "Payload", PLIST_KIND_DATA, NULL, act_install_profile},
	{"InstallProvisioningProfile", ANY, EVERYWHERE, "ProvisioningProfile", PLIST_KIND_DATA, NULL,
		NULL},
	{"InstalledApplicationList", ANY, FOR_MAC_USERS | FOR_ENROLLED_USERS | NO_NOT_NOW_IOS, NULL, 0,
		fill_installed_application_list, NULL},
	{"LogOutUser", PLATFORM_IPAD, SHARED_PAD, NULL, 0, NULL, act_log_out_user},
	{"ManagedApplicationAttributes", IOS | TV, FOR_ENROLLED_USERS, "Identifiers", PLIST_KIND_ARRAY,
		fill_application_attributes, NULL},
	{"ManagedApplicationConfiguration", ANY, FOR_ENROLLED_USERS, "Identifiers", PLIST_KIND_ARRAY,
		fill_application_configurations, NULL},
	{"ManagedApplicationFeedback", ANY, FOR_ENROLLED_USERS, "Identifiers", PLIST_KIND_ARRAY,
		fill_application_feedback, NULL},
	{"ManagedApplicationList", ANY, FOR_MAC_USERS | FOR_ENROLLED_USERS, NULL, 0,
		fill_managed_application_list, NULL},
	{"ManagedMediaList", IOS, FOR_ENROLLED_USERS, NULL, 0, fill_managed_media_list, NULL},
	{"OSUpdateStatus", ANY, 0, NULL, 0, fill_os_update_status, NULL},
	{"PlayLostModeSound", IOS, 0, NULL, 0, NULL, NULL},
	{"ProfileList", ANY, EVERYWHERE | NO_NOT_NOW_IOS, NULL, 0, fill_profile_list, NULL},
	{"ProvisioningProfileList", ANY, EVERYWHERE | NO_NOT_NOW_IOS, NULL, 0,
		fill_provisioning_profile_list, NULL},
	{"RemoveApplication", ANY, FOR_ENROLLED_USERS, "Identifier", PLIST_KIND_STRING, NULL, NULL},
	{"RemoveProfile", ANY, EVERYWHERE, "Identifier", PLIST_KIND_STRING, NULL, act_remove_profile},
	{"RemoveProvisioningProfile", ANY, EVERYWHERE, "UUID", PLIST_KIND_STRING, NULL, NULL},
	{"RestartDevice", ANY, NO_NOT_NOW_MAC, NULL, 0, NULL, NULL},
	{"Restrictions", IOS | TV, FOR_SHARED_USERS | NO_NOT_NOW_IOS, NULL, 0, fill_restrictions, NULL},
	{"ScheduleOSUpdate", ANY, 0, "Updates", PLIST_KIND_ARRAY, fill_update_results, NULL},
	{"ScheduleOSUpdateScan", MAC, 0, NULL, 0, NULL, NULL},
	{"SecurityInfo", ANY, FOR_MAC_USERS | FOR_ENROLLED_USERS, NULL, 0, fill_security_info, NULL},
	{"SetFirmwarePassword", MAC, 0, "NewPassword", PLIST_KIND_STRING, fill_firmware_password_changed,
		NULL},
	{"SetRecoveryLock", MAC, 0, NULL, 0, NULL, NULL},
	{"Settings", ANY, EVERYWHERE, "Settings", PLIST_KIND_ARRAY, fill_settings, NULL},
	{"ShutDownDevice", IOS | MAC, NO_NOT_NOW_MAC, NULL, 0, NULL, NULL},
	{"UnlockUserAccount", MAC, NO_NOT_NOW_MAC, "UserName", PLIST_KIND_STRING, NULL, NULL},
	{"UserList", PLATFORM_IPAD | MAC, SHARED_PAD | NO_NOT_NOW_MAC, NULL, 0, fill_user_list, NULL},
	{"VerifyFirmwarePassword", MAC, 0, "Password", PLIST_KIND_STRING, fill_firmware_password_verified,
		NULL},
	{"VerifyRecoveryLock", MAC, 0, "Password", PLIST_KIND_STRING, fill_recovery_lock_verified, NULL},
};

static const char *const status_names[ANSWER_STATUS_COUNT] = {
	[ANSWER_ACKNOWLEDGED] = "Acknowledged",
	[ANSWER_ERROR] = "Error",
	[ANSWER_FORMAT_ERROR] = "CommandFormatError",
	[ANSWER_NOT_NOW] = "NotNow",
};

/* Of MCMDMErrorDomain, as the protocol reference lists them. */
#define MDM_DOMAIN "MCMDMErrorDomain"
static const struct refusal not_authorized = {MDM_DOMAIN, 12007, "Not authorized"};
static const struct refusal simulated_failure = {MDM_DOMAIN, 12010, "Simulated failure"};
static const struct refusal unknown_command = {MDM_DOMAIN, 12021, "Unknown command"};

struct verdict {
	enum answer_status status;
	struct refusals why;
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

static bool knows(const struct command_spec *spec, const struct answer_params *params)
{
	const struct device *device = params->device;
	unsigned for_user = device->is_shared ? FOR_SHARED_USERS : FOR_MAC_USERS;

	if ((spec->platforms & device->model->platform) == 0)
		return false;
	if ((spec->flags & SHARED_PAD) != 0 && device->model->platform == PLATFORM_IPAD &&
		!device->is_shared)
		return false;
	return !channel_is_user(params->channel) || (spec->flags & for_user) != 0;
}

static const struct command_spec *spec_find(struct slice name, const struct answer_params *params)
{
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		const struct command_spec *spec = &commands[i];

		if (!slice_is_str(name, spec->name))
			continue;
		return knows(spec, params) ? spec : NULL;
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
		return (struct verdict){ANSWER_ERROR, {&unknown_command, NULL}};
	if (spec->key != NULL && !is_kind(plist_dict_get(command, spec->key), spec->key_kind))
		return (struct verdict){.status = ANSWER_FORMAT_ERROR};
	if (params->device->enrollment_id[0] != 0 && !(spec->flags & FOR_ENROLLED_USERS))
		return (struct verdict){ANSWER_ERROR, {&not_authorized, NULL}};
	if (is_put_off && may_put_off(spec, params->device))
		return (struct verdict){.status = ANSWER_NOT_NOW};
	if (is_failing)
		return (struct verdict){ANSWER_ERROR, {&simulated_failure, NULL}};
	return (struct verdict){.status = ANSWER_ACKNOWLEDGED};
}

static struct verdict act(const struct command_spec *spec, const struct answer_params *params,
	const struct plist_node *command)
{
	const struct acting acting = {params->device, params->channel, command};
	struct verdict verdict = {.status = ANSWER_ACKNOWLEDGED, .why = spec->act(&acting)};

	if (verdict.why.top != NULL)
		verdict.status = ANSWER_ERROR;
	return verdict;
}

static struct verdict decide(const struct command_spec *spec, const struct answer_params *params,
	struct chance *chance, const struct plist_node *command)
{
	struct verdict verdict = judge(spec, params, chance, command);

	if (verdict.status == ANSWER_ACKNOWLEDGED && spec->act != NULL)
		verdict = act(spec, params, command);
	return verdict;
}

static void build_link(struct build *build, struct plist_node *chain, const struct refusal *refusal)
{
	struct plist_node *link;

	if (refusal == NULL)
		return;
	link = build_append_dict(build, chain);
	build_int(build, link, "ErrorCode", refusal->code);
	build_str(build, link, "ErrorDomain", refusal->domain);
	build_str(build, link, "LocalizedDescription", refusal->text);
	build_str(build, link, "USEnglishDescription", refusal->text);
}

static void build_error_chain(struct build *build, struct plist_node *result,
	const struct refusals *why)
{
	struct plist_node *chain = build_array(build, result, "ErrorChain");

	build_link(build, chain, why->top);
	build_link(build, chain, why->cause);
}

enum rc answer_fail(const struct device *device, const struct channel *channel,
	const struct refusals *why, struct buf *result, struct err *err)
{
	AUTO(plist_doc_free) struct plist_doc *old = NULL;
	AUTO(plist_doc_free) struct plist_doc *doc = plist_doc_new_dict();
	struct build build = {.rc = doc == NULL ? RC_NO_MEMORY : RC_OK};
	struct plist_node *root = doc == NULL ? NULL : plist_root(doc);

	if (plist_parse(buf_slice(result), &old, err) != RC_OK)
		return err_context(err, "result");
	build_str(&build, root, "Status", status_names[ANSWER_ERROR]);
	build_slice(&build, root, "CommandUUID",
		plist_string(plist_dict_get(plist_root(old), "CommandUUID")));
	message_identify(&build, root, device, channel);
	build_error_chain(&build, root, why);
	if (build.rc != RC_OK)
		return err_set(err, build.rc, "result");
	buf_clear(result);
	return plist_write_xml(doc, result, err);
}

static enum rc write_result(const struct answer_params *params, struct chance *chance,
	const struct plist_node *root, struct buf *out, struct answer *answer, struct err *err)
{
	const struct plist_node *command = plist_dict_get(root, "Command");
	struct slice name = plist_string(plist_dict_get(command, "RequestType"));
	const struct command_spec *spec = spec_find(name, params);
	struct verdict verdict = decide(spec, params, chance, command);
	AUTO(plist_doc_free) struct plist_doc *doc = plist_doc_new_dict();
	struct build build = {.rc = doc == NULL ? RC_NO_MEMORY : RC_OK};
	struct filling fill = {params->device, params->channel, chance, command, &build};
	struct plist_node *result = doc == NULL ? NULL : plist_root(doc);

	build_str(&build, result, "Status", status_names[verdict.status]);
	build_slice(&build, result, "CommandUUID", plist_string(plist_dict_get(root, "CommandUUID")));
	message_identify(&build, result, params->device, params->channel);
	if (verdict.status == ANSWER_ERROR)
		build_error_chain(&build, result, &verdict.why);
	if (verdict.status == ANSWER_ACKNOWLEDGED && spec->fill != NULL)
		spec->fill(&fill, result);
	*answer = (struct answer){.status = verdict.status,
		.is_erase = verdict.status == ANSWER_ACKNOWLEDGED && slice_is_str(name, "EraseDevice"),
		.is_change = verdict.status == ANSWER_ACKNOWLEDGED && spec->act != NULL,
		.is_enrollment = verdict.status == ANSWER_ACKNOWLEDGED && params->device->offer.len > 0};
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
