/* SPDX-License-Identifier: MIT */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/stack/stack.h"
#include "cli/symbols/symbols.h"

struct shown {
	struct stack *stack;
	const struct stack_form *form;
	unsigned frames;
	unsigned first_live; /* the first frame found by memory of a process that ran; 0: none */
	bool cut;
};

static void print_name(const char *symbol, bool raw)
{
	char *text = raw ? NULL : name_demangle(symbol);

	fputs(text ? text : symbol, stdout);
	free(text);
}

static void print_head(struct shown *w, uint64_t pc)
{
	int digits = w->stack->word == 4 ? 8 : 16;

	printf("#%-3u 0x%0*" PRIx64 " ", w->frames, digits, pc);
}

static void print_line(const char *file, int line)
{
	if (file && line > 0)
		printf(" at %s:%d", file, line);
}

static const char *file_of_call(Dwarf_Die *unit, Dwarf_Die *die)
{
	Dwarf_Attribute a;
	Dwarf_Word index;
	Dwarf_Files *files;

	if (dwarf_formudata(dwarf_attr(die, DW_AT_call_file, &a), &index) ||
	    dwarf_getsrcfiles(unit, &files, NULL))
		return NULL;
	return dwarf_filesrc(files, index, NULL, NULL);
}

static int line_of_call(Dwarf_Die *die)
{
	Dwarf_Attribute a;
	Dwarf_Word line;

	return dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &a), &line) ? 0 : (int)line;
}

static const char *linkage_name(Dwarf_Die *die)
{
	Dwarf_Attribute a;
	const char *name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_linkage_name, &a));

	return name ? name : dwarf_diename(die);
}

/*
 * Functions that were put into the one that has the frame, innermost first: each on a line
 * of its own, with the place where it stands. The place left over, in *file and *line, is that
 * of the outermost call.
 */
static void print_inlined(struct shown *w, Dwfl_Module *module, uint64_t pc, uint64_t at,
			  const char **file, int *line)
{
	Dwarf_Addr bias;
	Dwarf_Die *unit = dwfl_module_addrdie(module, at, &bias), *scopes = NULL;
	int n = unit ? dwarf_getscopes(unit, at - bias, &scopes) : 0;

	for (int i = 0; i < n && dwarf_tag(&scopes[i]) != DW_TAG_subprogram; i++) {
		const char *name;

		if (dwarf_tag(&scopes[i]) != DW_TAG_inlined_subroutine)
			continue;
		print_head(w, pc);
		name = linkage_name(&scopes[i]);
		print_name(name ? name : "??", w->form->raw);
		fputs(" (inlined)", stdout);
		print_line(*file, *line);
		putchar('\n');
		*file = file_of_call(unit, &scopes[i]);
		*line = line_of_call(&scopes[i]);
		w->frames++;
	}
	free(scopes);
}

static void print_symbol(struct shown *w, Dwfl_Module *module, uint64_t pc, uint64_t at)
{
	GElf_Off offset = 0;
	GElf_Sym sym;
	const char *symbol =
		module ? dwfl_module_addrinfo(module, at, &offset, &sym, NULL, NULL, NULL) : NULL;

	print_head(w, pc);
	if (!symbol) {
		fputs("??", stdout);
		return;
	}
	print_name(symbol, w->form->raw);
	printf("+0x%" PRIx64, (uint64_t)offset + (pc - at));
}

static void print_module(Dwfl_Module *module)
{
	const char *name =
		module ? dwfl_module_info(module, NULL, NULL, NULL, NULL, NULL, NULL, NULL) : NULL;

	if (name)
		printf(" in %s", !strncmp(name, "[vdso", 5) ? "[vdso]" : name);
}

static int print_frame(Dwfl_Frame *frame, void *arg)
{
	struct shown *w = arg;
	Dwarf_Addr pc, at;
	Dwfl_Module *module;
	const char *file = NULL;
	int line = 0;
	bool exact;

	if (!dwfl_frame_pc(frame, &pc, &exact))
		return DWARF_CB_ABORT;
	if (w->frames >= w->form->frames) {
		w->cut = true;
		return DWARF_CB_ABORT;
	}
	/* A return address may lie behind the function that made the call. */
	at = exact ? pc : pc - 1;
	module = dwfl_addrmodule(w->stack->dwfl, at);
	if (module && (w->form->source || w->form->inlined)) {
		Dwfl_Line *found = dwfl_module_getsrc(module, at);

		file = found ? dwfl_lineinfo(found, NULL, &line, NULL, NULL, NULL) : NULL;
	}
	if (module && w->form->inlined)
		print_inlined(w, module, pc, at, &file, &line);
	print_symbol(w, module, pc, at);
	print_module(module);
	print_line(file, line);
	putchar('\n');
	if (w->stack->read_live && !w->first_live)
		w->first_live = w->frames;
	w->frames++;
	return DWARF_CB_OK;
}

void stack_show(struct stack *k, struct stack_task *t, const struct stack_form *form)
{
	struct shown w = { .stack = k, .form = form };
	const char *problem;

	printf("TID %d (%s):\n", (int)t->info->tid, t->name);
	if (t->info->state == COTRACE_TASK_EXITED) {
		puts("     (has exited)");
		return;
	}
	if (t->error) {
		puts("     (does not stand still: in vfork() or an uninterruptible sleep)");
		return;
	}
	problem = stack_follow(k, t, print_frame, &w);
	if (w.cut)
		printf("     (more than %u frames; see -n)\n", form->frames);
	else if (problem)
		printf("     (not to be followed further: %s)\n", problem);
	if (w.first_live)
		printf("     (from #%u on as it was a moment later, when the process ran again)\n",
		       w.first_live);
}
