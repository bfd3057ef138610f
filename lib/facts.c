/* SPDX-License-Identifier: MIT */
/* Gathers the facts for explain.c: looks only, changes and attaches nothing. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "lib/cycle.h"
#include "lib/engine.h"
#include "lib/explain.h"
#include "lib/launch.h"

#define CAP_SYS_PTRACE_BIT 19
#define PF_KTHREAD 0x00200000ul
#define STATUS_MAX 16384

/* What stands behind "\n@field:" in the text of a status file, or NULL. */
static const char *field(const char *text, const char *name)
{
	size_t length = strlen(name);

	while (text != NULL) {
		if (strncmp(text, name, length) == 0 && text[length] == ':')
			return text + length + 1;
		text = strchr(text, '\n');
		text = text != NULL ? text + 1 : NULL;
	}
	return NULL;
}

static uint64_t hexadecimal(const char *text, const char *name)
{
	const char *at = field(text, name);

	return at != NULL ? strtoull(at, NULL, 16) : 0;
}

/* Real, effective and saved: the kernel wants all three to be the caller's. */
static bool differs(const char *text, const char *name, unsigned own, unsigned *second)
{
	unsigned v[3];
	const char *at = field(text, name);

	if (at == NULL || sscanf(at, "%u %u %u", &v[0], &v[1], &v[2]) != 3)
		return false;
	*second = v[1];
	return v[0] != own || v[1] != own || v[2] != own;
}

static void gather_ids(struct explain_facts *f, const char *theirs, const char *own)
{
	uint64_t permitted = hexadecimal(own, "CapPrm");
	unsigned gid;
	bool uids = differs(theirs, "Uid", geteuid(), &f->uid);

	f->own_uid = geteuid();
	f->ids_differ = differs(theirs, "Gid", getegid(), &gid) || uids;
	f->privileged = hexadecimal(own, "CapEff") >> CAP_SYS_PTRACE_BIT & 1;
	f->more_capable = (hexadecimal(theirs, "CapPrm") & ~permitted) != 0;
}

/* The files of a process that is not dumpable belong to root. */
static bool belongs_to_root(pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof path, "/proc/%d/mem", pid);
	return stat(path, &st) == 0 && st.st_uid == 0;
}

/* The name of a user namespace, such as "user:[4026531837]"; empty when it may not be seen. */
static void userns_name(const char *process, char *name, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%s/ns/user", process);
	n = readlink(path, name, size - 1);
	name[n > 0 ? n : 0] = '\0';
}

/* Where ids lead to others they are those of another namespace. */
static bool maps_differ(pid_t pid, const char *file)
{
	char path[64], theirs[4096], own[4096];

	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	if (fd_read_file(path, theirs, sizeof theirs) < 0)
		return false;
	snprintf(path, sizeof path, "/proc/self/%s", file);
	return fd_read_file(path, own, sizeof own) >= 0 && strcmp(theirs, own) != 0;
}

/* The kernel shows its name only to those who may trace, so others go by its maps. */
static void gather_userns(struct explain_facts *f)
{
	char pid[16];

	snprintf(pid, sizeof pid, "%d", f->pid);
	userns_name(pid, f->userns, sizeof f->userns);
	userns_name("self", f->own_userns, sizeof f->own_userns);
	if (f->userns[0] != '\0')
		f->other_userns = strcmp(f->userns, f->own_userns) != 0;
	else
		f->other_userns = maps_differ(f->pid, "uid_map") || maps_differ(f->pid, "gid_map");
}

static bool is_kernel_thread(pid_t pid)
{
	unsigned long flags = 0;
	char text[512];

	return fd_read_stat(pid, 0, text, sizeof text) > 0 &&
	       sscanf(text, "%*c %*d %*d %*d %*d %*d %lu", &flags) == 1 && (flags & PF_KTHREAD);
}

static int yama_scope(void)
{
	char text[32];

	if (fd_read_file("/proc/sys/kernel/yama/ptrace_scope", text, sizeof text) < 0)
		return -1;
	return atoi(text);
}

/* On a task that is not traced a healthy kernel says ESRCH. */
static int try_ptrace(void *argument, const sigset_t *mask)
{
	(void)argument, (void)mask;
	prctl(PR_SET_DUMPABLE, 0); /* no core file, should the filter kill */
	syscall(SYS_ptrace, PTRACE_PEEKDATA, getpid(), 0, 0);
	return errno == ESRCH ? 0 : 1;
}

/* In a process of its own, since a filter may kill whoever tries. */
static bool is_filtered(const char *own)
{
	const char *mode = field(own, "Seccomp");

	if (mode == NULL || atoi(mode) == 0)
		return false;
	return launch_hidden(try_ptrace, NULL) != 0;
}

static void gather_tracer(struct explain_facts *f, const char *own)
{
	int fd;

	f->tracer = proc_tracer(f->pid);
	if (f->tracer > 0) {
		proc_comm(f->tracer, f->tracer_comm);
		fd = engine_connect(f->tracer);
		f->engine = fd < 0 ? fd : 0;
		f->tracer_is_engine = fd >= 0 || fd == -EPERM || proc_is_engine(f->tracer);
		fd_close(fd);
	} else {
		f->filtered = is_filtered(own);
		f->descendant = proc_descends(f->pid, getpid());
		f->engine_missing = access(engine_path(), X_OK) < 0;
	}
	f->cycle = cycle_check(f->pid) < 0;
}

static void gather_visible(struct explain_facts *f, const char *theirs, const char *own)
{
	int fd;

	proc_comm(f->pid, f->comm);
	f->self = f->pid == getpid();
	f->zombie = proc_living_task(f->pid) < 0;
	f->kernel_thread = is_kernel_thread(f->pid);
	if (f->self || f->zombie || f->kernel_thread)
		return;
	gather_ids(f, theirs, own);
	f->not_dumpable = belongs_to_root(f->pid) && f->uid != 0;
	gather_userns(f);
	f->yama = yama_scope();
	fd = proc_open_memory(f->pid, O_RDWR);
	f->access = fd < 0 ? fd : 0;
	fd_close(fd);
	if (f->access == -ESRCH)
		f->absent = true;
	else if (f->access == 0)
		gather_tracer(f, own);
}

static int read_status(pid_t pid, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/status", pid);
	return (int)fd_read_file(path, text, size);
}

void explain_gather(struct explain_facts *f, pid_t pid)
{
	char theirs[STATUS_MAX], own[STATUS_MAX];
	pid_t process = proc_process_of(pid);

	memset(f, 0, sizeof *f);
	f->pid = process > 0 ? process : pid;
	f->yama = -1;
	own[0] = '\0';
	read_status(getpid(), own, sizeof own);
	if (process > 0 && read_status(process, theirs, sizeof theirs) > 0)
		gather_visible(f, theirs, own);
	else if (pid > 0 && kill(pid, 0) < 0 && errno == EPERM)
		f->invisible = true;
	else
		f->absent = true;
}
