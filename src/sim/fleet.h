/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_FLEET_H
#define POMONA_SIM_FLEET_H

/*
 * All simulated devices of one run, and their files in <dir>/devices.
 * Threading: the loop's thread.
 */

#include "session.h"

struct fleet {
	struct sim *sim;
	struct session *sessions; /* owned, `count` */
	unsigned count;
	unsigned save_at; /* where fleet_save_some() goes on */
};

/* The devices of the folder as they were left, and new ones up to the number that is asked for. */
enum rc fleet_open(struct fleet *fleet, struct sim *sim, struct err *err) MUST_USE;
enum rc fleet_start(struct fleet *fleet, struct err *err) MUST_USE;
unsigned fleet_enrolled(const struct fleet *fleet);
/*
 * The first device that is not enrolled or has not answered a command in this run; NULL: none. Of clones nobody
 * expects that.
 */
const struct session *fleet_missing(const struct fleet *fleet);
/* The first one that the server has unenrolled, or that was refused as it wanted to enroll; NULL: none. */
const struct session *fleet_hopeless(const struct fleet *fleet);
/* Writes every device that differs from its file. */
enum rc fleet_save(struct fleet *fleet, struct err *err) MUST_USE;
/*
 * Writes a few of those whose enrollment or identity has changed: often called, it keeps the files near the
 * truth without holding up the devices, for each file is synced to the disk.
 */
enum rc fleet_save_some(struct fleet *fleet, struct err *err) MUST_USE;
void fleet_close(struct fleet *fleet);

#endif
