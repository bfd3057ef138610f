/* SPDX-License-Identifier: MIT */
/* Calls that wait for our answer. */
#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "compat/supervise/supervise.h"

bool notice_valid(struct supervisor *s, const struct notice *n)
{
	uint64_t id = n->id;
	bool valid = ioctl(s->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;

	s->lost |= !valid;
	return valid;
}

static int reply(struct supervisor *s, const struct notice *n, struct seccomp_notif_resp *reply)
{
	int r;

	reply->id = n->id;
	r = ioctl(s->listener, SECCOMP_IOCTL_NOTIF_SEND, reply) < 0 ? -errno : 0;
	spare_page_remove(s, n->slot);
	return r;
}

int notice_answer(struct supervisor *s, const struct notice *n, int64_t result)
{
	bool failed = result < 0 && result >= -4095;
	struct seccomp_notif_resp resp = { .val = failed ? 0 : result,
					   .error = failed ? (int32_t)result : 0 };

	return reply(s, n, &resp);
}

int notice_continue(struct supervisor *s, const struct notice *n)
{
	struct seccomp_notif_resp resp = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

	return reply(s, n, &resp);
}

bool notice_process(struct supervisor *s, struct notice *n)
{
	if (!n->caller.pid) {
		pid_t pid = thread_process(s, n->caller.tid);

		n->caller.pid = pid > 0 ? pid : 0;
	}
	return n->caller.pid > 0;
}

static void begin(struct supervisor *s, struct notice *n)
{
	switch (n->call) {
	case CALL_PTRACE:
		ptrace_begin(s, n);
		break;
	case CALL_WAIT4:
	case CALL_WAITPID:
	case CALL_WAITID:
		wait_begin(s, n);
		break;
	case CALL_TKILL:
	case CALL_TGKILL:
		stop_begin(s, n);
		break;
	case CALL_OTHER:
		notice_continue(s, n);
		break;
	default:
		transfer_begin(s, n);
	}
}

/* A task of another pid namespace than ours has no tid: it goes without us. */
static bool receive(struct supervisor *s, struct notice *n)
{
	struct seccomp_notif got;

	memset(&got, 0, sizeof got);
	if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_RECV, &got) < 0)
		return false;
	*n = (struct notice){ .id = got.id, .caller.tid = (pid_t)got.pid };
	n->slot = spare_page_add(s, got.id);
	n->call = calls_find(got.data.arch, got.data.nr, &n->caller.compat);
	for (int i = 0; i < 6; i++)
		n->args[i] = n->caller.compat ? (uint32_t)got.data.args[i] : got.data.args[i];
	if (!got.pid)
		n->call = CALL_OTHER;
	return true;
}

void notify_ready(struct supervisor *s, struct source *source)
{
	struct notice n;

	(void)source;
	if (!receive(s, &n))
		return;
	/* A signal took it out of its wait, or the wait is over. */
	if (s->waits.count)
		wait_drop(s, n.caller.tid);
	begin(s, &n);
}
