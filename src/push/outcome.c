/* SPDX-License-Identifier: Apache-2.0 */
#include "outcome.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/log.h"
#include "pomona/store/admin.h"

enum { NOTES_FIRST = 64 };

struct notes {
	struct note *all;
	size_t count, room;
};

/* The writer's while a job is under way, else the loop's. */
struct writing {
	struct store_job job; /* first: the writer hands it back */
	struct outcomes *outcomes;
	struct notes notes;
	size_t done;      /* durable */
	size_t slice_end; /* where the slice that runs has come to */
};

enum job_state { JOB_NONE, JOB_RUNS, JOB_DONE, JOB_FAILED };

struct outcomes {
	struct net_loop *loop;
	struct store *store;
	void (*wake)(void *ctx);
	void *ctx;
	struct notes gathered;
	size_t alarm_count; /* among them, and where */
	size_t alarms[OUTCOME_ALARMS_MAX];
	int64_t oldest_us; /* when the first of them was met by outcomes_write(); -1: not yet */
	int64_t again_us;  /* not before */
	unsigned failures; /* in a row */
	pthread_mutex_t lock;
	enum job_state state; /* guarded by lock; JOB_RUNS: `writing` is the writer's */
	struct writing writing;
};

/* --- gathering */

static void note_clear(struct note *note)
{
	free(note->text);
	free(note->subject);
	note->text = NULL;
	note->subject = NULL;
}

static void notes_clear(struct notes *notes)
{
	for (size_t i = 0; i < notes->count; i++)
		note_clear(&notes->all[i]);
	notes->count = 0;
	if (notes->room <= OUTCOMES_MANY)
		return;
	free(notes->all); /* of a burst */
	*notes = (struct notes){0};
}

static struct note *notes_add(struct notes *notes)
{
	size_t room = notes->room == 0 ? NOTES_FIRST : notes->room * 2;
	struct note *all;

	if (notes->count == notes->room) {
		all = realloc(notes->all, room * sizeof(*all));
		if (all == NULL)
			return NULL;
		notes->all = all;
		notes->room = room;
	}
	return &notes->all[notes->count++];
}

bool outcomes_is_full(const struct outcomes *outcomes)
{
	return outcomes->gathered.count >= OUTCOMES_MAX;
}

size_t outcomes_waiting(const struct outcomes *outcomes)
{
	return outcomes->gathered.count;
}

/* Alarms have room of their own, so that they are not lost to pushes. */
static struct note *add(struct outcomes *outcomes, enum note_kind kind, int64_t enrollment_id)
{
	const size_t max = OUTCOMES_MAX + (kind == NOTE_ALARM ? (size_t)OUTCOME_ALARMS_MAX : 0);
	struct note *note = outcomes->gathered.count < max ? notes_add(&outcomes->gathered) : NULL;

	if (note == NULL)
		return NULL;
	memset(note, 0, sizeof(*note));
	note->kind = kind;
	note->enrollment_id = enrollment_id;
	return note;
}

struct note *outcomes_note(struct outcomes *outcomes, enum note_kind kind, int64_t enrollment_id)
{
	return add(outcomes, kind, enrollment_id);
}

static struct note *find_alarm(struct outcomes *outcomes, const struct push_alarm *alarm)
{
	for (size_t i = 0; i < outcomes->alarm_count; i++) {
		struct note *note = &outcomes->gathered.all[outcomes->alarms[i]];

		if (strcmp(note->alarm, alarm->kind) == 0 && strcmp(note->subject, alarm->subject) == 0)
			return note;
	}
	return NULL;
}

static struct note *alarm_note(struct outcomes *outcomes, const struct push_alarm *alarm)
{
	struct note *note = find_alarm(outcomes, alarm);
	char *subject;

	if (note != NULL || outcomes->alarm_count == OUTCOME_ALARMS_MAX)
		return note;
	subject = strdup(alarm->subject);
	note = subject == NULL ? NULL : add(outcomes, NOTE_ALARM, 0);
	if (note == NULL) {
		free(subject);
		return NULL;
	}
	note->subject = subject;
	note->alarm = alarm->kind;
	outcomes->alarms[outcomes->alarm_count++] = outcomes->gathered.count - 1;
	return note;
}

void outcomes_alarm(struct outcomes *outcomes, const struct push_alarm *alarm)
{
	struct note *note = alarm_note(outcomes, alarm);
	char *text = note == NULL ? NULL : strdup(alarm->text);

	if (note == NULL || text == NULL) {
		log_error("alarm_not_kept", LOG_STR("alarm", alarm->kind), LOG_STR("subject", alarm->subject),
			LOG_STR("text", alarm->text));
		free(text);
		return;
	}
	free(note->text);
	note->text = text;
	note->is_clear = alarm->is_clear;
}

