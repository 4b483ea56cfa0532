/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <errno.h>
#include <ini.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/file.h"

/* One run over a conf text. */
struct loading {
	const struct config_source *source;
	struct config *config; /* owned until handed out */
	struct config_reader reader;
	bool is_section_lost;        /* its line was refused: its keys are neither known nor unknown */
	int set_at[CONFIG_KEYS_MAX]; /* line on which a key of the table was set; 0: not yet */
	size_t fault_count;
	struct buf *faults;
	struct err *err;
	enum rc rc; /* RC_OK, or the first fault's code */
};

static void fault(struct loading *loading, int line, enum rc rc, const char *format, ...)
	PRINTF_LIKE(4, 5);

static void fault(struct loading *loading, int line, enum rc rc, const char *format, ...)
{
	char text[ERR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (loading->faults != NULL)
		buf_printf(loading->faults, "%s:%d: %s\n", loading->source->name, line, text);
	if (loading->rc == RC_OK)
		loading->rc = err_set(loading->err, rc, "%s:%d: %s", loading->source->name, line, text);
}

static void check_section(struct loading *loading)
{
	struct slice name = config_line_section(loading->reader.line);
	const char *nearest;

	loading->is_section_lost = !config_section_is_known(name);
	if (!loading->is_section_lost)
		return;
	nearest = config_suggest_section(name);
	fault(loading, loading->reader.number, RC_INVALID, "[%.*s]: unknown section%s%s%s",
		SLICE_FMT(name), nearest == NULL ? "" : "; did you mean [", nearest == NULL ? "" : nearest,
		nearest == NULL ? "" : "]?");
}

/* True where inih can be shown the line. */
static bool check_line(struct loading *loading)
{
	struct slice line = loading->reader.line;
	const char *rule = NULL;
	enum config_line kind = config_line_classify(line, &rule);

	if (kind == CONFIG_LINE_FAULTY) {
		fault(loading, loading->reader.number, RC_INVALID, "%s", rule);
		loading->is_section_lost |= line.len > 0 && line.ptr[0] == '[';
	}
	if (kind == CONFIG_LINE_SECTION)
		check_section(loading);
	return kind == CONFIG_LINE_SECTION || kind == CONFIG_LINE_PAIR;
}

/*
 * inih's ini_reader. A line that it would garble is shown to it as an empty one. A long one is cut
 * to what inih has room for (200 bytes in Debian's build), which harms no name; see handle_pair()
 * for the value.
 */
static char *feed_line(char *to, int size, void *stream)
{
	struct loading *loading = stream;
	size_t room = (size_t)size - 2;
	size_t len = 0;

	if (!config_reader_next(&loading->reader))
		return NULL;
	if (check_line(loading))
		len = loading->reader.line.len < room ? loading->reader.line.len : room;
	memcpy(to, loading->reader.line.ptr, len);
	to[len] = '\n';
	to[len + 1] = '\0';
	return to;
}

static void fault_unknown_key(struct loading *loading, struct slice section, struct slice name)
{
	int line = loading->reader.number;
	const char *nearest = config_suggest_key(section, name);
	const char *home = config_section_of_key(name);

	if (section.len == 0)
		fault(loading, line, RC_INVALID, "%.*s: no [section] stands above it", SLICE_FMT(name));
	else if (nearest != NULL)
		fault(loading, line, RC_INVALID, "[%.*s] %.*s: unknown key; did you mean %s?", SLICE_FMT(section),
			SLICE_FMT(name), nearest);
	else if (home != NULL)
		fault(loading, line, RC_INVALID, "[%.*s] %.*s: unknown key; it belongs into [%s]",
			SLICE_FMT(section), SLICE_FMT(name), home);
	else
		fault(loading, line, RC_INVALID, "[%.*s] %.*s: unknown key", SLICE_FMT(section), SLICE_FMT(name));
}

static size_t key_index(const struct config_key *key)
{
	size_t count;

	return (size_t)(key - config_keys(&count));
}

static void set_key(struct loading *loading, const struct config_key *key, struct slice value)
{
	int line = loading->reader.number;
	int *set_at = &loading->set_at[key_index(key)];
	struct err why;

	if (*set_at != 0) {
		fault(loading, line, RC_INVALID, "[%s] %s: already set on line %d", key->section, key->name,
			*set_at);
		return;
	}
	*set_at = line;
	if (config_value_set(loading->config, key, value, &why) != RC_OK)
		fault(loading, line, why.rc, "[%s] %s: %s", key->section, key->name, why.text);
}

/*
 * inih's ini_handler, called before the next line is read: so the reader still has the whole line,
 * and the value is taken from there, uncut. Always 1: faults are collected by us, with their lines.
 */
static int handle_pair(void *user, const char *section_str, const char *name_str, const char *cut)
{
	struct loading *loading = user;
	struct slice section = slice_of_str(section_str);
	struct slice name = slice_of_str(name_str);
	const struct config_key *key = config_key_find(section, name);

	(void)cut;
	if (loading->is_section_lost)
		return 1;
	if (key == NULL)
		fault_unknown_key(loading, section, name);
	else
		set_key(loading, key, config_line_value(loading->reader.line));
	return 1;
}

static void set_fallbacks(struct loading *loading)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);
	struct err why;

	for (size_t i = 0; i < count; i++) {
		if (loading->set_at[i] != 0)
			continue;
		if (keys[i].fallback == NULL)
			fault(loading, loading->reader.number, RC_INVALID, "[%s] %s: required, but not set",
				keys[i].section, keys[i].name);
		else if (config_value_set(loading->config, &keys[i], slice_of_str(keys[i].fallback), &why) !=
			RC_OK)
			fault(loading, loading->reader.number, why.rc, "[%s] %s: default: %s", keys[i].section,
				keys[i].name, why.text);
	}
}

