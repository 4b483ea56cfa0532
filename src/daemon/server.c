/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "control.h"
#include "enrolling.h"
#include "host.h"
#include "notify.h"
#include "pomona/base/arena.h"
#include "pomona/base/log.h"
#include "pomona/store/escrow.h"
#include "pomona/store/identity.h"
#include "pomona/store/keys.h"
#include "waking.h"

enum {
	CA_DER_BYTES_MAX = 65536,
	ANCHORS_BYTES_MAX = 4 * 1024 * 1024,
	/* Besides one a device thread: the admin API's threads, main, the outbound loop, re-sealing. */
	READERS_BESIDES = 8,
	PASSWORD_QUEUE_MAX = 64, /* logins that wait for their turn */
	PASSWORD_PERCENT = 50,   /* of a core, for them */
};

#define ADVICE_THREADS "look at memory and threads that the service may have"
#define ADVICE_INIT "make the state directory with `pomonactl init`, or restore it from a backup"

enum api_role server_socket_role(const struct config *config)
{
	static const enum api_role roles[] = {
		[CONFIG_ROLE_VIEWER] = API_ROLE_VIEWER,
		[CONFIG_ROLE_OPERATOR] = API_ROLE_OPERATOR,
		[CONFIG_ROLE_ADMIN] = API_ROLE_ADMIN,
	};

	return roles[config->admin.socket_role];
}

static struct device_identity_settings identity_settings(const struct config *config)
{
	struct device_identity_settings settings = {
		.is_tls = config->device.identity_tls == CONFIG_ON,
		.is_signature = config->device.identity_signature == CONFIG_ON,
		.signing_skew_s = config->device.signing_skew_s,
	};

	(void)snprintf(settings.header, sizeof(settings.header), "%s", config->device.identity_header);
	return settings;
}
_Static_assert((int)DEVICE_HEADER_BYTES > (int)CONFIG_HEADER_BYTES_MAX, "the conf's header fits");

/* It was checked when the conf was read. */
struct networks server_proxies(const struct config *config)
{
	struct networks networks;

	if (networks_parse(slice_of_str(config->device.proxies), &networks, NULL) != RC_OK)
		networks.count = 0;
	return networks;
}

_Static_assert((int)DEVICE_CHALLENGE_BYTES == (int)ENROLL_CHALLENGE_HEADER_BYTES,
	"one writes what the other sends");

struct device_settings server_device_settings(const struct config *config)
{
	static const enum user_authenticate user_authenticate[] = {
		[CONFIG_USER_GONE] = USER_AUTHENTICATE_GONE,
		[CONFIG_USER_EMPTY_CHALLENGE] = USER_AUTHENTICATE_EMPTY,
		[CONFIG_USER_DIGEST] = USER_AUTHENTICATE_DIGEST,
	};
	enum unknown_device unknown_device = config->device.unknown_device == CONFIG_UNKNOWN_UNENROLL
		? UNKNOWN_DEVICE_UNENROLL
		: UNKNOWN_DEVICE_REFUSE;

	struct device_settings settings = (struct device_settings){
		.policy =
			{
				.unenroll =
					{
						.unknown_device = unknown_device,
						.fuse_per_hour = config->device.unenroll_fuse,
						.is_login_offered =
							config->enroll.account_byod == CONFIG_ON || config->enroll.account_adde == CONFIG_ON,
					},
				.setup =
					{
						.is_automatic = config->enroll.auto_configured == CONFIG_YES,
						.wait_max_s = config->enroll.setup_wait_s,
					},
				.user_authenticate = user_authenticate[config->device.user_authenticate],
			},
		.identity = identity_settings(config),
		.checkin_bytes_max = (size_t)config->device.checkin_bytes_max,
		.result_bytes_max = (size_t)config->device.result_bytes_max,
	};

	(void)snprintf(settings.policy.realm, sizeof(settings.policy.realm), "%s", config->users.realm);
	return settings;
}

/* Which of the listeners may be passed, and how they are called then. */
static const struct passed_name passed_names[SERVER_LISTENER_COUNT] = {
	[SERVER_LISTENER_DEVICE] = {.name = "device"},
	[SERVER_LISTENER_PLAIN] = {.name = "device-plain"},
	[SERVER_LISTENER_ADMIN] = {.name = "admin", .is_plain_admin = true},
	[SERVER_LISTENER_SOCKET] = {.name = "admin-unix", .is_unix = true},
};

static enum rc start_passed(struct server *server, struct err *err)
{
	const struct passed_params params = {
		.names = passed_names,
		.count = COUNT_OF(passed_names),
		.is_remote_plain_allowed = server->config->admin.allow_remote_plain == CONFIG_YES,
	};

