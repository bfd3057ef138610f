/* SPDX-License-Identifier: MIT */
#include "bench/client.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void client_joins(struct target *t)
{
	int n = t->notes->attached;

	if (n < BENCH_CLIENTS_MAX)
		t->notes->clients[n] = getpid();
	t->notes->attached = n + 1;
}

void client_check(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "bench: %s: %s\n", what, strerror(-r));
	_exit(1);
}

static void subscribe(struct cotrace *s, const struct client *c)
{
	struct cotrace_capture slot = {
		.kind = COTRACE_CAPTURE_BYTES, .phase = COTRACE_ENTRY, .arg = 1, .max = 64
	};
	unsigned phases = c->only ? COTRACE_ENTRY : COTRACE_ENTRY | COTRACE_EXIT;
	struct cotrace_syscall_set set;

	cotrace_syscall_set_clear(&set);
	cotrace_syscall_set_add(&set, c->only);
	if (c->capture)
		client_check(cotrace_capture(s, COTRACE_ARCH_X86_64, SYS_write, &slot, 1),
			     "capture");
	client_check(cotrace_subscribe_syscalls(s, COTRACE_ARCH_ANY, phases, c->only ? &set : NULL,
						c->mode),
		     "subscribe");
}

static void take(struct target *t, const struct cotrace_event *ev, const struct client *c)
{
	bool entry = ev->kind == COTRACE_EVENT_SYSCALL_ENTRY;

	/* The sleep after the work: all of it has been told. */
	if (entry && t->notes->end != 0 && t->notes->traced_end == 0)
		t->notes->traced_end = bench_now();
	if (entry || ev->kind == COTRACE_EVENT_SYSCALL_EXIT)
		t->notes->events++;
	if (ev->kind == COTRACE_EVENT_LOST)
		client_check(-1, "events were lost");
	if (c->seen)
		c->seen(t, ev);
}

/* Lets the task go as far as to its next stop that is wanted. */
static void go_on(struct cotrace *s, const struct cotrace_event *ev, const struct client *c)
{
	if (c->stepping)
		cotrace_step(s, ev->task, COTRACE_STEP_SYSCALL, 0, 0);
	else
		cotrace_answer(s, ev, NULL);
}

static void trace(struct target *t, const void *arg)
{
	const struct client *c = arg;
	static char data[COTRACE_CAPTURES_MAX * COTRACE_CAPTURE_BYTES_MAX];
	struct cotrace_event ev = { .size = sizeof ev };
	struct cotrace *s;

	client_check(cotrace_attach(&s, t->pid, NULL), "attach");
	if (c->stepping)
		client_check(cotrace_stop(s, 0, COTRACE_ALL, -1), "stop");
	else
		subscribe(s, c);
	/* Calls that the subscription broke are being made again. */
	usleep(100u * (unsigned)t->notes->ready);
	client_joins(t);
	if (t->notes->attached == c->sessions)
		target_go(t);
	while (cotrace_next_data(s, &ev, data, sizeof data, -1) == 1) {
		take(t, &ev, c);
		if ((ev.flags & COTRACE_EV_STOP) || ev.kind == COTRACE_EVENT_STOP_DONE)
			go_on(s, &ev, c);
		if (ev.kind == COTRACE_EVENT_SESSION_END)
			break;
	}
	cotrace_close(s);
}

void client_many(struct target *t, int sessions, void (*body)(struct target *t, const void *arg),
		 const void *arg)
{
	for (int i = 1; i < sessions; i++) {
		pid_t pid = fork();

		if (pid < 0)
			bench_die("fork");
		if (pid == 0) {
			body(t, arg);
			_exit(0);
		}
		while (t->notes->attached < i)
			usleep(500);
	}
	body(t, arg);
	while (wait(NULL) > 0)
		;
}

void client_trace(struct target *t, const void *arg)
{
	client_many(t, ((const struct client *)arg)->sessions, trace, arg);
}
