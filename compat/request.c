/* SPDX-License-Identifier: MIT */
/* ptrace(2), request by request. */
#include <elf.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/ptrace.h>
#include <string.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "compat/internal.h"

/* Old names that <linux/ptrace.h> has no more. */
#define OLD_SETOPTIONS 21
#define GET_REGISTERS 12
#define SET_REGISTERS 13
#define GET_FP_REGISTERS 14
#define SET_FP_REGISTERS 15
#define GET_THREAD_AREA 25
#define SET_THREAD_AREA 26
#define ARCH_PRCTL 30
#define SYSTEM_EMULATE 31
#define SYSTEM_EMULATE_STEP 32
#define SET_SYSCALL_INFO 0x4212 /* Linux 6.16 */
#define FP_SIZE 512
#define REGSET_MAX 16384
#define SIGNO_MAX 64
#define PEEK_MAX 64

/* A request under way. */
struct ask {
	struct personality *p;
	const struct caller *c;
	struct tracee *t;
	uint64_t addr, data;
};

/* ---- Memory ---- */

static int peek(struct ask *a)
{
	uint64_t word;

	if (memory_read(a->t->covered, a->addr, &word, sizeof word) != (ssize_t)sizeof word)
		return -EIO;
	return caller_write(a->p, a->c, a->data, &word, sizeof word);
}

static int poke(struct ask *a)
{
	ssize_t n = memory_write(a->t->covered, a->addr, &a->data, sizeof a->data);

	return n == (ssize_t)sizeof a->data ? 0 : -EIO;
}

/* ---- Registers ---- */

static int peek_user(struct ask *a)
{
	uint64_t value;
	int r = user_peek(a->t, a->addr, &value);

	return r < 0 ? r : caller_write(a->p, a->c, a->data, &value, sizeof value);
}

static int poke_user(struct ask *a)
{
	return user_poke(a->t, a->addr, a->data);
}

static int get_registers(struct ask *a)
{
	uint8_t regs[512];
	size_t size = sizeof regs;
	int r = user_get_registers(a->t, regs, &size);

	return r < 0 ? r : caller_write(a->p, a->c, a->data, regs, size);
}

static int set_registers(struct ask *a)
{
	uint8_t regs[512];
	int r = caller_read(a->p, a->c, a->data, regs, user_registers_size());

	return r < 0 ? r : user_set_registers(a->t, regs, user_registers_size());
}

static int get_thread_area(struct ask *a)
{
	return user_get_thread_area(a->t, a->c, a->addr, a->data);
}

static int set_thread_area(struct ask *a)
{
	return user_set_thread_area(a->t, a->c, a->addr, a->data);
}

static int get_fp_registers(struct ask *a)
{
	uint8_t regs[FP_SIZE];
	ssize_t n =
		cotrace_regset_read(a->t->covered->s, a->t->task, NT_PRFPREG, regs, sizeof regs);

	return n < 0 ? -EIO : caller_write(a->p, a->c, a->data, regs, (size_t)n);
}

static int set_fp_registers(struct ask *a)
{
	uint8_t regs[FP_SIZE];
	int r = caller_read(a->p, a->c, a->data, regs, sizeof regs);

	return r < 0 ? r
		     : cotrace_regset_write(a->t->covered->s, a->t->task, NT_PRFPREG, regs,
					    sizeof regs);
}

/* The set as it is, and how much of it the caller means. Bytes stored, or -errno. */
static ssize_t load_regset(struct ask *a, uint8_t bytes[REGSET_MAX], struct iovec *iov)
{
	int r = caller_read(a->p, a->c, a->data, iov, sizeof *iov);
	ssize_t n;

	if (r < 0)
		return r;
	if (!user_regset_fits(a->t, (unsigned)a->addr, iov->iov_len))
		return -EINVAL;
	n = cotrace_regset_read(a->t->covered->s, a->t->task, (unsigned)a->addr, bytes, REGSET_MAX);
	if (n >= 0 && iov->iov_len > (size_t)n)
		iov->iov_len = (size_t)n;
	return n == -ENODEV ? -EINVAL : n;
}

