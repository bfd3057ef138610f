/* SPDX-License-Identifier: MIT */
#include "cli/symbols/unwind.h"

#include <dwarf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct unwinder {
	struct cotrace *session;
	Dwfl *dwfl;
	pid_t pid;
	bool attached;
	uint64_t task, pc; /* the one being unwound */
	struct frame *frames;
	int count, max;
};

static bool read_memory(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *result, void *arg)
{
	struct unwinder *u = arg;
	GElf_Addr bias;
	Dwfl_Module *module = dwfl_addrmodule(dwfl, u->pc);
	Elf *elf = module ? dwfl_module_getelf(module, &bias) : NULL;
	size_t word = elf && gelf_getclass(elf) == ELFCLASS32 ? 4 : 8;

	*result = 0;
	return cotrace_read_memory(u->session, u->pid, addr, result, word) == (ssize_t)word;
}

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
	(void)dwfl;
	(void)arg;
	(void)thread_arg;
	return 0;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *arg, void **thread_arg)
{
	(void)dwfl;
	(void)tid;
	*thread_arg = arg;
	return true;
}

struct loading {
	struct unwinder *u;
	Dwfl_Thread *thread;
	bool any;
};

static int load_register(void *arg, int number, const char *set, const char *prefix,
			 const char *name, int bits, int type)
{
	struct loading *l = arg;
	Dwarf_Word value = 0;

	(void)prefix;
	(void)type;
	/* Others are not needed, and the unwinder knows few. */
	if (strcmp(set, "integer") != 0 || bits > 64)
		return 0;
	if (cotrace_register_read(l->u->session, l->u->task, name, &value, sizeof value) > 0 &&
	    dwfl_thread_state_registers(l->thread, number, 1, &value))
		l->any = true;
	return 0;
}

static bool load_registers(Dwfl_Thread *thread, void *arg)
{
	struct unwinder *u = arg;
	struct loading l = { u, thread, false };
	Dwfl_Module *module = dwfl_addrmodule(u->dwfl, u->pc);

	if (module)
		dwfl_module_register_names(module, load_register, &l);
	if (l.any)
		dwfl_thread_state_register_pc(thread, u->pc);
	return l.any;
}

static const Dwfl_Thread_Callbacks threads = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = read_memory,
	.set_initial_registers = load_registers,
};

/* The files that were opened for their symbols, also those that have been replaced since. */
static bool report(struct unwinder *u, const struct modules *m)
{
	dwfl_report_begin(u->dwfl);
	for (size_t i = 0; i < m->count; i++) {
		const struct image *image = m->v[i].image;
		int fd = fcntl(image->fd, F_DUPFD_CLOEXEC, 0);

		if (fd >= 0 && !dwfl_report_elf(u->dwfl, image_name(image), image->path, fd,
						m->v[i].bias, true))
			close(fd);
	}
	return dwfl_report_end(u->dwfl, NULL, NULL) == 0;
}

struct unwinder *unwinder_new(struct cotrace *s, pid_t pid, const struct modules *m)
{
	static char *debug_path = NULL;
	static const Dwfl_Callbacks callbacks = {
		.find_elf = dwfl_build_id_find_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo,
		.debuginfo_path = &debug_path,
	};
	struct unwinder *u = calloc(1, sizeof *u);

	if (!u)
		return NULL;
	*u = (struct unwinder){ .session = s, .pid = pid, .dwfl = dwfl_begin(&callbacks) };
	if (u->dwfl && report(u, m))
		return u;
	unwinder_free(u);
	return NULL;
}

void unwinder_free(struct unwinder *u)
{
	if (!u)
		return;
	if (u->dwfl)
		dwfl_end(u->dwfl);
	free(u);
}

void unwinder_changed(struct unwinder *u, const struct modules *m)
{
	if (u)
		report(u, m);
}

static int take_frame(Dwfl_Frame *state, void *arg)
{
	struct unwinder *u = arg;
	struct frame *frame = &u->frames[u->count];

	if (!dwfl_frame_pc(state, &frame->pc, &frame->is_exact))
		return DWARF_CB_ABORT;
	/* The end of a stack is a return address of 0. */
	if (!frame->pc || ++u->count == u->max)
		return DWARF_CB_ABORT;
	return DWARF_CB_OK;
}

int unwinder_frames(struct unwinder *u, uint64_t task, pid_t tid, uint64_t pc, struct frame *frames,
		    int max)
{
	u->task = task;
	u->pc = pc;
	u->frames = frames;
	u->max = max;
	u->count = 0;
	frames[0] = (struct frame){ pc, true };
	if (!u->attached)
		u->attached = dwfl_attach_state(u->dwfl, NULL, u->pid, &threads, u);
	if (u->attached)
		dwfl_getthread_frames(u->dwfl, tid, take_frame, u);
	/* Where it stands is known in any case. */
	return u->count ? u->count : 1;
}

/* A call returns behind itself, maybe to another line or function. */
static uint64_t place_of(const struct frame *frame)
{
	return frame->is_exact ? frame->pc : frame->pc - 1;
}

const struct module *frame_module(const struct modules *m, const struct frame *frame)
{
	for (size_t i = 0; i < m->count; i++)
		if (image_is_code(m->v[i].image, place_of(frame) - m->v[i].bias))
			return &m->v[i];
	return NULL;
}

void frame_show(const struct modules *m, const struct frame *frame, struct out *out)
{
	const struct module *module = frame_module(m, frame);
	uint64_t addr = place_of(frame) - (module ? module->bias : 0);
	const char *file, *slash;
	int line;

	if (!module || !image_show_symbol(module->image, addr, out))
		out_hex(out, frame->pc);
	if (!module)
		return;
	out_str(out, " (");
	if (image_source(module->image, addr, &file, &line)) {
		slash = strrchr(file, '/');
		out_str(out, slash ? slash + 1 : file);
		out_char(out, ':');
		out_i64(out, line);
	} else
		out_str(out, image_name(module->image));
	out_char(out, ')');
}
