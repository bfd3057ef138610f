/* SPDX-License-Identifier: MIT */
#include "test/code/trials.h"

#include <stdio.h>

#include "test/kernel/raw.h"

#define COMPLAINTS_MAX 40
#define FLAG_RESUME 0x10000u /* set by faults */

struct trial {
	struct arena *a;
	struct sample *sample;
	struct code_displaced d;
	struct state_of_all from;
	struct outcome native, other, arrived;
	struct tally *tally;
};

static void describe(const struct sample *s, bool wide, char *text, size_t size)
{
	ZydisDisassembledInstruction d;
	size_t used = 0;

	if (!ZYAN_SUCCESS(ZydisDisassembleIntel(wide ? ZYDIS_MACHINE_MODE_LONG_64
						     : ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
						CODE_AT, s->bytes, s->length, &d)))
		strcpy(d.text, "?");
	for (unsigned i = 0; i < s->length; i++)
		used += (size_t)snprintf(text + used, size - used, "%02x ", s->bytes[i]);
	snprintf(text + used, size - used, " %s", d.text);
}

/*
 * What came of it. How a transaction ended, its status says: by the trap that was to catch it or
 * by an interrupt that came before.
 */
static void run(struct trial *t, uint64_t at, size_t size, struct outcome *out)
{
	run_free(t->a, &t->from, at, size, out);
	if (t->d.insn.flags == (CODE_STEPS_TWO | CODE_IS_BRANCH))
		reg_put(t->a, out->after.regs, REG_RESULT, reg_get(t->a, t->from.regs, REG_RESULT));
}

static bool complain(struct trial *t, const char *how, const char *what)
{
	char text[200];

	if (what == NULL)
		return true;
	describe(t->sample, t->a->wide, text, sizeof text);
	if (t->tally->bad++ < COMPLAINTS_MAX)
		test_note("%s: %s: %s", text, how, what);
	return false;
}

void plant(struct arena *a, uint64_t at, const uint8_t *bytes, size_t size)
{
	uint64_t page = at & ~0xfffull;

	memset(arena_at(a, page, 0x1000), a->code->trap[0], 0x1000);
	if (bytes != NULL)
		memcpy(arena_at(a, at, size), bytes, size);
}

/* As the engine does it when a task stands somewhere in the slot. */
static void back_from_slot(struct trial *t, uint64_t slot)
{
	uint64_t pc = reg_get(t->a, t->other.after.regs, REG_PC);

	if (pc == slot)
		reg_put(t->a, t->other.after.regs, REG_PC, CODE_AT);
	else if (pc == slot + t->d.end)
		reg_put(t->a, t->other.after.regs, REG_PC, CODE_AT + t->d.insn.length);
	if (t->other.addr == slot)
		t->other.addr = CODE_AT;
}

static void clean_up_step(struct trial *t, uint64_t at, uint8_t end)
{
	const struct arch_code *c = t->a->code;
	struct outcome *o = &t->other;

	CHECK(c->after_step(c, &t->d.insn, end, CODE_AT, at, t->from.regs, o->after.regs,
			    t->a->regs_size, arena_access(t->a)) >= 0);
	memcpy(o->after.data, arena_at(t->a, DATA, DATA_SIZE), DATA_SIZE);
	/* The legacy part of the xstate is the set in question. */
	if (t->d.step)
		c->after_step_float(c, CODE_AT, at, o->after.xstate, t->a->xstate_size);
	if (o->addr == at)
		o->addr = CODE_AT;
}

/* The native run may have faulted at the target: it was not to be there. */
static bool faulted_at_target(const struct trial *t)
{
	uint64_t pc = reg_get(t->a, t->native.after.regs, REG_PC);

	return t->native.signo == SIGSEGV && t->native.addr == pc && pc != CODE_AT;
}

/* Without having gone on from there. */
static const struct outcome *one_step_of(struct trial *t)
{
	if (!faulted_at_target(t))
		return &t->native;
	t->arrived = t->native;
	reg_put(t->a, t->arrived.after.regs, REG_FLAGS,
		reg_get(t->a, t->arrived.after.regs, REG_FLAGS) & ~(uint64_t)FLAG_RESUME);
	t->arrived.signo = SIGTRAP;
	t->arrived.code = 0;
	t->arrived.addr = 0;
	return &t->arrived;
}

static bool try_slot(struct trial *t, uint64_t slot)
{
	const struct arch_code *c = t->a->code;
	bool far = slot == FAR_AT, ok = true;

	c->displace(c, t->sample->bytes, t->sample->length, CODE_AT, slot, &t->d);
	if (t->d.size == 0)
		return true;
	plant(t->a, CODE_AT, NULL, 0);
	plant(t->a, slot, t->d.code, t->d.size);
	if (!t->d.step) {
		run(t, slot, t->d.end, &t->other);
		back_from_slot(t, slot);
		ok = complain(t, far ? "in a far slot" : "in a slot",
			      outcome_difference(t->a, &t->native, &t->other));
		*(far ? &t->tally->far_slots : &t->tally->slots) += 1;
	}
	if (!ok || t->d.insn.flags & (CODE_STEPS_TWO | CODE_IS_TRAP))
		return ok;
	run_step(t->a, &t->from, slot, &t->other);
	clean_up_step(t, slot, t->d.end);
	t->tally->steps++;
	return complain(t, "stepped in a slot",
			outcome_difference(t->a, one_step_of(t), &t->other));
}

