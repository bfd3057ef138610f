/* SPDX-License-Identifier: MIT */
/* The copy of an instruction that does the same at another address. */
#include <errno.h>
#include <string.h>

#include "arch/x86_64/instruction.h"

/* Whether @distance can be said in 32 bits; where addresses have no more, always. */
static bool in_reach(bool wrapping, uint64_t distance)
{
	return wrapping || (int64_t)distance == (int32_t)distance;
}

/* The 32 bits at @at are relative to the end of the instruction, which moves by @by. */
static bool move_relative(uint8_t *code, unsigned at, int64_t value, uint64_t by, bool wrapping)
{
	uint64_t distance = (uint64_t)value - by;
	uint32_t low = (uint32_t)distance;

	memcpy(code + at, &low, sizeof low);
	return in_reach(wrapping, distance);
}

static bool copy_instruction(const struct instruction *i, const uint8_t *bytes, uint64_t by,
			     uint8_t *code)
{
	memcpy(code, bytes, i->z.length);
	if (instruction_is_pc_relative(i))
		return move_relative(code, i->z.raw.disp.offset, i->z.raw.disp.value, by,
				     i->z.address_width == 32);
	if (i->z.mnemonic == ZYDIS_MNEMONIC_XBEGIN)
		return i->z.raw.imm[0].size == 32 &&
		       move_relative(code, i->z.raw.imm[0].offset, i->z.raw.imm[0].value.s, by,
				     !i->wide);
	return !i->z.raw.imm[0].is_relative;
}

/* Returns the bytes used. */
static unsigned jump_back(bool wide, uint8_t *code, uint64_t at, uint64_t target)
{
	uint64_t distance = target - (at + 5);
	uint32_t low = (uint32_t)distance;

	if (in_reach(!wide, distance)) {
		code[0] = 0xe9;
		memcpy(code + 1, &low, sizeof low);
		return 5;
	}
	/* The address is read as data, which the alignment check flag may watch. */
	low = -(uint32_t)(at + 6) & 7;
	code[0] = 0xff;
	code[1] = 0x25;
	memcpy(code + 2, &low, sizeof low);
	memcpy(code + 6 + low, &target, sizeof target);
	return 14 + low;
}

/* The x87 unit remembers the address of the last instruction that was not a control one. */
static bool leaves_address(const struct instruction *i)
{
	switch (i->z.mnemonic) {
	case ZYDIS_MNEMONIC_FNCLEX:
	case ZYDIS_MNEMONIC_FNINIT:
	case ZYDIS_MNEMONIC_FLDCW:
	case ZYDIS_MNEMONIC_FNSTCW:
	case ZYDIS_MNEMONIC_FNSTSW:
	case ZYDIS_MNEMONIC_FLDENV:
	case ZYDIS_MNEMONIC_FNSTENV:
	case ZYDIS_MNEMONIC_FNSAVE:
	case ZYDIS_MNEMONIC_FRSTOR:
	case ZYDIS_MNEMONIC_FWAIT:
		return false;
	default:
		return i->z.meta.isa_ext == ZYDIS_ISA_EXT_X87 ||
		       i->z.mnemonic == ZYDIS_MNEMONIC_FISTTP;
	}
}

static enum code_kind kind_of(const struct instruction *i, uint32_t flags)
{
	if (instruction_is_disputed(i))
		return CODE_IMPOSSIBLE;
	if (flags & CODE_IS_SYSCALL)
		return CODE_SYSCALL;
	if (flags & CODE_IS_TRAP)
		return CODE_TRAP;
	if (flags & CODE_IS_CALL)
		return instruction_is_emulated(i) ? CODE_EMULATE : CODE_IMPOSSIBLE;
	if (i->z.raw.imm[0].is_relative && i->z.mnemonic != ZYDIS_MNEMONIC_XBEGIN)
		return instruction_is_emulated(i) ? CODE_EMULATE : CODE_IMPOSSIBLE;
	return CODE_SLOT;
}

void x86_displace(const struct arch_code *c, const uint8_t *bytes, size_t n, uint64_t from,
		  uint64_t to, struct code_displaced *out)
{
	struct instruction i;

	memset(out, 0, sizeof *out);
	if (instruction_decode(c, bytes, n, &i) < 0)
		return;
	instruction_describe(&i, &out->insn);
	out->kind = kind_of(&i, out->insn.flags);
	out->emulated = instruction_is_emulated(&i) && out->kind != CODE_IMPOSSIBLE;
	if (out->kind == CODE_IMPOSSIBLE || out->kind == CODE_EMULATE)
		return;
	if (!copy_instruction(&i, bytes, to - from, out->code)) {
		memset(out->code, 0, sizeof out->code);
		out->kind = out->emulated ? CODE_EMULATE : CODE_IMPOSSIBLE;
		return;
	}
	/* A trap flag that it sets itself would make the jump trap, not what follows. */
	out->step = leaves_address(&i) ||
		    (out->insn.flags & CODE_SETS_STEP && !(out->insn.flags & CODE_IS_BRANCH));
	out->end = i.z.length;
	out->size = (uint8_t)(out->end + jump_back(i.wide, out->code + out->end, to + out->end,
						   from + i.z.length));
}