	return passed_take(&params, server->passed, err);
}

static void stop_passed(struct server *server)
{
	passed_close(server->passed, COUNT_OF(server->passed));
}

static enum rc start_state_dir(struct server *server, struct err *err)
{
	bool is_open = false;
	enum rc rc = host_state_dir_check(server->config, &is_open, err);

	if (rc == RC_OK && is_open)
		log_warning("state_dir_open", LOG_STR("state_dir", server->config->server.state_dir),
			LOG_STR("advice", "others may look into it: `chmod o=` it"));
	return rc;
}

static void stop_state_dir(struct server *server)
{
	(void)server;
}

static enum rc start_keyring(struct server *server, struct err *err)
{
	return keyring_load(server->config->server.master_key, &server->keyring, err);
}

static void stop_keyring(struct server *server)
{
	keyring_free(&server->keyring);
}

static enum rc check_keyring(struct server *server, struct err *err)
{
	struct txn *txn = NULL;
	enum rc rc = store_read_begin(server->store, &txn, err);

	if (rc != RC_OK)
		return rc;
	rc = store_keys_check(txn, err);
	store_read_end(server->store, &txn);
	if (rc == RC_INVALID)
		return err_context(err, "%s", server->config->server.master_key);
	return rc;
}

static void stop_nothing(struct server *server)
{
	(void)server;
}

static unsigned reader_count(const struct config *config)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	long workers = config->device.threads > 0 ? (long)config->device.threads : cores;
	unsigned listeners = config->device.listen_plain[0] == '\0' ? 1 : 2;

	return (unsigned)(workers > 0 ? workers : 1) * listeners + READERS_BESIDES;
}

static enum rc start_store(struct server *server, struct err *err)
{
	const struct store_params params = {
		.path = server->config->server.database,
		.keyring = server->keyring,
		.clock = clock_system(),
		.readers = reader_count(server->config),
		.queue_max = (size_t)server->config->server.writer_queue_max,
	};

	return store_open(&params, &server->store, err);
}

static void stop_store(struct server *server)
{
	store_close(&server->store);
}

enum rc server_read_authority(struct txn *txn, const char *cert_name, const char *key_name,
	struct authority **authority_r, struct err *err)
{
	AUTO(buf_fini) struct buf cert = {0};
	AUTO(buf_fini_secret) struct buf key = {0};
	enum rc rc;

	buf_init(&cert, CA_DER_BYTES_MAX);
	buf_init(&key, CA_DER_BYTES_MAX);
	if (buf_reserve(&key, CA_DER_BYTES_MAX) == NULL) /* a secret is not moved in memory */
		return err_set(err, RC_NO_MEMORY, "the key of a CA");
	rc = vault_get(txn, cert_name, &cert, err);
	if (rc == RC_OK)
		rc = vault_get(txn, key_name, &key, err);
	if (rc == RC_OK)
		return authority_load(buf_slice(&cert), buf_slice(&key), authority_r, err);
	return rc;
}

static enum rc start_device_ca(struct server *server, struct err *err)
{
	struct txn *txn = NULL;
	enum rc rc = store_read_begin(server->store, &txn, err);

	if (rc != RC_OK)
		return rc;
	rc = server_read_authority(txn, "device_ca.cert", "device_ca.key", &server->device_ca, err);
	store_read_end(server->store, &txn);
	return rc;
}

static void stop_device_ca(struct server *server)
{
	authority_free(&server->device_ca);
}

static enum rc begin_signer(struct server *server, struct err *err)
{
	const struct signer_params params = {
		.queue_max = (size_t)server->config->server.signing_queue_max,
		.percent = (unsigned)server->config->server.signing_percent,
	};

	return signer_start(&params, &server->signer, err);
}

static void end_signer(struct server *server)
{
	signer_free(&server->signer);
}

/* A login takes a tenth of a second of a core, and 32 MiB: one at a time, beside those who poll. */
static enum rc begin_passwords(struct server *server, struct err *err)
{
	const struct signer_params params = {.queue_max = PASSWORD_QUEUE_MAX, .percent = PASSWORD_PERCENT};

	return signer_start(&params, &server->passwords, err);
}

static void end_passwords(struct server *server)
{
	signer_free(&server->passwords);
}

static enum rc read_trust(struct txn *txn, struct trust **trust_r, struct err *err)
{
	AUTO(arena_free) struct arena *arena = arena_new(ANCHORS_BYTES_MAX);
	struct slice *anchors = NULL;
	size_t count = 0;
	enum rc rc;