static bool try_step_in_place(struct trial *t)
{
	if (t->d.insn.flags & (CODE_STEPS_TWO | CODE_IS_TRAP))
		return true;
	plant(t->a, CODE_AT, t->sample->bytes, t->sample->length);
	run_step(t->a, &t->from, CODE_AT, &t->other);
	clean_up_step(t, CODE_AT, t->d.insn.length);
	t->tally->steps++;
	return complain(t, "stepped in place", outcome_difference(t->a, one_step_of(t), &t->other));
}

static bool try_emulation(struct trial *t)
{
	const struct arch_code *c = t->a->code;
	int e;

	if (!t->d.emulated)
		return true;
	t->other = (struct outcome){ .signo = SIGTRAP, .after = t->from };
	reg_put(t->a, t->other.after.regs, REG_CALL, ~0ull);
	memcpy(arena_at(t->a, DATA, DATA_SIZE), t->from.data, DATA_SIZE);
	e = c->emulate(c, t->sample->bytes, t->sample->length, CODE_AT, t->other.after.regs,
		       t->a->regs_size, arena_access(t->a));
	if (e < 0) {
		t->tally->left_to_hardware++;
		if (e == -EOPNOTSUPP && !t->a->wide) /* no base of a segment */
			return true;
		return complain(t, "emulated",
				t->native.signo == SIGTRAP || e != -EFAULT ? strerror(-e) : NULL);
	}
	memcpy(t->other.after.data, arena_at(t->a, DATA, DATA_SIZE), DATA_SIZE);
	t->tally->emulations++;
	return complain(t, "emulated", outcome_difference(t->a, one_step_of(t), &t->other));
}

/* What differs from itself cannot be compared. */
static bool is_steady(struct trial *t)
{
	plant(t->a, CODE_AT, t->sample->bytes, t->sample->length);
	run(t, CODE_AT, t->sample->length, &t->native);
	run(t, CODE_AT, t->sample->length, &t->other);
	return outcome_difference(t->a, &t->native, &t->other) == NULL;
}

static bool try_all(struct trial *t)
{
	bool ok = try_slot(t, SLOT_AT);

	if (ok && t->a->wide)
		ok = try_slot(t, FAR_AT);
	t->a->code->displace(t->a->code, t->sample->bytes, t->sample->length, CODE_AT, SLOT_AT,
			     &t->d);
	return ok && try_step_in_place(t) && try_emulation(t);
}

static void tell_impossible(const struct sample *s, const struct arena *a)
{
	char text[200];

	describe(s, a->wide, text, sizeof text);
	test_note("%s: not displaceable", text);
}

static void tell_unsteady(const struct trial *t)
{
	char text[200];

	describe(t->sample, t->a->wide, text, sizeof text);
	test_note("%s: not compared, not even like itself: %s", text,
		  outcome_difference(t->a, &t->native, &t->other));
}

/* Returns false when it cannot be compared, or is not alike. */
static bool compare_rounds(struct trial *t, unsigned rounds)
{
	bool executed = false;

	for (unsigned round = 0; round < rounds; round++) {
		state_make(t->a, t->sample, round, &t->from);
		if (!is_steady(t)) {
			t->tally->unsteady++;
			tell_unsteady(t);
			return false;
		}
		if (t->native.signo == SIGTRAP || faulted_at_target(t))
			executed = true;
		else
			t->tally->signals[t->native.signo]++;
		if (!try_all(t))
			return false;
	}
	t->tally->executed += executed;
	return true;
}

/* Branches read the flags in many ways. */
static unsigned rounds_of(const struct code_instruction *insn)
{
	return insn->flags & CODE_IS_BRANCH ? test_rounds(32, 1000) : test_rounds(4, 64);
}

static void compare_one(struct arena *a, struct sample *s, struct tally *tally)
{
	static struct trial t;

	t.a = a;
	t.sample = s;
	t.tally = tally;
	random_seed(s->shape);
	a->code->displace(a->code, s->bytes, s->length, CODE_AT, SLOT_AT, &t.d);
	if (t.d.insn.flags & CODE_IS_SYSCALL)
		return;
	if (t.d.kind == CODE_IMPOSSIBLE) {
		tell_impossible(s, a);
		tally->impossible++;
	} else if (compare_rounds(&t, rounds_of(&t.d.insn))) {
		tally->compared++;
		classes_count(s, a->wide, tally->of_class);
	}
}

void compare_all(struct arena *a, struct sample *v, size_t count, struct tally *tally)
{
	for (size_t i = 0; i < count; i++)
		compare_one(a, &v[i], tally);
}

void tally_tell(const struct arena *a, const struct tally *t, size_t count)
{
	test_note("%zu distinct instructions: %u compared, %u of them executed, the others only "
		  "fault",
		  count, t->compared, t->executed);
	test_note("not compared: %u with no displacement, %u not like themselves; different: %u",
		  t->impossible, t->unsteady, t->bad);
	test_note(
		"runs: %u in slots, %u in far slots, %u by steps, %u emulated, %u where emulation "
		"left it to the hardware",
		t->slots, t->far_slots, t->steps, t->emulations, t->left_to_hardware);
	test_note("faults: SIGILL %u, SIGSEGV %u, SIGFPE %u, SIGBUS %u", t->signals[SIGILL],
		  t->signals[SIGSEGV], t->signals[SIGFPE], t->signals[SIGBUS]);
	for (size_t i = 0; i < CLASS_COUNT; i++)
		if ((a->xcr0 & classes[i].xcr0) == classes[i].xcr0)
			test_note("%5u %s", t->of_class[i], classes[i].name);
}
