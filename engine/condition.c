/* SPDX-License-Identifier: MIT */
#include "engine/condition.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/regs.h"
#include "engine/request.h"
#include "engine/space.h"
#include "wire/agent.h"

#define ENDLESS_MAX 8 /* at one stop; each costs a fraction of a millisecond */
#define CONDITIONS_MAX 1024

static const struct arch *arch_of(struct task *t)
{
	struct backend *b = t->engine->backend;

	return arch_by_id(b->ops->task_arch(b, t->tid));
}

static int read_register(void *data, unsigned number, uint64_t *value)
{
	struct task *t = data;
	const struct arch *arch = arch_of(t);
	const struct arch_register *r = arch ? arch_gdb_register(arch, number) : NULL;
	size_t size;
	const uint8_t *set = regs_get(t, &size);

	*value = 0;
	if (r == NULL || set == NULL || r->width > sizeof *value)
		return -ENODEV;
	return arch_register_get(r, set, size, value);
}

static int read_memory(void *data, uint64_t addr, void *buf, size_t size)
{
	struct task *t = data;
	const struct arch *arch = arch_of(t);

	if (arch != NULL && arch->word_size == sizeof(uint32_t))
		addr = (uint32_t)addr; /* expressions have 64-bit values everywhere */
	return space_read_all(t, addr, buf, size);
}

static enum agent_fault evaluate(struct task *t, const struct expression *e, uint64_t *value)
{
	const struct agent_env env = { read_register, read_memory, t };

	return agent_eval(e->code, &env, value);
}

bool expression_value(struct task *t, const struct expression *e, uint64_t *value)
{
	return evaluate(t, e, value) == AGENT_NO_FAULT;
}

bool condition_holds(struct task *t, const struct expression *e, unsigned *endless)
{
	uint64_t value = 1;
	enum agent_fault fault;

	if (e->code == NULL || *endless >= ENDLESS_MAX)
		return true;
	fault = evaluate(t, e, &value);
	*endless += fault == AGENT_FAULT_ENDLESS;
	return fault != AGENT_NO_FAULT || value != 0;
}

static bool has_register(const void *arch, unsigned number)
{
	return arch_gdb_register(arch, number) != NULL;
}

int expression_take(struct wire_reader *r, size_t size, const struct arch *arch,
		    struct expression *out)
{
	const struct expression e = { (uint8_t *)(uintptr_t)wire_get_bytes(r, size), size };

	if (e.code == NULL || agent_check(e.code, size, has_register, arch) != AGENT_GOOD)
		return -EINVAL;
	return expression_copy(out, &e);
}

int expression_copy(struct expression *to, const struct expression *from)
{
	to->code = malloc(from->size);
	if (to->code == NULL)
		return -ENOMEM;
	memcpy(to->code, from->code, from->size);
	to->size = from->size;
	return 0;
}

void expression_free(struct expression *e)
{
	free(e->code);
	*e = (struct expression){ 0 };
}

/* ---- System calls ---- */

static bool is_for(const struct call_condition *c, const struct task *t, unsigned phase)
{
	unsigned bit = t->call.nr >= 0 && t->call.nr < 1023 ? (unsigned)t->call.nr : 1023;

	return c->arch == t->call.arch && (c->phases & phase) &&
	       (c->bits[bit / 64] >> (bit % 64) & 1);
}

bool condition_of_call(const struct session *s, struct task *t, unsigned phase)
{
	unsigned endless = 0;

	list_for_each (&s->conditions, node, after) {
		struct call_condition *c = list_entry(node, struct call_condition, in_session);

		if (is_for(c, t, phase))
			return condition_holds(t, &c->expression, &endless);
	}
	return true;
}

static void remove_condition(struct call_condition *c)
{
	list_remove(&c->in_session);
	expression_free(&c->expression);
	free(c);
}

void conditions_free(struct session *s)
{
	while (!list_empty(&s->conditions))
		remove_condition(list_entry(s->conditions.next, struct call_condition, in_session));
}

static struct call_condition *copy_to(struct session *s, const struct call_condition *c)
{
	struct call_condition *copy = calloc(1, sizeof *copy);

	if (copy == NULL || expression_copy(&copy->expression, &c->expression) < 0) {
		free(copy);
		return NULL;
	}
	copy->arch = c->arch;
	copy->phases = c->phases;
	memcpy(copy->bits, c->bits, sizeof copy->bits);
	list_append(&s->conditions, &copy->in_session);
	return copy;
}

int conditions_copy(struct session *to, const struct session *from)
{
	list_for_each (&from->conditions, node, after)
		if (copy_to(to, list_entry(node, struct call_condition, in_session)) == NULL)
			return -ENOMEM;
	return 0;
}

/* A condition that loses some phases of some numbers only is kept for the others. */
static int split(struct session *s, struct call_condition *c, const struct wire_condition *m)
{
	struct call_condition *rest = copy_to(s, c);

	if (rest == NULL)
		return -ENOMEM;
	rest->phases &= ~m->phases;
	c->phases &= m->phases;
	return 0;
}

static int take_away(struct session *s, const struct wire_condition *m)
{
	list_for_each (&s->conditions, node, after) {
		struct call_condition *c = list_entry(node, struct call_condition, in_session);
		uint64_t left = 0;

		if (c->arch != m->arch || !(c->phases & m->phases))
			continue;
		if ((c->phases & ~m->phases) && split(s, c, m) < 0)
			return -ENOMEM;
		for (unsigned i = 0; i < ENGINE_SET_WORDS; i++)
			left |= c->bits[i] &= ~m->bits[i];
		if (left == 0)
			remove_condition(c);
	}
	return 0;
}

static int set_condition(struct request *rq, const struct wire_condition *m)
{
	struct session *s = rq->session;
	const struct arch *arch = arch_by_id(m->arch);
	struct call_condition *c;
	size_t size = wire_left(rq->body);
	int r;

	if (arch == NULL || m->phases == 0 || (m->phases & ~(COTRACE_ENTRY | COTRACE_EXIT)))
		return -EINVAL;
	if (size == 0)
		return take_away(s, m);
	if (list_length(&s->conditions) >= CONDITIONS_MAX)
		return -ENOSPC;
	c = calloc(1, sizeof *c);
	if (c == NULL)
		return -ENOMEM;
	c->arch = m->arch;
	c->phases = m->phases;
	memcpy(c->bits, m->bits, sizeof c->bits);
	r = expression_take(rq->body, size, arch, &c->expression);
	if (r == 0)
		r = take_away(s, m);
	if (r < 0) {
		expression_free(&c->expression);
		free(c);
		return r;
	}
	list_append(&s->conditions, &c->in_session);
	return 0;
}

void request_condition(struct request *rq, const struct wire_condition *m)
{
	request_done(rq, set_condition(rq, m));
}
