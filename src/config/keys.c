/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/config/config.h"

#include "internal.h"

#define KEY(section_, field_, ...) \
	{ \
		.section = #section_, .name = #field_, .offset = offsetof(struct config, section_.field_), \
		__VA_ARGS__ \
	}
#define INTEGER(min_, max_, fallback_, unit_) \
	.type = CONFIG_TYPE_INTEGER, .min = (min_), .max = (max_), .fallback = (fallback_), .unit = (unit_)
#define CHOICE(choices_, fallback_) \
	.type = CONFIG_TYPE_CHOICE, .choices = (choices_), .fallback = (fallback_), .unit = ""
#define TYPE(type_, fallback_) .type = CONFIG_TYPE_##type_, .fallback = (fallback_), .unit = ""
#define RELOADABLE .is_reloadable = true
#define EMPTY_ALLOWED .is_empty_allowed = true
#define HELP(text) .help = (text)

/* The single truth about the conf file: conf/pomona.conf and the man page are held against it. */
static const struct config_key keys[] = {
	KEY(server, hostname, TYPE(HOSTNAME, NULL),
		HELP("The name under which devices reach this server; its TLS certificate must carry it.")),
	KEY(server, state_dir, TYPE(PATH, NULL),
		HELP("Folder of the database, the keys and the lock; only the server's user may enter it.")),
	KEY(server, database, TYPE(PATH, CONFIG_STATE_DIR "/pomona.db"),
		HELP("The SQLite database; its -wal file lies beside it. Nobody else can open it meanwhile.")),
	KEY(server, master_key, TYPE(CREDENTIAL, CONFIG_STATE_DIR "/master.key"),
		HELP("The file of the keys that seal secrets in the database; back it up apart from it.")),
	KEY(server, log_level, CHOICE("error|warning|info|debug", "info"), RELOADABLE,
		HELP("The least important events that are still logged.")),
	KEY(server, writer_queue_max, INTEGER(1, 1000000, "4096", "jobs"),
		HELP("Requests that may wait for the database; past it devices get 503 and come again.")),
	KEY(server, signing_queue_max, INTEGER(1, 100000, "256", "jobs"),
		HELP("Certificates that may wait for the device CA's signature; past it 503.")),
	KEY(server, signing_percent, INTEGER(1, 100, "50", "percent"),
		HELP("How much of one core issuing certificates may take from those who poll.")),
	KEY(server, last_seen_flush_s, INTEGER(1, 3600, "15", "s"),
		HELP("How often the times at which devices were last seen are written.")),
	KEY(server, drain_s, INTEGER(0, 600, "10", "s"),
		HELP("How long a stop waits for requests that are under way.")),
	KEY(server, core_dumps, CHOICE("no|yes", "no"),
		HELP("Whether a crash may leave a core dump, which holds the keys; debuggers may attach, too.")),

	KEY(device, listen, TYPE(ADDRESS, "0.0.0.0:8443"),
		HELP("Address and port for devices, with TLS; [::]:8443 for IPv6.")),
	KEY(device, listen_plain, TYPE(ADDRESS, ""), EMPTY_ALLOWED,
		HELP("Address and port without TLS, for the proxies and for SCEP; empty for none.")),
	KEY(device, tls_certificate, TYPE(PATH, NULL), RELOADABLE,
		HELP("PEM file of the TLS certificate and its chain, the server's own first.")),
	KEY(device, tls_key, TYPE(PATH, NULL), RELOADABLE,
		HELP("PEM file of the TLS certificate's private key; P-256 is cheapest.")),
	KEY(device, tls_renew_days, INTEGER(0, 365, "30", "days"), RELOADABLE,
		HELP("A certificate that `pomonactl init` made is renewed so long before its end; 0 for never.")),
	KEY(device, threads, INTEGER(0, 256, "0", "threads"),
		HELP("Threads that serve devices; 0 takes one for each core.")),
	KEY(device, connections_max, INTEGER(1, 1000000, "20000", "connections"),
		HELP("Open connections of devices; more are refused.")),
	KEY(device, connections_per_address, INTEGER(0, 1000000, "2000", "connections"),
		HELP("Open connections of one address (IPv6: of one /64); more are closed. 0 for no limit.")),
	KEY(device, handshakes_per_s, INTEGER(0, 1000000, "2000", "connections a second"),
		HELP("New connections of all devices together; more are closed. 0 for no limit.")),
	KEY(device, handshakes_per_address_per_s, INTEGER(0, 1000000, "1000", "connections a second"),
		HELP("New connections of one address (IPv6: of one /64); more are closed. 0 for no limit.")),
	KEY(device, idle_timeout_s, INTEGER(1, 3600, "60", "s"),
		HELP("A connection on which nothing moves for this long is closed.")),
	KEY(device, header_timeout_s, INTEGER(1, 3600, "30", "s"),
		HELP("The TLS handshake, and then a request's head, must be there in so long, or it is closed.")),
	KEY(device, body_timeout_s, INTEGER(1, 86400, "600", "s"),
		HELP(
			"A body must come in so long (a stranger's: header_timeout_s), its reply be read in so long, or it is closed.")),
	KEY(device, header_bytes_max, INTEGER(4096, 32768, "24576", "bytes"),
		HELP("Request line and headers together; past it 431.")),
	KEY(device, checkin_bytes_max, INTEGER(4096, 16777216, "1048576", "bytes"), RELOADABLE,
		HELP("The body of a check-in message; past it 413.")),
	KEY(device, result_bytes_max, INTEGER(4096, 268435456, "33554432", "bytes"), RELOADABLE,
		HELP("The body of a command's result; past it 413.")),
	KEY(device, body_bytes_total_max, INTEGER(4096, 17179869184, "268435456", "bytes"),
		HELP(
			"All bodies under way together (strangers': a quarter); past it 503. At least result_bytes_max.")),
	KEY(device, proxies, TYPE(NETWORKS, ""), EMPTY_ALLOWED,
		HELP(
			"Proxies that are believed: identity_header, X-Forwarded-For, listen_plain. Empty for none.")),
	KEY(device, identity_tls, CHOICE("on|off", "on"), RELOADABLE,
		HELP("Devices may be known by the client certificate of their TLS connection.")),
	KEY(device, identity_signature, CHOICE("on|off", "on"), RELOADABLE,
		HELP("Devices may be known by the signature of their messages, Mdm-Signature.")),
	KEY(device, identity_header, TYPE(HEADER, "Client-Cert"), EMPTY_ALLOWED, RELOADABLE,
		HELP("Devices may be known by this header of the proxies, their certificate; empty for none.")),
	KEY(device, signing_skew_s, INTEGER(0, 604800, "0", "s"), RELOADABLE,
		HELP("How far the time in a signature may be from now; one without is refused. 0 for any.")),
	KEY(device, unknown_device, CHOICE("refuse|unenroll", "refuse"), RELOADABLE,
		HELP("A device with an identity of ours that is not known: refuse (403), or unenroll (401).")),
	KEY(device, unenroll_fuse, INTEGER(0, 1000000, "10", "devices an hour"), RELOADABLE,
		HELP("With unknown_device = unenroll: more than this are only refused, and an alarm is raised.")),
	KEY(device, user_authenticate, CHOICE("gone|empty_challenge|digest", "gone"), RELOADABLE,
		HELP(
			"Users of a Mac: gone (410, not managed), empty_challenge (no password), digest ([users]).")),

	KEY(enroll, scep, CHOICE("on|off", "on"), RELOADABLE,
		HELP("SCEP on the device listener, at /scep; the device CA must have an RSA key.")),
	KEY(enroll, scep_challenge_file, TYPE(PATH, ""), EMPTY_ALLOWED, RELOADABLE,
		HELP("File with one challenge that works for everybody and always; empty for none.")),
	KEY(enroll, identity_days, INTEGER(1, 3650, "365", "days"), RELOADABLE,
		HELP("How long identities that are issued to devices are good.")),
	KEY(enroll, challenge_grace_s, INTEGER(0, 2592000, "86400", "s"), RELOADABLE,
		HELP("How long the key that used a challenge gets its certificate by it once more.")),
	KEY(enroll, crl_valid_s, INTEGER(60, 31536000, "604800", "s"), RELOADABLE,
		HELP("When the list of revoked identities, at /crl, says that the next one is due.")),
	KEY(enroll, renew_before, INTEGER(0, 3650, "60", "days"), RELOADABLE,
		HELP(
			"So long before its end a device's identity is renewed, half of its life at most; 0 for never.")),
	KEY(enroll, ota_encrypt, CHOICE("no|yes", "no"), RELOADABLE,
		HELP("Whether the last profile of enrolling over the air is encrypted to its device.")),
	KEY(enroll, policy_url, TYPE(TEXT, ""), EMPTY_ALLOWED,
		HELP(
			"Who may refuse an identity by SCEP: unix:/PATH of a socket, or https://HOST/PATH; empty for nobody.")),
	KEY(enroll, policy_timeout_s, INTEGER(1, 60, "10", "s"),
		HELP("How long an answer of the policy service may take.")),
	KEY(enroll, policy_when_silent, CHOICE("refuse|allow", "refuse"),
		HELP(
			"Without an answer of the policy service: refuse for now (503: clients come again), or allow.")),
	KEY(enroll, policy_ca_file, TYPE(PATH, ""), EMPTY_ALLOWED,
		HELP("PEM file of CAs that the policy service must be signed by; empty for the system's.")),
	KEY(enroll, auto_configured, CHOICE("no|yes", "yes"), RELOADABLE,
		HELP("Whether devices in Setup Assistant are let go after the commands that wait for them.")),
	KEY(enroll, setup_wait_s, INTEGER(0, 604800, "900", "s"), RELOADABLE,
		HELP("They are let go after so long though commands are still open.")),
	KEY(enroll, organization, TYPE(TEXT, ""), EMPTY_ALLOWED, RELOADABLE,
		HELP("Who manages the devices, as the enrollment profile says; empty for nobody named.")),
	KEY(enroll, profile_identifier, TYPE(TEXT, ""), EMPTY_ALLOWED, RELOADABLE,
		HELP(
			"Identifier of the enrollment profile, never to change; empty for the hostname's, reversed.")),
	KEY(enroll, url, TYPE(TEXT, ""), EMPTY_ALLOWED, RELOADABLE,
		HELP("Under which devices reach this server; empty for https, hostname and the device port.")),
	KEY(enroll, topic, TYPE(TEXT, ""), EMPTY_ALLOWED, RELOADABLE,
		HELP("Topic that devices enroll with; empty for that of the only push certificate.")),
	KEY(enroll, acme_directory_url, TYPE(TEXT, ""), EMPTY_ALLOWED, RELOADABLE,
		HELP(
			"Directory of an ACME server that gives devices their identity, where asked; empty for none.")),
	KEY(enroll, access_rights, INTEGER(1, 8191, "8191", "sum"), RELOADABLE,
		HELP("What may be done with devices, as a sum of rights: 2 needs 1, and 128 needs 64.")),
	KEY(enroll, check_out_when_removed, CHOICE("no|yes", "yes"), RELOADABLE,
		HELP("Whether devices say so when their enrollment profile is removed.")),
	KEY(enroll, sign_message, CHOICE("no|yes", "no"), RELOADABLE,
		HELP(
			"Whether devices sign each message, as behind a proxy that ends TLS; see identity_signature.")),
	KEY(enroll, ade_devices, CHOICE("listed|all|none", "listed"), RELOADABLE,
		HELP("Automated Device Enrollment: devices that an admin named (listed), all, or none.")),
	KEY(enroll, ade_signature, CHOICE("apple|any", "apple"), RELOADABLE,
		HELP("Who must have signed what such a device says: its Apple certificate, or any, for trials.")),
	KEY(enroll, ade_login, CHOICE("none|digest|digest_md5", "none"), RELOADABLE,
		HELP("Whether the person at such a device must log in, by HTTP Digest; who may: [users].")),
	KEY(enroll, ade_encrypt, CHOICE("no|yes", "no"), RELOADABLE,
		HELP("Whether such a device's profile is encrypted to the certificate that it signed with.")),
	KEY(enroll, minimum_os_ios, TYPE(TEXT, ""), EMPTY_ALLOWED, RELOADABLE,
		HELP("An iPhone in Setup Assistant is updated to this version first, e.g. 17.5; empty for any.")),
	KEY(enroll, minimum_os_ipados, TYPE(TEXT, ""), EMPTY_ALLOWED, RELOADABLE,
		HELP("The same for an iPad.")),
	KEY(enroll, minimum_os_macos, TYPE(TEXT, ""), EMPTY_ALLOWED, RELOADABLE,
		HELP("The same for a Mac.")),
	KEY(enroll, sso_profile_url, TYPE(TEXT, ""), EMPTY_ALLOWED, RELOADABLE,
		HELP("Profile of Platform SSO, which a Mac in Setup Assistant logs in by; empty for none.")),
	KEY(enroll, sso_auth_url, TYPE(TEXT, ""), EMPTY_ALLOWED, RELOADABLE,
		HELP("Where it logs in; with sso_profile_url.")),
	KEY(enroll, sso_manifest_url, TYPE(TEXT, ""), EMPTY_ALLOWED, RELOADABLE,
		HELP("Manifest of the package with the app for it; with sso_profile_url.")),
	KEY(enroll, account_byod, CHOICE("on|off", "off"), RELOADABLE,
		HELP("Whether people may enroll their own devices with their account (user enrollment).")),
	KEY(enroll, account_adde, CHOICE("on|off", "off"), RELOADABLE,
		HELP("Whether people may enroll the organization's devices with their account.")),
	KEY(enroll, access_token_days, INTEGER(0, 3650, "90", "days"), RELOADABLE,
		HELP("How long such a login lasts; then the device asks for the password again. 0 for ever.")),

	KEY(users, file, TYPE(PATH, CONFIG_STATE_DIR "/users"),
		HELP("Who may log in, as `pomonactl user` keeps them; it need not be there.")),
	KEY(users, realm, TYPE(TEXT, "Device management"), RELOADABLE,
		HELP("What people are told they log in to; passwords are kept for it: change it before them.")),

	KEY(admin, listen, TYPE(ADDRESS, "127.0.0.1:8080"), EMPTY_ALLOWED,
		HELP("Address and port of the admin API and web pages, without TLS: loopback; empty for none.")),
	KEY(admin, allow_remote_plain, CHOICE("no|yes", "no"),
		HELP("Whether listen may be another address: tokens then cross the network in clear.")),
	KEY(admin, socket, TYPE(PATH, "/run/pomona/admin.sock"), EMPTY_ALLOWED,
		HELP("Unix socket of the admin API, which pomonactl uses; empty for none.")),
	KEY(admin, socket_group, TYPE(TEXT, ""), EMPTY_ALLOWED,
		HELP(
			"Group that may use the socket without a token; empty for root and the server's user only.")),
	KEY(admin, socket_role, CHOICE("viewer|operator|admin", "admin"), RELOADABLE,
		HELP("What members of that group may do without a token; root and the server's user are admin.")),
	KEY(admin, connections_max, INTEGER(1, 65536, "256", "connections"),
		HELP("Open connections to the admin API; more are refused.")),
	KEY(admin, body_bytes_max, INTEGER(4096, 1073741824, "67108864", "bytes"),
		HELP("The body of an admin request; past it 413.")),

	KEY(history, done_days, INTEGER(0, 36500, "365", "days"), RELOADABLE,
		HELP("Commands that a device carried out, with its answers, are kept so long; 0 for ever.")),
	KEY(history, failed_days, INTEGER(0, 36500, "365", "days"), RELOADABLE,
		HELP("Commands that a device refused, with its answers, are kept so long; 0 for ever.")),
	KEY(history, cancelled_days, INTEGER(0, 36500, "90", "days"), RELOADABLE,
		HELP("Cancelled commands are kept so long, and a late answer is taken; 0 for ever.")),
	KEY(history, expired_days, INTEGER(0, 36500, "90", "days"), RELOADABLE,
		HELP("Expired commands are kept so long, and a late answer is taken; 0 for ever.")),
	KEY(history, queries_days, INTEGER(0, 36500, "30", "days"), RELOADABLE,
		HELP("Answers to queries that a newer one replaces are kept so long; 0 as done_days.")),
	KEY(history, messages_days, INTEGER(0, 36500, "90", "days"), RELOADABLE,
		HELP("The latest raw check-in messages of each device are kept so long; 0 for ever.")),
	KEY(history, pending_days, INTEGER(0, 36500, "30", "days"), RELOADABLE,
		HELP("An Authenticate that no TokenUpdate followed is kept so long; 0 for ever.")),
	KEY(history, escrow_days, INTEGER(0, 36500, "365", "days"), RELOADABLE,
		HELP("Unlock and bootstrap tokens of former enrollments are kept so long; 0 for ever.")),
	KEY(history, tokens_days, INTEGER(0, 36500, "365", "days"), RELOADABLE,
		HELP("API tokens that were revoked or have ended are listed so long; 0 for ever.")),
	KEY(history, unenrollments_days, INTEGER(0, 36500, "730", "days"), RELOADABLE,
		HELP("The record of devices that were told to unenroll is kept so long; 0 for ever.")),
	KEY(history, intents_days, INTEGER(0, 36500, "90", "days"), RELOADABLE,
		HELP(
			"Challenges past their end, and SCEP's transactions past their identity's, are kept so long; 0 for ever.")),

	KEY(net, proxy, TYPE(ADDRESS, ""), EMPTY_ALLOWED,
		HELP("HTTP proxy that outbound connections ask to CONNECT; empty for none.")),

	KEY(push, server, TYPE(ADDRESS, "api.push.apple.com:443"),
		HELP("Apple's push service (APNs); it listens on port 2197 too, for firewalls.")),
	KEY(push, ca_file, TYPE(PATH, ""), EMPTY_ALLOWED,
		HELP("PEM file of the CAs that may sign the push server; empty for the system's.")),
	KEY(push, connections_max, INTEGER(1, 16, "2", "connections"),
		HELP("Connections to the push server, for each topic.")),
	KEY(push, rate_per_s, INTEGER(0, 1000000, "1000", "pushes a second"), RELOADABLE,
		HELP("So many devices are woken in a second at most; urgent commands go first. 0 for no cap.")),
	KEY(push, expiration_s, INTEGER(0, 2592000, "604800", "s"), RELOADABLE,
		HELP("How long Apple keeps a push for a device that is offline; 0 for a single attempt.")),
	KEY(push, priority, CHOICE("10|5|1", "10"), RELOADABLE,
		HELP("apns-priority: 10 at once, 5 with regard to the device's power, 1 without waking it.")),
	KEY(push, retry_first_s, INTEGER(1, 86400, "60", "s"), RELOADABLE,
		HELP("After so long without an answer a device with work is pushed again; the gap doubles.")),
	KEY(push, retry_max_s, INTEGER(1, 604800, "21600", "s"), RELOADABLE,
		HELP("The longest gap between such pushes. At least retry_first_s.")),
	KEY(push, probe_interval_s, INTEGER(0, 2592000, "86400", "s"), RELOADABLE,
		HELP("A device that was silent for so long is pushed even without work; 0 for never.")),
	KEY(push, inactive_after_s, INTEGER(0, 31536000, "604800", "s"), RELOADABLE,
		HELP("A device that was silent for so long is shown as inactive until it comes; 0 for never.")),
	KEY(push, ping_interval_s, INTEGER(0, 3600, "600", "s"),
		HELP("A connection to the push server that is idle for so long is probed; 0 for never.")),
};
_Static_assert(COUNT_OF(keys) <= CONFIG_KEYS_MAX, "the loader remembers a line for each key");

const struct config_key *config_keys(size_t *count_r)
{
	*count_r = COUNT_OF(keys);
	return keys;
}

const struct config_key *config_key_find(struct slice section, struct slice name)
{
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		if (slice_is_str(section, keys[i].section) && slice_is_str(name, keys[i].name))
			return &keys[i];
	return NULL;
}

bool config_section_is_known(struct slice section)
{
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		if (slice_is_str(section, keys[i].section))
			return true;
	return false;
}

const char *config_section_of_key(struct slice name)
{
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		if (slice_is_str(name, keys[i].name))
			return keys[i].section;
	return NULL;
}
