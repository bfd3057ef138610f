/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/ptrace/internal.h"
#include "base/fd.h"

/* Of our /proc, though what it was of is gone. */
static bool is_of_proc(const struct stat *theirs)
{
	struct stat ours;

	return stat("/proc", &ours) == 0 && theirs->st_dev == ours.st_dev;
}

static bool is_file(const struct stat *theirs, const char *path)
{
	struct stat ours;

	return stat(path, &ours) == 0 && theirs->st_dev == ours.st_dev &&
	       theirs->st_ino == ours.st_ino;
}

/*
 * The client opened its fd itself, so the kernel has judged it. While it is open its inode
 * is the one that the same path leads to (the two procfs mounts must be the same). Where the
 * leader has exited, the memory can be had through any other task only; when that exits, too,
 * the client has to look for another.
 */
int proc_check_access(struct backend *base, pid_t pid, int fd)
{
	struct dirent *entry;
	struct stat theirs;
	char path[80], byte;
	bool found;
	DIR *dir;

	(void)base;
	/* A mere path (O_PATH) has not been judged. */
	if (fd < 0 || (fcntl(fd, F_GETFL) & O_PATH) || fstat(fd, &theirs) < 0)
		return -EACCES;
	snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
	if (is_file(&theirs, path)) /* at its end: judged for a program that is gone by now */
		return pread(fd, &byte, 1, 0) == 0 ? -ESTALE : 0;
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	dir = proc_state(pid) == 'Z' ? opendir(path) : NULL;
	if (dir == NULL)
		return -EACCES;
	found = false;
	while (!found && (entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof path, "/proc/%d/task/%.16s/mem", (int)pid, entry->d_name);
		found = entry->d_name[0] != '.' && is_file(&theirs, path);
	}
	closedir(dir);
	return found ? 0 : is_of_proc(&theirs) ? -ESTALE : -EACCES;
}

pid_t proc_process_of(struct backend *base, pid_t tid)
{
	long tgid = fd_status_number(tid, "Tgid");

	(void)base;
	return tgid > 0 ? (pid_t)tgid : -ESRCH;
}

pid_t proc_parent_of(struct backend *base, pid_t pid)
{
	long parent = fd_status_number(pid, "PPid");

	(void)base;
	return parent > 0 ? (pid_t)parent : -ESRCH;
}

/* A hexadecimal mask out of a status text. */
static uint64_t mask(const char *text, const char *field)
{
	const char *at = strstr(text, field);

	return at ? strtoull(at + strlen(field), NULL, 16) : 0;
}

static bool read_status(pid_t tid, char *text, size_t size)
{
	char path[40];

	snprintf(path, sizeof path, "/proc/%d/status", (int)tid);
	return fd_read_file(path, text, size) > 0;
}

bool proc_signal_waits(struct backend *base, pid_t tid)
{
	char text[4096];

	(void)base;
	/* Not known: no. What is put back for that is taken back when the signal stops it. */
	if (!read_status(tid, text, sizeof text))
		return false;
	return ((mask(text, "\nSigPnd:") | mask(text, "\nShdPnd:")) & ~mask(text, "\nSigBlk:")) !=
	       0;
}

bool proc_signals(pid_t tid, uint64_t *pending, uint64_t *blocked)
{
	char text[4096];

	if (!read_status(tid, text, sizeof text))
		return false;
	*pending = mask(text, "\nSigPnd:");
	*blocked = mask(text, "\nSigBlk:");
	return true;
}

static bool ignored_by_default(int signo)
{
	return signo == SIGCHLD || signo == SIGCONT || signo == SIGURG || signo == SIGWINCH;
}

enum backend_disposition proc_disposition(struct backend *base, pid_t tid, int signo)
{
	uint64_t bit = 1ull << (signo - 1);
	char text[4096];

	(void)base;
	/* Not known: as if it mattered. A call that it broke stays broken, as it may have to. */
	if (!read_status(tid, text, sizeof text))
		return BACKEND_SIG_DEFAULT;
	if (mask(text, "\nSigCgt:") & bit)
		return BACKEND_SIG_HANDLED;
	if ((mask(text, "\nSigIgn:") & bit) || ignored_by_default(signo))
		return BACKEND_SIG_IGNORED;
	return BACKEND_SIG_DEFAULT;
}

char proc_state(pid_t tid)
{
	char text[4096], *at;

	if (!read_status(tid, text, sizeof text))
		return 0;
	at = strstr(text, "\nState:");
	return at ? at[sizeof "\nState:\t" - 1] : 0;
}

uint32_t proc_arch(pid_t tid)
{
	unsigned char head[EI_NIDENT + 4];
	char path[40];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/exe", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, head, sizeof head);
	fd_close(fd);
	if (n != (ssize_t)sizeof head || memcmp(head, ELFMAG, SELFMAG) != 0)
		return 0;
	return regs_arch_of_machine(head[EI_NIDENT + 2] | head[EI_NIDENT + 3] << 8);
}
