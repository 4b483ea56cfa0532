/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_LIFE_H
#define POMONA_SIM_LIFE_H

/*
 * What happens to a device without its server: it is restored, APNs gives it another token, its users come
 * and go.
 * Threading: one thread at a time a device.
 */

#include "device.h"

/* Of the visits to the server, how many are followed by each. */
struct life_rates {
	int64_t restore_percent, token_percent, logout_percent;
};

struct life_events {
	bool is_restored, has_new_tokens;
	unsigned logout; /* the channel of the user who leaves; 0: nobody */
};

/*
 * Throws the dice: all of them each time, so that one rate does not change what the others hit. What cannot
 * happen to the device does not: nobody restores an Apple TV or a Shared iPad from a backup.
 */
struct life_events life_draw(struct device *device, const struct life_rates *rates);

/*
 * From a backup, on the same hardware: identity and profiles are those of the backup. There are new push tokens
 * and magics, and the device says so in a TokenUpdate without Authenticate. Results that the server has not
 * taken are lost; users log in anew.
 */
void life_restore(struct device *device);
/* Each enrolled channel has another token, and says so. */
void life_change_tokens(struct device *device);
/* Its channel is quiet from now on. */
void life_log_out(struct channel *channel);
/* The users that were logged out come back: a network user asks for admission again. True: there was one. */
bool life_log_in(struct device *device);
bool life_has_logged_out(const struct device *device);

#endif
