/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_API_PRIVATE_H
#define POMONA_API_PRIVATE_H

/*
 * What the files of this room share: the API itself, one call of it, problems, pages, and the two
 * ways a handler works: api_call_read() from a snapshot on the worker, api_job_handle() by a job of
 * the writer, after one of the signer where a CA's key is needed. A third, for pushes, is in pushing.h.
 * Threading: the worker's until api_job_handle() submits, then the signer's and the writer's.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "pomona/api/api.h"
#include "pomona/json/json.h"
#include "pomona/store/admin.h"
#include "pomona/store/enrollment.h"
#include "pomona/store/queue.h"

enum {
	API_SMALL_BODY_BYTES_MAX = 65536, /* of all bodies but ids and a push certificate */
	/* each byte of a PEM may be escaped, as its line ends are; a password's as \uXXXX */
	API_PUSHCERT_BODY_BYTES_MAX = 2 * PUSH_CERT_PEM_BYTES_MAX + 6 * PUSH_PASSWORD_BYTES_MAX + 1024,
	API_REPLY_BYTES_MAX = 512 * 1024 * 1024,
	API_PROBLEM_BYTES_MAX = 8192,
	API_ABANDONED_MAX = 64,
	API_RETRY_AFTER_S = 5,
	TIME_FIELD_BYTES_MAX = 64,
};

/* A staged send that was given up half way: its rows are in nobody's sight until it is repeated. */
struct abandoned {
	int64_t command_id, batch_id;
};

/* The flags of a route. 0, and all that is not here, is for nobody. */
enum {
	ROUTE_FOR_VIEWER = API_ROLE_VIEWER,
	ROUTE_FOR_OPERATOR = API_ROLE_OPERATOR,
	ROUTE_FOR_ADMIN = API_ROLE_ADMIN,
	ROUTE_FOR_OPEN = 16, /* everybody */
};
/* May somebody with `role` call a route that has these flags? */
bool api_role_may(enum api_role role, uint32_t flags);

/* Who calls, kept with the connection: its requests come one after the other. */
struct administrator {
	char who[API_TOKEN_MAKER_BYTES_MAX + 1]; /* "token:" and its name, "unix:" and the uid */
};

/* Why a call was turned away before its handler. */
enum denial {
	DENIAL_NONE,
	DENIAL_NO_TOKEN,
	DENIAL_UNKNOWN_TOKEN,
	DENIAL_EXPIRED_TOKEN,
	DENIAL_ROLE,
	DENIAL_COUNT
};
struct denied {
	atomic_int_least64_t logged_us; /* when one was logged last */
	atomic_uint_least64_t silently; /* those since */
	atomic_uint_least64_t total;
};
const char *api_denial_name(enum denial denial);

/*
 * Uses of tokens on their way to the database: a token's is written at most every few minutes, by a
 * job that no request waits for. Threading: its lock.
 */
enum { USES_MAX = 64, USES_STEP_S = 300 };
struct use {
	int64_t token_id, at;
};
struct uses {
	struct store_job job; /* first: the writer hands it back */
	struct store *store;
	pthread_mutex_t lock; /* of all below */
	struct use waiting[USES_MAX], writing[USES_MAX];
	size_t waiting_count, writing_count;
	bool is_under_way;
};
void api_uses_init(struct uses *uses, struct store *store);
void api_uses_note(struct uses *uses, const struct api_token_found *token, int64_t now);
void api_uses_fini(struct uses *uses);

struct api {
	struct store *store;
	struct device *device;
	const struct clock *clock;
	const struct authority *device_ca;
	struct signer *signer; /* whose thread alone uses the CA's key */
	struct push *push;     /* NULL: none */
	struct enroll *enroll; /* NULL: none */
	struct cert_facts device_ca_facts;
	size_t body_bytes_max;
	const char *master_key;
	gid_t socket_gid;
	uid_t own_uid;
	_Atomic(enum api_role) socket_role;
	int64_t started_unix, started_us;
	_Atomic(const struct http_listener *) device_listener, plain_listener, admin_listener,
		socket_listener;
	atomic_bool is_ready;
	struct denied denied[DENIAL_COUNT];
	struct uses uses;
	pthread_mutex_t lock;  /* of all below */
	struct cert_facts tls; /* not_after 0: unknown */
	struct abandoned abandoned[API_ABANDONED_MAX];
	size_t abandoned_count;
};

