/* SPDX-License-Identifier: Apache-2.0 */
#include "h2_client_wire.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	TIMERS_MAX = 4,
	/* Whatever is said again and again: enough to see memory grow, few enough to be fast. */
	READS_MAX = 4096,
	FED_BYTES_MAX = 256 * 1024,
	PREFACE_BYTES = 24,
	FRAME_HEAD_BYTES = 9,
};

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct net_timer {
	void (*fn)(void *ctx);
	void *ctx;
	bool is_armed;
	int64_t delay_ms;
};

struct net_watch {
	void (*fn)(void *ctx, unsigned ready);
	void *ctx;
	unsigned wish;
};

struct h2_dial {
	void (*done)(void *ctx, int fd, const char *why);
	void *ctx;
	bool is_started;
};

struct h2_tls {
	unsigned wish;
};

struct wire wire;
static struct net_timer *timers[TIMERS_MAX];
static struct net_watch *watch;
static struct h2_dial *dial;
static struct h2_tls *tls;

static void *must(void *made)
{
	if (made == NULL)
		abort();
	return made;
}

/* --- timers */

enum rc net_timer_new(struct net_loop *loop, void (*fn)(void *ctx), void *ctx,
	struct net_timer **timer_r)
{
	struct net_timer *timer = must(calloc(1, sizeof(*timer)));

	(void)loop;
	timer->fn = fn;
	timer->ctx = ctx;
	*timer_r = timer;
	for (size_t i = 0; i < TIMERS_MAX; i++)
		if (timers[i] == NULL) {
			timers[i] = timer;
			return RC_OK;
		}
	abort();
}

void net_timer_set(struct net_timer *timer, int64_t delay_ms)
{
	if (delay_ms < 0)
		abort();
	timer->is_armed = true;
	timer->delay_ms = delay_ms;
}

void net_timer_free(struct net_timer **timer)
{
	for (size_t i = 0; i < TIMERS_MAX; i++)
		if (timers[i] == *timer)
			timers[i] = NULL;
	free(*timer);
	*timer = NULL;
}

/* An armed one: at once, or else the one that takes longest. */
static struct net_timer *find_timer(bool is_at_once)
{
	struct net_timer *found = NULL;

	for (size_t i = 0; i < TIMERS_MAX; i++)
		if (timers[i] != NULL && timers[i]->is_armed && (timers[i]->delay_ms == 0) == is_at_once)
			found = timers[i];
	return found;
}

static void fire(struct net_timer *timer)
{
	timer->is_armed = false;
	timer->fn(timer->ctx);
}

/* --- the watch */

enum rc net_watch_new(struct net_loop *loop, int fd, void (*fn)(void *ctx, unsigned ready),
	void *ctx, struct net_watch **watch_r)
{
	(void)loop;
	if (watch != NULL || fd < 0)
		abort();
	watch = must(calloc(1, sizeof(*watch)));
	*watch = (struct net_watch){.fn = fn, .ctx = ctx};
	*watch_r = watch;
	return RC_OK;
}

enum rc net_watch_set(struct net_watch *given, unsigned what)
{
	given->wish = what;
	return RC_OK;
}

void net_watch_free(struct net_watch **gone)
{
	if (*gone == NULL)
		return;
	free(*gone);
	*gone = watch = NULL;
}

/* --- the way to the server */

enum rc h2_dial_new(const struct h2_dial_params *params, struct h2_dial **dial_r, struct err *err)
{
	(void)err;
	if (dial != NULL)
		abort();
	dial = must(calloc(1, sizeof(*dial)));
	*dial = (struct h2_dial){.done = params->done, .ctx = params->ctx};
	*dial_r = dial;
	return RC_OK;
}

enum rc h2_dial_start(struct h2_dial *started, struct err *err)
{
	(void)err;
	started->is_started = true;
	return RC_OK;
}

const char *h2_dial_step(const struct h2_dial *asked)
{
	(void)asked;
	return "connecting";
}

void h2_dial_free(struct h2_dial **gone)
{
	if (*gone == NULL)
		return;
	free(*gone);
	*gone = dial = NULL;
}

/* --- TLS, in clear */

enum rc h2_tls_new(const struct h2_params *params, struct h2_tls **tls_r, struct err *err)
{
	(void)params;
	(void)err;
	if (tls != NULL)
		abort();
	tls = must(calloc(1, sizeof(*tls)));
	*tls_r = tls;
	return RC_OK;
}

enum rc h2_tls_attach(struct h2_tls *attached, int fd, struct err *err)
{
	(void)attached;
	(void)fd;
	(void)err;
	return RC_OK;
}

enum h2_tls_result h2_tls_handshake(struct h2_tls *shaken, struct err *err)
{
	(void)err;
	shaken->wish = NET_READABLE;
	return H2_TLS_DONE;
}

