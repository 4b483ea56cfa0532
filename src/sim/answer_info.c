/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "answer.h"

enum { FACT_TEXT_BYTES = 64 };

enum fact_kind { FACT_STR, FACT_BOOL, FACT_INT, FACT_FN };

typedef void fact_fn(struct filling *fill, struct plist_node *dict, const char *query);

/* A DeviceInformation query: who answers it, and with what. */
struct fact {
	const char *query;
	unsigned platforms;
	bool is_private; /* kept from the server in a user enrollment */
	enum fact_kind kind;
	const char *text;
	int64_t number;
	fact_fn *fn;
};

/*
 * A stream that gives the same bytes for the same device and question each time, so that facts need not be
 * stored (FNV-1a).
 */
static struct chance fact_chance(const struct device *device, const char *query)
{
	uint64_t hash = 0xCBF29CE484222325u;

	for (const char *c = device->serial; *c != 0; c++)
		hash = (hash ^ (uint8_t)*c) * 0x100000001B3u;
	for (const char *c = query; *c != 0; c++)
		hash = (hash ^ (uint8_t)*c) * 0x100000001B3u;
	return (struct chance){.state = hash};
}

static void put_udid(struct filling *fill, struct plist_node *dict, const char *query)
{
	build_str(fill->build, dict, query, fill->device->udid);
}

static void put_serial(struct filling *fill, struct plist_node *dict, const char *query)
{
	build_str(fill->build, dict, query, fill->device->serial);
}

static void put_device_name(struct filling *fill, struct plist_node *dict, const char *query)
{
	build_str(fill->build, dict, query, fill->device->name);
}

static void put_model(struct filling *fill, struct plist_node *dict, const char *query)
{
	const struct model *model = fill->device->model;

	build_str(fill->build, dict, query,
		model->platform == PLATFORM_MAC ? model->product : model->number);
}

static void put_model_name(struct filling *fill, struct plist_node *dict, const char *query)
{
	build_str(fill->build, dict, query, fill->device->model->name);
}

static void put_model_number(struct filling *fill, struct plist_node *dict, const char *query)
{
	build_str(fill->build, dict, query, fill->device->model->number);
}

static void put_product(struct filling *fill, struct plist_node *dict, const char *query)
{
	build_str(fill->build, dict, query, fill->device->model->product);
}

static void put_os_version(struct filling *fill, struct plist_node *dict, const char *query)
{
	build_str(fill->build, dict, query, fill->device->os_version);
}

static void put_build_version(struct filling *fill, struct plist_node *dict, const char *query)
{
	build_str(fill->build, dict, query, fill->device->build_version);
}

static void put_capacity(struct filling *fill, struct plist_node *dict, const char *query)
{
	build_real(fill->build, dict, query, fill->device->model->capacity_gb);
}

static void put_free_capacity(struct filling *fill, struct plist_node *dict, const char *query)
{
	struct chance chance = fact_chance(fill->device, query);

	build_real(fill->build, dict, query,
		fill->device->model->capacity_gb * (double)(20 + chance_below(&chance, 60)) / 100);
}

/* Drops while one looks, as batteries do. */
static void put_battery(struct filling *fill, struct plist_node *dict, const char *query)
{
	build_real(fill->build, dict, query, (double)(5 + chance_below(fill->chance, 96)) / 100);
}

static void put_has_battery(struct filling *fill, struct plist_node *dict, const char *query)
{
	build_bool(fill->build, dict, query, strncmp(fill->device->model->name, "MacBook", 7) == 0);
}

static void put_is_apple_silicon(struct filling *fill, struct plist_node *dict, const char *query)
{
	build_bool(fill->build, dict, query,
		strncmp(fill->device->model->product, "MacBookPro16", 12) != 0);
}

