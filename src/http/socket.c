/* SPDX-License-Identifier: Apache-2.0 */
#include "private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { HOST_BYTES = 256, PORT_BYTES = 6, PEER_GROUPS_MAX = 65536 };

struct host_port {
	char host[HOST_BYTES];
	char port[PORT_BYTES];
};

static void close_fd(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static void free_addresses(struct addrinfo **list)
{
	if (*list != NULL)
		freeaddrinfo(*list);
}

static bool copy(char *out, size_t size, const char *from, size_t len)
{
	if (len == 0 || len >= size)
		return false;
	memcpy(out, from, len);
	out[len] = 0;
	return true;
}

/* "host:port" or "[v6]:port". */
static bool split(const char *address, struct host_port *out)
{
	const char *colon = strrchr(address, ':');
	const char *host = address;
	size_t host_len;

	if (colon == NULL)
		return false;
	host_len = (size_t)(colon - address);
	if (host_len > 2 && address[0] == '[' && colon[-1] == ']') {
		host++;
		host_len -= 2;
	} else if (memchr(address, ':', host_len) != NULL) {
		return false; /* which colon is the port's? */
	}
	if (strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return false;
	return copy(out->host, sizeof(out->host), host, host_len) &&
		copy(out->port, sizeof(out->port), colon + 1, strlen(colon + 1));
}

static enum rc resolve(const char *address, struct addrinfo **list_r, struct err *err)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct host_port parts;
	int result;

	if (!split(address, &parts) || strtoul(parts.port, NULL, 10) > UINT16_MAX)
		return err_set(err, RC_INVALID, "%s: want host:port or [v6]:port", address);
	result = getaddrinfo(parts.host, parts.port, &hints, list_r);
	if (result != 0 || *list_r == NULL)
		return err_set(err, RC_INVALID, "%s: %s", address, gai_strerror(result));
	return RC_OK;
}

/* 0: it has none. */
static uint16_t port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = {0};
	socklen_t len = sizeof(address);

	if (getsockname(fd, &address.any, &len) != 0)
		return 0;
	if (address.any.sa_family == AF_INET)
		return ntohs(address.v4.sin_port);
	return address.any.sa_family == AF_INET6 ? ntohs(address.v6.sin6_port) : 0;
}

bool socket_passed_is_unix(int fd, uint16_t *port_r)
{
	int family = AF_UNSPEC;
	socklen_t size = sizeof(family);

	*port_r = port_of(fd);
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family == AF_UNIX;
}

static enum rc bind_tcp(int fd, const struct addrinfo *to, const char *address, struct err *err)
{
	const int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
		return err_set_errno(err, errno, "%s: SO_REUSEADDR", address);
	if (bind(fd, to->ai_addr, to->ai_addrlen) != 0)
		return err_set_errno(err, errno, "%s: bind", address);
	if (listen(fd, BACKLOG) != 0)
		return err_set_errno(err, errno, "%s: listen", address);
	return RC_OK;
}

/* The socket goes to the caller where `rc` is good. */
static enum rc hand_over(int fd, enum rc rc, int *fd_r)
{
	if (rc == RC_OK)
		*fd_r = fd;
	else
		(void)close(fd);
	return rc;
}

enum rc socket_listen_tcp(const char *address, int *fd_r, uint16_t *port_r, struct err *err)
{
	AUTO(free_addresses) struct addrinfo *list = NULL;
	enum rc rc = resolve(address, &list, err);
	int fd;

	if (list == NULL) /* exactly where resolve() failed */
		return rc;
	fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set_errno(err, errno, "%s: socket", address);
	rc = bind_tcp(fd, list, address, err);
	*port_r = port_of(fd);
	return hand_over(fd, rc, fd_r);
}

/* A socket file that nobody listens on is a left-over of a killed process. */
static enum rc remove_left_over(const struct sockaddr_un *address, struct err *err)
{
	AUTO(close_fd) int fd = -1;
	struct stat info;

