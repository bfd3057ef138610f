/* SPDX-License-Identifier: MIT */
/*
 * The engine between clients that send anything and a kernel that does what kernels do.
 * After each step that leaves the engine at rest, check.c looks whether all is in order; at
 * the end everybody hangs up, and no task may be left stopped or traced.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/conn.h"
#include "engine/session.h"
#include "engine/task.h"
#include "test/engine/virtual_clock.h"
#include "test/fuzz/check.h"
#include "test/fuzz/kernel.h"
#include "wire/frame.h"

#define CLIENTS 6
#define STEPS_MAX 400
#define TURNS_MAX 4000
/* A chain of children of vfork() ends link by link, each in three turns. */
#define FINISH_TURNS (8 + 3 * FAKE_TASKS)

struct client {
	int fd;	       /* -1: none */
	int engine_fd; /* the number of the engine's end */
	uint8_t out[WIRE_DATAGRAM_MAX];
	size_t used; /* messages to be sent with the next ones */
};

struct world {
	struct input in;
	struct engine *engine;
	struct kernel kernel;
	struct client clients[CLIENTS];
	struct client keeper; /* its session keeps the engine from leaving; it does nothing */
	int proof;	      /* stands for a memory file */
	int taken[8];	      /* fds that came with messages */
	size_t taken_count;
	bool memory_refused; /* the engine could not open one, once */
};

static bool io_waits(struct engine *e)
{
	struct pollfd p = { .fd = e->epoll, .events = POLLIN };

	return e->io_again || poll(&p, 1, 0) > 0;
}

static void turn(struct world *w)
{
	bool attach_fails = w->kernel.fake->failures[FAKE_ATTACH].times;

	engine_turn(w->engine, 0);
	if (attach_fails) /* of some that may be the consequence */
		kernel_excuse(&w->kernel);
	kernel_excuse_let_go(&w->kernel, w->engine);
}

static bool is_busy(struct world *w)
{
	return w->kernel.fake->event_count || io_waits(w->engine);
}

static void settle(struct world *w)
{
	int turns = 0;

	while (is_busy(w)) {
		turn(w);
		FUZZ_CHECK(++turns < TURNS_MAX);
	}
	virtual_clock_advance(CLOCK_MS);
	if (timers_next(&w->engine->timers) <= clock_now_ns())
		turn(w);
	while (is_busy(w)) {
		turn(w);
		FUZZ_CHECK(++turns < TURNS_MAX);
	}
	check_engine(w->engine, w->kernel.fake);
	kernel_check_alone(&w->kernel);
}

static void hang_up(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->used = 0;
}

static void connect_client(struct world *w, struct client *c)
{
	int pair[2], size = 4096;

	hang_up(c);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return;
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	c->fd = pair[0];
	c->engine_fd = pair[1];
	engine_adopt(w->engine, pair[1]);
}

static struct client *a_client(struct world *w)
{
	return &w->clients[input_below(&w->in, CLIENTS)];
}

static void send_out(struct client *c, int fd)
{
	if (c->fd >= 0)
		frame_send(c->fd, c->out, c->used, fd);
	c->used = 0;
}

static void put_hello(struct client *c)
{
	struct wire_writer w;

	wire_writer_init(&w, c->out, sizeof c->out);
	wire_begin(&w, WIRE_HELLO, 0, 1);
	wire_put_hello(&w, &(struct wire_hello){ 1, 1 });
	wire_finish(&w);
	c->used = w.used;
}

static void connect_keeper(struct world *w)
{
	w->keeper.fd = -1;
	connect_client(w, &w->keeper);
	put_hello(&w->keeper);
	send_out(&w->keeper, -1);
	while (io_waits(w->engine))
		turn(w);
	session_by_id(w->engine, 1)->flags = COTRACE_POLICY; /* nobody may end it */
}

/* Most inputs would never get that far by themselves. */
static void attach(struct world *w, struct client *c, unsigned how)
{
	struct wire_attach m = { .pid = KERNEL_PID + (how & 2),
				 .scope = how >> 2 & 1,
				 .role = (how & 0x38) == 0x38,
				 .flags = how >> 3 & 7 };
	struct wire_writer out;

	if ((m.flags & COTRACE_CHILD_FDS) && (how & 1))
		m.flags |= COTRACE_CHILD_INHERITS;
	if (m.role)
		m.flags &= ~COTRACE_POLICY;
	connect_client(w, c);
	put_hello(c);
	send_out(c, -1);
	wire_writer_init(&out, c->out, sizeof c->out);
	wire_begin(&out, WIRE_ATTACH, 0, 2);
	wire_put_attach(&out, &m);
	wire_finish(&out);
	c->used = out.used;
	send_out(c, w->proof);
}

