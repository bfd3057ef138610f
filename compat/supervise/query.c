/* SPDX-License-Identifier: MIT */
#include "compat/supervise/query.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "compat/status.h"

#define WAIT4_OPTIONS (WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL)
#define WAITID_OPTIONS \
	(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL)

static bool parse_wait4(struct wait_call *w, const uint64_t args[6])
{
	int pid = (int)args[0], options = (int)args[2];

	if (options & ~WAIT4_OPTIONS || pid == INT_MIN)
		return false;
	w->query.idtype = pid == -1 ? P_ALL : pid > 0 ? P_PID : P_PGID;
	w->query.id = pid > 0 ? pid : pid == -1 ? 0 : -pid;
	w->query.options = options | WEXITED;
	w->status = args[1];
	w->usage = args[3];
	return true;
}

static bool parse_waitid(struct wait_call *w, const uint64_t args[6])
{
	int idtype = (int)args[0], id = (int)args[1], options = (int)args[3];

	if (options & ~WAITID_OPTIONS || !(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return false;
	if (idtype != P_ALL && idtype != P_PID && idtype != P_PGID && idtype != P_PIDFD)
		return false;
	if (idtype != P_ALL && (id < 0 || (idtype == P_PID && id == 0)))
		return false;
	w->is_waitid = true;
	w->query.idtype = idtype;
	w->query.id = idtype == P_ALL ? 0 : id;
	w->query.options = options;
	w->info = args[2];
	w->usage = args[4];
	return true;
}

bool wait_call_parse(struct wait_call *w, enum call call, const uint64_t args[6])
{
	uint64_t three[6] = { args[0], args[1], args[2] };

	*w = (struct wait_call){ 0 };
	if (call == CALL_WAITID)
		return parse_waitid(w, args);
	return parse_wait4(w, call == CALL_WAITPID ? three : args);
}

int64_t wait_call_value(const struct wait_call *w, const struct wait_result *r)
{
	return w->is_waitid ? 0 : r->tid;
}

void wait_call_siginfo(struct piece pieces[2], const struct wait_result *r, bool compat)
{
	siginfo_t info = { 0 };

	/* A tracee stops for its tracer: the kernel calls that trapped, whatever the signal. */
	if (r)
		status_to_siginfo(r->status, true, &info);
	pieces[0] = (struct piece){ 0, 12, { info.si_signo, 0, info.si_code } };
	/* With 64 bits the part that depends on the signal begins at a multiple of 8. */
	pieces[1] = (struct piece){ compat ? 12 : 16, 12, { 0 } };
	if (r) {
		pieces[1].v[0] = r->tid;
		pieces[1].v[1] = (int32_t)r->uid;
		pieces[1].v[2] = info.si_status;
	}
}

size_t wait_call_usage(uint8_t bytes[WAIT_CALL_USAGE_MAX], const struct rusage *u, bool compat)
{
	/* All its fields are longs: two times, then counters. */
	const long *from = (const long *)(const void *)u;
	enum { LONGS = sizeof(struct rusage) / sizeof(long) };

	if (!compat) {
		memcpy(bytes, u, sizeof *u);
		return sizeof *u;
	}
	for (size_t i = 0; i < LONGS; i++) {
		int32_t v = (int32_t)from[i];

		memcpy(bytes + i * sizeof v, &v, sizeof v);
	}
	return LONGS * sizeof(int32_t);
}
