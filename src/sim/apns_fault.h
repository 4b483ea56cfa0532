/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_APNS_FAULT_H
#define POMONA_SIM_APNS_FAULT_H

/*
 * What APNs is told to do wrong: the table of faults, how people write them, and what becomes of the next push.
 * Threading: one thread at a time.
 */

#include "apns_check.h"
#include "pomona/base/err.h"
#include "pomona/json/json.h"
#include "random.h"

enum {
	APNS_STREAMS_DEFAULT = 1000, /* as seen of Apple's */
	APNS_STREAMS_MAX = 10000,
	APNS_RETRY_AFTER_MAX_S = 86400,
};

/* No fault: see apns_faults_none(). */
struct apns_faults {
	/* Answers: this status with this reason, to so many of a hundred pushes. */
	char reason[APNS_REASON_BYTES_MAX + 1]; /* "": none */
	int64_t status;                         /* 0: none */
	int64_t rate_percent;
	int64_t timestamp_ms;  /* beside the reason; -1: now where the status is 410, else none */
	int64_t retry_after_s; /* -1: none */
	int64_t lose_percent;  /* answered 200, but the device is not woken */
	int64_t refuse_every;  /* each n-th push: RST_STREAM with REFUSED_STREAM, not taken */
	int64_t goaway_every;  /* each n-th push is the last that its connection takes */
	int64_t reset_every;   /* each n-th push: taken, then the connection is cut, without an answer */
	int64_t count;         /* after so many pushes that any of the above befell, no more; 0: no end */
	bool mute;             /* pushes are taken and never answered; PINGs are */
	bool silence;          /* as if the network were gone: nothing is sent any more */
	bool stall_window;     /* the windows of new streams are 0 */
	int64_t settings_delay_ms; /* of new connections */
	int64_t max_streams;       /* SETTINGS_MAX_CONCURRENT_STREAMS */
	bool expired_cert;         /* new connections are shown a server's certificate that has expired */
};

struct apns_faults apns_faults_none(void);
/* From {"reason": "Unregistered", "rate_percent": 10}. RC_INVALID names key and rule. */
enum rc apns_faults_read(const struct json_value *object, struct apns_faults *faults_r,
	struct err *err) MUST_USE;
/* "key=value" words as members of `object`: numbers, true and false, or text. RC_INVALID. */
enum rc fault_words_read(const char *const *words, size_t count, struct json_value *object,
	struct err *err) MUST_USE;

/* For people: the words and what they do. False past the end. */
struct apns_fault_word {
	const char *name, *help;
};
bool apns_fault_word_at(size_t index, struct apns_fault_word *word_r);

struct fault_state {
	struct apns_faults faults;
	uint64_t pushes, hits; /* since they were set */
	struct chance chance;
};
void fault_state_set(struct fault_state *state, const struct apns_faults *faults);

/* What the connection does with a push. */
enum apns_deed {
	APNS_ANSWER,
	APNS_QUIET,  /* takes it and never answers */
	APNS_REFUSE, /* does not take it */
	APNS_RESET,  /* takes it and cuts the connection */
};

struct apns_decision {
	enum apns_deed deed;
	unsigned status; /* of APNS_ANSWER */
	const char *reason;
	int64_t timestamp_ms;  /* -1: none */
	int64_t retry_after_s; /* -1: none */
	bool is_lost;          /* 200, but the device does not get it */
	bool is_goaway;        /* the last push that this connection takes */
};
/* For the next push that nothing is wrong with. `reason` is borrowed from the state. */
struct apns_decision fault_decide(struct fault_state *state, int64_t now_ms);

#endif