/* systemd tells the service where its credentials are; others look where they are by its documentation. */
static char *join_credential(const char *name)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	char *joined = NULL;
	int len = asprintf(&joined, "%s/%s",
		folder == NULL || folder[0] != '/' ? "/run/credentials/pomonad.service" : folder, name);

	return len < 0 ? NULL : joined;
}

/* `path` with what it is relative to in front; the caller owns it. NULL: memory is short. */
static char *join_path(const char *path, const char *folder, const char *state_dir)
{
	static const size_t prefix_len = sizeof(CONFIG_STATE_DIR) - 1;
	char *joined = NULL;
	int len;

	if (strncmp(path, CONFIG_STATE_DIR, prefix_len) == 0)
		len = asprintf(&joined, "%s%s", state_dir, path + prefix_len);
	else if (path[0] == '/' || path[0] == '\0')
		len = asprintf(&joined, "%s", path);
	else
		len = asprintf(&joined, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, path);
	return len < 0 ? NULL : joined;
}

static void resolve_path(struct loading *loading, const struct config_key *key)
{
	char **field = config_text_field(loading->config, key);
	const size_t prefix_len = sizeof(CONFIG_CREDENTIAL) - 1;
	char *joined;

	if (key->type == CONFIG_TYPE_CREDENTIAL && strncmp(*field, CONFIG_CREDENTIAL, prefix_len) == 0)
		joined = join_credential(*field + prefix_len);
	else
		joined = join_path(*field, loading->source->folder, loading->config->server.state_dir);
	if (joined == NULL) {
		fault(loading, loading->reader.number, RC_NO_MEMORY, "memory is short");
		return;
	}
	free(*field);
	*field = joined;
}

static int line_of(const struct loading *loading, const char *section, const char *name)
{
	const struct config_key *key = config_key_find(slice_of_str(section), slice_of_str(name));
	int line = loading->set_at[key_index(key)];

	return line != 0 ? line : loading->reader.number;
}

/* A listener may let the kernel choose its port; who is called must have one. */
static void check_port(struct loading *loading, const char *section, const char *name)
{
	const struct config_key *key = config_key_find(slice_of_str(section), slice_of_str(name));
	const char *address = *config_text_field(loading->config, key);
	struct slice host;
	uint16_t port;

	if (config_address_split(address, &host, &port) && port == 0)
		fault(loading, line_of(loading, section, name), RC_INVALID,
			"[%s] %s: %s: want a port from 1 to 65535", section, name, address);
}

/* With every way of telling devices apart switched off, each of them would be refused. */
static void check_identity(struct loading *loading)
{
	const struct config *config = loading->config;
	bool is_header = config->device.identity_header[0] != '\0' && config->device.proxies[0] != '\0';

	if (config->device.identity_tls == CONFIG_ON || config->device.identity_signature == CONFIG_ON ||
		is_header)
		return;
	fault(loading, line_of(loading, "device", "identity_tls"), RC_INVALID,
		"[device] identity_tls: want it on, or identity_signature, or identity_header with proxies");
}

