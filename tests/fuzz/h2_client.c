/* SPDX-License-Identifier: Apache-2.0 */
#include <sanitizer/allocator_interface.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "h2_client_wire.h"
#include "net/h2_conn.h"

/*
 * All that an HTTP/2 server can say to our client. The input begins with what the client and the network do
 * meanwhile (struct plan, a byte each); the rest is what the server sends.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	ASKS = 64,       /* under way at once */
	ASKED_MAX = 256, /* in all */
	ACTIONS = 4,
	BODY_STEP_BYTES = 17,
	PING_INTERVAL_MS = 1000,
	IDLE_TURNS_MAX = 4,
	MEMORY_EVERY = 16, /* steps */
	/* What a connection may hold, whatever the server says; and more for each request. */
	MEMORY_BYTES_MAX = 1024 * 1024,
	MEMORY_ASKED_BYTES_MAX = 12 * 1024,
};

struct plan {
	uint8_t piece, tail_at, tails, drain;
	uint8_t farewell, flags;
	uint8_t asks, body;       /* at the opening */
	uint8_t free_at;          /* this event; 0: at the end */
	uint8_t requests_max;     /* 0: as it is */
	uint8_t action_every;     /* steps; 0: never */
	uint8_t actions[ACTIONS]; /* by turns */
	uint8_t unused;
};

enum {
	FLAG_BURST = 1,
	FLAG_DEAF = 2,
	FLAG_PINGS = 4,
	FLAG_ASK_AGAIN = 8,    /* when one is answered */
	FLAG_ASK_ON_ROOM = 16, /* as many as there is room for */
	FLAG_RETIRE_AT_OPEN = 32,
	FLAG_FREE_AT_END = 64, /* from within on_end */
};

struct ask {
	struct h2_request request;
	bool is_out;
};

static struct {
	struct plan plan;
	struct h2 *h2; /* NULL: freed */
	size_t memory_before;
	unsigned opens, goaways, rooms, ends, events;
	unsigned asked, answered;
	bool is_owed_room; /* there was none */
	bool is_retired;
	struct ask asks[ASKS];
} world;

static const uint8_t body_bytes[H2_BODY_BYTES_MAX];
static const struct h2_field fields[] = {
	{SLICE_LITERAL(":method"), SLICE_LITERAL("POST"), false},
	{SLICE_LITERAL(":scheme"), SLICE_LITERAL("https"), false},
	{SLICE_LITERAL(":authority"), SLICE_LITERAL("localhost"), false},
	{SLICE_LITERAL(":path"), SLICE_LITERAL("/3/device/00"), true},
	{SLICE_LITERAL("apns-topic"), SLICE_LITERAL("com.apple.mgmt.External.0"), false},
};

/* Never inlined: a stack shows which it was. */
__attribute__((noinline)) static void must(bool is_so)
{
	if (!is_so)
		abort();
}

static bool has_flag(uint8_t flag)
{
	return (world.plan.flags & flag) != 0;
}

/* --- requests */

static void on_done(struct h2_request *request, const struct h2_reply *reply);

static struct ask *find_ask(void)
{
	for (size_t i = 0; i < ASKS; i++)
		if (!world.asks[i].is_out)
			return &world.asks[i];
	return NULL;
}

/* False: not now. Where there is room a request is taken, and where there is none it is not. */
static bool ask_one(void)
{
	struct ask *ask = find_ask();
	size_t len = (size_t)world.plan.body * BODY_STEP_BYTES;
	bool has_room;
	struct err err;
	enum rc rc;

	if (world.h2 == NULL || ask == NULL || world.asked == ASKED_MAX)
		return false;
	has_room = h2_room(world.h2) > 0;
	*ask =
		(struct ask){.request = {.fields = fields,
																.field_count = COUNT_OF(fields),
																.body = slice_of(body_bytes, len < H2_BODY_BYTES_MAX ? len : H2_BODY_BYTES_MAX),
																.done = on_done}};
	rc = h2_request(world.h2, &ask->request, &err);
	must(rc == (has_room ? RC_OK : RC_BUSY));
	ask->is_out = rc == RC_OK;
	world.asked += rc == RC_OK;
	return rc == RC_OK;
}

