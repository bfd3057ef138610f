/* SPDX-License-Identifier: MIT */
#include "lib/event.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/fd.h"
#include "lib/decode.h"
#include "lib/session.h"
#include "wire/frame.h"
#include "wire/mailbox.h"

int intake_init(struct intake *in)
{
	*in = (struct intake){ .buf = malloc(WIRE_DATAGRAM_MAX) };
	if (in->buf == NULL)
		return -ENOMEM;
	pthread_mutex_init(&in->lock, NULL);
	return 0;
}

void intake_deinit(struct intake *in)
{
	if (in->buf == NULL)
		return;
	pthread_mutex_destroy(&in->lock);
	free(in->buf);
	in->buf = NULL;
}

/*
 * Being woken on another CPU takes longer than a task takes to its next stop. So after an
 * answer the caller looks again for a moment before it sleeps, and leaves the CPU to
 * others meanwhile; where that proves futile, it is tried now and then only.
 */
#define SPIN_NS 50000u
#define MISSES_MAX 4u
#define RETRY_MASK 31u

void intake_answered(struct intake *in)
{
	atomic_store_explicit(&in->answered, true, memory_order_relaxed);
}

/* Until when to look again; 0: sleep at once. */
static uint64_t spin_until(struct intake *in, uint64_t deadline)
{
	unsigned misses;
	uint64_t end;

	if (!atomic_exchange(&in->answered, false))
		return 0;
	misses = atomic_fetch_add(&in->misses, 1); /* until proven otherwise */
	if (misses >= MISSES_MAX && (misses & RETRY_MASK))
		return 0;
	end = clock_now_ns() + SPIN_NS;
	return end < deadline ? end : deadline;
}

/* Where others want the CPU, who makes way gets it back later than who is woken. */
static void was_of_use(struct intake *in, uint64_t until)
{
	if (clock_now_ns() <= until)
		atomic_store(&in->misses, 0);
}

static bool known(const struct wire_header *h)
{
	return h->type > WIRE_EVENT(0) && h->type <= WIRE_EVENT(COTRACE_EVENT_MAX) &&
	       h->type != WIRE_EVENT(COTRACE_EVENT_ENGINE_GONE);
}

/* Goes past messages that mean nothing to this library, so that `loaded` is exact. */
static void seek_event(struct intake *in)
{
	struct wire_reader next = in->at, body;
	struct wire_header header;

	while (wire_next(&next, &header, &body) == 1) {
		if (known(&header)) {
			in->loaded = true;
			return;
		}
		in->at = next;
	}
	in->loaded = false;
}

static void discard(struct intake *in, int fd)
{
	uint8_t byte;

	if (!in->in_socket)
		return;
	in->in_socket = false;
	while (recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && (errno == EINTR || errno == ECONNRESET))
		;
}

static bool has_full_lane(const struct intake *in)
{
	return in->lane != NULL && lane_is_full(in->lane);
}

/* What lies in the mailbox comes before what is in the socket. */
static bool load_lane(struct intake *in)
{
	ssize_t n = has_full_lane(in) ? lane_take(in->lane, in->buf) : 0;

	if (n > 0) {
		wire_reader_init(&in->at, in->buf, (size_t)n);
		seek_event(in);
	}
	return in->loaded;
}

/* 1 when an event is loaded, 0 when there is none now, -ESHUTDOWN at the end. */
static int load(struct intake *in, int fd)
{
	while (!in->loaded && !load_lane(in)) {
		int none;
		ssize_t n = frame_receive(fd, in->buf, WIRE_DATAGRAM_MAX, &none, MSG_PEEK);

		if (n == -ECONNRESET)
			continue; /* told once; what was sent before it is still there */
		if (n == -EAGAIN)
			return 0;
		if (n == -ENOMEM || n == -ENOBUFS)
			return (int)n;
		if (has_full_lane(in))
			continue; /* by now; what is in the socket was sent after it */
		if (n <= 0 && n != -EMSGSIZE)
			return -ESHUTDOWN;
		in->in_socket = true;
		wire_reader_init(&in->at, in->buf, n > 0 ? (size_t)n : 0);
		seek_event(in);
		if (!in->loaded)
			discard(in, fd);
	}
	return 1;
}

/* The engine has gone without a word, or after one that has been passed on already. */
static int end_of_connection(struct intake *in, struct cotrace_event *ev)
{
	if (in->end_told)
		return -ESHUTDOWN;
	in->end_told = true;
	memset(ev, 0, sizeof *ev);
	ev->size = sizeof *ev;
	ev->kind = COTRACE_EVENT_ENGINE_GONE;
	ev->seq = in->seq + 1;
	ev->time_ns = clock_now_ns();
	return 1;
}

/* The event comes alone in its datagram, with the fd beside it. */
static int take_child_fd(struct intake *in, int fd)
{
	int got;

	in->in_socket = false;
	if (frame_receive(fd, in->buf, WIRE_DATAGRAM_MAX, &got, 0) < 0)
		return -1;
	return got;
}

static bool is_child_event(const struct cotrace_event *ev)
{
	return ev->kind >= COTRACE_EVENT_FORK && ev->kind <= COTRACE_EVENT_CLONE;
}

static int take(struct cotrace *s, struct cotrace_event *ev, struct decode_sink *sink)
{
	struct intake *in = &s->intake;
	struct wire_reader body;
	struct wire_header header;
	int r = load(in, s->fd);

	if (r == -ESHUTDOWN)
		return end_of_connection(in, ev);
	if (r <= 0)
		return r;
	wire_next(&in->at, &header, &body);
	decode_event(&header, &body, ev, sink);
	in->seq = ev->seq;
	if (is_child_event(ev) && ev->child.fd == DECODE_FD_COMES)
		ev->child.fd = take_child_fd(in, s->fd);
	seek_event(in);
	if (!in->loaded)
		discard(in, s->fd);
	if (ev->kind == COTRACE_EVENT_SESSION_END)
		in->end_told = true;
	return 1;
}

