/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_DEVICE_H
#define POMONA_SIM_DEVICE_H

/*
 * One simulated device: what it is, who it is to the server, and how far its enrollment has come.
 * Threading: one thread at a time.
 */

#include "pomona/base/buf.h"
#include "pomona/pki/authority.h"
#include "enrollment_profile.h"
#include "model.h"
#include "profile.h"

enum {
	CHANNELS_MAX = 3, /* the device's own and two users' */
	NAME_TEXT_BYTES = 64,
	PUSH_TOKEN_BYTES = 32,
	AUTH_TOKEN_BYTES = 512,
	UNSENT_BYTES_MAX = 16 * 1024 * 1024,
	PEM_BYTES_MAX = 16384,
};

/* A Shared iPad's users all have this UserID and are told apart by their short names. */
#define SHARED_USER_ID "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"

enum answer_status {
	ANSWER_ACKNOWLEDGED,
	ANSWER_ERROR,
	ANSWER_FORMAT_ERROR,
	ANSWER_NOT_NOW,
	ANSWER_STATUS_COUNT
};

/* A conversation with the server that has a queue of its own: the device's, or one of its users'. */
struct channel {
	char user_id[CHANCE_UUID_BYTES]; /* "" on the device's own channel, as the names */
	char short_name[NAME_TEXT_BYTES];
	char long_name[NAME_TEXT_BYTES];
	bool is_network_user; /* a Mac user that the server must authenticate first */
	bool is_authenticated;
	bool is_refused;     /* 410: quiet until the next login, that is the next run */
	bool is_enrolled;    /* its TokenUpdate was taken */
	bool has_token_news; /* enrolled, but it has another TokenUpdate to send */
	bool is_logged_out;  /* a user: quiet until the next login */
	char challenge[AUTH_TOKEN_BYTES];
	char auth_token[AUTH_TOKEN_BYTES];
	uint8_t push_token[PUSH_TOKEN_BYTES];
	char push_magic[CHANCE_UUID_BYTES];
	struct buf unsent; /* a result that the server has not taken yet */
	enum answer_status unsent_status;
	bool unsent_erases; /* sending it is the device's last act */
	struct profile_set profiles;
};

/* What it had before its management was renewed. */
struct former {
	struct buf cert_pem, key_pem; /* empty: there is none */
	struct management *management;
};

struct device {
	unsigned index;
	const struct model *model;
	char serial[SERIAL_TEXT_BYTES];
	char udid[UDID_TEXT_BYTES];
	char enrollment_id[CHANCE_UUID_BYTES]; /* a user enrollment's; "": enrolled as a device */
	char name[NAME_TEXT_BYTES];
	char os_version[NAME_TEXT_BYTES], build_version[NAME_TEXT_BYTES];
	char topic[ENROLLMENT_TOPIC_BYTES]; /* of its pushes */
	char bearer[AUTH_TOKEN_BYTES];      /* of the login, where it enrolled with an account; "" */
	bool is_shared;                     /* a Shared iPad */
	bool has_bootstrap_token;
	bool is_in_setup;              /* it waits in Setup Assistant for DeviceConfigured */
	bool is_unenrolled;            /* the server ended the management */
	bool is_clone;                 /* its certificate and key are another device's */
	struct buf cert_pem, key_pem;  /* empty: it has still to get them */
	struct management *management; /* of its enrollment profile; NULL: it got in without one */
	struct former former;          /* until the new identity has spoken */
	struct buf offer;              /* an enrollment profile that it was told to install; empty: none */
	struct channel channels[CHANNELS_MAX];
	unsigned channel_count;
	struct chance chance;
	struct chance life; /* for what happens to it without the server, so that this changes no answer */
};

/* The `index`-th device of the fleet of `seed`, not enrolled and without a certificate. The caller's memory. */
void device_init(struct device *device, unsigned index, uint64_t seed);
/* A new key and certificate, new push tokens, nothing enrolled: as after an erase. */
enum rc device_renew(struct device *device, const struct authority *authority, int64_t now,
	struct err *err) MUST_USE;
/* The same without an identity: how it gets one is another's business. */
void device_reset(struct device *device);
/* Copied, but for the management, which is taken. */
struct device_identity {
	struct slice cert_pem, key_pem;
	struct management *management; /* NULL: none */
};
/*
 * From now on the device is this one. A renewal keeps what was until device_forget_former() and restarts the check-in, with
 * what each channel has.
 */
enum rc device_take_identity(struct device *device, const struct device_identity *identity,
	bool is_renewal, struct err *err) MUST_USE;
bool device_has_former(const struct device *device);
void device_forget_former(struct device *device);
/* The renewal has failed: all is as it was. There is a former. */
void device_restore_former(struct device *device);
/* The certificate and the key of `of` instead of its own. */
enum rc device_copy_identity(struct device *device, const struct device *of, struct err *err)
	MUST_USE;
/* UDID, or EnrollmentID in a user enrollment: how the server knows it. */
const char *device_id(const struct device *device);
bool channel_is_user(const struct channel *channel);
void device_fini(struct device *device);

/* The device's file, read (into a device that was initialised) and written whole. RC_NOT_FOUND; RC_CORRUPT names the key. */
enum rc device_load(const char *path, struct device *device, struct err *err) MUST_USE;
enum rc device_save(const char *path, const struct device *device, struct err *err) MUST_USE;

#endif
