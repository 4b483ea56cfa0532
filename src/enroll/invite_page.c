/* SPDX-License-Identifier: Apache-2.0 */
#include "invite_page.h"

#include <stdio.h>

#include "pomona/base/codec.h"
#include "pomona/enroll/profile.h"
#include "pomona/identity/user_file.h"

enum {
	LINE_BYTES = 2 * PROFILE_TEXT_BYTES_MAX,
	RIGHTS_MAX = 16,
	FIELD_CHARS_MAX = USER_NAME_BYTES_MAX,
};

/* Apple's access rights, each of which lets the server ask for something or change it. */
struct right {
	int64_t bit;
	const char *text;
};

static const struct right sights[] = {
	{16, "name, model, serial number, storage and battery"},
	{32, "phone number, carrier and network addresses"},
	{256, "which apps it has"},
	{1, "its configuration profiles"},
	{64, "its provisioning profiles"},
	{512, "its restrictions"},
	{1024, "whether it has a passcode and is encrypted"},
};

static const struct right deeds[] = {
	{2, "install and remove settings and certificates"},
	{4096, "install and remove apps that it manages"},
	{2048, "change some settings, such as its name"},
	{128, "install and remove provisioning profiles"},
	{4, "lock it and remove its passcode"},
	{8, "erase it"},
};

static void write_rights(struct buf *page, const char *title, int64_t rights,
	const struct right *table, size_t count)
{
	const char *items[RIGHTS_MAX];
	size_t found = 0;

	for (size_t i = 0; i < count && found < RIGHTS_MAX; i++)
		if ((rights & table[i].bit) != 0)
			items[found++] = table[i].text;
	if (found == 0)
		return;
	page_heading(page, title);
	page_list(page, PAGE_LIST, items, found);
}

static const char *who(const struct invite_page *params)
{
	return params->organization[0] != '\0' ? params->organization : params->host;
}

static void write_facts(const struct invite_page *params, struct buf *page)
{
	const struct invitation *invitation = params->invitation;
	const int64_t left = invitation->uses_max - invitation->uses;
	char ends[TIME_TEXT_BYTES];
	char line[LINE_BYTES];

	time_format(invitation->expires_at, ends);
	page_facts_open(page);
	if (params->organization[0] != '\0')
		page_fact(page, "Managed by", params->organization);
	page_fact(page, "Server", params->host);
	/* "2026-11-28T12:00:00Z" */
	(void)snprintf(line, sizeof(line), "%.10s, %.5s UTC", ends, ends + 11);
	page_fact(page, "Link ends", line);
	(void)snprintf(line, sizeof(line), left == 1 ? "one device" : "%lld devices", (long long)left);
	page_fact(page, "Link is for", line);
	page_facts_close(page);
}

static void write_sight(const struct invite_page *params, struct buf *page)
{
	char line[LINE_BYTES];

	(void)snprintf(line, sizeof(line), "What %s can see of it", who(params));
	write_rights(page, line, params->access_rights, sights, COUNT_OF(sights));
	(void)snprintf(line, sizeof(line), "What %s can do with it", who(params));
	write_rights(page, line, params->access_rights, deeds, COUNT_OF(deeds));
	page_small(page,
		"Device management does not show your messages, mail, photos or calls. Nothing changes before you "
		"agree to it on the device.");
}

static void write_form(const struct invite_page *params, struct buf *page)
{
	const struct page_field name = {.name = "name",
		.label = "User name",
		.value = params->user_name,
		.autocomplete = "username",
		.chars_max = FIELD_CHARS_MAX};
	const struct page_field password = {.name = "password",
		.label = "Password",
		.autocomplete = "current-password",
		.chars_max = PASSWORD_TEXT_BYTES_MAX,
		.is_password = true};

	page_form_open(page, params->action);
	if (params->invitation->needs_login) {
		page_field(page, &name);
		page_field(page, &password);
	}
	page_button(page,
		params->invitation->needs_login ? "Log in and get the profile" : "Get the profile");
	page_form_close(page);
}

static void write_steps(const struct invite_page *params, struct buf *page)
{
	static const char *const phone[] = {
		"Tap the button above and allow the download.",
		"Open Settings and tap Profile Downloaded, near the top. It waits there for a few minutes only.",
		"Tap Install, enter the passcode and follow what the device says.",
	};
	static const char *const mac[] = {
		"Click the button above and open the file that was downloaded.",
		"Open System Settings, search for Profiles or Device Management, and double-click the new profile.",
		"Click Install or Enroll, and enter the password of an administrator of the Mac.",
	};
	char line[LINE_BYTES];

	page_heading(page, "On an iPhone or iPad");
	page_list(page, PAGE_STEPS, phone, COUNT_OF(phone));
	page_heading(page, "On a Mac");
	page_list(page, PAGE_STEPS, mac, COUNT_OF(mac));
	page_heading(page, "How it ends");
	(void)snprintf(line, sizeof(line),
		"You can remove the profile in the same place at any time. What it brought goes with it, managed apps and "
		"settings included%s.",
		params->is_told_of_removal ? ", and the organization is told" : "");
	page_paragraph(page, line);
}

/* Who tries again finds the form where the fault is told. */
void invite_page_write(const struct invite_page *params, struct buf *page)
{
	char line[LINE_BYTES];

	page_open(page, "Let this device be managed", params->organization);
	if (params->alert != NULL) {
		page_alert(page, params->alert);
		write_form(params, page);
		page_heading(page, "What this is about");
	}
	(void)snprintf(line, sizeof(line),
		"With the profile from this page, %s manages this device. Go on only if you expected this link and know whom "
		"it is from.",
		who(params));
	page_paragraph(page, line);
	write_facts(params, page);
	write_sight(params, page);
	if (params->alert == NULL)
		write_form(params, page);
	write_steps(params, page);
	page_close(page);
}
