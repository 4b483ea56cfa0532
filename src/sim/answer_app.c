/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

/* What is installed. iOS lists no apps of the system; Macs do. */
static const struct app {
	const char *identifier, *name, *version;
	int64_t bundle_bytes;
	int64_t store_version; /* 0: not from a store */
	unsigned platforms;
	bool is_managed;
} apps[] = {
	{"com.apple.Safari", "Safari", "17.6", 13500000, 0, PLATFORM_MAC, false},
	{"com.apple.TextEdit", "TextEdit", "1.19", 5100000, 0, PLATFORM_MAC, false},
	{"com.apple.Terminal", "Terminal", "2.14", 9800000, 0, PLATFORM_MAC, false},
	{"com.example.pomona.orchard", "Orchard", "3.2.1", 52000000, 861234567, PLATFORM_ANY, true},
	{"com.example.pomona.cider", "Cider", "1.0", 21000000, 854321098, PLATFORM_IOS | PLATFORM_MAC,
		false},
	{"com.example.pomona.press", "Press", "2.8", 88000000, 867000111, PLATFORM_IPAD | PLATFORM_MAC,
		true},
	{"com.example.pomona.must", "Must", "0.9.4", 17500000, 0, PLATFORM_IPHONE | PLATFORM_TV, false},
};

static bool has_text(const struct plist_node *array, const char *text)
{
	for (size_t i = 0; i < plist_count(array); i++)
		if (slice_is_str(plist_string(plist_array_at(array, i)), text))
			return true;
	return false;
}

/* A list of what is asked for that is not there asks for everything. */
static bool is_asked(const struct filling *fill, const char *list_key, const char *text)
{
	const struct plist_node *list = plist_dict_get(fill->command, list_key);

	return list == NULL || plist_kind(list) != PLIST_KIND_ARRAY || has_text(list, text);
}

static bool is_there(const struct filling *fill, const struct app *app)
{
	return (app->platforms & fill->device->model->platform) != 0 &&
		is_asked(fill, "Identifiers", app->identifier);
}

/* In a user enrollment the server sees what it manages, and nothing else. */
static bool is_listed(const struct filling *fill, const struct app *app)
{
	bool is_managed_only = fill->device->enrollment_id[0] != 0 ||
		plist_bool(plist_dict_get(fill->command, "ManagedAppsOnly"));

	return is_there(fill, app) && (app->is_managed || !is_managed_only);
}

static int64_t data_bytes(const struct app *app)
{
	return app->bundle_bytes / 7;
}

enum item_kind { ITEM_STR, ITEM_INT, ITEM_BOOL };

/* What an entry of InstalledApplicationList holds, beside the identifier. */
struct item {
	const char *key;
	enum item_kind kind;
	unsigned platforms;
	const char *text;
	int64_t number;
};

static void put_item(struct filling *fill, struct plist_node *entry, const struct item *item)
{
	if ((item->platforms & fill->device->model->platform) == 0 || !is_asked(fill, "Items", item->key))
		return;
	if (item->kind == ITEM_STR)
		build_str(fill->build, entry, item->key, item->text);
	else if (item->kind == ITEM_INT)
		build_int(fill->build, entry, item->key, item->number);
	else
		build_bool(fill->build, entry, item->key, item->number != 0);
}

static void put_app(struct filling *fill, struct plist_node *entry, const struct app *app)
{
	const unsigned any = PLATFORM_ANY, no_mac = PLATFORM_IOS | PLATFORM_TV;
	const struct item items[] = {
		{"Name", ITEM_STR, any, app->name, 0},
		{"ShortVersion", ITEM_STR, any, app->version, 0},
		{"Version", ITEM_STR, any, app->version, 0},
		{"BundleSize", ITEM_INT, any, NULL, app->bundle_bytes},
		{"DynamicSize", ITEM_INT, no_mac, NULL, data_bytes(app)},
		{"Installing", ITEM_BOOL, any, NULL, false},
		{"IsValidated", ITEM_BOOL, no_mac, NULL, true},
		{"AppStoreVendable", ITEM_BOOL, no_mac, NULL, app->store_version != 0 && !app->is_managed},
		{"DeviceBasedVPP", ITEM_BOOL, no_mac, NULL, app->store_version != 0 && app->is_managed},
		{"BetaApp", ITEM_BOOL, no_mac, NULL, false},
		{"AdHocCodeSigned", ITEM_BOOL, no_mac, NULL, app->store_version == 0},
		{"IsAppClip", ITEM_BOOL, PLATFORM_IOS, NULL, false},
	};
	const struct item of_store[] = {
		{"ExternalVersionIdentifier", ITEM_INT, any, NULL, app->store_version},
		{"HasUpdateAvailable", ITEM_BOOL, any, NULL, false},
	};

	build_str(fill->build, entry, "Identifier", app->identifier);
	for (size_t i = 0; i < COUNT_OF(items); i++)
		put_item(fill, entry, &items[i]);
	for (size_t i = 0; i < COUNT_OF(of_store) && app->store_version != 0; i++)
		put_item(fill, entry, &of_store[i]);
}

void fill_installed_application_list(struct filling *fill, struct plist_node *result)
{
	struct plist_node *list = build_array(fill->build, result, "InstalledApplicationList");

	for (size_t i = 0; i < COUNT_OF(apps); i++)
		if (is_listed(fill, &apps[i]))
			put_app(fill, build_append_dict(fill->build, list), &apps[i]);
}

void fill_managed_application_list(struct filling *fill, struct plist_node *result)
{
	struct plist_node *list = build_dict(fill->build, result, "ManagedApplicationList");
	bool is_mac = fill->device->model->platform == PLATFORM_MAC;

	for (size_t i = 0; i < COUNT_OF(apps); i++) {
		struct plist_node *app;

		if (!apps[i].is_managed || !is_there(fill, &apps[i]))
			continue;
		app = build_dict(fill->build, list, apps[i].identifier);
		build_str(fill->build, app, "Status", "Managed");
		build_int(fill->build, app, "ManagementFlags", 1);
		build_int(fill->build, app, "ExternalVersionIdentifier", apps[i].store_version);
		build_bool(fill->build, app, "HasConfiguration", false);
		if (!is_mac || channel_is_user(fill->channel))
			build_bool(fill->build, app, "HasFeedback", false);
		if (!is_mac)
			build_bool(fill->build, app, "IsValidated", true);
	}
}
