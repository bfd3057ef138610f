/* SPDX-License-Identifier: MIT */
/*
 * Acting out: transfers of control, which cannot be moved or need not be, and what functions
 * begin with. Other memory operands than the stack's are left to the hardware, which reads and
 * writes them in one piece.
 */
#include <errno.h>
#include <string.h>

#include "arch/x86_64/operand.h"

#define RCX 1
#define RBP 5
/* Beyond it the branch itself faults, or it depends on the kernel. */
#define WIDE_CODE_END 0x00007ffffffff000ull

static bool is_plain_nop(const struct instruction *i)
{
	return (i->z.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && i->z.opcode == 0x90) ||
	       (i->z.opcode_map == ZYDIS_OPCODE_MAP_0F && i->z.opcode == 0x1f);
}

bool instruction_is_emulated(const struct instruction *i)
{
	const ZydisDecodedOperand *o = i->operands;

	if (i->z.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY || instruction_is_disputed(i) ||
	    i->z.attributes & ZYDIS_ATTRIB_HAS_LOCK)
		return false;
	if (i->z.meta.category == ZYDIS_CATEGORY_COND_BR)
		return instruction_is_near_branch(i) && i->z.mnemonic != ZYDIS_MNEMONIC_XBEGIN;
	switch (i->z.mnemonic) {
	case ZYDIS_MNEMONIC_JMP:
	case ZYDIS_MNEMONIC_CALL:
	case ZYDIS_MNEMONIC_RET:
		return instruction_is_near_branch(i);
	case ZYDIS_MNEMONIC_NOP:
		return is_plain_nop(i);
	case ZYDIS_MNEMONIC_ENDBR32:
	case ZYDIS_MNEMONIC_ENDBR64:
		return true;
	case ZYDIS_MNEMONIC_LEAVE:
		return i->z.operand_width == (i->wide ? 64 : 32);
	case ZYDIS_MNEMONIC_PUSH:
		return operand_is_value(&o[0]);
	case ZYDIS_MNEMONIC_POP:
	case ZYDIS_MNEMONIC_INC:
	case ZYDIS_MNEMONIC_DEC:
	case ZYDIS_MNEMONIC_LEA:
		return operand_is_register(&o[0]);
	case ZYDIS_MNEMONIC_MOV:
	case ZYDIS_MNEMONIC_ADD:
	case ZYDIS_MNEMONIC_SUB:
	case ZYDIS_MNEMONIC_CMP:
	case ZYDIS_MNEMONIC_AND:
	case ZYDIS_MNEMONIC_OR:
	case ZYDIS_MNEMONIC_XOR:
	case ZYDIS_MNEMONIC_TEST:
		return operand_is_register(&o[0]) && operand_is_value(&o[1]);
	default:
		return false;
	}
}

static int jump_to(const struct act *a, uint64_t target)
{
	if (a->s.wide && target >= WIDE_CODE_END)
		return -EFAULT;
	if (!a->s.wide)
		target = bits(target, a->i->z.operand_width == 16 ? 16 : 32);
	state_put(&a->s, STATE_PC, target);
	return 0;
}

static int jump_by(const struct act *a)
{
	return jump_to(a, a->next + a->i->z.raw.imm[0].value.u);
}

/* The condition of the lower four bits of jcc's opcode. */
static bool condition(uint64_t flags, unsigned number)
{
	bool cf = flags & FLAG_CF, zf = flags & FLAG_ZF, sf = flags & FLAG_SF, of = flags & FLAG_OF;
	bool is[8] = { of, cf, zf, cf || zf, sf, flags & FLAG_PF, sf != of, zf || sf != of };

	return is[number >> 1 & 7] != (number & 1);
}

/* A count register of the address size; one of 32 bits is extended when it is written. */
static uint64_t count_down(const struct act *a)
{
	unsigned width = a->i->z.address_width;
	uint64_t old = state_get(&a->s, RCX), new = bits(old - 1, width);

	state_put(&a->s, RCX, width == 16 ? (old & ~0xffffull) | new : new);
	return new;
}

static int act_conditional(const struct act *a)
{
	uint64_t flags = state_get(&a->s, STATE_FLAGS);
	bool taken;

	switch (a->i->z.mnemonic) {
	case ZYDIS_MNEMONIC_JCXZ:
	case ZYDIS_MNEMONIC_JECXZ:
	case ZYDIS_MNEMONIC_JRCXZ:
		taken = bits(state_get(&a->s, RCX), a->i->z.address_width) == 0;
		break;
	case ZYDIS_MNEMONIC_LOOP:
		taken = count_down(a) != 0;
		break;
	case ZYDIS_MNEMONIC_LOOPE:
		taken = count_down(a) != 0 && flags & FLAG_ZF;
		break;
	case ZYDIS_MNEMONIC_LOOPNE:
		taken = count_down(a) != 0 && !(flags & FLAG_ZF);
		break;
	default:
		taken = condition(flags, a->i->z.opcode);
		break;
	}
	return taken ? jump_by(a) : 0;
}

