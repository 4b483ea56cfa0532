/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_CONFIG_CONFIG_H
#define POMONA_CONFIG_CONFIG_H

/*
 * The conf file as one plain struct, filled from one table of keys (section, name, type, range,
 * default, unit, reloadable, help). pomonad, pomonactl and `pomonad -t` read it; nobody else parses
 * conf text.
 * Threading: any thread; a loaded struct config is not changed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pomona/base/buf.h"
#include "pomona/base/err.h"
#include "pomona/base/log.h"

enum config_unknown_device { CONFIG_UNKNOWN_REFUSE, CONFIG_UNKNOWN_UNENROLL };
enum config_user_authenticate { CONFIG_USER_GONE, CONFIG_USER_EMPTY_CHALLENGE, CONFIG_USER_DIGEST };
enum config_push_priority {
	CONFIG_PUSH_PRIORITY_10,
	CONFIG_PUSH_PRIORITY_5,
	CONFIG_PUSH_PRIORITY_1
};

enum config_policy_when_silent { CONFIG_POLICY_REFUSE, CONFIG_POLICY_ALLOW };
enum config_switch { CONFIG_ON, CONFIG_OFF };
enum config_yes_no { CONFIG_NO, CONFIG_YES };
enum config_ade_devices { CONFIG_ADE_LISTED, CONFIG_ADE_ALL, CONFIG_ADE_NONE };
enum config_ade_signature { CONFIG_ADE_APPLE, CONFIG_ADE_ANY };
enum config_ade_login {
	CONFIG_ADE_LOGIN_NONE,
	CONFIG_ADE_LOGIN_DIGEST,
	CONFIG_ADE_LOGIN_DIGEST_MD5
};

enum config_role { CONFIG_ROLE_VIEWER, CONFIG_ROLE_OPERATOR, CONFIG_ROLE_ADMIN };

/*
 * The modes of what the conf names: pomonad does not start with a bit that is forbidden. A group that may read the key
 * (0640 root:ssl-cert) is the administrator's will, and so is one that may enter the folder, for the socket in it.
 */
enum {
	CONFIG_TLS_KEY_FORBIDDEN = 0037,
	CONFIG_STATE_DIR_FORBIDDEN = 0022,
	CONFIG_STATE_DIR_UNWANTED = 0007,
};

enum {
	CONFIG_FILE_BYTES_MAX = 1048576,
	CONFIG_LINE_BYTES_MAX = 4096,
	CONFIG_HEADER_BYTES_MAX = 63
};

/*
 * Strings are owned and never NULL. Paths are absolute: a relative one was joined to the conf
 * file's folder, a leading "${state_dir}" was replaced, and a "credential:NAME" is the file of that name in
 * $CREDENTIALS_DIRECTORY, or where systemd lays it for pomonad.service.
 */
