/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pomona/base/codec.h"
#include "pomona/pki/seal.h"
#include "pomona/store/backup.h"

enum { CONNECT_TIMEOUT_MS = 5000, ADDRESSES_TRIED = 4, PORT_TEXT_BYTES = 8, HOST_TEXT_BYTES = 256 };

/* --- asking the daemon */

/* api_call() without its words to people: they become the finding's. The caller frees *said_r. */
static int ask(const struct doctor *doctor, const char *path, struct answer *answer, char **said_r)
{
	struct ctl quiet = *doctor->ctl;
	size_t size = 0;
	int status;

	*said_r = NULL;
	quiet.is_json = false;
	quiet.err = open_memstream(said_r, &size);
	if (quiet.err == NULL)
		quiet.err = doctor->ctl->err;
	status = api_call(&quiet, "GET", path, slice_of(NULL, 0), answer);
	if (quiet.err != doctor->ctl->err)
		(void)fclose(quiet.err);
	if (*said_r != NULL)
		(*said_r)[strcspn(*said_r, "\n")] = '\0';
	return status;
}

/* "pomonactl: ..." without its head. */
static const char *words_of(const char *said)
{
	const char *colon = said != NULL ? strstr(said, ": ") : NULL;

	return colon != NULL ? colon + 2 : "no answer";
}

static void look_at_certificates(struct doctor *doctor, const struct json_value *rows)
{
	static const struct {
		const char *what, *name, *advice;
	} kinds[] = {
		{"tls", "TLS in force", "renew the files and reload pomonad"},
		{"device_ca", "device CA", "devices have to enroll anew under another CA in time"},
		{"push", "push certificate",
			"renew it at Apple's portal with the same Apple Account, then `pomonactl pushcert set`"},
		{"anchor", "trusted CA", "trust its successor with `pomonactl ca add`"},
	};
	bool has_push = false;

	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);
		int64_t not_after = 0;

		if (time_parse(slice_of_str(json_text(row, "not_after")), &not_after, NULL) != RC_OK)
			continue;
		for (size_t k = 0; k < COUNT_OF(kinds); k++) {
			if (strcmp(kinds[k].what, json_text(row, "what")) != 0)
				continue;
			has_push = has_push || strcmp(kinds[k].what, "push") == 0;
			doctor_find_end(doctor, kinds[k].name, json_text(row, "subject"), not_after, kinds[k].advice);
		}
	}
	if (!has_push)
		doctor_find(doctor, FINDING_WARNING, "push certificate", "`pomonactl pushcert set FILE`",
			"there is none: no device is woken");
}

static void look_at_topics(struct doctor *doctor, const struct json_value *topics)
{
	static const struct {
		const char *state;
		enum finding_level level;
		const char *advice;
	} states[] = {
		{"stopped", FINDING_FAULT,
			"`pomonactl alarms` says more; mend the certificate, then `pushcert test ID`"},
		{"waiting", FINDING_FAULT, "look at the network, the proxy, then Apple's system status page"},
		{"expired", FINDING_FAULT, "renew the push certificate"},
		{"no_certificate", FINDING_FAULT,
			"set the push certificate of this topic: its devices are not woken"},
	};

	for (size_t i = 0; i < json_count(topics); i++) {
		const struct json_value *topic = json_at(topics, i);
		enum finding_level level = FINDING_OK;
		const char *advice = NULL;

		for (size_t k = 0; k < COUNT_OF(states); k++)
			if (strcmp(states[k].state, json_text(topic, "state")) == 0) {
				level = states[k].level;
				advice = states[k].advice;
			}
		doctor_find(doctor, level, "push topic", advice, "%s is %s %s", json_text(topic, "topic"),
			json_text(topic, "state"), json_text(topic, "why"));
	}
}

static void look_at_alarms(struct doctor *doctor, const struct json_value *rows)
{
	for (size_t i = 0; i < json_count(rows); i++)
		doctor_find(doctor, FINDING_FAULT, "alarm",
			"the page about operations tells what each alarm asks for; `pomonactl alarm clear KIND SUBJECT`",
			"%s %s: %s", json_text(json_at(rows, i), "kind"), json_text(json_at(rows, i), "subject"),
			json_text(json_at(rows, i), "text"));
}

static bool is_true(const struct json_value *object, const char *key)
{
	const struct json_value *value = json_get(object, key);

	return value != NULL && json_kind(value) == JSON_KIND_BOOL && json_bool(value);
}

static bool is_null(const struct json_value *object, const char *key)
{
	const struct json_value *value = json_get(object, key);

	return value != NULL && json_kind(value) == JSON_KIND_NULL;
}

static void look_at_status(struct doctor *doctor, const struct json_value *json)
{
	if (is_true(json, "ready"))
		doctor_find(doctor, FINDING_OK, "pomonad", NULL, "answers, version %s",
			json_text(json, "version"));
	else
		doctor_find(doctor, FINDING_FAULT, "pomonad", "wait for its start or stop, and look at its log",
			"answers, but is not ready");
	look_at_certificates(doctor, json_get(json, "certificates"));
	look_at_topics(doctor, json_get(json_get(json, "push"), "topics"));
	look_at_alarms(doctor, json_get(json, "alarms"));
}

