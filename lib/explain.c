/* SPDX-License-Identifier: MIT */
/* Why attaching fails: the decision and its wording. Facts come from explain_gather(). */
#include "lib/explain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/engine.h"
#include "lib/session.h"

/* The kernel would not even open the memory; the order is that of its own checks. */
static unsigned decide_refusal(const struct explain_facts *f, int *detail)
{
	if (f->ids_differ && !f->privileged)
		return COTRACE_REASON_OTHER_USER;
	if (f->not_dumpable && !f->privileged)
		return COTRACE_REASON_NOT_DUMPABLE;
	if (f->other_userns || (f->more_capable && !f->privileged))
		return COTRACE_REASON_CAPABILITY;
	if (f->yama >= 3 || (f->yama > 0 && !f->privileged)) {
		*detail = f->yama;
		return COTRACE_REASON_YAMA;
	}
	*detail = -f->access;
	return COTRACE_REASON_OTHER;
}

static unsigned decide_tracer(const struct explain_facts *f, int *detail)
{
	*detail = f->tracer;
	if (!f->tracer_is_engine)
		return COTRACE_REASON_FOREIGN_TRACER;
	if (f->engine == -EPERM)
		return COTRACE_REASON_OTHER_ENGINE;
	if (f->engine == -ENOENT) {
		*detail = EADDRINUSE;
		return COTRACE_REASON_OTHER;
	}
	*detail = 0;
	return COTRACE_REASON_NONE;
}

/* A new engine would have to do what the caller may do. */
static unsigned decide_engine(const struct explain_facts *f, int *detail)
{
	if (f->filtered)
		return COTRACE_REASON_SECCOMP;
	/* Yama lets a parent trace, but the engine is not the parent. */
	if (f->yama == 1 && !f->privileged && f->descendant) {
		*detail = f->yama;
		return COTRACE_REASON_YAMA;
	}
	return f->engine_missing ? COTRACE_REASON_NO_ENGINE : COTRACE_REASON_NONE;
}

unsigned explain_decide(const struct explain_facts *f, int *detail)
{
	unsigned reason;

	*detail = 0;
	if (f->absent)
		return COTRACE_REASON_NO_PROCESS;
	if (f->invisible)
		return COTRACE_REASON_OTHER_USER;
	if (f->self)
		return COTRACE_REASON_SELF;
	if (f->zombie)
		return COTRACE_REASON_ZOMBIE;
	if (f->kernel_thread)
		return COTRACE_REASON_KERNEL_THREAD;
	if (f->access < 0)
		return decide_refusal(f, detail);
	reason = f->tracer > 0 ? decide_tracer(f, detail) : COTRACE_REASON_NONE;
	if (reason == COTRACE_REASON_NONE && f->cycle)
		return COTRACE_REASON_CYCLE;
	if (reason == COTRACE_REASON_NONE && f->tracer <= 0)
		return decide_engine(f, detail);
	return reason;
}

static const char *yama_remedy(const struct explain_facts *f)
{
	if (f->yama >= 3)
		return "nobody may attach until the next boot; programs that cotrace starts "
		       "itself are refused as well";
	if (f->yama == 2)
		return "only root may attach: run this as root (CAP_SYS_PTRACE), or set "
		       "kernel.yama.ptrace_scope to 1 or 0";
	return "start the program with cotrace_spawn() or `cotrace trace -- COMMAND`, have it "
	       "call prctl(PR_SET_PTRACER), run this as root, or set "
	       "kernel.yama.ptrace_scope to 0";
}

static void other_user(const struct explain_facts *f, char *buf, size_t size)
{
	if (f->invisible)
		snprintf(buf, size,
			 "Process %d exists but /proc hides it (hidepid), as it belongs to "
			 "another user; run this as that user or as root.",
			 f->pid);
	else if (f->uid != f->own_uid)
		snprintf(buf, size,
			 "Process %d (%s) belongs to user %u and you are user %u; run this as "
			 "that user or as root (CAP_SYS_PTRACE).",
			 f->pid, f->comm, f->uid, f->own_uid);
	else
		snprintf(buf, size,
			 "Process %d (%s) has other real, effective or saved user or group ids "
			 "than you; run this with the same ids or as root (CAP_SYS_PTRACE).",
			 f->pid, f->comm);
}

static void capability(const struct explain_facts *f, char *buf, size_t size)
{
	if (f->other_userns)
		snprintf(
			buf, size,
			"Process %d (%s) is in another user namespace%s%s%s than you (%s), and you "
			"lack CAP_SYS_PTRACE there; enter that one (nsenter -U -t %d), or run "
			"this as root of the namespace that contains both.",
			f->pid, f->comm, f->userns[0] ? ", " : "", f->userns,
			f->userns[0] ? "," : "", f->own_userns, f->pid);
	else
		snprintf(buf, size,
			 "Process %d (%s) has capabilities that you lack; run this as root "
			 "(CAP_SYS_PTRACE), or start the program without them.",
			 f->pid, f->comm);
}

static void nothing(const struct explain_facts *f, char *buf, size_t size)
{
	if (f->tracer > 0)
		snprintf(buf, size,
			 "Nothing is in the way: attaching to process %d (%s) joins "
			 "its engine %d.",
			 f->pid, f->comm, f->tracer);
	else
		snprintf(buf, size, "Nothing is in the way of attaching to process %d (%s).",
			 f->pid, f->comm);
}

