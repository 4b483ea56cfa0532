/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include <assert.h>
#include <string.h>

static const struct model_reply ok = {200, NOBODY, OUTCOME_CONTACT_MESSAGE};
static const struct model_reply quiet = {200, NOBODY, OUTCOME_CONTACT_NONE};
static const struct model_reply no = {403, NOBODY, OUTCOME_CONTACT_NONE};
static const struct model_reply leave = {401, NOBODY, OUTCOME_CONTACT_NONE};
static const struct model_reply token = {200, NOBODY, OUTCOME_CONTACT_TOKEN};

void model_init(struct model *model)
{
	memset(model, 0, sizeof(*model));
	for (int i = 0; i < MODEL_DEVICES; i++)
		model->devices[i].pin = model->devices[i].pending = NOBODY;
}

int model_add_cert(struct model *model)
{
	assert(model->cert_count < MODEL_CERTS);
	model->certs[model->cert_count] =
		(struct model_cert){.owner = NOBODY, .renewal_of = NOBODY, .former = NOBODY};
	return model->cert_count++;
}

bool model_is_open(enum queue_state state)
{
	return state == QUEUE_QUEUED || state == QUEUE_SENT || state == QUEUE_NOTNOW;
}

static bool is_due(const struct model *model, const struct model_row *row)
{
	return model_is_open(row->state) && (row->not_after == 0 || row->not_after > model->now);
}

struct model_row *model_row(struct model *model, int device, int channel, int command)
{
	struct model_channel *queue = &model->devices[device].channels[channel];

	for (int i = 0; i < queue->count; i++)
		if (queue->rows[i].command == command)
			return &queue->rows[i];
	return NULL;
}

void model_enqueue(struct model *model, int device, int channel, int command, int64_t not_after)
{
	struct model_channel *queue = &model->devices[device].channels[channel];

	if (model_row(model, device, channel, command) != NULL)
		return;
	assert(queue->count < MODEL_ROWS);
	queue->rows[queue->count++] = (struct model_row){.command = command,
		.sequence = model->sequence++,
		.not_after = not_after,
		.state = QUEUE_QUEUED};
}

void model_cancel(struct model *model, int device, int channel, int command)
{
	struct model_row *row = model_row(model, device, channel, command);

	if (model_is_open(row->state))
		row->state = QUEUE_CANCELLED;
}

static void cancel_all(struct model_channel *queue)
{
	for (int i = 0; i < queue->count; i++)
		if (model_is_open(queue->rows[i].state))
			queue->rows[i].state = QUEUE_CANCELLED;
}

static void expire(const struct model *model, struct model_channel *queue)
{
	for (int i = 0; i < queue->count; i++)
		if (model_is_open(queue->rows[i].state) && !is_due(model, &queue->rows[i]))
			queue->rows[i].state = QUEUE_EXPIRED;
}

void model_expire(struct model *model)
{
	for (int i = 0; i < MODEL_DEVICES; i++)
		for (int j = 0; j < MODEL_CHANNELS; j++)
			expire(model, &model->devices[i].channels[j]);
}

void model_forget(struct model *model, int device)
{
	memset(&model->devices[device], 0, sizeof(model->devices[device]));
	model->devices[device].pin = model->devices[device].pending = NOBODY;
	for (int i = 0; i < model->cert_count; i++) {
		if (model->certs[i].owner == device)
			model->certs[i].owner = NOBODY;
		if (model->certs[i].renewal_of == device)
			model->certs[i].renewal_of = NOBODY;
	}
}

/* All queues of the device are cancelled, its users end. */
static void clear(struct model_device *device)
{
	for (int i = 0; i < MODEL_CHANNELS; i++) {
		cancel_all(&device->channels[i]);
		if (i > 0 && device->channels[i].is_known)
			device->channels[i].state = ENROLLMENT_ENDED;
	}
}

struct model_reply model_unknown(struct model *model)
{
	bool is_any = false;
	int recent = 0;

	for (int i = 0; i < MODEL_DEVICES; i++)
		is_any |= model->devices[i].channels[0].is_known &&
			model->devices[i].channels[0].state == ENROLLMENT_ENROLLED;
	for (int i = 0; i < model->automatic_count; i++)
		recent += model->automatic[i] >= model->now - UNENROLL_FUSE_WINDOW_S ? 1 : 0;
	if (model->policy.unknown_device != UNKNOWN_DEVICE_UNENROLL || !is_any ||
		recent >= model->policy.fuse_per_hour)
		return no;
	assert(model->automatic_count < MODEL_TIMES);
	model->automatic[model->automatic_count++] = model->now;
	return leave;
}

