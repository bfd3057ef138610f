/* SPDX-License-Identifier: MIT */
/* Steps (R5) on real instructions. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <elf.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/system/stepped.h"

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

/* ---- Programs that look for traces of being stepped ---- */

static unsigned step_through(const char *program, const char *what)
{
	struct stepped p;
	unsigned n = 0;

	stepped_start(&p, program, what);
	for (; p.ev.pc != p.to; n++)
		step(&p, COTRACE_STEP_INSTRUCTION, 0, 0);
	stepped_end(&p);
	return n;
}

/* In the engine, to the end of the program. */
static void one_long_step(const char *program, const char *what)
{
	struct stepped p;
	char text[200] = "";

	stepped_start(&p, program, what);
	CHECK_EQ(cotrace_step(p.s, p.task, COTRACE_STEP_RANGE, 0, UINT64_MAX), 0);
	target_output(&p.t, text, sizeof text);
	CHECK_STR(text, "good\n");
	target_ends_well(&p.t, 5000);
	cotrace_close(p.s);
}

static void through(const char *what)
{
	CHECK(step_through("stepped", what) > 20);
	CHECK(step_through("stepped-32", what) > 20);
	one_long_step("stepped", what);
	one_long_step("stepped-32", what);
}

TEST(nothing_is_seen_of_steps_through_flags)
{
	through("flags");
}

TEST(nothing_is_seen_of_steps_through_calls)
{
	through("call");
}

TEST(nothing_is_seen_of_steps_through_a_programs_own_steps)
{
	through("own");
}

TEST(nothing_is_seen_of_steps_through_iret)
{
	through("iret");
}

TEST(nothing_is_seen_of_steps_through_handlers)
{
	through("frames");
}

TEST(nothing_is_seen_of_steps_through_faults_and_traps)
{
	through("faults");
}

TEST(nothing_is_seen_of_steps_through_a_faulting_popf)
{
	through("pop");
}

TEST(nothing_is_seen_of_steps_through_string_instructions)
{
	through("strings");
}

TEST(nothing_is_seen_of_steps_through_what_brings_no_trap)
{
	through("notrap");
}

TEST(nothing_is_seen_of_steps_through_forks)
{
	through("children");
}

TEST(nothing_is_seen_of_steps_through_the_making_of_threads)
{
	through("threads");
}

TEST(nothing_is_seen_of_steps_through_an_exec)
{
	through("execs");
}

TEST(nothing_is_seen_of_steps_through_blocked_calls)
{
	through("blocked");
}

TEST(nothing_is_seen_of_steps_through_sigtrap_blocked_and_ignored)
{
	through("sigtrap");
}

TEST(nothing_is_seen_of_steps_while_a_blocked_sigtrap_waits)
{
	through("waiting");
}

TEST(nothing_is_seen_of_steps_through_a_computation)
{
	through("computes");
}

/* ---- The same as by ptrace alone ---- */

static void raw_step(pid_t pid)
{
	int status;

	CHECK_SYS(ptrace(PTRACE_SINGLESTEP, pid, 0, 0));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
}

static void registers_of(struct cotrace *s, uint64_t task, struct user_regs_struct *regs)
{
	CHECK_EQ(cotrace_regset_read(s, task, NT_PRSTATUS, regs, sizeof *regs), sizeof *regs);
}

/*
 * The same program twice, at the same addresses (the static one has no others). From the same
 * place on, instruction by instruction: where it is, and what it computes, but for addresses
 * of the stack and its guard.
 */
