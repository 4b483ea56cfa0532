/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_PUSH_FAKE_NET_H
#define POMONA_TESTS_PUSH_FAKE_NET_H

/*
 * HTTP/2 connections and timers as the test wants them: nothing happens but what the test says. What the code under
 * test may not do (a request without room, anything after h2_free()) fails the test.
 * Threading: the test's.
 */

#include "apns.h"
#include "pomona/net/h2.h"

enum { FAKE_LINKS_MAX = 1000, FAKE_TEXT_BYTES = 300 };

struct fake_request {
	struct h2_request *request;
	char path[FAKE_TEXT_BYTES], topic[FAKE_TEXT_BYTES], expiration[FAKE_TEXT_BYTES];
	char priority[FAKE_TEXT_BYTES], body[FAKE_TEXT_BYTES];
};

struct h2; /* the fake's */

struct fake_net {
	enum rc open_rc;      /* of h2_open() */
	enum rc request_rc;   /* of h2_request() */
	uint32_t streams_max; /* of each connection */
	size_t opened;        /* h2_open() that went well */
	size_t requests;      /* likewise */
	/* A look at each, with its connection's certificate; NULL: none. */
	void (*on_request)(const struct fake_request *request, const char *cert);
	const char *cert_wanted; /* what the certificate of each request's connection must be; NULL: any */
};
extern struct fake_net fake_net;

/* Frees what the test has left. */
void fake_net_reset(void);
/* Those that live, in the order of opening; NULL: fewer. */
struct h2 *fake_link(size_t index);
size_t fake_link_count(void);
bool fake_link_is_open(const struct h2 *h2);
/* Neither side has said that it ends. */
bool fake_link_is_staying(const struct h2 *h2);
const char *fake_link_cert(const struct h2 *h2);
size_t fake_flight(const struct h2 *h2);
const struct fake_request *fake_request(const struct h2 *h2, size_t index);

void fake_open(struct h2 *h2);
void fake_reply(struct h2 *h2, size_t index, const struct h2_reply *reply);
/* The oldest request. */
void fake_answer(struct h2 *h2, unsigned status, const char *body);
/* Requests from `keep` on come back refused. */
void fake_goaway(struct h2 *h2, const char *debug, size_t keep);
/* What is in flight is lost. */
void fake_end(struct h2 *h2, enum h2_end end, const char *text);
/* Timers that are due, and what connections tell later than they know it. Those that are freed are gone after it. */
void fake_turn(void);

#endif
