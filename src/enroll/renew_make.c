/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "internal.h"
#include "pomona/base/codec.h"
#include "pomona/command/command.h"
#include "renew.h"

/* The enrollment profile once more, as a command: what cannot change is as the device has it. */

enum {
	SIGNED_BYTES_MAX = 2 * PROFILE_BYTES_MAX,
	COMMAND_BYTES_MAX = 2 * SIGNED_BYTES_MAX, /* in base64, with what stands around it */
};

static enum rc make_profile(struct renew *renew, struct renew_step *step, struct buf *out,
	struct err *err)
{
	const struct renewal_target *target = &step->target;
	char challenge[ENROLL_SECRET_BYTES] = "";
	const struct enroll_profile_ask ask = {
		.url = step->url,
		.device_id = slice_of_str(target->ext_id),
		.challenge = slice_of(challenge, ENROLL_SECRET_BYTES - 1),
		.identifier = target->identifier,
		.topic = target->topic,
		.account = step->has_account ? &step->account : NULL,
		.rights_max = target->access_rights,
		.facts_r = &step->profile,
	};
	enum rc rc;

	enroll_secret_make(challenge);
	sha256(ask.challenge, step->challenge_sha256);
	rc = enroll_make_profile(renew->enroll, &ask, out, err);
	explicit_bzero(challenge, sizeof(challenge));
	return rc;
}

static enum rc make_command(struct renew *renew, struct slice profile, struct command_row *row_r,
	struct err *err)
{
	AUTO(buf_fini_secret) struct buf text;

	buf_init(&text, COMMAND_BYTES_MAX);
	if (buf_reserve(&text, 2 * profile.len + 1024) == NULL) /* a secret is not moved in memory */
		return buf_status(&text, "InstallProfile", err);
	buf_append_str(&text,
		"<plist version=\"1.0\"><dict><key>RequestType</key><string>InstallProfile</string>"
		"<key>Payload</key><data>");
	base64_encode(profile, &text);
	buf_append_str(&text, "</data></dict></plist>");
	if (buf_status(&text, "InstallProfile", err) != RC_OK)
		return err->rc;
	if (command_from_plist(buf_slice(&text), renew->arena, row_r, err) != RC_OK)
		return err->rc;
	row_r->is_hidden = true;
	return RC_OK;
}

enum rc renew_make(struct renew *renew, struct renew_step *step, struct err *err)
{
	AUTO(buf_fini_secret) struct buf profile;
	enum rc rc;

	buf_init(&profile, SIGNED_BYTES_MAX);
	step->url = step->target.url[0] != '\0' ? step->target.url : renew->url;
	rc = make_profile(renew, step, &profile, err);
	return rc == RC_OK ? make_command(renew, buf_slice(&profile), &step->command, err) : rc;
}