static bool is_cert_good(const struct model *model, int device, int cert)
{
	const struct model_cert *c = &model->certs[cert];

	return !c->is_revoked && (c->owner == NOBODY || c->owner == device);
}

static struct model_reply remove_device(struct model_device *device)
{
	clear(device);
	device->pending = NOBODY;
	device->channels[0].state = ENROLLMENT_REMOVED;
	return leave;
}

static bool is_pin(const struct model *model, int cert)
{
	const int owner = model->certs[cert].owner;

	return owner != NOBODY && model->devices[owner].pin == cert &&
		(model->devices[owner].channels[0].state == ENROLLMENT_ENROLLED ||
			model->devices[owner].channels[0].state == ENROLLMENT_REMOVAL_ORDERED);
}

void model_revoke(struct model *model, int cert)
{
	model->certs[cert].is_revoked = true;
	for (int i = 0; i < model->cert_count; i++)
		if (model->certs[i].former == cert && !is_pin(model, i))
			model_revoke(model, i);
}

/* The device's own from before its renewal. */
static bool is_renewed(const struct model *model, int device, int cert)
{
	const struct model_device *d = &model->devices[device];

	return d->pin != NOBODY && d->pending != cert && model->certs[d->pin].former == cert &&
		model->certs[cert].owner == device;
}

/* What every message but an Authenticate meets first; 200: go on. */
static struct model_reply meet(struct model *model, int device, int cert)
{
	struct model_device *d = &model->devices[device];

	if (!is_cert_good(model, device, cert))
		return no;
	if (!d->channels[0].is_known)
		return model_unknown(model);
	if (d->channels[0].state == ENROLLMENT_REMOVAL_ORDERED &&
		(d->pin == cert || d->pending == cert || is_renewed(model, device, cert)))
		return remove_device(d);
	if (d->channels[0].state == ENROLLMENT_REMOVED && d->pending != cert &&
		(d->pin == cert || is_renewed(model, device, cert) ||
			(d->pin == NOBODY && model->certs[cert].owner == device)))
		return leave;
	return ok;
}

static struct model_reply meet_pinned(struct model *model, int device, int cert)
{
	const struct model_device *d = &model->devices[device];
	struct model_reply reply = meet(model, device, cert);

	if (reply.status != 200)
		return reply;
	return d->pin == cert && d->channels[0].state != ENROLLMENT_REMOVED ? ok : no;
}

struct model_reply model_authenticate(struct model *model, int device, int cert)
{
	struct model_device *d = &model->devices[device];

	if (!is_cert_good(model, device, cert))
		return no;
	if (d->channels[0].is_known && d->channels[0].state == ENROLLMENT_REMOVAL_ORDERED)
		return remove_device(d);
	if (!d->channels[0].is_known)
		d->channels[0].state = ENROLLMENT_PENDING;
	d->channels[0].is_known = true;
	d->pending = cert;
	model->certs[cert].owner = device;
	return quiet;
}

static struct model_reply promote(struct model *model, int device, int cert)
{
	struct model_device *d = &model->devices[device];
	bool is_renewal = model->certs[cert].renewal_of == device && d->pin != cert &&
		d->channels[0].state == ENROLLMENT_ENROLLED;

	if (!is_renewal)
		clear(d);
	for (int i = 0; i < model->cert_count; i++)
		if (model->certs[i].renewal_of == device)
			model->certs[i].renewal_of = NOBODY;
	d->pin = cert;
	d->pending = NOBODY;
	d->channels[0].state = ENROLLMENT_ENROLLED;
	return token;
}

struct model_reply model_token_update(struct model *model, int device, int channel, int cert)
{
	struct model_device *d = &model->devices[device];
	struct model_reply reply =
		channel == 0 ? meet(model, device, cert) : meet_pinned(model, device, cert);

	if (reply.status != 200)
		return reply;
	if (channel == 0 && d->pending == cert)
		return promote(model, device, cert);
	if (d->pin != cert)
		return no;
	if (channel > 0 && d->channels[0].state != ENROLLMENT_ENROLLED)
		return no;
	d->channels[channel].is_known = true;
	d->channels[channel].state = ENROLLMENT_ENROLLED;
	return token;
}

static struct model_reply check_out_pending(struct model_device *d)
{
	d->pending = NOBODY;
	if (d->channels[0].state == ENROLLMENT_PENDING)
		d->channels[0].state = ENROLLMENT_CHECKED_OUT;
	return quiet;
}

