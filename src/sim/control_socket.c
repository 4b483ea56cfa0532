/* SPDX-License-Identifier: Apache-2.0 */
#include "control_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 16, READ_BYTES = 4096, ASK_TIMEOUT_S = 30 };

struct client {
	struct client *next;
	struct control_socket *socket;
	int fd;
	struct net_watch *watch;
	struct buf in, out;
	size_t sent;
	bool is_over;
};

struct control_socket {
	struct net_loop *loop;
	struct control control;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd;
	struct net_watch *watch;
	struct client *clients;
	unsigned client_count;
	bool is_bound;
};

static void listen_if_room(struct control_socket *socket);

/* --- one client */

static void client_free(struct client *client)
{
	net_watch_free(&client->watch);
	(void)close(client->fd);
	buf_fini(&client->in);
	buf_fini(&client->out);
	free(client);
}

static void client_end(struct client *client)
{
	struct control_socket *socket = client->socket;
	struct client **at = &socket->clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	socket->client_count--;
	client_free(client);
	listen_if_room(socket);
}

static bool has_unsent(const struct client *client)
{
	return client->sent < client->out.len;
}

static void read_in(struct client *client)
{
	uint8_t bytes[READ_BYTES];
	ssize_t len = read(client->fd, bytes, sizeof(bytes));

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len > 0)
		buf_append(&client->in, slice_of(bytes, (size_t)len));
	if (len <= 0 || client->in.rc != RC_OK) /* past CONTROL_LINE_BYTES_MAX, too */
		client->is_over = true;
}

/* One line at a time, and the next when its answer has gone: an answer can be large. */
static bool answer_line(struct client *client)
{
	struct slice in = buf_slice(&client->in);
	size_t end;

	if (has_unsent(client) || !slice_find_byte(in, '\n', &end))
		return false;
	buf_clear(&client->out);
	client->sent = 0;
	control_answer(&client->socket->control, slice_sub(in, 0, end), &client->out);
	memmove(client->in.ptr, client->in.ptr + end + 1, in.len - end - 1);
	client->in.len = in.len - end - 1;
	return true;
}

static void write_out(struct client *client)
{
	while (has_unsent(client)) {
		ssize_t len =
			send(client->fd, client->out.ptr + client->sent, client->out.len - client->sent, MSG_NOSIGNAL);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0) {
			client->is_over = client->is_over || errno != EAGAIN;
			return;
		}
		client->sent += (size_t)len;
	}
}

static void on_client(void *ctx, unsigned ready)
{
	struct client *client = ctx;

	if ((ready & NET_READABLE) && !has_unsent(client))
		read_in(client);
	write_out(client);
	while (!client->is_over && answer_line(client))
		write_out(client);
	if (client->is_over ||
		net_watch_set(client->watch, has_unsent(client) ? NET_WRITABLE : NET_READABLE) != RC_OK)
		client_end(client);
}

/* Takes `fd`. */
static void client_begin(struct control_socket *socket, int fd)
{
	struct client *client = calloc(1, sizeof(*client));

	if (client == NULL) {
		(void)close(fd);
		return;
	}
	client->socket = socket;
	client->fd = fd;
	buf_init(&client->in, CONTROL_LINE_BYTES_MAX);
	buf_init(&client->out, CONTROL_ANSWER_BYTES_MAX);
	if (net_watch_new(socket->loop, fd, on_client, client, &client->watch) != RC_OK ||
		net_watch_set(client->watch, NET_READABLE) != RC_OK) {
		client_free(client);
		return;
	}
	client->next = socket->clients;
	socket->clients = client;
	socket->client_count++;
}

/* --- the listener */

static void listen_if_room(struct control_socket *socket)
{
	bool has_room = socket->client_count < CONTROL_CLIENTS_MAX;
	enum rc rc = net_watch_set(socket->watch, has_room ? NET_READABLE : 0);

	(void)rc; /* without memory nobody new is let in until the next one leaves */
}

static void on_listener(void *ctx, unsigned ready)
{
	struct control_socket *socket = ctx;
	int fd = accept4(socket->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)ready;
	if (fd >= 0)
		client_begin(socket, fd);
	listen_if_room(socket);
}