/* --- the database */

#define DATABASE_ADVICE \
	"stop pomonad, keep what there is, and restore a backup: `pomonactl restore FILE`"

static void ask_integrity(struct doctor *doctor)
{
	struct answer answer;
	char *said;
	const int status = ask(doctor, "/api/v1/integrity", &answer, &said);

	if (status != 0)
		doctor_find(doctor, FINDING_WARNING, "database", "ask again later", "was not checked: %s",
			words_of(said));
	else if (is_true(answer.json, "is_intact"))
		doctor_find(doctor, FINDING_OK, "database", NULL, "intact");
	else if (is_null(answer.json, "is_intact"))
		doctor_find(doctor, FINDING_WARNING, "database",
			"`pomonactl backup FILE` checks all of its copy, however long that takes", "%s",
			json_text(answer.json, "fault"));
	else
		doctor_find(doctor, FINDING_FAULT, "database", DATABASE_ADVICE, "%s",
			json_text(answer.json, "fault"));
	answer_fini(&answer);
	free(said);
}

static void read_integrity(struct doctor *doctor)
{
	AUTO(keyring_free) struct keyring *keyring = NULL;
	const char *path = doctor->config->server.database;
	struct store_file_facts facts;
	struct err err = {.rc = RC_OK};
	enum rc rc;

	if (keyring_load(doctor->config->server.master_key, &keyring, NULL) != RC_OK)
		keyring = NULL; /* its own finding says so */
	rc = store_check_stopped(path, keyring, &facts, &err);
	if (rc == RC_OK)
		doctor_find(doctor, FINDING_OK, "database", NULL,
			"intact, schema %" PRId64 ", %" PRId64 " enrolled", facts.schema_version, facts.devices);
	else if (rc == RC_BUSY)
		doctor_find(doctor, FINDING_FAULT, "database",
			"it starts, stops or hangs: look at its log, then at the disk", "%s", err.text);
	else if (rc == RC_DENIED)
		doctor_find(doctor, FINDING_FAULT, "database",
			"put the master key that belongs to this database in its place", "%s", err.text);
	else
		doctor_find(doctor, FINDING_FAULT, "database", DATABASE_ADVICE, "%s", err.text);
}

void doctor_look_at_server(struct doctor *doctor)
{
	struct answer answer;
	char *said;
	const int status = ask(doctor, "/api/v1/status", &answer, &said);

	if (status == 0) {
		look_at_status(doctor, answer.json);
		ask_integrity(doctor);
	} else {
		doctor_find(doctor, FINDING_FAULT, "pomonad",
			"`systemctl start pomonad`, then `journalctl -u pomonad -p warning`", "%s", words_of(said));
		if (doctor->config != NULL)
			read_integrity(doctor);
	}
	answer_fini(&answer);
	free(said);
}

/* --- the push server */

static bool connect_one(const struct addrinfo *address)
{
	const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
	socklen_t len = sizeof(int);
	int fault = 0;

	if (fd < 0)
		return false;
	if (connect(fd, address->ai_addr, address->ai_addrlen) != 0)
		fault = errno;
	if (fault == EINPROGRESS) {
		fault = poll(&poll_fd, 1, CONNECT_TIMEOUT_MS) == 1 ? 0 : ETIMEDOUT;
		if (fault == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &len) != 0)
			fault = errno;
	}
	(void)close(fd);
	errno = fault;
	return fault == 0;
}

/* NULL: it came about; else why not. */
static const char *connect_to(const char *host, const char *port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	const char *why = "it has no address";
	const int fault = getaddrinfo(host, port, &hints, &list);
	int tried = 0;

	if (fault != 0)
		return gai_strerror(fault);
	for (const struct addrinfo *at = list; why != NULL && at != NULL && tried < ADDRESSES_TRIED;
						at = at->ai_next, tried++)
		why = connect_one(at) ? NULL : strerrordesc_np(errno);
	freeaddrinfo(list);
	return why;
}

void doctor_look_at_push(struct doctor *doctor)
{
	const struct config *config = doctor->config;
	const bool has_proxy = config->net.proxy[0] != '\0';
	const char *address = has_proxy ? config->net.proxy : config->push.server;
	const char *name = has_proxy ? "proxy" : "push server";
	char host[HOST_TEXT_BYTES];
	char port_text[PORT_TEXT_BYTES];
	struct slice host_slice;
	uint16_t port;
	const char *why;

	if (!config_address_split(address, &host_slice, &port) || host_slice.len >= sizeof(host))
		return;
	(void)snprintf(host, sizeof(host), "%.*s", SLICE_FMT(host_slice));
	(void)snprintf(port_text, sizeof(port_text), "%u", (unsigned)port);
	why = connect_to(host, port_text);
	doctor_find(doctor, why == NULL ? FINDING_OK : FINDING_FAULT, name,
		has_proxy ? "look at [net] proxy, and whether the proxy runs"
												: "let this machine reach it through the firewall, or name the proxy in [net] proxy",
		"%s %s%s", address,
		why == NULL ? "can be reached" : "cannot be reached: ", why == NULL ? "" : why);
}
