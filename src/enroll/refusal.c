/* SPDX-License-Identifier: Apache-2.0 */
#include "refusal.h"

#include <stddef.h>
#include <string.h>

#include "internal.h"
#include "pomona/json/json.h"
#include "pomona/plist/plist.h"

enum { DETAILS_MAX = 3 };

/* One entry of `details`: its key, in which dictionary of them it stands, and where its text comes from. */
struct detail {
	const char *key;
	const char *inside; /* NULL: in `details` itself */
	size_t offset;
	bool is_optional;
};
#define SAYS(field_) offsetof(struct enroll_refusal_says, field_)

static const struct {
	const char *code;
	const char *description; /* for the device's log */
	struct detail details[DETAILS_MAX];
} kinds[ENROLL_REFUSAL_COUNT] = {
	[ENROLL_REFUSAL_SOFTWARE_UPDATE] = {"com.apple.softwareupdate.required",
		"The device must be updated before it enrolls.",
		{{.key = "OSVersion", .offset = SAYS(os_version)},
			{.key = "BuildVersion", .offset = SAYS(build_version), .is_optional = true}}},
	[ENROLL_REFUSAL_UNRECOGNIZED] = {"com.apple.unrecognized.device",
		"This server does not manage the device.", {{.key = NULL}}},
	[ENROLL_REFUSAL_PAIRING_TOKEN] = {"com.apple.watch.pairing.token.missing",
		"The watch must bring the pairing token of its phone.",
		{{.key = "security-token", .offset = SAYS(security_token)}}},
	[ENROLL_REFUSAL_PLATFORM_SSO] = {"com.apple.psso.required",
		"The user must log in by Platform SSO before the device enrolls.",
		{{.key = "ProfileURL", .offset = SAYS(profile_url)}, {.key = "AuthURL", .offset = SAYS(auth_url)},
			{.key = "ManifestURL", .inside = "Package", .offset = SAYS(manifest_url)}}},
	[ENROLL_REFUSAL_WELL_KNOWN] = {"com.apple.well-known.failed",
		"This server enrolls no such account.", {{.key = NULL}}},
};

const char *enroll_refusal_code(enum enroll_refusal refusal)
{
	return kinds[refusal].code;
}

static const char *text_of(const struct enroll_refusal_says *says, const struct detail *detail)
{
	const char *text;

	memcpy(&text, (const char *)says + detail->offset, sizeof(text));
	return text;
}

static enum rc check(const struct enroll_refusal_says *says, struct err *err)
{
	const struct detail *details = kinds[says->refusal].details;

	for (size_t i = 0; i < DETAILS_MAX && details[i].key != NULL; i++)
		if (!details[i].is_optional && text_of(says, &details[i]) == NULL)
			return err_set(err, RC_INVALID, "%s: needs %s", kinds[says->refusal].code, details[i].key);
	return RC_OK;
}

/* --- JSON */

static void put_json_details(const struct enroll_refusal_says *says, struct json_value *root)
{
	const struct detail *details = kinds[says->refusal].details;
	struct json_value *object;

	if (details[0].key == NULL)
		return;
	object = json_set_object(root, "details");
	for (size_t i = 0; i < DETAILS_MAX && details[i].key != NULL; i++) {
		const char *text = text_of(says, &details[i]);
		struct json_value *place = object;

		if (text == NULL)
			continue;
		if (details[i].inside != NULL)
			place = json_set_object(object, details[i].inside);
		json_set_str(place, details[i].key, text);
	}
}

static enum rc write_json(const struct enroll_refusal_says *says, struct buf *out, struct err *err)
{
	struct json_value *root = json_new_object();
	enum rc rc;

	json_set_str(root, "code", kinds[says->refusal].code);
	json_set_str(root, "description", kinds[says->refusal].description);
	if (says->message != NULL)
		json_set_str(root, "message", says->message);
	put_json_details(says, root);
	rc = json_write(root, false, out, err);
	json_free(&root);
	return rc;
}

/* --- property list */

static enum rc put_str(struct plist_node *dict, const char *key, const char *text)
{
	return plist_dict_set(dict, key, plist_new_string(slice_of_str(text)));
}

static enum rc put_detail(struct plist_node *dict, const struct detail *detail, const char *text)
{
	struct plist_node *inner;
	enum rc rc;

	if (detail->inside == NULL)
		return put_str(dict, detail->key, text);
	inner = plist_new_dict();
	rc = plist_dict_set(dict, detail->inside, inner);
	return rc == RC_OK ? put_str(inner, detail->key, text) : rc;
}

static enum rc put_plist_details(const struct enroll_refusal_says *says, struct plist_node *root)
{
	const struct detail *details = kinds[says->refusal].details;
	struct plist_node *dict;
	enum rc rc;

	if (details[0].key == NULL)
		return RC_OK;
	dict = plist_new_dict();
	rc = plist_dict_set(root, "details", dict);
	for (size_t i = 0; rc == RC_OK && i < DETAILS_MAX && details[i].key != NULL; i++)
		if (text_of(says, &details[i]) != NULL)
			rc = put_detail(dict, &details[i], text_of(says, &details[i]));
	return rc;
}

static enum rc write_plist(const struct enroll_refusal_says *says, struct buf *out, struct err *err)
{
	AUTO(plist_doc_free) struct plist_doc *doc = plist_doc_new_dict();
	enum rc rc;

	if (doc == NULL)
		return err_set(err, RC_NO_MEMORY, "refusal");
	rc = put_str(plist_root(doc), "code", kinds[says->refusal].code);
	if (rc == RC_OK)
		rc = put_str(plist_root(doc), "description", kinds[says->refusal].description);
	if (rc == RC_OK && says->message != NULL)
		rc = put_str(plist_root(doc), "message", says->message);
	if (rc == RC_OK)
		rc = put_plist_details(says, plist_root(doc));
	if (rc != RC_OK)
		return err_set(err, rc, "refusal: cannot be made");
	return plist_write_xml(doc, out, err);
}

enum rc enroll_refusal_write(const struct enroll_refusal_says *says, enum enroll_refusal_form form,
	struct buf *out, struct err *err)
{
	enum rc rc = check(says, err);

	if (rc != RC_OK)
		return rc;
	return form == ENROLL_REFUSAL_JSON ? write_json(says, out, err) : write_plist(says, out, err);
}

/* --- the reply */

enum enroll_refusal_form enroll_refusal_form_of(const char *accept)
{
	if (accept == NULL || strstr(accept, "json") != NULL || strstr(accept, "xml") == NULL)
		return ENROLL_REFUSAL_JSON;
	return ENROLL_REFUSAL_PLIST;
}

void enroll_refuse(struct http_request *request, const struct enroll_refusal_says *says)
{
	static const char *const types[] = {
		[ENROLL_REFUSAL_JSON] = "application/json",
		[ENROLL_REFUSAL_PLIST] = "application/xml",
	};
	enum enroll_refusal_form form = enroll_refusal_form_of(http_request_header(request, "Accept"));
	struct err err = {.rc = RC_OK};
	struct buf body;

	buf_init(&body, ENROLL_REFUSAL_BYTES_MAX);
	if (enroll_refusal_write(says, form, &body, &err) == RC_OK)
		http_reply(request, 403, types[form], &body);
	else
		enroll_fail(request, &err);
	buf_fini(&body);
}
