/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/pki/device_cms.h"

#include <stdlib.h>

#include "signed.h"

struct device_cms {
	struct pki_signed message;
	struct buf der;
	struct cert_facts signer;
};

static enum rc fill(struct device_cms *cms, struct slice message, struct err *err)
{
	enum rc rc = pki_signed_parse(message, PKI_CONTENT_INSIDE, &cms->message, err);

	if (rc == RC_OK && pki_signed_content(&cms->message).len == 0)
		rc = err_set(err, RC_INVALID, "the CMS message has no content");
	if (rc == RC_OK)
		rc = pki_cert_write(cms->message.signer, &cms->der, err);
	/* Read anew: what is not canonical inside would have a digest that nobody else comes to. */
	return rc == RC_OK ? cert_read_facts(buf_slice(&cms->der), &cms->signer, err) : rc;
}

enum rc device_cms_parse(struct slice message, struct device_cms **cms_r, struct err *err)
{
	struct device_cms *cms;
	enum rc rc;

	*cms_r = NULL;
	if (message.len > DEVICE_CMS_BYTES_MAX)
		return err_set(err, RC_LIMIT, "the CMS message has more than %d bytes", DEVICE_CMS_BYTES_MAX);
	cms = calloc(1, sizeof(*cms));
	if (cms == NULL)
		return err_set(err, RC_NO_MEMORY, "CMS message");
	buf_init(&cms->der, CERT_DER_BYTES_MAX);
	rc = fill(cms, message, err);
	if (rc == RC_OK)
		*cms_r = cms;
	else
		device_cms_free(&cms);
	return rc;
}

struct slice device_cms_content(const struct device_cms *cms)
{
	return pki_signed_content(&cms->message);
}

struct slice device_cms_signer_der(const struct device_cms *cms)
{
	return buf_slice(&cms->der);
}

const struct cert_facts *device_cms_signer(const struct device_cms *cms)
{
	return &cms->signer;
}

enum rc device_cms_verify(const struct device_cms *cms, struct err *err)
{
	return pki_signed_verify(&cms->message, pki_signed_content(&cms->message), err);
}

void device_cms_free(struct device_cms **cms)
{
	if (*cms == NULL)
		return;
	pki_signed_fini(&(*cms)->message);
	buf_fini(&(*cms)->der);
	free(*cms);
	*cms = NULL;
}
