/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "pomona/pki/authority.h"

enum { NOW = 1800000000, YEAR_S = 31536000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct authority *make_ca(void)
{
	const struct authority_params params = {.key = KEY_P256,
		.common_name = "CA",
		.now = NOW,
		.valid_s = YEAR_S};
	struct authority *ca = NULL;

	if (authority_new(&params, &ca, NULL) != RC_OK)
		abort();
	return ca;
}

/* What is issued for a request reads back as a certificate of an end entity. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct authority *ca;
	const struct issue_params params = {.now = NOW, .valid_s = YEAR_S};
	AUTO(buf_fini) struct buf der;
	struct cert_facts facts;
	struct err err;

	if (ca == NULL)
		ca = make_ca();
	buf_init(&der, CERT_DER_BYTES_MAX);
	if (authority_issue_csr(ca, slice_of(data, size), &params, &der, &err) != RC_OK)
		return 0;
	if (cert_read_facts(buf_slice(&der), &facts, &err) != RC_OK || facts.is_ca)
		abort();
	return 0;
}
