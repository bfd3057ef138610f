/* SPDX-License-Identifier: MIT */
/*
 * rules.c beside an oracle: the same rules (design R1 to R6), said once more in the
 * plainest way. Every operation is done to both, and everything visible is compared. Which
 * operations: all, to a bounded depth; then random ones, many. COTRACE_TEST_SEED chooses
 * others than those of every day.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/oracle.h"
#include "test/runner/random.h"

#define ALL_HOLDS (RULES_HOLD_ASKED | RULES_HOLD_OFFER | RULES_HOLD_QUEUE)

struct both {
	struct rules r;
	struct oracle o;
};

enum kind {
	JOIN,
	LEAVE,
	STOP,
	TELL,
	OFFER,
	TELL_AND_WAIT,
	ANSWER,
	CHANGED,
	HOLD,
	RELEASE,
	RUN,
	STEP,
	UNSTEP,
	STEPPED,
	CALLED,
	DIE
};

static const char *const kind_names[] = { "JOIN",   "LEAVE",   "STOP",	 "TELL",    "OFFER", "WAIT",
					  "ANSWER", "CHANGED", "HOLD",	 "RELEASE", "RUN",   "STEP",
					  "UNSTEP", "STEPPED", "CALLED", "DIE" };

struct op {
	enum kind kind;
	unsigned session;
	unsigned arg; /* join: policy; stop: to the kernel; answer: action; hold: why */
};

/* What led here, for the message of a failure. */
static struct op path[64];
static size_t path_length;
static unsigned long long seed;

