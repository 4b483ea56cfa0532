/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_ENROLLER_H
#define POMONA_SIM_ENROLLER_H

/*
 * How a device gets its identity and its management: from where the options say until it can speak to its server, or
 * from a profile that its server has sent to renew them.
 * Threading: the loop's thread.
 */

#include "device.h"
#include "key_pool.h"
#include "options.h"
#include "pomona/net/net.h"

struct enroller;

/* Borrowed for the call. */
struct enroller_end {
	enum rc rc;                /* RC_OK: the device has its new identity */
	const struct refusal *why; /* how a device would say the fault; NULL with RC_OK */
	const char *text;          /* of the fault, for people; "" with RC_OK */
};

struct enroller_params {
	const struct options *options; /* borrowed until enroller_free(), as the next four */
	struct net_loop *loop;
	const struct buf *ca_pem;
	struct key_pool *keys;
	struct device *device;
	struct slice
		renewal; /* copied; the profile that takes the place of the device's. Empty: it is not enrolled yet */
	const char *
		challenge; /* copied; WWW-Authenticate of a server that asks for a login once more; NULL: it does not */
	/* Once, later than enroller_start(); may free the enroller. */
	void (*done)(void *ctx, const struct enroller_end *end);
	void *ctx;
};

/* What goes wrong on the way is told to `done`. RC_NO_MEMORY. */
enum rc enroller_start(const struct enroller_params *params, struct enroller **enroller_r,
	struct err *err) MUST_USE;
/* Gives up what is under way. */
void enroller_free(struct enroller **enroller);

#endif
