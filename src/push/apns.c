/* SPDX-License-Identifier: Apache-2.0 */
#include "apns.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/json/json.h"

enum field {
	FIELD_METHOD,
	FIELD_SCHEME,
	FIELD_AUTHORITY,
	FIELD_PATH,
	FIELD_TOPIC,
	FIELD_PUSH_TYPE,
	FIELD_PRIORITY,
	FIELD_EXPIRATION,
};

static const char path_begin[] = "/3/device/";

const char *const apns_kept_names[APNS_KEPT_COUNT] = {
	[APNS_KEPT_ID] = "apns-id",
	[APNS_KEPT_RETRY_AFTER] = "retry-after",
};

#define FIELD(field_name) .name = SLICE_LITERAL(field_name)

static void write_authority(struct apns_frame *frame, const char *host, uint16_t port)
{
	bool is_ipv6 = strchr(host, ':') != NULL;
	int len = snprintf(frame->authority, sizeof(frame->authority), "%s%s%s", is_ipv6 ? "[" : "", host,
		is_ipv6 ? "]" : "");

	if (port != APNS_PORT && len > 0 && (size_t)len < sizeof(frame->authority))
		(void)snprintf(frame->authority + len, sizeof(frame->authority) - (size_t)len, ":%u", port);
}

void apns_frame_init(struct apns_frame *frame, const char *host, uint16_t port)
{
	*frame = (struct apns_frame){
		.fields =
			{
				[FIELD_METHOD] = {FIELD(":method"), .value = SLICE_LITERAL("POST")},
				[FIELD_SCHEME] = {FIELD(":scheme"), .value = SLICE_LITERAL("https")},
				[FIELD_AUTHORITY] = {FIELD(":authority")},
				[FIELD_PATH] = {FIELD(":path"), .is_unique = true},
				[FIELD_TOPIC] = {FIELD("apns-topic")},
				[FIELD_PUSH_TYPE] = {FIELD("apns-push-type"), .value = SLICE_LITERAL("mdm")},
				[FIELD_PRIORITY] = {FIELD("apns-priority")},
				[FIELD_EXPIRATION] = {FIELD("apns-expiration")},
			},
		.expires_at = -1,
	};
	write_authority(frame, host, port);
	frame->fields[FIELD_AUTHORITY].value = slice_of_str(frame->authority);
	memcpy(frame->path, path_begin, sizeof(path_begin) - 1);
}

void apns_frame_set_priority(struct apns_frame *frame, int priority)
{
	(void)snprintf(frame->priority, sizeof(frame->priority), "%d", priority);
	frame->fields[FIELD_PRIORITY].value = slice_of_str(frame->priority);
}

static void write_expiration(struct apns_frame *frame, int64_t now_s, int64_t expiration_s)
{
	int64_t at = now_s + expiration_s + APNS_EXPIRATION_STEP_S - 1;

	at = expiration_s <= 0 ? 0 : at - at % APNS_EXPIRATION_STEP_S;
	if (at == frame->expires_at)
		return;
	frame->expires_at = at;
	(void)snprintf(frame->expiration, sizeof(frame->expiration), "%" PRId64, at);
	frame->fields[FIELD_EXPIRATION].value = slice_of_str(frame->expiration);
}

static void write_path(struct apns_frame *frame, const struct parcel *parcel)
{
	static const char digits[] = "0123456789abcdef";
	char *to = frame->path + sizeof(path_begin) - 1;

	for (size_t i = 0; i < parcel->token_len; i++) {
		*to++ = digits[parcel->token[i] >> 4];
		*to++ = digits[parcel->token[i] & 0xF];
	}
	frame->fields[FIELD_PATH].value = slice_of(frame->path, (size_t)(to - frame->path));
}

static bool is_plain(uint8_t byte)
{
	return byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\';
}

static size_t escape(uint8_t byte, char out[static 7])
{
	if (byte == '"' || byte == '\\')
		return (size_t)snprintf(out, 7, "\\%c", byte);
	if (byte < 0x20)
		return (size_t)snprintf(out, 7, "\\u%04x", byte);
	out[0] = (char)byte;
	return 1;
}

/* True: it stands as it is at `to`. */
static bool copy_plain(uint8_t *to, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (!is_plain(text.ptr[i]))
			return false;
		to[i] = text.ptr[i];
	}
	return true;
}

static enum rc write_body(struct apns_frame *frame, struct slice magic, struct err *err)
{
	static const char begin[] = "{\"mdm\":\"";
	static const char end[] = "\"}";
	enum { END = sizeof(end) - 1, BEGIN = sizeof(begin) - 1 };
	size_t len = BEGIN;