static enum rc address_of(const char *path, struct sockaddr_un *address, struct err *err)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return err_set(err, RC_LIMIT, "--control: path longer than %zu bytes",
			sizeof(address->sun_path) - 1);
	memcpy(address->sun_path, path, strlen(path) + 1);
	return RC_OK;
}

/* True where something listens there. */
static bool is_in_use(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_answered = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;

	if (fd >= 0)
		(void)close(fd);
	return is_answered;
}

static enum rc bind_to(struct control_socket *socket_, const char *path, struct err *err)
{
	struct sockaddr_un address;
	struct stat there;
	enum rc rc = address_of(path, &address, err);
	mode_t mask;

	if (rc != RC_OK)
		return rc;
	if (is_in_use(&address))
		return err_set(err, RC_EXISTS, "%s: another simulator listens there", path);
	if (lstat(path, &there) == 0 && S_ISSOCK(there.st_mode))
		(void)unlink(path);
	memcpy(socket_->path, address.sun_path, sizeof(address.sun_path));
	socket_->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mask = umask(0177);
	socket_->is_bound =
		socket_->fd >= 0 && bind(socket_->fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
	(void)umask(mask);
	if (!socket_->is_bound || listen(socket_->fd, BACKLOG) != 0)
		return err_set_errno(err, errno, "%s", path);
	return RC_OK;
}

enum rc control_socket_open(struct net_loop *loop, const struct control *control, const char *path,
	struct control_socket **socket_r, struct err *err)
{
	struct control_socket *socket = calloc(1, sizeof(*socket));
	enum rc rc;

	*socket_r = NULL;
	if (socket == NULL)
		return err_set(err, RC_NO_MEMORY, "control socket");
	socket->loop = loop;
	socket->control = *control;
	socket->fd = -1;
	rc = bind_to(socket, path, err);
	if (rc == RC_OK &&
		(net_watch_new(loop, socket->fd, on_listener, socket, &socket->watch) != RC_OK ||
			net_watch_set(socket->watch, NET_READABLE) != RC_OK))
		rc = err_set(err, RC_NO_MEMORY, "control socket");
	if (rc != RC_OK) {
		control_socket_close(&socket);
		return rc;
	}
	*socket_r = socket;
	return RC_OK;
}

void control_socket_close(struct control_socket **socket)
{
	if (*socket == NULL)
		return;
	while ((*socket)->clients != NULL) {
		struct client *client = (*socket)->clients;

		(*socket)->clients = client->next;
		client_free(client);
	}
	net_watch_free(&(*socket)->watch);
	if ((*socket)->is_bound)
		(void)unlink((*socket)->path);
	if ((*socket)->fd >= 0)
		(void)close((*socket)->fd);
	free(*socket);
	*socket = NULL;
}

/* --- asking */

static enum rc send_all(int fd, struct slice bytes, const char *path, struct err *err)
{
	while (bytes.len > 0) {
		ssize_t len = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0)
			return err_set_errno(err, errno, "%s", path);
		bytes = slice_sub(bytes, (size_t)len, bytes.len);
	}
	return RC_OK;
}

static enum rc receive_line(int fd, struct buf *out, const char *path, struct err *err)
{
	while (out->len == 0 || out->ptr[out->len - 1] != '\n') {
		uint8_t bytes[READ_BYTES];
		ssize_t len = recv(fd, bytes, sizeof(bytes), 0);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return err_set_errno(err, errno, "%s", path);
		if (len == 0)
			return err_set(err, RC_IO, "%s: the simulator has hung up", path);
		buf_append(out, slice_of(bytes, (size_t)len));
		if (out->rc != RC_OK)
			return buf_status(out, "answer", err);
	}
	out->len--;
	return RC_OK;
}

enum rc control_ask(const char *path, struct slice line, struct buf *answer, struct err *err)
{
	const struct timeval bound = {.tv_sec = ASK_TIMEOUT_S};
	struct sockaddr_un address;
	enum rc rc = address_of(path, &address, err);
	int fd;

	if (rc != RC_OK)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set_errno(err, errno, "socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		rc = err_set_errno(err, errno, "%s", path);
	if (rc == RC_OK)
		rc = send_all(fd, line, path, err);
	if (rc == RC_OK)
		rc = send_all(fd, SLICE_LITERAL("\n"), path, err);
	if (rc == RC_OK)
		rc = receive_line(fd, answer, path, err);
	(void)close(fd);
	return rc;
}
