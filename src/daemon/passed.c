/* SPDX-License-Identifier: Apache-2.0 */
#include "passed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pomona/config/config.h"

#ifdef POMONA_HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
};

static int option_of(int fd, int option)
{
	int value = -1;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

static bool is_of_family(const union address *address, bool is_unix)
{
	if (is_unix)
		return address->any.sa_family == AF_UNIX;
	return address->any.sa_family == AF_INET || address->any.sa_family == AF_INET6;
}

static enum rc check_kind(int fd, const struct passed_name *name, union address *address,
	struct err *err)
{
	socklen_t size = sizeof(*address) - 1;

	memset(address, 0, sizeof(*address));
	if (getsockname(fd, &address->any, &size) != 0 || option_of(fd, SO_TYPE) != SOCK_STREAM ||
		option_of(fd, SO_ACCEPTCONN) != 1)
		return err_set(err, RC_INVALID, "the passed socket %s: want one that listens for streams",
			name->name);
	if (!is_of_family(address, name->is_unix))
		return err_set(err, RC_INVALID, "the passed socket %s: want %s", name->name,
			name->is_unix ? "a Unix socket" : "a TCP socket");
	return RC_OK;
}

/* Gives the host alone, too. */
static void write_address(const union address *address, char out[static PASSED_ADDRESS_BYTES],
	char host[static INET6_ADDRSTRLEN])
{
	if (address->any.sa_family == AF_INET) {
		(void)inet_ntop(AF_INET, &address->v4.sin_addr, host, INET6_ADDRSTRLEN);
		(void)snprintf(out, PASSED_ADDRESS_BYTES, "%s:%u", host, ntohs(address->v4.sin_port));
	} else if (address->any.sa_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &address->v6.sin6_addr, host, INET6_ADDRSTRLEN);
		(void)snprintf(out, PASSED_ADDRESS_BYTES, "[%s]:%u", host, ntohs(address->v6.sin6_port));
	} else {
		host[0] = '\0';
		(void)snprintf(out, PASSED_ADDRESS_BYTES, "%s", address->local.sun_path);
	}
}

static enum rc check(const struct passed_params *params, const struct passed_name *name,
	struct passed_socket *socket, struct err *err)
{
	char host[INET6_ADDRSTRLEN];
	union address address;
	enum rc rc = check_kind(socket->fd, name, &address, err);

	if (rc != RC_OK)
		return rc;
	write_address(&address, socket->address, host);
	if (name->is_plain_admin && !params->is_remote_plain_allowed &&
		!config_host_is_loopback(slice_of_str(host)))
		return err_set(err, RC_INVALID,
			"the passed socket %s: %s is no loopback address, and without TLS tokens would cross the "
			"network in clear; [admin] allow_remote_plain = yes allows it",
			name->name, socket->address);
	if (fcntl(socket->fd, F_SETFL, O_NONBLOCK) != 0 || fcntl(socket->fd, F_SETFD, FD_CLOEXEC) != 0)
		return err_set_errno(err, errno, "the passed socket %s", name->name);
	return RC_OK;
}

static enum rc fail_unknown(const struct passed_params *params, const char *name, struct err *err)
{
	char known[PASSED_ADDRESS_BYTES] = "";
	size_t len = 0;

	for (size_t i = 0; i < params->count && len < sizeof(known); i++)
		len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s", i > 0 ? ", " : "",
			params->names[i].name);
	return err_set(err, RC_INVALID,
		"a passed socket has the name \"%s\": FileDescriptorName= is one of %s", name, known);
}

enum rc passed_add(const struct passed_params *params, struct passed_socket *sockets, int fd,
	const char *name, struct err *err)
{
	for (size_t i = 0; i < params->count; i++) {
		if (strcmp(params->names[i].name, name) != 0)
			continue;
		if (sockets[i].is_there)
			return err_set(err, RC_INVALID, "the passed socket %s comes twice", name);
		sockets[i].fd = fd;
		sockets[i].is_there = true;
		return check(params, &params->names[i], &sockets[i], err);
	}
	return fail_unknown(params, name, err);
}

void passed_close(struct passed_socket *sockets, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (sockets[i].is_there)
			(void)close(sockets[i].fd);
		sockets[i].is_there = false;
	}
}

#ifdef POMONA_HAVE_SYSTEMD

enum rc passed_take(const struct passed_params *params, struct passed_socket *sockets,
	struct err *err)
{
	char **names = NULL;
	const int count = sd_listen_fds_with_names(1, &names);
	enum rc rc = RC_OK;

	if (count < 0)
		return err_set_errno(err, -count, "the sockets that were passed");
	for (int i = 0; i < count; i++) {
		if (rc == RC_OK)
			rc = passed_add(params, sockets, SD_LISTEN_FDS_START + i, names[i], err);
		free(names[i]);
	}
	free(names);
	return rc;
}

#else

enum rc passed_take(const struct passed_params *params, struct passed_socket *sockets,
	struct err *err)
{
	(void)params;
	(void)sockets;
	(void)err;
	return RC_OK;
}

#endif
