/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_DEVICE_FAKE_ROOMS_H
#define POMONA_TESTS_DEVICE_FAKE_ROOMS_H

/*
 * The rooms below device/ as the test wants them: what is read, judged and decided is set here, and
 * what was asked is counted. A signature is "CERTIFICATE|BODY|TIME", with no TIME where it has none, and a
 * certificate in a header "(CERTIFICATE)"; all else is malformed. Threading: the test's.
 */

#include "pomona/base/clock.h"
#include "pomona/checkin/checkin.h"
#include "pomona/command/result.h"
#include "pomona/pki/trust.h"
#include "pomona/push/push.h"
#include "pomona/store/identity.h"
#include "pomona/store/store.h"

struct fake_rooms {
	enum rc read_rc; /* of checkin_read() and result_read() */
	enum checkin_type checkin_type;
	bool has_question, may_ask; /* of checkin_user_question() and checkin_user_may_ask() */
	int asked;                  /* calls of user_check_digest() */
	char asked_from[64];        /* its address */
	enum result_status status;
	enum cert_verdict verdict; /* of trust_judge() */
	int judged, named;         /* calls of trust_judge() and cert_read_facts() */
	int verified;              /* calls of message_signature_verify() */
	size_t chain_count;        /* of the latest trust_judge() */
	bool is_identity_known;
	struct identity identity;
	int recorded; /* calls of identity_record() */
	bool is_idle_answered;
	enum refusal idle_refusal;
	struct outcome decision; /* status, refusal, channel, contact, event and text are copied */
	const char *decision_body;
	enum rc decide_rc;
	int decided;
	char access_token[16]; /* of the latest message that was decided */
	struct store_job *waiting;
	bool is_store_full;
	bool is_read_refused;
	int reads_open;
	int64_t now_s, now_us;
	struct push_contact contacts[16]; /* told to push_contact(), in order */
	size_t contact_count;
	const bool *replied_to; /* must not be set yet when a contact is told; NULL: not looked at */
};

extern struct fake_rooms rooms;
extern const struct clock fake_clock;
extern struct push *const fake_push;
extern struct user_directory *const fake_users; /* says USER_GOOD */
/* Two sets of trust anchors: the fingerprint is all of their first letter. */
struct trust *fake_trust(char letter);
int fake_trust_refs(void);

void fake_rooms_reset(void);
/* One turn of the writer, whose commit ends with `commit`. */
void fake_turn(enum rc commit);

#endif
