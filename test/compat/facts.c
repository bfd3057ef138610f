/* SPDX-License-Identifier: MIT */
#include "test/compat/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static struct facts *all;
static struct {
	pid_t pid;
	const char *name;
} roles[64];
static unsigned role_count;

void facts_add(struct facts *facts)
{
	facts->next = all;
	all = facts;
}

void say(const char *format, ...)
{
	char line[1000];
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(line, sizeof line - 1, format, list);
	va_end(list);
	line[n++] = '\n';
	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		_exit(3);
}

static const char *value(long result)
{
	static char text[40];

	if (result < 0 && result > -4096 && strerrorname_np((int)-result))
		return strerrorname_np((int)-result);
	snprintf(text, sizeof text, "%ld", result);
	return text;
}

long tell(const char *what, long result)
{
	say("%s: %s", what, value(result));
	return result;
}

void role(pid_t pid, const char *name)
{
	if (role_count < sizeof roles / sizeof roles[0]) {
		roles[role_count].pid = pid;
		roles[role_count++].name = name;
	}
}

const char *who(pid_t pid)
{
	for (unsigned i = role_count; i-- > 0;)
		if (roles[i].pid == pid)
			return roles[i].name;
	return pid == 0 ? "nobody" : pid == -1 ? "any" : pid == getpid() ? "self" : "a stranger";
}

long request(int what, pid_t pid, uintptr_t addr, uintptr_t data)
{
	long result;

	errno = 0;
	result = ptrace(what, pid, (void *)addr, (void *)data);
	return result == -1 && errno ? -errno : result;
}

long ask(const char *name, int what, pid_t pid, uintptr_t addr, uintptr_t data)
{
	long result = request(what, pid, addr, data);

	if (strncmp(name, "PTRACE_", 7) == 0)
		name += 7;
	say("%s %s: %s", name, who(pid), value(result));
	return result;
}

pid_t start(const char *name, void (*body)(void))
{
	pid_t self = getpid(), pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == self)
			body();
		_exit(0);
	}
	role(pid, name);
	return pid;
}

static void sleep_for_ever(void)
{
	for (;;)
		pause();
}

pid_t sleeper(const char *name)
{
	pid_t pid = start(name, sleep_for_ever);

	await(pid, 'S');
	return pid;
}

static void (*body_of_traced)(void);

static void ask_to_be_traced(void)
{
	if (request(PTRACE_TRACEME, 0, 0, 0) != 0)
		_exit(99);
	kill(getpid(), SIGSTOP);
	body_of_traced();
}

pid_t traced(const char *name, void (*body)(void), unsigned options)
{
	pid_t pid;
	int status;

	body_of_traced = body;
	pid = start(name, ask_to_be_traced);
	status = quietly(pid, 0);
	if (status != (SIGSTOP << 8 | 0x7f))
		say("started with status %06x", (unsigned)status);
	if (request(PTRACE_SETOPTIONS, pid, 0, options) != 0)
		say("options %x were refused", options);
	return pid;
}

static void stop_twice(void)
{
	kill(getpid(), SIGSTOP);
	kill(getpid(), SIGTRAP);
	body_of_traced();
}

pid_t seized(const char *name, void (*body)(void), unsigned options)
{
	pid_t pid;
	int status;

	body_of_traced = body;
	pid = start(name, stop_twice);
	quietly(pid, WUNTRACED);
	if (request(PTRACE_SEIZE, pid, 0, options) != 0)
		say("it could not be seized");
	kill(pid, SIGCONT);
	while ((status = quietly(pid, __WALL)) != (SIGTRAP << 8 | 0x7f)) {
		if (status == -1 || !WIFSTOPPED(status)) {
			say("ended with status %06x", (unsigned)status);
			break;
		}
		request(PTRACE_CONT, pid, 0, 0);
	}
	return pid;
}

void end(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	do
		status = quietly(pid, __WALL);
	while (status != -1 && WIFSTOPPED(status));
}

static const char *flags(int options)
{
	static const struct {
		int bit;
		const char *name;
	} names[] = { { WNOHANG, "NOHANG" },	   { WUNTRACED, "UNTRACED" },
		      { WCONTINUED, "CONTINUED" }, { WEXITED, "EXITED" },
		      { WNOWAIT, "NOWAIT" },	   { (int)__WALL, "WALL" },
		      { (int)__WCLONE, "WCLONE" }, { __WNOTHREAD, "WNOTHREAD" } };
	static char text[100];

	text[0] = 0;
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		if (options & names[i].bit) {
			strcat(text, text[0] ? "|" : ", ");
			strcat(text, names[i].name);
		}
	return text;
}

