/* SPDX-License-Identifier: MIT */
#include "test/fuzz/check.h"

#include "engine/call.h"
#include "engine/session.h"
#include "engine/space.h"
#include "engine/task.h"
#include "test/fuzz/fuzz.h"

static void check_parties(struct engine *e, struct task *t)
{
	size_t holders = 0, offers = 0;
	bool policies_over = false;

	for (size_t i = 0; i < t->rules.count; i++) {
		struct rules_party *p = &t->rules.parties[i];
		struct session *s = session_by_id(e, p->session);

		FUZZ_CHECK(s != NULL && session_find_cover(s, t->process) != NULL);
		FUZZ_CHECK(!(p->policy && policies_over));
		policies_over = !p->policy;
		holders += p->holds != 0;
		offers += (p->holds & RULES_HOLD_OFFER) != 0;
		/* Nobody but one who waits for it holds a task that runs. */
		if (t->state == TASK_RUNNING && p->holds && !t->died)
			FUZZ_CHECK(p->holds == RULES_HOLD_ASKED && p->awaited && t->interrupted);
		if (p->awaited)
			FUZZ_CHECK(t->state != TASK_STANDING || !t->announced);
		if (s->role == COTRACE_OBSERVER)
			FUZZ_CHECK(!(p->holds & (RULES_HOLD_ASKED | RULES_HOLD_OFFER)));
	}
	FUZZ_CHECK(holders == t->rules.holders);
	FUZZ_CHECK(offers <= 1);
	FUZZ_CHECK(t->process == NULL || t->rules.count == list_length(&t->process->covers));
}

/* To get past a trap: for a call to end, or for others to stand. */
static bool awaits_others(const struct task *t)
{
	const struct space *s = t->process ? t->process->space : NULL;

	return call_busy(t) || (s != NULL && (s->lifting != NULL || s->mapping != NULL));
}

static void check_task(struct engine *e, struct fake *f, struct task *t)
{
	struct fake_task *k = fake_task(f, t->tid);

	check_parties(e, t);
	if (t->state == TASK_STANDING && t->announced) {
		FUZZ_CHECK(t->rules.holders > 0 || awaits_others(t));
		FUZZ_CHECK(t->rules.phase == RULES_STOPPED);
	}
	if (!t->announced) /* its parent will tell of it, or time will */
		FUZZ_CHECK(t->parent != NULL || list_linked(&t->in_orphans));
	if (t->parent != NULL)
		FUZZ_CHECK(t->parent->unannounced == t);
	if (t->unannounced != NULL)
		FUZZ_CHECK(t->unannounced->parent == t && t->state == TASK_STANDING);
	if (k != NULL && k->attached) /* one that makes a call is said to stand */
		FUZZ_CHECK(call_busy(t) || k->stands == (t->state == TASK_STANDING));
	FUZZ_CHECK(t->process != NULL || list_linked(&t->in_orphans));
}

static void check_kernel(struct engine *e, struct fake *f)
{
	if (f->illegal)
		fprintf(stderr, "%s\n", f->complaint);
	FUZZ_CHECK(f->illegal == 0);
	for (int i = 0; i < f->top; i++) {
		const struct fake_task *k = &f->tasks[i];

		if (k->tid && k->attached && k->stands)
			FUZZ_CHECK(task_by_tid(e, k->tid) != NULL);
	}
}

static void check_sessions(struct engine *e)
{
	list_for_each (&e->sessions, node, after) {
		struct session *s = list_entry(node, struct session, in_engine);
		size_t bytes = 0, awaited = 0;

		list_for_each (&s->queue.datagrams, at, next)
			bytes += list_entry(at, struct queue_datagram, node)->cost;
		FUZZ_CHECK(bytes == s->queue.bytes);
		list_for_each (&s->covers, at, next) {
			struct cover *c = list_entry(at, struct cover, in_session);

			FUZZ_CHECK(c->session == s && list_linked(&c->in_process));
			list_for_each (&c->process->tasks, task_at, task_next) {
				struct task *t = list_entry(task_at, struct task, in_process);
				struct rules_party *p = rules_party(&t->rules, s->id);

				FUZZ_CHECK(p != NULL);
				awaited += p->awaited;
			}
		}
		FUZZ_CHECK(awaited == s->unstood);
		FUZZ_CHECK(!s->ended || list_empty(&s->covers));
	}
}

void check_engine(struct engine *e, struct fake *f)
{
	size_t at = 0, pokes = 0;
	struct process *p;
	struct task *t;

	while ((t = map_walk(&e->tasks_by_id, &at)) != NULL) {
		check_task(e, f, t);
		pokes += t->poked;
	}
	at = 0;
	while ((p = map_walk(&e->processes, &at)) != NULL) {
		FUZZ_CHECK(p->task_count == list_length(&p->tasks));
		FUZZ_CHECK(p->task_count > 0);
	}
	FUZZ_CHECK(pokes == e->pokes);
	FUZZ_CHECK(e->sessions_by_id.count == list_length(&e->sessions));
	FUZZ_CHECK(list_empty(&e->releases));
	check_sessions(e);
	check_kernel(e, f);
}

void check_let_go(struct engine *e, struct fake *f)
{
	for (int i = 0; i < f->top; i++) {
		const struct fake_task *k = &f->tasks[i];

		FUZZ_CHECK(k->tid == 0 || !k->stands);
		/* A leader that has ended while others live is the kernel's to keep. */
		if (k->tid && k->attached)
			FUZZ_CHECK(k->tid == k->pid && task_by_tid(e, k->tid) != NULL);
	}
}