static void ask_many(unsigned count)
{
	while (count > 0 && ask_one())
		count--;
}

/* --- what is told */

/* True: the connection was freed. Nothing is told after that, nor after its end. */
static bool take_event(void)
{
	must(world.h2 != NULL);
	must(world.ends == 0);
	wire.deeds++;
	if (++world.events != world.plan.free_at)
		return false;
	h2_free(&world.h2);
	must(world.h2 == NULL);
	return true;
}

static void check_reply(const struct h2_reply *reply)
{
	must(reply->body.len <= H2_BODY_BYTES_MAX);
	if (reply->fate == H2_ANSWERED)
		must(reply->status >= 200 && reply->status <= 999 && reply->error_code == 0);
	else
		must(reply->status == 0 && reply->body.len == 0);
	for (size_t i = 0; i < H2_KEPT_MAX; i++)
		must(reply->kept[i].len <= H2_KEPT_BYTES_MAX && (i < 2 || reply->kept[i].len == 0));
}

static void on_done(struct h2_request *request, const struct h2_reply *reply)
{
	struct ask *ask = (struct ask *)request;

	must(world.opens == 1);
	must(ask->is_out);
	ask->is_out = false;
	world.answered++;
	check_reply(reply);
	must(h2_in_flight(world.h2) == world.asked - world.answered);
	if (!take_event() && has_flag(FLAG_ASK_AGAIN))
		(void)ask_one();
}

static void act_retire(void)
{
	world.is_retired = true;
	h2_retire(world.h2);
}

static void on_open(void *ctx)
{
	(void)ctx;
	must(++world.opens == 1);
	must(world.asked == 0);
	if (take_event())
		return;
	if (has_flag(FLAG_RETIRE_AT_OPEN))
		act_retire();
	ask_many(world.plan.asks);
}

static void on_room(void *ctx)
{
	(void)ctx;
	must(world.opens == 1);
	must(h2_room(world.h2) > 0);
	world.rooms++;
	world.is_owed_room = false;
	if (!take_event() && has_flag(FLAG_ASK_ON_ROOM))
		ask_many(ASKS);
}

static void on_goaway(void *ctx, uint32_t error_code, struct slice debug)
{
	(void)ctx;
	(void)error_code;
	must(++world.goaways == 1 && world.opens == 1);
	must(debug.len <= H2_GOAWAY_BYTES_MAX);
	must(h2_room(world.h2) == 0);
	(void)take_event();
}

static void on_end(void *ctx, enum h2_end end, const char *text)
{
	(void)ctx;
	must((unsigned)end < H2_END_COUNT && text[0] != '\0');
	must(world.asked == world.answered && h2_in_flight(world.h2) == 0);
	must(h2_room(world.h2) == 0);
	must(!ask_one());
	if (take_event())
		return;
	world.ends++;
	if (has_flag(FLAG_FREE_AT_END))
		h2_free(&world.h2);
}

static const struct h2_events events = {.on_open = on_open,
	.on_room = on_room,
	.on_goaway = on_goaway,
	.on_end = on_end};

/* --- what the client and the network do meanwhile */

static void act_ask(void)
{
	(void)ask_one();
}

static void act_ask_many(void)
{
	ask_many(ASKS);
}

static void act_turn_tap(void)
{
	wire.is_full = !wire.is_full;
}

static void act_cut(void)
{
	wire.is_cut = true;
}

static void (*const actions[])(
	void) = {act_ask, act_ask_many, act_turn_tap, wire_let_time_pass, act_retire, act_cut};

static void act(unsigned step)
{
	unsigned every = world.plan.action_every;

	if (every == 0 || step % every != 0 || world.h2 == NULL || world.ends > 0)
		return;
	wire.deeds++;
	actions[world.plan.actions[step / every % ACTIONS] % COUNT_OF(actions)]();
}

/* --- what holds after each step */

