/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_ENROLL_H
#define POMONA_ENROLL_ENROLL_H

/*
 * How devices get in: SCEP (RFC 8894) and the list of revoked identities, served on the device listener to whoever
 * comes, with or without a certificate.
 * Threading: enroll_new/free: main. The rest: any thread.
 */

#include "pomona/base/clock.h"
#include "pomona/base/err.h"
#include "pomona/enroll/ade.h"
#include "pomona/enroll/profile.h"
#include "pomona/http/http.h"
#include "pomona/pki/apple_chain.h"
#include "pomona/identity/user.h"
#include "pomona/pki/authority.h"
#include "pomona/pki/cms.h"
#include "pomona/pki/scep.h"
#include "pomona/pki/signer.h"
#include "pomona/store/account.h"
#include "pomona/store/store.h"

enum {
	ENROLL_CHALLENGE_BYTES_MAX = SCEP_CHALLENGE_BYTES_MAX,
	ENROLL_SECRET_BYTES = 41,
	ENROLL_POLICY_URL_BYTES_MAX = 1024,
	ENROLL_POLICY_CA_BYTES_MAX = 262144,
	ENROLL_POLICY_TIMEOUT_S_MAX = 60,
};

struct enroll;
struct net_loop;

struct enroll_profile_settings {
	char organization[PROFILE_TEXT_BYTES_MAX + 1]; /* "": none */
	char identifier[PROFILE_TEXT_BYTES_MAX + 1];
	/* Under which devices reach us, without a '/' at its end; "": by the server's name and port. */
	char url[PROFILE_URL_BYTES_MAX + 1];
	char topic[PROFILE_TEXT_BYTES_MAX + 1];             /* "": of the one push certificate */
	char acme_directory_url[PROFILE_URL_BYTES_MAX + 1]; /* "": none */
	int64_t access_rights;
	bool is_check_out_wanted, is_message_signed;
};

struct enroll_settings { /* may change while serving */
	bool is_scep_on;
	char static_challenge[ENROLL_CHALLENGE_BYTES_MAX + 1]; /* "": none */
	int64_t identity_valid_s;
	int64_t challenge_grace_s; /* how long a challenge works again for the key that used it */
	int64_t crl_valid_s;
	int64_t renew_before_s;                    /* 0: identities are not renewed */
	bool is_account_offered[ACCOUNT_ADDE + 1]; /* by enum account_mode */
	int64_t access_token_s;                    /* how long a login lasts; 0: for ever */
	bool is_ota_encrypted; /* its last profile, to the identity that signed for it */
	struct enroll_profile_settings profile;
	struct ade_settings ade;
};

/* The service that may refuse a CSR of SCEP. */
struct enroll_policy {
	const char *url;     /* "unix:/run/x" or "https://host/path"; NULL: there is none */
	struct slice ca_pem; /* who it must be signed by; empty: the system's store */
	int64_t timeout_s;   /* 1 to ENROLL_POLICY_TIMEOUT_S_MAX */
	bool
		is_silence_allowed; /* without an answer of it a certificate is issued; else the client has to come again */
};
/* RC_INVALID says what is wrong with the URL. */
enum rc enroll_policy_check(const struct enroll_policy *policy, struct err *err) MUST_USE;

struct enroll_params {
	struct store *store; /* borrowed until enroll_free(), as the three that follow */
	const struct clock *clock;
	const struct authority *device_ca;
	struct signer *signer; /* whose thread alone uses the CA's key */
	/* Who may log in, and another such thread, where passwords are compared; both borrowed. NULL: nobody can. */
	struct user_directory *users;
	struct signer *passwords;
	const struct enroll_settings *settings; /* copied */
	const char *hostname;        /* copied: under which devices reach us, a name or an address */
	struct enroll_policy policy; /* copied */
	struct net_loop
		*loop; /* where the policy service is called; borrowed until enroll_free(); NULL: no policy */
};

enum rc enroll_new(const struct enroll_params *params, struct enroll **enroll_r, struct err *err)
	MUST_USE;
