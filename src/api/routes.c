/* SPDX-License-Identifier: Apache-2.0 */
#include "private.h"

static size_t small_body(const struct http_request *request, void *api)
{
	(void)request;
	(void)api;
	return API_SMALL_BODY_BYTES_MAX;
}

static size_t large_body(const struct http_request *request, void *api)
{
	(void)request;
	return ((const struct api *)api)->body_bytes_max;
}

static size_t pushcert_body(const struct http_request *request, void *api)
{
	(void)request;
	(void)api;
	return API_PUSHCERT_BODY_BYTES_MAX;
}

#define V1 "/api/v1"

/* The column of who may: OPEN, VIEWER, OPERATOR or ADMIN; no route is without one. */
#define ROUTE(method_, path_, body_max_, handle_, who_) \
	{ \
		.method = (method_), .path = (path_), .body_max = (body_max_), .handle = (handle_), \
		.flags = ROUTE_FOR_##who_ \
	}

/* docs/api/openapi.yaml describes each of these; a test holds the two together. */
static const struct http_route routes[] = {
	ROUTE("GET", "/healthz", NULL, api_health_get, OPEN),
	ROUTE("GET", "/readyz", NULL, api_ready_get, OPEN),
	ROUTE("GET", V1 "/status", NULL, api_status_get, VIEWER),
	ROUTE("GET", V1 "/devices", NULL, api_devices_get, VIEWER),
	ROUTE("GET", V1 "/devices/{id}", NULL, api_device_get, VIEWER),
	ROUTE("DELETE", V1 "/devices/{id}", small_body, api_device_forget, ADMIN),
	ROUTE("GET", V1 "/devices/{id}/commands", NULL, api_device_commands_get, VIEWER),
	ROUTE("POST", V1 "/devices/{id}/unenroll", small_body, api_device_unenroll, OPERATOR),
	ROUTE("DELETE", V1 "/devices/{id}/unenroll", small_body, api_device_keep, OPERATOR),
	ROUTE("POST", V1 "/devices/{id}/forget", small_body, api_device_forget, ADMIN),
	ROUTE("POST", V1 "/commands", large_body, api_commands_post, OPERATOR),
	ROUTE("GET", V1 "/commands/{uuid}", NULL, api_command_get, VIEWER),
	ROUTE("GET", V1 "/commands/{uuid}/plist", NULL, api_command_plist_get, OPERATOR),
	ROUTE("POST", V1 "/commands/{uuid}/cancel", large_body, api_command_cancel, OPERATOR),
	ROUTE("GET", V1 "/commands/{uuid}/results", NULL, api_results_get, VIEWER),
	ROUTE("GET", V1 "/commands/{uuid}/results/{id}", NULL, api_result_get, OPERATOR),
	ROUTE("GET", V1 "/commands/{uuid}/results/{id}/plist", NULL, api_result_plist_get, OPERATOR),
	ROUTE("GET", V1 "/refusals", NULL, api_refusals_get, VIEWER),
	ROUTE("GET", V1 "/tokens", NULL, api_tokens_get, ADMIN),
	ROUTE("POST", V1 "/tokens", small_body, api_tokens_post, ADMIN),
	ROUTE("DELETE", V1 "/tokens/{name}", small_body, api_token_delete, ADMIN),
	ROUTE("GET", V1 "/identities", NULL, api_identities_get, VIEWER),
	ROUTE("POST", V1 "/identities", small_body, api_identities_post, ADMIN),
	ROUTE("POST", V1 "/identities/{sha256}/revoke", small_body, api_identity_revoke_post, ADMIN),
	ROUTE("POST", V1 "/enroll/challenges", small_body, api_challenges_post, ADMIN),
	ROUTE("POST", V1 "/enroll/profiles", small_body, api_profiles_post, ADMIN),
	ROUTE("POST", V1 "/enroll/renewals", large_body, api_renewals_post, OPERATOR),
	ROUTE("GET", V1 "/accounts", NULL, api_accounts_get, VIEWER),
	ROUTE("POST", V1 "/accounts/logout", small_body, api_accounts_logout, OPERATOR),
	ROUTE("POST", V1 "/enroll/ota", small_body, api_ota_post, ADMIN),
	ROUTE("GET", V1 "/enroll/invitations", NULL, api_invitations_get, VIEWER),
	ROUTE("POST", V1 "/enroll/invitations", small_body, api_invitations_post, ADMIN),
	ROUTE("DELETE", V1 "/enroll/invitations/{id}", small_body, api_invitation_delete, ADMIN),
	ROUTE("GET", V1 "/cas", NULL, api_cas_get, VIEWER),
	ROUTE("POST", V1 "/cas", large_body, api_cas_post, ADMIN),
	ROUTE("DELETE", V1 "/cas/{sha256}", small_body, api_ca_delete, ADMIN),
	ROUTE("GET", V1 "/apple-cas", NULL, api_apple_cas_get, VIEWER),
	ROUTE("POST", V1 "/apple-cas", large_body, api_apple_cas_post, ADMIN),
	ROUTE("DELETE", V1 "/apple-cas/{sha256}", small_body, api_apple_ca_delete, ADMIN),
	ROUTE("GET", V1 "/alarms", NULL, api_alarms_get, VIEWER),
	ROUTE("POST", V1 "/push", large_body, api_push_post, OPERATOR),
	ROUTE("GET", V1 "/pushcerts", NULL, api_pushcerts_get, VIEWER),
	ROUTE("PUT", V1 "/pushcerts", pushcert_body, api_pushcerts_put, ADMIN),
	ROUTE("POST", V1 "/pushcerts/test", small_body, api_pushcert_test_post, OPERATOR),
	ROUTE("DELETE", V1 "/pushcerts/{topic}", small_body, api_pushcert_delete, ADMIN),
	ROUTE("GET", V1 "/keys", NULL, api_keys_get, VIEWER),
	ROUTE("POST", V1 "/keys/count", small_body, api_keys_count, ADMIN),
	ROUTE("POST", V1 "/keys/rotate", small_body, api_keys_rotate, ADMIN),
	ROUTE("POST", V1 "/keys/prune", small_body, api_keys_prune, ADMIN),
	ROUTE("GET", V1 "/backup", NULL, api_backup_get, ADMIN),
	ROUTE("GET", V1 "/integrity", NULL, api_integrity_get, ADMIN),
	ROUTE("DELETE", V1 "/alarms/{kind}/{subject}", small_body, api_alarm_delete, OPERATOR),
};

const struct http_route *api_routes(size_t *count_r)
{
	*count_r = COUNT_OF(routes);
	return routes;
}
