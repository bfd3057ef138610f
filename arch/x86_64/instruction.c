/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/instruction.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>

/* Intel ignores the operand size prefix of near branches in 64-bit mode, AMD does not. */
static bool host_is_intel(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(0, &a, &b, &c, &d) && b == signature_INTEL_ebx &&
	       d == signature_INTEL_edx && c == signature_INTEL_ecx;
}

int instruction_decode(const struct arch_code *c, const uint8_t *bytes, size_t n,
		       struct instruction *i)
{
	ZydisDecoder decoder;
	ZyanStatus status;

	i->wide = code_is_wide(c);
	status = i->wide ? ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64,
					    ZYDIS_STACK_WIDTH_64)
			 : ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
					    ZYDIS_STACK_WIDTH_32);
	if (!ZYAN_SUCCESS(status))
		return -EINVAL;
	if (n == 0)
		return -ENODATA;
	status = ZydisDecoderDecodeFull(&decoder, bytes, n, &i->z, i->operands);
	if (status == ZYDIS_STATUS_NO_MORE_DATA)
		return n < CODE_INSTRUCTION_MAX ? -ENODATA : -EINVAL;
	return ZYAN_SUCCESS(status) ? 0 : -EINVAL;
}

bool instruction_is_pc_relative(const struct instruction *i)
{
	return i->wide && (i->z.attributes & ZYDIS_ATTRIB_HAS_MODRM) && i->z.raw.modrm.mod == 0 &&
	       i->z.raw.modrm.rm == 5 && i->z.raw.disp.size == 32;
}

bool instruction_is_near_branch(const struct instruction *i)
{
	return i->z.meta.branch_type == ZYDIS_BRANCH_TYPE_SHORT ||
	       i->z.meta.branch_type == ZYDIS_BRANCH_TYPE_NEAR;
}

bool instruction_is_disputed(const struct instruction *i)
{
	if (!i->wide || !instruction_is_near_branch(i) ||
	    (i->z.attributes & ZYDIS_ATTRIB_HAS_REX && i->z.raw.rex.W))
		return false;
	for (unsigned at = 0; at < i->z.raw.prefix_count; at++)
		if (i->z.raw.prefixes[at].value == 0x66)
			return !host_is_intel();
	return false;
}

static uint32_t flags_of_mnemonic(const struct instruction *i)
{
	switch (i->z.mnemonic) {
	case ZYDIS_MNEMONIC_SYSCALL:
	case ZYDIS_MNEMONIC_SYSENTER:
		return CODE_IS_SYSCALL;
	case ZYDIS_MNEMONIC_INT:
		if (i->z.raw.imm[0].value.u == 0x80)
			return CODE_IS_SYSCALL;
		return i->z.raw.imm[0].value.u == 3 ? CODE_IS_TRAP : 0;
	case ZYDIS_MNEMONIC_INT1:
	case ZYDIS_MNEMONIC_INT3:
		return CODE_IS_TRAP;
	case ZYDIS_MNEMONIC_PUSHF:
	case ZYDIS_MNEMONIC_PUSHFD:
	case ZYDIS_MNEMONIC_PUSHFQ:
		return CODE_SHOWS_STEP;
	case ZYDIS_MNEMONIC_POPF:
	case ZYDIS_MNEMONIC_POPFD:
	case ZYDIS_MNEMONIC_POPFQ:
		return CODE_SETS_STEP;
	case ZYDIS_MNEMONIC_IRET:
	case ZYDIS_MNEMONIC_IRETD:
	case ZYDIS_MNEMONIC_IRETQ:
		return CODE_SETS_STEP | CODE_IS_BRANCH;
	case ZYDIS_MNEMONIC_CPUID:
	case ZYDIS_MNEMONIC_SGDT: /* where the kernel acts them out after a fault (UMIP) */
	case ZYDIS_MNEMONIC_SIDT:
	case ZYDIS_MNEMONIC_SLDT:
	case ZYDIS_MNEMONIC_SMSW:
	case ZYDIS_MNEMONIC_STR:
		return CODE_STEPS_TWO;
	case ZYDIS_MNEMONIC_XBEGIN: /* the trap flag itself makes it fail */
		return CODE_STEPS_TWO | CODE_IS_BRANCH;
	case ZYDIS_MNEMONIC_MOV:
	case ZYDIS_MNEMONIC_POP:
		if (i->operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    i->operands[0].reg.value == ZYDIS_REGISTER_SS)
			return CODE_STEPS_TWO;
		return 0;
	default:
		return 0;
	}
}

void instruction_describe(const struct instruction *i, struct code_instruction *out)
{
	out->length = i->z.length;
	out->flags = flags_of_mnemonic(i);
	switch (i->z.meta.category) {
	case ZYDIS_CATEGORY_CALL:
		out->flags |= CODE_IS_CALL | CODE_IS_BRANCH;
		break;
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_RET:
		if (i->z.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE)
			out->flags |= CODE_IS_BRANCH;
		break;
	default:
		break;
	}
	if (i->z.attributes &
	    (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE))
		out->flags |= CODE_IS_REPEATED;
}

int x86_decode(const struct arch_code *c, const uint8_t *bytes, size_t n,
	       struct code_instruction *out)
{
	struct instruction i;
	int e = instruction_decode(c, bytes, n, &i);

	if (e == 0)
		instruction_describe(&i, out);
	else
		memset(out, 0, sizeof *out);
	return e;
}

ssize_t x86_find_syscall(const struct arch_code *c, const uint8_t *bytes, size_t n)
{
	static const uint8_t wide[2] = { 0x0f, 0x05 }, narrow[2] = { 0xcd, 0x80 };
	const uint8_t *found = memmem(bytes, n, code_is_wide(c) ? wide : narrow, 2);

	return found == NULL ? -ENOENT : found - bytes;
}