static int get_regset(struct ask *a)
{
	static uint8_t bytes[REGSET_MAX];
	struct iovec iov;
	ssize_t n = load_regset(a, bytes, &iov);
	int r;

	if (n < 0)
		return (int)n;
	if (a->addr == NT_PRSTATUS)
		user_show_registers(a->t, bytes, (size_t)n);
	r = caller_write(a->p, a->c, (uintptr_t)iov.iov_base, bytes, iov.iov_len);
	return r < 0 ? r : caller_write(a->p, a->c, a->data, &iov, sizeof iov);
}

/* Whether a part will do is for the kernel to say: it depends on the set. */
static int set_regset(struct ask *a)
{
	static uint8_t bytes[REGSET_MAX];
	struct iovec iov;
	ssize_t n = load_regset(a, bytes, &iov);
	uint64_t pc;
	int r;

	if (n < 0)
		return (int)n;
	pc = a->addr == NT_PRSTATUS ? user_pc_of(bytes, (size_t)n) : 0;
	if (a->addr == NT_PRSTATUS)
		user_show_registers(a->t, bytes, (size_t)n);
	r = caller_read(a->p, a->c, (uintptr_t)iov.iov_base, bytes, iov.iov_len);
	if (r == 0 && a->addr == NT_PRSTATUS)
		user_hide_registers(a->t, bytes, (size_t)n, pc);
	if (r == 0)
		r = cotrace_regset_write(a->t->covered->s, a->t->task, (unsigned)a->addr, bytes,
					 iov.iov_len);
	a->t->touched = true;
	return r < 0 ? r : caller_write(a->p, a->c, a->data, &iov, sizeof iov);
}

static int arch_prctl_(struct ask *a)
{
	return user_arch_prctl(a->t, a->c, a->data, a->addr);
}

/* ---- What a stop is ---- */

static int get_message(struct ask *a)
{
	return caller_write(a->p, a->c, a->data, &a->t->message, sizeof a->t->message);
}

static int load_info(struct tracee *t)
{
	ssize_t n;

	if (t->has_info)
		return 0;
	if (t->kind != STOP_SIGNAL)
		return -EINVAL;
	n = cotrace_siginfo_read(t->covered->s, t->task, &t->info, sizeof t->info);
	if (n < 0)
		return -EINVAL;
	t->has_info = true;
	return 0;
}

static int get_siginfo(struct ask *a)
{
	int r = load_info(a->t);

	return r < 0 ? r : caller_write(a->p, a->c, a->data, &a->t->info, sizeof a->t->info);
}

static int set_siginfo(struct ask *a)
{
	int r = load_info(a->t);

	if (r == 0)
		r = caller_read(a->p, a->c, a->data, &a->t->info, sizeof a->t->info);
	if (r == 0)
		a->t->info_set = true;
	return r;
}

/* The kernel's structure, and how many bytes of it an operation has. */
static size_t syscall_info(const struct tracee *t, struct ptrace_syscall_info *info)
{
	const struct cotrace_event *ev = &t->ev;

	*info = (struct ptrace_syscall_info){
		.arch = user_audit_arch(ev->arch),
		.instruction_pointer = t->pc_at != 0 ? t->pc_shown : ev->pc,
		.stack_pointer = ev->sp,
	};
	if (t->kind == STOP_EVENT && ev->kind == COTRACE_EVENT_SECCOMP) {
		info->op = PTRACE_SYSCALL_INFO_SECCOMP;
		info->seccomp.nr = (uint64_t)ev->seccomp.nr;
		memcpy(info->seccomp.args, ev->seccomp.args, sizeof info->seccomp.args);
		info->seccomp.ret_data = ev->seccomp.data;
		return offsetof(struct ptrace_syscall_info, seccomp.ret_data) +
		       sizeof info->seccomp.ret_data;
	}
	/* The kernel knows a stop at a call by this mark. */
	if (t->kind != STOP_CALL || !(t->status >> 8 & STATUS_SYSGOOD))
		return offsetof(struct ptrace_syscall_info, entry);
	if (ev->kind == COTRACE_EVENT_SYSCALL_ENTRY) {
		info->op = PTRACE_SYSCALL_INFO_ENTRY;
		info->entry.nr = (uint64_t)ev->syscall.nr;
		memcpy(info->entry.args, ev->syscall.args, sizeof info->entry.args);
		return offsetof(struct ptrace_syscall_info, entry) + sizeof info->entry;
	}
	info->op = PTRACE_SYSCALL_INFO_EXIT;
	info->exit.rval = ev->syscall.result;
	info->exit.is_error = ev->syscall.is_error != 0;
	return offsetof(struct ptrace_syscall_info, exit.is_error) + sizeof info->exit.is_error;
}

