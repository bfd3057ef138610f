/* SPDX-License-Identifier: MIT */
/* Random states in which an instruction finds something sensible, most of the time. */
#include <cpuid.h>
#include <string.h>

#include "test/code/code.h"
#include "test/runner/random.h"

static struct random random_numbers = { 1 };

void random_seed(uint64_t seed)
{
	random_begin(&random_numbers, seed);
}

uint64_t random64(void)
{
	return random_next(&random_numbers) * 0x2545f4914f6cdd1dull;
}

static const uint8_t wide_words[] = { 10, 11, 12, 5, 19, 4, 13, 14, 9, 8,
				      7,  6,  3,  2, 1,	 0, 16, 18, 15 };
static const uint8_t narrow_words[] = {
	6, 1, 2, 0, 15, 5, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 12, 14, 11
};

uint64_t reg_get(const struct arena *a, const uint8_t *regs, unsigned which)
{
	uint64_t value = 0;

	if (a->wide)
		memcpy(&value, regs + wide_words[which] * 8, 8);
	else
		memcpy(&value, regs + narrow_words[which] * 4, 4);
	return value;
}

void reg_put(const struct arena *a, uint8_t *regs, unsigned which, uint64_t value)
{
	if (a->wide)
		memcpy(regs + wide_words[which] * 8, &value, 8);
	else
		memcpy(regs + narrow_words[which] * 4, &value, 4);
}

static uint64_t some_data_address(unsigned align)
{
	return DATA + 0x1000 + random64() % 0x2000 / align * align;
}

static uint64_t some_value(void)
{
	uint64_t r = random64();

	switch (r >> 61) {
	case 0:
	case 1:
		return r & 15;
	case 2:
		return some_data_address(64);
	case 3:
		return (uint64_t)(int64_t)(int32_t)r;
	case 4:
		return r & 0xff;
	default:
		return r << 3;
	}
}

/* ---- vectors and floating point ---- */

static void fill_lanes(uint8_t *p, size_t size)
{
	uint64_t kind = random64() % 7;

	for (size_t i = 0; i < size; i += 8) {
		uint64_t r = random64();
		float f[2] = { (float)(int)(r & 0xffff) / 16 - 1000, (float)(int)(r >> 48) };
		double d = (double)(int64_t)r / 1e6;

		switch (kind) {
		case 0:
			memcpy(p + i, f, 8);
			break;
		case 1:
			memcpy(p + i, &d, 8);
			break;
		case 2:
			r &= 0x000000ff000000ff;
			memcpy(p + i, &r, 8);
			break;
		case 3:
			r = r & 1 ? 0 : ~0ull;
			memcpy(p + i, &r, 8);
			break;
		default:
			memcpy(p + i, &r, 8);
			break;
		}
	}
}

static void fill_x87(uint8_t *x, unsigned round)
{
	uint16_t control = 0x37f, status = (uint16_t)(random64() & 7) << 11;
	uint64_t pc = 0x401000 + (random64() & 0xfff);

	if (round % 4 == 2)
		control = (uint16_t)(control & ~0xf3d) | (random64() & 0xf3d);
	x[4] = random64() & 3 ? 0x3f : (uint8_t)random64();
	memcpy(x, &control, 2);
	memcpy(x + 2, &status, 2);
	memcpy(x + 8, &pc, 8);
	for (unsigned i = 0; i < 8; i++) {
		uint64_t mantissa = random64() | 1ull << 63;
		uint16_t exponent = (uint16_t)(0x3fff - 20 + random64() % 40);

		if (random64() % 8 == 0)
			exponent = (uint16_t)random64(), mantissa = random64();
		if (random64() & 1)
			exponent |= 0x8000;
		memset(x + 32 + 16 * i, 0, 16);
		memcpy(x + 32 + 16 * i, &mantissa, 8);
		memcpy(x + 40 + 16 * i, &exponent, 2);
	}
}

static const struct {
	unsigned component, count, size;
} lanes[] = { { 2, 16, 16 }, { 5, 8, 8 }, { 6, 16, 32 }, { 7, 16, 64 } };

