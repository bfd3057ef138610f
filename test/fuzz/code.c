/* SPDX-License-Identifier: MIT */
/* Any bytes as an instruction: decoded, displaced, acted out and cleaned up after. */
#include <errno.h>
#include <string.h>

#include "arch/code.h"
#include "test/fuzz/fuzz.h"

struct world {
	struct input in;
	const struct arch_code *code;
	uint8_t *bytes; /* on the heap, without one more: a reader beyond is caught */
	size_t n;
	uint64_t from, to;
	uint8_t regs[216];
	size_t regs_size;
};

static uint64_t input_word(struct input *in)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 8; i++)
		value = value << 8 | input_byte(in);
	return value;
}

/* Memory is what the input says, where it says that there is any. */
static int read_input(void *arg, uint64_t addr, void *buf, size_t size)
{
	struct world *w = arg;
	uint8_t *to = buf;

	(void)addr;
	FUZZ_CHECK(size > 0 && size <= 8);
	if (input_byte(&w->in) & 1)
		return -EFAULT;
	for (size_t i = 0; i < size; i++)
		to[i] = (uint8_t)input_byte(&w->in);
	return 0;
}

static int write_input(void *arg, uint64_t addr, const void *buf, size_t size)
{
	struct world *w = arg;

	(void)addr;
	FUZZ_CHECK(buf != NULL && size > 0 && size <= 8);
	return input_byte(&w->in) & 1 ? -EFAULT : 0;
}

static int base_input(void *arg, unsigned which, uint64_t *base)
{
	struct world *w = arg;

	FUZZ_CHECK(which < 2);
	*base = input_word(&w->in);
	return input_byte(&w->in) & 1 ? -ENODATA : 0;
}

static void check_slot(const struct world *w, const struct code_displaced *d)
{
	struct code_instruction again;

	FUZZ_CHECK(d->size <= sizeof d->code && d->end < d->size);
	FUZZ_CHECK(d->kind == CODE_SLOT || d->kind == CODE_SYSCALL || d->kind == CODE_TRAP);
	FUZZ_CHECK(w->code->decode(w->code, d->code, d->size, &again) == 0);
	FUZZ_CHECK(again.length == d->end && again.flags == d->insn.flags);
	FUZZ_CHECK(w->code->decode(w->code, d->code + d->end, (size_t)d->size - d->end, &again) ==
		   0);
	FUZZ_CHECK(again.flags == CODE_IS_BRANCH);
}

static void check_displaced(const struct world *w, struct code_displaced *d)
{
	struct code_instruction insn;
	int e = w->code->decode(w->code, w->bytes, w->n, &insn);

	w->code->displace(w->code, w->bytes, w->n, w->from, w->to, d);
	FUZZ_CHECK(insn.length <= CODE_INSTRUCTION_MAX && insn.length <= w->n);
	FUZZ_CHECK(insn.length == d->insn.length && insn.flags == d->insn.flags);
	FUZZ_CHECK(e == 0 || (d->kind == CODE_IMPOSSIBLE && insn.length == 0));
	FUZZ_CHECK((d->kind == CODE_IMPOSSIBLE || d->kind == CODE_EMULATE) == (d->size == 0));
	FUZZ_CHECK(d->kind != CODE_EMULATE || d->emulated);
	if (d->size)
		check_slot(w, d);
}

static void check_emulation(struct world *w, const struct code_displaced *d,
			    const struct code_access *access)
{
	uint8_t before[sizeof w->regs];
	int e;

	memcpy(before, w->regs, sizeof before);
	e = w->code->emulate(w->code, w->bytes, w->n, w->from, w->regs, w->regs_size, access);
	FUZZ_CHECK(e == 0 || memcmp(before, w->regs, sizeof before) == 0);
	FUZZ_CHECK(e != 0 || d->emulated);
	FUZZ_CHECK(e <= 0);
}

static void check_step(struct world *w, const struct code_displaced *d,
		       const struct code_access *access)
{
	uint8_t after[sizeof w->regs];

	for (size_t i = 0; i < sizeof after; i++)
		after[i] = (uint8_t)input_byte(&w->in);
	w->code->after_step(w->code, &d->insn, d->end, w->from, w->to, w->regs, after, w->regs_size,
			    access);
	w->code->entered(w->code, d, w->from, w->to, after, w->regs_size);
	w->code->after_step_float(w->code, w->from, w->to, after, sizeof after);
}

/* Most register sets would be refused for their segments. */
static void make_flat(struct world *w)
{
	static const uint8_t narrow[][2] = { { 7, 0x2b }, { 8, 0x2b }, { 13, 0x23 }, { 16, 0x2b } };
	bool wide = w->code->arch == 1;

	if (wide)
		memcpy(w->regs + 17 * 8, "\x33\0", 2);
	for (unsigned i = 0; !wide && i < 4; i++) {
		w->regs[narrow[i][0] * 4] = narrow[i][1];
		w->regs[narrow[i][0] * 4 + 1] = 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .in = { data, size } };
	const struct code_access access = { &w, read_input, write_input, base_input };
	unsigned how = input_byte(&w.in);
	struct code_displaced d;

	w.code = arch_code_by_id(1 + (how & 1));
	w.regs_size = how & 1 ? 68 : sizeof w.regs;
	w.n = input_below(&w.in, 18);
	w.bytes = malloc(w.n ? w.n : 1);
	for (size_t i = 0; i < w.n; i++)
		w.bytes[i] = (uint8_t)input_byte(&w.in);
	w.from = input_word(&w.in) >> (how & 2 ? 17 : 0);
	w.to = how & 4 ? w.from + (uint64_t)(int32_t)input_word(&w.in) : input_word(&w.in);
	for (size_t i = 0; i < w.regs_size; i++)
		w.regs[i] = (uint8_t)input_byte(&w.in);
	if (how & 8)
		make_flat(&w);
	check_displaced(&w, &d);
	check_emulation(&w, &d, &access);
	check_step(&w, &d, &access);
	w.code->find_syscall(w.code, w.bytes, w.n);
	free(w.bytes);
	return 0;
}
