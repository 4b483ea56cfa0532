/* SPDX-License-Identifier: Apache-2.0 */
#include "enrolling.h"

#include <string.h>

#include "pomona/base/file.h"

enum { SECONDS_A_DAY = 86400, LINE_BREAK_BYTES = 2 };

static enum rc take_challenge(const char *path, struct slice text, struct enroll_settings *settings,
	struct err *err)
{
	if (text.len > 0 && text.ptr[text.len - 1] == '\n')
		text.len--;
	if (text.len > 0 && text.ptr[text.len - 1] == '\r')
		text.len--;
	if (text.len == 0 || text.len > ENROLL_CHALLENGE_BYTES_MAX)
		return err_set(err, RC_INVALID, "%s: want one line of 1 to %d bytes", path,
			ENROLL_CHALLENGE_BYTES_MAX);
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] < ' ' || text.ptr[i] > '~')
			return err_set(err, RC_INVALID, "%s: want printable ASCII characters in one line", path);
	memcpy(settings->static_challenge, text.ptr, text.len);
	settings->static_challenge[text.len] = '\0';
	return RC_OK;
}

static enum rc read_challenge(const char *path, struct enroll_settings *settings, struct err *err)
{
	AUTO(buf_fini_secret) struct buf text;
	enum rc rc;

	buf_init(&text, ENROLL_CHALLENGE_BYTES_MAX + LINE_BREAK_BYTES);
	if (path[0] == '\0')
		return RC_OK;
	if (buf_reserve(&text, ENROLL_CHALLENGE_BYTES_MAX + LINE_BREAK_BYTES) == NULL)
		return buf_status(&text, path, err);
	rc = file_read(path, &text, err);
	return rc == RC_OK ? take_challenge(path, buf_slice(&text), settings, err) : rc;
}

enum rc enrolling_settings(const struct config *config, struct enroll_settings *settings_r,
	struct err *err)
{
	enum rc rc;

	*settings_r = (struct enroll_settings){
		.is_scep_on = config->enroll.scep == CONFIG_ON,
		.identity_valid_s = config->enroll.identity_days * SECONDS_A_DAY,
		.challenge_grace_s = config->enroll.challenge_grace_s,
		.crl_valid_s = config->enroll.crl_valid_s,
	};
	rc = read_challenge(config->enroll.scep_challenge_file, settings_r, err);
	return rc == RC_OK ? RC_OK : err_context(err, "[enroll] scep_challenge_file");
}
