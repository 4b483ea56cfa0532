/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_ADE_CALL_H
#define POMONA_ENROLL_ADE_CALL_H

/*
 * What ade.c and ade_login.c share: one device at the configuration URL.
 * Threading: whoever holds the request.
 */

#include "ade_decide.h"
#include "internal.h"

struct ade_login_try;

/* Lives in the arena of its request. */
struct ade_call {
	struct store_job job;
	struct signer_job signer_job;
	struct enroll *enroll;
	struct http_request *http;
	struct ade_settings settings;
	bool is_web;        /* a person looks at the reply */
	struct buf message; /* that did not come as a body */
	struct device_cms *cms;
	struct machine_info info;
	struct ade_login_try *login; /* NULL: none was needed */
	struct slice user;           /* who logged in; empty: nobody had to */
	char address[HTTP_ADDRESS_BYTES];
	char url[PROFILE_URL_BYTES_MAX + 1];
	uint8_t challenge_sha256[SHA256_BYTES];
	struct enroll_profile_facts facts; /* of the profile */
	struct buf profile;                /* it holds the challenge */
};

/* ade.c */
/* NULL: it has been replied to. */
struct ade_call *ade_call_begin(struct enroll *enroll, struct http_request *request);
/* Reads, judges and looks up who `message` (empty: none) is of. ADE_GOOD, or why not; `err` then says more. */
enum ade_reason ade_judge(struct ade_call *call, struct slice message, struct err *err) MUST_USE;
/* Logs the reason and replies. */
void ade_refuse(struct ade_call *call, enum ade_reason reason, const char *text);
/* Gives the profile, later. The request is deferred, and may be gone when this returns. */
void ade_give(struct ade_call *call);

/* ade_login.c */
/* 401 with challenges, or the page with the form. */
void ade_ask_for_login(struct ade_call *call);
/* 401 and the same once more: the password was wrong. */
void ade_ask_again(struct ade_call *call, const char *text);
/* By the request's Authorization header. The request is deferred, and may be gone when this returns. */
void ade_log_in(struct ade_call *call);

#endif