/* One request under way; lives in its arena. */
struct call {
	struct api *api;
	struct http_request *request;
	struct arena *arena;
	const char *who;   /* the administrator: a token's name, "unix" */
	const char *field; /* of the request's body or query that is at fault; NULL: none in particular */
	unsigned status;   /* of a failure, where it does not follow from its rc; 0: it does */
};

void api_call_init(struct call *call, struct api *api, struct http_request *request);
/* err_set(RC_INVALID) about one field of the request. */
enum rc api_call_invalid(struct call *call, struct err *err, const char *field, const char *format,
	...) PRINTF_LIKE(4, 5);
/* The field "expires_at": a time to come, within so many days from now where days_max is not 0. */
struct api_validity {
	int64_t default_s; /* without the field, so long from now; 0: *expires_at_r is 0, for never */
	int64_t days_max;
};
enum rc api_call_read_end(struct call *call, const struct api_validity *validity, struct slice text,
	int64_t *expires_at_r, struct err *err) MUST_USE;
/* Of challenges, and of the profiles that have one. */
extern const struct api_validity api_challenge_validity;
/* err_set(RC_EXISTS): the request is sound, but not now or not here. 409. */
enum rc api_call_conflict(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);
enum rc api_call_no_memory(struct err *err);
/* Frees *root. */
void api_call_reply(struct call *call, unsigned status, struct json_value **root);
void api_call_fail(struct call *call, enum rc rc, const struct err *err);
/* The body as a JSON object that lives as long as the request. */
enum rc api_call_body(struct call *call, struct json_value **body_r, struct err *err) MUST_USE;
/* The log line that every change by an administrator leaves, whatever the log's level. */
void api_call_audit(const struct call *call, const char *what, const char *id);
void api_call_audit_slice(const struct call *call, const char *what, struct slice id);
/* `detail`: what else matters about it. */
void api_call_audit_detail(const struct call *call, const char *what, const char *id,
	const char *detail);
/* The enrollments that a change was for: those whose outcome is `outcome`. */
struct audit_targets {
	const struct json_value *ids; /* NULL: all */
	const uint8_t *outcomes;      /* one an id */
	const uint8_t *repeated;      /* of api_ids_find_repeated() */
	uint8_t outcome;
	int64_t count;             /* those */
	struct slice request_type; /* of a command; may be empty */
};
enum { AUDIT_TARGETS_MAX = 8 }; /* named; the rest is counted */
void api_call_audit_targets(const struct call *call, const char *what, struct slice id,
	const struct audit_targets *targets);

/* Answers 200 with the object that `read` fills from a snapshot. */
typedef enum rc api_call_reader(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err);
void api_call_read(struct http_request *request, void *api, api_call_reader *read);

struct job_type;

/* A call that writes. Embedded first in what a handler needs besides. */
struct job {
	struct store_job store_job; /* first: the writer hands it back */
	struct signer_job signer_job;
	struct call call;
	const struct job_type *type;
};

struct job_type {
	size_t size; /* of the struct that begins with the struct job; zeroed before `prepare` */
	/* On the worker: reads the request. NULL: nothing to read. */
	enum rc (*prepare)(struct job *job, struct err *err);
	/* On the signer's thread: what takes the CA's private key, or as long. NULL: nothing does. */
	enum rc (*sign)(struct job *job, struct err *err);
	/* On the writer, in its transaction. */
	enum rc (*run)(struct job *job, struct txn *txn, struct err *err);
	/* Durable: is another job needed? Called once a run; NULL: never. */
	bool (*is_more)(struct job *job);
	/* Durable and complete: replies (api_call_reply). */
	void (*reply)(struct job *job);
	/* It failed, and the problem will be the reply. NULL: nothing to do. */
	void (*failed)(struct job *job);
};