/* --- writing, on the writer's thread */

static enum rc write_outcome(struct txn *txn, struct note *note, struct err *err)
{
	const struct push_outcome outcome = {
		.enrollment_id = note->enrollment_id,
		.pushed_seq = note->seq,
		.at = note->at,
		.status = note->status,
		.reason = note->reason,
		.apns_id = note->apns_id,
		.tries = note->tries,
		.is_dead = note->is_dead,
		.token_updated_at = note->token_updated_at,
		.token = slice_of(note->token, note->token_len),
	};

	return push_outcome_write(txn, &outcome, err);
}

static enum rc write_seen(struct txn *txn, struct note *note, struct err *err)
{
	return push_seen_write(txn, note->enrollment_id, note->seq, err);
}

static enum rc write_inactive(struct txn *txn, struct note *note, struct err *err)
{
	struct enrollment enrollment;
	bool was_changed = false;
	enum rc rc = enrollment_set_inactive(txn, note->enrollment_id, note->seq, &was_changed, err);

	note_clear(note); /* of a try that did not become durable */
	if (rc != RC_OK || !was_changed)
		return rc;
	rc = enrollment_by_id(txn, note->enrollment_id, &enrollment, err);
	if (rc == RC_OK)
		note->text = strdup(enrollment.ext_id);
	return rc;
}

static enum rc write_walk(struct txn *txn, struct note *note, struct err *err)
{
	return push_walk_cursor_set(txn, note->enrollment_id, err);
}

static enum rc write_alarm(struct txn *txn, struct note *note, struct err *err)
{
	struct slice subject = slice_of_str(note->subject);

	if (note->text == NULL)
		return RC_OK;
	if (note->is_clear)
		return alarm_clear(txn, note->alarm, subject, err);
	return alarm_raise(txn, note->alarm, subject, note->text, err);
}

static enum rc (*const writers[NOTE_KIND_COUNT])(struct txn *txn, struct note *note,
	struct err *err) = {
	[NOTE_OUTCOME] = write_outcome,
	[NOTE_SEEN] = write_seen,
	[NOTE_INACTIVE] = write_inactive,
	[NOTE_WALK] = write_walk,
	[NOTE_ALARM] = write_alarm,
};

static bool is_worth_another_try(enum rc rc)
{
	return rc == RC_IO || rc == RC_NO_MEMORY || rc == RC_BUSY;
}

/* What one note alone cannot be written for must not keep the others. */
static enum rc write_one(struct txn *txn, struct note *note, struct err *err)
{
	enum rc rc = writers[note->kind](txn, note, err);

	if (rc == RC_OK || is_worth_another_try(rc))
		return rc;
	if (rc != RC_NOT_FOUND)
		log_error("push_note_not_written", LOG_INT("enrollment", note->enrollment_id),
			LOG_INT("kind", note->kind), LOG_STR("error", err->text));
	return RC_OK;
}

static enum rc run(struct store_job *job, struct txn *txn, struct err *err)
{
	struct writing *writing = (struct writing *)job;
	enum rc rc = RC_OK;

	writing->slice_end = writing->done;
	while (rc == RC_OK && writing->slice_end < writing->notes.count) {
		rc = write_one(txn, &writing->notes.all[writing->slice_end], err);
		if (rc == RC_OK)
			writing->slice_end++;
		if (txn_is_slice_over(txn))
			break;
	}
	return rc;
}
_Static_assert(offsetof(struct writing, job) == 0, "a job is its writing");

static void log_inactive(const struct note *note)
{
	if (note->kind == NOTE_INACTIVE && note->text != NULL)
		log_info("enrollment_inactive", LOG_STR("device", note->text));
}

static void done(struct store_job *job, enum rc rc, const struct err *err)
{
	struct writing *writing = (struct writing *)job;
	struct outcomes *outcomes = writing->outcomes;
	struct err submit_err = {.rc = RC_OK};

	if (rc == RC_OK) {
		for (; writing->done < writing->slice_end; writing->done++)
			log_inactive(&writing->notes.all[writing->done]);
		if (writing->done < writing->notes.count) {
			rc = store_submit(outcomes->store, &writing->job, &submit_err);
			if (rc == RC_OK)
				return;
			err = &submit_err;
		}
	}
	if (rc != RC_OK)
		log_warning("push_outcomes_not_written", LOG_INT("left", writing->notes.count - writing->done),
			LOG_STR("error", err->text));
	/* Under the lock: once the loop sees the state, it may be the last to have seen `outcomes`. */
	(void)pthread_mutex_lock(&outcomes->lock);
	outcomes->state = rc == RC_OK ? JOB_DONE : JOB_FAILED;
	if (net_loop_post(outcomes->loop, outcomes->wake, outcomes->ctx) != RC_OK)
		log_debug("push_loop_not_woken"); /* its next tick looks */
	(void)pthread_mutex_unlock(&outcomes->lock);
}