#define must(condition)                               \
	do {                                          \
		if (!(condition))                     \
			broken(#condition, __LINE__); \
	} while (0)

static void broken(const char *condition, int line)
{
	size_t from = path_length > 64 ? path_length - 64 : 0;

	print_error("line %d: not true: %s; seed %llu; after", line, condition, seed);
	for (size_t i = from; i < path_length; i++)
		print_error(" %s(%u,%u)", kind_names[path[i % 64].kind], path[i % 64].session,
			    path[i % 64].arg);
	print_error("\n");
	fail();
}

/* ---- Comparing ---- */

static void compare(struct both *b)
{
	struct seat *turn = whose_turn(&b->o);
	struct rules_party *p = rules_turn(&b->r);
	unsigned offers = 0;

	must(b->r.count == b->o.count);
	must(b->r.phase == b->o.phase);
	must(b->r.denied == b->o.denied);
	must(b->r.holders == holders(&b->o));
	for (unsigned session = 1; session <= SESSIONS; session++) {
		struct seat *s = seat_of(&b->o, session);
		struct rules_party *party = rules_party(&b->r, session);

		must((s == NULL) == (party == NULL));
		if (s == NULL)
			continue;
		must(party->holds == s->holds); /* NOLINT(clang-analyzer-core.NullDereference) */
		must(party->policy == s->policy);
		must(party->step == s->step && party->stepped == s->stepped);
		must(s->asked_times <= 1);
		offers += (s->holds & RULES_HOLD_OFFER) != 0;
	}
	must(offers <= 1);
	must((turn == NULL) == (p == NULL));
	if (p != NULL)
		must(p->session == turn->session && p->reoffer == turn->repeated);
	must(rules_may_run(&b->r) == may_run(&b->o));
	must(rules_wants_step(&b->r) == wants_step(&b->o));
	must(rules_wants_call(&b->r) == wants_call(&b->o));
	must(rules_all_asked(&b->r) == (!holder_of_offer(&b->o) && !first_waiting(&b->o)));
	/* Nothing but a hold or a turn not taken keeps a stopped task. */
	if (b->o.phase == RULES_STOPPED && holders(&b->o) == 0 && turn == NULL)
		must(rules_may_run(&b->r));
	if (b->r.holders)
		must(!rules_may_run(&b->r));
}

/* ---- Operations on both ---- */

static void do_join(struct both *b, unsigned session, bool policy)
{
	bool late = b->o.phase != RULES_STOPPED || !(policy && b->o.to_kernel);

	b->o.seats[b->o.count++] =
		(struct seat){ .session = session, .policy = policy, .asked = late };
	must(rules_join(&b->r, session, policy) == 0);
}

static void do_leave(struct both *b, unsigned session)
{
	struct seat *s = seat_of(&b->o, session);

	rules_leave(&b->r, session);
	if (s == NULL)
		return;
	memmove(s, s + 1, (size_t)(b->o.seats + b->o.count - s - 1) * sizeof *s);
	b->o.count--;
}

static void do_stop(struct both *b, bool to_kernel)
{
	b->o.phase = RULES_STOPPED;
	b->o.to_kernel = to_kernel;
	b->o.denied = false;
	for (unsigned i = 0; i < b->o.count; i++) {
		b->o.seats[i].asked = b->o.seats[i].repeated = false;
		b->o.seats[i].asked_times = 0;
	}
	rules_stop(&b->r, to_kernel ? RULES_TO_KERNEL : RULES_TO_PROGRAM, to_kernel);
}

static void do_turn(struct both *b, enum kind kind)
{
	struct seat *s = whose_turn(&b->o);
	struct rules_party *p = rules_turn(&b->r);

	s->asked = true;
	s->asked_times += !s->repeated;
	s->repeated = false;
	if (kind == OFFER) {
		rules_offered(&b->r, p);
		s->holds |= RULES_HOLD_OFFER;
		s->step = RULES_STEP_NONE;
		s->stepped = false;
		return;
	}
	rules_told(&b->r, p);
	if (kind == TELL_AND_WAIT) {
		rules_hold(&b->r, p, RULES_HOLD_QUEUE);
		s->holds |= RULES_HOLD_QUEUE;
	}
}

static void do_answer(struct both *b, unsigned session, enum rules_action action)
{
	struct seat *s = seat_of(&b->o, session);
	bool open = s && (s->holds & RULES_HOLD_OFFER), was_denied = b->o.denied;
	bool takes_effect = rules_answer(&b->r, session, action);

	must(takes_effect == (open && (action == RULES_PASS || !was_denied)));
	if (!open)
		return;
	s->holds &= ~RULES_HOLD_OFFER;
	if (action == RULES_DENY)
		b->o.denied = true;
	must(!was_denied || b->r.denied); /* never undone */
}

static void do_changed(struct both *b, unsigned session)
{
	struct seat *by = seat_of(&b->o, session);
	bool any = false;

	for (unsigned i = 0; i < b->o.count && by; i++) {
		struct seat *s = &b->o.seats[i];

		if (b->o.phase != RULES_STOPPED || !b->o.to_kernel || !s->asked ||
		    place_of(&b->o, s) >= place_of(&b->o, by))
			continue;
		s->asked = false;
		s->repeated = true;
		any = true;
	}
	must(rules_changed(&b->r, session) == any);
}

static void do_hold(struct both *b, unsigned session, unsigned why, bool hold)
{
	struct seat *s = seat_of(&b->o, session);
	struct rules_party *p = rules_party(&b->r, session);

	if (hold) {
		s->holds |= why;
		rules_hold(&b->r, p, why);
	} else {
		s->holds &= ~why;
		rules_release(&b->r, p, why);
	}
}

#define RANGE_END 100

static void do_step(struct both *b, unsigned session, enum rules_step step)
{
	struct seat *s = seat_of(&b->o, session);

	s->step = step;
	s->stepped = false;
	if (step == RULES_STEP_NONE)
		rules_unstep(rules_party(&b->r, session));
	else
		rules_step(rules_party(&b->r, session), step, 0, RANGE_END);
}

/* A step that was made: with a branch or not, into the range or out of it. */
static void do_stepped(struct both *b, bool branched, bool left)
{
	bool any = false;

	do_stop(b, false);
	for (struct seat *s = b->o.seats; s < b->o.seats + b->o.count; s++) {
		s->stepped = s->step == RULES_STEP_INSTRUCTION ||
			     (s->step == RULES_STEP_BLOCK && branched) ||
			     (s->step == RULES_STEP_RANGE && left);
		any = any || s->stepped;
	}
	must(rules_stepped(&b->r, left ? RANGE_END : RANGE_END - 1, branched) == any);
}

/* It stands at the entry or the exit of a system call: nothing but steps to there are over. */
static void do_called(struct both *b, bool to_kernel)
{
	bool any = wants_call(&b->o);

	do_stop(b, to_kernel);
	for (struct seat *s = b->o.seats; s < b->o.seats + b->o.count; s++)
		s->stepped = s->step == RULES_STEP_SYSCALL;
	must(rules_called(&b->r, false) == any);
}

static void do_die(struct both *b)
{
	rules_died(&b->r);
	b->o.phase = RULES_DEAD;
	for (unsigned i = 0; i < b->o.count; i++)
		b->o.seats[i] = (struct seat){ .session = b->o.seats[i].session,
					       .policy = b->o.seats[i].policy,
					       .asked = b->o.seats[i].asked,
					       .repeated = b->o.seats[i].repeated,
					       .asked_times = b->o.seats[i].asked_times };
	must(b->r.holders == 0);
}

/* Whether the caller may do that now. */
static bool allowed(struct both *b, const struct op *op)
{
	bool present = seat_of(&b->o, op->session) != NULL;

	switch (op->kind) {
	case JOIN:
		return !present && b->o.count < SESSIONS && b->o.phase != RULES_DEAD;
	case LEAVE:
	case ANSWER:
	case CHANGED:
		return true; /* of a stranger too: nothing may happen then */
	case HOLD:
	case STEP:
	case UNSTEP:
		return present && b->o.phase != RULES_DEAD;
	case RELEASE:
		return present;
	case STOP:
	case STEPPED:
	case CALLED:
		return b->o.phase == RULES_RUNNING;
	case TELL:
	case OFFER:
	case TELL_AND_WAIT:
		return whose_turn(&b->o) != NULL;
	case RUN:
		return may_run(&b->o);
	default:
		return b->o.phase != RULES_DEAD;
	}
}

static void apply(struct both *b, struct op op)
{
	path[path_length++ % 64] = op;
	switch (op.kind) {
	case JOIN:
		do_join(b, op.session, op.arg);
		break;
	case LEAVE:
		do_leave(b, op.session);
		break;
	case STOP:
		do_stop(b, op.arg);
		break;
	case TELL:
	case OFFER:
	case TELL_AND_WAIT:
		do_turn(b, op.kind);
		break;
	case ANSWER:
		do_answer(b, op.session, (enum rules_action)op.arg);
		break;
	case CHANGED:
		do_changed(b, op.session);
		break;
	case HOLD:
	case RELEASE:
		do_hold(b, op.session, op.arg, op.kind == HOLD);
		break;
	case RUN:
		b->o.phase = RULES_RUNNING;
		rules_run(&b->r);
		break;
	case STEP:
	case UNSTEP:
		do_step(b, op.session, (enum rules_step)op.arg);
		break;
	case STEPPED:
		do_stepped(b, op.arg & 1, op.arg & 2);
		break;
	case CALLED:
		do_called(b, op.arg);
		break;
	case DIE:
		do_die(b);
	}
	compare(b);
}

static struct both copy_of(const struct both *b)
{
	struct both c = *b;

	c.r.parties = calloc(c.r.capacity + 1, sizeof *c.r.parties);
	if (c.r.count)
		memcpy(c.r.parties, b->r.parties, c.r.count * sizeof *c.r.parties);
	return c;
}

/* ---- Everything, to a depth ---- */

static unsigned long explored, ran;

static void explore(const struct both *b, unsigned surprises);

static void branch(const struct both *b, struct op op, unsigned surprises)
{
	struct both c = copy_of(b);
	size_t length = path_length;

	if (allowed(&c, &op)) {
		explored++;
		apply(&c, op);
		explore(&c, surprises);
	}
	path_length = length;
	rules_deinit(&c.r);
}

/* What nobody at this stop asked for, each at every point of the stop. */
static void surprise(const struct both *b, unsigned surprises)
{
	branch(b, (struct op){ DIE, 0, 0 }, 0);
	branch(b, (struct op){ JOIN, 5, false }, surprises);
	branch(b, (struct op){ JOIN, 6, true }, surprises);
	for (unsigned session = 1; session <= b->o.count; session++) {
		branch(b, (struct op){ LEAVE, session, 0 }, surprises);
		branch(b, (struct op){ CHANGED, session, 0 }, surprises);
		branch(b, (struct op){ HOLD, session, RULES_HOLD_ASKED }, surprises);
		branch(b, (struct op){ RELEASE, session, ALL_HOLDS }, surprises);
		branch(b, (struct op){ ANSWER, session, RULES_DENY }, surprises);
		branch(b, (struct op){ STEP, session, RULES_STEP_SYSCALL }, surprises);
	}
}

/* All ways on from here until the task runs, with so many surprises in between. */
static void explore(const struct both *b, unsigned surprises)
{
	struct oracle *o = (struct oracle *)&b->o;
	struct seat *offer = holder_of_offer(o);

	if (o->phase != RULES_STOPPED) {
		ran += o->phase == RULES_RUNNING;
		return;
	}
	if (surprises)
		surprise(b, surprises - 1);
	if (whose_turn(o)) {
		branch(b, (struct op){ TELL, 0, 0 }, surprises);
		branch(b, (struct op){ OFFER, 0, 0 }, surprises);
		branch(b, (struct op){ TELL_AND_WAIT, 0, 0 }, surprises);
	} else if (offer) {
		for (unsigned action = RULES_PASS; action <= RULES_DENY; action++)
			branch(b, (struct op){ ANSWER, offer->session, action }, surprises);
	} else if (holders(o)) {
		for (unsigned i = 0; i < o->count; i++)
			if (o->seats[i].holds) {
				branch(b, (struct op){ RELEASE, o->seats[i].session, ALL_HOLDS },
				       surprises);
				break;
			}
	} else {
		/* All turns taken, nobody holds: it must be allowed to run. */
		must(rules_may_run((struct rules *)&b->r));
		branch(b, (struct op){ RUN, 0, 0 }, surprises);
	}
}

static void explore_stops_of(unsigned count, unsigned policies, unsigned surprises)
{
	for (unsigned to_kernel = 0; to_kernel < 2; to_kernel++) {
		struct both b = { 0 };

		path_length = 0;
		for (unsigned i = 0; i < count; i++)
			apply(&b, (struct op){ JOIN, i + 1, policies >> i & 1 });
		apply(&b, (struct op){ STOP, 0, to_kernel });
		explore(&b, surprises);
		rules_deinit(&b.r);
	}
}

static void every_stop_of_few_sessions_goes_by_the_rules(void **state)
{
	static const unsigned daily[] = { 4, 3, 2, 1, 0 }, long_run[] = { 4, 4, 3, 2, 1 };
	const unsigned *surprises = getenv("COTRACE_TEST_LONG") ? long_run : daily;

	(void)state;
	explored = ran = 0;
	for (unsigned count = 0; count <= 4; count++)
		for (unsigned policies = 0; policies < 1u << count; policies++)
			explore_stops_of(count, policies, surprises[count]);
	print_message("# %lu steps, %lu times the task ran\n", explored, ran);
	assert_true(explored > 1000000);
}

/* ---- Random sequences ---- */

static struct random random_numbers;

static unsigned below(unsigned n)
{
	return random_below(&random_numbers, n);
}

static struct op random_op(void)
{
	static const enum kind kinds[] = { JOIN,   JOIN,   LEAVE,   STOP,    STOP,    STOP,
					   TELL,   TELL,   OFFER,   OFFER,   OFFER,   TELL_AND_WAIT,
					   STEP,   STEP,   UNSTEP,  STEPPED, CALLED,  ANSWER,
					   ANSWER, ANSWER, CHANGED, HOLD,    RELEASE, RELEASE,
					   RUN,	   RUN };
	struct op op = { kinds[below(sizeof kinds / sizeof *kinds)], 1 + below(SESSIONS), 0 };

	if (op.kind == ANSWER)
		op.arg = below(3);
	else if (op.kind == HOLD)
		op.arg = below(2) ? RULES_HOLD_ASKED : RULES_HOLD_QUEUE;
	else if (op.kind == RELEASE)
		op.arg = below(2) ? ALL_HOLDS : 1u << below(3);
	else if (op.kind == STEP)
		op.arg = 1 + below(4);
	else if (op.kind == STEPPED)
		op.arg = below(4);
	else if (op.kind == UNSTEP)
		op.arg = RULES_STEP_NONE;
	else
		op.arg = below(2);
	return below(400) ? op : (struct op){ DIE, 0, 0 };
}

static void random_sequences_go_by_the_rules(void **state)
{
	unsigned steps = 0;

	(void)state;
	seed = random_seed_or(20261123);
	while (steps < 200000) {
		struct both b = { 0 };

		random_begin(&random_numbers, seed + steps);
		path_length = 0;
		for (unsigned end = steps + 400; steps < end; steps++) {
			struct op op = random_op();

			if (allowed(&b, &op))
				apply(&b, op);
		}
		rules_deinit(&b.r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_stop_of_few_sessions_goes_by_the_rules),
		cmocka_unit_test(random_sequences_go_by_the_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
