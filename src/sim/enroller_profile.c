/* SPDX-License-Identifier: Apache-2.0 */
#include "enroller_internal.h"
#include "pomona/base/file.h"

static const char profile_type[] = "application/x-apple-aspen-config";

void enroller_begin_profile(struct enroller *enroller)
{
	AUTO(buf_fini) struct buf path;
	AUTO(buf_fini_secret) struct buf content;
	struct err err = {0};
	const char *text;

	buf_init(&path, ENROLLER_URL_BYTES_MAX);
	buf_init(&content, PROFILE_BYTES_MAX);
	text = enroller_where(enroller, &path);
	if (text == NULL)
		return;
	if (file_read(text, &content, &err) != RC_OK)
		enroller_end(enroller, err.rc, &enroller_bad_profile, err.text);
	else
		enroller_take_profile(enroller, buf_slice(&content));
}

void enroller_take_profile_reply(struct enroller *enroller, const struct net_reply *reply)
{
	if (slice_has_prefix(slice_of_str(reply->content_type), profile_type))
		enroller_take_profile(enroller, reply->body);
	else
		enroller_end(enroller, RC_INVALID, &enroller_bad_profile,
			"the server's answer is not application/x-apple-aspen-config");
}

/* --- an invitation */

static void on_profile(struct enroller *enroller, const struct net_reply *reply)
{
	if (reply->status == 200)
		enroller_take_profile_reply(enroller, reply);
	else
		enroller_end_status(enroller, reply);
}

/* What the page's button does: it sends name and password, or it is a link beside the page. */
static void on_page(struct enroller *enroller, const struct net_reply *reply)
{
	const struct web_field user = {"name", enroller->params.options->user};
	struct ask ask = {.method = "GET", .take = on_profile};
	AUTO(buf_fini) struct buf url;
	struct err err = {0};

	buf_init(&url, ENROLLER_URL_BYTES_MAX);
	buf_append(&url, buf_slice(&enroller->url)); /* where redirects have led to */
	buf_append_str(&url, "/profile");
	ask.url = buf_cstr(&url);
	if (reply->status != 200)
		enroller_end_status(enroller, reply);
	else if (user.value != NULL &&
		enroller_fill_login(enroller, &user, reply->body, &ask, &err) != RC_OK)
		enroller_end(enroller, err.rc, &enroller_bad_profile, err.text);
	else if (ask.url == NULL)
		enroller_end(enroller, RC_LIMIT, &enroller_bad_profile, "--enroll link: too long");
	else
		enroller_ask(enroller, &ask);
}

void enroller_begin_link(struct enroller *enroller)
{
	AUTO(buf_fini) struct buf url;
	struct ask ask = {.method = "GET", .is_following = true, .take = on_page};

	buf_init(&url, ENROLLER_URL_BYTES_MAX);
	ask.url = enroller_where(enroller, &url);
	if (ask.url != NULL)
		enroller_ask(enroller, &ask);
}