void api_job_handle(struct http_request *request, void *api, const struct job_type *type);

/* RFC 9457. */
struct problem {
	unsigned status;
	const char *detail;      /* NULL: none */
	const char *field;       /* NULL: none */
	const char *needed_role; /* NULL: it is not about roles */
};
void api_problem_write(const struct problem *problem, struct buf *body);
void api_problem_reply(struct http_request *request, const struct problem *problem);
extern const char api_problem_content_type[];

/* Lists: ?limit=&cursor=. A cursor is 16 hex digits that mean nothing to clients. */
enum { PAGE_LIMIT_DEFAULT = 100, PAGE_LIMIT_MAX = 1000, PAGE_CURSOR_BYTES = 17 };
struct page {
	int limit;
	int64_t after_id;
};
enum rc api_page_read(struct call *call, struct page *page_r, struct err *err) MUST_USE;
/* Sets "next_cursor": null unless the page is full. */
void api_page_end(const struct page *page, size_t count, int64_t last_id, struct json_value *root);
void api_page_cursor_format(int64_t id, char out[static PAGE_CURSOR_BYTES]);
enum rc api_page_cursor_parse(struct slice text, int64_t *id_r, struct err *err) MUST_USE;

/* Parts that several resources use. */
void api_set_hex(struct json_value *object, const char *key, struct slice bytes);
/* 64 hex digits of the path; RC_INVALID. */
enum rc api_param_sha256(struct call *call, uint8_t out[static SHA256_BYTES], struct err *err)
	MUST_USE;
/* The {id} of the path. */
enum rc api_param_enrollment(struct call *call, struct txn *txn, struct enrollment *enrollment_r,
	struct err *err) MUST_USE;
void api_set_cert(struct json_value *object, const struct cert_facts *facts);
void api_queue_view_write(const struct queue_view *view, struct json_value *row);
enum rc api_alarms_write(struct call *call, struct txn *txn, int limit, struct json_value *root,
	struct err *err) MUST_USE;
/* How far the renewal of a device's identity is; null of who has none. */
enum rc api_renewal_write(struct call *call, struct txn *txn, int64_t enrollment_id,
	struct json_value *object, struct err *err) MUST_USE;
enum rc api_renewals_status_write(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err) MUST_USE;
/* Which keys blobs are sealed under. */
void api_keys_write(struct api *api, struct json_value *object);
/* The queue's rows of one page, as "commands" or "results". */
enum rc api_queue_page_write(struct call *call, struct txn *txn, struct queue_filter *filter,
	const char *key, struct json_value *root, struct err *err) MUST_USE;

/* The body of POST commands, read and checked. */
enum { SEND_IDS_MAX = 1000000, SEND_SMALL_IDS_MAX = 200 };
struct send_body {
	const struct json_value *ids; /* array of texts; NULL with is_all */
	bool is_all;                  /* all enrolled device channels */
	struct command_row row;       /* in the arena */
	int64_t not_after;            /* 0: never */
};
enum rc api_send_body_read(struct call *call, const struct json_value *body, int64_t now,
	struct send_body *send_r, struct err *err) MUST_USE;
/* Checks "ids": texts of a possible length, at most SEND_IDS_MAX. */
enum rc api_ids_check(struct call *call, const struct json_value *ids, struct err *err) MUST_USE;
/*
 * One byte an id, in the arena: 1 where the same id stands at a lower index already. Else 0.
 */
enum rc api_ids_find_repeated(const struct json_value *ids, struct arena *arena,
	uint8_t **repeated_r, struct err *err) MUST_USE;
/* Appends `text`, which is UTF-8, as a JSON string. */
void api_ids_append_text(struct buf *out, struct slice text);

/* The words that choose enrollments; empty slices where none was given. */
struct filter_words {
	struct slice state, kind, serial_number, activity, renewal;
};
enum rc api_filter_read(struct call *call, const struct filter_words *words,
	struct enrollment_filter *filter, struct err *err) MUST_USE;