static void check_memory(unsigned step)
{
	size_t bound = MEMORY_BYTES_MAX + (size_t)world.asked * MEMORY_ASKED_BYTES_MAX;

	if (step % MEMORY_EVERY == 0)
		must(__sanitizer_get_current_allocated_bytes() < world.memory_before + bound);
}

/* Who was told that there is no room is told when there is again. */
static void check_room(void)
{
	if (world.opens == 0) {
		must(h2_room(world.h2) == 0);
		return;
	}
	if (h2_room(world.h2) == 0)
		world.is_owed_room = true;
	else
		must(!world.is_owed_room || !wire_is_quiet());
}

/* With nothing held back, what is not under way is free to be asked for. */
static void check_streams(void)
{
	struct h2_stats stats;
	uint32_t in_flight = h2_in_flight(world.h2), room;

	if (world.opens == 0 || world.goaways > 0 || world.is_retired || world.plan.requests_max > 0 ||
		wire.is_deaf || wire.is_full || !wire_is_quiet())
		return;
	h2_stats(world.h2, &stats);
	room = stats.peer_streams_max > in_flight ? stats.peer_streams_max - in_flight : 0;
	must(h2_room(world.h2) == room);
}

static void check(unsigned step)
{
	check_memory(step);
	if (world.h2 == NULL)
		return;
	must(h2_in_flight(world.h2) == world.asked - world.answered);
	if (world.ends > 0)
		return;
	check_room();
	check_streams();
}

/* --- a life */

/* A turn that finds nothing to do is rare, and never one after another. */
static void live(void)
{
	unsigned idle = 0;
	uint64_t deeds = wire.deeds;

	for (unsigned step = 1; wire_step(); step++) {
		check(step);
		act(step);
		idle = wire.deeds == deeds ? idle + 1 : 0;
		deeds = wire.deeds;
		must(idle <= IDLE_TURNS_MAX);
	}
}

/* The server has said all. Silence ends it too, where PINGs are sent, and before it is open. */
static void outlive(void)
{
	bool has_end = wire.farewell != H2_TLS_AGAIN || has_flag(FLAG_PINGS) || world.opens == 0;

	for (int i = 0; i < 3 && world.h2 != NULL && world.ends == 0; i++) {
		wire_let_time_pass();
		live();
	}
	must(!has_end || world.h2 == NULL || world.ends == 1);
}

static void start_wire(struct slice in)
{
	static const enum h2_tls_result farewells[] = {H2_TLS_CLOSED, H2_TLS_AGAIN, H2_TLS_BROKEN,
		H2_TLS_REFUSED};
	const struct plan *plan = &world.plan;

	wire_start((struct wire){.in = in,
		.tail_at = plan->tail_at < in.len ? plan->tail_at : in.len,
		.tails = plan->tail_at < in.len ? plan->tails : 0,
		.piece = plan->piece,
		.drain = plan->drain,
		.farewell = farewells[plan->farewell % COUNT_OF(farewells)],
		.is_burst = has_flag(FLAG_BURST),
		.is_deaf = has_flag(FLAG_DEAF)});
}

static void open_client(void)
{
	const struct h2_params params = {.host = "localhost",
		.port = 443,
		.ping_interval_ms = has_flag(FLAG_PINGS) ? PING_INTERVAL_MS : 0,
		.kept = {"apns-id", "retry-after"},
		.events = &events};
	struct err err;

	must(h2_open(NULL, &params, &world.h2, &err) == RC_OK);
	if (world.plan.requests_max > 0)
		h2_set_requests_max(world.h2, world.plan.requests_max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < sizeof(world.plan))
		return 0;
	memset(&world, 0, sizeof(world));
	memcpy(&world.plan, data, sizeof(world.plan));
	world.memory_before = __sanitizer_get_current_allocated_bytes();
	start_wire(slice_of(data + sizeof(world.plan), size - sizeof(world.plan)));
	open_client();
	live();
	outlive();
	h2_free(&world.h2);
	wire_stop();
	return 0;
}