	if (lstat(address->sun_path, &info) != 0)
		return errno == ENOENT ? RC_OK : err_set_errno(err, errno, "%s", address->sun_path);
	if (!S_ISSOCK(info.st_mode))
		return err_set(err, RC_EXISTS, "%s: is there and is not a socket", address->sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set_errno(err, errno, "%s: socket", address->sun_path);
	/* EAGAIN: its backlog is full, so somebody lives there. */
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		return err_set(err, RC_BUSY, "%s: another process listens here", address->sun_path);
	if (errno != ECONNREFUSED)
		return err_set_errno(err, errno, "%s: connect", address->sun_path);
	if (unlink(address->sun_path) != 0 && errno != ENOENT)
		return err_set_errno(err, errno, "%s: unlink", address->sun_path);
	return RC_OK;
}

/* Nobody can connect before listen(2), so mode and group are right by then. */
static enum rc bind_unix(int fd, const struct sockaddr_un *address,
	const struct http_listener_params *params, struct err *err)
{
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
		return err_set_errno(err, errno, "%s: bind", address->sun_path);
	if (params->unix_gid != (gid_t)-1 && lchown(address->sun_path, (uid_t)-1, params->unix_gid) != 0)
		return err_set_errno(err, errno,
			"%s: it cannot be given to the group %u, of which this user has to be a member",
			address->sun_path, (unsigned)params->unix_gid);
	if (chmod(address->sun_path, params->unix_mode) != 0)
		return err_set_errno(err, errno, "%s: chmod", address->sun_path);
	if (listen(fd, BACKLOG) != 0)
		return err_set_errno(err, errno, "%s: listen", address->sun_path);
	return RC_OK;
}

enum rc socket_listen_unix(const struct http_listener_params *params, int *fd_r, struct err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	enum rc rc;
	int fd;

	if (!copy(address.sun_path, sizeof(address.sun_path), params->unix_path,
						strlen(params->unix_path)))
		return err_set(err, RC_LIMIT, "%s: a socket's path has 1 to %zu bytes", params->unix_path,
			sizeof(address.sun_path) - 1);
	rc = remove_left_over(&address, err);
	if (rc != RC_OK)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set_errno(err, errno, "%s: socket", params->unix_path);
	return hand_over(fd, bind_unix(fd, &address, params, err), fd_r);
}

enum rc socket_listen_deaf(int *fd_r, struct err *err)
{
	const struct sockaddr_un nameless = {
		.sun_family = AF_UNIX}; /* the kernel finds it a name: unix(7) */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_set_errno(err, errno, "a socket");
	if (bind(fd, (const struct sockaddr *)&nameless, sizeof(nameless.sun_family)) == 0 &&
		listen(fd, 1) == 0)
		return hand_over(fd, RC_OK, fd_r);
	return hand_over(fd, err_set_errno(err, errno, "a socket"), fd_r);
}

static void inet_text(const void *address, int family, uint16_t port,
	char out[static HTTP_ADDRESS_BYTES])
{
	char host[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(family, address, host, sizeof(host));
	(void)snprintf(out, HTTP_ADDRESS_BYTES, family == AF_INET ? "%s:%u" : "[%s]:%u", host, port);
}

bool socket_peer_uid(int fd, uid_t *uid_r)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || size != sizeof(peer))
		return false;
	*uid_r = peer.uid;
	return true;
}

/* Who it is, not where: a Unix peer has no address of its own. */
static void unix_peer_text(int fd, char out[static HTTP_ADDRESS_BYTES])
{
	uid_t uid;

	if (socket_peer_uid(fd, &uid))
		(void)snprintf(out, HTTP_ADDRESS_BYTES, "unix:%u", (unsigned)uid);
	else
		(void)snprintf(out, HTTP_ADDRESS_BYTES, "unix");
}

void socket_peer_text(int fd, const struct sockaddr *address, char out[static HTTP_ADDRESS_BYTES])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;

	if (address == NULL || (address->sa_family != AF_INET && address->sa_family != AF_INET6))
		unix_peer_text(fd, out);
	else if (address->sa_family == AF_INET)
		inet_text(&v4->sin_addr, AF_INET, ntohs(v4->sin_port), out);
	else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) /* an IPv4 peer of a listener on [::] */
		inet_text(&v6->sin6_addr.s6_addr[12], AF_INET, ntohs(v6->sin6_port), out);
	else
		inet_text(&v6->sin6_addr, AF_INET6, ntohs(v6->sin6_port), out);
}

static bool has_supplementary_group(int fd, gid_t gid)
{
	socklen_t size = 0;
	gid_t *groups;
	bool is_found = false;

	/* The first call tells the size. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0 || errno != ERANGE || size == 0 ||
		size > PEER_GROUPS_MAX * sizeof(*groups))
		return false;
	groups = malloc(size);
	if (groups != NULL && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0) {
		for (size_t i = 0; i < size / sizeof(*groups); i++)
			is_found = is_found || groups[i] == gid;
	}
	free(groups);
	return is_found;
}

bool socket_is_peer_of(int fd, gid_t gid)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || size != sizeof(peer))
		return false;
	return peer.uid == 0 || peer.gid == gid || has_supplementary_group(fd, gid);
}
