/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl.h"
#include "pomona/base/file.h"
#include "pomona/config/config.h"
#include "pomona/net/net.h"

enum {
	ANSWER_BYTES_MAX = 512 * 1024 * 1024,
	CALL_TIMEOUT_MS = 600 * 1000, /* a command to a million devices takes its time */
	FETCH_TIMEOUT_MS = 24 * 3600 * 1000,
	TOKEN_FILE_BYTES_MAX = 4096,
	CA_BYTES_MAX = 1024 * 1024,
};

/* Where pomonad is, from the options, the environment and its conf. */
struct target {
	struct config *config;
	const char *socket; /* NULL: TCP */
	const char *url;
	struct buf token, ca;
};

static void target_fini(struct target *target)
{
	config_free(&target->config);
	buf_fini_secret(&target->token);
	buf_fini(&target->ca);
}

/* As ssh has it: one's own file must be for oneself; for another's file somebody else answers. */
static int check_token_file(const struct ctl *ctl)
{
	struct stat file;

	if (strcmp(ctl->token_file, "-") == 0 || stat(ctl->token_file, &file) != 0 ||
		!S_ISREG(file.st_mode) || file.st_uid != geteuid() || (file.st_mode & (S_IRWXG | S_IRWXO)) == 0)
		return 0;
	return ctl_fail(ctl, EX_NOINPUT, "%s has mode %04o, so others may use the token: chmod 600 %s",
		ctl->token_file, (unsigned)(file.st_mode & 07777), ctl->token_file);
}

static int read_token(const struct ctl *ctl, struct target *target)
{
	const char *token = getenv(CTL_TOKEN_VARIABLE);
	int status;

	if (ctl->token_file == NULL) {
		buf_append_str(&target->token, token != NULL ? token : "");
		return 0;
	}
	if (buf_reserve(&target->token, TOKEN_FILE_BYTES_MAX) == NULL)
		return ctl_fail(ctl, EX_OSERR, "too little memory");
	status = check_token_file(ctl);
	if (status == 0)
		status = ctl_read_file(ctl, ctl->token_file, &target->token);
	if (status == 0)
		while (target->token.len > 0 && target->token.ptr[target->token.len - 1] <= ' ')
			target->token.len--;
	return status;
}

static int find_over_tcp(const struct ctl *ctl, struct target *target)
{
	int status;

	target->url = ctl->url;
	if (!ctl->is_plain_allowed && url_carries_in_clear(ctl->url))
		return ctl_usage(ctl,
			"%s would carry the token over the network in clear: use https, or a tunnel to a loopback address; "
			"--allow-plain does it all the same",
			ctl->url);
	status = read_token(ctl, target);
	if (status == 0 && target->token.len == 0)
		return ctl_usage(ctl, "--url wants a token: --token-file FILE or the variable %s",
			CTL_TOKEN_VARIABLE);
	if (status == 0 && ctl->ca_file != NULL)
		status = ctl_read_file(ctl, ctl->ca_file, &target->ca);
	return status;
}

static int find_by_conf(const struct ctl *ctl, struct target *target)
{
	struct err err = {.rc = RC_OK};

	if (config_load(ctl->conf, &target->config, NULL, &err) != RC_OK)
		return ctl_fail(ctl, EX_NOINPUT, "%s (-c FILE names another conf, --socket PATH the socket)",
			err.text);
	if (target->config->admin.socket[0] == '\0')
		return ctl_usage(ctl, "%s switches the socket off: use --url and a token", ctl->conf);
	target->socket = target->config->admin.socket;
	return 0;
}

static int find_target(const struct ctl *ctl, struct target *target)
{
	*target = (struct target){.url = "http://localhost"};
	buf_init(&target->token, TOKEN_FILE_BYTES_MAX);
	buf_init(&target->ca, CA_BYTES_MAX);
	if (ctl->url != NULL)
		return find_over_tcp(ctl, target);
	if (ctl->socket == NULL)
		return find_by_conf(ctl, target);
	target->socket = ctl->socket;
	return 0;
}

/* One call, run on a loop of its own. */
struct exchange {
	struct net_loop *loop;
	struct answer *answer;
	struct err err;
	enum rc rc;
	bool is_json;
	bool (*part)(void *ctx, struct slice part, uint64_t total);
	void *part_ctx;
	bool has_begun;  /* a part came */
	bool is_refused; /* a part was not taken, and it was told why */
};

static bool take_part(void *ctx, struct slice part, uint64_t total)
{
	struct exchange *exchange = ctx;

	exchange->has_begun = true;
	exchange->is_refused = !exchange->part(exchange->part_ctx, part, total);
	return !exchange->is_refused;
}

