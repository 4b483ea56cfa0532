/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_MODEL_H
#define POMONA_SIM_MODEL_H

/*
 * The kinds of Apple devices that the simulator knows, and the identifiers that each kind has.
 * Threading: any thread; the table is constant.
 */

#include "pomona/base/slice.h"
#include "random.h"

/* Bits, so that a table can name several. */
enum platform {
	PLATFORM_IPHONE = 1,
	PLATFORM_IPAD = 2,
	PLATFORM_MAC = 4,
	PLATFORM_TV = 8,
	PLATFORM_IOS = PLATFORM_IPHONE | PLATFORM_IPAD,
	PLATFORM_ANY = PLATFORM_IOS | PLATFORM_MAC | PLATFORM_TV,
};

enum udid_kind {
	UDID_HEX40, /* iOS and tvOS up to the A11: 40 hexadecimal digits, lower case */
	UDID_CHIP,  /* from the A12 on: chip, dash, 16 digits: 00008101-001A2B3C4D5E6F70 */
	UDID_UUID,  /* Macs: the hardware UUID */
};

enum { SERIAL_TEXT_BYTES = 16, UDID_TEXT_BYTES = 41, CHANCE_UUID_BYTES = 37 };

struct model {
	enum platform platform;
	enum udid_kind udid;
	const char *chip;    /* UDID_CHIP: its first part */
	const char *product; /* ProductName */
	const char *name;    /* ModelName */
	const char *number;  /* Model; for Macs Model is the product's name */
	const char *os_version, *build_version;
	double capacity_gb;
};

/* `turn` picks among the platform's models, round and round. Never NULL. */
const struct model *model_of_platform(enum platform platform, unsigned turn);
/* NULL where the table has none. */
const struct model *model_of_product(struct slice product);

void model_make_serial(const struct model *model, struct chance *chance,
	char out[static SERIAL_TEXT_BYTES]);
void model_make_udid(const struct model *model, struct chance *chance,
	char out[static UDID_TEXT_BYTES]);
/* A version 4 UUID, upper case. */
void chance_uuid(struct chance *chance, char out[static CHANCE_UUID_BYTES]);

#endif