static int wait_readable(int fd, uint64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timespec t, *timeout = NULL;
	int n;

	if (deadline != CLOCK_NEVER) {
		uint64_t now = clock_now_ns(), left = deadline > now ? deadline - now : 0;

		t.tv_sec = (time_t)(left / CLOCK_SECOND);
		t.tv_nsec = (long)(left % CLOCK_SECOND);
		timeout = &t;
	}
	n = ppoll(&p, 1, timeout, NULL);
	return n < 0 ? -errno : n;
}

/* Takes an event if there is one: 1, 0 or -errno. */
static int try_next(struct cotrace *s, struct cotrace_event *ev, struct decode_sink *sink)
{
	int r;

	pthread_mutex_lock(&s->intake.lock);
	if (sink != NULL)
		sink->used = 0;
	r = take(s, ev, sink);
	if (r == 1)
		memories_note(s, ev);
	pthread_mutex_unlock(&s->intake.lock);
	return r;
}

/* What nobody sees from outside comes first. */
static bool is_at_hand(struct intake *in)
{
	bool at_hand;

	pthread_mutex_lock(&in->lock);
	at_hand = in->loaded || has_full_lane(in);
	pthread_mutex_unlock(&in->lock);
	return at_hand;
}

static void look(struct intake *in)
{
	pthread_mutex_lock(&in->lock);
	if (in->lane != NULL && !in->loaded)
		lane_look(in->lane, in->seq);
	pthread_mutex_unlock(&in->lock);
}

/* Of those without a mailbox only @asked: it takes a system call. */
static int try_any(struct cotrace *const v[], size_t n, size_t asked, size_t *which,
		   struct cotrace_event *ev, struct decode_sink *sink)
{
	for (size_t i = 0; i < n; i++) {
		struct intake *in = &v[i]->intake;
		int r = in->lane != NULL ? !lane_is_quiet(in->lane) : i == asked;

		if (r != 0)
			r = try_next(v[i], ev, sink);
		*which = i;
		if (r != 0)
			return r;
	}
	return 0;
}

/* Looks again and again, until then. As try_next(). */
static int spin(struct cotrace *const v[], size_t n, size_t *which, struct cotrace_event *ev,
		struct decode_sink *sink, uint64_t until)
{
	size_t turn = 0;
	int r = 0;

	for (size_t i = 0; i < n; i++)
		look(&v[i]->intake);
	while (r == 0 && clock_now_ns() < until) {
		sched_yield();
		r = try_any(v, n, turn++ % n, which, ev, sink);
	}
	for (size_t i = 0; i < n; i++) {
		struct intake *in = &v[i]->intake;

		if (in->lane == NULL || lane_leave(in->lane) || r != 0)
			continue;
		*which = i;
		r = try_next(v[i], ev, sink);
	}
	return r;
}

static int next(struct cotrace *s, struct cotrace_event *ev, struct decode_sink *sink,
		int64_t timeout_ns)
{
	uint64_t deadline, until;
	size_t which;
	int r;

	if (ev->size != sizeof *ev)
		return -EINVAL;
	/* Where there is time to wait, and nothing left of a datagram, waiting tells. */
	if (timeout_ns == 0 || is_at_hand(&s->intake)) {
		r = try_next(s, ev, sink);
		if (r != 0 || timeout_ns == 0)
			return r;
	}
	deadline = clock_deadline(timeout_ns);
	until = spin_until(&s->intake, deadline);
	if (until > 0 && (r = spin(&s, 1, &which, ev, sink, until)) != 0) {
		was_of_use(&s->intake, until);
		return r;
	}
	do {
		r = wait_readable(s->fd, deadline);
		if (r <= 0)
			return r;
		r = try_next(s, ev, sink);
	} while (r == 0);
	return r;
}

static int next_soon(struct cotrace *const v[], size_t n, size_t *which, struct cotrace_event *ev)
{
	uint64_t until = 0, each;
	int r;

	for (size_t i = 0; i < n; i++) {
		if (is_at_hand(&v[i]->intake)) {
			*which = i;
			return try_next(v[i], ev, NULL);
		}
	}
	for (size_t i = 0; i < n; i++) {
		each = spin_until(&v[i]->intake, CLOCK_NEVER);
		until = each > until ? each : until;
	}
	if (until == 0)
		return 0;
	r = spin(v, n, which, ev, NULL, until);
	if (r != 0)
		was_of_use(&v[*which]->intake, until);
	return r;
}

int cotrace_next_soon(struct cotrace *const v[], size_t n, size_t *which, struct cotrace_event *ev)
{
	int saved = errno, r;

	if (ev->size != sizeof *ev)
		return -EINVAL;
	r = next_soon(v, n, which, ev);
	errno = saved;
	return r;
}

int cotrace_next(struct cotrace *s, struct cotrace_event *ev, int64_t timeout_ns)
{
	int saved = errno, r = next(s, ev, NULL, timeout_ns);

	errno = saved;
	return r;
}

int cotrace_next_data(struct cotrace *s, struct cotrace_event *ev, void *data, size_t size,
		      int64_t timeout_ns)
{
	struct decode_sink sink = { .data = data, .size = size > UINT32_MAX ? UINT32_MAX : size };
	int saved = errno, r = next(s, ev, &sink, timeout_ns);

	errno = saved;
	return r;
}
