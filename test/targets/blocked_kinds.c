/* SPDX-License-Identifier: MIT */
/* The kinds of blocked calls; see blocked.c. */
#include "test/targets/blocked.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "test/targets/common.h"

#define OR_ERRNO(call)                                      \
	({                                                  \
		long or_errno_ = (long)(call);              \
		or_errno_ == -1 ? (long)-errno : or_errno_; \
	})

struct timespec timeout_of(const struct wait *w)
{
	return (struct timespec){ w->ms / 1000, (long)(w->ms % 1000) * 1000000 };
}

/* ---- Things to wait at ---- */

static bool nothing(struct wait *w)
{
	(void)w;
	return true;
}

static bool a_pipe(struct wait *w)
{
	int fds[2];

	MUST(pipe(fds) == 0);
	w->fd = fds[0];
	w->wake_fd = fds[1];
	return true;
}

static bool a_full_pipe(struct wait *w)
{
	char zeros[4096] = { 0 };

	a_pipe(w);
	fcntl(w->wake_fd, F_SETFL, O_NONBLOCK);
	while (write(w->wake_fd, zeros, sizeof zeros) > 0)
		;
	fcntl(w->wake_fd, F_SETFL, 0);
	return true;
}

static bool a_socket(struct wait *w)
{
	int fds[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	w->fd = fds[0];
	w->wake_fd = fds[1];
	return true;
}

static bool a_socket_with_timeout(struct wait *w)
{
	struct timeval tv = { w->ms / 1000, (w->ms % 1000) * 1000 };

	a_socket(w);
	MUST(setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);
	return true;
}

static bool an_epoll(struct wait *w)
{
	struct epoll_event event = { .events = EPOLLIN };
	int ep = epoll_create1(0);

	a_pipe(w);
	MUST(ep >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, w->fd, &event) == 0);
	w->fd = ep;
	return true;
}

static bool an_eventfd(struct wait *w)
{
	w->fd = eventfd(0, 0);
	return w->fd >= 0;
}

static bool an_inotify(struct wait *w)
{
	w->fd = inotify_init1(0);
	return w->fd >= 0;
}

static bool a_timerfd(struct wait *w)
{
	w->fd = timerfd_create(CLOCK_MONOTONIC, 0);
	return w->fd >= 0;
}

static bool a_signalfd(struct wait *w)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	w->fd = signalfd(-1, &set, 0);
	return w->fd >= 0;
}

static bool a_tty(struct wait *w)
{
	char name[64];
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	if (master < 0 || grantpt(master) || unlockpt(master) ||
	    ptsname_r(master, name, sizeof name))
		return false;
	w->fd = open(name, O_RDWR | O_NOCTTY);
	w->wake_fd = -1;
	return w->fd >= 0;
}

static bool a_listener(struct wait *w)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size = sizeof address;

	/* An address of the kernel's choice. */
	w->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	MUST(bind(w->fd, (struct sockaddr *)&address, sizeof(sa_family_t)) == 0);
	MUST(listen(w->fd, 0) == 0);
	MUST(getsockname(w->fd, (struct sockaddr *)&address, &size) == 0);
	return true;
}

static bool a_full_listener(struct wait *w)
{
	struct sockaddr_un address;
	socklen_t size = sizeof address;
	int fd;

	a_listener(w);
	MUST(getsockname(w->fd, (struct sockaddr *)&address, &size) == 0);
	do
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	while (connect(fd, (struct sockaddr *)&address, size) == 0);
	MUST(errno == EAGAIN);
	return true;
}

static bool a_semaphore(struct wait *w)
{
	w->id = semget(IPC_PRIVATE, 1, 0600);
	return w->id >= 0;
}

static bool a_message_queue(struct wait *w)
{
	w->id = msgget(IPC_PRIVATE, 0600);
	return w->id >= 0;
}

static bool a_posix_queue(struct wait *w)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 8 };
	char name[64];

	snprintf(name, sizeof name, "/cotrace-%d-%p", (int)getpid(), (void *)w);
	w->id = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
	mq_unlink(name);
	return w->id >= 0;
}

static bool a_child(struct wait *w)
{
	pid_t self = getpid();

	w->id = fork();
	if (w->id == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == self)
			pause();
		_exit(0);
	}
	return w->id > 0;
}

static bool a_lock(struct wait *w)
{
	char path[64];
	int held = memfd_create("lock", 0);

	snprintf(path, sizeof path, "/proc/self/fd/%d", held);
	w->fd = open(path, O_RDWR);
	if (held < 0 || w->fd < 0)
		return false;
	MUST(flock(held, LOCK_EX) == 0);
	return true;
}

static bool an_aio(struct wait *w)
{
	aio_context_t context = 0;

	if (syscall(SYS_io_setup, 1, &context) != 0)
		return false;
	w->handle = context;
	return true;
}

static bool a_ring(struct wait *w)
{
	uint32_t params[30] = { 0 }; /* struct io_uring_params */

	w->fd = (int)syscall(SYS_io_uring_setup, 4, params);
	return w->fd >= 0;
}

/* ---- Blocking ---- */

