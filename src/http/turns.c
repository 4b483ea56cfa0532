/* SPDX-License-Identifier: Apache-2.0 */
#include "turns.h"

#include <stdlib.h>

enum { ROOM_FIRST = 64 };

struct turns {
	unsigned at_a_time;
	unsigned taken;
	uint64_t now; /* the tag of the latest turn */
	uint64_t sequence;
	bool is_moving;             /* one was given back since the last look */
	uint64_t last[TURNS_CELLS]; /* the latest tag of a cell */
	struct turn **heap;         /* the next is the first */
	size_t count, room;
};

enum rc turns_new(unsigned at_a_time, struct turns **turns_r, struct err *err)
{
	struct turns *turns = calloc(1, sizeof(*turns));

	*turns_r = turns;
	if (turns == NULL)
		return err_set(err, RC_NO_MEMORY, "TLS handshakes: turns");
	turns->at_a_time = at_a_time;
	return RC_OK;
}

static uint64_t next_tag(struct turns *turns, const struct turn_taker *taker)
{
	uint64_t *last = &turns->last[taker->cell % TURNS_CELLS];

	*last = (*last > turns->now ? *last : turns->now) + (taker->is_known ? 1 : TURNS_KNOWN);
	return *last;
}

bool turns_take(struct turns *turns, const struct turn_taker *taker)
{
	if (turns->count > 0 || turns->taken >= turns->at_a_time)
		return false;
	turns->now = next_tag(turns, taker);
	turns->taken++;
	return true;
}

static bool is_before(const struct turn *a, const struct turn *b)
{
	return a->tag != b->tag ? a->tag < b->tag : a->sequence < b->sequence;
}

static void put(struct turns *turns, size_t place, struct turn *turn)
{
	turns->heap[place - 1] = turn;
	turn->place = place;
}

static void move_up(struct turns *turns, struct turn *turn)
{
	size_t place = turn->place;

	for (; place > 1 && is_before(turn, turns->heap[place / 2 - 1]); place /= 2)
		put(turns, place, turns->heap[place / 2 - 1]);
	put(turns, place, turn);
}

static void move_down(struct turns *turns, struct turn *turn)
{
	size_t place = turn->place;

	for (size_t child = 2 * place; child <= turns->count; child = 2 * place) {
		if (child < turns->count && is_before(turns->heap[child], turns->heap[child - 1]))
			child++;
		if (!is_before(turns->heap[child - 1], turn))
			break;
		put(turns, place, turns->heap[child - 1]);
		place = child;
	}
	put(turns, place, turn);
}

static bool make_room(struct turns *turns)
{
	size_t room = turns->room == 0 ? ROOM_FIRST : 2 * turns->room;
	struct turn **heap;

	if (turns->count < turns->room)
		return true;
	heap = reallocarray(turns->heap, room, sizeof(struct turn *));
	if (heap == NULL)
		return false;
	turns->heap = heap;
	turns->room = room;
	return true;
}

bool turns_wait(struct turns *turns, struct turn *turn, const struct turn_taker *taker)
{
	if (turn->place != 0)
		return true;
	if (!make_room(turns))
		return false;
	turn->tag = next_tag(turns, taker);
	turn->sequence = turns->sequence++;
	put(turns, ++turns->count, turn);
	move_up(turns, turn);
	return true;
}

void turns_leave(struct turns *turns, struct turn *turn)
{
	size_t place = turn->place;
	struct turn *last;

	if (place == 0)
		return;
	last = turns->heap[--turns->count];
	turn->place = 0;
	if (last == turn)
		return;
	put(turns, place, last);
	move_up(turns, last);
	move_down(turns, last);
}

struct turn *turns_next(struct turns *turns)
{
	struct turn *turn;

	if (turns->count == 0 || turns->taken >= turns->at_a_time)
		return NULL;
	turn = turns->heap[0];
	turns_leave(turns, turn);
	turns->now = turn->tag;
	turns->taken++;
	return turn;
}

void turns_give_back(struct turns *turns)
{
	turns->is_moving = true;
	if (turns->taken > 0)
		turns->taken--;
}

void turns_look(struct turns *turns)
{
	if (turns->count > 0 && !turns->is_moving && turns->taken > 0)
		turns->taken--;
	turns->is_moving = false;
}

void turns_free(struct turns **turns)
{
	if (*turns == NULL)
		return;
	free((*turns)->heap);
	free(*turns);
	*turns = NULL;
}
