/* SPDX-License-Identifier: MIT */
/* Stops that follow each other: told and answered around the socket, and never lost beside it. */
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/system/system.h"

#define CALLS 3000
#define TARGETS 3

/* What it must be told: an entry and an exit of each call, in turns. */
struct course {
	struct cotrace *s;
	pid_t pid;
	unsigned entries, exits;
	bool over;
};

static void follow(struct course *c, const struct cotrace_event *ev)
{
	bool ours = ev->syscall.nr == SYS_getppid;

	if (ev->kind == COTRACE_EVENT_SYSCALL_ENTRY)
		c->entries += ours;
	if (ev->kind == COTRACE_EVENT_SYSCALL_EXIT) {
		c->exits += ours;
		CHECK_EQ(c->entries, c->exits);
	}
	c->over = ev->kind == COTRACE_EVENT_SESSION_END;
	if (ev->flags & COTRACE_EV_STOP || ev->kind == COTRACE_EVENT_STOP_DONE)
		CHECK_EQ(cotrace_step(c->s, ev->task, COTRACE_STEP_SYSCALL, 0, 0), 0);
}

static void begin(struct course *c, pid_t pid)
{
	*c = (struct course){ .s = attached(pid, NULL), .pid = pid };
	CHECK_EQ(cotrace_stop(c->s, 0, COTRACE_ALL, test_ns(2000)), 0);
}

static void end(struct course *c)
{
	CHECK_EQ(c->entries, CALLS);
	CHECK_EQ(c->exits, CALLS);
	cotrace_close(c->s);
	CHECK_SYS(waitpid(c->pid, NULL, 0));
}

/* Held before its first call. */
static pid_t loop_held(int *go)
{
	int fds[2];
	pid_t pid;
	char byte;

	CHECK_SYS(pipe(fds));
	pid = fork();
	CHECK_SYS(pid);
	if (pid == 0) {
		CHECK_EQ(read(fds[0], &byte, 1), 1);
		for (int i = 0; i < CALLS; i++)
			syscall(SYS_getppid);
		_exit(0);
	}
	close(fds[0]);
	*go = fds[1];
	return pid;
}

TEST(no_stop_is_lost_where_one_follows_the_other)
{
	struct cotrace_event ev = { .size = sizeof ev };
	struct course c;
	int go;

	begin(&c, loop_held(&go));
	CHECK_EQ(write(go, "", 1), 1);
	close(go);
	while (!c.over) {
		CHECK_EQ(cotrace_next(c.s, &ev, test_ns(5000)), 1);
		follow(&c, &ev);
	}
	end(&c);
}

/* What is not taken at once shows at the fd. */
TEST(a_loop_of_ones_own_misses_nothing_either)
{
	struct cotrace_event ev = { .size = sizeof ev };
	struct cotrace *all[TARGETS];
	struct pollfd fds[TARGETS];
	struct course c[TARGETS];
	unsigned left = TARGETS;
	size_t i;
	int go[TARGETS];

	for (i = 0; i < TARGETS; i++) {
		begin(&c[i], loop_held(&go[i]));
		all[i] = c[i].s;
		fds[i] = (struct pollfd){ cotrace_fd(c[i].s), POLLIN, 0 };
		CHECK_EQ(write(go[i], "", 1), 1);
		close(go[i]);
	}
	while (left > 0) {
		int r;

		while ((r = cotrace_next_soon(all, TARGETS, &i, &ev)) == 1) {
			follow(&c[i], &ev);
			left -= c[i].over;
		}
		if (left == 0)
			break;
		CHECK(poll(fds, TARGETS, (int)test_ms(5000)) > 0);
		for (i = 0; i < TARGETS; i++) {
			while (!c[i].over && cotrace_next(c[i].s, &ev, 0) == 1) {
				follow(&c[i], &ev);
				left -= c[i].over;
			}
			if (c[i].over)
				fds[i].fd = -1;
		}
	}
	for (i = 0; i < TARGETS; i++)
		end(&c[i]);
}

/* Several threads of a client: what one asks for after the other comes in that order. */
static void *read_registers(void *arg)
{
	struct course *c = arg;
	uint64_t value;

	while (!*(volatile bool *)&c->over)
		cotrace_register_read(c->s, 1, "$pc", &value, sizeof value);
	return NULL;
}

TEST(another_thread_may_ask_meanwhile)
{
	struct cotrace_event ev = { .size = sizeof ev };
	pthread_t thread;
	struct course c;
	int go;

	begin(&c, loop_held(&go));
	CHECK_EQ(pthread_create(&thread, NULL, read_registers, &c), 0);
	CHECK_EQ(write(go, "", 1), 1);
	close(go);
	while (!c.over) {
		CHECK_EQ(cotrace_next(c.s, &ev, test_ns(5000)), 1);
		follow(&c, &ev);
	}
	pthread_join(thread, NULL);
	end(&c);
}
