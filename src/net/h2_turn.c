/* SPDX-License-Identifier: Apache-2.0 */
#include "h2_conn.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	/* Reads of one turn; then others on the loop are let in. */
	READS_A_TURN_MAX = 16,
	GOAWAY_TEXT_BYTES = 256,
};

/* --- the end */

static enum h2_end end_of(enum rc rc)
{
	return rc == RC_NO_MEMORY ? H2_END_MEMORY : H2_END_PROTOCOL;
}

/* The peer's words, made fit for a log line. */
static void goaway_text(const struct h2_goaway *goaway, char text[static GOAWAY_TEXT_BYTES])
{
	int len =
		snprintf(text, GOAWAY_TEXT_BYTES, "GOAWAY %s", nghttp2_http2_strerror(goaway->error_code));
	size_t at = (size_t)len;

	if (goaway->len == 0)
		return;
	text[at++] = ' ';
	for (size_t i = 0; i < goaway->len && at < GOAWAY_TEXT_BYTES - 1; i++) {
		bool is_printable = goaway->debug[i] >= ' ' && goaway->debug[i] < 0x7F;

		text[at++] = is_printable ? (char)goaway->debug[i] : '?';
	}
	text[at] = '\0';
}

static void disconnect(struct h2 *h2)
{
	net_timer_free(&h2->soon);
	net_timer_free(&h2->limit);
	net_watch_free(&h2->watch);
	h2_dial_free(&h2->dial);
	h2_tls_free(&h2->tls);
	if (h2->fd >= 0)
		(void)close(h2->fd);
	h2->fd = -1;
}

void h2_end(struct h2 *h2, enum h2_end end, const char *text)
{
	struct err copy;

	if (h2->state == H2_OVER)
		return;
	(void)err_set(&copy, RC_IO, "%s", text); /* it may lie in what goes now */
	h2->state = H2_OVER;
	disconnect(h2);
	h2_session_abandon(h2->session);
	h2_session_hand_back(h2->session);
	if (!h2->is_freed)
		h2->events->on_end(h2->ctx, end, copy.text);
}

static void end_by_goaway(struct h2 *h2)
{
	char text[GOAWAY_TEXT_BYTES];

	goaway_text(h2_session_goaway(h2->session), text);
	h2_end(h2, H2_END_GOAWAY, text);
}

/* The connection is gone; a GOAWAY that was here before tells more than how it went. */
static void end_by_transport(struct h2 *h2, enum h2_tls_result result, const struct err *err)
{
	if (err->rc == RC_NO_MEMORY)
		h2_end(h2, H2_END_MEMORY, err->text);
	else if (result == H2_TLS_REFUSED)
		h2_end(h2, H2_END_TLS, err->text);
	else if (h2_session_goaway(h2->session)->has_come)
		end_by_goaway(h2);
	else
		h2_end(h2, H2_END_CLOSED, err->text);
}

/* --- in */

static void take(struct h2 *h2, size_t len)
{
	struct err err;
	enum rc rc;

	h2->bytes_in += len;
	h2->has_unsent = true; /* acknowledgements, windows */
	rc = h2_session_take(h2->session, slice_of(h2->in, len), &err);
	if (rc != RC_OK)
		h2_end(h2, end_of(rc), err.text);
}

/* H2_TLS_AGAIN: nothing more for now; H2_TLS_DONE: perhaps; anything else, with `err`: never again. */
static enum h2_tls_result read_some(struct h2 *h2, struct err *err)
{
	for (int i = 0; i < READS_A_TURN_MAX && h2->state != H2_OVER; i++) {
		size_t len;
		enum h2_tls_result result = h2_tls_read(h2->tls, h2->in, sizeof(h2->in), &len, err);

		if (result != H2_TLS_DONE)
			return result;
		take(h2, len);
		if (h2->state != H2_OVER && !h2_tls_has_pending(h2->tls))
			return H2_TLS_AGAIN; /* the watch tells when there is more: one read(2) less */
	}
	return H2_TLS_DONE;
}

static void receive(struct h2 *h2)
{
	uint64_t before = h2->bytes_in;
	struct err err;
	enum h2_tls_result result = read_some(h2, &err);

	if (h2->state == H2_OVER)
		return;
	if (h2->bytes_in != before && h2->state == H2_OPEN && !h2->is_pinged && h2->ping_interval_ms > 0)
		net_timer_set(h2->limit, h2->ping_interval_ms);
	if (result == H2_TLS_DONE)
		h2_soon(h2);
	else if (result != H2_TLS_AGAIN)
		end_by_transport(h2, result, &err);
}

/* --- out */

static void gather(struct h2 *h2, struct slice *piece)
{
	size_t room = sizeof(h2->out) - h2->out_len;
	size_t len = piece->len < room ? piece->len : room;

	memcpy(h2->out + h2->out_len, piece->ptr, len);
	h2->out_len += len;
	*piece = slice_sub(*piece, len, piece->len - len);
}

/* Fills `out` with as many frames as there are and fit. */
static enum rc fill(struct h2 *h2, struct err *err)
{
	enum rc rc = RC_OK;

	h2->out_at = h2->out_len = 0;
	while (h2->out_len < sizeof(h2->out)) {
		if (h2->rest.len == 0)
			rc = h2_session_give(h2->session, &h2->rest, err);
		if (rc != RC_OK || h2->rest.len == 0)
			return rc;
		gather(h2, &h2->rest);
	}
	return RC_OK;
}