static struct model_reply check_out_device(struct model *model, int device, int cert)
{
	struct model_device *d = &model->devices[device];
	struct model_reply reply = meet(model, device, cert);

	if (reply.status != 200)
		return reply;
	if (d->pin != cert && d->pending == cert)
		return check_out_pending(d);
	if (d->pin == NOBODY && d->pending == NOBODY && d->channels[0].state == ENROLLMENT_CHECKED_OUT &&
		model->certs[cert].owner == device)
		return quiet;
	if (d->pin != cert || d->channels[0].state == ENROLLMENT_REMOVED)
		return no;
	clear(d);
	if (d->pending == cert)
		d->pending = NOBODY;
	d->channels[0].state = ENROLLMENT_CHECKED_OUT;
	return ok;
}

struct model_reply model_check_out(struct model *model, int device, int channel, int cert)
{
	struct model_channel *queue = &model->devices[device].channels[channel];
	struct model_reply reply;

	if (channel == 0)
		return check_out_device(model, device, cert);
	reply = meet_pinned(model, device, cert);
	if (reply.status == 200 && !queue->is_known)
		return quiet;
	if (reply.status != 200 || queue->state == ENROLLMENT_ENDED)
		return reply;
	cancel_all(queue);
	queue->state = ENROLLMENT_ENDED;
	return ok;
}

static bool is_before(const struct model *model, const struct model_row *a,
	const struct model_row *b)
{
	bool is_urgent = model->commands[a->command].is_urgent;

	if (is_urgent != model->commands[b->command].is_urgent)
		return is_urgent;
	return a->sequence < b->sequence;
}

static struct model_reply give(struct model *model, int device, int channel, bool is_notnow)
{
	struct model_device *d = &model->devices[device];
	struct model_channel *queue = &d->channels[channel];
	struct model_row *best = NULL;
	bool is_held = false;

	if (d->channels[0].state != ENROLLMENT_ENROLLED || queue->state != ENROLLMENT_ENROLLED)
		return ok;
	for (int i = 0; i < queue->count; i++)
		is_held |= queue->rows[i].state == QUEUE_NOTNOW && is_due(model, &queue->rows[i]);
	for (int i = 0; i < queue->count; i++) {
		struct model_row *row = &queue->rows[i];

		if (!is_due(model, row) || row->state == QUEUE_NOTNOW)
			continue;
		if (is_held && !model->commands[row->command].is_never_notnow)
			continue;
		if (best == NULL || is_before(model, row, best))
			best = row;
	}
	if (best != NULL) {
		best->state = QUEUE_SENT;
		return (struct model_reply){200, best->command, OUTCOME_CONTACT_MESSAGE};
	}
	if (!is_held)
		return (struct model_reply){200, NOBODY, OUTCOME_CONTACT_DRAINED};
	return (
		struct model_reply){200, NOBODY, is_notnow ? OUTCOME_CONTACT_RESTING : OUTCOME_CONTACT_HELD};
}

struct model_reply model_idle(struct model *model, int device, int channel, int cert)
{
	struct model_channel *queue = &model->devices[device].channels[channel];
	struct model_reply reply = meet_pinned(model, device, cert);

	if (reply.status != 200)
		return reply;
	if (!queue->is_known)
		return quiet;
	expire(model, queue);
	for (int i = 0; i < queue->count; i++)
		if (queue->rows[i].state == QUEUE_NOTNOW)
			queue->rows[i].state = QUEUE_QUEUED;
	return give(model, device, channel, false);
}

static void take(struct model_row *row, const char *status)
{
	bool is_open = model_is_open(row->state);

	if (row->state == QUEUE_DONE || row->state == QUEUE_FAILED)
		return;
	if (strcmp(status, "NotNow") == 0) {
		if (is_open)
			row->state = QUEUE_NOTNOW;
		return;
	}
	row->is_late = !is_open;
	row->state = strcmp(status, "Acknowledged") == 0 ? QUEUE_DONE : QUEUE_FAILED;
}

struct model_reply model_answer(struct model *model, int device, int channel, int cert, int command,
	const char *status)
{
	struct model_reply reply = meet_pinned(model, device, cert);
	struct model_row *row;

	if (reply.status != 200)
		return reply;
	if (!model->devices[device].channels[channel].is_known)
		return quiet;
	row = model_row(model, device, channel, command);
	if (row != NULL)
		take(row, status);
	return give(model, device, channel, strcmp(status, "NotNow") == 0);
}