	if (arena == NULL)
		return err_set(err, RC_NO_MEMORY, "trust anchors");
	rc = anchor_list(txn, arena, &anchors, &count, err);
	return rc == RC_OK ? trust_new(anchors, count, trust_r, err) : rc;
}

static enum rc start_users(struct server *server, struct err *err)
{
	enum rc rc = users_check(server->config, err);

	if (rc == RC_OK)
		rc = user_directory_new(clock_system(), &server->users, err);
	if (rc != RC_OK)
		return rc;
	server->users_file = (struct users_file){
		.directory = server->users,
		.path = server->config->users.file,
	};
	return users_load(&server->users_file, err);
}

static void stop_users(struct server *server)
{
	user_directory_free(&server->users);
}

static enum rc start_device(struct server *server, struct err *err)
{
	struct device_params params = {
		.store = server->store,
		.clock = clock_system(),
		.push = server->push,
		.users = server->users,
		.settings = server_device_settings(server->config),
		.login_challenge = enroll_login_challenge,
		.login_ctx = server->enroll,
	};
	struct txn *txn = NULL;
	enum rc rc = store_read_begin(server->store, &txn, err);

	if (rc != RC_OK)
		return rc;
	rc = read_trust(txn, &params.trust, err);
	store_read_end(server->store, &txn);
	if (rc != RC_OK)
		return rc;
	rc = device_new(&params, &server->device, err);
	trust_unref(&params.trust);
	return rc;
}

static void stop_device(struct server *server)
{
	device_free(&server->device);
}

static enum rc read_apple(struct server *server, struct err *err)
{
	AUTO(apple_chain_unref) struct apple_chain *chain = NULL;
	struct txn *txn = NULL;
	enum rc rc = store_read_begin(server->store, &txn, err);

	if (rc != RC_OK)
		return rc;
	rc = enroll_read_apple(txn, &chain, err);
	store_read_end(server->store, &txn);
	if (rc == RC_OK)
		enroll_set_apple(server->enroll, &chain);
	return rc;
}

static enum rc start_enroll(struct server *server, struct err *err)
{
	AUTO(buf_fini) struct buf ca_pem = {0};
	struct enroll_settings settings;
	struct enroll_params params = {
		.store = server->store,
		.clock = clock_system(),
		.device_ca = server->device_ca,
		.signer = server->signer,
		.users = server->users,
		.passwords = server->passwords,
		.settings = &settings,
		.hostname = server->config->server.hostname,
		.loop = server->loop,
	};
	enum rc rc = enrolling_policy(server->config, &ca_pem, &params.policy, err);

	if (rc != RC_OK)
		return rc;
	rc = enrolling_settings(server->config, &settings, err);

	if (rc == RC_OK)
		rc = enroll_new(&params, &server->enroll, err);
	explicit_bzero(&settings, sizeof(settings));
	return rc == RC_OK ? read_apple(server, err) : rc;
}

static void stop_enroll(struct server *server)
{
	enroll_free(&server->enroll);
}

static enum rc start_api(struct server *server, struct err *err)
{
	struct api_params params = {
		.store = server->store,
		.device = server->device,
		.enroll = server->enroll,
		.push = server->push,
		.clock = clock_system(),
		.device_ca = server->device_ca,
		.signer = server->signer,
		.body_bytes_max = (size_t)server->config->admin.body_bytes_max,
		.master_key = server->config->server.master_key,
	};
	enum rc rc = host_socket_group(server->config, &server->socket_gid, err);

	params.own_uid = geteuid();
	params.socket_gid = server->socket_gid;
	params.socket_role = server_socket_role(server->config);
	return rc == RC_OK ? api_new(&params, &server->api, err) : rc;
}

static void stop_api(struct server *server)
{
	api_free(&server->api);
}

static enum rc start_writer(struct server *server, struct err *err)
{
	enum rc rc = store_start(server->store, err);

	server->is_writer_running = rc == RC_OK;
	return rc;
}

static void stop_writer(struct server *server)
{
	if (server->is_writer_running)
		store_stop(server->store);
	server->is_writer_running = false;
}

/*
 * The signer, pushes and the writer go first: they resume the requests that wait for them, and a listener must
 * have none. The writer goes last of them, for the pushes' outcomes.
 */
static void stop_listeners(struct server *server)
{
	api_set_ready(server->api, false);
	server_listeners_drain(server);
	device_flush_seen_wait(server->device);
	signer_stop(server->signer);
	signer_stop(server->passwords);
	enroll_stop(server->enroll);
	waking_stop_push(server);
	stop_writer(server);
	server_listeners_stop(server);
	tls_fini(&server->tls);
}

