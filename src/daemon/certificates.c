/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <stdio.h>

#include "enrolling.h"
#include "pomona/base/codec.h"
#include "pomona/base/log.h"

void server_put_tls(struct server *server, struct tls_in_force *tls)
{
	tls_fini(&server->tls);
	server->tls = *tls;
	*tls = (struct tls_in_force){.certificate = NULL}; /* moved to the server */
	api_set_tls_facts(server->api, &server->tls.leaf);
}

static void log_renewed(const struct cert_facts *leaf)
{
	char digest[SHA256_TEXT_BYTES];
	char ends[TIME_TEXT_BYTES];

	sha256_text(leaf->sha256, digest);
	time_format(leaf->not_after, ends);
	log_info("tls_cert_renewed", LOG_STR("subject", leaf->subject), LOG_STR("sha256", digest),
		LOG_STR("not_after", ends));
}

static enum rc renew(struct server *server, struct err *err)
{
	AUTO(host_tls_fini) struct host_tls tls;
	AUTO(cms_signer_free) struct cms_signer *signer = NULL;
	struct http_tls_params params;
	enum rc rc = tls_renew(&server->tls, server->store, clock_unix_s(clock_system()), &tls, err);

	if (rc == RC_OK)
		rc = enrolling_signer(&tls, &signer, err);
	if (rc != RC_OK)
		return rc;
	params = host_tls_params(&tls);
	rc = http_listener_set_tls(server->listeners[SERVER_LISTENER_DEVICE], &params, err);
	if (rc != RC_OK)
		return rc;
	enroll_set_profile_signer(server->enroll, &signer);
	server->tls.leaf = tls.leaf;
	api_set_tls_facts(server->api, &tls.leaf);
	log_renewed(&tls.leaf);
	return RC_OK;
}

void server_look_at_certificates(struct server *server)
{
	struct tls_in_force *tls = &server->tls;
	struct cert_watch_facts facts = {.hostname = server->config->server.hostname};
	struct err err = {0};

	if (tls_is_due(tls, clock_unix_s(clock_system())))
		(void)renew(server, &err);
	facts.tls = tls->leaf;
	facts.is_tls_renewed = tls->is_own && tls->renew_days > 0 && err.rc == RC_OK;
	(void)snprintf(facts.fault, sizeof(facts.fault), "%s", err.rc == RC_OK ? "" : err.text);
	cert_watch_begin(&server->cert_watch, server->store, &facts);
}
