/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_ANSWER_H
#define POMONA_SIM_ANSWER_H

/*
 * A command in, a result out, without any I/O: what a device answers.
 * Threading: any thread, one at a time a device.
 */

#include "build.h"
#include "device.h"

struct answer_params {
	struct device *device;
	struct channel *channel; /* the one that got the command */
	int64_t notnow_percent, error_percent;
};

struct answer {
	enum answer_status status;
	bool is_erase;  /* an EraseDevice that was acknowledged */
	bool is_change; /* the device differs from what it was */
	bool
		is_enrollment; /* acknowledged as soon as the enrollment profile in device.offer is installed */
	char request_type[NAME_TEXT_BYTES]; /* "" where the command had none */
};

/*
 * Does what the command says, as far as that shows later, and appends the result as XML. RC_INVALID where `command` is no property list with a CommandUUID, so that
 * nothing can be answered; RC_LIMIT, RC_NO_MEMORY.
 */
enum rc answer_command(const struct answer_params *params, struct chance *chance,
	struct slice command, struct buf *result, struct answer *answer_r, struct err *err) MUST_USE;
/* Puts in place of `result` one that says that its command has failed. RC_INVALID where `result` is none. */
enum rc answer_fail(const struct device *device, const struct channel *channel,
	const struct refusals *why, struct buf *result, struct err *err) MUST_USE;
/* "Acknowledged", "Error", ...; the other way gives ANSWER_STATUS_COUNT for any other text. */
const char *answer_status_name(enum answer_status status);
enum answer_status answer_status_of(struct slice name);

/* What the functions that fill a result are given. */
struct filling {
	const struct device *device;
	const struct channel *channel;
	struct chance *chance;
	const struct plist_node *command; /* the Command dictionary */
	struct build *build;
};

/* What a command does to the device before its result is made. No chain: it is done. */
struct acting {
	struct device *device;
	struct channel *channel;
	const struct plist_node *command;
};

typedef struct refusals act_fn(const struct acting *act);

/* answer_profile.c */
act_fn act_install_profile;
act_fn act_remove_profile;
/* answer_user.c */
act_fn act_log_out_user;
act_fn act_end_setup;

typedef void fill_fn(struct filling *fill, struct plist_node *result);

/* answer_info.c */
fill_fn fill_device_information;
/* answer_security.c */
fill_fn fill_security_info;
/* answer_profile.c */
fill_fn fill_profile_list;
fill_fn fill_certificate_list;
/* answer_restrictions.c */
fill_fn fill_restrictions;
/* answer_app.c */
fill_fn fill_installed_application_list;
fill_fn fill_managed_application_list;
/* answer_user.c */
fill_fn fill_user_list;
/* answer_list.c */
fill_fn fill_provisioning_profile_list;
fill_fn fill_managed_media_list;
fill_fn fill_available_os_updates;
fill_fn fill_os_update_status;
fill_fn fill_update_results;
fill_fn fill_settings;
fill_fn fill_install_application;
fill_fn fill_application_attributes;
fill_fn fill_application_configurations;
fill_fn fill_application_feedback;
fill_fn fill_device_location;
fill_fn fill_firmware_password_changed;
fill_fn fill_firmware_password_verified;
fill_fn fill_recovery_lock_verified;
fill_fn fill_activation_lock_bypass_code;

#endif