TEST(a_program_steps_as_by_ptrace_alone)
{
	struct user_regs_struct ours, theirs;
	struct target other;
	struct stepped p;
	char line[200];
	unsigned n = 0, different = 0;
	int status;
	long word;

	stepped_start(&p, "stepped-static", "computes");
	TARGET_START(&other, "stepped-static", "computes");
	target_line(&other, line, sizeof line);
	CHECK_EQ(strtoull(line + 5, NULL, 16), p.from);
	CHECK_SYS(ptrace(PTRACE_ATTACH, other.pid, 0, 0));
	CHECK_EQ(waitpid(other.pid, &status, __WALL), other.pid);
	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, other.pid, p.from, 0);
	CHECK_EQ(errno, 0);
	CHECK_SYS(ptrace(PTRACE_POKETEXT, other.pid, p.from, (word & ~0xffl) | 0xcc));
	CHECK_SYS(ptrace(PTRACE_CONT, other.pid, 0, 0));
	target_go(&other);
	CHECK_EQ(waitpid(other.pid, &status, __WALL), other.pid);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
	CHECK_SYS(ptrace(PTRACE_POKETEXT, other.pid, p.from, word));
	CHECK_SYS(ptrace(PTRACE_GETREGS, other.pid, 0, &theirs));
	theirs.rip = p.from;
	CHECK_SYS(ptrace(PTRACE_SETREGS, other.pid, 0, &theirs));
	for (; p.ev.pc != p.to; n++) {
		raw_step(other.pid);
		step(&p, COTRACE_STEP_INSTRUCTION, 0, 0);
		registers_of(p.s, p.task, &ours);
		CHECK_SYS(ptrace(PTRACE_GETREGS, other.pid, 0, &theirs));
		CHECK_EQ(ours.rip, theirs.rip);
		CHECK_EQ(ours.rsp % 16, theirs.rsp % 16);
		different += ours.rax != theirs.rax || ours.rcx != theirs.rcx ||
			     ours.rdx != theirs.rdx || ours.eflags != theirs.eflags;
	}
	printf("%u instructions, %u after which registers differ\n", n, different);
	CHECK(n > 5000 && different < n / 20);
	target_kill(&other);
	stepped_end(&p);
}

/* ---- SIGTRAP blocked, ignored, handled where a trap is hit (79) ---- */

static void hits_at_spot(const char *program, const char *what, enum cotrace_mode mode,
			 unsigned later_ms)
{
	struct cotrace_breakpoint b = { .size = sizeof b, .mode = mode };
	struct cotrace_event ev = EVENT_NULL;
	struct stepped p;
	unsigned hits = 0;
	uint64_t id;

	stepped_start(&p, program, what);
	test_sleep_ms(later_ms);
	b.pid = p.t.pid;
	b.addr = p.spot;
	CHECK_EQ(cotrace_break(p.s, &id, &b), 0);
	b.addr = p.to;
	b.mode = COTRACE_STOP;
	CHECK_EQ(cotrace_break(p.s, &id, &b), 0);
	CHECK_EQ(cotrace_resume(p.s, p.task), 0);
	for (;; hits++) {
		take_kind(p.s, &ev, COTRACE_EVENT_BREAKPOINT);
		if (ev.pc == p.to)
			break;
		if (ev.flags & COTRACE_EV_STOP)
			CHECK_EQ(cotrace_resume(p.s, p.task), 0);
	}
	CHECK_EQ(hits, 3);
	stepped_end(&p);
}

TEST(what_a_program_does_about_sigtrap_outlives_hits)
{
	static const char *const all[] = { "trap0", "trap1", "trap2", "trap3", "trap4" };

	for (int i = 0; i < 5; i++) {
		hits_at_spot("stepped", all[i], COTRACE_STOP, 0);
		hits_at_spot("stepped", all[i], COTRACE_NOTE, 0);
		hits_at_spot("stepped-32", all[i], COTRACE_STOP, 0);
		/* What was known has to be asked again, of a task that stands. */
		hits_at_spot("stepped", all[i], COTRACE_STOP, 200);
	}
}

