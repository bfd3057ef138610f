/* SPDX-License-Identifier: MIT */
/* libdwfl on what was taken of a process. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/stack/stack.h"

static struct stack_task *task_at(struct stack *k, const void *where)
{
	size_t i = where ? (size_t)((const struct stack_task *)where - k->tasks) + 1 : 0;

	return i < k->count ? &k->tasks[i] : NULL;
}

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread)
{
	struct stack_task *t = task_at(arg, *thread);

	(void)dwfl;
	*thread = t;
	return t ? t->info->tid : 0;
}

/* Only the task that is being followed is ever asked for. */
static bool get_thread(Dwfl *dwfl, pid_t tid, void *arg, void **thread)
{
	struct stack *k = arg;

	(void)dwfl;
	if (!k->current || k->current->info->tid != tid)
		return false;
	*thread = k->current;
	return true;
}

static bool is_copied(const struct stack_task *t, uint64_t addr, unsigned word)
{
	return t && addr >= t->at && t->bytes >= word && addr - t->at <= t->bytes - word;
}

static bool read_word(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *result, void *arg)
{
	struct stack *k = arg;
	const struct mapping *m;
	uint64_t word = 0;

	(void)dwfl;
	if (is_copied(k->current, addr, k->word)) {
		memcpy(&word, k->current->copy + (addr - k->current->at), k->word);
		*result = word;
		return true;
	}
	if (cotrace_read_memory(k->snapshot.session, k->snapshot.pid, addr, &word, k->word) !=
	    (ssize_t)k->word)
		return false;
	m = maps_find(&k->maps, addr);
	if (k->snapshot.held_ns && (!m || m->write))
		k->read_live = true;
	*result = word;
	return true;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
	const struct stack_task *t = arg;
	bool any = false;

	for (size_t i = 0; i < STACK_NAMES; i++) {
		const char *name = t->stack->names[i];
		uint64_t value = 0;
		Dwarf_Word word;

		if (!name ||
		    cotrace_register_extract(t->info->arch, name, NT_PRSTATUS, t->registers,
					     t->register_bytes, &value, sizeof value) < 0)
			continue;
		word = value;
		/* Numbers that frames have no place for are refused; none of them matters. */
		any |= dwfl_thread_state_registers(thread, (int)i, 1, &word);
	}
	return any;
}

static const Dwfl_Thread_Callbacks callbacks = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = read_word,
	.set_initial_registers = set_registers,
};

static int add_name(void *arg, int number, const char *set, const char *prefix, const char *name,
		    int bits, int type)
{
	struct stack *k = arg;

	(void)set;
	(void)prefix;
	(void)bits;
	(void)type;
	if (name && number >= 0 && number < (int)STACK_NAMES && !k->names[number])
		k->names[number] = strdup(name);
	return DWARF_CB_OK;
}

static int take_names(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr start,
		      void *arg)
{
	(void)user;
	(void)name;
	(void)start;
	return dwfl_module_register_names(module, add_name, arg) < 0 ? DWARF_CB_OK : DWARF_CB_ABORT;
}

/* The program's own file says for which machine all this is. */
static void open_program(struct stack *k)
{
	char path[32];

	snprintf(path, sizeof path, "/proc/%d/exe", (int)k->snapshot.tid);
	elf_version(EV_CURRENT);
	k->program_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (k->program_fd >= 0)
		k->program = elf_begin(k->program_fd, ELF_C_READ_MMAP, NULL);
}

static unsigned word_of(struct stack *k)
{
	GElf_Ehdr head;

	if (!k->program || !gelf_getehdr(k->program, &head))
		return sizeof(uint64_t);
	return head.e_ident[EI_CLASS] == ELFCLASS32 ? 4 : 8;
}

const char *stack_prepare(struct stack *k)
{
	open_program(k);
	k->word = word_of(k);
	k->names = calloc(STACK_NAMES, sizeof *k->names);
	if (!k->names)
		return strerror(ENOMEM);
	k->dwfl = dwfl_begin(&stack_callbacks);
	if (!k->dwfl || !stack_report_modules(k) ||
	    !dwfl_attach_state(k->dwfl, k->program, k->snapshot.pid, &callbacks, k))
		return dwfl_errmsg(-1);
	dwfl_getmodules(k->dwfl, take_names, k, 0);
	return NULL;
}

void stack_end(struct stack *k)
{
	if (k->dwfl)
		dwfl_end(k->dwfl);
	if (k->program)
		elf_end(k->program);
	if (k->program_fd >= 0)
		close(k->program_fd);
	for (size_t i = 0; k->names && i < STACK_NAMES; i++)
		free(k->names[i]);
	free(k->names);
}

const char *stack_follow(struct stack *k, struct stack_task *t, int (*frame)(Dwfl_Frame *, void *),
			 void *arg)
{
	int r;

	k->current = t;
	k->read_live = false;
	r = dwfl_getthread_frames(k->dwfl, t->info->tid, frame, arg);
	k->current = NULL;
	return r < 0 ? dwfl_errmsg(-1) : NULL;
}