static void take_reply(void *ctx, const struct net_reply *reply)
{
	struct exchange *exchange = ctx;
	struct answer *answer = exchange->answer;

	exchange->rc = reply->rc;
	exchange->err = reply->err;
	if (reply->rc == RC_OK) {
		answer->status = reply->status;
		buf_append(&answer->body, reply->body);
		exchange->is_json = strstr(reply->content_type, "json") != NULL;
		exchange->rc = buf_status(&answer->body, "answer", &exchange->err);
	}
	net_loop_stop(exchange->loop);
}

static enum rc exchange_run(const struct target *target, const struct net_call *call,
	struct exchange *exchange)
{
	const struct net_client_params params = {
		.base_url = target->url,
		.unix_socket = target->socket,
		.ca_pem = buf_slice(&target->ca),
		.bearer = target->token.len > 0 ? (const char *)target->token.ptr : NULL,
		.timeout_ms = call->part != NULL ? FETCH_TIMEOUT_MS : CALL_TIMEOUT_MS,
		.response_bytes_max = ANSWER_BYTES_MAX,
	};
	struct net_client *client = NULL;
	enum rc rc = net_loop_new(&exchange->loop, &exchange->err);

	if (rc == RC_OK)
		rc = net_client_new(exchange->loop, &params, &client, &exchange->err);
	if (rc == RC_OK)
		rc = net_client_call(client, call, &exchange->err);
	if (rc == RC_OK) {
		net_loop_run(exchange->loop);
		rc = exchange->rc;
	}
	net_client_free(&client);
	net_loop_free(&exchange->loop);
	return rc;
}

static int tell_unreachable(const struct ctl *ctl, const struct target *target,
	const struct err *err)
{
	const char *where = target->socket != NULL ? target->socket : target->url;

	if (target->config != NULL)
		return ctl_fail(ctl, EX_UNAVAILABLE,
			"pomonad does not answer at %s (%s): is it running? start it with `pomonad -c %s`", where,
			err->text, ctl->conf);
	return ctl_fail(ctl, EX_UNAVAILABLE, "pomonad does not answer at %s (%s): is it running there?",
		where, err->text);
}

static const char *advice_for(unsigned status)
{
	static const struct {
		unsigned status;
		const char *advice;
	} table[] = {
		{401,
			"use a live token (--token-file FILE, " CTL_TOKEN_VARIABLE
			"), or the Unix socket as root or a member of its group"},
		{403, "use a token of that role; `[admin] socket_role` is what the socket's group may do"},
		{413, "the conf key [admin] body_bytes_max sets the bound"},
		{500, "the log of pomonad says more"},
		{503, "the server is busy, starting or stopping, or cannot write: try again, see its log"},
	};

	for (size_t i = 0; i < COUNT_OF(table); i++)
		if (table[i].status == status)
			return table[i].advice;
	return NULL;
}

static int tell_problem(const struct ctl *ctl, const struct answer *answer)
{
	const char *title = answer->json != NULL ? json_text(answer->json, "title") : "";
	const char *detail = answer->json != NULL ? json_text(answer->json, "detail") : "";
	const char *advice = advice_for(answer->status);

	if (ctl->is_json && answer->json != NULL)
		(void)answer_print_json(ctl, answer);
	(void)ctl_fail(ctl, CTL_REFUSED, "%s%s%s (%u)", title[0] != '\0' ? title : "refused",
		detail[0] != '\0' ? ": " : "", detail, answer->status);
	if (advice != NULL)
		fprintf(ctl->err, "           %s\n", advice);
	return CTL_REFUSED;
}

/* 0 when there is an answer, whatever it says; a fetch that was cut off has none. */
static int call_target(const struct ctl *ctl, const struct target *target,
	const struct net_call *call, struct exchange *exchange)
{
	if (exchange_run(target, call, exchange) == RC_OK)
		return 0;
	if (exchange->is_refused)
		return CTL_REFUSED;
	if (exchange->has_begun)
		return ctl_fail(ctl, CTL_REFUSED, "the answer ended before it was whole: %s", exchange->err.text);
	return tell_unreachable(ctl, target, &exchange->err);
}

