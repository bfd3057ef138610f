/* SPDX-License-Identifier: MIT */
/*
 * Who is told of a change (R9): every case against a table that says it in other words, and
 * random lives of sessions, in which each listener keeps a list of who else holds what from
 * nothing but what it is told. COTRACE_TEST_SEED chooses other lives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "rules/told.h"
#include "test/runner/random.h"

#define SESSIONS 5u
#define TASKS 4u

/* ---- Every case ---- */

static bool expected(uint32_t what, uint64_t length, bool unknown, const bool *l)
{
	static const struct {
		uint32_t what;
		bool of_nothing, of_unknown; /* told though 0 bytes, though unknown */
	} table[] = {
		{ COTRACE_CHANGE_REGISTERS, true, false }, { COTRACE_CHANGE_MEMORY, false, true },
		{ COTRACE_CHANGE_HOLD, true, false },	   { COTRACE_CHANGE_RELEASE, true, false },
		{ COTRACE_CHANGE_CALL, true, false },	   { COTRACE_CHANGE_STATE, true, false },
	};

	for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].what == what)
			return (length || table[i].of_nothing) &&
			       (!unknown || table[i].of_unknown) && l[0] && l[1] && l[2] && !l[3];
	return false;
}

static void every_case_is_told_as_the_table_says(void **state)
{
	unsigned told = 0;

	(void)state;
	for (unsigned bits = 0; bits < 64; bits++)
		for (uint32_t what = 0; what < 8; what++) {
			const bool l[] = { bits & 1, bits & 2, bits & 4, bits & 8 };
			struct told_act act = { .session = 7,
						.what = what,
						.length = bits & 16 ? 3 : 0,
						.unknown = bits & 32 };
			struct told_listener listener = { l[0] ? 8 : 7, l[1], l[2], l[3] };
			bool is = told_is_due(&act, &listener);

			assert_int_equal(is, expected(what, act.length, act.unknown, l));
			told += is;
		}
	/* Another one that covers, wants and lives: 5 kinds of 2 lengths, memory of 2 tasks. */
	assert_int_equal(told, 5 * 2 + 2);
}

static void only_a_change_of_a_hold_is_told(void **state)
{
	(void)state;
	assert_int_equal(told_of_hold(false, false), 0);
	assert_int_equal(told_of_hold(true, true), 0);
	assert_int_equal(told_of_hold(false, true), COTRACE_CHANGE_HOLD);
	assert_int_equal(told_of_hold(true, false), COTRACE_CHANGE_RELEASE);
}

/* ---- Random lives ---- */

struct session {
	bool open, wants;
	bool holds[TASKS];
	bool believed[SESSIONS][TASKS]; /* as told: which other session holds what */
	unsigned writes;		/* of others, as told */
};

static struct session sessions[SESSIONS];
static bool known[TASKS];
static unsigned writes[SESSIONS]; /* of others, since it listens */
static struct random random_numbers;

static unsigned below(unsigned n)
{
	return random_below(&random_numbers, n);
}

/* What the engine does with an act: asks for each session that covers the process. */
static void tell(struct told_act act, unsigned task)
{
	unsigned doer = (unsigned)act.session;

	act.unknown = task < TASKS && !known[task];
	for (unsigned i = 0; i < SESSIONS; i++) {
		struct session *s = &sessions[i];
		struct told_listener l = { i, s->open, s->wants, false };

		if (!told_is_due(&act, &l))
			continue;
		assert_int_not_equal(i, doer);
		if (act.what == COTRACE_CHANGE_HOLD || act.what == COTRACE_CHANGE_RELEASE)
			s->believed[doer][task] = act.what == COTRACE_CHANGE_HOLD;
		else
			s->writes++;
	}
}

static void set_hold(unsigned session, unsigned task, bool holds)
{
	uint32_t what = told_of_hold(sessions[session].holds[task], holds);

	sessions[session].holds[task] = holds;
	tell((struct told_act){ .session = session, .what = what }, task);
}

static void write_something(unsigned session, unsigned task)
{
	bool memory = below(2);
	unsigned length = below(3);

	tell((struct told_act){ .session = session,
				.what = memory ? COTRACE_CHANGE_MEMORY : COTRACE_CHANGE_REGISTERS,
				.length = length },
	     memory ? TASKS : task);
	for (unsigned i = 0; i < SESSIONS; i++)
		if (i != session && sessions[i].open && sessions[i].wants)
			writes[i] += memory ? length > 0 : known[task];
}

/* A task that was held before anybody had heard of it. */
static void announce(unsigned task)
{
	if (known[task])
		return;
	known[task] = true;
	for (unsigned i = 0; i < SESSIONS; i++)
		tell((struct told_act){ .session = i,
					.what = told_of_hold(false, sessions[i].holds[task]) },
		     task);
}

/* It begins to listen with a list of who holds what. */
static void listen(unsigned session)
{
	struct session *s = &sessions[session];

	s->wants = true;
	s->writes = writes[session] = 0;
	for (unsigned i = 0; i < SESSIONS; i++)
		for (unsigned t = 0; t < TASKS; t++)
			s->believed[i][t] = i != session && known[t] && sessions[i].holds[t];
}

static void step(void)
{
	unsigned i = below(SESSIONS), t = below(TASKS);
	struct session *s = &sessions[i];

	if (!s->open) {
		s->open = true;
		return;
	}
	switch (below(12)) {
	case 0:
		for (unsigned k = 0; k < TASKS; k++)
			set_hold(i, k, false);
		*s = (struct session){ 0 };
		break;
	case 1:
		listen(i);
		break;
	case 2:
		s->wants = false;
		break;
	case 3:
		announce(t);
		break;
	case 4:
		/* Its end is no release. A new one has its place. */
		for (unsigned k = 0; k < SESSIONS; k++) {
			sessions[k].holds[t] = false;
			for (unsigned n = 0; n < SESSIONS; n++)
				sessions[k].believed[n][t] = false;
		}
		known[t] = false;
		break;
	case 5:
	case 6:
		write_something(i, t);
		break;
	default:
		set_hold(i, t, below(2));
	}
}

static void check(void)
{
	for (unsigned i = 0; i < SESSIONS; i++) {
		const struct session *s = &sessions[i];

		if (!s->open || !s->wants)
			continue;
		assert_int_equal(s->writes, writes[i]);
		for (unsigned k = 0; k < SESSIONS; k++)
			for (unsigned t = 0; t < TASKS; t++)
				assert_int_equal(s->believed[k][t],
						 k != i && known[t] && sessions[k].holds[t]);
	}
}

static void who_listens_knows_who_else_holds_what(void **state)
{
	(void)state;
	random_begin(&random_numbers, random_seed_or(20261123));
	for (unsigned i = 0; i < 200000; i++) {
		step();
		check();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_is_told_as_the_table_says),
		cmocka_unit_test(only_a_change_of_a_hold_is_told),
		cmocka_unit_test(who_listens_knows_who_else_holds_what),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