/* At stops of our own making there is no event that says where it stands. */
static void locate(struct tracee *t)
{
	struct cotrace *s = t->covered->s;
	struct cotrace_task_info info[1];

	if (t->event_open) {
		if (t->touched)
			user_load_call(t);
		return;
	}
	t->ev.pc = t->ev.sp = 0;
	cotrace_register_read(s, t->task, "$pc", &t->ev.pc, sizeof t->ev.pc);
	cotrace_register_read(s, t->task, "$sp", &t->ev.sp, sizeof t->ev.sp);
	if (t->ev.arch == COTRACE_ARCH_ANY && cotrace_tasks(s, info, 1) > 0)
		t->ev.arch = info->arch;
}

static int get_syscall_info(struct ask *a)
{
	struct ptrace_syscall_info info;
	size_t size, want = a->addr;
	int r;

	locate(a->t);
	size = syscall_info(a->t, &info);
	if (want > size)
		want = size;
	r = caller_write(a->p, a->c, a->data, &info, want);
	return r < 0 ? r : (int)size;
}

static int set_call(struct tracee *t, const struct ptrace_syscall_info *info)
{
	uint64_t args[6];
	int nr = (int)info->entry.nr;

	if ((uint64_t)(int64_t)nr != info->entry.nr)
		return -ERANGE;
	memcpy(args, info->entry.args, sizeof args);
	return user_set_call(t, nr, args);
}

/* kernel/ptrace.c: one structure, whole; what kind of stop it is cannot be changed. */
static int set_syscall_info(struct ask *a)
{
	struct ptrace_syscall_info info, is;
	int r;

	if (a->addr < sizeof info)
		return -EINVAL;
	r = caller_read(a->p, a->c, a->data, &info, sizeof info);
	if (r < 0)
		return r;
	syscall_info(a->t, &is);
	if (memcmp(info.pad, is.pad, sizeof info.pad) != 0 || is.op != info.op)
		return -EINVAL;
	switch (info.op) {
	case PTRACE_SYSCALL_INFO_ENTRY:
	case PTRACE_SYSCALL_INFO_SECCOMP: /* has the call at the same place */
		return set_call(a->t, &info);
	case PTRACE_SYSCALL_INFO_EXIT:
		return user_set_result(a->t, info.exit.rval);
	default:
		return -EINVAL;
	}
}

/* ---- What the kernel knows beside ---- */

static ssize_t read_state(struct ask *a, enum cotrace_state what, uint64_t from, void *buf,
			  size_t size)
{
	return cotrace_state_read(a->t->covered->s, a->t->task, what, from, buf, size);
}

static int peek_siginfo(struct ask *a)
{
	struct ptrace_peeksiginfo_args args;
	siginfo_t some[PEEK_MAX];
	int r = caller_read(a->p, a->c, a->addr, &args, sizeof args);
	ssize_t n;

	if (r < 0)
		return r;
	if (args.flags & ~(uint32_t)PTRACE_PEEKSIGINFO_SHARED || args.nr < 0)
		return -EINVAL;
	if (args.nr > PEEK_MAX)
		args.nr = PEEK_MAX;
	if (args.nr == 0)
		return 0;
	n = read_state(a, args.flags ? COTRACE_STATE_PENDING_SHARED : COTRACE_STATE_PENDING,
		       args.off, some, (size_t)args.nr * sizeof some[0]);
	if (n <= 0)
		return (int)n;
	/* As many as there is room for, which may end at any of them. */
	for (int i = 0; i < (int)((size_t)n / sizeof some[0]); i++) {
		r = caller_write(a->p, a->c, a->data + (size_t)i * sizeof some[0], &some[i],
				 sizeof some[0]);
		if (r < 0)
			return i > 0 ? i : r;
	}
	return (int)((size_t)n / sizeof some[0]);
}

static int get_mask(struct ask *a)
{
	uint64_t mask;
	ssize_t n;

	if (a->addr != sizeof mask)
		return -EINVAL;
	n = read_state(a, COTRACE_STATE_SIGNAL_MASK, 0, &mask, sizeof mask);
	return n < 0 ? (int)n : caller_write(a->p, a->c, a->data, &mask, sizeof mask);
}

