/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_ENROLLER_INTERNAL_H
#define POMONA_SIM_ENROLLER_INTERNAL_H

/*
 * What the ways of enrolling share: asking a server, taking a profile, getting its identity. Each function that may end
 * the enroller is the last thing that its caller does.
 * Threading: the loop's thread.
 */

#include "enroller.h"
#include "build.h"
#include "enrollment_profile.h"
#include "scep_client.h"
#include "ways.h"
#include "web_form.h"

enum {
	ENROLLER_URL_BYTES_MAX = 8192,
	ENROLLER_HEADER_BYTES_MAX = 8192,
	ENROLLER_REDIRECTS_MAX = 10,
	ENROLLER_RENEWAL_TRIES = 10, /* of one request */
};

#define ENROLLER_SIGNED_TYPE "application/pkcs7-signature"

typedef void take_fn(struct enroller *enroller, const struct net_reply *reply);

struct enroller {
	struct enroller_params params;
	struct net_client *client;
	struct net_timer *timer;
	struct buf renewal, challenge; /* of the params */
	/* The request under way, kept to be made again. */
	const char *method, *content_type;
	take_fn *take; /* NULL: none yet */
	struct buf url, header, body;
	/* What was gained. */
	struct buf payload; /* the profile as it came */
	struct enrollment_profile profile;
	struct scep_payload plain; /* SCEP without a profile */
	struct buf plain_url, challenges;
	struct buf key_pem, cert_pem;
	struct buf ca_der;
	struct scep_client *scep;
	struct buf factory_key, factory_cert;           /* what machine information is signed with */
	void (*on_identity)(struct enroller *enroller); /* NULL: with the next one it is done */
	struct plist_doc *service;                      /* of a Profile Service */
	struct buf account, base_url, bearer;           /* of an account-driven enrollment */
	struct buf form_action, form_body;              /* of a login's page */
	struct scep_caps caps;
	unsigned tries, redirects, updates;
	bool is_renewal;
	bool is_following; /* redirects are followed, as a browser does */
	bool has_profile;
	bool is_by_identity; /* machine information is signed by an identity that came on the way */
	bool is_byod;
	bool has_logged_in; /* by HTTP Digest */
};

/* --- enroller.c */

/* Wanted by a request: `url`, and what else is not NULL; copied. */
struct ask {
	const char *method, *url, *content_type, *header;
	struct slice body;
	bool is_following;
	take_fn *take; /* of an answer that is neither 5xx nor 429: those are asked again */
};
void enroller_ask(struct enroller *enroller, const struct ask *ask);
/* `why` NULL: RC_OK. Calls `done`. */
void enroller_end(struct enroller *enroller, enum rc rc, const struct refusal *why,
	const char *text);
/* That the server has answered what it should not. */
void enroller_end_status(struct enroller *enroller, const struct net_reply *reply);
/* What --enroll says, with the device's names put in. NULL: too long, and it has ended. */
const char *enroller_where(struct enroller *enroller, struct buf *out);
/* Reads the profile, gets the identity that it is about, and goes on to the end. */
void enroller_take_profile(struct enroller *enroller, struct slice payload);
/* The same with what came as an answer of 200. */
void enroller_take_profile_reply(struct enroller *enroller, const struct net_reply *reply);
/* The access token in `bearer` goes with all that the device says, from now on. */
enum rc enroller_take_bearer(struct enroller *enroller, struct err *err) MUST_USE;
/* The identity is there: certificate and key. */
void enroller_take_identity(struct enroller *enroller);

/* --- enroller_scep.c */

void enroller_begin_scep(struct enroller *enroller);
/* GetCACert, GetCACaps, PKIOperation, as devices do. */
void enroller_run_scep(struct enroller *enroller);

/* --- enroller_profile.c */

void enroller_begin_profile(struct enroller *enroller);
void enroller_begin_link(struct enroller *enroller);

/* --- enroller_machine.c */

/* Puts `what` of the device there, if that is something that it says of itself: "UDID", ... */
void enroller_tell(const struct enroller *enroller, struct build *build, struct plist_node *dict,
	struct slice what);
/* Appends the document, signed by the device's certificate from the factory; or, later on the way, by its identity. */
enum rc enroller_sign(struct enroller *enroller, const struct plist_doc *doc, struct buf *message,
	struct err *err) MUST_USE;

/* --- enroller_account.c */

void enroller_begin_byod(struct enroller *enroller);
void enroller_begin_adde(struct enroller *enroller);
/* Of a device that is enrolled: the server asks its user once more. */
void enroller_begin_login(struct enroller *enroller);
/* `ask` is what a browser sends where `page` has a form for name and password; borrowed from the enroller. */
enum rc enroller_fill_login(struct enroller *enroller, const struct web_field *user,
	struct slice page, struct ask *ask, struct err *err) MUST_USE;
/* As the server's challenge says; the token is in `bearer` then. */
void enroller_log_in(struct enroller *enroller, const char *challenge);

/* --- enroller_ota.c */

void enroller_begin_ota(struct enroller *enroller);

/* --- enroller_ade.c */

void enroller_begin_ade(struct enroller *enroller);
/* Appends what --password-file has, without its line's end. */
enum rc enroller_read_password(const struct enroller *enroller, struct buf *out, struct err *err)
	MUST_USE;

extern const struct refusal enroller_bad_profile, enroller_bad_identity, enroller_bad_server;

#endif
