/* SPDX-License-Identifier: MIT */
/* Requests about what a session wants to see. */
#include <errno.h>

#include "engine/event.h"
#include "engine/request.h"
#include "engine/session.h"
#include "engine/task.h"

static int check_mode(const struct request *rq, uint32_t mode)
{
	if (mode > COTRACE_STOP)
		return -EINVAL;
	return mode == COTRACE_STOP && rq->session->role == COTRACE_OBSERVER ? -EPERM : 0;
}

static bool can_stop(uint32_t kind)
{
	return kind != COTRACE_EVENT_PROCESS_EXIT && kind != COTRACE_EVENT_JOB_CONTINUE &&
	       kind != COTRACE_EVENT_CHANGED;
}

static bool can_subscribe(uint32_t kind)
{
	return (kind >= COTRACE_EVENT_TASK_START && kind < COTRACE_EVENT_SYSCALL_ENTRY &&
		kind != COTRACE_EVENT_SIGNAL) ||
	       kind == COTRACE_EVENT_CHANGED || kind == COTRACE_EVENT_SECCOMP;
}

void request_subscribe(struct request *rq, const struct wire_subscribe *m)
{
	int r = check_mode(rq, m->mode);

	if (!can_subscribe(m->kind) || (m->mode == COTRACE_STOP && !can_stop(m->kind)))
		r = -EINVAL;
	if (r < 0) {
		request_done(rq, r);
		return;
	}
	rq->session->modes[m->kind] = (uint8_t)m->mode;
	session_interests(rq->session);
	request_done_when_effective(rq);
}

static void set_calls(struct call_set *set, const uint64_t *bits, uint32_t mode)
{
	for (int i = 0; i < ENGINE_SET_WORDS; i++) {
		set->note[i] &= ~bits[i];
		set->stop[i] &= ~bits[i];
		if (mode == COTRACE_NOTE)
			set->note[i] |= bits[i];
		else if (mode == COTRACE_STOP)
			set->stop[i] |= bits[i];
	}
}

/*
 * A policy that subscribes late still judges the calls that stand before the kernel, and
 * those that a stop has interrupted.
 */
static void judge_standing_calls(struct session *s)
{
	list_for_each (&s->covers, node, after) {
		struct process *p = list_entry(node, struct cover, in_session)->process;

		p->changes++;
		list_for_each (&p->tasks, at, next) {
			struct task *t = list_entry(at, struct task, in_process);
			struct rules_party *party = rules_party(&t->rules, s->id);

			if (!task_stands(t) || !task_at_entry(t) || party == NULL ||
			    t->rules.phase != RULES_STOPPED)
				continue;
			if (t->kind == COTRACE_EVENT_SECCOMP) {
				task_entry_due(t, NULL);
				continue;
			}
			t->kind = COTRACE_EVENT_SYSCALL_ENTRY;
			party->asked = false;
			task_proceed(t);
		}
	}
}

void request_syscalls(struct request *rq, const struct wire_syscalls *m)
{
	int r = check_mode(rq, m->mode);

	if (m->arch >= ENGINE_ARCHS || m->phases == 0 ||
	    (m->phases & ~(COTRACE_ENTRY | COTRACE_EXIT)))
		r = -EINVAL;
	if (r < 0) {
		request_done(rq, r);
		return;
	}
	for (uint32_t a = 0; a < ENGINE_ARCHS; a++) {
		if (m->arch != COTRACE_ARCH_ANY && m->arch != a)
			continue;
		if (m->phases & COTRACE_ENTRY)
			set_calls(&rq->session->calls[a][0], m->bits, m->mode);
		if (m->phases & COTRACE_EXIT)
			set_calls(&rq->session->calls[a][1], m->bits, m->mode);
	}
	session_interests(rq->session);
	if (rq->session->flags & COTRACE_POLICY)
		judge_standing_calls(rq->session);
	request_done_when_effective(rq);
}

void request_signals(struct request *rq, const struct wire_signals *m)
{
	struct session *s = rq->session;
	int r = check_mode(rq, m->mode);

	if (r == 0) {
		s->signal_note &= ~m->set;
		s->signal_stop &= ~m->set;
		if (m->mode == COTRACE_NOTE)
			s->signal_note |= m->set;
		else if (m->mode == COTRACE_STOP)
			s->signal_stop |= m->set;
	}
	request_done(rq, r);
}

static bool slot_is_valid(const struct wire_slot *slot)
{
	return slot->kind >= COTRACE_CAPTURE_STRING && slot->kind <= COTRACE_CAPTURE_MEMBER_IOVEC &&
	       (slot->phase == COTRACE_ENTRY || slot->phase == COTRACE_EXIT) && slot->arg < 6 &&
	       slot->count_arg < 6 && slot->max <= COTRACE_CAPTURE_BYTES_MAX &&
	       (slot->kind != COTRACE_CAPTURE_RESULT || slot->phase == COTRACE_EXIT);
}

/* The captures of one call, as they arrive. */
struct call_captures {
	struct wire_call_slots call;
	struct wire_slot slots[COTRACE_CAPTURES_MAX];
};

static bool get_slots(struct wire_reader *r, struct call_captures *c)
{
	if (c->call.slots > COTRACE_CAPTURES_MAX || c->call.arch >= ENGINE_ARCHS || c->call.nr < 0)
		return false;
	for (uint32_t i = 0; i < c->call.slots; i++)
		if (!wire_get_slot(r, &c->slots[i]) || !slot_is_valid(&c->slots[i]))
			return false;
	return true;
}

static int set_captures(struct session *s, const struct call_captures *c)
{
	int r = 0;

	for (uint32_t a = 0; a < ENGINE_ARCHS && r == 0; a++)
		if (c->call.arch == COTRACE_ARCH_ANY || c->call.arch == a)
			r = capture_set(s, a, c->call.nr, c->slots, c->call.slots);
	return r;
}

void request_capture(struct request *rq, const struct wire_capture *m)
{
	const size_t count = wire_left(rq->body) / sizeof(struct wire_slot);
	struct call_captures c = { .call = { m->arch, m->nr, (uint32_t)count } };
	int r = get_slots(rq->body, &c) && wire_left(rq->body) == 0 ? 0 : -EINVAL;

	request_done(rq, r ? r : set_captures(rq->session, &c));
}

/* Each of them, or none if any makes no sense. */
static bool captures_are_valid(const struct request *rq, uint32_t count)
{
	struct wire_reader r = *rq->body;
	struct call_captures c;

	for (uint32_t i = 0; i < count; i++)
		if (!wire_get_call_slots(&r, &c.call) || !get_slots(&r, &c))
			return false;
	return wire_left(&r) == 0;
}

void request_captures(struct request *rq, const struct wire_captures *m)
{
	int r = captures_are_valid(rq, m->count) ? 0 : -EINVAL;
	struct call_captures c;

	for (uint32_t i = 0; i < m->count && r == 0; i++) {
		wire_get_call_slots(rq->body, &c.call);
		get_slots(rq->body, &c);
		r = set_captures(rq->session, &c);
	}
	request_done(rq, r);
}
