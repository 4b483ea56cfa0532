/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/file.h"
#include "pomona/base/rand.h"
#include "session_enroll.h"
#include "ways.h"

enum { START_SPACING_MS = 5, SAVES_AT_ONCE = 20 };

static enum rc device_path(const struct fleet *fleet, unsigned index, char out[static PATH_MAX],
	struct err *err)
{
	int len = snprintf(out, PATH_MAX, "%s/devices/%06u.json", fleet->sim->options->dir, index);

	return len < 0 || len >= PATH_MAX ? err_set(err, RC_LIMIT, "--dir: path too long") : RC_OK;
}

static enum rc make_folder(const struct fleet *fleet, struct err *err)
{
	char path[PATH_MAX];
	int len = snprintf(path, PATH_MAX, "%s/devices", fleet->sim->options->dir);

	if (len < 0 || len >= PATH_MAX)
		return err_set(err, RC_LIMIT, "--dir: path too long");
	return file_make_dir(path, 0700, err);
}

static enum rc save_device(const struct fleet *fleet, struct session *session, struct err *err)
{
	char path[PATH_MAX];
	enum rc rc = device_path(fleet, session->device.index, path, err);

	if (rc == RC_OK)
		rc = device_save(path, &session->device, err);
	if (rc != RC_OK)
		return rc;
	session->is_changed = false;
	session->has_other_unsent = false;
	return RC_OK;
}

static unsigned originals(const struct fleet *fleet)
{
	return (unsigned)(fleet->sim->options->devices - fleet->sim->options->clones);
}

/* The last of the fleet are clones, of the first ones. Who was one in the last run gets an identity of its own. */
static enum rc make_clone(struct fleet *fleet, unsigned index, struct err *err)
{
	struct session *session = &fleet->sessions[index];

	session->original = &fleet->sessions[index % originals(fleet)];
	return device_copy_identity(&session->device, &session->original->device, err);
}

/*
 * Out of management is for good, unless devices are told to enroll again. Clones are made in each run, as their
 * originals may have changed.
 */
static bool is_renewed(const struct fleet *fleet, const struct device *device)
{
	bool is_to_be_clone = device->index >= originals(fleet);

	if (device->is_clone || is_to_be_clone)
		return true;
	return device->is_unenrolled && fleet->sim->options->is_reenrolling;
}

static enum rc open_device(struct fleet *fleet, unsigned index, uint64_t seed, struct err *err)
{
	struct session *session = &fleet->sessions[index];
	char path[PATH_MAX];
	enum rc rc = device_path(fleet, index, path, err);

	if (rc != RC_OK)
		return rc;
	device_init(&session->device, index, seed);
	session->sim = fleet->sim;
	(void)snprintf(session->device.topic, sizeof(session->device.topic), "%s", fleet->sim->topic);
	if (fleet->sim->options->way->begin != NULL)
		session->device.enrollment_id[0] = '\0'; /* only a profile makes it a user's device */
	fleet->count = index + 1;
	if (file_is_there(path)) {
		rc = device_load(path, &session->device, err);
		if (rc != RC_OK || !is_renewed(fleet, &session->device))
			return rc;
	}
	rc = session_reset_device(session, err);
	if (rc == RC_OK && index >= originals(fleet))
		rc = make_clone(fleet, index, err);
	return rc == RC_OK ? save_device(fleet, session, err) : rc;
}

static uint64_t seed_of(const struct options *options)
{
	uint64_t seed = (uint64_t)options->seed;

	if (options->seed < 0)
		rand_bytes(&seed, sizeof(seed));
	return seed;
}

enum rc fleet_open(struct fleet *fleet, struct sim *sim, struct err *err)
{
	unsigned wanted = (unsigned)sim->options->devices;
	uint64_t seed = seed_of(sim->options);
	enum rc rc;

	*fleet = (struct fleet){.sim = sim, .sessions = calloc(wanted, sizeof(*fleet->sessions))};
	if (fleet->sessions == NULL)
		return err_set(err, RC_NO_MEMORY, "%u devices", wanted);
	rc = make_folder(fleet, err);
	for (unsigned i = 0; i < wanted && rc == RC_OK; i++)
		rc = open_device(fleet, i, seed, err);
	return rc;
}

/* Spread, so that a large fleet does not arrive in one instant; within an interval at most. */
enum rc fleet_start(struct fleet *fleet, struct err *err)
{
	int64_t spread_ms = (int64_t)fleet->count * START_SPACING_MS;
	enum rc rc = RC_OK;

	if (spread_ms > fleet->sim->options->interval_ms)
		spread_ms = fleet->sim->options->interval_ms;
	for (unsigned i = 0; i < fleet->count && rc == RC_OK; i++)
		rc = session_start(&fleet->sessions[i], fleet->sim, spread_ms * i / fleet->count, err);
	return rc;
}

unsigned fleet_enrolled(const struct fleet *fleet)
{
	unsigned enrolled = 0;

	for (unsigned i = 0; i < fleet->count; i++)
		enrolled += session_is_enrolled(&fleet->sessions[i]);
	return enrolled;
}

const struct session *fleet_missing(const struct fleet *fleet)
{
	for (unsigned i = 0; i < fleet->count; i++)
		if (fleet->sessions[i].original == NULL &&
			(!session_is_enrolled(&fleet->sessions[i]) || fleet->sessions[i].answered == 0))
			return &fleet->sessions[i];
	return NULL;
}

const struct session *fleet_hopeless(const struct fleet *fleet)
{
	for (unsigned i = 0; i < fleet->count; i++)
		if (fleet->sessions[i].original == NULL && !session_is_enrolled(&fleet->sessions[i]) &&
			(fleet->sessions[i].device.is_unenrolled || fleet->sessions[i].fault[0] != '\0'))
			return &fleet->sessions[i];
	return NULL;
}

enum rc fleet_save(struct fleet *fleet, struct err *err)
{
	enum rc rc = RC_OK;

	for (unsigned i = 0; i < fleet->count && rc == RC_OK; i++)
		if (fleet->sessions[i].is_changed || fleet->sessions[i].has_other_unsent)
			rc = save_device(fleet, &fleet->sessions[i], err);
	return rc;
}

enum rc fleet_save_some(struct fleet *fleet, struct err *err)
{
	unsigned saved = 0;
	enum rc rc = RC_OK;

	for (unsigned i = 0; i < fleet->count && saved < SAVES_AT_ONCE && rc == RC_OK; i++) {
		struct session *session = &fleet->sessions[fleet->save_at];

		fleet->save_at = (fleet->save_at + 1) % fleet->count;
		if (!session->is_changed)
			continue;
		rc = save_device(fleet, session, err);
		saved++;
	}
	return rc;
}

void fleet_close(struct fleet *fleet)
{
	for (unsigned i = 0; i < fleet->count; i++) {
		session_stop(&fleet->sessions[i]);
		device_fini(&fleet->sessions[i].device);
	}
	free(fleet->sessions);
	*fleet = (struct fleet){0};
}
