/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_CTL_CTL_H
#define POMONA_CTL_CTL_H

/*
 * What the files of pomonactl share: the words of the command line, one call of the admin API, and
 * output that people read. One subcommand a file; commands.c has the table. Threading: one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sysexits.h>

#include "pomona/base/buf.h"
#include "pomona/base/err.h"
#include "pomona/json/json.h"

enum {
	CTL_REFUSED = 1, /* exit status: the server, or the work itself, said no */
	ARGS_MAX = 65536,
	FILE_BYTES_MAX = 64 * 1024 * 1024,
	API_PATH_BYTES_MAX = 8192,
	CTL_PASSWORD_BYTES_MAX = 4096,
};

#define CTL_CONF_DEFAULT "/etc/pomona/pomona.conf"
#define CTL_TOKEN_VARIABLE "POMONA_TOKEN"

/* --- words */

struct option {
	const char *name; /* "--device" */
	bool has_value;
};

struct args {
	const char **words; /* those that are no options; owned */
	size_t word_count;
	struct arg_option {
		const char *name, *value; /* value "" where it has none */
	} * options;               /* owned */
	size_t option_count;
};

struct ctl;

struct command {
	const char *name;  /* "identity" */
	const char *verb;  /* "issue"; NULL: the name alone */
	const char *usage; /* what follows them */
	const char *help;  /* one line */
	const struct option *options;
	size_t option_count;
	size_t words_min, words_max;
	bool has_keys; /* takes options of any name that begins with a capital, with a value */
	int (*run)(struct ctl *ctl, const struct args *args);
};

struct ctl {
	const char *program;
	const char *conf, *socket, *url, *token_file, *ca_file;
	bool is_json;
	bool is_plain_allowed; /* a token may go over the network without TLS */
	FILE *out, *err;
	int64_t now; /* UNIX seconds */
};

extern const struct option ctl_global_options[];
extern const size_t ctl_global_option_count;

/* Sorts argv[from..] by the command's table and the global one. RC_INVALID says what is wrong. */
enum rc args_parse(const struct command *command, int argc, char *const *argv, struct args *args_r,
	struct err *err) MUST_USE;
/* The last value given; NULL: the option was not given. */
const char *args_get(const struct args *args, const char *name);
void args_fini(struct args *args);

const struct command *commands_table(size_t *count_r);
/* Matches argv[0] and argv[1]; *used_r is how many words name it. NULL: none. */
const struct command *commands_find(int argc, char *const *argv, int *used_r);
bool commands_is_group(const char *name);
void commands_print_help(FILE *out);
/* The usage of each verb of the name. */
void commands_print_group(const char *name, FILE *out);
void commands_print_usage(const struct command *command, FILE *out);
/* Says on err what is wrong with the command line; 64. */
int ctl_usage(const struct ctl *ctl, const char *format, ...) PRINTF_LIKE(2, 3);
/* "pomonactl: ..." on err; returns `status`. */
int ctl_fail(const struct ctl *ctl, int status, const char *format, ...) PRINTF_LIKE(3, 4);

/* --- files */

/* Appends the file, or standard input for "-". 0 or an exit status, with the fault told. */
int ctl_read_file(const struct ctl *ctl, const char *path, struct buf *out) MUST_USE;

/*
 * The first line of the file; or a line typed on the terminal, which does not show it. 0 or an exit
 * status, with the fault told. `out` is initialised here and always the caller's to
 * buf_fini_secret().
 */
int ctl_read_password(const struct ctl *ctl, const char *path, struct buf *out) MUST_USE;
int ctl_ask_password(const struct ctl *ctl, const char *prompt, struct buf *out) MUST_USE;

/* Asks on the terminal, "y" is yes; where there is none, false. */
bool ctl_confirm(const struct ctl *ctl, const char *question);

/* --- the API */

/* Does what is sent to this URL cross a network without TLS? */
bool url_carries_in_clear(const char *url);

struct answer {
	unsigned status;
	struct buf body;
	struct json_value *json; /* NULL where the body is none */
};