static int set_mask(struct ask *a)
{
	uint64_t mask;
	int r;

	if (a->addr != sizeof mask)
		return -EINVAL;
	r = caller_read(a->p, a->c, a->data, &mask, sizeof mask);
	return r < 0 ? r
		     : cotrace_state_write(a->t->covered->s, a->t->task, COTRACE_STATE_SIGNAL_MASK,
					   &mask, sizeof mask);
}

static int get_rseq(struct ask *a)
{
	struct ptrace_rseq_configuration rseq;
	ssize_t n = read_state(a, COTRACE_STATE_RSEQ, 0, &rseq, sizeof rseq);
	size_t size = a->addr < sizeof rseq ? a->addr : sizeof rseq;
	int r;

	if (n < 0)
		return n == -ENODEV ? -EIO : (int)n;
	r = caller_write(a->p, a->c, a->data, &rseq, size);
	return r < 0 ? r : (int)sizeof rseq;
}

/* The program's own, by age: what intercepts for us is not there. Without any, -EINVAL. */
static ssize_t read_filter(struct ask *a, uint64_t index, void *code, size_t size)
{
	uint64_t own = 0;
	ssize_t n;

	for (uint64_t from = 0;; from++) {
		n = read_state(a, COTRACE_STATE_FILTER, from, code, size);
		if (n == -ENOENT)
			return own > 0 ? -ENOENT : -EINVAL;
		if (n < 0 && n != -EMEDIUMTYPE)
			return n;
		if (n > 0 && a->p->host->intercepts != NULL &&
		    a->p->host->intercepts(a->p->arg, code, (size_t)n))
			continue;
		if (own++ == index)
			return n;
	}
}

static int get_filter(struct ask *a)
{
	static uint8_t code[BPF_MAXINSNS * sizeof(struct sock_filter)];
	ssize_t n =
		caller_is_admin(a->p, a->c) ? read_filter(a, a->addr, code, sizeof code) : -EACCES;
	int r = 0;

	if (n < 0)
		return (int)n;
	if (a->data != 0)
		r = caller_write(a->p, a->c, a->data, code, (size_t)n);
	return r < 0 ? r : (int)((size_t)n / sizeof(struct sock_filter));
}

/* ---- Going on ---- */

static int go_on(struct ask *a, enum resume_mode mode)
{
	return a->data > SIGNO_MAX ? -EIO : resume_go_on(a->t, mode, (int)a->data);
}

static int cont(struct ask *a)
{
	return go_on(a, MODE_CONT);
}

static int cont_to_call(struct ask *a)
{
	return go_on(a, MODE_CALL);
}

static int single_step(struct ask *a)
{
	return go_on(a, MODE_STEP);
}

static int emulate(struct ask *a)
{
	return go_on(a, MODE_EMULATE);
}

static int emulate_step(struct ask *a)
{
	return go_on(a, MODE_EMULATE_STEP);
}

static int detach(struct ask *a)
{
	return a->data > SIGNO_MAX ? -EIO : resume_detach(a->t, (int)a->data);
}

static int listen(struct ask *a)
{
	return resume_listen(a->t);
}

static int set_options(struct ask *a)
{
	uint32_t before = a->t->options;
	int r;

	if (a->data & ~(uint64_t)PTRACE_O_MASK)
		return -EINVAL;
	if (a->data & PTRACE_O_SUSPEND_SECCOMP && !caller_is_admin(a->p, a->c))
		return -EPERM;
	a->t->options = (uint32_t)a->data;
	r = attach_follow_options(a->t->covered);
	if (r < 0)
		a->t->options = before;
	return r;
}

/* ---- All of them ---- */

