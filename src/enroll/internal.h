/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_INTERNAL_H
#define POMONA_ENROLL_INTERNAL_H

/*
 * What the files of this room share.
 * Threading: any thread.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "pomona/base/log_limit.h"
#include "pomona/enroll/enroll.h"
#include "pomona/identity/digest_door.h"
#include "policy.h"
#include "renew.h"
#include "scep_decide.h"

enum { ENROLL_HOSTNAME_BYTES = DNS_NAME_BYTES_MAX + 1 };

/* The list of revoked identities as it was signed last. */
struct crl_cache {
	pthread_mutex_t lock;
	struct buf der;           /* owned; empty: there is none */
	uint8_t of[SHA256_BYTES]; /* what was signed, but for the time */
	int64_t made_at;
};

struct enroll {
	struct store *store;
	const struct clock *clock;
	const struct authority *device_ca;
	struct signer *signer;
	struct user_directory *users; /* NULL: nobody logs in */
	struct signer *passwords;     /* likewise */
	struct cert_facts ca;
	char hostname[ENROLL_HOSTNAME_BYTES];
	atomic_uint port;      /* 0: that of https */
	pthread_rwlock_t lock; /* settings, profile_signer, apple */
	struct enroll_settings settings;
	struct cms_signer *profile_signer;   /* NULL: none yet */
	struct apple_chain *apple;           /* exchanged, and counted by who uses it */
	struct log_limit *refused_lines;     /* one slot a scep_refusal */
	struct log_limit *ade_lines;         /* one slot an ade_reason */
	struct digest_door *door;            /* NULL: nobody logs in */
	struct log_limit *ota_refused_lines; /* one slot an ota_refusal */
	atomic_uint_fast64_t ota_begun, ota_finished, ota_refused;
	struct log_limit *link_lines; /* one slot an invite_refusal */
	struct crl_cache crl;
	struct renew *renew;
	struct log_limit *account_lines; /* one slot an account_refusal */
	struct policy *policy;           /* NULL: nobody is asked */
	bool is_silence_allowed;
	atomic_uint_fast64_t scep_issued, scep_repeated, scep_refused;
	atomic_uint_fast64_t ade_given, ade_refused;
	atomic_uint_fast64_t link_profiles, links_refused;
};

/* A copy, which holds a secret: settings_wipe() it. */
struct enroll_settings enroll_settings(struct enroll *enroll);
void settings_wipe(struct enroll_settings *settings);

/* The certificates of Apple's as they are now; apple_chain_unref() it. */
struct apple_chain *enroll_apple(struct enroll *enroll);

/* 503 with Retry-After; the fault goes to the log alone. */
void enroll_fail(struct http_request *request, const struct err *err);
/* The same without a line in the log, which a storm would fill. */
void enroll_busy(struct http_request *request);
/* A short text, with the status. */
void enroll_say(struct http_request *request, unsigned status, const char *text);

/* scep.c */
size_t scep_body_max(const struct http_request *request, void *enroll);
void scep_handle(struct http_request *request, void *ctx);

/* ade.c */
size_t ade_body_max(const struct http_request *request, void *enroll);
void ade_handle(struct http_request *request, void *ctx);
void ade_web_handle(struct http_request *request, void *ctx);

/* ade_login.c */
size_t ade_login_body_max(const struct http_request *request, void *enroll);
void ade_login_handle(struct http_request *request, void *ctx);
/* invite.c */
size_t invite_body_max(const struct http_request *request, void *enroll);
void invite_without_link(struct http_request *request, void *enroll);
void invite_page_get(struct http_request *request, void *enroll);
void invite_profile_get(struct http_request *request, void *enroll);
void invite_profile_post(struct http_request *request, void *enroll);

/* ota.c */
size_t ota_body_max(const struct http_request *request, void *enroll);
void ota_handle(struct http_request *request, void *ctx);

/* crl.c */
void crl_handle(struct http_request *request, void *ctx);
/*
 * Appends the list of revoked identities as it stands now; signed anew where it has changed, or a quarter of the time
 * has passed until the next one is due. CRL_BYTES_MAX is a bound for `out`.
 */
enum { CRL_BYTES_MAX = 8388608, CRL_LIFE_PARTS = 4 };
enum rc crl_make(struct enroll *enroll, struct buf *out, struct err *err) MUST_USE;

#endif
