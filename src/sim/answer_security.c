/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

enum {
	ON_USERS = 1, /* on a user's channel too */
	PRIVATE = 2,  /* kept from the server in a user enrollment */
	SHARED = 4,   /* by Shared iPads only */
};

enum value_kind {
	VALUE_TRUE,
	VALUE_FALSE,
	VALUE_INT,
	VALUE_STR,
	VALUE_IS_USER_ENROLLMENT,
	VALUE_HAS_BOOTSTRAP_TOKEN,
};

/* What SecurityInfo holds, and who says it. NULL as `parent`: not inside another dictionary. */
static const struct security_fact {
	const char *parent, *key;
	unsigned platforms, flags;
	enum value_kind kind;
	const char *text;
	int64_t number;
} facts[] = {
	{NULL, "HardwareEncryptionCaps", PLATFORM_IOS | PLATFORM_TV, 0, VALUE_INT, NULL, 3},
	{NULL, "PasscodePresent", PLATFORM_IOS, PRIVATE, VALUE_TRUE, NULL, 0},
	{NULL, "PasscodePresent", PLATFORM_TV, 0, VALUE_FALSE, NULL, 0},
	{NULL, "PasscodeCompliant", PLATFORM_IOS | PLATFORM_TV, 0, VALUE_TRUE, NULL, 0},
	{NULL, "PasscodeCompliantWithProfiles", PLATFORM_IOS | PLATFORM_TV, PRIVATE, VALUE_TRUE, NULL, 0},
	{NULL, "PasscodeLockGracePeriod", PLATFORM_IPAD, SHARED, VALUE_INT, NULL, 60},
	{NULL, "PasscodeLockGracePeriodEnforced", PLATFORM_IPAD, SHARED, VALUE_INT, NULL, 60},
	{NULL, "AutoLockTime", PLATFORM_IPAD, SHARED, VALUE_INT, NULL, 120},
	{NULL, "FDE_Enabled", PLATFORM_MAC, 0, VALUE_TRUE, NULL, 0},
	{NULL, "FDE_HasPersonalRecoveryKey", PLATFORM_MAC, 0, VALUE_TRUE, NULL, 0},
	{NULL, "FDE_HasInstitutionalRecoveryKey", PLATFORM_MAC, 0, VALUE_FALSE, NULL, 0},
	{NULL, "SystemIntegrityProtectionEnabled", PLATFORM_MAC, 0, VALUE_TRUE, NULL, 0},
	{NULL, "AuthenticatedRootVolumeEnabled", PLATFORM_MAC, 0, VALUE_TRUE, NULL, 0},
	{NULL, "RemoteDesktopEnabled", PLATFORM_MAC, 0, VALUE_FALSE, NULL, 0},
	{NULL, "IsRecoveryLockEnabled", PLATFORM_MAC, 0, VALUE_FALSE, NULL, 0},
	{NULL, "BootstrapTokenAllowedForAuthentication", PLATFORM_MAC, 0, VALUE_STR, "allowed", 0},
	{NULL, "BootstrapTokenRequiredForSoftwareUpdate", PLATFORM_MAC, 0, VALUE_HAS_BOOTSTRAP_TOKEN, NULL,
		0},
	{"FirewallSettings", "FirewallEnabled", PLATFORM_MAC, 0, VALUE_TRUE, NULL, 0},
	{"FirewallSettings", "BlockAllIncoming", PLATFORM_MAC, 0, VALUE_FALSE, NULL, 0},
	{"FirewallSettings", "StealthMode", PLATFORM_MAC, 0, VALUE_FALSE, NULL, 0},
	{"FirewallSettings", "LoggingEnabled", PLATFORM_MAC, 0, VALUE_TRUE, NULL, 0},
	{"FirewallSettings", "LoggingOption", PLATFORM_MAC, 0, VALUE_STR, "throttled", 0},
	{"FirmwarePasswordStatus", "PasswordExists", PLATFORM_MAC, 0, VALUE_FALSE, NULL, 0},
	{"FirmwarePasswordStatus", "ChangePending", PLATFORM_MAC, 0, VALUE_FALSE, NULL, 0},
	{"FirmwarePasswordStatus", "AllowOroms", PLATFORM_MAC, 0, VALUE_FALSE, NULL, 0},
	{"SecureBoot", "SecureBootLevel", PLATFORM_MAC, 0, VALUE_STR, "full", 0},
	{"SecureBoot", "ExternalBootLevel", PLATFORM_MAC, 0, VALUE_STR, "disallowed", 0},
	{"ManagementStatus", "EnrolledViaDEP", PLATFORM_MAC, ON_USERS, VALUE_FALSE, NULL, 0},
	{"ManagementStatus", "UserApprovedEnrollment", PLATFORM_MAC, ON_USERS, VALUE_TRUE, NULL, 0},
	{"ManagementStatus", "IsActivationLockManageable", PLATFORM_MAC, ON_USERS, VALUE_TRUE, NULL, 0},
	{"ManagementStatus", "IsUserEnrollment", PLATFORM_IOS | PLATFORM_MAC, ON_USERS,
		VALUE_IS_USER_ENROLLMENT, NULL, 0},
};

static bool is_said(const struct security_fact *fact, const struct filling *fill)
{
	const struct device *device = fill->device;

	if ((fact->platforms & device->model->platform) == 0)
		return false;
	if ((fact->flags & SHARED) != 0 && !device->is_shared)
		return false;
	if ((fact->flags & PRIVATE) != 0 && device->enrollment_id[0] != 0)
		return false;
	return !channel_is_user(fill->channel) || (fact->flags & ON_USERS) != 0;
}

static bool bool_of(enum value_kind kind, const struct device *device)
{
	if (kind == VALUE_IS_USER_ENROLLMENT)
		return device->enrollment_id[0] != 0;
	return kind == VALUE_HAS_BOOTSTRAP_TOKEN ? device->has_bootstrap_token : kind == VALUE_TRUE;
}

static struct plist_node *parent_of(const struct security_fact *fact, struct build *build,
	struct plist_node *info)
{
	struct plist_node *parent;

	if (fact->parent == NULL)
		return info;
	parent = plist_dict_get(info, fact->parent);
	return parent == NULL ? build_dict(build, info, fact->parent) : parent;
}

void fill_security_info(struct filling *fill, struct plist_node *result)
{
	struct plist_node *info = build_dict(fill->build, result, "SecurityInfo");

	for (size_t i = 0; i < COUNT_OF(facts); i++) {
		const struct security_fact *fact = &facts[i];
		struct plist_node *parent;

		if (!is_said(fact, fill))
			continue;
		parent = parent_of(fact, fill->build, info);
		if (fact->kind == VALUE_INT)
			build_int(fill->build, parent, fact->key, fact->number);
		else if (fact->kind == VALUE_STR)
			build_str(fill->build, parent, fact->key, fact->text);
		else
			build_bool(fill->build, parent, fact->key, bool_of(fact->kind, fill->device));
	}
}
