/* SPDX-License-Identifier: MIT */
/* Steps (R5) on real instructions. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test/system/system.h"

TEST(a_step_is_one_instruction)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	uint64_t pc;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_stop(s, task_of(s, t.pid), COTRACE_ONE, test_ns(2000)), 0);
	take_kind(s, &ev, COTRACE_EVENT_STOP_DONE);
	puppet_tell(&t, "pid");
	CHECK_EQ(cotrace_step(s, ev.task, COTRACE_STEP_INSTRUCTION, 0, 0), 0);
	pc = ev.pc;
	take_kind(s, &ev, COTRACE_EVENT_STEP);
	CHECK(ev.flags & COTRACE_EV_STOP);
	CHECK(ev.pc >= pc && ev.pc < pc + 16);
	for (int i = 0; i < 200; i++) {
		pc = ev.pc;
		CHECK_EQ(cotrace_step(s, ev.task, COTRACE_STEP_INSTRUCTION, 0, 0), 0);
		take_kind(s, &ev, COTRACE_EVENT_STEP);
		CHECK(ev.pc != pc);
	}
	cotrace_close(s);
	CHECK_EQ(puppet_answer(&t), t.pid);
	puppet_end(&t);
}
