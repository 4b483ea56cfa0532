/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libmicrohttpd and GnuTLS cost by themselves: TLS with a requested client certificate and tickets, every
 * request answered 200 with an empty body. By poll(2), since with epoll libmicrohttpd 0.9.75 spins while a
 * handshake waits for its client. `bench-bare CERT KEY` prints its port and serves until it is ended.
 */

#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pomona/base/buf.h"
#include "pomona/base/file.h"

enum { FILE_BYTES_MAX = 65536 };

static gnutls_datum_t ticket_key;

static void on_connection(void *ctx, struct MHD_Connection *connection, void **socket_ctx,
	enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info;

	(void)ctx;
	(void)socket_ctx;
	if (code != MHD_CONNECTION_NOTIFY_STARTED)
		return;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (info == NULL)
		return;
	gnutls_certificate_server_set_request(info->tls_session, GNUTLS_CERT_REQUEST);
	gnutls_certificate_send_x509_rdn_sequence(info->tls_session, 1);
	(void)gnutls_session_ticket_enable_server(info->tls_session, &ticket_key);
}

static enum MHD_Result answer(void *ctx, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_len, void **request)
{
	static int seen;

	(void)url;
	(void)method;
	(void)version;
	(void)upload;
	if (*request == NULL) {
		*request = &seen;
		return MHD_YES;
	}
	if (*upload_len > 0) {
		*upload_len = 0;
		return MHD_YES;
	}
	return MHD_queue_response(connection, 200, ctx);
}

static const char *read_text(const char *path, struct buf *buf)
{
	struct err err;

	buf_init(buf, FILE_BYTES_MAX);
	if (file_read(path, buf, &err) != RC_OK) {
		(void)fprintf(stderr, "bench-bare: %s\n", err.text);
		exit(1);
	}
	return buf_cstr(buf);
}

int main(int argc, char **argv)
{
	struct buf cert;
	struct buf key;
	struct MHD_Response *empty = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	struct MHD_Daemon *daemon;
	sigset_t signals;
	int signal_number;

	if (argc != 3 || empty == NULL || gnutls_session_ticket_key_generate(&ticket_key) != 0)
		return 64;
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	daemon = MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_TLS | MHD_USE_ITC, 0, NULL, NULL,
		answer, empty, MHD_OPTION_HTTPS_MEM_CERT, read_text(argv[1], &cert), MHD_OPTION_HTTPS_MEM_KEY,
		read_text(argv[2], &key), MHD_OPTION_HTTPS_PRIORITIES,
		"NONE:+VERS-TLS1.3:+VERS-TLS1.2:+ECDHE-ECDSA:+ECDHE-RSA:+AES-128-GCM:+AES-256-GCM:"
		"+CHACHA20-POLY1305:+AEAD:+SIGN-ALL:+COMP-NULL:+GROUP-X25519:+GROUP-SECP256R1:%SERVER_PRECEDENCE",
		MHD_OPTION_THREAD_POOL_SIZE, (unsigned)sysconf(_SC_NPROCESSORS_ONLN), MHD_OPTION_CONNECTION_LIMIT,
		20000U, MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL, MHD_OPTION_END);
	if (daemon == NULL)
		return 1;
	(void)printf("%" PRIu16 "\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
	(void)fflush(stdout);
	(void)sigwait(&signals, &signal_number);
	MHD_stop_daemon(daemon);
	MHD_destroy_response(empty);
	gnutls_free(ticket_key.data);
	buf_fini(&cert);
	buf_fini(&key);
	return 0;
}
