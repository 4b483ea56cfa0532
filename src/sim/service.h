/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_SERVICE_H
#define POMONA_SIM_SERVICE_H

/*
 * APNs with all that belongs to it: what it knows, its listener, its control socket. Alone as `pomona-sim apns`,
 * beside the devices in `pomona-sim run --apns`.
 * Threading: the loop's thread.
 */

#include "apns.h"
#include "options.h"
#include "pomona/net/net.h"

struct apns_server;
struct control_socket;

struct service {
	struct apns apns;
	struct apns_server *server;
	struct control_socket *control; /* NULL: none was asked for */
};

/* A zeroed service may be closed. `wake` is borrowed until then; NULL: any token is a device's. */
enum rc service_open(struct service *service, struct net_loop *loop, const struct options *options,
	const char *address, struct wake *wake, struct err *err) MUST_USE;
void service_close(struct service *service);

/* `pomona-sim apns`, until a signal ends it. Threading: the main thread. */
enum rc serve_apns(const struct options *options, struct err *err) MUST_USE;

#endif
