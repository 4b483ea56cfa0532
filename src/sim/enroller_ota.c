/* SPDX-License-Identifier: Apache-2.0 */
#include "enroller_internal.h"
#include "factory.h"
#include "pomona/base/file.h"
#include "profile_cms.h"

/*
 * Over the air, in Apple's three phases: a profile that asks who the device is; the answer to that, signed by the device's
 * certificate from the factory, which gives an identity; the same once more, signed by that identity.
 */

static void post_answer(struct enroller *enroller);

static void end_service(struct enroller *enroller, enum rc rc, const char *text)
{
	enroller_end(enroller, rc, &enroller_bad_profile, text);
}

static void on_second(struct enroller *enroller, const struct net_reply *reply)
{
	if (reply->status == 200)
		enroller_take_profile_reply(enroller, reply);
	else
		enroller_end_status(enroller, reply);
}

struct telling {
	const struct enroller *enroller;
	struct build *build;
	struct plist_node *dict;
};

static enum rc tell(void *ctx, size_t index, struct plist_node *name)
{
	const struct telling *telling = ctx;

	(void)index;
	enroller_tell(telling->enroller, telling->build, telling->dict, plist_string(name));
	return RC_OK;
}

static enum rc write_answer(struct enroller *enroller, struct buf *message, struct err *err)
{
	AUTO(plist_doc_free) struct plist_doc *doc = plist_doc_new_dict();
	struct build build = {.rc = doc == NULL ? RC_NO_MEMORY : RC_OK};
	struct telling telling = {enroller, &build, doc == NULL ? NULL : plist_root(doc)};
	const struct plist_node *content = plist_dict_get(plist_root(enroller->service), "PayloadContent");
	struct slice challenge = plist_string(plist_dict_get(content, "Challenge"));

	build_note(&build, plist_array_each(plist_dict_get(content, "DeviceAttributes"), tell, &telling));
	if (challenge.len > 0)
		build_slice(&build, telling.dict, "CHALLENGE", challenge);
	if (build.rc != RC_OK)
		return err_set(err, build.rc, "Profile Service: DeviceAttributes, Challenge");
	return enroller_sign(enroller, doc, message, err);
}

/* The identity of the second phase signs the third's message. */
static void on_identity(struct enroller *enroller)
{
	buf_clear(&enroller->factory_cert);
	buf_clear(&enroller->factory_key);
	buf_append(&enroller->factory_cert, buf_slice(&enroller->cert_pem));
	buf_append(&enroller->factory_key, buf_slice(&enroller->key_pem));
	buf_clear(&enroller->cert_pem);
	buf_clear(&enroller->key_pem);
	enroller->is_by_identity = true;
	enroller->on_identity = NULL; /* the next one is the last */
	post_answer(enroller);
}

static void post_answer(struct enroller *enroller)
{
	const struct plist_node *content = plist_dict_get(plist_root(enroller->service), "PayloadContent");
	AUTO(buf_fini) struct buf url;
	AUTO(buf_fini) struct buf message;
	struct ask ask = {.method = "POST", .content_type = ENROLLER_SIGNED_TYPE, .take = on_second};
	struct err err = {0};

	buf_init(&url, ENROLLER_URL_BYTES_MAX);
	buf_init(&message, FACTORY_MESSAGE_BYTES_MAX);
	buf_append(&url, plist_string(plist_dict_get(content, "URL")));
	ask.url = buf_cstr(&url);
	if (!slice_has_prefix(buf_slice(&url), "https://")) {
		end_service(enroller, RC_INVALID, "Profile Service: URL: not https://");
	} else if (write_answer(enroller, &message, &err) != RC_OK) {
		end_service(enroller, err.rc, err.text);
	} else {
		ask.body = buf_slice(&message);
		enroller_ask(enroller, &ask);
	}
}

static enum rc read_service(struct enroller *enroller, const char *path, struct err *err)
{
	AUTO(buf_fini_secret) struct buf content;
	AUTO(buf_fini_secret) struct buf payload;
	AUTO(buf_fini) struct buf signer;
	enum rc rc;

	buf_init(&content, PROFILE_BYTES_MAX);
	buf_init(&payload, PROFILE_BYTES_MAX);
	buf_init(&signer, CERT_DER_BYTES_MAX);
	rc = file_read(path, &content, err);
	if (rc != RC_OK)
		return rc;
	if (profile_unwrap(buf_slice(&content), &payload, &signer) != RC_OK ||
		plist_parse(buf_slice(&payload), &enroller->service, NULL) != RC_OK ||
		!slice_is_str(plist_string(plist_dict_get(plist_root(enroller->service), "PayloadType")),
			"Profile Service"))
		return err_set(err, RC_INVALID, "%s: no profile of PayloadType Profile Service", path);
	return RC_OK;
}

void enroller_begin_ota(struct enroller *enroller)
{
	AUTO(buf_fini) struct buf path;
	struct err err = {0};
	const char *text;

	buf_init(&path, ENROLLER_URL_BYTES_MAX);
	text = enroller_where(enroller, &path);
	if (text == NULL)
		return;
	if (read_service(enroller, text, &err) != RC_OK) {
		end_service(enroller, err.rc, err.text);
		return;
	}
	enroller->on_identity = on_identity;
	post_answer(enroller);
}
