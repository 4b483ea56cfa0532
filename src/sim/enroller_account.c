/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "enroller_internal.h"
#include "factory.h"
#include "pomona/json/json.h"

/*
 * With an account of the user: where its domain says that the server is, the login in a web view, and the access token
 * that goes with all that the device says from then on.
 */

enum { PASSWORD_BYTES_MAX = 1024 };

static const char result_url[] =
	"apple-remotemanagement-user-login://authentication-results?access-token=";

static void end_account(struct enroller *enroller, enum rc rc, const char *text)
{
	enroller_end(enroller, rc, &enroller_bad_server, text);
}

/* --- the profile */

/* A profile for another account, or for the other way, is none. */
static void take_account_profile(struct enroller *enroller, const struct net_reply *reply)
{
	const struct mdm_payload *mdm;
	struct enrollment_profile profile;
	struct err err = {0};
	bool is_mine;

	if (enrollment_profile_read(reply->body, NULL, &profile, &err) != RC_OK) {
		end_account(enroller, err.rc, err.text);
		return;
	}
	mdm = &profile.mdm;
	is_mine = profile.has_mdm && slice_is_str(mdm->mode, enroller->is_byod ? "BYOD" : "ADDE") &&
		slice_is_equal(mdm->account, buf_slice(&enroller->account));
	enrollment_profile_fini(&profile);
	if (is_mine)
		enroller_take_profile_reply(enroller, reply);
	else
		end_account(enroller, RC_INVALID,
			"EnrollmentMode, AssignedManagedAppleID: the profile is for another account or way");
}

static void on_answer(struct enroller *enroller, const struct net_reply *reply)
{
	if (reply->status == 200)
		take_account_profile(enroller, reply);
	else if (reply->status == 401 && enroller->bearer.len == 0)
		enroller_log_in(enroller, reply->challenge);
	else
		enroller_end_status(enroller, reply);
}

static enum rc sign_machine_info(struct enroller *enroller, struct buf *message, struct err *err)
{
	static const char *const of_all[] = {"LANGUAGE", "PRODUCT", "VERSION", "OS_VERSION"};
	static const char *const of_organization[] = {"UDID", "SERIAL"};
	AUTO(plist_doc_free) struct plist_doc *doc = plist_doc_new_dict();
	struct build build = {.rc = doc == NULL ? RC_NO_MEMORY : RC_OK};
	struct plist_node *dict = doc == NULL ? NULL : plist_root(doc);

	for (size_t i = 0; i < COUNT_OF(of_all); i++)
		enroller_tell(enroller, &build, dict, slice_of_str(of_all[i]));
	for (size_t i = 0; i < COUNT_OF(of_organization) && !enroller->is_byod; i++)
		enroller_tell(enroller, &build, dict, slice_of_str(of_organization[i]));
	if (build.rc != RC_OK)
		return err_set(err, build.rc, "machine information");
	return enroller_sign(enroller, doc, message, err);
}

static void post_machine_info(struct enroller *enroller)
{
	AUTO(buf_fini) struct buf message;
	AUTO(buf_fini) struct buf url;
	struct ask ask = {.method = "POST",
		.content_type = ENROLLER_SIGNED_TYPE,
		.header = "User-Agent: DeviceManagementClient/1.0",
		.take = on_answer};
	struct err err = {0};

	buf_init(&message, FACTORY_MESSAGE_BYTES_MAX);
	buf_init(&url, ENROLLER_URL_BYTES_MAX);
	buf_append(&url, buf_slice(&enroller->base_url));
	ask.url = buf_cstr(&url);
	if (sign_machine_info(enroller, &message, &err) != RC_OK) {
		end_account(enroller, err.rc, err.text);
		return;
	}
	ask.body = buf_slice(&message);
	enroller_ask(enroller, &ask);
}

/* --- the login in the web view */

/* The browser's last address is for the device. */
static void on_logged_in(struct enroller *enroller, const struct net_reply *reply)
{
	struct err err = {0};

	if (reply->status != 308 || strncmp(reply->location, result_url, strlen(result_url)) != 0) {
		end_account(enroller, RC_DENIED, "the login was refused");
		return;
	}
	buf_clear(&enroller->bearer);
	buf_append_str(&enroller->bearer, reply->location + strlen(result_url));
	if (enroller->bearer.len == 0 || enroller->bearer.rc != RC_OK)
		end_account(enroller, RC_INVALID, "the login gave no access token");
	else if (enroller_take_bearer(enroller, &err) != RC_OK)
		end_account(enroller, err.rc, err.text);
	else if (enroller->params.challenge != NULL)
		enroller_end(enroller, RC_OK, NULL, "");
	else
		post_machine_info(enroller);
}

enum rc enroller_fill_login(struct enroller *enroller, const struct web_field *user,
	struct slice page, struct ask *ask, struct err *err)
{
	AUTO(buf_fini_secret) struct buf password;
	struct web_field fields[] = {*user, {"password", NULL}};
	struct web_filling filling = {page, buf_cstr(&enroller->url), fields, COUNT_OF(fields)};
	enum rc rc;

	buf_init(&password, PASSWORD_BYTES_MAX);
	if (enroller->params.options->password_file == NULL)
		return err_set(err, RC_DENIED, "the server wants a login: --password-file");
	rc = enroller_read_password(enroller, &password, err);
	if (rc != RC_OK)
		return rc;
	fields[1].value = buf_cstr(&password);
	if (filling.url == NULL || user->value == NULL || fields[1].value == NULL)
		return err_set(err, RC_NO_MEMORY, "login");
	buf_clear(&enroller->form_action);
	buf_clear(&enroller->form_body);
	rc = web_form_fill(&filling, &enroller->form_action, &enroller->form_body, err);
	ask->method = "POST";
	ask->content_type = "application/x-www-form-urlencoded";
	ask->url = buf_cstr(&enroller->form_action);
	ask->body = buf_slice(&enroller->form_body);
	return rc;
}