static void fill_xstate(const struct arena *a, uint8_t *x, unsigned round)
{
	uint32_t mxcsr = 0x1f80 | (random64() & 0xe040);
	uint64_t used;

	memcpy(x, a->xstate, a->xstate_size);
	memcpy(&used, x + 512, 8);
	used |= a->xcr0 & 0xe7;
	fill_x87(x, round);
	if (round % 4 == 2)
		mxcsr = random64() & 0xffc0;
	memcpy(x + 24, &mxcsr, 4);
	for (unsigned i = 0; i < 16; i++)
		fill_lanes(x + 160 + 16 * i, 16);
	for (unsigned i = 0; i < sizeof lanes / sizeof *lanes; i++) {
		unsigned size, offset, c, d;

		if (!(a->xcr0 >> lanes[i].component & 1))
			continue;
		__cpuid_count(0xd, lanes[i].component, size, offset, c, d);
		(void)size, (void)c, (void)d;
		for (unsigned n = 0; n < lanes[i].count; n++)
			fill_lanes(x + offset + n * lanes[i].size, lanes[i].size);
	}
	memcpy(x + 512, &used, 8);
}

/* Element numbers as indices: small, whatever their width. */
static void tame_vector(const struct arena *a, uint8_t *x, unsigned number)
{
	unsigned size, ymm, zmm, high, c, d;

	__cpuid_count(0xd, 2, size, ymm, c, d);
	__cpuid_count(0xd, 6, size, zmm, c, d);
	__cpuid_count(0xd, 7, size, high, c, d);
	(void)size, (void)c, (void)d;
	for (unsigned i = 0; i < 64; i += 8) {
		uint64_t value = random64() & 0xff;
		uint8_t *p = number >= 16 ? x + high + 64 * (number - 16) + i
			     : i < 16	  ? x + 160 + 16 * number + i
			     : i < 32	  ? x + ymm + 16 * number + i - 16
					  : x + zmm + 32 * number + i - 32;

		if ((number < 16 && i < 32) || a->xcr0 & 0xe0)
			memcpy(p, &value, 8);
	}
}

/* ---- registers and memory ---- */

struct making {
	struct arena *a;
	ZydisDecodedInstruction z;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	struct state_of_all *out;
	bool branch;
	uint32_t flags;
	unsigned round;
};

static int number_of(ZydisRegister r)
{
	if (r == ZYDIS_REGISTER_NONE || r == ZYDIS_REGISTER_RIP || r == ZYDIS_REGISTER_EIP)
		return -1;
	switch (ZydisRegisterGetClass(r)) {
	case ZYDIS_REGCLASS_GPR16:
	case ZYDIS_REGCLASS_GPR32:
	case ZYDIS_REGCLASS_GPR64:
		return ZydisRegisterGetId(r);
	default:
		return -1;
	}
}

static uint64_t segment_base(const struct making *m, ZydisRegister segment)
{
	uint64_t base = 0;

	if (m->a->wide && (segment == ZYDIS_REGISTER_FS || segment == ZYDIS_REGISTER_GS))
		memcpy(&base, m->out->regs + 8 * (segment == ZYDIS_REGISTER_FS ? 21 : 22), 8);
	return base;
}

static unsigned alignment(const struct making *m)
{
	if (m->branch)
		return 8;
	return m->round % 4 == 3 ? 1 : 64;
}

/* Makes base and index such that the operand lies in the data, or, now and then, nowhere. */
static void aim_operand(const struct making *m, const ZydisDecodedOperand *o)
{
	int base = number_of(o->mem.base), index = number_of(o->mem.index);
	uint64_t want = some_data_address(alignment(m)) - segment_base(m, o->mem.segment);
	uint64_t scaled = 0, disp = o->mem.disp.has_displacement ? (uint64_t)o->mem.disp.value : 0;

	if (m->round % 8 == 5)
		want = 0x66600000 + (random64() & 0xfff);
	if (o->mem.type == ZYDIS_MEMOP_TYPE_VSIB)
		tame_vector(m->a, m->out->xstate, ZydisRegisterGetId(o->mem.index));
	if (index >= 0 && index != base) {
		scaled = alignment(m) == 1 ? random64() % 32 : random64() % 4 * 64;
		reg_put(m->a, m->out->regs, (unsigned)index, scaled);
		scaled *= o->mem.scale;
	}
	if (base < 0)
		return;
	want -= disp + scaled;
	if (index == base)
		want /= 1u + o->mem.scale;
	reg_put(m->a, m->out->regs, (unsigned)base, want);
}

static bool is_bit_test(ZydisMnemonic mnemonic)
{
	return mnemonic == ZYDIS_MNEMONIC_BT || mnemonic == ZYDIS_MNEMONIC_BTC ||
	       mnemonic == ZYDIS_MNEMONIC_BTR || mnemonic == ZYDIS_MNEMONIC_BTS;
}

