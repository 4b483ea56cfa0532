/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/identity/outcome.h"

#include <stdio.h>
#include <string.h>

void outcome_init(struct outcome *outcome)
{
	memset(outcome, 0, sizeof(*outcome));
	outcome->http_status = refusal_http_status(REFUSAL_NONE);
	buf_init(&outcome->body, OUTCOME_BODY_BYTES_MAX);
}

void outcome_refuse(struct outcome *outcome, enum refusal refusal, const char *text)
{
	outcome->refusal = refusal;
	outcome->http_status = refusal_http_status(refusal);
	outcome->content_type = NULL;
	buf_clear(&outcome->body);
	snprintf(outcome->text, sizeof(outcome->text), "%s", text != NULL ? text : "");
}

void outcome_fini(struct outcome *outcome)
{
	buf_fini_secret(&outcome->body);
}
