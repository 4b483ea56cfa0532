/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_ENROLLMENT_PROFILE_H
#define POMONA_SIM_ENROLLMENT_PROFILE_H

/*
 * A profile by which a device enrolls, read as a device does: what it is to trust, how it gets its identity, and who
 * manages it from then on. And what is kept of it while the device is managed.
 * Threading: one thread at a time.
 */

#include "pomona/base/err.h"
#include "profile.h"

enum {
	ENROLLMENT_URL_BYTES = 1025,
	ENROLLMENT_TOPIC_BYTES = 256,
	ENROLLMENT_TEXT_BYTES_MAX = 1024,
	ENROLLMENT_ANCHORS_BYTES_MAX = 262144,
	ENROLLMENT_PEM_BYTES_MAX = 65536,
	ENROLLMENT_RETRIES_MAX = 100,
	ENROLLMENT_RETRY_DELAY_S_MAX = 3600,
};

/* The com.apple.security.scep payload; borrowed from the profile. */
struct scep_payload {
	struct slice url, name, challenge, ca_digest, key_type;
	const struct plist_node *subject; /* NULL: none */
	int64_t key_bits, retries, retry_delay_s;
};

/* The com.apple.mdm payload; borrowed from the profile. */
struct mdm_payload {
	struct slice identity_uuid, topic, server_url, check_in_url, mode, account;
	int64_t rights;
	bool is_message_signed, is_check_out_wanted, has_rights;
};

struct enrollment_profile {
	struct profile profile;
	struct plist_doc *opened;          /* of an encrypted profile: its payloads */
	const struct plist_node *payloads; /* borrowed from either document */
	bool has_mdm, has_scep;            /* without MDM it only gives an identity */
	struct mdm_payload mdm;
	struct scep_payload scep;
	struct buf cert_pem, key_pem; /* where it brings the identity itself; a secret */
	struct buf anchors_pem;       /* roots and certificates between */
};

/* What can open an encrypted profile; NULL where there is nothing. */
struct enrollment_keys {
	struct slice cert_pem, key_pem;
};

/*
 * Plain or signed, and encrypted to `keys`, if it is. RC_INVALID: the text names payload and key; RC_UNSUPPORTED: it wants
 * what the simulator does not do, as ACME; RC_DENIED: it cannot be decrypted.
 */
enum rc enrollment_profile_read(struct slice payload, const struct enrollment_keys *keys,
	struct enrollment_profile *profile_r, struct err *err) MUST_USE;
/* A zeroed one is empty. */
void enrollment_profile_fini(struct enrollment_profile *profile);
/* False for what is no profile with an MDM payload; it need not be a good one. */
bool enrollment_profile_is(struct slice payload, const struct enrollment_keys *keys);

/* By what a device is managed since it has installed its enrollment profile. */
struct management {
	char server_url[ENROLLMENT_URL_BYTES], check_in_url[ENROLLMENT_URL_BYTES];
	char topic[ENROLLMENT_TOPIC_BYTES], identifier[PROFILE_ID_BYTES];
	int64_t rights;
	bool is_message_signed, is_check_out_wanted, is_byod;
	struct buf anchors_pem;
	struct buf payload; /* the profile as it came */
};

/* To be filled from a file. NULL where memory is short. */
struct management *management_new_empty(void);
/* NULL where memory is short. `profile` has an MDM payload and was read from `payload`. */
struct management *management_new(const struct enrollment_profile *profile, struct slice payload);
/*
 * May the one be replaced by the other? No chain: yes. Of the reference: what names server and topic stays, and rights only
 * shrink.
 */
struct refusals management_may_become(const struct management *now,
	const struct enrollment_profile *next);
void management_free(struct management **management);

#endif