static bool has_more(void)
{
	return (wire.at < wire.in.len || wire.tails > 0) && wire.reads < READS_MAX &&
		wire.bytes_in < FED_BYTES_MAX;
}

static void rewind_to_tail(void)
{
	if (wire.at < wire.in.len || wire.tails == 0)
		return;
	wire.tails--;
	wire.at = wire.tail_at;
}

/* A frame ends where its head says so; what is no frame goes as it is. */
static size_t frame_len(struct slice bytes)
{
	if (bytes.len < FRAME_HEAD_BYTES)
		return bytes.len;
	return FRAME_HEAD_BYTES + ((size_t)bytes.ptr[0] << 16 | (size_t)bytes.ptr[1] << 8 | bytes.ptr[2]);
}

static struct slice next_piece(size_t room)
{
	struct slice left = slice_sub(wire.in, wire.at, room);
	size_t len = wire.piece;

	if (len == WIRE_PIECE_FRAME)
		len = frame_len(left);
	else if (len == WIRE_PIECE_ALL)
		len = room;
	return slice_sub(left, 0, len);
}

enum h2_tls_result h2_tls_read(struct h2_tls *from, uint8_t *to, size_t room, size_t *got_r,
	struct err *err)
{
	struct slice bytes;

	*got_r = 0;
	from->wish = NET_READABLE;
	if (!has_more() && wire.farewell != H2_TLS_AGAIN)
		(void)err_set(err, RC_IO, "farewell");
	if (!has_more())
		return wire.farewell;
	rewind_to_tail();
	bytes = next_piece(room);
	if (bytes.len == 0)
		return H2_TLS_AGAIN;
	memcpy(to, bytes.ptr, bytes.len);
	*got_r = bytes.len;
	wire.at += bytes.len;
	wire.bytes_in += bytes.len;
	wire.reads++;
	wire.deeds++;
	return H2_TLS_DONE;
}

static void check_preface(struct slice bytes)
{
	for (size_t i = 0; i < bytes.len && wire.bytes_out + i < PREFACE_BYTES; i++)
		if (bytes.ptr[i] != (uint8_t)preface[wire.bytes_out + i])
			abort();
}

enum h2_tls_result h2_tls_write(struct h2_tls *to, struct slice from, size_t *put_r,
	struct err *err)
{
	bool is_stuck = wire.is_full || (wire.is_deaf && wire.bytes_out >= PREFACE_BYTES);

	*put_r = 0;
	if (from.len == 0)
		abort();
	if (wire.is_cut) {
		(void)err_set(err, RC_IO, "cut");
		return H2_TLS_CLOSED;
	}
	to->wish = NET_WRITABLE;
	if (is_stuck)
		return H2_TLS_AGAIN;
	to->wish = NET_READABLE;
	*put_r = wire.drain > 0 && wire.drain < from.len ? wire.drain : from.len;
	check_preface(slice_sub(from, 0, *put_r));
	wire.bytes_out += *put_r;
	wire.deeds++;
	return H2_TLS_DONE;
}

bool h2_tls_has_pending(const struct h2_tls *asked)
{
	(void)asked;
	return wire.is_burst && has_more();
}

unsigned h2_tls_wish(const struct h2_tls *asked)
{
	return asked->wish;
}

void h2_tls_bye(struct h2_tls *left)
{
	(void)left;
}

void h2_tls_free(struct h2_tls **gone)
{
	if (*gone == NULL)
		return;
	free(*gone);
	*gone = tls = NULL;
}

/* --- what happens */

void wire_start(struct wire fresh)
{
	wire_stop();
	wire = fresh;
}

static bool step_dial(void)
{
	int fd;

	if (dial == NULL || !dial->is_started)
		return false;
	dial->is_started = false;
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		abort();
	wire.deeds++;
	dial->done(dial->ctx, fd, "");
	return true;
}

static unsigned readiness(void)
{
	bool can_read = has_more() || wire.farewell != H2_TLS_AGAIN;
	bool can_write = !wire.is_full && !wire.is_deaf;

	if (watch == NULL)
		return 0;
	return watch->wish & ((can_read ? NET_READABLE : 0u) | (can_write ? NET_WRITABLE : 0u));
}

bool wire_step(void)
{
	struct net_timer *at_once = find_timer(true);
	unsigned ready = readiness();

	if (at_once != NULL)
		fire(at_once);
	else if (ready != 0)
		watch->fn(watch->ctx, ready);
	else
		return step_dial();
	return true;
}

bool wire_is_quiet(void)
{
	return find_timer(true) == NULL;
}

void wire_let_time_pass(void)
{
	struct net_timer *timer = find_timer(false);

	if (timer == NULL)
		return;
	wire.deeds++;
	fire(timer);
}

void wire_stop(void)
{
	for (size_t i = 0; i < TIMERS_MAX; i++)
		if (timers[i] != NULL)
			abort();
	if (watch != NULL || dial != NULL || tls != NULL)
		abort();
}