/* On the device listener; their ctx is the struct enroll. */
const struct http_route *enroll_routes(size_t *count_r);
void enroll_set_settings(struct enroll *enroll, const struct enroll_settings *settings);
/* Takes the signer of profiles, whose certificate is the one that devices see when they connect. */
void enroll_set_profile_signer(struct enroll *enroll, struct cms_signer **signer);

/* Takes what Apple's devices are known by; until then nothing is imported. */
void enroll_set_apple(struct enroll *enroll, struct apple_chain **chain);
/* What is imported in this transaction. */
enum rc enroll_read_apple(struct txn *txn, struct apple_chain **chain_r, struct err *err) MUST_USE;

/* The port that devices connect to; 0, as at first: that of https. */
void enroll_set_port(struct enroll *enroll, unsigned port);
/* Under which devices reach us, without a '/' at its end: by the settings, or https with the server's name and port. */
void enroll_url(struct enroll *enroll, char out[static PROFILE_URL_BYTES_MAX + 1]);

/* How long identities that are issued to devices are good. */
int64_t enroll_identity_valid_s(struct enroll *enroll);
/* 40 random hex digits: a challenge, the token of a link. Kept as its SHA-256; the caller wipes it. */
void enroll_secret_make(char out[static ENROLL_SECRET_BYTES]);
/* The identifier of the profiles that are made now. */
void enroll_profile_identifier(struct enroll *enroll, char out[static PROFILE_TEXT_BYTES_MAX + 1]);

/* What an update of the profile may not change. */
struct enroll_profile_facts {
	char identifier[PROFILE_TEXT_BYTES_MAX + 1];
	int64_t access_rights;
};

struct enroll_profile_ask {
	enum profile_kind kind;
	const char *url;        /* as the settings have it, or by the server's name and port */
	struct slice device_id; /* whom the identity is for; empty: not known */
	enum profile_identity identity;
	struct slice challenge;       /* for SCEP; of PROFILE_KIND_SERVICE, for the messages that follow */
	struct profile_pkcs12 pkcs12; /* for PKCS#12 */
	struct slice client_identifier; /* for ACME */
	struct slice
		encrypt_to; /* DER of the certificate that the payloads are sealed to; empty: they are not */
	/* Of an update: what stays as it was. NULL, "" and 0: as the settings have it. */
	const char *identifier, *topic;
	int64_t rights_max;                   /* rights beyond these are left out */
	struct enroll_profile_facts *facts_r; /* filled with what it says; NULL: not wanted */
	const struct account *account;        /* of the user whom the device enrolls with; NULL: none */
};
/*
 * Appends the signed enrollment profile, which holds the challenge. It reads the database and uses the server's key:
 * for the signer's thread. RC_EXISTS: it cannot be made as things stand, and the text says what to do.
 */
enum rc enroll_make_profile(struct enroll *enroll, const struct enroll_profile_ask *ask,
	struct buf *out, struct err *err) MUST_USE;

/*
 * What asks a device to have its user log in, as the value of WWW-Authenticate; "" where nobody can. `ctx` is the struct
 * enroll.
 */
enum { ENROLL_CHALLENGE_HEADER_BYTES = 1280 };
void enroll_login_challenge(void *ctx, char out[static ENROLL_CHALLENGE_HEADER_BYTES]);

/* Logs how many lines of refusals were left out. */
void enroll_report_hidden(struct enroll *enroll);

struct enroll_stats {
	uint64_t scep_issued;
	uint64_t scep_repeated; /* the same certificate once more */
	uint64_t scep_refused;
	uint64_t ade_given;
	uint64_t ade_refused;
	uint64_t ota_begun; /* phase 2 */
	uint64_t ota_finished;
	uint64_t ota_refused;
	uint64_t link_profiles; /* given to who came by a link */
	uint64_t links_refused;
};
void enroll_stats(const struct enroll *enroll, struct enroll_stats *stats_r);
/*
 * Before requests are waited for at the end: those that wait for the policy service are told to come again. The loop
 * must run.
 */
void enroll_stop(struct enroll *enroll);
/* Wipes the challenge. No request may be under way. */
void enroll_free(struct enroll **enroll);

#endif
