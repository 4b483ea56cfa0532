/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "enroller_internal.h"
#include "factory.h"
#include "http_digest.h"
#include "pomona/base/file.h"
#include "pomona/base/log.h"
#include "pomona/json/json.h"

enum { UPDATES_MAX = 4, PASSWORD_BYTES_MAX = 1024 };

static void post_machine_info(struct enroller *enroller, const char *authorization);

static enum rc sign_machine_info(struct enroller *enroller, struct buf *message, struct err *err)
{
	static const char *const told[] = {"UDID", "SERIAL", "PRODUCT", "OS_VERSION", "VERSION",
		"LANGUAGE"};
	AUTO(plist_doc_free) struct plist_doc *doc = plist_doc_new_dict();
	struct build build = {.rc = doc == NULL ? RC_NO_MEMORY : RC_OK};
	struct plist_node *dict = doc == NULL ? NULL : plist_root(doc);

	for (size_t i = 0; i < COUNT_OF(told); i++)
		enroller_tell(enroller, &build, dict, slice_of_str(told[i]));
	build_bool(&build, dict, "MDM_CAN_REQUEST_SOFTWARE_UPDATE", true);
	if (build.rc != RC_OK)
		return err_set(err, build.rc, "machine information");
	return enroller_sign(enroller, doc, message, err);
}

/* --- the person's name and password */

enum rc enroller_read_password(const struct enroller *enroller, struct buf *out, struct err *err)
{
	enum rc rc = file_read(enroller->params.options->password_file, out, err);

	if (rc != RC_OK)
		return err_context(err, "--password-file");
	while (out->len > 0 && (out->ptr[out->len - 1] == '\n' || out->ptr[out->len - 1] == '\r'))
		out->len--;
	return rc;
}

static enum rc answer_login(const struct enroller *enroller, const char *challenge,
	struct buf *header, struct err *err)
{
	const struct options *options = enroller->params.options;
	AUTO(buf_fini) struct buf url;
	AUTO(buf_fini_secret) struct buf password;
	struct http_digest digest = {.method = "POST", .user = options->user, .challenge = challenge};
	enum rc rc;

	buf_init(&url, ENROLLER_URL_BYTES_MAX);
	buf_init(&password, PASSWORD_BYTES_MAX);
	if (options->user == NULL)
		return err_set(err, RC_DENIED, "the server wants a login: --user, --password-file");
	rc = enroller_read_password(enroller, &password, err);
	if (rc != RC_OK)
		return rc;
	buf_append(&url, buf_slice(&enroller->url));
	digest.target = http_target_of(buf_cstr(&url));
	digest.password = buf_cstr(&password);
	if (digest.password == NULL)
		return err_set(err, RC_NO_MEMORY, "password");
	return http_digest_answer(&digest, header, err);
}

static void on_login_asked(struct enroller *enroller, const struct net_reply *reply)
{
	AUTO(buf_fini_secret) struct buf header;
	struct err err = {0};

	buf_init(&header, ENROLLER_HEADER_BYTES_MAX);
	if (enroller->has_logged_in)
		enroller_end(enroller, RC_DENIED, &enroller_bad_server, "the login was refused: HTTP 401");
	else if (answer_login(enroller, reply->challenge, &header, &err) != RC_OK)
		enroller_end(enroller, err.rc, &enroller_bad_server, err.text);
	else {
		enroller->has_logged_in = true;
		post_machine_info(enroller, buf_cstr(&header));
	}
}

/* --- typed refusals */

static void update_device(struct enroller *enroller, const struct json_value *details)
{
	struct device *device = enroller->params.device;
	struct slice version = json_string(json_get(details, "OSVersion"));
	struct slice build = json_string(json_get(details, "BuildVersion"));

	if (version.len == 0 || version.len >= sizeof(device->os_version) ||
		build.len >= sizeof(device->build_version) || enroller->updates++ == UPDATES_MAX) {
		enroller_end(enroller, RC_DENIED, &enroller_bad_server,
			"com.apple.softwareupdate.required: with no OSVersion to be had, or again and again");
		return;
	}
	(void)snprintf(device->os_version, sizeof(device->os_version), "%.*s", SLICE_FMT(version));
	if (build.len > 0)
		(void)snprintf(device->build_version, sizeof(device->build_version), "%.*s", SLICE_FMT(build));
	log_info("software_updated", LOG_STR("device", device->udid), LOG_STR("os", device->os_version));
	enroller->has_logged_in = false;
	post_machine_info(enroller, NULL);
}

static void on_refused(struct enroller *enroller, const struct net_reply *reply)
{
	AUTO(json_free) struct json_value *root = NULL;
	struct slice code;
	struct err err;

	if (json_parse(reply->body, &root, NULL) != RC_OK || json_get(root, "code") == NULL) {
		enroller_end_status(enroller, reply);
		return;
	}
	code = json_string(json_get(root, "code"));
	if (slice_is_str(code, "com.apple.softwareupdate.required")) {
		update_device(enroller, json_get(root, "details"));
		return;
	}
	(void)err_set(&err, RC_DENIED, "refused: %.*s", SLICE_FMT(slice_sub(code, 0, NAME_TEXT_BYTES)));
	enroller_end(enroller, RC_DENIED, &enroller_bad_server, err.text);
}

static void on_answer(struct enroller *enroller, const struct net_reply *reply)
{
	if (reply->status == 200)
		enroller_take_profile_reply(enroller, reply);
	else if (reply->status == 401)
		on_login_asked(enroller, reply);
	else if (reply->status == 403)
		on_refused(enroller, reply);
	else
		enroller_end_status(enroller, reply);
}

static void post_machine_info(struct enroller *enroller, const char *authorization)
{
	AUTO(buf_fini) struct buf url;
	AUTO(buf_fini) struct buf message;
	struct ask ask = {.method = "POST",
		.content_type = ENROLLER_SIGNED_TYPE,
		.header = authorization,
		.take = on_answer};
	struct err err = {0};

	buf_init(&url, ENROLLER_URL_BYTES_MAX);
	buf_init(&message, FACTORY_MESSAGE_BYTES_MAX);
	ask.url = enroller_where(enroller, &url);
	if (ask.url == NULL)
		return;
	if (sign_machine_info(enroller, &message, &err) != RC_OK) {
		enroller_end(enroller, err.rc, &enroller_bad_identity, err.text);
		return;
	}
	ask.body = buf_slice(&message);
	enroller_ask(enroller, &ask);
}

void enroller_begin_ade(struct enroller *enroller)
{
	post_machine_info(enroller, NULL);
}