enum { API_URL_BYTES = PROFILE_URL_BYTES_MAX + 1 };

/* A key and its certificate as PKCS#12, for one profile. */
struct api_profile_key {
	char password[PROFILE_TEXT_BYTES_MAX + 1]; /* wiped with the PKCS#12 when the profile is made */
	bool is_password_told; /* by who asked, who tells the person; else it is ours and in the profile */
	bool is_legacy;
	struct buf pkcs12;
	struct slice der; /* in the arena */
	struct cert_facts facts;
};
/* The object "pkcs12" of the body. */
enum rc api_profile_key_read(struct call *call, const struct json_value *object,
	struct api_profile_key *key, struct err *err) MUST_USE;
/* On the signer's thread. RSA for who wants what older systems read. */
enum rc api_profile_key_make(struct call *call, struct slice device_id, struct api_profile_key *key,
	struct err *err) MUST_USE;
/* Borrowed. */
struct profile_pkcs12 api_profile_key_slices(const struct api_profile_key *key);
void api_profile_key_wipe(struct api_profile_key *key);

/* Handlers, by file. */
void api_status_get(struct http_request *request, void *api);
void api_health_get(struct http_request *request, void *api);
void api_ready_get(struct http_request *request, void *api);
void api_devices_get(struct http_request *request, void *api);
void api_device_get(struct http_request *request, void *api);
void api_device_commands_get(struct http_request *request, void *api);
void api_device_unenroll(struct http_request *request, void *api);
void api_device_keep(struct http_request *request, void *api);
void api_device_forget(struct http_request *request, void *api);
void api_commands_post(struct http_request *request, void *api);
void api_command_get(struct http_request *request, void *api);
void api_command_plist_get(struct http_request *request, void *api);
void api_command_cancel(struct http_request *request, void *api);
void api_results_get(struct http_request *request, void *api);
void api_result_get(struct http_request *request, void *api);
void api_result_plist_get(struct http_request *request, void *api);
void api_refusals_get(struct http_request *request, void *api);
void api_tokens_get(struct http_request *request, void *api);
void api_tokens_post(struct http_request *request, void *api);
void api_token_delete(struct http_request *request, void *api);
void api_identities_get(struct http_request *request, void *api);
void api_challenges_post(struct http_request *request, void *api);
void api_renewals_post(struct http_request *request, void *api);
void api_profiles_post(struct http_request *request, void *api);
void api_ota_post(struct http_request *request, void *api);
void api_invitations_get(struct http_request *request, void *api);
void api_invitations_post(struct http_request *request, void *api);
void api_invitation_delete(struct http_request *request, void *api);
void api_identities_post(struct http_request *request, void *api);
void api_identity_revoke_post(struct http_request *request, void *api);
void api_accounts_get(struct http_request *request, void *api);
void api_accounts_logout(struct http_request *request, void *api);
void api_cas_get(struct http_request *request, void *api);
void api_cas_post(struct http_request *request, void *api);
void api_ca_delete(struct http_request *request, void *api);
void api_apple_cas_get(struct http_request *request, void *api);
void api_apple_cas_post(struct http_request *request, void *api);
void api_apple_ca_delete(struct http_request *request, void *api);
void api_alarms_get(struct http_request *request, void *api);
void api_alarm_delete(struct http_request *request, void *api);
void api_push_post(struct http_request *request, void *api);
void api_pushcerts_get(struct http_request *request, void *api);
void api_pushcerts_put(struct http_request *request, void *api);
void api_pushcert_delete(struct http_request *request, void *api);
void api_pushcert_test_post(struct http_request *request, void *api);
void api_keys_get(struct http_request *request, void *api);
void api_keys_count(struct http_request *request, void *api);
void api_keys_rotate(struct http_request *request, void *api);
void api_keys_prune(struct http_request *request, void *api);
void api_backup_get(struct http_request *request, void *api);
void api_integrity_get(struct http_request *request, void *api);

#endif
