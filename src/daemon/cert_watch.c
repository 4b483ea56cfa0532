/* SPDX-License-Identifier: Apache-2.0 */
#include "cert_watch.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/base/log.h"
#include "pomona/store/admin.h"
#include "pomona/store/identity.h"

enum { ANCHORS_BYTES_MAX = 4 * 1024 * 1024 };

#define NOT_RENEWED "tls_cert_not_renewed"

/* What is said of a kind of certificate. */
static const struct words {
	const char *expiring, *expired; /* events, and alarms */
	const char *what, *then, *advice;
} words_of[] = {
	[false] = {"ca_cert_expiring", "ca_cert_expired", "The device CA's certificate",
		"no device can enroll or renew its identity under it",
		"trust its successor with `pomonactl ca add` in time, and let devices change over"},
	[true] = {"tls_cert_expiring", "tls_cert_expired", "The server's TLS certificate",
		"no device can connect", "put a new one and its key in the place of the old ones and reload"},
};

/* --- deciding, on the writer's thread */

/* Striking out what is not there is fine. */
static enum rc set_alarm(struct txn *txn, const char *kind, const char *subject, const char *text,
	struct err *err)
{
	enum rc rc;

	if (text != NULL)
		return alarm_raise(txn, kind, slice_of_str(subject), text, err);
	rc = alarm_clear(txn, kind, slice_of_str(subject), err);
	return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum rc set_alarms(struct txn *txn, const struct cert_notice *notice, const char *subject,
	struct err *err)
{
	const struct words *words = &words_of[notice->is_tls];
	const bool is_over = notice->expiry == EXPIRY_OVER;
	const bool is_near = notice->expiry >= EXPIRY_7_DAYS && !is_over;
	char ends[TIME_TEXT_BYTES];
	char text[ERR_TEXT_BYTES];
	enum rc rc;

	time_format(notice->facts.not_after, ends);
	if (is_over)
		(void)snprintf(text, sizeof(text), "%s (%s) ended on %s: %s. Please %s.", words->what,
			notice->facts.subject, ends, words->then, words->advice);
	else
		(void)snprintf(text, sizeof(text),
			"%s (%s) ends on %s, in %" PRId64 " day(s): then %s. Please %s.", words->what,
			notice->facts.subject, ends, notice->days_left, words->then, words->advice);
	rc = set_alarm(txn, words->expiring, subject, is_near ? text : NULL, err);
	return rc == RC_OK ? set_alarm(txn, words->expired, subject, is_over ? text : NULL, err) : rc;
}

static const struct cert_said *find_said(const struct cert_watch *watch,
	const uint8_t sha256[static SHA256_BYTES])
{
	for (size_t i = 0; i < watch->said_count; i++)
		if (memcmp(watch->said[i].sha256, sha256, SHA256_BYTES) == 0)
			return &watch->said[i];
	return NULL;
}

/* Says each step once; a clock that is set back takes alarms back. */
static enum rc see(struct cert_watch *watch, struct txn *txn, const struct cert_notice *notice,
	const char *subject, struct err *err)
{
	const struct cert_said *said = find_said(watch, notice->facts.sha256);
	const enum cert_expiry before = said != NULL ? said->expiry : EXPIRY_FAR;
	struct cert_said *next;

	if (watch->next_count == CERT_WATCH_MAX)
		return RC_OK;
	next = &watch->next[watch->next_count++];
	memcpy(next->sha256, notice->facts.sha256, SHA256_BYTES);
	next->expiry = notice->expiry;
	if (notice->expiry > before)
		watch->notices[watch->notice_count++] = *notice;
	/* One that is new here: what was said of it by a process before, or of its predecessor. */
	return said == NULL || notice->expiry != before ? set_alarms(txn, notice, subject, err) : RC_OK;
}

static struct cert_notice notice_of(const struct cert_facts *facts, bool is_tls, int64_t now)
{
	return (struct cert_notice){
		.is_tls = is_tls,
		.facts = *facts,
		.expiry = expiry_of(facts->not_after, now),
		.days_left = expiry_days(facts->not_after, now),
	};
}

static enum rc see_tls(struct cert_watch *watch, struct txn *txn, struct err *err)
{
	struct cert_notice notice = notice_of(&watch->facts.tls, true, txn_now(txn));
	const char *fault = watch->facts.fault;
	enum rc rc;

