/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <stdlib.h>
#include <string.h>

enum { URL_BYTES_MAX = 16384, HEADER_BYTES_MAX = 8192 };

/* What a caller can act upon; everything else is RC_IO. */
static const struct {
	CURLcode code;
	enum rc rc;
} faults[] = {
	{CURLE_URL_MALFORMAT, RC_INVALID},
	{CURLE_UNSUPPORTED_PROTOCOL, RC_INVALID},
	{CURLE_SSL_CERTPROBLEM, RC_INVALID},
	{CURLE_SSL_CACERT_BADFILE, RC_INVALID},
	{CURLE_PEER_FAILED_VERIFICATION, RC_DENIED},
	{CURLE_OUT_OF_MEMORY, RC_NO_MEMORY},
};

static enum rc fault_of(CURLcode code)
{
	for (size_t i = 0; i < COUNT_OF(faults); i++)
		if (faults[i].code == code)
			return faults[i].rc;
	return RC_IO;
}

static bool is_for_part(const struct net_client *client)
{
	long status = 0;

	(void)curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &status);
	return client->part != NULL && status / 100 == 2;
}

static uint64_t total_of(CURL *easy)
{
	curl_off_t total = -1;

	(void)curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &total);
	return total > 0 ? (uint64_t)total : 0;
}

/* Short: curl ends the call. */
static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct net_client *client = ctx;

	if (is_for_part(client)) {
		const bool is_taken =
			client->part(client->ctx, slice_of(bytes, size * count), total_of(client->easy));

		return is_taken ? size * count : 0;
	}
	buf_append(&client->body, slice_of(bytes, size * count));
	return client->body.rc == RC_OK ? size * count : 0;
}

/* --- starting */

static enum rc add_header(struct net_client *client, const char *line)
{
	struct curl_slist *longer = curl_slist_append(client->headers, line);

	if (longer == NULL)
		return RC_NO_MEMORY;
	client->headers = longer;
	return RC_OK;
}

static enum rc set_headers(struct net_client *client, const struct net_call *call, struct err *err)
{
	struct buf line;
	const char *text;
	enum rc rc;

	buf_init(&line, HEADER_BYTES_MAX);
	/* A name without a value takes curl's own header out. */
	buf_printf(&line, "Content-Type:%s%s", call->content_type == NULL ? "" : " ",
		call->content_type == NULL ? "" : call->content_type);
	text = buf_cstr(&line);
	rc = text == NULL ? RC_NO_MEMORY : add_header(client, text);
	buf_fini(&line);
	if (rc == RC_OK)
		rc = add_header(client, "Expect:"); /* else curl waits a second before a large body */
	if (rc == RC_OK && call->header != NULL)
		rc = add_header(client, call->header);
	if (rc == RC_OK && curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, client->headers) != CURLE_OK)
		rc = RC_NO_MEMORY;
	return rc == RC_OK ? RC_OK : err_set(err, rc, "call: headers");
}

static bool has_body(const struct net_call *call)
{
	static const char *const bare[] = {"GET", "HEAD", "DELETE"};

	for (size_t i = 0; i < COUNT_OF(bare); i++)
		if (call->body.len == 0 && strcmp(call->method, bare[i]) == 0)
			return false;
	return true;
}

static CURLcode set_method(CURL *easy, const struct net_call *call)
{
	CURLcode code = curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);

	if (code == CURLE_OK && has_body(call)) {
		code = curl_easy_setopt(easy, CURLOPT_POST, 1L);
		if (code == CURLE_OK)
			code = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
		if (code == CURLE_OK)
			code = curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS,
				call->body.len == 0 ? "" : (const char *)call->body.ptr);
	}
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_NOBODY, strcmp(call->method, "HEAD") == 0 ? 1L : 0L);
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
	return code;
}

static enum rc set_url(const struct net_client *client, const struct net_call *call,
	struct err *err)
{
	struct buf url;
	const char *text;
	enum rc rc;

	buf_init(&url, URL_BYTES_MAX);
	buf_append_str(&url, call->url == NULL ? client->base_url : call->url);
	buf_append_str(&url, call->url == NULL ? call->path : "");
	text = buf_cstr(&url);
	rc = buf_status(&url, "URL", err);
	if (rc == RC_OK && curl_easy_setopt(client->easy, CURLOPT_URL, text) != CURLE_OK)
		rc = err_set(err, RC_NO_MEMORY, "URL");
	buf_fini(&url);
	return rc;
}