static void aim(const struct making *m)
{
	bool repeated = m->z.attributes &
			(ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);

	if (is_bit_test(m->z.mnemonic) && m->operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER)
		reg_put(m->a, m->out->regs, ZydisRegisterGetId(m->operands[1].reg.value) & 15,
			random64() & 0x3ff);
	if (repeated)
		reg_put(m->a, m->out->regs, 1, random64() % 20);
	for (unsigned i = 0; i < m->z.operand_count; i++)
		if (m->operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			aim_operand(m, &m->operands[i]);
	if (m->branch && m->operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER) {
		int number = number_of(m->operands[0].reg.value);

		if (number >= 0)
			reg_put(m->a, m->out->regs, (unsigned)number,
				LANDING + random64() % LANDING_SIZE);
	}
}

static void fill_registers(const struct making *m)
{
	uint8_t *regs = m->out->regs;
	uint64_t flags = 0x202 | (random64() & 0xcd5);

	memcpy(regs, m->a->regs, m->a->regs_size);
	for (unsigned i = 0; i < (m->a->wide ? 16u : 8u); i++)
		reg_put(m->a, regs, i, some_value());
	if (random64() % 16 == 0)
		flags |= 0x40000; /* alignment check */
	reg_put(m->a, regs, REG_FLAGS, flags);
	reg_put(m->a, regs, 4, some_data_address(8));
	if (m->z.mnemonic == ZYDIS_MNEMONIC_LEAVE || m->z.mnemonic == ZYDIS_MNEMONIC_ENTER)
		reg_put(m->a, regs, 5, some_data_address(8));
	if (m->a->wide)
		for (unsigned i = 21; i <= 22; i++) {
			uint64_t base = DATA + 0x1800 + random64() % 16 * 64;

			memcpy(regs + 8 * i, &base, 8);
		}
}

static void fill_data(const struct making *m)
{
	size_t word = m->a->wide ? 8 : 4;

	for (size_t i = 0; i < DATA_SIZE; i += 512)
		fill_lanes(m->out->data + i, 512);
	for (size_t i = 0; m->branch && i < DATA_SIZE; i += word) {
		uint64_t target = LANDING + random64() % LANDING_SIZE;

		memcpy(m->out->data + i, &target, word);
	}
	/* The trap flag has a test of its own; ptrace cannot put back the identification flag. */
	if (m->flags & CODE_SETS_STEP)
		for (size_t i = 0; i < DATA_SIZE; i++)
			m->out->data[i] &= 0xde;
}

static void put_relative(uint8_t *bytes, unsigned offset, uint64_t value, unsigned size)
{
	memcpy(bytes + offset, &value, size / 8);
}

static void aim_relative(const struct making *m, struct sample *s)
{
	uint64_t next = CODE_AT + m->z.length;

	if (m->z.raw.imm[0].is_relative && m->z.raw.imm[0].size == 8)
		put_relative(s->bytes, m->z.raw.imm[0].offset, 0x10 + random64() % 0x70, 8);
	if (m->z.raw.imm[0].is_relative && m->z.raw.imm[0].size == 32)
		put_relative(s->bytes, m->z.raw.imm[0].offset,
			     LANDING + random64() % LANDING_SIZE - next, 32);
	if (m->a->wide && m->z.attributes & ZYDIS_ATTRIB_HAS_MODRM && m->z.raw.modrm.mod == 0 &&
	    m->z.raw.modrm.rm == 5 && m->z.raw.disp.size == 32)
		put_relative(s->bytes, m->z.raw.disp.offset, some_data_address(alignment(m)) - next,
			     32);
}

void state_make(struct arena *a, struct sample *sample, unsigned round, struct state_of_all *out)
{
	struct making m = { .a = a, .out = out, .round = round };
	struct code_instruction insn;
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder,
			 a->wide ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
			 a->wide ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
	ZydisDecoderDecodeFull(&decoder, sample->bytes, sample->length, &m.z, m.operands);
	a->code->decode(a->code, sample->bytes, sample->length, &insn);
	m.flags = insn.flags;
	m.branch = insn.flags & CODE_IS_BRANCH;
	fill_registers(&m);
	fill_xstate(a, out->xstate, round);
	aim(&m);
	aim_relative(&m, sample);
	fill_data(&m);
}
