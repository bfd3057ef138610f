/* SPDX-License-Identifier: MIT */
/*
 * A listener that nobody holds fails calls with ENOSYS, for ever. So there is a second process
 * that holds it. When the supervisor is killed it gives every call to the kernel, those first
 * that the supervisor had received: programs go on without cotrace. It has a spare, too.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "compat/supervise/supervise.h"

enum { SLOTS = 16384, NO_SLOT = 0 };

/* Ids received and not answered. They count upwards: the next may have been received, too. */
struct spare_page {
	_Atomic uint64_t last;
	_Atomic uint64_t ids[SLOTS];
	unsigned free_count, free_slots[SLOTS]; /* for the supervisor alone */
};

int spare_page_new(struct supervisor *s)
{
	s->page = mmap(NULL, sizeof *s->page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (s->page == MAP_FAILED)
		return -ENOMEM;
	for (unsigned i = SLOTS - 1; i > NO_SLOT; i--)
		s->page->free_slots[s->page->free_count++] = i;
	return 0;
}

unsigned spare_page_add(struct supervisor *s, uint64_t id)
{
	struct spare_page *p = s->page;
	unsigned slot = p->free_count ? p->free_slots[--p->free_count] : NO_SLOT;

	if (slot != NO_SLOT)
		atomic_store_explicit(&p->ids[slot], id, memory_order_relaxed);
	atomic_store_explicit(&p->last, id, memory_order_relaxed);
	return slot;
}

void spare_page_remove(struct supervisor *s, unsigned slot)
{
	struct spare_page *p = s->page;

	if (slot == NO_SLOT)
		return;
	atomic_store_explicit(&p->ids[slot], 0, memory_order_relaxed);
	p->free_slots[p->free_count++] = slot;
}

static void pass(int listener, uint64_t id)
{
	struct seccomp_notif_resp resp = { .id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

	ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

static void pass_all_received(struct supervisor *s)
{
	uint64_t last = atomic_load(&s->page->last);

	for (unsigned i = NO_SLOT + 1; i < SLOTS; i++)
		if (atomic_load(&s->page->ids[i]))
			pass(s->listener, atomic_load(&s->page->ids[i]));
	/* Received, and not yet written down. */
	pass(s->listener, last + 1);
}

static void pass_next(int listener)
{
	struct seccomp_notif got;

	memset(&got, 0, sizeof got);
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &got) == 0)
		pass(listener, got.id);
}

static void serve(struct supervisor *s)
{
	pass_all_received(s);
	for (;;) {
		struct pollfd p[2] = { { s->listener, POLLIN, 0 },
				       { s->spare_source.fd, POLLIN, 0 } };

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			_exit(1);
		if (p[0].revents & POLLIN)
			pass_next(s->listener);
		else if (p[0].revents)
			_exit(0);
		if (p[1].revents) {
			s->spare_source.fd = fd_close(s->spare_source.fd);
			waitpid(s->spare, NULL, 0);
			spare_start(s);
		}
	}
}

/* Waits until it is needed, or nobody is left who could need it. */
static void stand_by(struct supervisor *s, int first)
{
	struct pollfd p[2] = { { s->listener, 0, 0 }, { first, POLLIN, 0 } };

	prctl(PR_SET_NAME, "cotrace-spare");
	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			_exit(1);
		if (p[0].revents)
			_exit(0);
		if (p[1].revents)
			break;
	}
	close(first);
	log_debug("the supervisor is gone");
	s->epoll = -1;
	if (spare_start(s) < 0)
		log_debug("there is no spare");
	serve(s);
}

/* The child has nothing of ours but the listener and who we are. */
static void become_spare(struct supervisor *s, int first)
{
	int fds[2] = { s->listener, first }, low, high;

	low = fds[0] < fds[1] ? fds[0] : fds[1];
	high = fds[0] < fds[1] ? fds[1] : fds[0];
	close_range(STDERR_FILENO + 1, (unsigned)low - 1, 0);
	if (high > low + 1)
		close_range((unsigned)low + 1, (unsigned)high - 1, 0);
	close_range((unsigned)high + 1, ~0u, 0);
	stand_by(s, first);
}

int spare_start(struct supervisor *s)
{
	int first = pidfd_open(getpid(), 0), r;
	pid_t pid;

	if (first < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		become_spare(s, first);
	r = pid < 0 ? -errno : 0;
	close(first);
	if (r < 0)
		return r;
	s->spare = pid;
	r = pidfd_open(pid, 0);
	if (r < 0)
		return -errno;
	if (s->epoll >= 0)
		return source_add(s, &s->spare_source, r);
	s->spare_source.fd = r;
	return 0;
}
