/* SPDX-License-Identifier: MIT */
/*
 * The dynamic linker calls a function of its own, which does nothing, before and after it
 * changes what is loaded: _dl_debug_state, also named by r_brk of struct r_debug, to which
 * the program's DT_DEBUG points once the linker has begun.
 */
#include <link.h>
#include <string.h>

#include "cli/break/breaker.h"

#define DYNAMIC_MAX 256 /* entries of a dynamic section */

static const char hook[] = "_dl_debug_state";

static uint64_t read_word(struct field *f, const struct process *p, unsigned word, uint64_t addr)
{
	uint64_t v64 = 0;
	uint32_t v32 = 0;

	if (word == 8)
		return cotrace_read_memory(f->session, p->pid, addr, &v64, 8) == 8 ? v64 : 0;
	return cotrace_read_memory(f->session, p->pid, addr, &v32, 4) == 4 ? v32 : 0;
}

/* A value of the module's dynamic section, as it is in memory. */
static uint64_t dynamic(struct field *f, const struct process *p, const struct module *m,
			uint64_t tag)
{
	unsigned word = m->image->word;
	GElf_Phdr ph;

	if (!image_segment(m->image, PT_DYNAMIC, &ph))
		return 0;
	for (uint64_t i = 0; i < DYNAMIC_MAX; i++) {
		uint64_t at = ph.p_vaddr + m->bias + 2 * i * word;
		uint64_t found = read_word(f, p, word, at);

		if (found == tag)
			return read_word(f, p, word, at + word);
		if (found == DT_NULL)
			break;
	}
	return 0;
}

/* A member of struct r_debug: version, map, brk, state lie one word apart. */
static uint64_t debug_member(struct field *f, const struct process *p, const struct module *m,
			     unsigned index)
{
	uint64_t debug = dynamic(f, p, m, DT_DEBUG);

	return debug ? read_word(f, p, m->image->word, debug + (uint64_t)index * m->image->word)
		     : 0;
}

/* By name; in a static program that can load libraries too. */
static bool follow_hook(struct field *f, struct process *p)
{
	bool found = false;

	for (size_t i = 0; i < p->modules.count; i++) {
		const struct module *m = &p->modules.v[i];
		struct functions functions = { 0 };

		/* Libraries do not have it; theirs are many. */
		if (!strstr(image_name(m->image), "ld") &&
		    m != modules_program(&p->modules, p->pid))
			continue;
		image_symbols(m->image, hook, &functions);
		for (size_t n = 0; n < functions.code.count; n++)
			if (!place_own(f, p, PLACEMENT_LINKER, m, functions.code.v[n] + m->bias))
				found = true;
		functions_free(&functions);
	}
	return found;
}

void linker_follow(struct field *f, struct process *p)
{
	const struct module *program;
	GElf_Ehdr head;
	GElf_Phdr ph;
	uint64_t brk;

	if (p->followed)
		return;
	program = modules_program(&p->modules, p->pid);
	p->followed = follow_hook(f, p);
	if (p->followed || !program || !image_segment(program->image, PT_INTERP, &ph))
		return;
	brk = debug_member(f, p, program, 2);
	if (brk)
		p->followed = !place_own(f, p, PLACEMENT_LINKER, NULL, brk);
	else if (gelf_getehdr(program->image->elf, &head))
		place_own(f, p, PLACEMENT_START, program, head.e_entry + program->bias);
}

bool linker_has_loaded(struct field *f, struct process *p)
{
	const struct module *program = modules_program(&p->modules, p->pid);
	GElf_Phdr ph;

	if (!program || !image_segment(program->image, PT_INTERP, &ph))
		return true;
	return debug_member(f, p, program, 1) &&
	       (uint32_t)debug_member(f, p, program, 3) == RT_CONSISTENT;
}
