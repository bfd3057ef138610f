/* SPDX-License-Identifier: MIT */
#include "test/engine/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/frame.h"

#define TURNS_MAX 100000

int stage_setup(void **state)
{
	struct stage *st = calloc(1, sizeof *st);

	virtual_clock_reset();
	st->kernel = fake_new();
	assert_non_null(st->kernel);
	assert_int_equal(engine_new(&st->engine, &st->kernel->base), 0);
	fake_add(st->kernel, PID, PID);
	st->keeper = client_new(st);
	*state = st;
	return 0;
}

void client_forget(struct client *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->messages[i].body);
		if (c->messages[i].fd >= 0)
			close(c->messages[i].fd);
	}
	c->count = 0;
}

static void client_free(struct client *c)
{
	client_forget(c);
	free(c->messages);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

int stage_teardown(void **state)
{
	struct stage *st = *state;
	unsigned illegal = st->kernel->illegal;

	if (illegal)
		print_error("the engine asked of the kernel: %s\n", st->kernel->complaint);
	engine_free(st->engine);
	st->kernel->base.ops->close(&st->kernel->base);
	for (size_t i = 0; i < st->client_count; i++)
		client_free(st->clients[i]);
	free(st);
	return illegal ? -1 : 0;
}

struct client *client_from_fd(struct stage *st, int fd)
{
	struct client *c = calloc(1, sizeof *c);

	assert_true(st->client_count < STAGE_CLIENTS);
	c->stage = st;
	c->fd = fd;
	st->clients[st->client_count++] = c;
	return c;
}

struct client *client_new(struct stage *st)
{
	struct wire_r_hello hello;
	struct wire_reader r;
	struct message m = { 0 };
	struct client *c;
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	c = client_from_fd(st, pair[0]);
	assert_int_equal(engine_adopt(st->engine, pair[1]), 0);
	request(c, HELLO, hello, 1, 1);
	assert_true(client_take(c, WIRE_R_HELLO, &m));
	wire_reader_init(&r, m.body, m.size);
	assert_true(wire_get_r_hello(&r, &hello));
	assert_int_equal(hello.error, 0);
	c->session = hello.session;
	free(m.body);
	return c;
}

void client_close(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	settle(c->stage);
}

struct client *client_attached_as(struct stage *st, struct wire_attach how)
{
	struct client *c = client_new(st);
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (how.pid == 0)
		how.pid = PID;
	client_begin(c, WIRE_ATTACH, 0);
	wire_put_attach(&c->writer, &how);
	client_send(c, fd);
	close(fd);
	settle(st);
	assert_int_equal(client_reply_error(c, WIRE_ATTACH), 0);
	return c;
}

struct client *client_attached(struct stage *st)
{
	return client_attached_as(st, (struct wire_attach){ 0 });
}

uint64_t client_begin(struct client *c, unsigned type, unsigned flags)
{
	wire_writer_init(&c->writer, c->out, sizeof c->out);
	wire_begin(&c->writer, type, flags, ++c->cookie);
	return c->cookie;
}

void client_send(struct client *c, int fd)
{
	wire_finish(&c->writer);
	assert_int_equal(frame_send(c->fd, c->out, c->writer.used, fd), 0);
}

static void keep(struct client *c, const struct wire_header *header, struct wire_reader *body,
		 int fd)
{
	size_t size = wire_left(body);
	struct message *m;

	if (c->count == c->capacity) {
		c->capacity = c->capacity ? 2 * c->capacity : 16;
		c->messages = realloc(c->messages, c->capacity * sizeof *c->messages);
	}
	m = &c->messages[c->count++];
	*m = (struct message){ *header, size, malloc(size + 1), fd };
	memcpy(m->body, wire_get_bytes(body, size), size);
}

static void receive(struct client *c)
{
	static uint8_t buf[WIRE_DATAGRAM_MAX];
	struct wire_reader datagram, body;
	struct wire_header header;
	ssize_t n;
	int fd;

	while (c->fd >= 0 && (n = frame_receive(c->fd, buf, sizeof buf, &fd, 0)) != -EAGAIN) {
		if (n <= 0) {
			c->hung_up = true;
			return;
		}
		wire_reader_init(&datagram, buf, (size_t)n);
		while (wire_next(&datagram, &header, &body) == 1) {
			keep(c, &header, &body, fd);
			fd = -1;
		}
	}
}

static bool io_waits(struct stage *st)
{
	struct pollfd p = { .fd = st->engine->epoll, .events = POLLIN };

	return st->engine->io_again || poll(&p, 1, 0) > 0;
}

static void work(struct stage *st)
{
	int turns = 0;

	while (st->kernel->event_count || io_waits(st)) {
		engine_turn(st->engine, 0);
		if (++turns == TURNS_MAX)
			fail_msg("the engine turns without end");
	}
}

void settle(struct stage *st)
{
	work(st);
	/* Notes may be kept back for half a millisecond, also those of timers. */
	for (int i = 0; i < 2; i++) {
		virtual_clock_advance(CLOCK_MS);
		engine_turn(st->engine, 0);
		work(st);
	}
	for (size_t i = 0; i < st->client_count; i++)
		if (!st->clients[i]->deaf)
			receive(st->clients[i]);
}

void turn(struct stage *st)
{
	engine_turn(st->engine, 0);
}

void pass_time(struct stage *st, uint64_t ns)
{
	virtual_clock_advance(ns);
	settle(st);
}

static void take_at(struct client *c, size_t at, struct message *out)
{
	*out = c->messages[at];
	c->count--;
	memmove(&c->messages[at], &c->messages[at + 1], (c->count - at) * sizeof *c->messages);
}

bool client_take(struct client *c, unsigned type, struct message *out)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->messages[i].header.type == type) {
			take_at(c, i, out);
			return true;
		}
	return false;
}

