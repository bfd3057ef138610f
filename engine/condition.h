/* SPDX-License-Identifier: MIT */
/* Agent expressions, evaluated on a task that stands. */
#ifndef ENGINE_CONDITION_H
#define ENGINE_CONDITION_H

#include "arch/arch.h"
#include "engine/engine.h"

struct expression {
	uint8_t *code; /* NULL: none */
	size_t size;
};

/* The first @size bytes of @r, verified for @arch. 0; -EINVAL; -ENOMEM. */
int expression_take(struct wire_reader *r, size_t size, const struct arch *arch,
		    struct expression *out);
int expression_copy(struct expression *to, const struct expression *from);
void expression_free(struct expression *e);
/* False: it has no value here. */
bool expression_value(struct task *t, const struct expression *e, uint64_t *value);

/*
 * Whether it holds; none does, and so does one without a value: better too much is told than
 * too little. *@endless counts those that did not come to an end: with too many of them at
 * one stop the others are not even tried.
 */
bool condition_holds(struct task *t, const struct expression *e, unsigned *endless);

/* What a session has set for system calls; NULL code takes what was set for them away. */
struct call_condition {
	struct list in_session;
	uint32_t arch, phases;
	uint64_t bits[ENGINE_SET_WORDS];
	struct expression expression;
};

/* Whether the session is to see the call at which @t stands, as far as conditions go. */
bool condition_of_call(const struct session *s, struct task *t, unsigned phase);
int conditions_copy(struct session *to, const struct session *from);
void conditions_free(struct session *s);

#endif
