/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_DAEMON_PASSED_H
#define POMONA_DAEMON_PASSED_H

/*
 * Listening sockets that the service manager opened and passes to us (sd_listen_fds(3)), told apart
 * by their names; none where there is no manager, or where it was built without libsystemd.
 * Threading: main.
 */

#include <stdbool.h>
#include <stddef.h>

#include "pomona/base/err.h"

enum { PASSED_ADDRESS_BYTES = 128 };

struct passed_socket {
	bool is_there;
	int fd; /* owned while is_there */
	char address[PASSED_ADDRESS_BYTES];
};

struct passed_name {
	const char *name; /* FileDescriptorName= */
	bool is_unix;     /* else TCP */
	bool is_plain_admin;
};

struct passed_params {
	const struct passed_name *names;
	size_t count;
	bool is_remote_plain_allowed;
};

/*
 * Once a process, for the environment forgets them. Fills sockets[i] by names[i]. RC_INVALID: one
 * has another name, comes twice, is no listening stream socket of its family, or would carry tokens
 * off this machine.
 */
enum rc passed_take(const struct passed_params *params, struct passed_socket *sockets,
	struct err *err) MUST_USE;
/* One that has come: keeps it by its name, or says what is wrong with it. */
enum rc passed_add(const struct passed_params *params, struct passed_socket *sockets, int fd,
	const char *name, struct err *err) MUST_USE;
void passed_close(struct passed_socket *sockets, size_t count);

#endif
