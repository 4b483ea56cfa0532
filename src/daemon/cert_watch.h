/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_DAEMON_CERT_WATCH_H
#define POMONA_DAEMON_CERT_WATCH_H

/*
 * Tells people of certificates near their end: the server's TLS certificate and the device CAs that are trusted. One
 * log line a certificate and step (30, 14, 7, 1 days, over), an alarm from 7 days on; and one of each where the
 * TLS certificate could not be renewed. A job of the writer: what is decided and the alarms are one transaction.
 * Push certificates are told of by the push room, in the same steps. Threading: main, but for what the writer runs of
 * it.
 */

#include <stdatomic.h>

#include "pomona/pki/cert.h"
#include "pomona/pki/expiry.h"
#include "pomona/pki/trust.h"
#include "pomona/store/store.h"

enum { CERT_WATCH_MAX = TRUST_ANCHORS_MAX + 1 };

/* As it is now. */
struct cert_watch_facts {
	const char
		*hostname; /* the alarms' subject for the TLS certificate; borrowed for as long as the watch */
	struct cert_facts tls;      /* in force */
	bool is_tls_renewed;        /* by ourselves, in time: nobody has to be told of its end */
	char fault[ERR_TEXT_BYTES]; /* why it was not, "" */
};

/* How far the end of a certificate was told of. */
struct cert_said {
	uint8_t sha256[SHA256_BYTES];
	enum cert_expiry expiry;
};

struct cert_notice {
	bool is_tls;
	struct cert_facts facts;
	enum cert_expiry expiry;
	int64_t days_left;
};

struct cert_watch {
	struct store_job job; /* first: the writer hands it back */
	struct store *store;
	atomic_bool is_under_way;
	struct cert_watch_facts facts;
	/* Durable: */
	struct cert_said said[CERT_WATCH_MAX];
	size_t said_count;
	bool has_said_fault;
	char said_fault[ERR_TEXT_BYTES];
	/* Of the run under way: */
	struct cert_said next[CERT_WATCH_MAX];
	size_t next_count;
	struct cert_notice notices[CERT_WATCH_MAX];
	size_t notice_count;
};

/* Looks once; returns at once. Nothing where a look is under way: the next turn tries again. */
void cert_watch_begin(struct cert_watch *watch, struct store *store,
	const struct cert_watch_facts *facts);

#endif
