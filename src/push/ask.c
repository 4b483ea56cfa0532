/* SPDX-License-Identifier: Apache-2.0 */
#include "ask.h"

#include <stdio.h>

static const char *const answer_names[PUSH_ANSWER_COUNT] = {
	[PUSH_ANSWER_SENT] = "sent",
	[PUSH_ANSWER_WAITING] = "waiting",
	[PUSH_ANSWER_REFUSED] = "refused",
	[PUSH_ANSWER_NO_TOKEN] = "no_token",
	[PUSH_ANSWER_TOKEN_DEAD] = "token_dead",
	[PUSH_ANSWER_NO_CERTIFICATE] = "no_certificate",
	[PUSH_ANSWER_STOPPED] = "stopped",
	[PUSH_ANSWER_UNREACHABLE] = "unreachable",
};

const char *push_answer_name(enum push_answer answer)
{
	return (unsigned)answer < PUSH_ANSWER_COUNT ? answer_names[answer] : "unknown";
}

/* WAITING marks an open result: nobody is answered so. */
static bool is_open(const struct push_result *result)
{
	return result->answer == PUSH_ANSWER_WAITING;
}

void asks_add(struct asks *asks, struct push_ask *ask, int64_t now_us)
{
	const int64_t wait_ms = ask->wait_ms < 0 ? 0 : ask->wait_ms;

	for (size_t i = 0; i < ask->count; i++)
		ask->results[i] = (struct push_result){
			.enrollment_id = ask->results[i].enrollment_id,
			.answer = PUSH_ANSWER_WAITING,
		};
	ask->open_count = ask->count;
	ask->ends_us = wait_ms < (INT64_MAX - now_us) / 1000 ? now_us + wait_ms * 1000 : INT64_MAX;
	ask->next = asks->first;
	asks->first = ask;
}

static void fill(struct push_result *result, const struct ask_answer *answer)
{
	result->answer = answer->answer;
	result->status = answer->status;
	(void)snprintf(result->reason, sizeof(result->reason), "%s", answer->reason);
	(void)snprintf(result->apns_id, sizeof(result->apns_id), "%s", answer->apns_id);
	(void)snprintf(result->detail, sizeof(result->detail), "%s", answer->detail);
}

static void tell(struct push_ask *ask, int64_t enrollment_id, const struct ask_answer *answer)
{
	for (size_t i = 0; i < ask->count; i++) {
		if (ask->results[i].enrollment_id != enrollment_id || !is_open(&ask->results[i]))
			continue;
		fill(&ask->results[i], answer);
		ask->open_count--;
	}
}

/* From here on the ask is its owner's again. */
static void end(struct asks *asks, struct push_ask **link)
{
	struct push_ask *ask = *link;

	*link = ask->next;
	ask->next = NULL;
	inbox_ask_over(asks->inbox);
	ask->done(ask);
}

void asks_answer(struct asks *asks, int64_t enrollment_id, const struct ask_answer *answer)
{
	struct push_ask **link = &asks->first;

	while (*link != NULL) {
		tell(*link, enrollment_id, answer);
		if ((*link)->open_count == 0)
			end(asks, link);
		else
			link = &(*link)->next;
	}
}

void asks_expire(struct asks *asks, int64_t now_us)
{
	struct push_ask **link = &asks->first;

	while (*link != NULL) {
		if ((*link)->ends_us <= now_us)
			end(asks, link);
		else
			link = &(*link)->next;
	}
}

void asks_end_all(struct asks *asks)
{
	while (asks->first != NULL)
		end(asks, &asks->first);
}

int64_t asks_next_us(const struct asks *asks)
{
	int64_t next_us = INT64_MAX;

	for (const struct push_ask *ask = asks->first; ask != NULL; ask = ask->next)
		if (ask->ends_us < next_us)
			next_us = ask->ends_us;
	return next_us;
}