static bool blocks_sigtrap(pid_t tid)
{
	char path[40], text[4096], *at;

	snprintf(path, sizeof path, "/proc/%d/status", (int)tid);
	CHECK(proc_read(path, text, sizeof text) > 0);
	at = strstr(text, "SigBlk:");
	CHECK(at != NULL);
	return strtoull(at + 7, NULL, 16) >> (SIGTRAP - 1) & 1;
}

/* To where it enters the kernel to make a thread. */
static void step_to_clone3(struct stepped *p)
{
	struct user_regs_struct regs;
	uint8_t bytes[2];

	for (;;) {
		step(p, COTRACE_STEP_INSTRUCTION, 0, 0);
		CHECK_EQ(cotrace_read_memory(p->s, p->t.pid, p->ev.pc, bytes, 2), 2);
		if (bytes[0] != 0x0f || bytes[1] != 0x05)
			continue;
		registers_of(p->s, p->task, &regs);
		if (regs.rax == SYS_clone3 || regs.rax == SYS_clone)
			return;
	}
}

TEST(the_c_librarys_mask_around_clone_outlives_hits)
{
	struct cotrace_breakpoint b = { .size = sizeof b, .mode = COTRACE_STOP };
	struct cotrace_event ev = EVENT_NULL;
	struct stepped p;
	unsigned hits = 0;
	uint64_t id;

	stepped_start(&p, "stepped", "creations");
	step_to_clone3(&p);
	CHECK(blocks_sigtrap(p.t.pid));
	b.pid = p.t.pid;
	b.addr = p.ev.pc;
	CHECK_EQ(cotrace_break(p.s, &id, &b), 0);
	for (b.addr = p.to; b.addr; b.addr = 0)
		CHECK_EQ(cotrace_break(p.s, &id, &b), 0);
	CHECK_EQ(cotrace_resume(p.s, p.task), 0);
	for (;; hits++) {
		take_kind(p.s, &ev, COTRACE_EVENT_BREAKPOINT);
		if (ev.pc == p.to)
			break;
		CHECK(blocks_sigtrap(p.t.pid));
		CHECK_EQ(cotrace_resume(p.s, p.task), 0);
	}
	CHECK(hits >= 999);
	stepped_end(&p);
}

/* ---- Other kinds ---- */

/* A block ends where a branch was taken, and nowhere else. */
TEST(blocks_are_told_from_steps)
{
	unsigned steps = 0, blocks = 0, branches = 0;
	struct stepped p;
	uint64_t pc;

	stepped_start(&p, "stepped-static", "strings");
	for (; p.ev.pc != p.to; steps++) {
		pc = p.ev.pc;
		step(&p, COTRACE_STEP_INSTRUCTION, 0, 0);
		branches += p.ev.pc - pc - 1 > 14 && p.ev.pc != pc;
	}
	stepped_end(&p);
	stepped_start(&p, "stepped-static", "strings");
	for (; p.ev.pc != p.to; blocks++)
		step(&p, COTRACE_STEP_BLOCK, 0, 0);
	stepped_end(&p);
	printf("%u steps, %u blocks, %u long branches\n", steps, blocks, branches);
	CHECK(blocks >= branches && blocks < steps / 2);
}

/* 101: the processor does not trap after it. */
TEST(over_mov_ss_it_is_one_instruction)
{
	struct stepped p;
	unsigned found = 0;

	stepped_start(&p, "stepped", "notrap");
	while (p.ev.pc != p.to) {
		uint64_t pc = p.ev.pc;
		uint8_t bytes[2];

		CHECK_EQ(cotrace_read_memory(p.s, p.t.pid, pc, bytes, 2), 2);
		step(&p, COTRACE_STEP_INSTRUCTION, 0, 0);
		if ((bytes[0] == 0x8e && bytes[1] == 0xd0) ||
		    (bytes[0] == 0x0f && bytes[1] == 0xa2)) {
			CHECK_EQ(p.ev.pc, pc + 2);
			found++;
		}
	}
	CHECK(found >= 2);
	stepped_end(&p);
}
