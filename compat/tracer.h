/* SPDX-License-Identifier: MIT */
/*
 * The ptrace personality: what programs that call ptrace() and wait*() get to see, made of
 * cotrace sessions. It knows nothing of how their calls were intercepted: that is the host.
 *
 *	tracer    a process that uses ptrace(), by its pid
 *	tracee    a task of a tracer: several tracers may have the same task, each its own tracee
 *	report    a stop or an end that a tracer has not waited for yet
 *
 * One thread uses a personality. Nothing here blocks for longer than round trips to engines.
 */
#ifndef COMPAT_TRACER_H
#define COMPAT_TRACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

struct personality;
struct cotrace;
struct cotrace_task_info;

/* A task that calls, as the kernel sees it, and its memory. */
struct caller {
	pid_t tid, pid;
	bool compat; /* with the 32-bit calling convention */
};

/* What the host does for the personality. @arg is the host's own. */
struct host {
	/* Memory of a caller. 0; -EFAULT. Only during a call of the personality. */
	int (*read)(void *arg, const struct caller *c, uint64_t addr, void *buf, size_t size);
	int (*write)(void *arg, const struct caller *c, uint64_t addr, const void *buf,
		     size_t size);
	/*
	 * @tracer has a report, or lost a tracee that it might wait for: a wait of its threads
	 * that was told WAIT_NOTHING is to be tried again. With @sigchld the kernel would send
	 * SIGCHLD: @info is the siginfo_t it would have.
	 */
	void (*changed)(void *arg, pid_t tracer, bool sigchld, const void *info);
	/* Whether a seccomp filter is one by which calls are intercepted. NULL: there is none. */
	bool (*intercepts)(void *arg, const void *code, size_t size);
	/* Whether a caller has CAP_SYS_ADMIN. NULL: it is for the kernel to say. */
	bool (*is_admin)(void *arg, const struct caller *c);
};

/*
 * @host must outlive it. @engine: 0 where tracers are other processes: it starts one, and keeps
 * it. In the process of the only tracer: the engine to which its tracees come, for as long as
 * that is there. Returns 0 or -errno.
 */
int personality_new(struct personality **out, const struct host *host, void *arg, pid_t engine);
pid_t personality_engine(const struct personality *p);
/* Lets all tracees go, as if every tracer had died. */
void personality_free(struct personality *p);

/* An epoll fd, borrowed: readable when personality_pump() has work. */
int personality_fd(const struct personality *p);
void personality_pump(struct personality *p);
/* As personality_pump(), unless that was done just now. */
void personality_pump_seldom(struct personality *p);
/* From now on the first thread of this process gets @signo when there may be work; 0: no more. */
void personality_signal(struct personality *p, int signo);
/*
 * To be called before sleeping until that fd is readable: takes what comes within some
 * microseconds. Whether there was anything.
 */
bool personality_linger(struct personality *p);

/* What the kernel would return for ptrace(@request, @pid, @addr, @data) made by @c. */
int64_t personality_ptrace(struct personality *p, const struct caller *c, uint64_t request,
			   int64_t pid, uint64_t addr, uint64_t data);

/*
 * TRACEME of @c, whose tracer has another personality: a session that is ready for it, to be
 * closed by the caller, and the id of the task. What ptrace() would return.
 */
int personality_lend(struct personality *p, const struct caller *c, struct cotrace **out,
		     uint64_t *task);
/* The task of a session, as it stands. 0; -ESRCH, or as cotrace_tasks(). */
int session_find_task(struct cotrace *s, pid_t tid, struct cotrace_task_info *info);
/* The other side. Owns @fd from here on. */
int personality_borrow(struct personality *p, pid_t tracer, const struct caller *c, uint64_t task,
		       int fd);

/*
 * tkill() of @tid, or tgkill() with @pid, with SIGSTOP: to its own tracer a way to make a tracee
 * stand, which must be no signal to the others. False: it is none to us, either.
 */
bool personality_stop(struct personality *p, const struct caller *c, pid_t pid, pid_t tid);

/* How a task is to look in /proc to @tracer. Its own is traced by it. */
enum personality_shown { SHOWN_AS_IT_IS, SHOWN_RUNNING, SHOWN_STOPPED };
enum personality_shown personality_shown(struct personality *p, pid_t tracer, pid_t tid);

/* Memory of tracees read or written by other ways; see memory.h for what is private. */
bool personality_has_tracee(struct personality *p, pid_t tracer, pid_t pid);
/* The process of a task that is a tracee of @tracer; 0: it is none. */
pid_t personality_process(const struct personality *p, pid_t tracer, pid_t tid);
/* As pread(), pwrite() on /proc/PID/mem. -ESRCH: not a process of that tracer's tracees. */
ssize_t personality_read(struct personality *p, pid_t tracer, pid_t pid, uint64_t addr, void *buf,
			 size_t size);
ssize_t personality_write(struct personality *p, pid_t tracer, pid_t pid, uint64_t addr,
			  const void *buf, size_t size);

/* As waitid() takes them, whatever the call was. */
struct wait_query {
	int idtype; /* P_ALL, P_PID, P_PGID; P_PIDFD is the host's to resolve */
	pid_t id;
	int options; /* WNOHANG: it will not come again by itself; WUNTRACED means nothing */
	bool usage;  /* the caller wants to know what it has used */
};

struct wait_result {
	pid_t tid;
	uid_t uid;
	int status; /* as wait4() stores it */
	struct rusage usage;
};

enum wait_answer {
	WAIT_NOBODY,  /* no tracee of this tracer matches: the kernel knows the rest */
	WAIT_NOTHING, /* some match, none has a report */
	WAIT_FOUND,   /* @result is filled, the report is taken (unless WNOWAIT) */
	WAIT_KERNEL,  /* a child of the tracer's own that has ended: the kernel has its status */
};

enum wait_answer personality_wait(struct personality *p, const struct caller *c,
				  const struct wait_query *q, struct wait_result *result);
/* Undoes the taking of @result: the caller did not get it. */
void personality_untake(struct personality *p, const struct caller *c,
			const struct wait_result *result);

/* A process or task of a tracer has ended: what it traced is let go, as the kernel does. */
void personality_tracer_gone(struct personality *p, pid_t pid, pid_t tid);

/* Whether @pid has tracees, dead ones included that it did not wait for. */
bool personality_is_tracer(const struct personality *p, pid_t pid);
/* Whether @pid, a child of @tracer, is a tracee of it too. */
bool personality_traces(const struct personality *p, pid_t tracer, pid_t pid);

#endif
