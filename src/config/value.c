/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pomona/base/codec.h"
#include "pomona/base/network.h"

enum {
	HOST_BYTES_MAX = 253, /* RFC 1035 2.3.4, as text */
	LABEL_BYTES_MAX = 63,
};

typedef enum rc (
	*set_fn)(void *field, const struct config_key *key, struct slice value, struct err *why);

static enum rc set_text(void *field, const struct config_key *key, struct slice value,
	struct err *why)
{
	char **text = field;
	char *copy = strndup((const char *)value.ptr, value.len);

	(void)key;
	if (copy == NULL)
		return err_set(why, RC_NO_MEMORY, "memory is short");
	free(*text);
	*text = copy;
	return RC_OK;
}

/* Only checked here: what a path is relative to is known when all keys have been read. */
static enum rc set_path(void *field, const struct config_key *key, struct slice value,
	struct err *why)
{
	static const size_t prefix_len = sizeof(CONFIG_STATE_DIR) - 1;
	bool is_under_state = slice_has_prefix(value, CONFIG_STATE_DIR) &&
		(value.len == prefix_len || value.ptr[prefix_len] == '/');
	size_t from = is_under_state ? prefix_len : 0;

	if (is_under_state && key->offset == offsetof(struct config, server.state_dir))
		return err_set(why, RC_INVALID, "cannot be named by itself");
	for (size_t i = from; i + 1 < value.len; i++)
		if (value.ptr[i] == '$' && value.ptr[i + 1] == '{')
			return err_set(why, RC_INVALID,
				"only " CONFIG_STATE_DIR " is known, and only at the beginning of a path");
	return set_text(field, key, value, why);
}

/* A name that systemd takes; it is a file's name. */
static bool is_credential_name(struct slice name)
{
	if (name.len == 0 || name.len > CONFIG_CREDENTIAL_BYTES_MAX || name.ptr[0] == '.')
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] <= ' ' || name.ptr[i] >= 0x7f || strchr("/:$%", name.ptr[i]) != NULL)
			return false;
	return true;
}

static enum rc set_credential(void *field, const struct config_key *key, struct slice value,
	struct err *why)
{
	static const size_t prefix_len = sizeof(CONFIG_CREDENTIAL) - 1;

	if (!slice_has_prefix(value, CONFIG_CREDENTIAL))
		return set_path(field, key, value, why);
	if (!is_credential_name(slice_sub(value, prefix_len, value.len)))
		return err_set(why, RC_INVALID,
			"want credential:NAME, a name of 1 to %d characters without / : $ %% and spaces",
			CONFIG_CREDENTIAL_BYTES_MAX);
	return set_text(field, key, value, why);
}

static enum rc set_integer(void *field, const struct config_key *key, struct slice value,
	struct err *why)
{
	int64_t *number = field;

	if (int64_parse(value, key->min, key->max, number, NULL) == RC_OK)
		return RC_OK;
	return err_set(why, RC_INVALID, "want a whole number from %lld to %lld%s%s", (long long)key->min,
		(long long)key->max, *key->unit == '\0' ? "" : ", in ", key->unit);
}

static enum rc set_choice(void *field, const struct config_key *key, struct slice value,
	struct err *why)
{
	struct slice rest = slice_of_str(key->choices);
	unsigned index = 0;

	for (; rest.len > 0; index++) {
		size_t end = rest.len;

		(void)slice_find_byte(rest, '|', &end);
		if (slice_is_equal(slice_sub(rest, 0, end), value)) {
			*(unsigned *)field = index;
			return RC_OK;
		}
		rest = slice_sub(rest, end + 1, rest.len);
	}
	return err_set(why, RC_INVALID, "want one of %s", key->choices);
}
_Static_assert(sizeof(enum log_level) == sizeof(unsigned), "set_choice() stores an unsigned");
_Static_assert(sizeof(enum config_unknown_device) == sizeof(unsigned), "as above");
_Static_assert(sizeof(enum config_user_authenticate) == sizeof(unsigned), "as above");
_Static_assert(sizeof(enum config_switch) == sizeof(unsigned), "as above");
_Static_assert(sizeof(enum config_yes_no) == sizeof(unsigned), "as above");
_Static_assert(sizeof(enum config_role) == sizeof(unsigned), "as above");
_Static_assert(sizeof(enum config_push_priority) == sizeof(unsigned), "as above");

static bool is_ip(struct slice host, int family)
{
	uint8_t address[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN] = "";

	if (host.len == 0 || host.len >= sizeof(text))
		return false;
	memcpy(text, host.ptr, host.len);
	return inet_pton(family, text, address) == 1;
}

