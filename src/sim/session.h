/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_SESSION_H
#define POMONA_SIM_SESSION_H

/*
 * The conversation of one device with the server: a visit at a time, on one connection.
 * Threading: the loop's thread.
 */

#include "answer.h"
#include "options.h"
#include "pomona/net/net.h"
#include "report.h"
#include "wake.h"

/* What all sessions share; outlives them. */
struct sim {
	const struct options *options;
	struct net_loop *loop;
	struct authority *authority;
	struct buf ca_pem;                    /* who signs the server's certificate */
	char topic[APNS_TOPIC_BYTES_MAX + 1]; /* of the simulated Apple's push certificate */
	struct key_pool *keys;                /* for identities that others certify */
	struct wake *wake;                    /* NULL: devices come by themselves, from time to time */
	struct report report;
};

struct step;
struct enroller;

enum { SESSION_FAULT_BYTES = 256 };

struct session {
	struct sim *sim;
	struct device device; /* owned */
	struct net_client *client;
	struct net_timer *timer; /* the next visit */
	struct net_timer *login; /* when users who have left come back */
	bool is_login_set;
	const struct session *original; /* a clone's: who enrolls first; borrowed */
	void (*after_enrolling)(struct session *session, enum rc rc);
	struct enroller *enroller; /* it gets an identity just now; NULL: not */
	bool is_logging_in;        /* of the account by which it is enrolled */
	struct buf held;           /* the result of the command that renews it, until that is done */
	enum answer_status held_status;
	char fault[SESSION_FAULT_BYTES]; /* why it could not enroll, the last time; "": it could */
	const struct step *step;         /* the message under way */
	struct channel *channel;         /* on which it goes */
	bool is_polled[CHANNELS_MAX];    /* in this visit the server had nothing more */
	bool is_calling;                 /* a message is under way */
	/* Only where devices are woken: */
	bool is_woken[CHANNELS_MAX];   /* it is to poll */
	bool is_resting[CHANNELS_MAX]; /* the last status that it sent was NotNow */
	struct net_timer *rest;        /* the end of that */
	bool is_changed;               /* its enrollment or identity differs from its file */
	bool has_other_unsent;         /* only its unsent results differ from its file */
	unsigned failures;             /* visits in a row */
	uint64_t answered;             /* final results that the server took */
};

/* The device is initialised. The first visit comes after `delay_ms`, unless the device is out of management. */
enum rc session_start(struct session *session, struct sim *sim, int64_t delay_ms, struct err *err)
	MUST_USE;
/* A push has come for one of its channels. */
void session_rouse(struct session *session, unsigned channel);
bool session_is_enrolled(const struct session *session);
/* A message under way is given up. Leaves the device to device_fini(). */
void session_stop(struct session *session);

#endif