static const struct {
	uint64_t request;
	int (*handle)(struct ask *a);
} requests[] = {
	{ PTRACE_PEEKTEXT, peek },
	{ PTRACE_PEEKDATA, peek },
	{ PTRACE_PEEKUSR, peek_user },
	{ PTRACE_POKETEXT, poke },
	{ PTRACE_POKEDATA, poke },
	{ PTRACE_POKEUSR, poke_user },
	{ PTRACE_CONT, cont },
	{ PTRACE_SINGLESTEP, single_step },
	{ PTRACE_SYSCALL, cont_to_call },
	{ PTRACE_DETACH, detach },
	{ PTRACE_SETOPTIONS, set_options },
	{ PTRACE_GETEVENTMSG, get_message },
	{ PTRACE_GETSIGINFO, get_siginfo },
	{ PTRACE_SETSIGINFO, set_siginfo },
	{ PTRACE_GETREGSET, get_regset },
	{ PTRACE_SETREGSET, set_regset },
	{ PTRACE_LISTEN, listen },
	{ PTRACE_PEEKSIGINFO, peek_siginfo },
	{ PTRACE_GETSIGMASK, get_mask },
	{ PTRACE_SETSIGMASK, set_mask },
	{ PTRACE_GET_RSEQ_CONFIGURATION, get_rseq },
	{ PTRACE_SECCOMP_GET_FILTER, get_filter },
	{ PTRACE_GET_SYSCALL_INFO, get_syscall_info },
	{ SET_SYSCALL_INFO, set_syscall_info },
	{ OLD_SETOPTIONS, set_options },
	{ GET_REGISTERS, get_registers },
	{ SET_REGISTERS, set_registers },
	{ GET_FP_REGISTERS, get_fp_registers },
	{ SET_FP_REGISTERS, set_fp_registers },
	{ GET_THREAD_AREA, get_thread_area },
	{ SET_THREAD_AREA, set_thread_area },
	{ ARCH_PRCTL, arch_prctl_ },
	{ SYSTEM_EMULATE, emulate },
	{ SYSTEM_EMULATE_STEP, emulate_step },
};

static int handle(struct ask *a, uint64_t request)
{
	for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		if (requests[i].request == request) {
			int r = requests[i].handle(a);

			/* The session ended under it: the task was killed. */
			return r == -ESHUTDOWN || r == -EBUSY ? -ESRCH : r;
		}
	}
	return -EIO;
}

static int64_t attach(struct personality *p, const struct caller *c, bool seize, pid_t tid,
		      uint64_t addr, uint64_t data)
{
	struct tracer *tracer;

	if (seize && (addr != 0 || data & ~(uint64_t)PTRACE_O_MASK))
		return -EIO;
	if (seize && data & PTRACE_O_SUSPEND_SECCOMP && !caller_is_admin(p, c))
		return -EPERM;
	tracer = tracer_get(p, c->pid);
	if (tracer == NULL)
		return -ENOMEM;
	return attach_task(tracer, c, tid, seize, seize ? (uint32_t)data : 0);
}

/* Its end has not been waited for: what only asks it to stop is no mistake. */
static bool is_unwaited(const struct tracer *tracer, pid_t tid)
{
	if (tracer == NULL)
		return false;
	list_for_each (&tracer->tracees, node, after) {
		const struct tracee *t = list_entry(node, struct tracee, in_tracer);

		if (t->tid == tid && t->state == TRACEE_DEAD && t->fresh)
			return true;
	}
	return false;
}

int64_t personality_ptrace(struct personality *p, const struct caller *c, uint64_t request,
			   int64_t pid, uint64_t addr, uint64_t data)
{
	struct tracer *tracer = tracer_by_pid(p, c->pid);
	struct ask a = { .p = p, .c = c, .addr = addr, .data = data };

	if (request == PTRACE_TRACEME)
		return attach_traceme(p, c);
	if (request == PTRACE_ATTACH || request == PTRACE_SEIZE)
		return attach(p, c, request == PTRACE_SEIZE, (pid_t)pid, addr, data);
	a.t = tracer != NULL ? tracee_by_tid(tracer, (pid_t)pid) : NULL;
	if (a.t == NULL || a.t->state != TRACEE_STANDS || !request_only_looks(request)) {
		if (a.t == NULL || a.t->state != TRACEE_STANDS)
			personality_pump(p);
		else
			personality_pump_seldom(p);
		a.t = tracer != NULL ? tracee_by_tid(tracer, (pid_t)pid) : NULL;
	}
	if (a.t == NULL)
		return request == PTRACE_INTERRUPT && is_unwaited(tracer, (pid_t)pid) ? 0 : -ESRCH;
	if (a.t->owner == 0)
		a.t->owner = c->tid;
	if (a.t->owner != c->tid)
		return -ESRCH;
	if (request == PTRACE_KILL)
		return cotrace_kill(a.t->covered->s, a.t->task) < 0 ? -ESRCH : 0;
	if (request == PTRACE_INTERRUPT)
		return resume_interrupt(a.t);
	if (a.t->state != TRACEE_STANDS)
		return -ESRCH;
	return handle(&a, request);
}
