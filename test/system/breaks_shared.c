/* SPDX-License-Identifier: MIT */
/* Breakpoints in memory that processes share (gotcha 57). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test/system/spots.h"

#define ROUNDS 200

/* Children that nobody covers find traps that were not there when they were made. */
static void traps_come_and_go(struct cotrace *s, const struct spots *p, unsigned *rounds)
{
	struct cotrace_breakpoint b = {
		.size = sizeof b, .mode = COTRACE_NOTE, .pid = p->t.pid, .addr = p->at[0]
	};
	uint64_t id;

	for (*rounds = 0; cotrace_break(s, &id, &b) == 0; (*rounds)++) {
		usleep(1000 + 137 * (*rounds % 16));
		cotrace_clear(s, id);
		usleep(137 * (*rounds % 32));
	}
}

TEST(a_vforked_child_survives_breakpoints_that_come_and_go)
{
	unsigned rounds;
	struct cotrace *s;
	struct spots p;

	spots_start_as(&p, "spots", "1", "150", "hang");
	s = attached(p.t.pid, NULL);
	target_go(&p.t);
	traps_come_and_go(s, &p, &rounds);
	target_expect(&p.t, "passed 150");
	target_ends_well(&p.t, 5000);
	test_note("%u times", rounds);
	CHECK(rounds > 20);
	cotrace_close(s);
}

struct pair {
	struct target t;
	pid_t second;
	uint64_t at;
};

static void pair_start(struct pair *p)
{
	char line[80];

	target_start(&p->t, TARGET_ARGS("pair", "200"));
	target_line(&p->t, line, sizeof line);
	CHECK(strncmp(line, "ready ", 6) == 0);
	p->at = strtoull(line + 6, NULL, 16);
}

static void pair_part(struct pair *p)
{
	char line[80];

	target_go(&p->t);
	target_line(&p->t, line, sizeof line);
	CHECK(strncmp(line, "child ", 6) == 0);
	p->second = (pid_t)strtol(line + 6, NULL, 10);
}

static uint64_t break_in(struct cotrace *s, const struct pair *p, pid_t pid)
{
	struct cotrace_breakpoint b = {
		.size = sizeof b, .mode = COTRACE_NOTE, .pid = pid, .addr = p->at
	};
	uint64_t id;

	CHECK_EQ(cotrace_break(s, &id, &b), 0);
	return id;
}

/* Each has its own hits and no other's. */
static void count_both(struct pair *p, struct cotrace *a, struct cotrace *b)
{
	unsigned hits_a = 0, hits_b = 0;
	uint64_t in_a = break_in(a, p, p->t.pid), in_b = break_in(b, p, p->second);

	target_go(&p->t);
	count_hits(b, &hits_b, in_b, 1);
	count_hits(a, &hits_a, in_a, 1);
	target_expect(&p->t, "passed 400");
	target_ends_well(&p->t, 5000);
	CHECK_EQ(hits_a, ROUNDS);
	CHECK_EQ(hits_b, ROUNDS);
}

TEST(two_processes_in_one_memory_have_a_session_each)
{
	struct cotrace *a, *b;
	struct pair p;

	pair_start(&p);
	a = attached(p.t.pid, NULL);
	pair_part(&p);
	b = attached(p.second, NULL);
	CHECK_EQ(cotrace_engine_pid(b), cotrace_engine_pid(a));
	count_both(&p, a, b);
	cotrace_close(a);
	cotrace_close(b);
}

TEST(two_processes_in_one_memory_that_were_attached_one_by_one)
{
	struct cotrace *a, *b;
	struct pair p;

	pair_start(&p);
	pair_part(&p);
	a = attached(p.t.pid, OPTIONS(.scope = COTRACE_TREE));
	b = attached(p.second, NULL);
	CHECK_EQ(cotrace_engine_pid(b), cotrace_engine_pid(a));
	count_both(&p, a, b);
	cotrace_close(a);
	cotrace_close(b);
}

/* 57: who runs into a trap need not be covered. */
TEST(a_process_in_anothers_memory_passes_its_traps_unseen)
{
	unsigned hits = 0;
	struct cotrace *s;
	struct pair p;

	pair_start(&p);
	s = attached(p.t.pid, NULL);
	pair_part(&p);
	break_in(s, &p, p.t.pid);
	target_go(&p.t);
	count_hits(s, &hits, 1, 1);
	target_expect(&p.t, "passed 400");
	target_ends_well(&p.t, 5000);
	CHECK_EQ(hits, ROUNDS);
	cotrace_close(s);
}

static unsigned char byte_of(pid_t pid, uint64_t at)
{
	char path[40];
	unsigned char byte = 0;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(pread(fd, &byte, 1, (off_t)at), 1);
	close(fd);
	return byte;
}

/* Nobody had told the engine of it, and it cannot be reached through the one that is gone. */
TEST(a_process_that_is_not_known_keeps_no_trap_when_the_known_one_dies)
{
	unsigned char original;
	struct cotrace *s;
	struct pair p;

	pair_start(&p);
	pair_part(&p);
	original = byte_of(p.second, p.at);
	s = attached(p.t.pid, NULL);
	break_in(s, &p, p.t.pid);
	CHECK(byte_of(p.second, p.at) != original);
	CHECK_SYS(kill(p.t.pid, SIGKILL));
	CHECK_SOON(byte_of(p.second, p.at) == original, 5000);
	CHECK_SYS(kill(p.second, SIGKILL));
	CHECK_EQ(target_wait(&p.t, 2000), SIGKILL);
	cotrace_close(s);
}