int next(pid_t pid, int options)
{
	int status = 0;
	pid_t found = wait4(pid, &status, options, NULL);

	if (found <= 0) {
		say("wait %s%s: %s", who(pid), flags(options), found ? value(-errno) : "nothing");
		return -1;
	}
	say("wait %s%s: %s %06x", who(pid), flags(options), who(found), (unsigned)status);
	return status;
}

void next_id(idtype_t type, id_t id, int options)
{
	static const char *const types[] = { "ALL", "PID", "PGID", "PIDFD" };
	const char *whose = type == P_ALL ? "" : type == P_PIDFD ? "it" : who((pid_t)id);
	siginfo_t info;
	int result;

	memset(&info, 0x55, sizeof info);
	result = waitid(type, id, &info, options);
	if (result < 0)
		say("waitid %s %s%s: %s", types[type], whose, flags(options), value(-errno));
	else if (info.si_signo == 0)
		say("waitid %s %s%s: nothing, pid %d", types[type], whose, flags(options),
		    info.si_pid);
	else
		say("waitid %s %s%s: %s signo %d code %d status %x errno %d uid %s", types[type],
		    whose, flags(options), who(info.si_pid), info.si_signo, info.si_code,
		    (unsigned)info.si_status, info.si_errno,
		    info.si_uid == getuid() ? "same" : "other");
}

int quietly(pid_t pid, int options)
{
	int status = 0;
	pid_t found;

	do
		found = wait4(pid, &status, options, NULL);
	while (found < 0 && errno == EINTR);
	return found > 0 ? status : -1;
}

int resume(int what, pid_t pid, int signo)
{
	long result = request(what, pid, 0, (uintptr_t)signo);

	if (result != 0)
		say("resume %d %s: %s", what, who(pid), value(result));
	return next(pid, __WALL);
}

void until_entry(pid_t pid, long number, int how)
{
	for (;;) {
		int status;

		request(how, pid, 0, 0);
		status = quietly(pid, __WALL);
		if (status == -1 || !WIFSTOPPED(status) ||
		    request(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, orig_rax), 0) ==
			    number)
			return;
	}
}

void tell_siginfo(pid_t pid)
{
	siginfo_t info = { 0 };
	long result = request(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info);

	if (result != 0)
		say("siginfo %s: %s", who(pid), value(result));
	else if (info.si_code <= 0)
		say("siginfo %s: signo %d code %d from %s", who(pid), info.si_signo, info.si_code,
		    who(info.si_pid));
	else
		say("siginfo %s: signo %d code %d errno %d", who(pid), info.si_signo, info.si_code,
		    info.si_errno);
}

void tell_message(pid_t pid, const char *name)
{
	unsigned long message = 0xdead;
	long result = request(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&message);

	if (result == 0 && name)
		role((pid_t)message, name);
	if (result != 0)
		say("message %s: %s", who(pid), value(result));
	else if (message > 300 && name)
		say("message %s: %s", who(pid), who((pid_t)message));
	else
		say("message %s: %lu", who(pid), message);
}

void settle(void)
{
	usleep(60000);
}

static long stat_text(pid_t pid, const char *file, char *text, size_t size)
{
	char path[60];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	return n;
}

char state_of(pid_t pid)
{
	char text[1000];
	const char *end_of_name;

	if (stat_text(pid, "stat", text, sizeof text) <= 0)
		return '-';
	end_of_name = strrchr(text, ')');
	return end_of_name ? end_of_name[2] : '-';
}

void await(pid_t pid, char state)
{
	for (unsigned i = 0; i < 5000; i++) {
		if (state_of(pid) == state)
			return;
		usleep(1000);
	}
	say("%s is never in state %c, but in %c", who(pid), state, state_of(pid));
}

long number_of(pid_t pid, const char *field)
{
	char text[4000];
	const char *at;

	if (stat_text(pid, "status", text, sizeof text) <= 0)
		return -1;
	at = strstr(text, field);
	return at ? strtol(at + strlen(field) + 1, NULL, 0) : -1;
}

const char *target(const char *name)
{
	static char path[500];

	snprintf(path, sizeof path, "%s/test/targets/%s", getenv("COTRACE_BUILD"), name);
	return path;
}

int main(int argc, char **argv)
{
	for (struct facts *f = all; f; f = f->next) {
		if (argc == 2 && strcmp(argv[1], "-l") == 0)
			say("%s", f->name);
		else if (argc == 2 && strcmp(argv[1], f->name) == 0) {
			f->body();
			return 0;
		}
	}
	return argc == 2 && strcmp(argv[1], "-l") == 0 ? 0 : 2;
}
