/* SPDX-License-Identifier: MIT */
#include "test/code/trials.h"

static bool is_x87(const ZydisDecodedInstruction *z)
{
	return z->meta.isa_ext == ZYDIS_ISA_EXT_X87;
}

static bool is_sse(const ZydisDecodedInstruction *z)
{
	return z->meta.isa_ext >= ZYDIS_ISA_EXT_SSE && z->meta.isa_ext <= ZYDIS_ISA_EXT_SSSE3;
}

static bool is_vex(const ZydisDecodedInstruction *z)
{
	return z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX &&
	       z->meta.isa_ext == ZYDIS_ISA_EXT_AVX;
}

static bool is_avx2(const ZydisDecodedInstruction *z)
{
	return z->meta.isa_ext == ZYDIS_ISA_EXT_AVX2 || z->meta.isa_ext == ZYDIS_ISA_EXT_AVX2GATHER;
}

static bool is_evex(const ZydisDecodedInstruction *z)
{
	return z->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;
}

static bool is_repeated(const ZydisDecodedInstruction *z)
{
	return z->attributes &
	       (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
}

static bool is_pc_relative(const ZydisDecodedInstruction *z)
{
	return z->attributes & ZYDIS_ATTRIB_IS_RELATIVE && !z->raw.imm[0].is_relative;
}

static bool is_conditional(const ZydisDecodedInstruction *z)
{
	return z->meta.category == ZYDIS_CATEGORY_COND_BR;
}

static bool is_jump(const ZydisDecodedInstruction *z)
{
	return z->meta.category == ZYDIS_CATEGORY_UNCOND_BR;
}

static bool is_call_or_return(const ZydisDecodedInstruction *z)
{
	return z->meta.category == ZYDIS_CATEGORY_CALL || z->meta.category == ZYDIS_CATEGORY_RET;
}

static bool is_flags(const ZydisDecodedInstruction *z)
{
	return z->mnemonic == ZYDIS_MNEMONIC_PUSHFQ || z->mnemonic == ZYDIS_MNEMONIC_POPFQ;
}

static bool is_stack(const ZydisDecodedInstruction *z)
{
	return z->meta.category == ZYDIS_CATEGORY_PUSH || z->meta.category == ZYDIS_CATEGORY_POP ||
	       z->mnemonic == ZYDIS_MNEMONIC_LEAVE || z->mnemonic == ZYDIS_MNEMONIC_ENTER;
}

static bool is_bmi(const ZydisDecodedInstruction *z)
{
	return z->meta.category == ZYDIS_CATEGORY_BMI1 || z->meta.category == ZYDIS_CATEGORY_BMI2;
}

static bool is_cmov(const ZydisDecodedInstruction *z)
{
	return z->meta.category == ZYDIS_CATEGORY_CMOV;
}

static bool is_locked(const ZydisDecodedInstruction *z)
{
	return z->attributes & ZYDIS_ATTRIB_HAS_LOCK;
}

static bool is_division(const ZydisDecodedInstruction *z)
{
	return z->mnemonic == ZYDIS_MNEMONIC_DIV || z->mnemonic == ZYDIS_MNEMONIC_IDIV;
}

static bool is_segmented(const ZydisDecodedInstruction *z)
{
	return z->attributes & (ZYDIS_ATTRIB_HAS_SEGMENT_FS | ZYDIS_ATTRIB_HAS_SEGMENT_GS);
}

static bool is_of_the_system(const ZydisDecodedInstruction *z)
{
	return z->meta.category == ZYDIS_CATEGORY_SYSTEM || z->meta.category == ZYDIS_CATEGORY_IO;
}

const struct class classes[CLASS_COUNT] = {
	{ "x87", is_x87, 0 },
	{ "SSE", is_sse, 0 },
	{ "AVX", is_vex, 0x4 },
	{ "AVX2", is_avx2, 0x4 },
	{ "AVX-512", is_evex, 0xe0 },
	{ "repeated", is_repeated, 0 },
	{ "RIP-relative", is_pc_relative, 0 },
	{ "conditional branches", is_conditional, 0 },
	{ "jumps", is_jump, 0 },
	{ "calls and returns", is_call_or_return, 0 },
	{ "pushf, popf", is_flags, 0 },
	{ "push, pop, enter, leave", is_stack, 0 },
	{ "BMI", is_bmi, 0 },
	{ "cmov", is_cmov, 0 },
	{ "locked", is_locked, 0 },
	{ "division", is_division, 0 },
	{ "fs, gs", is_segmented, 0 },
	{ "system", is_of_the_system, 0 },
};

void classes_count(const struct sample *s, bool wide, unsigned of_class[CLASS_COUNT])
{
	ZydisDisassembledInstruction d;

	if (!ZYAN_SUCCESS(ZydisDisassembleIntel(wide ? ZYDIS_MACHINE_MODE_LONG_64
						     : ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
						CODE_AT, s->bytes, s->length, &d)))
		return;
	for (size_t i = 0; i < CLASS_COUNT; i++)
		of_class[i] += classes[i].holds(&d.info);
}