static void check_admin(struct loading *loading)
{
	const struct config *config = loading->config;
	struct slice host;
	uint16_t port;

	if (strlen(config->admin.socket) > CONFIG_SOCKET_PATH_BYTES_MAX)
		fault(loading, line_of(loading, "admin", "socket"), RC_INVALID,
			"[admin] socket: %s: longer than the %d bytes that a socket's path may have",
			config->admin.socket, CONFIG_SOCKET_PATH_BYTES_MAX);
	if (config->admin.allow_remote_plain == CONFIG_NO &&
		config_address_split(config->admin.listen, &host, &port) && !config_host_is_loopback(host))
		fault(loading, line_of(loading, "admin", "listen"), RC_INVALID,
			"[admin] listen: %s is no loopback address, and without TLS tokens would cross the network in "
			"clear; allow_remote_plain = yes allows it",
			config->admin.listen);
}

/* What only several keys together can tell. */
static void check_together(struct loading *loading)
{
	const struct config *config = loading->config;

	check_admin(loading);
	if (config->device.body_bytes_total_max < config->device.result_bytes_max)
		fault(loading, line_of(loading, "device", "body_bytes_total_max"), RC_INVALID,
			"[device] body_bytes_total_max: want at least result_bytes_max, which is %lld",
			(long long)config->device.result_bytes_max);
	if (config->push.retry_max_s < config->push.retry_first_s)
		fault(loading, line_of(loading, "push", "retry_max_s"), RC_INVALID,
			"[push] retry_max_s: want at least retry_first_s, which is %lld",
			(long long)config->push.retry_first_s);
}

/* Runs when each key by itself is sound. */
static void finish(struct loading *loading)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);

	resolve_path(loading, config_key_find(SLICE_LITERAL("server"), SLICE_LITERAL("state_dir")));
	for (size_t i = 0; i < count && loading->rc == RC_OK; i++)
		if (keys[i].type == CONFIG_TYPE_PATH || keys[i].type == CONFIG_TYPE_CREDENTIAL)
			resolve_path(loading, &keys[i]);
	check_together(loading);
	check_identity(loading);
	check_port(loading, "net", "proxy");
	check_port(loading, "push", "server");
}

enum rc config_parse(const struct config_source *source, struct config **config_r,
	struct buf *faults, struct err *err)
{
	AUTO(config_free) struct config *config = calloc(1, sizeof(*config));
	struct loading loading = {
		.source = source,
		.config = config,
		.reader = {.rest = source->text},
		.faults = faults,
		.err = err,
	};

	*config_r = NULL;
	if (config == NULL)
		return err_set(err, RC_NO_MEMORY, "%s", source->name);
	if (ini_parse_stream(feed_line, &loading, handle_pair, &loading) != 0)
		fault(&loading, loading.reader.number, RC_INVALID, "the conf file is garbled");
	set_fallbacks(&loading);
	if (loading.rc == RC_OK)
		finish(&loading);
	if (loading.rc != RC_OK)
		return loading.rc;
	*config_r = config;
	config = NULL; /* moved to the caller */
	return RC_OK;
}

/* The folder that `path` lies in, absolute. */
static enum rc folder_of(const char *path, char folder[static PATH_MAX], struct err *err)
{
	char copy[PATH_MAX];

	if ((size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy))
		return err_set(err, RC_INVALID, "the conf file's path is too long");
	if (realpath(dirname(copy), folder) == NULL)
		return err_set_errno(err, errno, "%s: its folder cannot be resolved", path);
	return RC_OK;
}

/* A fault of the file as a whole, in the form of all others. */
static enum rc fault_of_file(struct buf *faults, const struct err *err)
{
	if (faults != NULL)
		buf_printf(faults, "%s\n", err->text);
	return err->rc;
}

enum rc config_load(const char *path, struct config **config_r, struct buf *faults, struct err *err)
{
	AUTO(buf_fini) struct buf text;
	char folder[PATH_MAX];
	struct config_source source = {.name = path, .folder = folder};
	struct err own = {.rc = RC_OK};
	struct err *fault_err = err != NULL ? err : &own;

	*config_r = NULL;
	buf_init(&text, CONFIG_FILE_BYTES_MAX);
	if (file_read(path, &text, fault_err) != RC_OK || folder_of(path, folder, fault_err) != RC_OK)
		return fault_of_file(faults, fault_err);
	source.text = buf_slice(&text);
	return config_parse(&source, config_r, faults, err);
}