/* One call. 0: the server said 2xx and `answer` is filled; else an exit status, with the fault told. */
int api_call(const struct ctl *ctl, const char *method, const char *path, struct slice body,
	struct answer *answer_r) MUST_USE;
/* The same with a JSON body, which is taken. */
int api_call_json(const struct ctl *ctl, const char *method, const char *path,
	struct json_value *body, struct answer *answer_r) MUST_USE;
/* GET whose body, of any size, `part` takes; it tells its own fault, and its false ends the call with 1. */
int api_fetch(const struct ctl *ctl, const char *path,
	bool (*part)(void *ctx, struct slice part, uint64_t total), void *ctx) MUST_USE;
void answer_fini(struct answer *answer);
/* With --json: prints the body as it came, and true. */
bool answer_print_json(const struct ctl *ctl, const struct answer *answer);
/* "/api/v1/devices/" + encoded id + tail. False: too long. */
bool api_path(char path[static API_PATH_BYTES_MAX], const char *head, const char *id,
	const char *tail) MUST_USE;
/* Appends "?name=value" or "&name=value", encoded; nothing where value is NULL. */
bool api_path_add(char path[static API_PATH_BYTES_MAX], const char *name, const char *value)
	MUST_USE;

/* Call with no body, then --json or `print`. */
int api_show(const struct ctl *ctl, const char *method, const char *path,
	void (*print)(const struct ctl *ctl, const struct json_value *json));

/* --- text */

enum text_escape { TEXT_FOR_PEOPLE, TEXT_FOR_JSON };
/*
 * Appends UTF-8 with what could steer a terminal made visible: control characters, DEL, C1, and the
 * characters that turn the writing direction. TEXT_FOR_JSON: as \uXXXX, which says the same to a
 * program, and line ends are left.
 */
void text_clean(struct slice in, enum text_escape escape, struct buf *out);
/* Columns that it takes: one a character. */
size_t text_columns(const char *text);
enum { TEXT_RELATIVE_BYTES = 32 };
/* "3 min ago", "in 12 days", "now". */
void text_relative(int64_t then, int64_t now, char out[static TEXT_RELATIVE_BYTES]);
/*
 * A time to come, as the API wants it: "90d" (also h, w) from `now`, or RFC 3339 as it stands. False: neither.
 */
enum { TEXT_TIME_BYTES = 64 };
bool text_time_to_come(const char *text, int64_t now, char out[static TEXT_TIME_BYTES]) MUST_USE;
/* "17.3 MiB". */
void text_bytes(int64_t bytes, char out[static TEXT_RELATIVE_BYTES]);

/* --- tables */

enum { TABLE_COLUMNS_MAX = 10 };
struct table;
/* Columns end with NULL; the strings are borrowed. NULL: no memory. */
struct table *table_new(const char *const *columns);
/* Cells in the order of the columns. Copies and cleans. NULL is shown as "-". */
void table_add(struct table *table, const char *text);
void table_add_json(struct table *table, const struct json_value *object, const char *key);
void table_add_time(struct table *table, const struct json_value *object, const char *key,
	int64_t now);
/* On a terminal that is narrower than the table: as facts, row by row. */
void table_print(const struct table *table, FILE *out);
/* The same for a terminal of so many columns; 0: no terminal. */
void table_print_within(const struct table *table, size_t columns, FILE *out);
void table_free(struct table **table);

/* A line "  key   value", the value cleaned. */
void print_fact(FILE *out, const char *key, const char *format, ...) PRINTF_LIKE(3, 4);
void print_json_fact(const struct ctl *ctl, const struct json_value *object, const char *key,
	const char *label);
void print_json_time(const struct ctl *ctl, const struct json_value *object, const char *key,
	const char *label);
/* Prints "more: ... --cursor X" where the page was not the last. */
void print_more(const struct ctl *ctl, const struct json_value *json);
/* Calls `visit` for each member; it always returns RC_OK. Nothing where `object` is none. */
void print_each(const struct json_value *object,
	enum rc (*visit)(void *ctx, const char *key, struct json_value *value), void *ctx);