int client_reply_error(struct client *c, unsigned request_type)
{
	struct wire_r_done done;
	struct wire_reader r;
	struct message m = { 0 };

	if (!client_take(c, WIRE_REPLY(request_type), &m))
		fail_msg("no reply to %s", wire_request_name(request_type));
	wire_reader_init(&r, m.body, m.size); /* NOLINT(clang-analyzer-core.CallAndMessage) */
	assert_true(wire_get_r_done(&r, &done));
	free(m.body);
	return done.error;
}

static void get_payload(struct wire_reader *r, struct seen *ev)
{
	struct wire_e_syscall_entry entry;

	switch (ev->kind) {
	case COTRACE_EVENT_SYSCALL_ENTRY:
		wire_get_e_syscall_entry(r, &entry);
		ev->syscall.nr = entry.nr;
		memcpy(ev->syscall.args, entry.args, sizeof entry.args);
		break;
	case COTRACE_EVENT_SYSCALL_EXIT:
		wire_get_e_syscall_exit(r, &ev->syscall);
		break;
	case COTRACE_EVENT_SECCOMP:
		wire_get_e_seccomp(r, &ev->seccomp);
		break;
	case COTRACE_EVENT_SIGNAL:
		wire_get_e_signal(r, &ev->signal);
		break;
	case COTRACE_EVENT_EXEC:
		wire_get_e_exec(r, &ev->exec);
		break;
	case COTRACE_EVENT_TASK_EXIT:
	case COTRACE_EVENT_PROCESS_EXIT:
		wire_get_e_exit(r, &ev->exit);
		break;
	case COTRACE_EVENT_JOB_STOP:
	case COTRACE_EVENT_JOB_CONTINUE:
		wire_get_e_job(r, &ev->job);
		break;
	case COTRACE_EVENT_BREAKPOINT:
		wire_get_e_breakpoint(r, &ev->breakpoint);
		break;
	case COTRACE_EVENT_WATCHPOINT:
		wire_get_e_watchpoint(r, &ev->watchpoint);
		break;
	case COTRACE_EVENT_STEP:
		wire_get_e_step(r, &ev->step);
		break;
	case COTRACE_EVENT_STOP_DONE:
		wire_get_e_stop(r, &ev->stop);
		break;
	case COTRACE_EVENT_CHANGED:
		wire_get_e_changed(r, &ev->changed);
		break;
	case COTRACE_EVENT_LOST:
		wire_get_e_lost(r, &ev->lost);
		break;
	case COTRACE_EVENT_REFUSED:
		wire_get_e_refused(r, &ev->refused);
		break;
	case COTRACE_EVENT_SESSION_END:
		wire_get_e_end(r, &ev->end);
		break;
	default:
		wire_get_e_child(r, &ev->child);
	}
}

static struct seen decode(struct message *m)
{
	struct seen ev = { .kind = m->header.type - 128u,
			   .flags = m->header.flags,
			   .seq = m->header.cookie,
			   .fd = m->fd };
	struct wire_reader r;

	wire_reader_init(&r, m->body, m->size);
	assert_true(wire_get_event_head(&r, &ev.head));
	get_payload(&r, &ev);
	assert_false(r.underflow);
	ev.tail_size = wire_left(&r) < sizeof ev.tail ? wire_left(&r) : sizeof ev.tail;
	memcpy(ev.tail, wire_get_bytes(&r, ev.tail_size), ev.tail_size);
	free(m->body);
	return ev;
}

