/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <unistd.h>

#include "cli/trace/tracer.h"

/* Adds a piece as the engine would have captured it; returns where it goes. */
static uint8_t *add_piece(struct tracer *tr, struct cotrace_event *ev, unsigned kind, unsigned arg,
			  size_t *size)
{
	const struct syscall *s = table_get(ev->arch, ev->syscall.nr);
	struct cotrace_captured *c = &ev->captured[ev->captured_count];
	uint32_t offset = ev->captured_count * COTRACE_CAPTURE_BYTES_MAX;

	for (unsigned i = 0; i < s->slot_count; i++)
		if (s->slots[i].kind == kind && s->slots[i].arg == arg) {
			c->slot = (uint8_t)i;
			c->arg = (uint16_t)arg;
			c->offset = offset;
			if (*size > COTRACE_CAPTURE_BYTES_MAX) {
				*size = COTRACE_CAPTURE_BYTES_MAX;
				c->flags = COTRACE_CAPTURED_MORE;
			}
			c->size = (uint32_t)*size;
			ev->captured_count++;
			return tr->data + offset;
		}
	*size = 0;
	return tr->data;
}

static void add_strings(struct tracer *tr, struct cotrace_event *ev, unsigned arg, char **argv)
{
	size_t size = 0, at = 0;
	uint8_t *to;

	for (size_t i = 0; argv[i]; i++)
		size += strlen(argv[i]) + 1;
	to = add_piece(tr, ev, COTRACE_CAPTURE_STRINGS, arg, &size);
	for (size_t i = 0; argv[i] && at < size; i++) {
		size_t n = strlen(argv[i]) + 1;

		n = n < size - at ? n : size - at;
		memcpy(to + at, argv[i], n);
		at += n;
	}
}

static void add_memory(struct tracer *tr, struct cotrace_event *ev, unsigned kind, unsigned arg,
		       const void *p, size_t size)
{
	uint8_t *to = add_piece(tr, ev, kind, arg, &size);

	memcpy(to, p, size);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

void start_show(struct tracer *tr, struct target *target)
{
	struct cotrace_event ev = { .size = sizeof ev, .kind = COTRACE_EVENT_SYSCALL_ENTRY };
	struct task *task = NULL;
	size_t n = 0;

	for (size_t i = 0; i < target->tasks.capacity && !task; i++)
		task = target->tasks.slots[i];
	ev.arch = COTRACE_ARCH_X86_64;
	ev.syscall.nr = table_number(ev.arch, "execve");
	if (!task || !cotrace_syscall_set_has(&tr->options.filter.x86_64, (int)ev.syscall.nr))
		return;
	while (environ[n])
		n++;
	ev.task = task->id;
	ev.tid = task->tid;
	ev.pid = task->pid;
	ev.time_ns = now();
	ev.syscall.args[0] = (uintptr_t)tr->program;
	ev.syscall.args[1] = (uintptr_t)tr->options.common.command;
	ev.syscall.args[2] = (uintptr_t)environ;
	add_memory(tr, &ev, COTRACE_CAPTURE_STRING, 0, tr->program, strlen(tr->program));
	add_strings(tr, &ev, 1, tr->options.common.command);
	add_strings(tr, &ev, 2, environ);
	add_memory(tr, &ev, COTRACE_CAPTURE_BYTES, 2, environ, (n + 1) * sizeof *environ);
	event_take(tr, target, &ev);
	ev.kind = COTRACE_EVENT_SYSCALL_EXIT;
	ev.captured_count = 0;
	event_take(tr, target, &ev);
}
