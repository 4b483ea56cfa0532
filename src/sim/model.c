/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pomona/base/compiler.h"

/* Behind the two zeros that all devices of a chip have so far. */
enum { CHIP_DIGITS = 14 };

static const struct model models[] = {
	{PLATFORM_IPHONE, UDID_CHIP, "00008110", "iPhone14,7", "iPhone 14", "MPUF3LL/A", "17.6.1", "21G93",
		128},
	{PLATFORM_IPHONE, UDID_CHIP, "00008120", "iPhone15,2", "iPhone 14 Pro", "MPXT3LL/A", "18.1",
		"22B83", 256},
	{PLATFORM_IPHONE, UDID_HEX40, NULL, "iPhone10,4", "iPhone 8", "MQ6G2LL/A", "16.7.8", "20H343", 64},
	{PLATFORM_IPHONE, UDID_CHIP, "00008030", "iPhone12,8", "iPhone SE", "MX9N2LL/A", "17.6.1", "21G93",
		64},
	{PLATFORM_IPAD, UDID_CHIP, "00008101", "iPad13,18", "iPad", "MPQ03LL/A", "17.6.1", "21G93", 64},
	{PLATFORM_IPAD, UDID_HEX40, NULL, "iPad7,11", "iPad", "MW742LL/A", "17.6.1", "21G93", 32},
	{PLATFORM_IPAD, UDID_CHIP, "00008110", "iPad14,1", "iPad mini", "MK7M3LL/A", "18.1", "22B83", 64},
	{PLATFORM_MAC, UDID_UUID, NULL, "Mac14,2", "MacBook Air", "MLY33LL/A", "14.6.1", "23G93", 256},
	{PLATFORM_MAC, UDID_UUID, NULL, "iMac21,1", "iMac", "MGPK3LL/A", "15.1", "24B83", 256},
	{PLATFORM_MAC, UDID_UUID, NULL, "MacBookPro16,1", "MacBook Pro", "MVVJ2LL/A", "13.6.9", "22G830",
		512},
	{PLATFORM_MAC, UDID_UUID, NULL, "Macmini9,1", "Mac mini", "MGNR3LL/A", "14.6.1", "23G93", 256},
	{PLATFORM_TV, UDID_CHIP, "00008020", "AppleTV11,1", "Apple TV 4K", "MXGY2LL/A", "17.6", "21M71",
		32},
	{PLATFORM_TV, UDID_HEX40, NULL, "AppleTV5,3", "Apple TV HD", "MR912LL/A", "17.6", "21M71", 32},
	{PLATFORM_TV, UDID_CHIP, "00008110", "AppleTV14,1", "Apple TV 4K", "MN873LL/A", "18.1", "22J580",
		64},
};

/* The letters that Apple's serial numbers use: no vowels, nothing that looks like a digit. */
static const char serial_alphabet[] = "0123456789CDFGHJKLMNPQRTVWXY";

const struct model *model_of_platform(enum platform platform, unsigned turn)
{
	const struct model *found = &models[0];
	unsigned count = 0;

	for (size_t i = 0; i < COUNT_OF(models); i++)
		count += models[i].platform == platform;
	turn %= count;
	for (size_t i = 0; i < COUNT_OF(models); i++)
		if (models[i].platform == platform && turn-- == 0)
			found = &models[i];
	return found;
}

const struct model *model_of_product(struct slice product)
{
	for (size_t i = 0; i < COUNT_OF(models); i++)
		if (slice_is_str(product, models[i].product))
			return &models[i];
	return NULL;
}

/* Twelve characters with the place of making in front before 2021, ten random ones since. */
void model_make_serial(const struct model *model, struct chance *chance,
	char out[static SERIAL_TEXT_BYTES])
{
	bool is_old = model->udid == UDID_HEX40;
	const char *place = is_old ? "DMP" : "";

	(void)snprintf(out, SERIAL_TEXT_BYTES, "%s", place);
	chance_text(chance, serial_alphabet, out + strlen(place), is_old ? 9 : 10);
}

void chance_uuid(struct chance *chance, char out[static CHANCE_UUID_BYTES])
{
	uint64_t high = (chance_u64(chance) & 0xFFFFFFFFFFFF0FFFu) | 0x4000u;
	uint64_t low = (chance_u64(chance) & 0x3FFFFFFFFFFFFFFFu) | 0x8000000000000000u;

	(void)snprintf(out, CHANCE_UUID_BYTES,
		"%08" PRIX64 "-%04" PRIX64 "-%04" PRIX64 "-%04" PRIX64 "-%012" PRIX64, high >> 32,
		high >> 16 & 0xFFFF, high & 0xFFFF, low >> 48, low & 0xFFFFFFFFFFFFu);
}

void model_make_udid(const struct model *model, struct chance *chance,
	char out[static UDID_TEXT_BYTES])
{
	char digits[CHIP_DIGITS + 1];

	if (model->udid == UDID_UUID) {
		chance_uuid(chance, out);
	} else if (model->udid == UDID_HEX40) {
		chance_text(chance, "0123456789abcdef", out, 40);
	} else {
		chance_text(chance, "0123456789ABCDEF", digits, CHIP_DIGITS);
		(void)snprintf(out, UDID_TEXT_BYTES, "%s-00%s", model->chip, digits);
	}
}