static void on_page(struct enroller *enroller, const struct net_reply *reply)
{
	const struct web_field user = {"user", buf_cstr(&enroller->account)};
	struct ask ask = {.take = on_logged_in};
	struct err err = {0};

	if (reply->status != 200)
		enroller_end_status(enroller, reply);
	else if (enroller_fill_login(enroller, &user, reply->body, &ask, &err) != RC_OK)
		end_account(enroller, err.rc, err.text);
	else
		enroller_ask(enroller, &ask);
}

/* The value of name="..." in a challenge; empty: not there. */
static struct slice fact_of(const char *challenge, const char *name)
{
	const char *at = strstr(challenge, name);
	const char *end;

	if (at == NULL || strncmp(at + strlen(name), "=\"", 2) != 0)
		return slice_of(NULL, 0);
	at += strlen(name) + 2;
	end = strchr(at, '"');
	return slice_of(at, end == NULL ? 0 : (size_t)(end - at));
}

void enroller_log_in(struct enroller *enroller, const char *challenge)
{
	struct slice where = fact_of(challenge, " url");
	struct ask ask = {.method = "GET", .is_following = true, .take = on_page};
	AUTO(buf_fini) struct buf url;
	size_t at;

	buf_init(&url, ENROLLER_URL_BYTES_MAX);
	if (where.len == 0)
		where = fact_of(challenge, ",url");
	if (strncmp(challenge, "Bearer ", 7) != 0 ||
		!slice_is_str(fact_of(challenge, "method"), "apple-as-web") ||
		!slice_has_prefix(where, "https://")) {
		end_account(enroller, RC_UNSUPPORTED,
			"WWW-Authenticate: not Bearer method=\"apple-as-web\" with a url of https://");
		return;
	}
	buf_append(&url, where);
	buf_append_str(&url, slice_find_byte(where, '?', &at) ? "&" : "?");
	buf_append_str(&url, "user-identifier=");
	net_url_append(&url, buf_slice(&enroller->account));
	ask.url = buf_cstr(&url);
	if (ask.url == NULL)
		end_account(enroller, RC_LIMIT, "the login's address is too long");
	else
		enroller_ask(enroller, &ask);
}

/* --- where the server is */

static enum rc find_server(struct enroller *enroller, struct slice version, struct slice url)
{
	if (slice_is_str(version, enroller->is_byod ? "mdm-byod" : "mdm-adde") &&
		slice_has_prefix(url, "https://") && enroller->base_url.len == 0)
		buf_append(&enroller->base_url, url);
	return buf_status(&enroller->base_url, "BaseURL", NULL);
}

static void on_well_known(struct enroller *enroller, const struct net_reply *reply)
{
	AUTO(json_free) struct json_value *root = NULL;
	const struct json_value *servers;

	if (reply->status != 200 || json_parse(reply->body, &root, NULL) != RC_OK) {
		enroller_end_status(enroller, reply);
		return;
	}
	servers = json_get(root, "Servers");
	buf_clear(&enroller->base_url);
	for (size_t i = 0; i < json_count(servers); i++)
		if (find_server(enroller, json_string(json_get(json_at(servers, i), "Version")),
							json_string(json_get(json_at(servers, i), "BaseURL"))) != RC_OK)
			break;
	if (enroller->base_url.len == 0 || enroller->base_url.rc != RC_OK)
		end_account(enroller, RC_NOT_FOUND,
			"com.apple.remotemanagement: no server for this way of enrolling");
	else
		post_machine_info(enroller);
}

static const char *family_of(const struct device *device)
{
	static const struct {
		enum platform platform;
		const char *family;
	} families[] = {{PLATFORM_IPHONE, "iPhone"}, {PLATFORM_IPAD, "iPad"}, {PLATFORM_MAC, "Mac"}};

	for (size_t i = 0; i < COUNT_OF(families); i++)
		if (device->model->platform == families[i].platform)
			return families[i].family;
	return "AppleTV";
}

static void begin(struct enroller *enroller, bool is_byod)
{
	struct ask ask = {.method = "GET", .is_following = true, .take = on_well_known};
	AUTO(buf_fini) struct buf url;

	enroller->is_byod = is_byod;
	buf_init(&url, ENROLLER_URL_BYTES_MAX);
	buf_clear(&enroller->account);
	if (enroller_where(enroller, &enroller->account) == NULL)
		return;
	buf_append_str(&url, enroller->params.options->url);
	while (url.len > 0 && url.ptr[url.len - 1] == '/')
		url.len--;
	buf_append_str(&url, "/.well-known/com.apple.remotemanagement?user-identifier=");
	net_url_append(&url, buf_slice(&enroller->account));
	buf_printf(&url, "&model-family=%s", family_of(enroller->params.device));
	ask.url = buf_cstr(&url);
	if (ask.url == NULL)
		end_account(enroller, RC_LIMIT, "--enroll: too long");
	else
		enroller_ask(enroller, &ask);
}

void enroller_begin_byod(struct enroller *enroller)
{
	begin(enroller, true);
}

void enroller_begin_adde(struct enroller *enroller)
{
	begin(enroller, false);
}

/* With the account of the time when it enrolled. */
void enroller_begin_login(struct enroller *enroller)
{
	buf_clear(&enroller->account);
	if (enroller_where(enroller, &enroller->account) != NULL)
		enroller_log_in(enroller, enroller->params.challenge);
}