static bool is_label(struct slice label)
{
	if (label.len == 0 || label.len > LABEL_BYTES_MAX || label.ptr[0] == '-' ||
		label.ptr[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		uint8_t c = label.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'))
			return false;
	}
	return true;
}

/* Labels of letters, digits and inner hyphens. The last one has a letter: else it is a garbled IP
 * address. */
static bool is_dns_name(struct slice host)
{
	struct slice rest = host;
	struct slice label = {NULL, 0};

	if (host.len > HOST_BYTES_MAX)
		return false;
	do {
		size_t end = rest.len;

		(void)slice_find_byte(rest, '.', &end);
		label = slice_sub(rest, 0, end);
		if (!is_label(label) || end + 1 == rest.len)
			return false;
		rest = slice_sub(rest, end + 1, rest.len);
	} while (rest.len > 0);
	for (size_t i = 0; i < label.len; i++)
		if (label.ptr[i] > '9')
			return true;
	return false;
}

static enum rc set_hostname(void *field, const struct config_key *key, struct slice value,
	struct err *why)
{
	if (!is_dns_name(value) && !is_ip(value, AF_INET) && !is_ip(value, AF_INET6))
		return err_set(why, RC_INVALID, "want a DNS name or an IP address, without a port");
	return set_text(field, key, value, why);
}

/* Splits at the last colon; an IPv6 address stands in brackets, so that there is but one such
 * colon. */
static bool split_address(struct slice value, struct slice *host_r, uint16_t *port_r)
{
	size_t colon = value.len;
	struct slice host;
	int64_t port;

	while (colon > 0 && value.ptr[colon - 1] != ':')
		colon--;
	if (colon == 0 || int64_parse(slice_sub(value, colon, value.len), 0, 65535, &port, NULL) != RC_OK)
		return false;
	host = slice_sub(value, 0, colon - 1);
	*port_r = (uint16_t)port;
	*host_r = host;
	if (host.len <= 2 || host.ptr[0] != '[' || host.ptr[host.len - 1] != ']')
		return is_ip(host, AF_INET) || is_dns_name(host);
	*host_r = slice_sub(host, 1, host.len - 2);
	return is_ip(*host_r, AF_INET6);
}

bool config_address_split(const char *address, struct slice *host_r, uint16_t *port_r)
{
	return split_address(slice_of_str(address), host_r, port_r);
}

bool config_host_is_loopback(struct slice host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	struct in_addr v4;

	if (host.len == 0 || host.len >= sizeof(text))
		return false;
	memcpy(text, host.ptr, host.len);
	text[host.len] = '\0';
	if (inet_pton(AF_INET, text, &v4) == 1)
		return ntohl(v4.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
	if (inet_pton(AF_INET6, text, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6);
	return strcasecmp(text, "localhost") == 0;
}

static enum rc set_address(void *field, const struct config_key *key, struct slice value,
	struct err *why)
{
	struct slice host;
	uint16_t port;

	if (!split_address(value, &host, &port))
		return err_set(why, RC_INVALID, "want host:port or [IPv6 address]:port, port 0 to 65535");
	return set_text(field, key, value, why);
}

static enum rc set_networks(void *field, const struct config_key *key, struct slice value,
	struct err *why)
{
	struct networks networks;
	enum rc rc = networks_parse(value, &networks, why);

	return rc == RC_OK ? set_text(field, key, value, why) : rc;
}

/* A token of RFC 9110 5.6.2, less the marks that no header has. */
static bool is_header_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
		c == '_';
}

static enum rc set_header(void *field, const struct config_key *key, struct slice value,
	struct err *why)
{
	bool is_sound = value.len <= CONFIG_HEADER_BYTES_MAX;

	for (size_t i = 0; i < value.len; i++)
		is_sound = is_sound && is_header_byte(value.ptr[i]);
	if (!is_sound)
		return err_set(why, RC_INVALID, "want a header's name: letters, digits, '-' and '_', at most %d",
			CONFIG_HEADER_BYTES_MAX);
	return set_text(field, key, value, why);
}

static const struct {
	set_fn set;
	bool is_text;
} types[CONFIG_TYPE_COUNT] = {
	[CONFIG_TYPE_TEXT] = {set_text, true},
	[CONFIG_TYPE_PATH] = {set_path, true},
	[CONFIG_TYPE_CREDENTIAL] = {set_credential, true},
	[CONFIG_TYPE_INTEGER] = {set_integer, false},
	[CONFIG_TYPE_CHOICE] = {set_choice, false},
	[CONFIG_TYPE_HOSTNAME] = {set_hostname, true},
	[CONFIG_TYPE_ADDRESS] = {set_address, true},
	[CONFIG_TYPE_NETWORKS] = {set_networks, true},
	[CONFIG_TYPE_HEADER] = {set_header, true},
};

enum rc config_value_set(struct config *config, const struct config_key *key, struct slice value,
	struct err *why)
{
	void *field = (uint8_t *)config + key->offset;

	if (value.len > 0)
		return types[key->type].set(field, key, value, why);
	if (!key->is_empty_allowed)
		return err_set(why, RC_INVALID, "may not be empty");
	return set_text(field, key, SLICE_LITERAL(""), why);
}

bool config_key_is_text(const struct config_key *key)
{
	return types[key->type].is_text;
}

char **config_text_field(struct config *config, const struct config_key *key)
{
	return (char **)((uint8_t *)config + key->offset);
}

int64_t config_number_of(const struct config *config, const struct config_key *key)
{
	const void *field = (const uint8_t *)config + key->offset;

	return key->type == CONFIG_TYPE_CHOICE ? *(const unsigned *)field : *(const int64_t *)field;
}