	_Static_assert(BEGIN + PARCEL_MAGIC_BYTES_MAX + END <= APNS_BODY_BYTES_MAX, "plain ones fit");
	memcpy(frame->body_bytes, begin, BEGIN);
	if (copy_plain(frame->body_bytes + len, magic)) {
		len += magic.len;
	} else {
		for (size_t i = 0; i < magic.len; i++) {
			char text[7];
			size_t text_len = escape(magic.ptr[i], text);

			if (len + text_len + END > APNS_BODY_BYTES_MAX)
				return err_set(err, RC_LIMIT, "the push magic makes a payload of more than %d bytes",
					APNS_BODY_BYTES_MAX);
			memcpy(frame->body_bytes + len, text, text_len);
			len += text_len;
		}
	}
	memcpy(frame->body_bytes + len, end, END);
	frame->body = slice_of(frame->body_bytes, len + END);
	return RC_OK;
}

static enum rc check(const struct parcel *parcel, struct err *err)
{
	if (parcel->token_len == 0 || parcel->token_len > PUSH_TOKEN_BYTES_MAX)
		return err_set(err, RC_INVALID, "the push token has %zu bytes, want 1 to %d", parcel->token_len,
			PUSH_TOKEN_BYTES_MAX);
	if (parcel->magic_len == 0 || parcel->magic_len > PARCEL_MAGIC_BYTES_MAX)
		return err_set(err, RC_INVALID, "the push magic has %zu bytes, want 1 to %d", parcel->magic_len,
			PARCEL_MAGIC_BYTES_MAX);
	if (!utf8_is_valid(slice_of(parcel->magic, parcel->magic_len)))
		return err_set(err, RC_INVALID, "the push magic is no UTF-8");
	return RC_OK;
}

enum rc apns_write(struct apns_frame *frame, struct slice topic, const struct parcel *parcel,
	int64_t now_s, int64_t expiration_s, struct err *err)
{
	enum rc rc = check(parcel, err);

	if (rc != RC_OK)
		return rc;
	write_path(frame, parcel);
	write_expiration(frame, now_s, expiration_s);
	frame->fields[FIELD_TOPIC].value = topic;
	return write_body(frame, slice_of(parcel->magic, parcel->magic_len), err);
}

static bool is_id_byte(uint8_t byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') ||
		(byte >= 'A' && byte <= 'F') || byte == '-';
}

void apns_read_id(const struct h2_reply *reply, char id[static PUSH_ID_BYTES_MAX + 1])
{
	struct slice text = reply->kept[APNS_KEPT_ID];

	id[0] = '\0';
	if (text.len > PUSH_ID_BYTES_MAX)
		return;
	for (size_t i = 0; i < text.len; i++)
		if (!is_id_byte(text.ptr[i]))
			return;
	if (text.len > 0)
		memcpy(id, text.ptr, text.len);
	id[text.len] = '\0';
}

/* Letters and digits, as all of Apple's reasons: others would be a surprise in a log or on a page. */
static void copy_reason(struct slice text, char reason[static PUSH_REASON_BYTES_MAX + 1])
{
	size_t len = text.len > PUSH_REASON_BYTES_MAX ? PUSH_REASON_BYTES_MAX : text.len;

	for (size_t i = 0; i < len; i++)
		reason[i] = text.ptr[i] > 0x20 && text.ptr[i] < 0x7F ? (char)text.ptr[i] : '?';
	reason[len] = '\0';
}

static int64_t read_timestamp(const struct json_value *value)
{
	double real;

	if (value == NULL)
		return 0;
	if (json_kind(value) == JSON_KIND_INTEGER)
		return json_integer(value);
	if (json_kind(value) != JSON_KIND_REAL)
		return 0;
	real = json_real(value);
	return real > 0 && real < 9e15 ? (int64_t)real : 0;
}

void apns_read_reason(struct slice body, char reason[static PUSH_REASON_BYTES_MAX + 1],
	int64_t *timestamp_ms_r)
{
	AUTO(json_free) struct json_value *root = NULL;
	const struct json_value *text;
	struct err err;

	reason[0] = '\0';
	*timestamp_ms_r = 0;
	if (body.len == 0 || body.len > H2_BODY_BYTES_MAX || json_parse(body, &root, &err) != RC_OK)
		return;
	text = json_get(root, "reason");
	if (text != NULL)
		copy_reason(json_string(text), reason);
	*timestamp_ms_r = read_timestamp(json_get(root, "timestamp"));
}

void apns_read(const struct h2_reply *reply, struct apns_reply *reply_r)
{
	struct err err;

	apns_read_id(reply, reply_r->apns_id);
	apns_read_reason(reply->body, reply_r->reason, &reply_r->timestamp_ms);
	if (int64_parse(reply->kept[APNS_KEPT_RETRY_AFTER], 0, INT64_MAX, &reply_r->retry_after_s, &err) !=
		RC_OK)
		reply_r->retry_after_s = 0;
	if (reply_r->retry_after_s > APNS_RETRY_AFTER_MAX_S)
		reply_r->retry_after_s = APNS_RETRY_AFTER_MAX_S;
}
