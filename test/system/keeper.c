/* SPDX-License-Identifier: MIT */
/* What is left of breakpoints when the engine is killed: nothing, thanks to the keeper. Row 16. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/system/system.h"

struct beats {
	struct target t;
	uint64_t beat, places;
	unsigned count;
};

static void beats_ready(struct beats *p)
{
	char line[100], *at;

	target_line(&p->t, line, sizeof line);
	CHECK(strncmp(line, "ready", 5) == 0);
	p->beat = strtoull(line + 5, &at, 16);
	p->places = strtoull(at, &at, 16);
	p->count = (unsigned)strtoul(at, NULL, 10);
}

static void beats_start(struct beats *p, const char *threads, const char *hz)
{
	TARGET_START(&p->t, "beats", threads, hz);
	beats_ready(p);
}

static void order(struct beats *p, const char *line)
{
	CHECK_EQ(write(p->t.in, line, strlen(line)), (ssize_t)strlen(line));
}

static void order_and_expect(struct beats *p, const char *line, const char *answer)
{
	order(p, line);
	target_expect(&p->t, answer);
}

static void close_stdin(struct beats *p)
{
	close(p->t.in);
	p->t.in = -1;
}

static void runs_on_and_ends(struct beats *p)
{
	order_and_expect(p, "pass\n", "passed");
	order_and_expect(p, "fork\n", "child 0");
	order_and_expect(p, "begin\n", "beating");
	close_stdin(p);
	target_ends_well(&p->t, 5000);
}

static uint64_t break_at(struct cotrace *s, pid_t pid, uint64_t addr, enum cotrace_mode mode)
{
	struct cotrace_breakpoint b = { .size = sizeof b, .mode = mode, .pid = pid, .addr = addr };
	uint64_t id;

	CHECK_EQ(cotrace_break(s, &id, &b), 0);
	return id;
}

static void break_at_places(struct cotrace *s, const struct beats *p, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		break_at(s, p->t.pid, p->places + i, COTRACE_NOTE);
}

/* How many bytes of the places and the beat are not as they were compiled, past all hiding. */
static unsigned altered(const struct beats *p)
{
	static unsigned char bytes[4096];
	unsigned n = 0;
	char path[40];
	int fd;

	snprintf(path, sizeof path, "/proc/%d/mem", (int)p->t.pid);
	fd = (int)CHECK_SYS(open(path, O_RDONLY | O_CLOEXEC));
	CHECK_EQ(pread(fd, bytes, p->count, (off_t)p->places), p->count);
	CHECK_EQ(pread(fd, bytes + p->count, 1, (off_t)p->beat), 1);
	close(fd);
	for (unsigned i = 0; i <= p->count; i++)
		n += bytes[i] != 0x90;
	return n;
}

/* The keeper is found by what it does: it guards the engine. 0: there is none. */
static pid_t keeper_of(pid_t engine)
{
	long pid = proc_status_number(engine, "TracerPid");

	return pid > 0 ? (pid_t)pid : 0;
}

static bool is_gone(pid_t pid)
{
	char state = proc_state(pid);

	return state == 0 || state == 'Z';
}

/* What it had to tell before is not answered any more. */
static void kill_engine_by(struct cotrace *s, int signo)
{
	struct cotrace_event ev;

	kill(cotrace_engine_pid(s), signo);
	do
		take(s, &ev);
	while (ev.kind != COTRACE_EVENT_ENGINE_GONE);
	cotrace_close(s);
}

static void kill_engine(struct cotrace *s)
{
	kill_engine_by(s, SIGKILL);
}

/* ---- Clean ---- */

static void clean_after(int signo, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		struct cotrace *s;
		struct beats p;

		beats_start(&p, "1", "100");
		s = attached(p.t.pid, NULL);
		break_at_places(s, &p, 8);
		break_at(s, p.t.pid, p.beat, COTRACE_STOP);
		CHECK_EQ(altered(&p), 9);
		kill_engine_by(s, signo);
		CHECK_EQ(altered(&p), 0);
		check_untouched(p.t.pid);
		runs_on_and_ends(&p);
	}
}

/* At once: not some time after. */
TEST(the_memory_is_clean_when_a_session_hears_that_the_engine_was_killed, .timeout_s = 60)
{
	clean_after(SIGKILL, test_rounds(20, 1000));
}