static long block_epoll_wait(struct wait *w)
{
	struct epoll_event event;

	return OR_ERRNO(epoll_wait(w->fd, &event, 1, (int)w->ms));
}

static long block_epoll_pwait(struct wait *w)
{
	struct epoll_event event;
	sigset_t none;

	sigfillset(&none);
	return OR_ERRNO(epoll_pwait(w->fd, &event, 1, (int)w->ms, &none));
}

static long block_sigtimedwait(struct wait *w)
{
	struct timespec t = timeout_of(w);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return OR_ERRNO(sigtimedwait(&set, NULL, &t));
}

static long block_sigwaitinfo(struct wait *w)
{
	sigset_t set;

	(void)w;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return OR_ERRNO(sigwaitinfo(&set, NULL));
}

static long block_recv(struct wait *w)
{
	char c;

	return OR_ERRNO(recv(w->fd, &c, 1, 0));
}

static long block_recvmsg(struct wait *w)
{
	char c;
	struct iovec iov = { &c, 1 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	return OR_ERRNO(recvmsg(w->fd, &message, 0));
}

static long block_futex(struct wait *w)
{
	return OR_ERRNO(syscall(SYS_futex, &w->word, FUTEX_WAIT, 0, NULL, NULL, 0));
}

static long block_futex_timed(struct wait *w)
{
	struct timespec t = timeout_of(w);

	return OR_ERRNO(syscall(SYS_futex, &w->word, FUTEX_WAIT, 0, &t, NULL, 0));
}

static long block_nanosleep(struct wait *w)
{
	struct timespec t = timeout_of(w);

	return OR_ERRNO(nanosleep(&t, NULL));
}

static long block_clock_nanosleep(struct wait *w)
{
	struct timespec t = timeout_of(w);

	return -clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

static long block_clock_absolute(struct wait *w)
{
	struct timespec t, more = timeout_of(w);

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += more.tv_sec + (t.tv_nsec + more.tv_nsec) / 1000000000;
	t.tv_nsec = (t.tv_nsec + more.tv_nsec) % 1000000000;
	return -clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static long block_poll(struct wait *w)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };

	return OR_ERRNO(poll(&p, 1, (int)w->ms));
}

static long block_ppoll(struct wait *w)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };
	struct timespec t = timeout_of(w);
	sigset_t all;

	sigfillset(&all);
	return OR_ERRNO(ppoll(&p, 1, &t, &all));
}

