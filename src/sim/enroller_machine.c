/* SPDX-License-Identifier: Apache-2.0 */
#include "apple.h"
#include "enroller_internal.h"
#include "factory.h"
#include "pomona/base/rand.h"

enum { FACTORY_KEY_BITS = 2048 };

/* What a device may say of itself, and of its system. */
void enroller_tell(const struct enroller *enroller, struct build *build, struct plist_node *dict,
	struct slice what)
{
	const struct device *device = enroller->params.device;
	const struct {
		const char *name, *text;
	} texts[] = {
		{"UDID", device->udid},
		{"SERIAL", device->serial},
		{"PRODUCT", device->model->product},
		{"OS_VERSION", device->os_version},
		{"VERSION", device->build_version},
		{"DEVICE_NAME", device->name},
		{"LANGUAGE", "en-US"},
	};

	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (slice_is_str(what, texts[i].name))
			build_str(build, dict, texts[i].name, texts[i].text);
}

static enum rc get_identity(struct enroller *enroller, struct err *err)
{
	const char *dir = enroller->params.options->dir;
	char name[UUID_TEXT_BYTES];
	enum rc rc;

	if (enroller->factory_cert.len > 0)
		return RC_OK;
	uuid_make(name);
	rc = key_pool_take(enroller->params.keys, FACTORY_KEY_BITS, &enroller->factory_key, err);
	if (rc != RC_OK)
		return rc;
	return factory_issue(dir, name, buf_slice(&enroller->factory_key), &enroller->factory_cert, err);
}

enum rc enroller_sign(struct enroller *enroller, const struct plist_doc *doc, struct buf *message,
	struct err *err)
{
	struct factory_signing signing = {.chain_pem = {NULL, 0}};
	AUTO(buf_fini) struct buf plist;
	AUTO(buf_fini) struct buf chain;
	enum rc rc = get_identity(enroller, err);

	buf_init(&plist, FACTORY_MESSAGE_BYTES_MAX);
	buf_init(&chain, FACTORY_PEM_BYTES_MAX);
	if (rc == RC_OK)
		rc = plist_write_xml(doc, &plist, err);
	if (rc == RC_OK)
		rc = apple_read(enroller->params.options->dir, APPLE_FACTORY_CHAIN, &chain, err);
	if (rc != RC_OK)
		return rc;
	signing.cert_pem = buf_slice(&enroller->factory_cert);
	signing.key_pem = buf_slice(&enroller->factory_key);
	if (!enroller->is_by_identity)
		signing.chain_pem = buf_slice(&chain);
	return factory_sign(&signing, buf_slice(&plist), message, err);
}