	if (watch->facts.is_tls_renewed)
		notice.expiry = EXPIRY_FAR;
	rc = see(watch, txn, &notice, watch->facts.hostname, err);
	if (rc != RC_OK || (watch->has_said_fault && strcmp(fault, watch->said_fault) == 0))
		return rc;
	return set_alarm(txn, NOT_RENEWED, watch->facts.hostname, fault[0] != '\0' ? fault : NULL, err);
}

static enum rc see_anchors(struct cert_watch *watch, struct txn *txn, struct err *err)
{
	AUTO(arena_free) struct arena *arena = arena_new(ANCHORS_BYTES_MAX);
	struct slice *ders = NULL;
	size_t count = 0;
	enum rc rc;

	if (arena == NULL)
		return err_set(err, RC_NO_MEMORY, "device CAs");
	rc = anchor_list(txn, arena, &ders, &count, err);
	for (size_t i = 0; rc == RC_OK && i < count; i++) {
		char subject[SHA256_TEXT_BYTES];
		struct cert_notice notice;
		struct cert_facts facts;

		rc = cert_read_facts(ders[i], &facts, err);
		if (rc != RC_OK)
			return rc;
		notice = notice_of(&facts, false, txn_now(txn));
		sha256_text(facts.sha256, subject);
		rc = see(watch, txn, &notice, subject, err);
	}
	return rc;
}

static enum rc run(struct store_job *job, struct txn *txn, struct err *err)
{
	struct cert_watch *watch = (struct cert_watch *)job;
	enum rc rc;

	watch->next_count = 0;
	watch->notice_count = 0;
	rc = see_tls(watch, txn, err);
	return rc == RC_OK ? see_anchors(watch, txn, err) : rc;
}
_Static_assert(offsetof(struct cert_watch, job) == 0, "a job is its watch");

/* --- telling, when it is durable */

static void log_notice(const struct cert_notice *notice)
{
	const struct words *words = &words_of[notice->is_tls];
	const bool is_over = notice->expiry == EXPIRY_OVER;
	char ends[TIME_TEXT_BYTES];
	char digest[SHA256_TEXT_BYTES];

	time_format(notice->facts.not_after, ends);
	sha256_text(notice->facts.sha256, digest);
	LOG_AT(is_over ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, is_over ? words->expired : words->expiring,
		LOG_STR("subject", notice->facts.subject), LOG_STR("sha256", digest),
		LOG_INT("days_left", notice->days_left), LOG_STR("not_after", ends),
		LOG_STR("advice", words->advice));
}

static void tell_fault(struct cert_watch *watch)
{
	const char *fault = watch->facts.fault;

	if (fault[0] != '\0' && strcmp(fault, watch->said_fault) != 0)
		log_error(NOT_RENEWED, LOG_STR("error", fault),
			LOG_STR("advice",
				"mend it: it is tried again each minute; or put another certificate in place"));
	(void)snprintf(watch->said_fault, sizeof(watch->said_fault), "%s", fault);
	watch->has_said_fault = true;
}

static void done(struct store_job *job, enum rc rc, const struct err *err)
{
	struct cert_watch *watch = (struct cert_watch *)job;

	if (rc == RC_OK) {
		memcpy(watch->said, watch->next, sizeof(watch->said));
		watch->said_count = watch->next_count;
		for (size_t i = 0; i < watch->notice_count; i++)
			log_notice(&watch->notices[i]);
		tell_fault(watch);
	} else {
		log_warning("certificates_not_looked_at", LOG_STR("error", err->text));
	}
	atomic_store(&watch->is_under_way, false);
}

void cert_watch_begin(struct cert_watch *watch, struct store *store,
	const struct cert_watch_facts *facts)
{
	if (atomic_exchange(&watch->is_under_way, true))
		return;
	watch->job.run = run;
	watch->job.done = done;
	watch->store = store;
	watch->facts = *facts;
	if (store_submit(store, &watch->job, NULL) != RC_OK)
		atomic_store(&watch->is_under_way, false); /* the next turn tries again */
}
