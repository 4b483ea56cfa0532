/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/pki/authority.h"
#include "pomona/pki/trust.h"

enum { NOW = 1800000000, YEAR_S = 31536000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct trust *make_trust(void)
{
	const struct authority_params params = {.key = KEY_P256,
		.common_name = "CA",
		.now = NOW,
		.valid_s = YEAR_S};
	AUTO(authority_free) struct authority *ca = NULL;
	struct trust *trust = NULL;
	struct slice anchor;

	if (authority_new(&params, &ca, NULL) != RC_OK)
		abort();
	anchor = authority_cert_der(ca);
	if (trust_new(&anchor, 1, &trust, NULL) != RC_OK)
		abort();
	return trust;
}

static void check_text(const char *text)
{
	if (!utf8_is_valid(slice_of_str(text)))
		abort();
	for (; *text != '\0'; text++)
		if ((uint8_t)*text < 0x20 || *text == 0x7F)
			abort();
}

static enum rc visit(void *ctx, struct slice der, struct err *err)
{
	struct cert_facts facts;

	(void)ctx;
	if (cert_read_facts(der, &facts, err) != RC_OK)
		return err->rc;
	check_text(facts.subject);
	check_text(facts.issuer);
	check_text(facts.common_name);
	return RC_OK;
}

/* Nothing that comes from outside chains to a CA that was made a moment ago. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct trust *trust;
	struct slice all = slice_of(data, size);
	struct slice chain[] = {all, all};
	struct cert_facts facts;
	struct err err;

	if (trust == NULL)
		trust = make_trust();
	(void)!visit(NULL, all, &err);
	(void)!cert_pem_each(all, visit, NULL, &err);
	(void)!tls_pair_check(all, all, &facts, &err);
	if (trust_judge(trust, chain, 2, NOW, &facts) == CERT_GOOD)
		abort();
	return 0;
}