TEST(the_memory_is_clean_when_the_engine_crashes_or_is_told_to_leave)
{
	clean_after(SIGABRT, 1);
	clean_after(SIGTERM, 1);
}

TEST(more_traps_than_the_first_table_holds_are_all_taken_out)
{
	struct cotrace *s;
	struct beats p;

	beats_start(&p, "1", "100");
	s = attached(p.t.pid, NULL);
	break_at_places(s, &p, p.count);
	CHECK_EQ(altered(&p), p.count);
	kill_engine(s);
	CHECK_EQ(altered(&p), 0);
	runs_on_and_ends(&p);
}

TEST(the_memory_of_each_process_is_cleaned)
{
	enum { COUNT = 20 };
	struct beats v[COUNT];
	struct cotrace *s = NULL;

	for (int i = 0; i < COUNT; i++) {
		beats_start(&v[i], "0", "0");
		if (i == 0)
			s = attached(v[0].t.pid, OPTIONS(.scope = COTRACE_TREE));
		else
			CHECK_EQ(cotrace_add(s, v[i].t.pid), 0);
		break_at_places(s, &v[i], 10);
	}
	kill_engine(s);
	for (int i = 0; i < COUNT; i++) {
		CHECK_EQ(altered(&v[i]), 0);
		runs_on_and_ends(&v[i]);
	}
}

TEST(a_child_that_shares_the_memory_runs_on)
{
	struct cotrace *s;
	struct beats p;

	beats_start(&p, "0", "0");
	s = attached(p.t.pid, NULL);
	break_at_places(s, &p, 10);
	order(&p, "vfork\n");
	test_sleep_ms(20);
	kill_engine(s);
	CHECK_EQ(altered(&p), 0);
	target_expect(&p.t, "child 0");
	runs_on_and_ends(&p);
}

TEST(after_an_exec_nothing_of_the_former_program_is_put_into_the_new_one)
{
	struct cotrace *s;
	struct beats p;

	beats_start(&p, "0", "0");
	s = attached(p.t.pid, NULL);
	break_at_places(s, &p, 10);
	order(&p, "exec\n");
	beats_ready(&p);
	CHECK_EQ(altered(&p), 0);
	break_at(s, p.t.pid, p.beat, COTRACE_NOTE);
	CHECK_EQ(altered(&p), 1);
	kill_engine(s);
	CHECK_EQ(altered(&p), 0);
	runs_on_and_ends(&p);
}

/* A child that was just born has a copy of the traps that the engine has not seen yet. */
TEST(children_forked_while_the_engine_dies_are_cleaned_too, .timeout_s = 120)
{
	unsigned rounds = test_rounds(30, 1000), children = 0, wrong = 0;

	for (unsigned i = 0; i < rounds; i++) {
		unsigned n[2] = { 0, 0 };
		struct cotrace *s;
		struct beats p;
		char line[100];

		beats_start(&p, "0", "0");
		s = attached(p.t.pid, NULL);
		break_at(s, p.t.pid, p.beat, COTRACE_NOTE);
		order(&p, "storm\n");
		test_sleep_ms(2 + (unsigned)rand() % 8);
		kill_engine(s);
		test_sleep_ms(2);
		close_stdin(&p);
		target_line(&p.t, line, sizeof line);
		CHECK_EQ(sscanf(line, "storm %u %u", &n[0], &n[1]), 2);
		target_ends_well(&p.t, 5000);
		children += n[0];
		wrong += n[1];
	}
	test_note("%u children, %u died, in %u rounds", children, wrong, rounds);
	CHECK_EQ(wrong, 0);
}

/* ---- The keeper itself ---- */

static void read_comm(pid_t pid, char *text, size_t size)
{
	char path[40];

	snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
	CHECK_OP(proc_read(path, text, size), >, 0);
	text[strcspn(text, "\n")] = '\0';
}

