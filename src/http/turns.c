/* SPDX-License-Identifier: Apache-2.0 */
#include "turns.h"

#include <stdlib.h>

enum { ROOM_FIRST = 64 };

/* Those of strangers, and those of addresses that are known. */
enum line_name { LINE_STRANGERS, LINE_KNOWN, LINE_COUNT };

struct line {
	uint64_t now; /* the tag of the latest turn */
	uint64_t sequence;
	uint64_t last[TURNS_CELLS]; /* the latest tag of a cell */
	struct turn **heap;         /* the next is the first */
	size_t count, room;
};

struct turns {
	unsigned at_a_time;
	unsigned taken;
	unsigned known_in_a_row; /* turns of the known, while a stranger waited */
	bool is_moving;          /* one was given back since the last look */
	struct line lines[LINE_COUNT];
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

static struct line *line_of(struct turns *turns, bool is_known)
{
	return &turns->lines[is_known ? LINE_KNOWN : LINE_STRANGERS];
}

static uint64_t next_tag(struct line *line, size_t cell)
{
	uint64_t *last = &line->last[cell % TURNS_CELLS];

	*last = (*last > line->now ? *last : line->now) + 1;
	return *last;
}

static bool is_anybody_waiting(const struct turns *turns)
{
	return turns->lines[LINE_STRANGERS].count + turns->lines[LINE_KNOWN].count > 0;
}

bool turns_take(struct turns *turns, const struct turn_taker *taker)
{
	struct line *line = line_of(turns, taker->is_known);

	if (is_anybody_waiting(turns) || turns->taken >= turns->at_a_time)
		return false;
	line->now = next_tag(line, taker->cell);
	turns->taken++;
	return true;
}

static bool is_before(const struct turn *a, const struct turn *b)
{
	return a->tag != b->tag ? a->tag < b->tag : a->sequence < b->sequence;
}

static void put(struct line *line, size_t place, struct turn *turn)
{
	line->heap[place - 1] = turn;
	turn->place = place;
}

static void move_up(struct line *line, struct turn *turn)
{
	size_t place = turn->place;

	for (; place > 1 && is_before(turn, line->heap[place / 2 - 1]); place /= 2)
		put(line, place, line->heap[place / 2 - 1]);
	put(line, place, turn);
}

static void move_down(struct line *line, struct turn *turn)
{
	size_t place = turn->place;

	for (size_t child = 2 * place; child <= line->count; child = 2 * place) {
		if (child < line->count && is_before(line->heap[child], line->heap[child - 1]))
			child++;
		if (!is_before(line->heap[child - 1], turn))
			break;
		put(line, place, line->heap[child - 1]);
		place = child;
	}
	put(line, place, turn);
}

static bool make_room(struct line *line)
{
	size_t room = line->room == 0 ? ROOM_FIRST : 2 * line->room;
	struct turn **heap;

	if (line->count < line->room)
		return true;
	heap = reallocarray(line->heap, room, sizeof(struct turn *));
	if (heap == NULL)
		return false;
	line->heap = heap;
	line->room = room;
	return true;
}

bool turns_wait(struct turns *turns, struct turn *turn, const struct turn_taker *taker)
{
	struct line *line = line_of(turns, taker->is_known);

	if (turn->place != 0)
		return true;
	if (!make_room(line))
		return false;
	turn->is_known = taker->is_known;
	turn->tag = next_tag(line, taker->cell);
	turn->sequence = line->sequence++;
	put(line, ++line->count, turn);
	move_up(line, turn);
	return true;
}

void turns_leave(struct turns *turns, struct turn *turn)
{
	struct line *line = line_of(turns, turn->is_known);
	size_t place = turn->place;
	struct turn *last;

	if (place == 0)
		return;
	last = line->heap[--line->count];
	turn->place = 0;
	if (last == turn)
		return;
	put(line, place, last);
	move_up(line, last);
	move_down(line, last);
}

static struct line *choose_line(struct turns *turns)
{
	struct line *known = line_of(turns, true);
	struct line *strangers = line_of(turns, false);

	if (known->count > 0 && (strangers->count == 0 || turns->known_in_a_row < TURNS_KNOWN)) {
		turns->known_in_a_row = strangers->count == 0 ? 0 : turns->known_in_a_row + 1;
		return known;
	}
	turns->known_in_a_row = 0;
	return strangers;
}

struct turn *turns_next(struct turns *turns)
{
	struct line *line;
	struct turn *turn;

	if (!is_anybody_waiting(turns) || turns->taken >= turns->at_a_time)
		return NULL;
	line = choose_line(turns);
	turn = line->heap[0];
	turns_leave(turns, turn);
	line->now = turn->tag;
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
	if (is_anybody_waiting(turns) && !turns->is_moving && turns->taken > 0)
		turns->taken--;
	turns->is_moving = false;
}

void turns_free(struct turns **turns)
{
	if (*turns == NULL)
		return;
	for (size_t i = 0; i < LINE_COUNT; i++)
		free((*turns)->lines[i].heap);
	free(*turns);
	*turns = NULL;
}
