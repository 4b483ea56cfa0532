/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_ACCOUNT_H
#define POMONA_ENROLL_ACCOUNT_H

/*
 * Account-driven enrollment: where a device finds us by its user's account, the profile that it gets with the token of a
 * login, and the page where its user logs in.
 * Threading: any thread.
 */

#include "account_decide.h"
#include "internal.h"

/* Where the web view ends, so that the device takes the token: its scheme, and the whole of it but the token. */
#define ACCOUNT_RESULT_SCHEME "apple-remotemanagement-user-login:"
#define ACCOUNT_RESULT_URL ACCOUNT_RESULT_SCHEME "//authentication-results?access-token="

bool account_is_offered(struct enroll *enroll, enum account_mode mode);
bool account_is_any_offered(struct enroll *enroll);
/* Passwords and tokens come over TLS, ours or a listed proxy's. False: it was refused. */
bool account_is_private(struct http_request *request);
/* Logs it, a few lines a minute for each reason. `who` and `text` may be NULL. */
void account_log_refused(struct enroll *enroll, struct http_request *request,
	enum account_refusal refusal, const char *who, const char *text);

/* account.c: handlers */
void account_discover_handle(struct http_request *request, void *ctx);
size_t account_profile_body_max(const struct http_request *request, void *ctx);
void account_profile_handle(struct http_request *request, void *ctx);

/* account_login.c: handlers */
void account_login_page_handle(struct http_request *request, void *ctx);
size_t account_login_body_max(const struct http_request *request, void *ctx);
void account_login_handle(struct http_request *request, void *ctx);

#endif
