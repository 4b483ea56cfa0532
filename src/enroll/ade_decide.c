/* SPDX-License-Identifier: Apache-2.0 */
#include "ade_decide.h"

#define IMPORT_FIRST \
	"import the certificates that issue those of Apple's devices: `pomonactl apple-ca import`"

static const struct {
	const char *name;
	unsigned status;
	const char *text;
	const char *advice;
} reasons[ADE_REASON_COUNT] = {
	[ADE_GOOD] = {"good", 200, "", NULL},
	[ADE_PLAIN] = {"plain", 403, "This is served over TLS.",
		"without TLS only the proxies of [device] proxies may ask"},
	[ADE_NO_INFO] = {"no_info", 400, "This page is for devices that are being set up.", NULL},
	[ADE_GARBLED] = {"garbled", 400, "This is no signed machine information.", NULL},
	[ADE_NO_APPLE_CA] = {"no_apple_ca", 403, "This server cannot check devices yet.", IMPORT_FIRST},
	[ADE_NOT_APPLE] = {"not_apple", 403, "This is no device of Apple's, as far as this server knows.",
		"if it is one, import what issued its certificate: `pomonactl apple-ca import`"},
	[ADE_BAD_SIGNATURE] = {"bad_signature", 400, "The signature does not hold.", NULL},
	[ADE_BAD_INFO] = {"bad_info", 400, "The machine information cannot be used.", NULL},
	[ADE_NOT_LISTED] = {"not_listed", 403, "This device is not known to your organization.",
		"`pomonactl enroll challenge --serial` names it, or let all in: [enroll] ade_devices"},
	[ADE_PAIRING_TOKEN] = {"pairing_token", 403, "The watch must be paired with a managed iPhone.",
		NULL},
	[ADE_OLD_OS] = {"old_os", 403, "This device must be updated first.", NULL},
	[ADE_PLATFORM_SSO] = {"platform_sso", 403, "Log in to your organization first.", NULL},
	[ADE_LOGIN_GARBLED] = {"login_garbled", 400, "The login cannot be read.", NULL},
	[ADE_LOGIN_WRONG] = {"login_wrong", 401, "Name or password is wrong.", NULL},
	[ADE_LOGIN_LIMITED] = {"login_limited", 429, "Too many wrong passwords: try again later.", NULL},
	[ADE_UNAVAILABLE] = {"unavailable", 503, "Try again later.", NULL},
};

const char *ade_reason_name(enum ade_reason reason)
{
	return reasons[reason].name;
}

unsigned ade_reason_status(enum ade_reason reason)
{
	return reasons[reason].status;
}

const char *ade_reason_text(enum ade_reason reason)
{
	return reasons[reason].text;
}

const char *ade_reason_advice(enum ade_reason reason)
{
	return reasons[reason].advice;
}

bool ade_version_is_sound(const char *version)
{
	return machine_version_is_sound(slice_of_str(version));
}

/* "": any will do. */
static const char *minimum_of(const struct ade_settings *settings, const struct machine_info *info)
{
	static const struct {
		enum machine_platform platform;
		enum ade_os os;
	} systems[] = {
		{MACHINE_IOS, ADE_OS_IOS},
		{MACHINE_IPADOS, ADE_OS_IPADOS},
		{MACHINE_MACOS, ADE_OS_MACOS},
	};
	enum machine_platform platform = machine_platform(info->product);

	for (size_t i = 0; i < COUNT_OF(systems); i++)
		if (systems[i].platform == platform)
			return settings->minimum_os[systems[i].os];
	return "";
}

/* Only who can be told to update is: another one would be stuck in its setup. */
static bool is_too_old(const struct ade_settings *settings, const struct machine_info *info)
{
	return info->can_request_software_update &&
		machine_version_compare(info->os_version, slice_of_str(minimum_of(settings, info))) < 0;
}

static bool lacks_pairing_token(const struct machine_info *info)
{
	return machine_platform(info->product) == MACHINE_WATCHOS && info->pairing_token.len == 0;
}

enum ade_reason ade_decide(const struct ade_settings *settings, const struct machine_info *info,
	bool is_listed)
{
	if (info->udid.len == 0 || info->serial.len == 0)
		return ADE_BAD_INFO;
	if (settings->devices != ADE_DEVICES_ALL && !is_listed)
		return ADE_NOT_LISTED;
	if (lacks_pairing_token(info))
		return ADE_PAIRING_TOKEN;
	if (is_too_old(settings, info))
		return ADE_OLD_OS;
	if (settings->sso_profile_url[0] != '\0' && info->can_request_platform_sso)
		return ADE_PLATFORM_SSO; /* it comes again without that, when its user has logged in */
	return ADE_GOOD;
}

bool ade_says(enum ade_reason reason, const struct ade_settings *settings,
	const struct machine_info *info, char token[static UUID_TEXT_BYTES],
	struct enroll_refusal_says *says_r)
{
	*says_r = (struct enroll_refusal_says){.message = reasons[reason].text};
	switch (reason) {
	case ADE_NOT_LISTED:
		says_r->refusal = ENROLL_REFUSAL_UNRECOGNIZED;
		return true;
	case ADE_PAIRING_TOKEN:
		uuid_make(token);
		says_r->refusal = ENROLL_REFUSAL_PAIRING_TOKEN;
		says_r->security_token = token;
		return true;
	case ADE_OLD_OS:
		says_r->refusal = ENROLL_REFUSAL_SOFTWARE_UPDATE;
		says_r->os_version = minimum_of(settings, info);
		return true;
	case ADE_PLATFORM_SSO:
		says_r->refusal = ENROLL_REFUSAL_PLATFORM_SSO;
		says_r->profile_url = settings->sso_profile_url;
		says_r->auth_url = settings->sso_auth_url;
		says_r->manifest_url = settings->sso_manifest_url;
		return true;
	default:
		return false;
	}
}
