/* SPDX-License-Identifier: MIT */
/*
 * The rules of several sessions on one task (design R1 to R6), and nothing else: no
 * system calls, no I/O, no clock. One struct rules per task. See cotrace-semantics(7).
 *
 * The sessions on a task stand in a row: index 0 is nearest to the kernel, the last one
 * nearest to the program. POLICY sessions come first, then the others, each in the order
 * they attached. A stop is asked along the row, one session at a time: from program to
 * kernel when it is on its way into the kernel (R2).
 */
#ifndef RULES_RULES_H
#define RULES_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why a session keeps the task stopped; bits. */
#define RULES_HOLD_ASKED 0x1u /* it asked for it */
#define RULES_HOLD_OFFER 0x2u /* a stop was offered and not answered yet */
#define RULES_HOLD_QUEUE 0x4u /* it could not take the notes so fast */

/* What kind of step a session has asked for. */
enum rules_step {
	RULES_STEP_NONE,
	RULES_STEP_INSTRUCTION,
	RULES_STEP_BLOCK,  /* until a branch was taken */
	RULES_STEP_RANGE,  /* until the pc has left [from, to) */
	RULES_STEP_SYSCALL /* to the next entry or exit of a system call: it is offered that stop */
};

struct rules_party {
	uint64_t session;
	bool policy;
	bool asked;   /* has had its turn at the present stop */
	bool reoffer; /* its next turn is a repetition */
	uint8_t holds;
	bool stepped; /* its step is done: this stop tells it */
	enum rules_step step;
	uint64_t step_from, step_to;
	bool saw_entry; /* of the call that the task is in, as the caller says */
	/* For the caller; the rules do not look at it. */
	bool awaited;	    /* the session waits for the task to stand */
	uint32_t reason;    /* event kind of the stop that it holds */
	uint64_t offer_seq; /* the event that made the open offer */
	uint64_t since_ns;
};

enum rules_direction { RULES_TO_KERNEL, RULES_TO_PROGRAM };

/* What the task may do. */
enum rules_phase {
	RULES_RUNNING, /* no stop */
	RULES_STOPPED, /* turns are being taken, or all have been */
	RULES_DEAD
};

enum rules_action { RULES_PASS, RULES_REPLACE, RULES_DENY };

struct rules {
	struct rules_party *parties;
	size_t count, capacity;
	enum rules_phase phase;
	enum rules_direction direction;
	bool can_reoffer; /* what passes here must be seen again when changed */
	bool denied;
	unsigned holders; /* parties with holds != 0 */
};

#define RULES_NULL ((struct rules){ 0 })

void rules_deinit(struct rules *r);

/*
 * A session comes to the task. It has no turn at a stop that is under way, unless it is
 * a policy. Returns 0 or -ENOMEM.
 */
int rules_join(struct rules *r, uint64_t session, bool policy);
/* A session goes, with all its holds; an open offer counts as passed. */
void rules_leave(struct rules *r, uint64_t session);
struct rules_party *rules_party(struct rules *r, uint64_t session);

/* The task has stopped: turns begin. Illegal unless it was running. */
void rules_stop(struct rules *r, enum rules_direction direction, bool can_reoffer);
/*
 * The session whose turn it is, or NULL when an offer is open or all have had theirs.
 * The caller asks it: a note or nothing means rules_told(), a stop rules_offered().
 */
struct rules_party *rules_turn(struct rules *r);
/* Whether everybody has had a turn, and answered. */
bool rules_all_asked(struct rules *r);
void rules_told(struct rules *r, struct rules_party *p);
void rules_offered(struct rules *r, struct rules_party *p);
/*
 * The session answers its open offer. Returns whether @action takes effect: not without
 * an open offer, and nothing but PASS after a denial.
 */
bool rules_answer(struct rules *r, uint64_t session, enum rules_action action);
/*
 * @session has changed registers or memory that others nearer to the kernel have judged
 * already: they get another turn. Returns whether any does.
 */
bool rules_changed(struct rules *r, uint64_t session);

/* As rules_changed(), by somebody who is nearer to the program than all of the row. */
bool rules_renew(struct rules *r);
/*
 * Makes @out the rules of a call that @session has the task make: a row of those nearer to
 * the kernel than @session, who judge it; none for a session that is not in @r. Returns 0 or
 * -ENOMEM.
 */
int rules_nearer(struct rules *out, const struct rules *r, uint64_t session);

void rules_hold(struct rules *r, struct rules_party *p, unsigned why);
void rules_release(struct rules *r, struct rules_party *p, unsigned why);

/*
 * The session asks for a step, for when the task runs again (R5). Taken back by any stop
 * that it is offered before that, and by rules_unstep().
 */
void rules_step(struct rules_party *p, enum rules_step step, uint64_t from, uint64_t to);
void rules_unstep(struct rules_party *p);
/* Whether the task is to step by instructions, not run. */
bool rules_wants_step(const struct rules *r);
/* Whether it is to stop at its next system call's entry or exit. */
bool rules_wants_call(const struct rules *r);
/*
 * As rules_stepped(): the task stands at an entry or exit, which ends the steps to there.
 * @again: the entry of a call that is made once more: for those who have seen it, it is none.
 */
bool rules_called(struct rules *r, bool again);
/*
 * The task has made a step, to @pc. Marks the sessions whose step is done: they, and no
 * others, are to be offered the stop. Returns whether there are any.
 */
bool rules_stepped(struct rules *r, uint64_t pc, bool branched);

/* All turns taken and nobody holds: the one condition under which the task may run. */
bool rules_may_run(struct rules *r);
/* It runs. Illegal unless rules_may_run(). */
void rules_run(struct rules *r);
/* SIGKILL wins: the stop is over, whoever held it (R6). */
void rules_died(struct rules *r);

#endif