static int call_api(const struct ctl *ctl, const struct net_call *call, struct exchange *exchange)
{
	struct answer *answer = exchange->answer;
	struct target target;
	int status;

	*answer = (struct answer){.status = 0};
	buf_init(&answer->body, ANSWER_BYTES_MAX);
	status = find_target(ctl, &target);
	if (status == 0 && target.token.len > 0 && buf_cstr(&target.token) == NULL)
		status = ctl_fail(ctl, EX_OSERR, "too little memory");
	if (status == 0)
		status = call_target(ctl, &target, call, exchange);
	target_fini(&target);
	if (status != 0)
		return status;
	if (exchange->is_json && json_parse(buf_slice(&answer->body), &answer->json, NULL) != RC_OK)
		answer->json = NULL;
	return answer->status / 100 == 2 ? 0 : tell_problem(ctl, answer);
}

int api_call(const struct ctl *ctl, const char *method, const char *path, struct slice body,
	struct answer *answer_r)
{
	struct exchange exchange = {.answer = answer_r};
	const struct net_call call = {
		.method = method,
		.path = path,
		.content_type = body.len > 0 ? "application/json" : NULL,
		.body = body,
		.done = take_reply,
		.ctx = &exchange,
	};

	return call_api(ctl, &call, &exchange);
}

int api_fetch(const struct ctl *ctl, const char *path,
	bool (*part)(void *ctx, struct slice part, uint64_t total), void *ctx)
{
	struct answer answer;
	struct exchange exchange = {.answer = &answer, .part = part, .part_ctx = ctx};
	const struct net_call call = {
		.method = "GET",
		.path = path,
		.done = take_reply,
		.part = take_part,
		.ctx = &exchange,
	};
	int status = call_api(ctl, &call, &exchange);

	answer_fini(&answer);
	return status;
}

int api_call_json(const struct ctl *ctl, const char *method, const char *path,
	struct json_value *body, struct answer *answer_r)
{
	struct err err = {.rc = RC_OK};
	struct buf text;
	int status;

	*answer_r = (struct answer){.status = 0};
	buf_init(&text, 2 * (size_t)FILE_BYTES_MAX);
	if (json_write(body, false, &text, &err) == RC_OK)
		status = api_call(ctl, method, path, buf_slice(&text), answer_r);
	else
		status = ctl_fail(ctl, EX_USAGE, "%s", err.text);
	json_free(&body);
	buf_fini_secret(&text);
	return status;
}

void answer_fini(struct answer *answer)
{
	json_free(&answer->json);
	buf_fini_secret(&answer->body); /* a token or a key may be in it */
}

bool answer_print_json(const struct ctl *ctl, const struct answer *answer)
{
	struct slice body = buf_slice(&answer->body);
	struct buf clean;

	if (!ctl->is_json)
		return false;
	buf_init(&clean, 6 * (size_t)ANSWER_BYTES_MAX);
	if (isatty(fileno(ctl->out))) {
		text_clean(body, TEXT_FOR_JSON, &clean);
		body = buf_slice(&clean);
	}
	(void)fwrite(body.ptr, 1, body.len, ctl->out);
	if (body.len > 0 && body.ptr[body.len - 1] != '\n')
		fprintf(ctl->out, "\n");
	buf_fini(&clean);
	return true;
}

static bool copy_path(struct buf *text, char path[static API_PATH_BYTES_MAX])
{
	const char *whole = buf_cstr(text);
	const bool is_whole = whole != NULL && strlen(whole) < API_PATH_BYTES_MAX;

	if (is_whole)
		memcpy(path, whole, strlen(whole) + 1);
	buf_fini(text);
	return is_whole;
}

bool api_path(char path[static API_PATH_BYTES_MAX], const char *head, const char *id,
	const char *tail)
{
	struct buf text;

	buf_init(&text, API_PATH_BYTES_MAX);
	buf_append_str(&text, head);
	net_url_append(&text, slice_of_str(id));
	buf_append_str(&text, tail);
	return copy_path(&text, path);
}

bool api_path_add(char path[static API_PATH_BYTES_MAX], const char *name, const char *value)
{
	struct buf text;

	if (value == NULL)
		return true;
	buf_init(&text, API_PATH_BYTES_MAX);
	buf_printf(&text, "%s%c%s=", path, strchr(path, '?') != NULL ? '&' : '?', name);
	net_url_append(&text, slice_of_str(value));
	return copy_path(&text, path);
}

int api_show(const struct ctl *ctl, const char *method, const char *path,
	void (*print)(const struct ctl *ctl, const struct json_value *json))
{
	struct answer answer;
	int status = api_call(ctl, method, path, slice_of(NULL, 0), &answer);

	if (status == 0 && !answer_print_json(ctl, &answer) && answer.json != NULL)
		print(ctl, answer.json);
	answer_fini(&answer);
	return status;
}