/* A task can ask for faults on unaligned data. */
static bool faults_unaligned(const struct act *a, uint64_t addr, unsigned width)
{
	return state_get(&a->s, STATE_FLAGS) & FLAG_AC && addr % (width / 8) != 0;
}

static int push(const struct act *a, uint64_t value, unsigned width)
{
	uint64_t sp = bits(state_get(&a->s, STATE_SP) - width / 8, a->s.wide ? 64 : 32);

	if (faults_unaligned(a, sp, width))
		return -EFAULT;
	state_put(&a->s, STATE_SP, sp);
	return a->access->write(a->access->arg, sp, &value, width / 8);
}

static int pop(const struct act *a, uint64_t *value, unsigned width)
{
	uint64_t sp = state_get(&a->s, STATE_SP);
	int e;

	*value = 0;
	if (faults_unaligned(a, sp, width))
		return -EFAULT;
	e = a->access->read(a->access->arg, sp, value, width / 8);
	state_put(&a->s, STATE_SP, sp + width / 8);
	return e;
}

static unsigned stack_width(const struct act *a)
{
	return a->i->z.operand_width == 16 ? 16 : a->s.wide ? 64 : 32;
}

/* Near branches of 64-bit mode know no other width. */
static unsigned branch_width(const struct act *a)
{
	return a->s.wide ? 64 : stack_width(a);
}

/* Others may be writing the pointer: what is read twice alike was there in one piece. */
static int read_pointer(const struct act *a, uint64_t addr, uint64_t *value)
{
	size_t size = branch_width(a) / 8;
	uint64_t again;

	if (faults_unaligned(a, addr, branch_width(a)))
		return -EFAULT;
	for (unsigned tries = 0; tries < 4; tries++) {
		int e;

		*value = again = 0;
		e = a->access->read(a->access->arg, addr, value, size);
		if (e == 0)
			e = a->access->read(a->access->arg, addr, &again, size);
		if (e < 0 || *value == again)
			return e;
	}
	return -EOPNOTSUPP;
}

static int branch_target(const struct act *a, uint64_t *target)
{
	const ZydisDecodedOperand *o = a->i->operands;
	uint64_t addr;
	int e;

	if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		*target = a->next + a->i->z.raw.imm[0].value.u;
	else if (o->type == ZYDIS_OPERAND_TYPE_REGISTER)
		*target = operand_value(a, o, branch_width(a));
	else if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		e = operand_address(a, o, &addr);
		return e < 0 ? e : read_pointer(a, addr, target);
	} else
		return -EOPNOTSUPP;
	return 0;
}

static int act_jump(const struct act *a)
{
	uint64_t target;
	int e = branch_target(a, &target);

	return e < 0 ? e : jump_to(a, target);
}

static int act_call(const struct act *a)
{
	uint64_t target;
	int e = branch_target(a, &target);

	if (e == 0)
		e = jump_to(a, target);
	return e < 0 ? e : push(a, a->next, branch_width(a));
}

static int act_return(const struct act *a)
{
	uint64_t target, drop = a->i->z.raw.imm[0].size ? a->i->z.raw.imm[0].value.u : 0;
	int e = pop(a, &target, branch_width(a));

	state_put(&a->s, STATE_SP, state_get(&a->s, STATE_SP) + drop);
	return e < 0 ? e : jump_to(a, target);
}

static int act_pop(const struct act *a)
{
	uint64_t value;
	int e = pop(a, &value, stack_width(a));

	operand_put(a, &a->i->operands[0], value);
	return e;
}

static int act_leave(const struct act *a)
{
	uint64_t value;
	int e;

	state_put(&a->s, STATE_SP, state_get(&a->s, RBP));
	e = pop(a, &value, stack_width(a));
	state_put(&a->s, RBP, value);
	return e;
}

static void put_flags(const struct act *a, uint64_t result, unsigned width, uint64_t others)
{
	uint64_t flags = state_get(&a->s, STATE_FLAGS);

	flags &= ~(uint64_t)(FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF);
	flags |= others;
	if (!__builtin_parity((unsigned)result & 0xff))
		flags |= FLAG_PF;
	if (result == 0)
		flags |= FLAG_ZF;
	if (result >> (width - 1) & 1)
		flags |= FLAG_SF;
	state_put(&a->s, STATE_FLAGS, flags);
}