TEST(a_keeper_comes_with_the_first_trap_and_minds_no_signals)
{
	struct cotrace *s;
	struct beats p;
	char comm[32];
	pid_t keeper;

	beats_start(&p, "0", "0");
	s = attached(p.t.pid, NULL);
	CHECK_EQ(keeper_of(cotrace_engine_pid(s)), 0);
	break_at(s, p.t.pid, p.beat, COTRACE_NOTE);
	keeper = keeper_of(cotrace_engine_pid(s));
	CHECK_OP(keeper, >, 0);
	read_comm(keeper, comm, sizeof comm);
	CHECK_STR(comm, "cotrace-keeper");
	CHECK_EQ(getsid(keeper), keeper);
	for (int n = 1; n < 32; n++)
		if (n != SIGKILL && n != SIGSTOP && n != SIGABRT && n != SIGSEGV && n != SIGBUS &&
		    n != SIGILL && n != SIGFPE && n != SIGTRAP)
			kill(keeper, n);
	test_sleep_ms(5);
	CHECK_EQ(keeper_of(cotrace_engine_pid(s)), keeper);
	kill_engine(s);
	CHECK_EQ(altered(&p), 0);
	CHECK_SOON(is_gone(keeper), 1000);
	runs_on_and_ends(&p);
}

TEST(the_keeper_leaves_when_there_is_nothing_to_keep)
{
	struct cotrace *s;
	struct beats p;
	pid_t keeper;
	uint64_t id;

	beats_start(&p, "0", "0");
	s = attached(p.t.pid, NULL);
	id = break_at(s, p.t.pid, p.beat, COTRACE_NOTE);
	keeper = keeper_of(cotrace_engine_pid(s));
	CHECK_OP(keeper, >, 0);
	CHECK_EQ(cotrace_clear(s, id), 0);
	CHECK_SOON(is_gone(keeper), 3000);
	CHECK_EQ(keeper_of(cotrace_engine_pid(s)), 0);
	/* And comes again; and goes with the engine. */
	break_at(s, p.t.pid, p.beat, COTRACE_NOTE);
	keeper = keeper_of(cotrace_engine_pid(s));
	CHECK_OP(keeper, >, 0);
	cotrace_close(s);
	CHECK_SOON(is_gone(keeper), 1000);
	CHECK_EQ(altered(&p), 0);
	check_untouched(p.t.pid);
	runs_on_and_ends(&p);
}

TEST(a_killed_keeper_is_replaced)
{
	struct cotrace *s;
	struct beats p;
	pid_t keeper;

	beats_start(&p, "0", "0");
	s = attached(p.t.pid, NULL);
	break_at_places(s, &p, 5);
	for (int i = 0; i < 2; i++) {
		keeper = keeper_of(cotrace_engine_pid(s));
		CHECK_OP(keeper, >, 0);
		kill(keeper, SIGKILL);
		CHECK_SOON(keeper_of(cotrace_engine_pid(s)) > 0 &&
				   keeper_of(cotrace_engine_pid(s)) != keeper,
			   3000);
		order_and_expect(&p, "pass\n", "passed");
		CHECK_EQ(altered(&p), 5);
	}
	test_sleep_ms(20); /* it is told what to keep as soon as it is there */
	kill_engine(s);
	CHECK_EQ(altered(&p), 0);
	runs_on_and_ends(&p);
}

/* Then it is not told of the end beforehand, but hears that the engine is gone. */
TEST(an_engine_that_somebody_else_traces_has_a_keeper_too)
{
	struct cotrace *s;
	struct beats p;
	pid_t engine;

	beats_start(&p, "0", "0");
	s = attached(p.t.pid, NULL);
	engine = cotrace_engine_pid(s);
	CHECK_SYS(ptrace(PTRACE_SEIZE, engine, NULL, NULL));
	break_at_places(s, &p, 5);
	CHECK_EQ(altered(&p), 5);
	CHECK_EQ(keeper_of(engine), getpid());
	kill_engine(s);
	CHECK_SOON(altered(&p) == 0, 1000);
	CHECK_EQ(waitpid(engine, NULL, __WALL), engine);
	runs_on_and_ends(&p);
}

/* ---- How often the target survives ---- */

/* It ends. Whether well; all that may have happened to it is to run into a trap. */
static bool survived(struct beats *p)
{
	int status;

	test_sleep_ms(25); /* two more hits of those that hit 100 times a second */
	close_stdin(p);
	status = target_wait(&p->t, 5000);
	if (status != 0 && (!WIFSIGNALED(status) || WTERMSIG(status) != SIGTRAP))
		FAIL("the target ended by %s", target_status_text(status));
	return status == 0;
}

