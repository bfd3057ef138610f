/* SPDX-License-Identifier: MIT */
/*
 * An indirect function (STT_GNU_IFUNC) names a resolver, which the dynamic linker runs to
 * learn where the code is. It keeps the answers in tables of addresses: at relocations of
 * the symbol in other modules, and at relocations without a symbol whose addend is the
 * resolver, in the own one.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/symbols/symbols.h"

struct seek {
	const struct modules *modules;
	const struct module *owner;
	uint64_t resolver; /* in the owner's image */
	const char *name;
	struct cotrace *session;
	pid_t pid;
	struct addresses *found;
};

/* What the file has at a place that is not code. */
static uint64_t word_in_file(struct image *image, uint64_t addr)
{
	size_t n;

	if (elf_getphdrnum(image->elf, &n) < 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t word64;
		uint32_t word32;
		Elf_Data *data;
		GElf_Phdr ph;

		if (!gelf_getphdr(image->elf, (int)i, &ph) || ph.p_type != PT_LOAD ||
		    addr - ph.p_vaddr >= ph.p_filesz)
			continue;
		data = elf_getdata_rawchunk(image->elf, (int64_t)(ph.p_offset + addr - ph.p_vaddr),
					    image->word,
					    image->word == 8 ? ELF_T_XWORD : ELF_T_WORD);
		if (!data || !data->d_buf)
			return 0;
		memcpy(&word32, data->d_buf, sizeof word32);
		if (image->word == 4)
			return word32;
		memcpy(&word64, data->d_buf, sizeof word64);
		return word64;
	}
	return 0;
}

static bool same_word(const struct module *m, uint64_t a, uint64_t b)
{
	return m->image->word == 4 ? (uint32_t)a == (uint32_t)b : a == b;
}

/* What stands in the process's table; taken if it is code of the owner. */
static void take_slot(struct seek *s, const struct module *m, uint64_t slot)
{
	uint64_t value = 0;

	if (cotrace_read_memory(s->session, s->pid, slot + m->bias, &value, m->image->word) !=
	    m->image->word)
		return;
	/* As in the file: it has not been asked yet. */
	if (same_word(m, value, word_in_file(m->image, slot)) ||
	    same_word(m, value - m->bias, word_in_file(m->image, slot)))
		return;
	value -= s->owner->bias;
	if (m->image->word == 4)
		value &= UINT32_MAX;
	if (value != s->resolver && image_is_code(s->owner->image, value))
		addresses_add(s->found, value);
}

static bool is_symbol(const struct seek *s, struct image *image, Elf_Data *symbols, size_t strings,
		      size_t index)
{
	const char *name;
	GElf_Sym sym;

	if (!symbols || !gelf_getsym(symbols, (int)index, &sym))
		return false;
	name = elf_strptr(image->elf, strings, sym.st_name);
	return name && !strcmp(name, s->name);
}

static void take_section(struct seek *s, const struct module *m, Elf_Scn *section,
			 const GElf_Shdr *sh)
{
	Elf_Data *data = elf_getdata(section, NULL), *symbols = NULL;
	size_t n = sh->sh_entsize ? sh->sh_size / sh->sh_entsize : 0, strings = 0;
	Elf_Scn *table = sh->sh_link ? elf_getscn(m->image->elf, sh->sh_link) : NULL;
	GElf_Shdr table_head;

	if (table && gelf_getshdr(table, &table_head)) {
		symbols = elf_getdata(table, NULL);
		strings = table_head.sh_link;
	}
	for (size_t i = 0; data && i < n; i++) {
		GElf_Rela rela = { 0 };
		GElf_Rel rel;

		if (sh->sh_type == SHT_RELA) {
			if (!gelf_getrela(data, (int)i, &rela))
				continue;
		} else {
			if (!gelf_getrel(data, (int)i, &rel))
				continue;
			rela = (GElf_Rela){ rel.r_offset, rel.r_info, 0 };
		}
		if (GELF_R_SYM(rela.r_info)) {
			if (is_symbol(s, m->image, symbols, strings, GELF_R_SYM(rela.r_info)))
				take_slot(s, m, rela.r_offset);
			continue;
		}
		if (sh->sh_type == SHT_REL)
			rela.r_addend = (int64_t)word_in_file(m->image, rela.r_offset);
		if (m->image == s->owner->image && (uint64_t)rela.r_addend == s->resolver)
			take_slot(s, m, rela.r_offset);
	}
}

void modules_resolve(const struct modules *m, const struct module *owner, uint64_t resolver,
		     const char *name, struct cotrace *session, pid_t pid, struct addresses *found)
{
	struct seek s = { m, owner, resolver, name, session, pid, found };

	for (size_t i = 0; i < m->count; i++) {
		Elf_Scn *section = NULL;

		while ((section = elf_nextscn(m->v[i].image->elf, section))) {
			GElf_Shdr sh;

			if (gelf_getshdr(section, &sh) &&
			    (sh.sh_type == SHT_RELA || sh.sh_type == SHT_REL) &&
			    sh.sh_flags & SHF_ALLOC)
				take_section(&s, &m->v[i], section, &sh);
		}
	}
}
