/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "answer.h"

/* What a device without any profile says, on all platforms that know the command. */
static const struct {
	const char *name;
	bool is_number;
	int64_t value;
} defaults[] = {
	{"allowAirDrop", false, true},
	{"allowAppInstallation", false, true},
	{"allowAppRemoval", false, true},
	{"allowAssistant", false, true},
	{"allowCamera", false, true},
	{"allowCloudBackup", false, true},
	{"allowEraseContentAndSettings", false, true},
	{"allowScreenShot", false, true},
	{"allowSimple", false, true},
	{"forceAirPlayIncomingRequestsPairingPassword", false, false},
	{"forceEncryptedBackup", false, false},
	{"forcePIN", false, false},
	{"maxFailedAttempts", true, 11},
	{"minLength", true, 0},
	{"ratingApps", true, 1000},
	{"ratingMovies", true, 1000},
};

/* Payloads whose keys are restrictions. */
static const char *const payload_types[] = {
	"com.apple.applicationaccess",
	"com.apple.mobiledevice.passwordpolicy",
};

/* A dictionary of restrictions under way. */
struct restricting {
	struct build *build;
	struct plist_node *bools, *numbers;
};

static void put_bool(struct restricting *to, const char *name, bool value)
{
	build_bool(to->build, build_dict(to->build, to->bools, name), "value", value);
}

static void put_number(struct restricting *to, const char *name, int64_t value)
{
	build_int(to->build, build_dict(to->build, to->numbers, name), "value", value);
}

/* The strictest counts: what anyone forbids is forbidden, what anyone forces is forced. */
static bool stricter_bool(const char *name, bool a, bool b)
{
	return strncmp(name, "allow", 5) == 0 ? a && b : a || b;
}

static int64_t stricter_number(const char *name, int64_t a, int64_t b)
{
	return strncmp(name, "min", 3) == 0 ? (a > b ? a : b) : (a < b ? a : b);
}

static enum rc put_key(void *ctx, const char *key, struct plist_node *value)
{
	struct restricting *to = ctx;
	bool is_bool = plist_kind(value) == PLIST_KIND_BOOL;
	const struct plist_node *old;

	if (strncmp(key, "Payload", 7) == 0 || (!is_bool && plist_kind(value) != PLIST_KIND_INTEGER))
		return RC_OK;
	old = plist_dict_get(plist_dict_get(is_bool ? to->bools : to->numbers, key), "value");
	if (is_bool)
		put_bool(to, key,
			old == NULL ? plist_bool(value) : stricter_bool(key, plist_bool(old), plist_bool(value)));
	else if (old == NULL)
		put_number(to, key, plist_integer(value, NULL));
	else
		put_number(to, key, stricter_number(key, plist_integer(old, NULL), plist_integer(value, NULL)));
	return RC_OK;
}

static enum rc put_payload(void *ctx, size_t index, struct plist_node *payload)
{
	struct slice type = plist_string(plist_dict_get(payload, "PayloadType"));

	(void)index;
	for (size_t i = 0; i < COUNT_OF(payload_types); i++)
		if (slice_is_str(type, payload_types[i]))
			return plist_dict_each(payload, put_key, ctx);
	return RC_OK;
}

static struct restricting restricting_of(struct build *build, struct plist_node *dict)
{
	return (struct restricting){build, build_dict(build, dict, "restrictedBool"),
		build_dict(build, dict, "restrictedValue")};
}

static void put_defaults(struct restricting *to)
{
	for (size_t i = 0; i < COUNT_OF(defaults); i++) {
		if (defaults[i].is_number)
			put_number(to, defaults[i].name, defaults[i].value);
		else
			put_bool(to, defaults[i].name, defaults[i].value != 0);
	}
}

static void put_profile(const struct profile *profile, struct restricting *to)
{
	build_note(to->build,
		plist_array_each(plist_dict_get(profile->root, "PayloadContent"), put_payload, to));
}

/* Under its identifier, what this profile alone says. */
static void put_profile_own(const struct filling *fill, const struct profile *profile,
	struct plist_node *by_profile)
{
	char name[PROFILE_ID_BYTES];
	struct restricting own;

	(void)snprintf(name, sizeof(name), "%.*s", SLICE_FMT(profile->identifier));
	own = restricting_of(fill->build, build_dict(fill->build, by_profile, name));
	put_profile(profile, &own);
}

void fill_restrictions(struct filling *fill, struct plist_node *result)
{
	const struct profile_set *set = &fill->channel->profiles;
	bool is_by_profile = plist_bool(plist_dict_get(fill->command, "ProfileRestrictions"));
	struct plist_node *by_profile = NULL;
	struct restricting all =
		restricting_of(fill->build, build_dict(fill->build, result, "GlobalRestrictions"));

	put_defaults(&all);
	if (is_by_profile)
		by_profile = build_dict(fill->build, result, "ProfileRestrictions");
	for (size_t i = 0; i < set->count; i++) {
		struct profile profile;

		if (profile_read(buf_slice(&set->payloads[i]), &profile).top != NULL)
			continue;
		put_profile(&profile, &all);
		if (is_by_profile)
			put_profile_own(fill, &profile, by_profile);
		profile_fini(&profile);
	}
}