/*
 * In the order of their start. A stop is called for what has started and for what failed to, in the
 * reverse order.
 */
static const struct stage {
	const char *name;
	enum rc (*start)(struct server *server, struct err *err);
	void (*stop)(struct server *server);
	const char *advice;
} stages[] = {
	{"passed sockets", start_passed, stop_passed,
		"correct the .socket units: FileDescriptorName= and ListenStream= (pomonad(8))"},
	{"state directory", start_state_dir, stop_state_dir, ADVICE_INIT},
	{"master key", start_keyring, stop_keyring, ADVICE_INIT},
	{"database", start_store, stop_store, ADVICE_INIT},
	{"keys of the database", check_keyring, stop_nothing,
		"put the key file in place that belongs to this database, with the line of that key: an older line "
		"may go only when `pomonactl key status` says so"},
	{"device CA", start_device_ca, stop_device_ca, ADVICE_INIT},
	{"signer", begin_signer, end_signer, ADVICE_THREADS},
	{"password thread", begin_passwords, end_passwords, ADVICE_THREADS},
	{"outbound loop", waking_open_loop, waking_close_loop, ADVICE_THREADS},
	{"push", waking_open_push, waking_close_push,
		"correct [push] and [net], and check with `pomonad -t`"},
	{"outbound thread", waking_start_loop, waking_stop_loop, ADVICE_THREADS},
	{"users", start_users, stop_users, "correct the user file with `pomonactl user`, or [users]"},
	{"enrolling", start_enroll, stop_enroll, "correct [enroll], and check with `pomonad -t`"},
	{"device messages", start_device, stop_device, "look at the trusted CAs with `pomonactl ca list`"},
	{"admin API", start_api, stop_api, "name an existing group as socket_group, or none"},
	{"writer", start_writer, stop_writer, ADVICE_THREADS},
	{"waking", waking_start_push, waking_stop_push,
		"look at the push certificates with `pomonactl pushcert list`"},
	{"listeners", server_listeners_start, stop_listeners,
		"check the addresses and files with `pomonad -t`, and who else listens with `ss -ltnxp`"},
};

/* Where the fault itself tells more than its stage what to do. */
static const char *const advice_by_rc[RC_COUNT] = {
	[RC_BUSY] = "stop the other process first; a second pomonad needs a state directory of its own",
	[RC_UNSUPPORTED] = "install the version that wrote this database, or a later one",
	[RC_DENIED] = "correct the owner and the mode of the file that is named",
	[RC_NO_MEMORY] = "give the service more memory",
	[RC_CORRUPT] = "restore the database and the master key that belong together from a backup",
};

static const int exit_by_rc[RC_COUNT] = {
	[RC_INVALID] = EX_CONFIG,
	[RC_NOT_FOUND] = EX_CONFIG,
	[RC_EXISTS] = EX_CONFIG,
	[RC_DENIED] = EX_NOPERM,
	[RC_LIMIT] = EX_CONFIG,
	[RC_BUSY] = EX_TEMPFAIL,
	[RC_UNSUPPORTED] = EX_DATAERR,
	[RC_NO_MEMORY] = EX_OSERR,
	[RC_IO] = EX_IOERR,
	[RC_CORRUPT] = EX_DATAERR,
	[RC_INTERNAL] = EX_SOFTWARE,
};

int server_exit_status(enum rc rc)
{
	return (unsigned)rc < RC_COUNT ? exit_by_rc[rc] : EX_SOFTWARE;
}

static void stop_from(struct server *server, size_t last)
{
	for (size_t i = last + 1; i > 0; i--)
		stages[i - 1].stop(server);
}

int server_start(struct server *server)
{
	for (size_t i = 0; i < COUNT_OF(stages); i++) {
		struct err err = {0};
		enum rc rc = stages[i].start(server, &err);
		const char *advice;

		if (rc == RC_OK)
			continue;
		advice = (unsigned)rc < RC_COUNT ? advice_by_rc[rc] : NULL;
		log_error("start_failed", LOG_STR("stage", stages[i].name), LOG_STR("error", err.text),
			LOG_STR("advice", advice == NULL ? stages[i].advice : advice));
		stop_from(server, i);
		return server_exit_status(rc);
	}
	api_set_ready(server->api, true);
	return EX_OK;
}

void server_stop(struct server *server)
{
	stop_from(server, COUNT_OF(stages) - 1);
}