/* The write failed; the peer may have said before why it hangs up. */
static void end_by_write(struct h2 *h2, enum h2_tls_result result, const struct err *why)
{
	struct err err;
	enum h2_tls_result last = read_some(h2, &err);

	if (h2->state == H2_OVER)
		return;
	if (last == H2_TLS_REFUSED)
		end_by_transport(h2, last, &err);
	else
		end_by_transport(h2, result, why);
}

/* What is in `out`, and what more there is, until the socket is full. */
static enum h2_tls_result write_some(struct h2 *h2, struct err *err)
{
	struct slice left = slice_of(h2->out + h2->out_at, h2->out_len - h2->out_at);
	size_t put;
	enum h2_tls_result result = h2_tls_write(h2->tls, left, &put, err);

	h2->out_at += put;
	h2->bytes_out += put;
	return result;
}

static bool is_quiet(const struct h2 *h2)
{
	return h2->is_freed || h2->state == H2_OVER;
}

static void send_out(struct h2 *h2)
{
	enum h2_tls_result result = H2_TLS_DONE;
	enum rc rc = RC_OK;
	struct err err;

	if (is_quiet(h2))
		return;
	while (h2->has_unsent && rc == RC_OK && result == H2_TLS_DONE) {
		if (h2->out_at == h2->out_len)
			rc = fill(h2, &err);
		h2->has_unsent = h2->out_len > 0;
		if (h2->has_unsent && rc == RC_OK)
			result = write_some(h2, &err);
	}
	if (rc != RC_OK)
		h2_end(h2, end_of(rc), err.text);
	else if (result != H2_TLS_DONE && result != H2_TLS_AGAIN)
		end_by_write(h2, result, &err);
}

/* --- what is told */

static void tell_open(struct h2 *h2)
{
	if (is_quiet(h2) || h2->state != H2_GREETING || !h2_session_is_open(h2->session))
		return;
	h2->state = H2_OPEN;
	h2->is_full = h2_session_room(h2->session) == 0;
	if (h2->ping_interval_ms > 0)
		net_timer_set(h2->limit, h2->ping_interval_ms);
	else
		net_timer_free(&h2->limit);
	h2->events->on_open(h2->ctx);
}

static void tell_answers(struct h2 *h2)
{
	const struct h2_goaway *goaway = h2_session_goaway(h2->session);

	if (!is_quiet(h2))
		h2_session_hand_back(h2->session);
	if (is_quiet(h2) || !goaway->has_come || h2->has_told_goaway)
		return;
	h2->has_told_goaway = true;
	h2->events->on_goaway(h2->ctx, goaway->error_code, slice_of(goaway->debug, goaway->len));
}

static void tell_room(struct h2 *h2)
{
	bool has_room;

	if (is_quiet(h2) || h2->state != H2_OPEN)
		return;
	has_room = h2_session_room(h2->session) > 0;
	if (has_room && h2->is_full) {
		h2->is_full = false;
		h2->events->on_room(h2->ctx);
	} else if (!has_room) {
		h2->is_full = true;
	}
}

static void hear_pongs(struct h2 *h2)
{
	uint64_t pongs = h2_session_pongs(h2->session);

	if (is_quiet(h2) || !h2->is_pinged || pongs == h2->pongs)
		return;
	h2->is_pinged = false;
	h2->pongs = pongs;
	net_timer_set(h2->limit, h2->ping_interval_ms);
}

/* --- a turn */

/* GOAWAY goes out if the socket takes it now; nobody waits for it. */
static void end_retired(struct h2 *h2)
{
	h2->has_unsent = h2_session_part(h2->session) == RC_OK;
	send_out(h2);
	if (h2->state == H2_OVER)
		return;
	h2_tls_bye(h2->tls);
	h2_end(h2, H2_END_RETIRED, "retired");
}

static void end_if_done(struct h2 *h2)
{
	const char *fault;
	enum rc rc = h2_session_fault(h2->session, &fault);

	if (is_quiet(h2))
		return;
	if (rc != RC_OK)
		h2_end(h2, end_of(rc), fault);
	else if (h2_session_in_flight(h2->session) > 0)
		return;
	else if (h2->has_told_goaway)
		end_by_goaway(h2);
	else if (h2_session_is_retired(h2->session))
		end_retired(h2);
}

static void wait_for_more(struct h2 *h2)
{
	unsigned wish = NET_READABLE;

	if (is_quiet(h2))
		return;
	wish |= h2_tls_wish(h2->tls);
	if (net_watch_set(h2->watch, wish) != RC_OK)
		h2_end(h2, H2_END_MEMORY, "connection: out of memory");
	else if (h2_session_has_finished(h2->session) || (h2->has_unsent && !(wish & NET_WRITABLE)))
		h2_soon(h2);
}

/* Callees start requests as they are told of answers and room: they share the writes with what was there. */
void h2_turn(struct h2 *h2, bool is_readable)
{
	if (is_readable)
		receive(h2);
	tell_open(h2);
	tell_answers(h2);
	send_out(h2);
	tell_answers(h2); /* of what sending has closed */
	hear_pongs(h2);
	end_if_done(h2);
	tell_room(h2);
	send_out(h2);
	wait_for_more(h2);
}