struct config {
	struct {
		char *hostname;   /* [server] the name devices reach us under */
		char *state_dir;  /* database, keys, lock */
		char *database;   /* default <state_dir>/pomona.db */
		char *master_key; /* default <state_dir>/master.key */
		enum log_level log_level;
		int64_t writer_queue_max;  /* jobs that may wait for the writer */
		int64_t signing_queue_max; /* signatures by our CA that may wait */
		int64_t signing_percent;   /* of one core, for them */
		int64_t last_seen_flush_s; /* how often gathered last-seen times are written */
		int64_t drain_s;           /* how long SIGTERM waits for what is under way */
		enum config_yes_no core_dumps;
	} server;
	struct {
		char *listen;          /* [device] host:port, [v6]:port */
		char *listen_plain;    /* as `listen`, without TLS; empty: none */
		char *tls_certificate; /* PEM, leaf first */
		char *tls_key;
		int64_t tls_renew_days; /* one of our own root, before its end; 0: never */
		int64_t threads;        /* 0: one a core */
		int64_t connections_max;
		int64_t connections_per_address; /* 0: no limit, as for the two below; IPv6 by /64 */
		int64_t handshakes_per_s;
		int64_t handshakes_per_address_per_s;
		int64_t idle_timeout_s;
		int64_t header_timeout_s; /* these two: absolute */
		int64_t body_timeout_s;
		int64_t header_bytes_max;
		int64_t checkin_bytes_max;
		int64_t result_bytes_max;
		int64_t body_bytes_total_max; /* all bodies under way; at least result_bytes_max */
		char *proxies;                /* see networks_parse(); empty: none */
		enum config_switch identity_tls, identity_signature;
		char *identity_header;  /* the header in which a proxy passes a certificate on; empty: none */
		int64_t signing_skew_s; /* 0: the time of a signature is not looked at */
		enum config_unknown_device unknown_device;
		int64_t unenroll_fuse; /* automatic unenrollments an hour */
		enum config_user_authenticate user_authenticate;
	} device;
	struct {
		enum config_switch scep;   /* [enroll] */
		char *scep_challenge_file; /* empty: none */
		int64_t identity_days;
		int64_t challenge_grace_s;
		int64_t crl_valid_s;
		int64_t renew_before; /* days; 0: identities are not renewed */
		enum config_yes_no ota_encrypt;
		char *policy_url; /* empty: none */
		int64_t policy_timeout_s;
		enum config_policy_when_silent policy_when_silent;
		char *policy_ca_file;               /* empty: the system's */
		enum config_yes_no auto_configured; /* DeviceConfigured by itself */
		int64_t setup_wait_s;
		char *organization;       /* empty: none */
		char *profile_identifier; /* empty: of the hostname */
		char *url;                /* https://..., empty: of the hostname and the listener's port */
		char *topic;              /* empty: of the one push certificate */
		char *acme_directory_url; /* empty: none */
		int64_t access_rights;
		enum config_yes_no check_out_when_removed, sign_message;
		enum config_ade_devices ade_devices;
		enum config_ade_signature ade_signature;
		enum config_ade_login ade_login;
		enum config_yes_no ade_encrypt;
		char *minimum_os_ios, *minimum_os_ipados, *minimum_os_macos; /* empty: any */
		char *sso_profile_url, *sso_auth_url, *sso_manifest_url;     /* all or none */
		enum config_switch account_byod, account_adde;
		int64_t access_token_days; /* 0: for ever */
	} enroll;
	struct {
		char *file;  /* [users] */
		char *realm; /* not empty */
	} users;
	struct {
		char *listen;                          /* [admin] loopback by default; empty: none */
		enum config_yes_no allow_remote_plain; /* `listen` may be no loopback address */
		char *socket;                 /* Unix socket path; empty: none; default /run/pomona/admin.sock */
		char *socket_group;           /* group that may use it without a token; empty: none */
		enum config_role socket_role; /* of its members */
		int64_t connections_max;
		int64_t body_bytes_max;
	} admin;
	struct { /* [history] days that what is finished is kept; 0: for ever */
		int64_t done_days;
		int64_t failed_days;
		int64_t cancelled_days;
		int64_t expired_days;
		int64_t queries_days; /* replaced answers; 0: as done_days */
		int64_t messages_days;
		int64_t pending_days;
		int64_t escrow_days;
		int64_t tokens_days;
		int64_t unenrollments_days;
		int64_t intents_days;
	} history;
	struct {
		char *proxy; /* [net] host:port that is asked to CONNECT; empty: none */
	} net;
	struct {
		char *server;            /* [push] host:port of APNs */
		char *ca_file;           /* PEM; who APNs must be signed by; empty: the system's store */
		int64_t connections_max; /* a topic */
		int64_t rate_per_s;      /* pushes; 0: no cap */
		int64_t expiration_s;    /* how long APNs keeps a push; 0: one attempt */
		enum config_push_priority priority;
		int64_t retry_first_s;    /* the first gap after an unanswered push; doubles ... */
		int64_t retry_max_s;      /* ... up to this */
		int64_t probe_interval_s; /* 0: no probes */
		int64_t inactive_after_s; /* 0: never */
		int64_t ping_interval_s;  /* 0: never */
	} push;
};

enum config_type {
	CONFIG_TYPE_TEXT,
	CONFIG_TYPE_PATH,
	CONFIG_TYPE_CREDENTIAL, /* a path, or credential:NAME */
	CONFIG_TYPE_INTEGER,
	CONFIG_TYPE_CHOICE,
	CONFIG_TYPE_HOSTNAME, /* a DNS name or an IP address */
	CONFIG_TYPE_ADDRESS,  /* host:port or [v6]:port; port 0 lets the kernel choose */
	CONFIG_TYPE_NETWORKS, /* see networks_parse() */
	CONFIG_TYPE_HEADER,   /* the name of an HTTP header */
	CONFIG_TYPE_COUNT
};

/* One row of the table, for the documentation test, `pomonactl init` and the man page. */
struct config_key {
	const char *section;
	const char *name;
	enum config_type type;
	bool is_empty_allowed; /* "key =" switches the thing off */
	bool is_reloadable;    /* SIGHUP takes it over */
	int64_t min, max;      /* INTEGER */
	const char *choices;   /* CHOICE: words separated by '|' in the order of the enum */
	const char *fallback; /* the default as conf text, may begin with "${state_dir}"; NULL: required */
	const char *unit;     /* "s", "bytes", "jobs", ... or "" */
	const char *help;     /* one line */
	size_t offset;        /* in struct config */
};

const struct config_key *config_keys(size_t *count_r);

/*
 * Reads `path`. On failure every fault of the file is a line in `faults` (which may be NULL):
 * "FILE:LINE: [section] key: rule", and RC_INVALID (or RC_NOT_FOUND, RC_LIMIT, RC_IO) is returned
 * with the first one in `err`. Says nothing about the files that the conf names. The caller owns
 * *config_r.
 */
enum rc config_load(const char *path, struct config **config_r, struct buf *faults, struct err *err)
	MUST_USE;
void config_free(struct config **config);

/*
 * The parts of an ADDRESS; the host is borrowed from it, and an IPv6 address stands without its
 * brackets. False where it is none.
 */
bool config_address_split(const char *address, struct slice *host_r, uint16_t *port_r) MUST_USE;

/* Does it name this machine alone: localhost, 127.0.0.0/8, ::1 (without brackets)? */
bool config_host_is_loopback(struct slice host);

/* Keys that differ between the two and are not reloadable, one "section.name" a line. */
void config_diff_fixed(const struct config *old, const struct config *fresh, struct buf *names);

#endif
