/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_DAEMON_SERVER_H
#define POMONA_DAEMON_SERVER_H

/*
 * The server as a whole: what runs, the order in which it starts, and the reverse in which it
 * stops. Threading: main.
 */

#include <pthread.h>
#include <sys/types.h>

#include "cert_watch.h"
#include "chores.h"
#include "history.h"
#include "passed.h"
#include "users.h"
#include "pomona/api/api.h"
#include "pomona/config/config.h"
#include "pomona/device/device.h"
#include "pomona/enroll/enroll.h"
#include "pomona/http/http.h"
#include "pomona/net/net.h"
#include "pomona/pki/authority.h"
#include "pomona/pki/seal.h"
#include "pomona/pki/signer.h"
#include "pomona/push/push.h"
#include "pomona/store/store.h"
#include "tls.h"

enum server_listener {
	SERVER_LISTENER_DEVICE,
	SERVER_LISTENER_PLAIN,
	SERVER_LISTENER_ADMIN,
	SERVER_LISTENER_SOCKET,
	SERVER_LISTENER_COUNT
};

struct server {
	const char *conf_path; /* borrowed */
	struct config *config; /* as it was at the start: a reload applies its keys, and keeps none */
	int signal_fd;         /* borrowed: see control.h */
	gid_t socket_gid;
	struct passed_socket passed[SERVER_LISTENER_COUNT]; /* those that no listener has taken yet */
	struct keyring *keyring;
	struct store *store;
	bool is_writer_running;
	struct authority *device_ca;
	struct signer *signer;
	struct signer *passwords; /* the thread that compares them */
	struct net_loop *loop;
	pthread_t loop_thread;
	bool is_loop_running;
	struct push *push;
	bool is_push_running;
	struct user_directory *users;
	struct users_file users_file;
	struct device *device;
	struct enroll *enroll;
	struct api *api;
	struct http_listener *listeners[SERVER_LISTENER_COUNT]; /* NULL: the conf wants none */
	struct tls_in_force tls;
	struct cert_watch cert_watch;
	struct expiry expiry;
	struct history history;
	struct heartbeat heartbeat;
};

/* On failure it was logged with what to do next, and all that had started has stopped. Returns the
 * exit status, 0 when all runs. */
int server_start(struct server *server);
/* Waits for what is under way as long as the conf allows, then ends all. */
void server_stop(struct server *server);

/* The role of [admin] socket_role. */
enum api_role server_socket_role(const struct config *config);
/* The proxies of the conf, for the listeners of devices. */
struct networks server_proxies(const struct config *config);
/* What of the conf the device room is given. */
struct device_settings server_device_settings(const struct config *config);
/* Takes over what may change while running; all or nothing. The old conf stays in force on a fault. */
void server_reload(struct server *server);
/* A CA that the vault keeps under these names. RC_NOT_FOUND. */
enum rc server_read_authority(struct txn *txn, const char *cert_name, const char *key_name,
	struct authority **authority_r, struct err *err) MUST_USE;
/* As sysexits(3) has them. */
int server_exit_status(enum rc rc);

/* certificates.c: `tls`, which is moved, is in force: the listener has it. */
void server_put_tls(struct server *server, struct tls_in_force *tls);
/* Renews the TLS certificate where it is time, and tells people of certificates near their end. */
void server_look_at_certificates(struct server *server);

/* listeners.c */
enum rc server_listeners_start(struct server *server, struct err *err) MUST_USE;
/* No new connections; then waits for the requests under way, until a signal or drain_s. */
void server_listeners_drain(struct server *server);
void server_listeners_stop(struct server *server);

#endif