/* The text of a member, "" where there is none; borrowed. */
const char *json_text(const struct json_value *object, const char *key);

/* --- commands */

int cmd_help(struct ctl *ctl, const struct args *args);
int cmd_version(struct ctl *ctl, const struct args *args);
int cmd_init(struct ctl *ctl, const struct args *args);
int cmd_status(struct ctl *ctl, const struct args *args);
int cmd_devices(struct ctl *ctl, const struct args *args);
int cmd_device_show(struct ctl *ctl, const struct args *args);
int cmd_device_unenroll(struct ctl *ctl, const struct args *args);
int cmd_device_keep(struct ctl *ctl, const struct args *args);
int cmd_device_forget(struct ctl *ctl, const struct args *args);
int cmd_send(struct ctl *ctl, const struct args *args);
int cmd_commands(struct ctl *ctl, const struct args *args);
int cmd_command(struct ctl *ctl, const struct args *args);
int cmd_cancel(struct ctl *ctl, const struct args *args);
int cmd_refusals(struct ctl *ctl, const struct args *args);
int cmd_alarms(struct ctl *ctl, const struct args *args);
int cmd_alarm_clear(struct ctl *ctl, const struct args *args);
int cmd_token_add(struct ctl *ctl, const struct args *args);
int cmd_token_list(struct ctl *ctl, const struct args *args);
int cmd_token_revoke(struct ctl *ctl, const struct args *args);
int cmd_enroll_link(struct ctl *ctl, const struct args *args);
int cmd_enroll_links(struct ctl *ctl, const struct args *args);
int cmd_enroll_unlink(struct ctl *ctl, const struct args *args);
int cmd_enroll_qr(struct ctl *ctl, const struct args *args);
int cmd_enroll_challenge(struct ctl *ctl, const struct args *args);
int cmd_enroll_profile(struct ctl *ctl, const struct args *args);
int cmd_enroll_renew(struct ctl *ctl, const struct args *args);
int cmd_enroll_ota(struct ctl *ctl, const struct args *args);
int cmd_identity_issue(struct ctl *ctl, const struct args *args);
int cmd_identity_revoke(struct ctl *ctl, const struct args *args);
int cmd_identity_list(struct ctl *ctl, const struct args *args);
int cmd_ca_add(struct ctl *ctl, const struct args *args);
int cmd_ca_list(struct ctl *ctl, const struct args *args);
int cmd_ca_remove(struct ctl *ctl, const struct args *args);
int cmd_apple_ca_import(struct ctl *ctl, const struct args *args);
int cmd_apple_ca_list(struct ctl *ctl, const struct args *args);
int cmd_apple_ca_remove(struct ctl *ctl, const struct args *args);
int cmd_push(struct ctl *ctl, const struct args *args);
int cmd_pushcert_set(struct ctl *ctl, const struct args *args);
int cmd_pushcert_list(struct ctl *ctl, const struct args *args);
int cmd_pushcert_remove(struct ctl *ctl, const struct args *args);
int cmd_pushcert_test(struct ctl *ctl, const struct args *args);
int cmd_key_status(struct ctl *ctl, const struct args *args);
int cmd_key_count(struct ctl *ctl, const struct args *args);
int cmd_key_rotate(struct ctl *ctl, const struct args *args);
int cmd_key_prune(struct ctl *ctl, const struct args *args);
int cmd_key_new(struct ctl *ctl, const struct args *args);
int cmd_user_add(struct ctl *ctl, const struct args *args);
int cmd_user_passwd(struct ctl *ctl, const struct args *args);
int cmd_user_remove(struct ctl *ctl, const struct args *args);
int cmd_user_list(struct ctl *ctl, const struct args *args);
int cmd_user_devices(struct ctl *ctl, const struct args *args);
int cmd_user_logout(struct ctl *ctl, const struct args *args);
int cmd_backup(struct ctl *ctl, const struct args *args);
int cmd_restore(struct ctl *ctl, const struct args *args);
int cmd_doctor(struct ctl *ctl, const struct args *args);

#endif