static long block_select(struct wait *w)
{
	struct timeval tv = { w->ms / 1000, (w->ms % 1000) * 1000 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(w->fd, &set);
	return OR_ERRNO(select(w->fd + 1, &set, NULL, NULL, &tv));
}

static long block_pselect(struct wait *w)
{
	struct timespec t = timeout_of(w);
	sigset_t all;
	fd_set set;

	sigfillset(&all);
	FD_ZERO(&set);
	FD_SET(w->fd, &set);
	return OR_ERRNO(pselect(w->fd + 1, &set, NULL, NULL, &t, &all));
}

static long block_pause(struct wait *w)
{
	(void)w;
	return OR_ERRNO(pause());
}

static long block_sigsuspend(struct wait *w)
{
	sigset_t all;

	(void)w;
	sigfillset(&all);
	return OR_ERRNO(sigsuspend(&all));
}

static long block_semop(struct wait *w)
{
	struct sembuf op = { 0, -1, 0 };

	return OR_ERRNO(semop(w->id, &op, 1));
}

static long block_semtimedop(struct wait *w)
{
	struct sembuf op = { 0, -1, 0 };
	struct timespec t = timeout_of(w);

	return OR_ERRNO(semtimedop(w->id, &op, 1, &t));
}

static long block_msgrcv(struct wait *w)
{
	struct {
		long type;
		char text[8];
	} message;

	return OR_ERRNO(msgrcv(w->id, &message, sizeof message.text, 0, 0));
}

static long block_mq(struct wait *w)
{
	struct timespec t, more = timeout_of(w);
	char text[8];

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += more.tv_sec + (t.tv_nsec + more.tv_nsec) / 1000000000;
	t.tv_nsec = (t.tv_nsec + more.tv_nsec) % 1000000000;
	return OR_ERRNO(mq_timedreceive(w->id, text, sizeof text, NULL, &t));
}

static long block_io_getevents(struct wait *w)
{
	struct io_event event;
	struct timespec t = timeout_of(w);

	return OR_ERRNO(syscall(SYS_io_getevents, w->handle, 1L, 1L, &event, &t));
}

static long block_ring(struct wait *w)
{
	return OR_ERRNO(syscall(SYS_io_uring_enter, w->fd, 0, 1, 1 /* GETEVENTS */, NULL, 0));
}

static long block_read(struct wait *w)
{
	char bytes[128];

	return OR_ERRNO(read(w->fd, bytes, sizeof bytes));
}

static long block_timerfd(struct wait *w)
{
	struct itimerspec spec = { .it_value = timeout_of(w) };
	uint64_t ticks;

	MUST(timerfd_settime(w->fd, 0, &spec, NULL) == 0);
	return OR_ERRNO(read(w->fd, &ticks, sizeof ticks));
}

static long block_write(struct wait *w)
{
	return OR_ERRNO(write(w->wake_fd, "x", 1));
}

static long block_accept(struct wait *w)
{
	return OR_ERRNO(accept(w->fd, NULL, NULL));
}

static long block_connect(struct wait *w)
{
	struct sockaddr_un address;
	socklen_t size = sizeof address;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	getsockname(w->fd, (struct sockaddr *)&address, &size);
	return OR_ERRNO(connect(fd, (struct sockaddr *)&address, size));
}

static long block_wait4(struct wait *w)
{
	return OR_ERRNO(wait4(w->id, NULL, __WALL, NULL));
}

static long block_waitid(struct wait *w)
{
	siginfo_t info;

	return OR_ERRNO(waitid(P_PID, (id_t)w->id, &info, WEXITED));
}

static long block_flock(struct wait *w)
{
	return OR_ERRNO(flock(w->fd, LOCK_EX));
}

/* ---- Waking ---- */

static void wake_by_byte(struct wait *w)
{
	MUST(write(w->wake_fd, "x", 1) == 1);
}

static void wake_eventfd(struct wait *w)
{
	uint64_t one = 1;

	MUST(write(w->fd, &one, sizeof one) == sizeof one);
}

static void wake_futex(struct wait *w)
{
	w->word = 1;
	syscall(SYS_futex, &w->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void wake_by_signal(struct wait *w)
{
	syscall(SYS_tgkill, getpid(), w->tid, SIGUSR1);
}

static void wake_semaphore(struct wait *w)
{
	struct sembuf op = { 0, 1, 0 };

	MUST(semop(w->id, &op, 1) == 0);
}

static void wake_queue(struct wait *w)
{
	struct {
		long type;
		char text[8];
	} message = { 1, "x" };

	MUST(msgsnd(w->id, &message, sizeof message.text, 0) == 0);
}

static void wake_mq(struct wait *w)
{
	MUST(mq_send(w->id, "x", 1, 0) == 0);
}

static void wake_child(struct wait *w)
{
	kill(w->id, SIGKILL);
}

static void wake_writer(struct wait *w)
{
	char bytes[8192];

	MUST(read(w->fd, bytes, sizeof bytes) > 0);
}

const struct kind kinds[] = {
	{ "epoll_wait", true, an_epoll, block_epoll_wait, wake_by_byte },
	{ "epoll_pwait", true, an_epoll, block_epoll_pwait, wake_by_byte },
	{ "sigtimedwait", true, nothing, block_sigtimedwait, wake_by_signal },
	{ "sigwaitinfo", false, nothing, block_sigwaitinfo, wake_by_signal },
	{ "recv", false, a_socket, block_recv, wake_by_byte },
	{ "recv_timeout", true, a_socket_with_timeout, block_recv, wake_by_byte },
	{ "recvmsg", false, a_socket, block_recvmsg, wake_by_byte },
	{ "futex", false, nothing, block_futex, wake_futex },
	{ "futex_timed", true, nothing, block_futex_timed, wake_futex },
	{ "nanosleep", true, nothing, block_nanosleep, NULL },
	{ "clock_nanosleep", true, nothing, block_clock_nanosleep, NULL },
	{ "clock_absolute", true, nothing, block_clock_absolute, NULL },
	{ "poll", true, a_pipe, block_poll, wake_by_byte },
	{ "ppoll", true, a_pipe, block_ppoll, wake_by_byte },
	{ "select", true, a_pipe, block_select, wake_by_byte },
	{ "pselect", true, a_pipe, block_pselect, wake_by_byte },
	{ "pause", false, nothing, block_pause, NULL },
	{ "sigsuspend", false, nothing, block_sigsuspend, NULL },
	{ "semop", false, a_semaphore, block_semop, wake_semaphore },
	{ "semtimedop", true, a_semaphore, block_semtimedop, wake_semaphore },
	{ "msgrcv", false, a_message_queue, block_msgrcv, wake_queue },
	{ "mq_timedreceive", true, a_posix_queue, block_mq, wake_mq },
	{ "io_getevents", true, an_aio, block_io_getevents, NULL },
	{ "io_uring_enter", false, a_ring, block_ring, NULL },
	{ "read_pipe", false, a_pipe, block_read, wake_by_byte },
	{ "read_eventfd", false, an_eventfd, block_read, wake_eventfd },
	{ "read_inotify", false, an_inotify, block_read, NULL },
	{ "read_timerfd", true, a_timerfd, block_timerfd, NULL },
	{ "read_signalfd", false, a_signalfd, block_read, NULL },
	{ "read_tty", false, a_tty, block_read, NULL },
	{ "write_pipe", false, a_full_pipe, block_write, wake_writer },
	{ "accept", false, a_listener, block_accept, NULL },
	{ "connect", false, a_full_listener, block_connect, NULL },
	{ "wait4", false, a_child, block_wait4, wake_child },
	{ "waitid", false, a_child, block_waitid, wake_child },
	{ "flock", false, a_lock, block_flock, NULL },
};
const size_t kind_count = sizeof kinds / sizeof kinds[0];