static void raw_datagram(struct world *w, struct client *c)
{
	size_t size = input_byte(&w->in);

	if (size > w->in.left)
		size = w->in.left;
	memcpy(c->out, w->in.at, size);
	w->in.at += size;
	w->in.left -= size;
	c->used = size;
	send_out(c, input_byte(&w->in) & 1 ? w->proof : -1);
}

/* A request of the right size; small numbers make sense in most fields. */
static void any_request(struct world *w, struct client *c)
{
	unsigned type = 1 + input_below(&w->in, 33), bits = input_byte(&w->in);
	bool tail = false;
	int fixed;
	size_t length;
	struct wire_writer out;

	/* It is younger than most of the corpus, whose meaning is to stay. */
	if (type == WIRE_BREAKPOINTS && (bits & 32))
		type = WIRE_BREAKPOINTS_OF;
	fixed = wire_request_fixed_size(type, &tail);
	length = tail && (bits & 1) ? input_byte(&w->in) : 0;
	if (c->used + WIRE_HEADER_SIZE + 1024 > sizeof c->out)
		send_out(c, -1);
	wire_writer_init(&out, c->out, sizeof c->out);
	out.used = c->used;
	wire_begin(&out, type, bits & 2 ? WIRE_REQUEST_NO_REPLY : 0, bits);
	for (size_t i = 0; i < (fixed > 0 ? (size_t)fixed : 4) + length; i += 4) {
		uint32_t value = input_byte(&w->in);

		if (value >= 0xf0)
			value = (uint32_t)input_byte(&w->in) << 24 | 0xffffff;
		if (fixed > 0 && i >= (size_t)fixed && (bits & 16)) /* small fields */
			value = (uint32_t)input_byte(&w->in) << 8 | (value & 0xff) |
				(uint32_t)input_byte(&w->in) << 16;
		if (type == WIRE_ATTACH && i == 0)
			value = KERNEL_PID + value % 4;
		wire_put_bytes(&out, &value,
			       (size_t)(fixed > 0 ? fixed : 4) + length - i < 4
				       ? ((size_t)(fixed > 0 ? fixed : 4) + length - i)
				       : 4);
	}
	wire_finish(&out);
	c->used = out.used;
	if (!(bits & 4))
		send_out(c, bits & 8 ? w->proof : -1);
}

static struct client *owner(struct world *w, const struct session *s)
{
	for (int i = 0; s != NULL && s->main != NULL && i < CLIENTS; i++)
		if (w->clients[i].fd >= 0 && w->clients[i].engine_fd == s->main->fd)
			return &w->clients[i];
	return NULL;
}

/* An open offer is answered by the session that has it. */
static void answer_offer(struct world *w)
{
	unsigned skip = input_below(&w->in, 4);
	struct task *t;
	size_t at = 0;

	while ((t = map_walk(&w->engine->tasks_by_id, &at)) != NULL)
		for (size_t i = 0; i < t->rules.count; i++) {
			struct rules_party *p = &t->rules.parties[i];
			struct client *c = owner(w, session_by_id(w->engine, p->session));
			struct wire_answer m = { .task = t->id, .seq = p->offer_seq };
			struct wire_writer out;

			if (!(p->holds & RULES_HOLD_OFFER) || c == NULL || skip--)
				continue;
			m.action = input_below(&w->in, 4);
			m.nr = m.signo = (int32_t)input_byte(&w->in);
			m.result = (int8_t)input_byte(&w->in);
			m.args[0] = FAKE_MEMORY_AT + input_byte(&w->in);
			wire_writer_init(&out, c->out, sizeof c->out);
			wire_begin(&out, WIRE_ANSWER, WIRE_REQUEST_NO_REPLY, 3);
			wire_put_answer(&out, &m);
			wire_finish(&out);
			c->used = out.used;
			send_out(c, -1);
			return;
		}
}