static uint64_t sum(const struct act *a, uint64_t x, uint64_t y, unsigned width, uint64_t kept)
{
	uint64_t r = bits(x + y, width), others = (x ^ y ^ r) & FLAG_AF;

	if ((x ^ r) & (y ^ r) & 1ull << (width - 1))
		others |= FLAG_OF;
	if (r < x)
		others |= FLAG_CF;
	put_flags(a, r, width, (others & ~kept) | (state_get(&a->s, STATE_FLAGS) & kept));
	return r;
}

static uint64_t difference(const struct act *a, uint64_t x, uint64_t y, unsigned width,
			   uint64_t kept)
{
	uint64_t r = bits(x - y, width), others = (x ^ y ^ r) & FLAG_AF;

	if ((x ^ y) & (x ^ r) & 1ull << (width - 1))
		others |= FLAG_OF;
	if (x < y)
		others |= FLAG_CF;
	put_flags(a, r, width, (others & ~kept) | (state_get(&a->s, STATE_FLAGS) & kept));
	return r;
}

static uint64_t logical(const struct act *a, uint64_t result, unsigned width)
{
	put_flags(a, result, width, 0);
	return result;
}

static int act_arithmetic(const struct act *a)
{
	const ZydisDecodedOperand *o = a->i->operands;
	unsigned width = o[0].size;
	uint64_t x = operand_value(a, &o[0], width), r;
	uint64_t y = operand_is_value(&o[1]) ? operand_value(a, &o[1], width) : 0;

	switch (a->i->z.mnemonic) {
	case ZYDIS_MNEMONIC_ADD:
		r = sum(a, x, y, width, 0);
		break;
	case ZYDIS_MNEMONIC_INC:
		r = sum(a, x, 1, width, FLAG_CF);
		break;
	case ZYDIS_MNEMONIC_DEC:
		r = difference(a, x, 1, width, FLAG_CF);
		break;
	case ZYDIS_MNEMONIC_AND:
		r = logical(a, x & y, width);
		break;
	case ZYDIS_MNEMONIC_OR:
		r = logical(a, x | y, width);
		break;
	case ZYDIS_MNEMONIC_XOR:
		r = logical(a, x ^ y, width);
		break;
	case ZYDIS_MNEMONIC_TEST:
		logical(a, x & y, width);
		return 0;
	case ZYDIS_MNEMONIC_CMP:
		difference(a, x, y, width, 0);
		return 0;
	default:
		r = difference(a, x, y, width, 0);
		break;
	}
	operand_put(a, &o[0], r);
	return 0;
}

static int act(const struct act *a)
{
	const ZydisDecodedOperand *o = a->i->operands;

	if (a->i->z.meta.category == ZYDIS_CATEGORY_COND_BR)
		return act_conditional(a);
	switch (a->i->z.mnemonic) {
	case ZYDIS_MNEMONIC_JMP:
		return act_jump(a);
	case ZYDIS_MNEMONIC_CALL:
		return act_call(a);
	case ZYDIS_MNEMONIC_RET:
		return act_return(a);
	case ZYDIS_MNEMONIC_NOP:
	case ZYDIS_MNEMONIC_ENDBR32:
	case ZYDIS_MNEMONIC_ENDBR64:
		return 0;
	case ZYDIS_MNEMONIC_PUSH:
		return push(a, operand_value(a, &o[0], stack_width(a)), stack_width(a));
	case ZYDIS_MNEMONIC_POP:
		return act_pop(a);
	case ZYDIS_MNEMONIC_LEAVE:
		return act_leave(a);
	case ZYDIS_MNEMONIC_LEA:
		operand_put(a, &o[0], operand_offset(a, &o[1]));
		return 0;
	case ZYDIS_MNEMONIC_MOV:
		operand_put(a, &o[0], operand_value(a, &o[1], o[0].size));
		return 0;
	default:
		return act_arithmetic(a);
	}
}

int x86_emulate(const struct arch_code *c, const uint8_t *bytes, size_t n, uint64_t pc, void *regs,
		size_t size, const struct code_access *access)
{
	uint8_t set[STATE_SET_MAX];
	struct instruction i;
	struct act a = { .i = &i, .access = access };
	int e;

	if (size > sizeof set || state_init(&a.s, code_is_wide(c), set, size) < 0)
		return -EINVAL;
	if (instruction_decode(c, bytes, n, &i) < 0 || !instruction_is_emulated(&i))
		return -EOPNOTSUPP;
	memcpy(set, regs, size);
	/* A trap after it that the program itself has asked for is left to the hardware. */
	if (!state_is_flat(&a.s) || state_get(&a.s, STATE_FLAGS) & FLAG_TF)
		return -EOPNOTSUPP;
	a.next = bits(pc + i.z.length, a.s.wide ? 64 : 32);
	state_put(&a.s, STATE_PC, a.next);
	e = act(&a);
	if (e == 0)
		memcpy(regs, set, size);
	return e;
}
