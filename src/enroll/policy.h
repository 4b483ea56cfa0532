/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_POLICY_H
#define POMONA_ENROLL_POLICY_H

/*
 * The administrator's policy service, which may refuse a CSR of SCEP: what it is asked and what it answers (policy.c),
 * and the calls to it, so many at once, on the outbound loop (policy_call.c). docs/enrollment.md is its contract.
 * Threading: as each part says.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/buf.h"
#include "pomona/base/clock.h"
#include "pomona/base/err.h"
#include "pomona/enroll/enroll.h"

enum {
	POLICY_SOCKET_BYTES_MAX = 107, /* what a sockaddr_un holds */
	POLICY_QUESTION_BYTES_MAX = 65536,
	POLICY_ANSWER_BYTES_MAX = 16384,
	POLICY_REASON_BYTES_MAX = 255, /* what is sent on of a longer one; failInfoText has no more */
	POLICY_CALLS_MAX = 8,          /* at once */
	POLICY_ASKED_MAX = 256,        /* who waits for an answer, those of the calls included */
};

/* --- pure; any thread */

struct policy_target {
	char base_url[ENROLL_POLICY_URL_BYTES_MAX + 1];
	char unix_socket[POLICY_SOCKET_BYTES_MAX + 1]; /* "": none */
	char path[ENROLL_POLICY_URL_BYTES_MAX + 1];
};
/* "unix:/run/x" or "https://host[:port][/path]". RC_INVALID says what is wrong. */
enum rc policy_target_read(const char *url, struct policy_target *target_r, struct err *err)
	MUST_USE;

struct policy_question { /* borrowed; a text that is empty or NULL becomes null */
	const char *message;    /* "PKCSReq" */
	const char *transaction;
	bool is_renewal;
	struct slice csr_der;
	const char *subject;       /* of the CSR */
	const uint8_t *key_sha256; /* of its public key */
	const char *device, *serial_number, *user_name, *way;
	const struct cert_facts
		*signer; /* of a renewal: the certificate that is to be followed; else NULL */
	struct slice peer;
};
/* Appends JSON. The CSR holds the challenge: a secret. */
enum rc policy_question_write(const struct policy_question *question, struct buf *out,
	struct err *err) MUST_USE;

struct policy_answer {
	bool is_allowed;
	char reason[POLICY_REASON_BYTES_MAX +
		1]; /* of a refusal; "" where it told none. Well-formed UTF-8 without
	                                             control characters */
};
/*
 * Of an HTTP answer. What is neither a clear yes nor a clear no is RC_INVALID: no answer at all. A refusal with a
 * reason that cannot be used stays one.
 */
enum rc policy_answer_read(unsigned status, struct slice body, struct policy_answer *answer_r,
	struct err *err) MUST_USE;

/* --- calls */

struct policy;

enum policy_verdict {
	POLICY_ALLOWED,
	POLICY_DENIED,
	POLICY_SILENT, /* no answer, or none that can be read */
	POLICY_ENDING, /* pomonad stops */
};

/* Somebody who asks: the caller's memory, until `done` is called. */
struct policy_ask {
	struct slice question; /* JSON, borrowed as long */
	/* On the loop's thread; must not wait. `text`: the reason of a refusal, or what is wrong; "" where unknown. */
	void (*done)(struct policy_ask *ask, enum policy_verdict verdict, const char *text);
	/* The service's: */
	struct policy *policy;
	struct policy_ask *next;  /* who waits for a call, too */
	struct policy_ask *twins; /* who ask the same, and get the same answer */
	uint8_t sha256[SHA256_BYTES];
	int64_t since_us;
};

/* Copies what it is told. `loop` and `clock` are borrowed until policy_free(). */
enum rc policy_new(const struct enroll_policy *params, struct net_loop *loop,
	const struct clock *clock, struct policy **policy_r, struct err *err) MUST_USE;
/* Any thread. RC_BUSY: POLICY_ASKED_MAX wait already, or it was stopped; `done` is not called then. */
enum rc policy_submit(struct policy *policy, struct policy_ask *ask, struct err *err) MUST_USE;
/* How often it was silent and the log did not say so. */
void policy_report_hidden(struct policy *policy);
/* Answers POLICY_ENDING to all who wait, and gives its connections up. Not on the loop's thread, which must run. */
void policy_stop(struct policy *policy);
/* Stops it if that was not done. */
void policy_free(struct policy **policy);

#endif