struct seen next_event(struct client *c)
{
	struct message m;

	for (size_t i = 0; i < c->count; i++)
		if (c->messages[i].header.type > 128) {
			take_at(c, i, &m);
			return decode(&m);
		}
	return (struct seen){ .fd = -1 };
}

struct seen expect(struct client *c, unsigned kind)
{
	struct seen ev = next_event(c);

	assert_int_equal(ev.kind, kind);
	return ev;
}

void expect_none(struct client *c)
{
	assert_int_equal(next_event(c).kind, 0);
}

void subscribe(struct client *c, unsigned kind, unsigned mode)
{
	bool answers = c->stage->kernel->answers;

	c->stage->kernel->answers = true;
	granted(c, SUBSCRIBE, subscribe, kind, mode);
	c->stage->kernel->answers = answers;
}

void subscribe_calls(struct client *c, unsigned phases, unsigned mode)
{
	struct wire_syscalls all = { .arch = 0, .phases = phases, .mode = mode };
	bool answers = c->stage->kernel->answers;

	memset(all.bits, 0xff, sizeof all.bits);
	c->stage->kernel->answers = true;
	client_begin(c, WIRE_SYSCALLS, 0);
	wire_put_syscalls(&c->writer, &all);
	client_send(c, -1);
	settle(c->stage);
	assert_int_equal(client_reply_error(c, WIRE_SYSCALLS), 0);
	c->stage->kernel->answers = answers;
}

void subscribe_signals(struct client *c, uint64_t set, unsigned mode)
{
	granted(c, SIGNALS, signals, set, mode);
}

/* @value: what a denial or a replaced result is, the new number of a call or signal. */
void answer(struct client *c, const struct seen *ev, unsigned action, int64_t value)
{
	struct wire_answer a = { .task = ev->head.task,
				 .seq = ev->seq,
				 .action = action,
				 .nr = value,
				 .result = value,
				 .signo = (int32_t)value };

	client_begin(c, WIRE_ANSWER, WIRE_REQUEST_NO_REPLY);
	wire_put_answer(&c->writer, &a);
	client_send(c, -1);
	settle(c->stage);
}

void resume_all(struct client *c)
{
	granted(c, RESUME, resume, 0, COTRACE_ALL);
}

void stop_all(struct client *c)
{
	granted(c, STOP, stop, 0, COTRACE_ALL, 0);
}

void stop_task(struct client *c, pid_t tid)
{
	granted(c, STOP, stop, task_id(c->stage, tid), COTRACE_ONE, 0);
}

uint64_t task_id(struct stage *st, pid_t tid)
{
	struct task *t = task_by_tid(st->engine, tid);

	assert_non_null(t);
	return t->id;
}

bool runs(struct stage *st, pid_t tid)
{
	struct fake_task *t = fake_task(st->kernel, tid);

	return t != NULL && !t->stands;
}

void set(struct client *c, struct wire_break b)
{
	b.pid = b.pid ? b.pid : PID;
	b.mode = b.mode ? b.mode : COTRACE_NOTE;
	client_begin(c, WIRE_BREAK, 0);
	wire_put_break(&c->writer, &b);
	client_send(c, -1);
	settle(c->stage);
}

bool is_answered(struct client *c, struct wire_r_break *reply)
{
	struct message m;
	struct wire_reader r;

	if (!client_take(c, WIRE_R_BREAK, &m))
		return false;
	wire_reader_init(&r, m.body, m.size);
	assert_true(wire_get_r_break(&r, reply));
	free(m.body);
	return true;
}

int error_of(struct client *c, struct wire_break b)
{
	struct wire_r_break reply;

	set(c, b);
	assert_true(is_answered(c, &reply));
	return reply.error;
}

uint64_t must_set(struct client *c, struct wire_break b)
{
	struct wire_r_break reply;

	set(c, b);
	assert_true(is_answered(c, &reply));
	assert_int_equal(reply.error, 0);
	return reply.id;
}

struct client *with_tree(struct stage *st)
{
	return client_attached_as(st, (struct wire_attach){ .scope = COTRACE_TREE });
}

void give_birth(struct stage *st, pid_t parent, enum backend_kind kind, pid_t child)
{
	fake_push_child(st->kernel, parent, kind, child);
	fake_push_kind(st->kernel, child, BACKEND_INTERRUPTED);
	settle(st);
}
