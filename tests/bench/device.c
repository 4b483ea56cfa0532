/* SPDX-License-Identifier: Apache-2.0 */
#include "device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLIST_BYTES = 2048, TOKEN_BYTES = 32, TOKEN_TEXT_BYTES = 4 * TOKEN_BYTES };

#define PLIST_HEAD \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" \
	"<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" " \
	"\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\"><dict>"

static void say(struct buf *out, const char *path, const char *type, const char *plist)
{
	buf_printf(out,
		"PUT %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", path,
		type, strlen(plist), plist);
}

static void say_result(struct buf *out, size_t device, const char *status, const char *command)
{
	char plist[PLIST_BYTES];

	(void)snprintf(plist, sizeof(plist),
		PLIST_HEAD
		"%s<key>Status</key><string>%s</string>"
		"<key>UDID</key><string>BENCH-%07zu</string></dict></plist>\n",
		command, status, device);
	say(out, "/mdm", "application/x-apple-aspen-mdm; charset=UTF-8", plist);
}

void device_say_idle(struct buf *out, size_t device)
{
	say_result(out, device, "Idle", "");
}

void device_say_answer(struct buf *out, size_t device, const char *uuid)
{
	char command[DEVICE_UUID_BYTES + 64];

	(void)snprintf(command, sizeof(command), "<key>CommandUUID</key><string>%s</string>", uuid);
	say_result(out, device, "Acknowledged", command);
}

static void say_checkin(struct buf *out, size_t device, const char *type, const char *more)
{
	char plist[PLIST_BYTES];

	(void)snprintf(plist, sizeof(plist),
		PLIST_HEAD
		"<key>MessageType</key><string>%s</string>%s"
		"<key>Topic</key><string>com.apple.mgmt.External.bench</string>"
		"<key>UDID</key><string>BENCH-%07zu</string></dict></plist>\n",
		type, more, device);
	say(out, "/checkin", "application/x-apple-aspen-mdm-checkin", plist);
}

void device_say_authenticate(struct buf *out, size_t device)
{
	say_checkin(out, device, "Authenticate",
		"<key>SerialNumber</key><string>C02BENCH0001</string>"
		"<key>ProductName</key><string>iPhone15,2</string>"
		"<key>OSVersion</key><string>18.1</string><key>BuildVersion</key><string>22B83</string>");
}

void device_say_token_update(struct buf *out, size_t device)
{
	char token[TOKEN_BYTES + 1];
	unsigned char text[TOKEN_TEXT_BYTES];
	char more[PLIST_BYTES / 2];

	(void)snprintf(token, sizeof(token), "%0*zu", TOKEN_BYTES, device);
	(void)EVP_EncodeBlock(text, (const unsigned char *)token, TOKEN_BYTES);
	(void)snprintf(more, sizeof(more),
		"<key>PushMagic</key><string>0A0A0A0A-0000-4000-8000-000000000001</string>"
		"<key>Token</key><data>%s</data>",
		(const char *)text);
	say_checkin(out, device, "TokenUpdate", more);
}

bool device_read_command(const char *body, size_t len, char uuid_r[static DEVICE_UUID_BYTES])
{
	const char *at = len == 0 ? NULL : strstr(body, "<key>CommandUUID</key>");
	const char *from = at == NULL ? NULL : strstr(at, "<string>");
	const char *to = from == NULL ? NULL : strstr(from, "</string>");

	uuid_r[0] = 0;
	if (to != NULL && (size_t)(to - from) < DEVICE_UUID_BYTES + 8)
		(void)snprintf(uuid_r, DEVICE_UUID_BYTES, "%.*s", (int)(to - from - 8), from + 8);
	return len == 0 || to != NULL;
}

bool device_is_reply_whole(const char *reply, size_t len, const char **body_r, size_t *body_len_r)
{
	const char *end = strstr(reply, "\r\n\r\n");
	const char *length;

	if (end == NULL)
		return false;
	length = strcasestr(reply, "\r\nContent-Length:");
	*body_len_r = length == NULL || length > end ? 0 : strtoul(length + 17, NULL, 10);
	*body_r = end + 4;
	return (size_t)(*body_r - reply) + *body_len_r <= len;
}

void device_identity_path(char *path, size_t size, const char *dir, size_t device)
{
	(void)snprintf(path, size, "%s/%07zu.pem", dir, device);
}

SSL_CTX *device_tls(const char *dir, size_t device)
{
	char path[4096];
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

	device_identity_path(path, sizeof(path), dir, device);
	if (tls != NULL && SSL_CTX_use_certificate_chain_file(tls, path) == 1 &&
		SSL_CTX_use_PrivateKey_file(tls, path, SSL_FILETYPE_PEM) == 1)
		return tls;
	SSL_CTX_free(tls);
	return NULL;
}
