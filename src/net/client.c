/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <stdlib.h>
#include <string.h>

enum {
	TIMEOUT_MS_DEFAULT = 30000,
	CREDENTIAL_BYTES_MAX = 1024 * 1024,
	BASE_URL_BYTES_MAX = 2048,
};

static enum rc copy_bytes(struct buf *to, struct slice from, const char *what, struct err *err)
{
	buf_init(to, CREDENTIAL_BYTES_MAX);
	buf_append(to, from);
	return buf_status(to, what, err);
}

static enum rc copy_params(struct net_client *client, const struct net_client_params *params,
	struct err *err)
{
	size_t len = strlen(params->base_url);
	enum rc rc;

	if (len > BASE_URL_BYTES_MAX)
		return err_set(err, RC_LIMIT, "URL: longer than %d bytes", BASE_URL_BYTES_MAX);
	if (len > 0 && params->base_url[len - 1] == '/')
		len--;
	client->base_url = strndup(params->base_url, len);
	if (client->base_url == NULL)
		return err_set(err, RC_NO_MEMORY, "client");
	client->timeout_ms = params->timeout_ms > 0 ? params->timeout_ms : TIMEOUT_MS_DEFAULT;
	client->response_bytes_max =
		params->response_bytes_max > 0 ? params->response_bytes_max : NET_RESPONSE_BYTES_DEFAULT;
	rc = copy_bytes(&client->ca_pem, params->ca_pem, "CA certificates", err);
	if (rc == RC_OK)
		rc = copy_bytes(&client->cert_pem, params->cert_pem, "client certificate", err);
	if (rc == RC_OK)
		rc = copy_bytes(&client->key_pem, params->key_pem, "client key", err);
	return rc;
}

/* Collects the outcomes of many curl_easy_setopt(): the first fault stays. */
static void keep_first(CURLcode *first, CURLcode code)
{
	if (*first == CURLE_OK)
		*first = code;
}

static void set_blob(CURL *easy, CURLoption option, const struct buf *bytes, CURLcode *code)
{
	struct curl_blob blob = {.data = bytes->ptr, .len = bytes->len, .flags = CURL_BLOB_NOCOPY};

	if (bytes->len > 0)
		keep_first(code, curl_easy_setopt(easy, option, &blob));
}

static CURLcode set_peer(const struct net_client *client, const struct net_client_params *params)
{
	CURLcode code = CURLE_OK;

	set_blob(client->easy, CURLOPT_CAINFO_BLOB, &client->ca_pem, &code);
	set_blob(client->easy, CURLOPT_SSLCERT_BLOB, &client->cert_pem, &code);
	set_blob(client->easy, CURLOPT_SSLKEY_BLOB, &client->key_pem, &code);
	if (params->unix_socket != NULL)
		keep_first(&code, curl_easy_setopt(client->easy, CURLOPT_UNIX_SOCKET_PATH, params->unix_socket));
	if (params->bearer != NULL) {
		keep_first(&code, curl_easy_setopt(client->easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER));
		keep_first(&code, curl_easy_setopt(client->easy, CURLOPT_XOAUTH2_BEARER, params->bearer));
	}
	return code;
}

/* Not the environment but the caller says where a call goes: no proxy, no redirect, no other
 * protocol. */
static CURLcode set_habits(struct net_client *client)
{
	CURL *easy = client->easy;
	CURLcode code = CURLE_OK;

	keep_first(&code, curl_easy_setopt(easy, CURLOPT_PRIVATE, client));
	keep_first(&code, curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, client->error_text));
	keep_first(&code, curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
	keep_first(&code, curl_easy_setopt(easy, CURLOPT_NOPROXY, "*"));
	keep_first(&code, curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L));
	keep_first(&code, curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https"));
	keep_first(&code, curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L));
	keep_first(&code, curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1));
	keep_first(&code, curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2));
	keep_first(&code, curl_easy_setopt(easy, CURLOPT_USERAGENT, "pomona/" POMONA_VERSION));
	keep_first(&code, curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)client->timeout_ms));
	return code;
}

static enum rc cache_open(struct net_client *client)
{
	client->cache = curl_share_init();
	if (client->cache == NULL)
		return RC_NO_MEMORY;
	if (curl_share_setopt(client->cache, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT) != CURLSHE_OK ||
		curl_easy_setopt(client->easy, CURLOPT_SHARE, client->cache) != CURLE_OK)
		return RC_NO_MEMORY;
	return RC_OK;
}

/* Closes the connections in it. */
static void cache_close(struct net_client *client)
{
	if (client->cache == NULL)
		return;
	(void)curl_easy_setopt(client->easy, CURLOPT_SHARE, NULL);
	(void)curl_share_cleanup(client->cache);
	client->cache = NULL;
}

static enum rc client_init(struct net_client *client, const struct net_client_params *params,
	struct err *err)
{
	enum rc rc = copy_params(client, params, err);
	CURLcode code;

	if (rc != RC_OK)
		return rc;
	client->easy = curl_easy_init();
	if (client->easy == NULL)
		return err_set(err, RC_NO_MEMORY, "client");
	code = set_habits(client);
	if (code == CURLE_OK)
		code = set_peer(client, params);
	if (code != CURLE_OK)
		return err_set(err, RC_INVALID, "client: %s", curl_easy_strerror(code));
	return RC_OK;
}

enum rc net_client_new(struct net_loop *loop, const struct net_client_params *params,
	struct net_client **client_r, struct err *err)
{
	struct net_client *client = calloc(1, sizeof(*client));
	enum rc rc;

	*client_r = NULL;
	if (client == NULL)
		return err_set(err, RC_NO_MEMORY, "client");
	client->loop = loop;
	rc = client_init(client, params, err);
	if (rc != RC_OK)
		net_client_free(&client);
	*client_r = client;
	return rc;
}

void net_client_disconnect(struct net_client *client)
{
	client->must_disconnect = client->is_busy;
	if (!client->is_busy)
		cache_close(client);
}

enum rc client_cache_ready(struct net_client *client)
{
	return client->cache == NULL ? cache_open(client) : RC_OK;
}

void net_client_free(struct net_client **client)
{
	struct net_client *gone = *client;

	if (gone == NULL)
		return;
	*client = NULL;
	if (gone->is_busy)
		client_call_drop(gone);
	if (gone->easy != NULL) {
		cache_close(gone);
		curl_easy_cleanup(gone->easy);
	}
	free(gone->base_url);
	buf_fini(&gone->ca_pem);
	buf_fini(&gone->cert_pem);
	buf_fini_secret(&gone->key_pem);
	free(gone);
}
