/* SPDX-License-Identifier: Apache-2.0 */
#include "ways.h"

#include "enroller_internal.h"

static const struct way ways[] = {
	{"direct", NULL, "an identity of the simulator's own CA (so by default)", true, NULL},
	{"scep", "FILE", "SCEP at --url; FILE has a challenge a line, its last for all that are left",
		true, enroller_begin_scep},
	{"profile", "FILE", "an enrollment profile", false, enroller_begin_profile},
	{"ade", "URL", "machine information posted to a configuration URL, as from Setup Assistant", false,
		enroller_begin_ade},
	{"ota", "FILE", "over the air, by the Profile Service in FILE", false, enroller_begin_ota},
	{"byod", "ACCOUNT", "a person's own device with its user's account, found by --url", true,
		enroller_begin_byod},
	{"adde", "ACCOUNT", "the organization's device with its user's account, likewise", true,
		enroller_begin_adde},
	{"link", "URL", "the page of an invitation, and the profile that it leads to", false,
		enroller_begin_link},
};

const struct way *way_at(size_t index)
{
	return index < COUNT_OF(ways) ? &ways[index] : NULL;
}

const struct way *way_find(struct slice name)
{
	for (size_t i = 0; i < COUNT_OF(ways); i++)
		if (slice_is_str(name, ways[i].name))
			return &ways[i];
	return NULL;
}