/* What has to do with other tracers, and what nothing is known about. */
static void tracers(const struct explain_facts *f, unsigned reason, char *buf, size_t size)
{
	pid_t pid = f->pid;

	switch (reason) {
	case COTRACE_REASON_FOREIGN_TRACER:
		snprintf(buf, size,
			 "Process %d (%s) is traced by process %d (%s), which is not a cotrace "
			 "engine, and the kernel allows one tracer only; end that one, or run it "
			 "on top of cotrace.",
			 pid, f->comm, f->tracer, f->tracer_comm);
		break;
	case COTRACE_REASON_OTHER_ENGINE:
		snprintf(buf, size,
			 "Process %d (%s) is served by engine %d of another user, who has to end "
			 "the sessions there (cotrace ps, cotrace end); root may join them.",
			 pid, f->comm, f->tracer);
		break;
	case COTRACE_REASON_NO_ENGINE:
		snprintf(buf, size,
			 "The program cotrace-engine was not found at %.200s; install cotrace or "
			 "set COTRACE_ENGINE to its path.",
			 engine_path());
		break;
	case COTRACE_REASON_CYCLE:
		snprintf(buf, size,
			 "Process %d (%s) traces the caller, directly or through others, or "
			 "serves its sessions; two tracers could stop each other for ever: end "
			 "one of the two sessions first.",
			 pid, f->comm);
		break;
	default:
		if (f->access == 0) {
			snprintf(buf, size,
				 "Process %d (%s) is served by engine %d, whose address another "
				 "program occupies; it can be joined when that program lets go of "
				 "@cotrace-engine/%d (see ss -xlp).",
				 pid, f->comm, f->tracer, f->tracer);
			break;
		}
		snprintf(buf, size,
			 "The kernel refuses access to process %d (%s): %s; probably a security "
			 "module such as SELinux or AppArmor has a rule against it, see the "
			 "kernel's audit log.",
			 pid, f->comm, strerrordesc_np(-f->access));
		break;
	}
}

void explain_sentence(const struct explain_facts *f, unsigned reason, char *buf, size_t size)
{
	pid_t pid = f->pid;

	switch (reason) {
	case COTRACE_REASON_NONE:
		nothing(f, buf, size);
		break;
	case COTRACE_REASON_NO_PROCESS:
		snprintf(buf, size,
			 "There is no process %d; check the number, it may have "
			 "exited.",
			 pid);
		break;
	case COTRACE_REASON_ZOMBIE:
		snprintf(buf, size,
			 "Process %d (%s) has exited already and waits for its "
			 "parent to reap it; there is nothing left to trace.",
			 pid, f->comm);
		break;
	case COTRACE_REASON_KERNEL_THREAD:
		snprintf(buf, size,
			 "Task %d (%s) is a kernel thread, which runs no program; "
			 "use ftrace or perf for it.",
			 pid, f->comm);
		break;
	case COTRACE_REASON_SELF:
		snprintf(buf, size,
			 "Process %d is the caller itself; trace it from another "
			 "process.",
			 pid);
		break;
	case COTRACE_REASON_OTHER_USER:
		other_user(f, buf, size);
		break;
	case COTRACE_REASON_NOT_DUMPABLE:
		snprintf(buf, size,
			 "Process %d (%s) is not dumpable: it gained privilege at its exec, its "
			 "program is not readable, or it called prctl(PR_SET_DUMPABLE, 0); run "
			 "this as root (CAP_SYS_PTRACE).",
			 pid, f->comm);
		break;
	case COTRACE_REASON_YAMA:
		snprintf(buf, size, "Yama forbids it (kernel.yama.ptrace_scope is %d): %s.",
			 f->yama, yama_remedy(f));
		break;
	case COTRACE_REASON_SECCOMP:
		snprintf(buf, size,
			 "A seccomp filter forbids ptrace to the caller, as container runtimes "
			 "do; run this outside the sandbox, or allow it there (docker run "
			 "--cap-add SYS_PTRACE).");
		break;
	case COTRACE_REASON_CAPABILITY:
		capability(f, buf, size);
		break;
	default:
		tracers(f, reason, buf, size);
		break;
	}
}

int explain_error(pid_t pid, int error)
{
	struct explain_facts f;
	int detail;

	explain_gather(&f, pid);
	switch (explain_decide(&f, &detail)) {
	case COTRACE_REASON_NO_PROCESS:
	case COTRACE_REASON_ZOMBIE:
		return -ESRCH;
	case COTRACE_REASON_NOT_DUMPABLE:
		return -EACCES;
	case COTRACE_REASON_KERNEL_THREAD:
	case COTRACE_REASON_OTHER_USER:
	case COTRACE_REASON_YAMA:
	case COTRACE_REASON_CAPABILITY:
	case COTRACE_REASON_OTHER:
		return -EPERM;
	default:
		return error;
	}
}

int cotrace_explain(pid_t pid, struct cotrace_explanation *e)
{
	struct explain_facts f;
	int saved = errno, detail;

	if (e->size != sizeof *e)
		return -EINVAL;
	explain_gather(&f, pid);
	e->reason = explain_decide(&f, &detail);
	e->detail = detail;
	e->engine_pid = e->reason == COTRACE_REASON_NONE && f.tracer > 0 ? f.tracer : 0;
	explain_sentence(&f, e->reason, e->sentence, sizeof e->sentence);
	errno = saved;
	return 0;
}