/* A breakpoint where the tasks come by; now and then one is taken away. */
static void plant(struct world *w, struct client *c, unsigned mode)
{
	unsigned bits = input_byte(&w->in), more = input_byte(&w->in);
	struct wire_break m = { .kind = more >> 6 ? more >> 4 & 3 : COTRACE_BREAK_SOFTWARE,
				.length = more >> 6 ? 1 + (more >> 1 & 7) : 0,
				.mode = mode,
				.flags = (bits & 7) | (more >> 3 & 1) << 3,
				.pid = KERNEL_PID + (bits >> 3 & 2),
				.addr = KERNEL_PLACE(bits >> 5),
				.ignore = bits >> 3 & 1 };
	struct wire_writer out;

	wire_writer_init(&out, c->out, sizeof c->out);
	if (more & 1) {
		wire_begin(&out, WIRE_CLEAR, 0, 5);
		wire_put_clear(&out, &(struct wire_clear){ bits & 15 });
		wire_finish(&out);
	}
	wire_begin(&out, WIRE_BREAK, 0, 5);
	wire_put_break(&out, &m);
	wire_finish(&out);
	c->used = out.used;
	send_out(c, -1);
}

/* Somebody who holds a task has it step. */
static void step_held(struct world *w)
{
	unsigned bits = input_byte(&w->in), skip = bits & 3;
	struct task *t;
	size_t at = 0;

	while ((t = map_walk(&w->engine->tasks_by_id, &at)) != NULL)
		for (size_t i = 0; i < t->rules.count; i++) {
			struct rules_party *p = &t->rules.parties[i];
			struct client *c = owner(w, session_by_id(w->engine, p->session));
			struct wire_step m = { t->id, 1 + (bits >> 2) % 3, KERNEL_PLACE(0),
					       KERNEL_PLACE(4) };
			struct wire_writer out;

			if (bits >= 0xc0)
				m.kind = COTRACE_STEP_SYSCALL;
			if (p->holds == 0 || c == NULL || skip--)
				continue;
			wire_writer_init(&out, c->out, sizeof c->out);
			wire_begin(&out, WIRE_STEP, WIRE_REQUEST_NO_REPLY, 6);
			wire_put_step(&out, &m);
			wire_finish(&out);
			c->used = out.used;
			send_out(c, -1);
			return;
		}
}

/* Wide subscriptions, which bytes alone would hardly make. */
static void subscribe_widely(struct world *w, struct client *c)
{
	unsigned bits = input_byte(&w->in), mode = bits & 1 ? COTRACE_STOP : COTRACE_NOTE;
	struct wire_syscalls calls = { .phases = 1 + (bits >> 1) % 3, .mode = mode };
	struct wire_writer out;

	if ((bits & 0xc0) == 0x40) {
		plant(w, c, mode);
		return;
	}
	wire_writer_init(&out, c->out, sizeof c->out);
	if (bits & 0x80) {
		memset(calls.bits, 0xff, sizeof calls.bits);
		wire_begin(&out, WIRE_SYSCALLS, 0, 4);
		wire_put_syscalls(&out, &calls);
		wire_finish(&out);
	} else {
		wire_begin(&out, WIRE_SIGNALS, 0, 4);
		wire_put_signals(&out, &(struct wire_signals){ ~0ull, mode });
		wire_finish(&out);
		for (uint32_t kind = 1; kind <= COTRACE_EVENT_MAX; kind++) {
			wire_begin(&out, WIRE_SUBSCRIBE, 0, 4);
			wire_put_subscribe(&out, &(struct wire_subscribe){ kind, mode });
			wire_finish(&out);
		}
	}
	c->used = out.used;
	send_out(c, -1);
}

/* Reads what has come, all or one datagram; an fd among it is a session of a child. */
static void drain(struct world *w, struct client *c, bool all)
{
	static uint8_t buf[WIRE_DATAGRAM_MAX];
	int fd;

	do {
		ssize_t n = c->fd < 0 ? 0 : frame_receive(c->fd, buf, sizeof buf, &fd, 0);

		if (n <= 0)
			return;
		if (fd >= 0 && w->taken_count < 8)
			w->taken[w->taken_count++] = fd;
		else if (fd >= 0)
			close(fd);
	} while (all);
}

static void drop_taken(struct world *w)
{
	while (w->taken_count)
		close(w->taken[--w->taken_count]);
}

