/* SPDX-License-Identifier: MIT */
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/code/code.h"

#define SEEN_SIZE (1u << 17)

static uint64_t seen[2][SEEN_SIZE]; /* hash sets: 32-bit, 64-bit */

static bool see(bool wide, uint64_t shape)
{
	uint64_t *set = seen[wide];

	for (size_t i = shape % SEEN_SIZE;; i = (i + 1) % SEEN_SIZE) {
		if (set[i] == shape)
			return false;
		if (set[i] == 0) {
			set[i] = shape;
			return true;
		}
	}
}

static void mix_in(uint64_t *h, uint64_t value)
{
	*h = (*h ^ value) * 0x100000001b3ull;
	*h ^= *h >> 29;
}

static uint64_t shape_of(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *operands)
{
	uint64_t h = 0xcbf29ce484222325ull;

	mix_in(&h, z->mnemonic);
	mix_in(&h, z->encoding << 8 | z->opcode_map);
	mix_in(&h, z->opcode);
	mix_in(&h, z->operand_width << 8 | z->address_width);
	mix_in(&h, z->avx.vector_length << 8 | z->avx.mask.mode);
	mix_in(&h, z->avx.broadcast.mode << 8 | z->avx.rounding.mode);
	mix_in(&h, z->avx.has_sae);
	mix_in(&h, z->attributes & (ZYDIS_ATTRIB_HAS_LOCK | ZYDIS_ATTRIB_HAS_REP |
				    ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE |
				    ZYDIS_ATTRIB_HAS_SEGMENT | ZYDIS_ATTRIB_HAS_OPERANDSIZE));
	for (unsigned i = 0; i < z->operand_count_visible; i++) {
		const ZydisDecodedOperand *o = &operands[i];

		mix_in(&h, o->type << 16 | o->size);
		if (o->type == ZYDIS_OPERAND_TYPE_REGISTER)
			mix_in(&h, ZydisRegisterGetClass(o->reg.value));
		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY)
			mix_in(&h, (o->mem.base == ZYDIS_REGISTER_RIP) << 4 |
					   (o->mem.base != ZYDIS_REGISTER_NONE) << 3 |
					   (o->mem.index != ZYDIS_REGISTER_NONE) << 2 |
					   z->raw.disp.size << 5);
	}
	return h | 1;
}

bool samples_add(const uint8_t *bytes, size_t n, bool wide, struct sample *v, size_t *count,
		 size_t max)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction z;
	ZydisDecoder decoder;
	struct sample *s = &v[*count];

	ZydisDecoderInit(&decoder,
			 wide ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
			 wide ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
	if (*count == max ||
	    !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, n, &z, operands)) ||
	    !see(wide, shape_of(&z, operands)))
		return false;
	*s = (struct sample){ .length = z.length, .shape = shape_of(&z, operands) };
	memcpy(s->bytes, bytes, z.length);
	++*count;
	return true;
}

static size_t take_code(const uint8_t *code, size_t size, bool wide, struct sample *v, size_t count,
			size_t max)
{
	const struct arch_code *c = arch_code_by_id(wide ? 1 : 2);
	struct code_instruction insn;

	for (size_t at = 0; at < size && count < max; at += insn.length ? insn.length : 1)
		if (c->decode(c, code + at, size - at, &insn) == 0)
			samples_add(code + at, insn.length, wide, v, &count, max);
	return count;
}

#define TAKE_SECTIONS(Ehdr, Shdr)                                                               \
	do {                                                                                    \
		const Ehdr *e = (const void *)file;                                             \
		const Shdr *s = (const void *)(file + e->e_shoff);                              \
                                                                                                \
		for (unsigned i = 0; i < e->e_shnum && e->e_shoff < size; i++)                  \
			if (s[i].sh_type == SHT_PROGBITS && s[i].sh_flags & SHF_EXECINSTR &&    \
			    s[i].sh_offset + s[i].sh_size <= size)                              \
				count = take_code(file + s[i].sh_offset, s[i].sh_size, wide, v, \
						  count, max);                                  \
	} while (0)

size_t samples_take(const char *path, bool wide, struct sample *v, size_t count, size_t max)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const uint8_t *file;
	struct stat st;
	size_t size;

	if (fd < 0)
		return count;
	if (fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(Elf64_Ehdr)) {
		close(fd);
		return count;
	}
	size = (size_t)st.st_size;
	file = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (file == MAP_FAILED)
		return count;
	if (memcmp(file, ELFMAG, SELFMAG) == 0) {
		if (wide && file[EI_CLASS] == ELFCLASS64)
			TAKE_SECTIONS(Elf64_Ehdr, Elf64_Shdr);
		else if (!wide && file[EI_CLASS] == ELFCLASS32)
			TAKE_SECTIONS(Elf32_Ehdr, Elf32_Shdr);
	}
	munmap((void *)(uintptr_t)file, size);
	return count;
}
