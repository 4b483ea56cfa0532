/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waking one device: can open work be forgotten?
 *
 * The steps are those at which the daemon can be interrupted: a transaction is one step, and everything that is
 * done before and after it is another. Names are those of src/push and include/pomona/store/push.h.
 *
 *   -DCLOCKS     the rule that Pomona does not use: times are compared instead of sequences
 *   -DNO_RESCAN  a start does not look for open work
 *   -DNO_RETRY   a push that goes unanswered is not repeated
 *   -DLIVE       pushes get lost, connections break, commands are put off: checked for `woken`; else for `prompt`
 */

#ifndef COMMANDS
#define COMMANDS 3
#endif
#ifndef LIVE
#define NO_RETRY /* what a repetition would mend shall be seen */
#endif

#ifdef LIVE
#define LOSSES 1
#define BREAKS 1
#define DELAYS 1
#else
#define LOSSES 0
#define BREAKS 0
#define DELAYS 1
#endif
#define CRASHES 1

/* --- the database: survives a crash */

byte last_seq;               /* batch.seq of the last published command; the command is known by it */
bool is_open[4];
bool is_held[COMMANDS + 1];  /* NotNow */
byte seen_seq;               /* of the last empty reply with held work */
byte stored_pushed_seq;      /* written some time after the push */
byte queued_at[COMMANDS + 1];
byte seen_at;

/* --- the daemon's memory */

byte pushed_seq;
byte pushed_at;
bool is_poked;
bool is_due_again; /* the gap after a push that goes unanswered is running */
byte life = 0;     /* counts the crashes */

/* --- outside */

bool apns_has_push; /* APNs keeps one notification a device */
bool is_resting;    /* the device said NotNow last: it comes of its own accord */
byte clock_now;     /* for -DCLOCKS */
byte losses, breaks, delays;

#ifdef CLOCKS
#define TICK clock_now++
#else
#define TICK skip
#endif

inline read_open_seq(into)
{
	into = COMMANDS;
	do
	:: into > 0 && !is_open[into] -> into--
	:: else -> break
	od
}

#ifdef CLOCKS
#define MUST_WAKE(open) (open > 0 && queued_at[open] > seen_at && queued_at[open] > pushed_at)
#else
#define MUST_WAKE(open) (open > seen_seq && open > pushed_seq)
#endif

#define NOTHING_OPEN (!is_open[1] && !is_open[2] && !is_open[3])

/* An administrator, COMMANDS times. The poke is lost where the daemon dies before it. */
proctype administrator()
{
	byte at, born;

	do
	:: last_seq < COMMANDS ->
		born = life;
		d_step { TICK; at = clock_now; } /* a transaction takes its time when it begins */
		d_step {
			if
			:: born == life ->
				last_seq++;
				is_open[last_seq] = true;
				queued_at[last_seq] = at;
			:: else
			fi
		}
		d_step {
			if
			:: born == life -> is_poked = true
			:: else
			fi
		}
	:: else -> break
	od
}

/* Decides, pushes, and writes the outcome down: three steps, between any of which it may die. */
proctype scheduler()
{
	byte open, born;

end:	do
	:: is_poked ->
		d_step {
			is_poked = false;
			born = life;
			read_open_seq(open);
		}
		if
		:: MUST_WAKE(open) -> goto push
		:: else
		fi
#ifndef NO_RETRY
	:: is_due_again && !is_resting && !apns_has_push && !NOTHING_OPEN ->
		d_step {
			is_due_again = false;
			born = life;
			read_open_seq(open);
		}
push:		skip;
#else
	:: false ->
push:		skip;
#endif
		d_step {
			if
			:: born == life && open > 0 ->
				TICK;
				apns_has_push = true;
				pushed_seq = open;
				pushed_at = clock_now;
				is_due_again = true;
			:: else
			fi
		}
		d_step {
			if
			:: born == life -> stored_pushed_seq = pushed_seq
			:: else
			fi
		}
		open = 0
	od
}

proctype crash()
{
	do
	:: life < CRASHES ->
		d_step {
			life++;
			pushed_seq = stored_pushed_seq;
			/* What went unanswered is due again after its gap; who was left with held work, too. */
			is_due_again = true;
#ifdef NO_RESCAN
			is_poked = false;
#else
			is_poked = true;
#endif
		}
	:: break
	od
}

/* APNs may lose what it has. */
proctype loss()
{
	do
	:: losses < LOSSES && apns_has_push -> d_step { apns_has_push = false; losses++; }
	:: break
	od
}

/* Polls, and answers what it is given until there is nothing more. */
proctype device()
{
	byte command, snapshot_seq;
	bool is_notnow, is_any_held;

end:	do
	:: apns_has_push || (is_resting && delays >= DELAYS) ->
		d_step {
			apns_has_push = false;
			is_resting = false;
			is_notnow = false;
			/* Idle: what was put off is queued again */
			for (command : 1 .. COMMANDS) { is_held[command] = false; }
		}
next:		skip;
		d_step { /* the server's transaction: the first command in order that is not held, or none */
			snapshot_seq = last_seq;
			is_any_held = false;
			command = 1;
			do
			:: command <= COMMANDS && (!is_open[command] || is_held[command]) ->
				is_any_held = is_any_held || is_open[command];
				command++
			:: else -> break
			od
#ifndef CLOCKS
			if
			:: command > COMMANDS && is_any_held ->
				if
				:: snapshot_seq > seen_seq -> seen_seq = snapshot_seq
				:: else
				fi
			:: else
			fi
#endif
		}
		if
		:: command <= COMMANDS ->
			if
			:: d_step { is_open[command] = false; is_notnow = false; } goto next
			:: delays < DELAYS -> d_step { delays++; is_held[command] = true; is_notnow = true; } goto next
			:: breaks < BREAKS -> breaks++ /* the connection breaks: the command was sent, no answer comes */
			fi
		:: else -> /* an empty reply, after the transaction */
			d_step {
#ifdef CLOCKS
				TICK;
				seen_at = clock_now;
#endif
				if
				:: is_any_held && is_notnow -> is_resting = true
				:: else
				fi
				is_due_again = is_due_again || is_any_held;
				command = 0;
				is_notnow = false;
			}
		fi
	od
}

#ifndef LIVE
/* When nothing moves any more, what is open was put off by the device, and nothing newer came since. */
active proctype prompt()
{
	byte i;

	timeout ->
	for (i : 1 .. COMMANDS) {
		assert(!is_open[i] || (is_held[i] && i <= seen_seq))
	}
}
#else
ltl woken { [] <> NOTHING_OPEN }
#endif

init
{
	atomic {
		run administrator();
		run scheduler();
		run device();
		run crash();
		run loss();
	}
}
