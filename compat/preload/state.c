/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <linux/filter.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/single_threaded.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "compat/preload/preload.h"
#include "compat/supervise/pass.h"

struct state *state;
bool program_traces, program_is_tool;
const char *library_path;

/* Depth of visits of this thread; and its tid, as long as it is in the process @of. */
static __thread struct {
	unsigned inside;
	pid_t of, tid;
} self __attribute__((tls_model("initial-exec")));

bool state_inside(void)
{
	return self.inside > 0;
}

bool state_is_of_caller(void)
{
	return state->pid == (pid_t)raw_call(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

/* ---- Visits ---- */

static void lock(void)
{
	pthread_mutex_lock(&state->lock);
	self.inside++;
}

static void unlock(void)
{
	self.inside--;
	pthread_mutex_unlock(&state->lock);
}

static void begin_process(void)
{
	state->pid = (pid_t)raw_call(SYS_getpid, 0, 0, 0, 0, 0, 0);
	state->control = -1;
	list_init(&state->waiters);
}

void visit_begin(struct visit *v)
{
	v->error = errno;
	v->mask = raw_mask(~0ull);
	lock();
	if (state->pid == 0)
		begin_process();
	if (self.of != state->pid) {
		self.of = state->pid;
		self.tid = (pid_t)raw_call(SYS_gettid, 0, 0, 0, 0, 0, 0);
	}
	v->caller = (struct caller){ self.tid, state->pid, false };
}

/* Whoever traces ends as a tracer with its thread: the key is set in those that have. */
static pthread_key_t thread_end;

static void thread_ended(void *arg)
{
	struct visit v;

	(void)arg;
	visit_begin(&v);
	if (state->personality != NULL && v.caller.tid != v.caller.pid)
		personality_tracer_gone(state->personality, v.caller.pid, v.caller.tid);
	visit_end(&v);
}

void visit_traces(void)
{
	if (!__libc_single_threaded && pthread_getspecific(thread_end) == NULL)
		pthread_setspecific(thread_end, state);
}

void visit_end(const struct visit *v)
{
	child_signal_follow(v);
	unlock();
	raw_mask(v->mask);
	errno = v->error;
}

void visit_pause(const struct visit *v)
{
	child_signal_follow(v);
	unlock();
}

void visit_go_on(const struct visit *v)
{
	(void)v;
	lock();
}

/* ---- Claiming ---- */

static int hear_greeting(int fd)
{
	struct hosted_greeting greeting;
	int none, r;

	state->control = fd_hide(fd);
	r = pass_receive(state->control, &greeting, sizeof greeting, &none, MSG_DONTWAIT);
	fd_close(none);
	if (r < 0)
		state->control = fd_close(state->control);
	state->engine = greeting.engine;
	return r;
}

static void claim(void)
{
	long fd = raw_call(SYS_ptrace, HOSTED_CLAIM, 0, 0, 0, 0, 0);

	if (fd < 0 || hear_greeting((int)fd) < 0) {
		state->owner = OWNER_KERNEL;
		return;
	}
	state->owner = OWNER_OURS;
	child_signal_init();
}

bool state_is_ours(void)
{
	struct visit v;

	if (state == NULL || state_inside())
		return false;
	if (state->owner != OWNER_UNKNOWN)
		return state->owner == OWNER_OURS;
	visit_begin(&v);
	if (state->owner == OWNER_UNKNOWN)
		claim();
	visit_end(&v);
	return state->owner == OWNER_OURS;
}

/* ---- The personality ---- */

static int read_caller(void *arg, const struct caller *c, uint64_t addr, void *buf, size_t size)
{
	(void)arg;
	(void)c;
	return own_read(addr, buf, size);
}

static int write_caller(void *arg, const struct caller *c, uint64_t addr, const void *buf,
			size_t size)
{
	(void)arg;
	(void)c;
	return own_write(addr, buf, size);
}

static void changed(void *arg, pid_t tracer, bool sigchld, const void *info)
{
	(void)arg;
	(void)tracer;
	waiters_wake();
	if (sigchld)
		child_signal_send(info);
}

static bool is_admin(void *arg, const struct caller *c)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	(void)arg;
	(void)c;
	return raw_call(SYS_capget, (uintptr_t)&header, (uintptr_t)data, 0, 0, 0, 0) == 0 &&
	       data[0].effective >> CAP_SYS_ADMIN & 1;
}

/* The filter under which we are is the one that knows our cookie, half by half. */
static bool intercepts(void *arg, const void *code, size_t size)
{
	const struct sock_filter *at = code;
	bool low = false, high = false;

	(void)arg;
	for (size_t i = 0; i < size / sizeof *at; i++) {
		low |= at[i].k == (uint32_t)HOSTED_COOKIE;
		high |= at[i].k == (uint32_t)(HOSTED_COOKIE >> 32);
	}
	return low && high;
}

int state_personality(struct personality **out)
{
	static const struct host host = { read_caller, write_caller, changed, intercepts,
					  is_admin };
	int r = 0;

	if (state->personality == NULL) {
		r = personality_new(&state->personality, &host, NULL, state->engine);
		if (r == 0)
			child_signal_renew();
	}
	*out = state->personality;
	return r;
}

static void take_tracee(const struct hosted_tracee *t, int fd)
{
	struct caller c = { t->tid, t->pid, false };
	struct personality *p;

	if (state_personality(&p) < 0)
		fd_close(fd);
	else
		personality_borrow(p, state->pid, &c, t->task, fd);
}

void state_take_tracees(void)
{
	struct hosted_tracee t;
	int fd, r = 0;

	while (state->control >= 0 && r == 0) {
		r = pass_receive(state->control, &t, sizeof t, &fd, MSG_DONTWAIT);
		if (r == 0)
			take_tracee(&t, fd);
		else if (r != -EAGAIN)
			state->control = fd_close(state->control);
	}
}

/* ---- At its end ---- */

/* A tracer that is killed cannot do that: its sessions just end. */
__attribute__((destructor)) static void let_go(void)
{
	struct visit v;

	if (state == NULL || state->personality == NULL || state_inside() || !state_is_of_caller())
		return;
	visit_begin(&v);
	personality_tracer_gone(state->personality, v.caller.pid, 0);
	visit_end(&v);
}

PRELOAD_EXPORT void _exit(int status)
{
	let_go();
	for (;;)
		raw_call(SYS_exit_group, (uint64_t)status, 0, 0, 0, 0, 0);
}

/* ---- At the start of the program ---- */

/* Its imports come first among its symbols: as far as the hash table of the others begins. */
struct imports {
	const ElfW(Sym) * symbols;
	const char *names;
	const uint32_t *hash;
};

static void find_imports(struct imports *out, const struct dl_phdr_info *object,
			 const ElfW(Dyn) * dyn)
{
	for (; dyn->d_tag != DT_NULL; dyn++) {
		uintptr_t at = dyn->d_un.d_ptr;

		if (at < object->dlpi_addr)
			at += object->dlpi_addr;
		if (dyn->d_tag == DT_SYMTAB)
			out->symbols = (const ElfW(Sym) *)at;
		if (dyn->d_tag == DT_STRTAB)
			out->names = (const char *)at;
		if (dyn->d_tag == DT_GNU_HASH)
			out->hash = (const uint32_t *)at;
	}
}

static bool is_system(const char *name)
{
	return strstr(name, "/libc.so") != NULL || strstr(name, "/ld-linux") != NULL ||
	       strstr(name, "linux-vdso") != NULL || strcmp(name, library_path) == 0;
}

static int look_at_object(struct dl_phdr_info *object, size_t size, void *arg)
{
	struct imports in = { 0 };

	bool *first = arg, is_program = *first;

	(void)size;
	*first = false;
	if (is_system(object->dlpi_name))
		return 0;
	for (unsigned i = 0; i < object->dlpi_phnum; i++)
		if (object->dlpi_phdr[i].p_type == PT_DYNAMIC)
			find_imports(&in, object,
				     (const ElfW(Dyn) *)(object->dlpi_addr +
							 object->dlpi_phdr[i].p_vaddr));
	if (in.symbols == NULL || in.names == NULL || in.hash == NULL)
		return 0;
	for (uint32_t i = 1; i < in.hash[1]; i++)
		if (strcmp(in.names + in.symbols[i].st_name, "ptrace") == 0) {
			program_is_tool = is_program;
			return 1;
		}
	return 0;
}

/* Nobody else is to see that it is there, least of all the programs that are traced. */
static void leave_environment(void)
{
	size_t length = strlen(library_path), kept = 0;

	for (char **at = environ; *at != NULL; at++) {
		bool ours = strncmp(*at, "LD_PRELOAD=", 11) == 0 &&
			    strncmp(*at + 11, library_path, length) == 0;

		if (ours && (*at)[11 + length] == ':')
			memmove(*at + 11, *at + 12 + length, strlen(*at + 12 + length) + 1);
		else if (ours)
			continue;
		environ[kept++] = *at;
	}
	environ[kept] = NULL;
}

__attribute__((constructor)) static void start(void)
{
	bool first = true;
	Dl_info info;

	if (dladdr((void *)(uintptr_t)start, &info) == 0)
		return;
	library_path = info.dli_fname;
	leave_environment();
	state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	if (state == MAP_FAILED || madvise(state, sizeof *state, MADV_WIPEONFORK) < 0) {
		state = NULL;
		return;
	}
	pthread_key_create(&thread_end, thread_ended);
	program_traces = dl_iterate_phdr(look_at_object, &first) != 0;
	if (program_traces)
		state_is_ours();
}