static enum rc prepare(struct net_client *client, const struct net_call *call, struct err *err)
{
	enum rc rc = set_url(client, call, err);

	if (rc == RC_OK)
		rc = set_headers(client, call, err);
	if (rc == RC_OK && set_method(client->easy, call) != CURLE_OK)
		rc = err_set(err, RC_NO_MEMORY, "call: body");
	if (rc == RC_OK && client_cache_ready(client) != RC_OK)
		rc = err_set(err, RC_NO_MEMORY, "call: connection");
	if (rc != RC_OK)
		return rc;
	(void)curl_easy_setopt(client->easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(client->easy, CURLOPT_WRITEDATA, client);
	return RC_OK;
}

enum rc net_client_call(struct net_client *client, const struct net_call *call, struct err *err)
{
	CURLMcode added;
	enum rc rc;

	if (client->is_busy)
		return err_set(err, RC_BUSY, "call: the client has one under way");
	if (call->url == NULL && call->path[0] != '/')
		return err_set(err, RC_INVALID, "call: the path does not begin with /");
	buf_init(&client->body, client->response_bytes_max);
	client->error_text[0] = 0;
	rc = prepare(client, call, err);
	if (rc == RC_OK) {
		added = curl_multi_add_handle(client->loop->multi, client->easy);
		if (added != CURLM_OK)
			rc = err_set(err, RC_NO_MEMORY, "call: %s", curl_multi_strerror(added));
	}
	if (rc != RC_OK) {
		client_call_drop(client);
		return rc;
	}
	client->is_busy = true;
	client->done = call->done;
	client->part = call->part;
	client->ctx = call->ctx;
	return RC_OK;
}

void client_call_drop(struct net_client *client)
{
	if (client->is_busy)
		(void)curl_multi_remove_handle(client->loop->multi, client->easy);
	client->is_busy = false;
	(void)curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(client->headers);
	client->headers = NULL;
	buf_fini(&client->body);
}

/* --- ending */

/* A copy that outlives the client; "" where there is none. NULL when memory is short. */
static char *copy_header(CURL *easy, const char *name)
{
	struct curl_header *header;

	if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return strdup("");
	return strdup(header->value);
}

static int64_t retry_after_of(CURL *easy)
{
	struct curl_header *header;
	curl_off_t seconds = -1;

	/* curl reads seconds and dates, but gives 0 as well where there is no such header. */
	if (curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &header) != CURLHE_OK ||
		curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds) != CURLE_OK)
		return -1;
	return seconds;
}

static void reply_of_fault(const struct net_client *client, CURLcode code, struct net_reply *reply)
{
	if (client->body.rc == RC_LIMIT)
		reply->rc = err_set(&reply->err, RC_LIMIT, "%s: the answer is larger than %zu bytes",
			client->base_url, client->response_bytes_max);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		reply->rc = err_set(&reply->err, RC_IO, "%s: no answer within %lld ms", client->base_url,
			(long long)client->timeout_ms);
	else
		reply->rc = err_set(&reply->err, fault_of(code), "%s: %s", client->base_url,
			client->error_text[0] != 0 ? client->error_text : curl_easy_strerror(code));
}

/*
 * `done` may free the client or call again, so everything the reply lends is moved out of the
 * client first, and the client is not touched after it.
 */
void client_finish(CURL *easy, CURLcode code)
{
	struct net_client *client = NULL;
	struct net_reply reply = {.rc = RC_OK,
		.retry_after_s = -1,
		.content_type = "",
		.location = "",
		.challenge = ""};
	char *content_type, *location, *challenge;
	struct buf body;
	long status = 0;

	(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &client);
	(void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	content_type = copy_header(easy, "Content-Type");
	location = copy_header(easy, "Location");
	challenge = copy_header(easy, "WWW-Authenticate");
	if (code != CURLE_OK) {
		reply_of_fault(client, code, &reply);
	} else if (content_type == NULL || location == NULL || challenge == NULL) {
		reply.rc = err_set(&reply.err, RC_NO_MEMORY, "call");
	} else {
		reply.status = (unsigned)status;
		reply.content_type = content_type;
		reply.location = location;
		reply.challenge = challenge;
		reply.retry_after_s = retry_after_of(easy);
	}
	body = client->body;
	client->body = (struct buf){0};
	if (reply.rc == RC_OK)
		reply.body = buf_slice(&body);
	client_call_drop(client);
	if (client->must_disconnect)
		net_client_disconnect(client);
	client->done(client->ctx, &reply);
	free(content_type);
	free(location);
	free(challenge);
	buf_fini(&body);
}