/* --- the loop's side */

static enum job_state state_of(struct outcomes *outcomes)
{
	enum job_state state;

	(void)pthread_mutex_lock(&outcomes->lock);
	state = outcomes->state;
	(void)pthread_mutex_unlock(&outcomes->lock);
	return state;
}

static void set_state(struct outcomes *outcomes, enum job_state state)
{
	(void)pthread_mutex_lock(&outcomes->lock);
	outcomes->state = state;
	(void)pthread_mutex_unlock(&outcomes->lock);
}

/* Takes `writing` back from the writer, if it is done with it. */
static void collect(struct outcomes *outcomes, int64_t now_us)
{
	const enum job_state state = state_of(outcomes);

	if (state == JOB_DONE) {
		outcomes->failures = 0;
		notes_clear(&outcomes->writing.notes);
	} else if (state == JOB_FAILED) {
		outcomes->failures++;
		outcomes->again_us = now_us + OUTCOMES_AGAIN_US;
	} else {
		return;
	}
	set_state(outcomes, JOB_NONE);
}

static void submit(struct outcomes *outcomes, int64_t now_us)
{
	struct err err = {.rc = RC_OK};

	set_state(outcomes, JOB_RUNS);
	if (store_submit(outcomes->store, &outcomes->writing.job, &err) == RC_OK)
		return;
	set_state(outcomes, JOB_NONE);
	outcomes->failures++;
	outcomes->again_us = now_us + OUTCOMES_AGAIN_US;
}

static bool is_due(const struct outcomes *outcomes, int64_t now_us)
{
	return outcomes->gathered.count >= OUTCOMES_MANY ||
		now_us - outcomes->oldest_us >= OUTCOMES_AGE_US;
}

void outcomes_write(struct outcomes *outcomes, int64_t now_us, bool is_all)
{
	struct writing *writing = &outcomes->writing;

	if (outcomes->gathered.count > 0 && outcomes->oldest_us < 0)
		outcomes->oldest_us = now_us;
	collect(outcomes, now_us);
	if (state_of(outcomes) == JOB_RUNS || now_us < outcomes->again_us)
		return;
	if (writing->notes.count == 0) {
		if (outcomes->gathered.count == 0 || (!is_all && !is_due(outcomes, now_us)))
			return;
		struct notes empty = writing->notes;

		writing->notes = outcomes->gathered;
		writing->done = 0;
		outcomes->gathered = empty;
		outcomes->alarm_count = 0;
		outcomes->oldest_us = -1;
	}
	submit(outcomes, now_us);
}

int64_t outcomes_next_us(struct outcomes *outcomes)
{
	int64_t next_us;

	if (state_of(outcomes) != JOB_NONE)
		return INT64_MAX; /* it wakes the loop itself */
	if (outcomes->writing.notes.count > 0)
		return outcomes->again_us;
	if (outcomes->gathered.count == 0)
		return INT64_MAX;
	if (outcomes->gathered.count >= OUTCOMES_MANY || outcomes->oldest_us < 0)
		return outcomes->again_us;
	next_us = outcomes->oldest_us + OUTCOMES_AGE_US;
	return next_us > outcomes->again_us ? next_us : outcomes->again_us;
}

bool outcomes_is_settled(struct outcomes *outcomes, unsigned failures)
{
	if (state_of(outcomes) != JOB_NONE)
		return false;
	if (outcomes->writing.notes.count == 0 && outcomes->gathered.count == 0)
		return true;
	return outcomes->failures >= failures;
}

bool outcomes_is_under_way(struct outcomes *outcomes)
{
	return state_of(outcomes) == JOB_RUNS;
}

struct outcomes *outcomes_new(struct net_loop *loop, struct store *store, void (*wake)(void *ctx),
	void *ctx)
{
	struct outcomes *outcomes = calloc(1, sizeof(*outcomes));

	if (outcomes == NULL)
		return NULL;
	outcomes->loop = loop;
	outcomes->store = store;
	outcomes->wake = wake;
	outcomes->ctx = ctx;
	outcomes->oldest_us = -1;
	outcomes->writing.outcomes = outcomes;
	outcomes->writing.job = (struct store_job){.run = run, .done = done};
	(void)pthread_mutex_init(&outcomes->lock, NULL);
	return outcomes;
}

void outcomes_free(struct outcomes **outcomes)
{
	struct outcomes *gone = *outcomes;

	if (gone == NULL)
		return;
	*outcomes = NULL;
	(void)pthread_mutex_destroy(&gone->lock);
	notes_clear(&gone->gathered);
	notes_clear(&gone->writing.notes);
	free(gone->gathered.all);
	free(gone->writing.notes.all);
	free(gone);
}