static void put_mac_address(struct filling *fill, struct plist_node *dict, const char *query)
{
	struct chance chance = fact_chance(fill->device, query);
	uint8_t b[5];
	char text[FACT_TEXT_BYTES];

	chance_bytes(&chance, b, sizeof(b));
	(void)snprintf(text, sizeof(text), "f0:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4]);
	build_str(fill->build, dict, query, text);
}

/* 15 decimal digits, the last one by Luhn's rule (3GPP TS 23.003, annex B). */
static void put_imei(struct filling *fill, struct plist_node *dict, const char *query)
{
	struct chance chance = fact_chance(fill->device, query);
	char digits[16], text[FACT_TEXT_BYTES];
	int sum = 0;

	chance_text(&chance, "0123456789", digits, 14);
	digits[0] = '3'; /* of the reporting body that most phones have */
	digits[1] = '5';
	for (int i = 0; i < 14; i++) {
		int digit = (digits[i] - '0') * (1 + i % 2);

		sum += digit > 9 ? digit - 9 : digit;
	}
	(void)snprintf(text, sizeof(text), "%.2s %.6s %.6s %d", digits, digits + 2, digits + 8,
		(10 - sum % 10) % 10);
	build_str(fill->build, dict, query, text);
}

static void put_iccid(struct filling *fill, struct plist_node *dict, const char *query)
{
	struct chance chance = fact_chance(fill->device, query);
	char digits[18], text[FACT_TEXT_BYTES];

	chance_text(&chance, "0123456789", digits, 16);
	(void)snprintf(text, sizeof(text), "8949 %.4s %.4s %.4s %.4s", digits, digits + 4, digits + 8,
		digits + 12);
	build_str(fill->build, dict, query, text);
}

static void put_host_name(struct filling *fill, struct plist_node *dict, const char *query)
{
	char text[FACT_TEXT_BYTES];

	(void)snprintf(text, sizeof(text), "mac-%u.example.com", fill->device->index + 1);
	build_str(fill->build, dict, query, text);
}

static void put_local_host_name(struct filling *fill, struct plist_node *dict, const char *query)
{
	char text[FACT_TEXT_BYTES];

	(void)snprintf(text, sizeof(text), "mac-%u", fill->device->index + 1);
	build_str(fill->build, dict, query, text);
}

static void put_hex_id(struct filling *fill, struct plist_node *dict, const char *query)
{
	struct chance chance = fact_chance(fill->device, query);
	char text[FACT_TEXT_BYTES];

	chance_text(&chance, "0123456789ABCDEF", text, 32);
	build_str(fill->build, dict, query, text);
}

static void put_is_shared(struct filling *fill, struct plist_node *dict, const char *query)
{
	build_bool(fill->build, dict, query, fill->device->is_shared);
}

/* Queries that only a Shared iPad answers. */
static void put_resident_users(struct filling *fill, struct plist_node *dict, const char *query)
{
	if (fill->device->is_shared)
		build_int(fill->build, dict, query, fill->device->channel_count - 1);
}

static void put_maximum_users(struct filling *fill, struct plist_node *dict, const char *query)
{
	if (fill->device->is_shared)
		build_int(fill->build, dict, query, 10);
}

static void put_push_token(struct filling *fill, struct plist_node *dict, const char *query)
{
	build_data(fill->build, dict, query, slice_of(fill->channel->push_token, PUSH_TOKEN_BYTES));
}

static void put_active_users(struct filling *fill, struct plist_node *dict, const char *query)
{
	struct plist_node *users = build_array(fill->build, dict, query);

	for (unsigned i = 1; i < fill->device->channel_count; i++)
		if (fill->device->channels[i].is_enrolled)
			build_append_str(fill->build, users, fill->device->channels[i].user_id);
}

static void put_empty_dict(struct filling *fill, struct plist_node *dict, const char *query)
{
	(void)build_dict(fill->build, dict, query);
}

static void put_empty_array(struct filling *fill, struct plist_node *dict, const char *query)
{
	(void)build_array(fill->build, dict, query);
}

static void put_mdm_options(struct filling *fill, struct plist_node *dict, const char *query)
{
	struct plist_node *options = build_dict(fill->build, dict, query);

	build_bool(fill->build, options, "ActivationLockAllowedWhileSupervised", false);
}

static void put_os_update_settings(struct filling *fill, struct plist_node *dict, const char *query)
{
	struct plist_node *settings = build_dict(fill->build, dict, query);

	build_bool(fill->build, settings, "AutomaticCheckEnabled", true);
	build_bool(fill->build, settings, "BackgroundDownloadEnabled", true);
	build_bool(fill->build, settings, "AutomaticOSInstallationEnabled", false);
}

static void put_service_subscriptions(struct filling *fill, struct plist_node *dict,
	const char *query)
{
	struct plist_node *slot = build_append_dict(fill->build, build_array(fill->build, dict, query));

	build_str(fill->build, slot, "Slot", "CTSubscriptionSlotOne");
	build_str(fill->build, slot, "Label", "Primary");
	build_bool(fill->build, slot, "IsDataPreferred", true);
	build_bool(fill->build, slot, "IsVoicePreferred", true);
	build_bool(fill->build, slot, "IsRoaming", false);
	put_imei(fill, slot, "IMEI");
	put_iccid(fill, slot, "ICCID");
}

#define ANY PLATFORM_ANY
#define IOS PLATFORM_IOS
#define PHONE PLATFORM_IPHONE
#define PAD PLATFORM_IPAD
#define MAC PLATFORM_MAC
#define TV PLATFORM_TV
#define STR(value) FACT_STR, value, 0, NULL
#define BOOL(value) FACT_BOOL, NULL, value, NULL
#define INT(value) FACT_INT, NULL, value, NULL
#define FN(function) FACT_FN, NULL, 0, function

static const struct fact facts[] = {
	{"UDID", ANY, true, FN(put_udid)},
	{"ProvisioningUDID", MAC, true, FN(put_udid)},
	{"OrganizationInfo", ANY, false, FN(put_empty_dict)},
	{"MDMOptions", ANY, false, FN(put_mdm_options)},
	{"AwaitingConfiguration", ANY, false, BOOL(false)},
	{"iTunesStoreAccountIsActive", ANY, false, BOOL(false)},
	{"DeviceName", ANY, false, FN(put_device_name)},
	{"OSVersion", ANY, false, FN(put_os_version)},
	{"BuildVersion", ANY, false, FN(put_build_version)},
	{"SupplementalBuildVersion", ANY, false, FN(put_build_version)},
	{"ModelName", ANY, false, FN(put_model_name)},
	{"Model", ANY, false, FN(put_model)},
	{"ModelNumber", ANY, false, FN(put_model_number)},
	{"IsAppleSilicon", MAC, false, FN(put_is_apple_silicon)},
	{"ProductName", ANY, false, FN(put_product)},
	{"SerialNumber", ANY, true, FN(put_serial)},
	{"DeviceCapacity", IOS | MAC, false, FN(put_capacity)},
	{"AvailableDeviceCapacity", IOS | MAC, false, FN(put_free_capacity)},
	{"IMEI", PHONE, true, FN(put_imei)},
	{"ModemFirmwareVersion", PHONE, false, STR("3.01.01")},
	{"CellularTechnology", IOS, false, INT(1)},
	{"BatteryLevel", IOS | MAC, false, FN(put_battery)},
	{"HasBattery", MAC, false, FN(put_has_battery)},
	{"IsSupervised", ANY, false, BOOL(true)},
	{"IsMultiUser", PAD, false, FN(put_is_shared)},
	{"ResidentUsers", PAD, false, FN(put_resident_users)},
	{"MaximumResidentUsers", PAD, false, FN(put_maximum_users)},
	{"EstimatedResidentUsers", PAD, false, FN(put_maximum_users)},
	{"IsDeviceLocatorServiceEnabled", IOS, false, BOOL(false)},
	{"IsActivationLockEnabled", IOS | MAC, false, BOOL(false)},
	{"IsActivationLockSupported", MAC, false, BOOL(true)},
	{"IsDoNotDisturbInEffect", IOS, false, BOOL(false)},
	{"SupportsLOMDevice", MAC, false, BOOL(false)},
	{"DeviceID", TV, true, FN(put_mac_address)},
	{"EASDeviceIdentifier", IOS, false, FN(put_hex_id)},
	{"IsCloudBackupEnabled", IOS, false, BOOL(false)},
	{"ActiveManagedUsers", MAC, false, FN(put_active_users)},
	{"OSUpdateSettings", MAC, false, FN(put_os_update_settings)},
	{"HostName", MAC, false, FN(put_host_name)},
	{"LocalHostName", MAC, false, FN(put_local_host_name)},
	{"AutoSetupAdminAccounts", MAC, false, FN(put_empty_array)},
	{"SystemIntegrityProtectionEnabled", MAC, false, BOOL(true)},
	{"IsMDMLostModeEnabled", IOS, false, BOOL(false)},
	{"PushToken", IOS | MAC, false, FN(put_push_token)},
	{"DiagnosticSubmissionEnabled", IOS, false, BOOL(false)},
	{"AppAnalyticsEnabled", IOS, false, BOOL(false)},
	{"TimeZone", IOS | TV, false, STR("Europe/Berlin")},
	{"Languages", TV, false, FN(put_empty_array)},
	{"ICCID", PHONE, true, FN(put_iccid)},
	{"BluetoothMAC", ANY, true, FN(put_mac_address)},
	{"WiFiMAC", ANY, true, FN(put_mac_address)},
	{"EthernetMAC", MAC, true, FN(put_mac_address)},
	{"CurrentCarrierNetwork", PHONE, false, STR("Example Mobile")},
	{"SubscriberCarrierNetwork", PHONE, false, STR("Example Mobile")},
	{"CarrierSettingsVersion", PHONE, false, STR("58.0")},
	{"DataRoamingEnabled", PHONE, false, BOOL(false)},
	{"VoiceRoamingEnabled", PHONE, false, BOOL(false)},
	{"PersonalHotspotEnabled", PHONE, false, BOOL(false)},
	{"IsNetworkTethered", IOS, false, BOOL(false)},
	{"IsRoaming", PHONE, false, BOOL(false)},
	{"SubscriberMCC", PHONE, false, STR("001")},
	{"SubscriberMNC", PHONE, false, STR("01")},
	{"CurrentMCC", PHONE, false, STR("001")},
	{"CurrentMNC", PHONE, false, STR("01")},
	{"ServiceSubscriptions", PHONE, true, FN(put_service_subscriptions)},
	{"PINRequiredForEraseDevice", MAC, false, BOOL(false)},
	{"PINRequiredForDeviceLock", MAC, false, BOOL(true)},
	{"SupportsiOSAppInstalls", MAC, false, FN(put_is_apple_silicon)},
	{"SoftwareUpdateDeviceID", IOS | MAC, true, FN(put_product)},
};

static const struct fact *fact_find(struct slice query, const struct device *device)
{
	for (size_t i = 0; i < COUNT_OF(facts); i++) {
		if (!slice_is_str(query, facts[i].query))
			continue;
		if ((facts[i].platforms & device->model->platform) == 0)
			return NULL;
		return facts[i].is_private && device->enrollment_id[0] != 0 ? NULL : &facts[i];
	}
	return NULL;
}

static void put_fact(struct filling *fill, struct plist_node *dict, const struct fact *fact)
{
	switch (fact->kind) {
	case FACT_STR:
		build_str(fill->build, dict, fact->query, fact->text);
		break;
	case FACT_BOOL:
		build_bool(fill->build, dict, fact->query, fact->number != 0);
		break;
	case FACT_INT:
		build_int(fill->build, dict, fact->query, fact->number);
		break;
	case FACT_FN:
		fact->fn(fill, dict, fact->query);
		break;
	}
}

/* What the device does not know it leaves out, without a word. */
void fill_device_information(struct filling *fill, struct plist_node *result)
{
	const struct plist_node *queries = plist_dict_get(fill->command, "Queries");
	struct plist_node *responses = build_dict(fill->build, result, "QueryResponses");

	for (size_t i = 0; i < plist_count(queries); i++) {
		const struct plist_node *query = plist_array_at(queries, i);
		const struct fact *fact =
			plist_kind(query) != PLIST_KIND_STRING ? NULL : fact_find(plist_string(query), fill->device);

		if (fact != NULL)
			put_fact(fill, responses, fact);
	}
}