static void pass_time(struct world *w)
{
	static const uint64_t lengths[] = { CLOCK_SECOND / 5, CLOCK_SECOND, 2 * CLOCK_SECOND,
					    10 * CLOCK_SECOND };

	kernel_report_forks(&w->kernel);
	settle(w);
	virtual_clock_advance(lengths[input_below(&w->in, 4)]);
}

static void fail_something(struct world *w)
{
	static const struct {
		enum fake_op op;
		int error;
	} failures[] = {
		{ FAKE_CHECK_ACCESS, -13 }, { FAKE_ATTACH, -1 },       { FAKE_SYSCALL_SET, -3 },
		{ FAKE_SYSCALL_DENY, -3 },  { FAKE_RESULT_SET, -3 },   { FAKE_SIGINFO_SET, -3 },
		{ FAKE_REGSET_GET, -3 },    { FAKE_REGSET_SET, -5 },   { FAKE_MEMORY_OPEN, -13 },
		{ FAKE_MEMORY_READ, -14 },  { FAKE_MEMORY_WRITE, -5 }, { FAKE_SYSCALL_GET, -3 },
	};
	unsigned which = input_below(&w->in, sizeof failures / sizeof *failures);

	fake_fail(w->kernel.fake, failures[which].op, failures[which].error, 1);
	w->memory_refused |= failures[which].op == FAKE_MEMORY_OPEN;
}

static void step(struct world *w)
{
	unsigned op = input_byte(&w->in);

	switch (op & 0x0f) {
	case 0:
		connect_client(w, a_client(w));
		break;
	case 1:
		attach(w, a_client(w), input_byte(&w->in));
		break;
	case 2:
		hang_up(a_client(w));
		break;
	case 3:
		raw_datagram(w, a_client(w));
		break;
	case 4:
	case 5:
		any_request(w, a_client(w));
		break;
	case 6:
		answer_offer(w);
		break;
	case 7:
		subscribe_widely(w, a_client(w));
		break;
	case 8:
		drain(w, a_client(w), op & 0x40);
		break;
	case 9:
		pass_time(w);
		break;
	case 10:
		fail_something(w);
		break;
	case 11:
		if (op & 0x20)
			step_held(w);
		else
			drop_taken(w);
		break;
	default:
		kernel_step(&w->kernel, &w->in);
	}
	if (op & 0x80)
		turn(w);
	else
		settle(w);
}

/* Without sessions nothing may remain of the engine on any task. */
static void all_is_let_go(struct world *w)
{
	for (int i = 0; i < CLIENTS; i++)
		hang_up(&w->clients[i]);
	drop_taken(w);
	for (int i = 0; i < FINISH_TURNS && kernel_has_attached(&w->kernel); i++) {
		kernel_report_forks(&w->kernel);
		settle(w);
		kernel_finish(&w->kernel);
		settle(w);
		virtual_clock_advance(2 * CLOCK_SECOND);
	}
	settle(w);
	FUZZ_CHECK(w->engine->sessions_by_id.count == 1);
	FUZZ_CHECK(list_length(&w->engine->conns) == 1);
	FUZZ_CHECK(w->engine->spaces_used <= w->engine->processes.count);
	check_let_go(w->engine, w->kernel.fake);
	/* Where nobody known lives any more, only a file opened before can clean. */
	if (w->memory_refused)
		kernel_check_alone(&w->kernel);
	else
		kernel_check_clean(&w->kernel);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world world;
	struct world *w = &world;

	w->in = (struct input){ data, size };
	w->proof = open("/dev/null", O_RDONLY | O_CLOEXEC);
	w->taken_count = 0;
	w->memory_refused = false;
	for (int i = 0; i < CLIENTS; i++)
		w->clients[i].fd = -1, w->clients[i].used = 0;
	virtual_clock_reset();
	kernel_init(&w->kernel, fake_new());
	if (engine_new(&w->engine, &w->kernel.fake->base) < 0)
		abort();
	connect_keeper(w);
	for (unsigned n = input_below(&w->in, 4), i = 0; i < n; i++)
		attach(w, &w->clients[i], input_byte(&w->in));
	settle(w);
	for (int steps = 0; w->in.left && steps < STEPS_MAX; steps++)
		step(w);
	all_is_let_go(w);
	hang_up(&w->keeper);
	engine_free(w->engine);
	w->kernel.fake->base.ops->close(&w->kernel.fake->base);
	close(w->proof);
	return 0;
}