/*
 * Not at a time of one of the target's timers, which would expire with ours, nor awake, on
 * the CPU that the engine needs.
 */
static void sleep_at_random(void)
{
	struct timespec t = { 0, 5000000 + rand() % 10000000 };

	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	nanosleep(&t, NULL);
}

/* In percent, when the engine is killed at some moment. */
static unsigned survival(const char *threads, const char *hz, unsigned rounds)
{
	unsigned count = 0;

	for (unsigned i = 0; i < rounds; i++) {
		struct cotrace_breakpoint b = { .size = sizeof b,
						.mode = COTRACE_NOTE,
						.ignore = UINT32_MAX };
		struct cotrace *s;
		struct beats p;
		uint64_t id;

		beats_start(&p, threads, hz);
		s = attached(p.t.pid, NULL);
		b.pid = p.t.pid;
		b.addr = p.beat;
		CHECK_EQ(cotrace_break(s, &id, &b), 0);
		order_and_expect(&p, "begin\n", "beating");
		sleep_at_random();
		kill_engine(s);
		count += survived(&p);
	}
	test_note("%s hits a second by %s thread(s): %u of %u targets survived",
		  strcmp(hz, "0") == 0 ? "as many as possible" : hz, threads, count, rounds);
	return count * 100 / rounds;
}

/* Debug registers are of no memory; the kernel leaves them armed when a tracer dies. */
TEST(no_debug_register_is_left_armed)
{
	unsigned rounds = test_rounds(20, 1000), count = 0;

	for (unsigned i = 0; i < rounds; i++) {
		struct cotrace_breakpoint b = { .size = sizeof b,
						.mode = COTRACE_NOTE,
						.ignore = UINT32_MAX,
						.kind = COTRACE_BREAK_HARDWARE };
		struct cotrace *s;
		struct beats p;
		uint64_t id;

		beats_start(&p, "2", "100");
		order_and_expect(&p, "begin\n", "beating");
		s = attached(p.t.pid, NULL);
		b.pid = p.t.pid;
		b.addr = p.beat;
		CHECK_EQ(cotrace_break(s, &id, &b), 0);
		sleep_at_random();
		kill_engine(s);
		count += survived(&p);
	}
	test_note("%u of %u targets survived", count, rounds);
	CHECK_OP(count * 100 / rounds, >=, 30);
}

TEST(a_target_that_seldom_hits_survives, .timeout_s = 120)
{
	CHECK_OP(survival("1", "10", test_rounds(30, 1000)), >=, 80);
	CHECK_OP(survival("1", "100", test_rounds(30, 1000)), >=, 40);
}

TEST(how_often_a_busy_target_survives, .timeout_s = 120, .is_long = true)
{
	survival("1", "1000", 1000);
	survival("1", "10000", 1000);
	survival("4", "10000", 1000);
	survival("1", "0", 1000);
}

/* It does not run on before the memory is clean. */
static void survives_standing(unsigned steps, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		struct cotrace_event ev;
		struct cotrace *s;
		struct beats p;

		beats_start(&p, "4", "100");
		s = attached(p.t.pid, NULL);
		break_at(s, p.t.pid, p.beat, COTRACE_STOP);
		order_and_expect(&p, "begin\n", "beating");
		skip_to(s, &ev, COTRACE_EVENT_BREAKPOINT);
		for (uint64_t task = ev.task, k = 0; k < steps; k++) {
			CHECK_EQ(cotrace_step(s, task, COTRACE_STEP_INSTRUCTION, 0, 0), 0);
			do
				take(s, &ev);
			while (ev.task != task);
		}
		CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(2000)), 0);
		if (steps)
			test_sleep_ms(200);
		kill_engine(s);
		CHECK(survived(&p));
	}
}

TEST(a_target_held_at_a_breakpoint_always_survives, .timeout_s = 60)
{
	survives_standing(0, test_rounds(20, 1000));
}

/* At once it would not: the kernel goes on stepping it. */
TEST(a_target_held_for_a_while_after_a_step_always_survives, .timeout_s = 60)
{
	survives_standing(3, test_rounds(10, 200));
}
