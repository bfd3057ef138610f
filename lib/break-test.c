/* SPDX-License-Identifier: MIT */
/* Breakpoints, steps and calls as the engine gets to see them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/mock.h"
#include "lib/session.h"
#include "wire/frame.h"

#define BREAKPOINTS 150u
#define PAGE 64u

struct fixture {
	struct mock mock;
	struct cotrace *s;
	atomic_uint asked;
	struct wire_break seen;
	uint8_t tail[WIRE_DATAGRAM_MAX];
	size_t tail_size;
	struct wire_syscall call;
	atomic_bool mute;
	atomic_uint regsets;
};

static void answer_break(struct fixture *f, struct mock *m, const struct wire_header *h,
			 struct wire_reader *body)
{
	assert_true(wire_get_break(body, &f->seen));
	f->tail_size = wire_left(body);
	memcpy(f->tail, wire_get_bytes(body, f->tail_size), f->tail_size);
	wire_put_r_break(mock_begin(m, h), &(struct wire_r_break){ .id = 77 });
	mock_send(m, -1);
}

/* Ids are the multiples of three, each of three breakpoints, a page at a time. */
static void answer_list(struct mock *m, const struct wire_header *h, uint64_t index)
{
	struct wire_writer *w = mock_begin(m, h);
	uint32_t n = (uint32_t)(BREAKPOINTS - index);

	if (n > PAGE)
		n = PAGE;
	wire_put_r_breakpoints(w, &(struct wire_r_breakpoints){ .total = BREAKPOINTS, .count = n });
	for (uint32_t i = 1; i <= n; i++)
		wire_put_break_info(w, &(struct wire_break_info){ .id = 3 * ((index + i + 2) / 3),
								  .addr = 0x4000 + i,
								  .hits = i,
								  .pid = 9,
								  .kind = COTRACE_WATCH_WRITE,
								  .length = 8,
								  .planted = 1 });
	mock_send(m, -1);
}

static void answer_syscall(struct fixture *f, struct mock *m, const struct wire_header *h,
			   struct wire_reader *body)
{
	assert_true(wire_get_syscall(body, &f->call));
	wire_put_r_syscall(mock_begin(m, h), &(struct wire_r_syscall){ .result = -ENOENT });
	mock_send(m, -1);
}

static void answer_siginfo(struct mock *m, const struct wire_header *h)
{
	wire_put_r_siginfo_read(mock_begin(m, h), &(struct wire_r_siginfo_read){ 0 });
	wire_put_bytes(&m->w, "a siginfo", 9);
	mock_send(m, -1);
}

/* Two are asked for: both, or the first alone, or nonsense. */
static void answer_regsets(struct fixture *f, struct mock *m, const struct wire_header *h,
			   struct wire_reader *body)
{
	struct wire_regsets_read ask;
	uint32_t count = atomic_load(&f->regsets);

	assert_true(wire_get_regsets_read(body, &ask));
	wire_put_r_regsets_read(mock_begin(m, h), &(struct wire_r_regsets_read){ .count = count });
	for (uint32_t i = 0; i < count && i < 2; i++) {
		wire_put_regset(&m->w, &(struct wire_regset){ .size = 4 });
		wire_put_bytes(&m->w, "regs", 4);
	}
	mock_send(m, -1);
}

static void answer_own_list(struct mock *m, const struct wire_header *h, struct wire_reader *body)
{
	struct wire_breakpoints ask;

	assert_true(wire_get_breakpoints(body, &ask));
	answer_list(m, h, ask.index);
}

/* Session 5 has the same ones; there is no other. */
static void answer_list_of(struct mock *m, const struct wire_header *h, struct wire_reader *body)
{
	struct wire_breakpoints_of ask;

	assert_true(wire_get_breakpoints_of(body, &ask));
	if (ask.session == 5)
		answer_list(m, h, ask.index);
	else
		mock_done(m, h, -ENOENT);
}

static void answer(struct mock *m, const struct wire_header *h, struct wire_reader *body)
{
	struct fixture *f = m->argument;

	atomic_fetch_add(&f->asked, 1);
	if (atomic_load(&f->mute))
		return;
	if (h->type == WIRE_BREAK)
		answer_break(f, m, h, body);
	else if (h->type == WIRE_BREAKPOINTS)
		answer_own_list(m, h, body);
	else if (h->type == WIRE_BREAKPOINTS_OF)
		answer_list_of(m, h, body);
	else if (h->type == WIRE_SYSCALL)
		answer_syscall(f, m, h, body);
	else if (h->type == WIRE_SIGINFO_READ)
		answer_siginfo(m, h);
	else if (h->type == WIRE_REGSETS_READ)
		answer_regsets(f, m, h, body);
	else
		mock_done(m, h, h->type == WIRE_CLEAR ? -ENOENT : 0);
}

static int start(void **state, uint32_t version)
{
	struct fixture *f = calloc(1, sizeof *f);

	f->mock.version = version;
	assert_int_equal(cotrace_from_fd(&f->s, mock_start(&f->mock, answer, f)), 0);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return start(state, 0);
}

static int setup_old(void **state)
{
	return start(state, 1);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	cotrace_close(f->s);
	mock_join(&f->mock);
	free(f);
	return 0;
}

static const uint8_t code[COTRACE_EXPRESSION_BYTES_MAX + 1] = { 1, 2, 3 };

static const struct cotrace_breakpoint plain = {
	.size = sizeof plain,
	.mode = COTRACE_STOP,
	.pid = 12,
	.addr = 0x401000,
};

static void a_breakpoint_reaches_the_engine_whole(void **state)
{
	const uint8_t expected[] = { 1, 2, 3, 1, 0, 0, 0, 1, 2, 0, 0, 0, 1, 2 };
	struct fixture *f = *state;
	struct cotrace_breakpoint b = plain;
	uint64_t id = 0;

	b.kind = COTRACE_WATCH_ACCESS;
	b.mode = COTRACE_NOTE;
	b.flags = COTRACE_BREAK_ONCE | COTRACE_WATCH_SOFTWARE;
	b.length = 8;
	b.task = 4;
	b.ignore = 5;
	b.condition = (struct cotrace_expression){ code, 3 };
	b.values[0] = (struct cotrace_expression){ code, 1 };
	b.values[1] = (struct cotrace_expression){ code, 2 };
	b.value_count = 2;
	assert_int_equal(cotrace_break(f->s, &id, &b), 0);
	assert_int_equal(id, 77);
	assert_int_equal(f->seen.kind, COTRACE_WATCH_ACCESS);
	assert_int_equal(f->seen.mode, COTRACE_NOTE);
	assert_int_equal(f->seen.flags, b.flags);
	assert_int_equal(f->seen.pid, 12);
	assert_int_equal(f->seen.length, 8);
	assert_int_equal(f->seen.addr, 0x401000);
	assert_int_equal(f->seen.task, 4);
	assert_int_equal(f->seen.ignore, 5);
	assert_int_equal(f->seen.condition, 3);
	assert_int_equal(f->seen.values, 2);
	assert_int_equal(f->tail_size, sizeof expected);
	assert_memory_equal(f->tail, expected, sizeof expected);
}

static void the_largest_breakpoint_fits(void **state)
{
	struct fixture *f = *state;
	struct cotrace_breakpoint b = plain;
	uint64_t id = 0;

	b.condition = (struct cotrace_expression){ code, COTRACE_EXPRESSION_BYTES_MAX };
	for (int i = 0; i < COTRACE_BREAK_VALUES_MAX; i++)
		b.values[i] = b.condition;
	b.value_count = COTRACE_BREAK_VALUES_MAX;
	assert_int_equal(cotrace_break(f->s, &id, &b), 0);
}

static void refuse(struct fixture *f, const struct cotrace_breakpoint *b, int error)
{
	uint64_t id = 0;

	assert_int_equal(cotrace_break(f->s, &id, b), error);
	assert_int_equal(id, 0);
}

/* One field of plain that is wrong. */
#define REFUSE(f, error, ...)                        \
	do {                                         \
		struct cotrace_breakpoint b = plain; \
		__VA_ARGS__;                         \
		refuse(f, &b, error);                \
	} while (0)

static void a_senseless_breakpoint_never_leaves_the_library(void **state)
{
	struct fixture *f = *state;

	REFUSE(f, -EINVAL, b.size = 8);
	REFUSE(f, -EINVAL, b.kind = 4);
	REFUSE(f, -EINVAL, b.mode = COTRACE_OFF);
	REFUSE(f, -EINVAL, b.mode = 3);
	REFUSE(f, -EINVAL, b.flags = 0x10);
	REFUSE(f, -EINVAL, b.flags = COTRACE_WATCH_SOFTWARE);
	REFUSE(f, -EINVAL, b.reserved_ = 1);
	REFUSE(f, -EINVAL, b.length = 1);
	REFUSE(f, -EINVAL, b.kind = COTRACE_WATCH_WRITE);
	REFUSE(f, -EINVAL, b.kind = COTRACE_WATCH_WRITE; b.length = 9);
	REFUSE(f, -EINVAL, b.kind = COTRACE_WATCH_WRITE; b.length = 8; b.addr = UINT64_MAX - 6);
	REFUSE(f, -EINVAL, b.condition = (struct cotrace_expression){ NULL, 1 });
	REFUSE(f, -EINVAL, b.condition = (struct cotrace_expression){ code, sizeof code });
	REFUSE(f, -EINVAL, b.value_count = COTRACE_BREAK_VALUES_MAX + 1);
	REFUSE(f, -EINVAL, b.value_count = 1);
	REFUSE(f, -ESRCH, b.pid = 0);
	REFUSE(f, -ESRCH, b.pid = -1);
	assert_int_equal(atomic_load(&f->asked), 0);
}

static void breakpoints_come_page_by_page(void **state)
{
	static struct cotrace_break_info v[BREAKPOINTS + 10];
	struct fixture *f = *state;

	assert_int_equal(cotrace_breakpoints(f->s, v, BREAKPOINTS + 10), BREAKPOINTS);
	for (unsigned i = 0; i < BREAKPOINTS; i++)
		assert_int_equal(v[i].id, 3 * (i / 3 + 1));
	assert_int_equal(v[PAGE].addr, 0x4001);
	assert_int_equal(v[PAGE].hits, 1);
	assert_int_equal(v[0].pid, 9);
	assert_int_equal(v[0].kind, COTRACE_WATCH_WRITE);
	assert_int_equal(v[0].length, 8);
	assert_int_equal(v[0].planted, 1);
	memset(v, 0, sizeof v);
	assert_int_equal(cotrace_breakpoints(f->s, v, 3), BREAKPOINTS);
	assert_int_equal(v[3].id, 0);
	assert_int_equal(cotrace_clear(f->s, 77), -ENOENT);
}

static void those_of_a_session_come_page_by_page(void **state)
{
	static struct cotrace_break_info v[BREAKPOINTS + 10];
	struct fixture *f = *state;

	assert_int_equal(cotrace_breakpoints_of(f->s, 5, v, BREAKPOINTS + 10), BREAKPOINTS);
	for (unsigned i = 0; i < BREAKPOINTS; i++)
		assert_int_equal(v[i].id, 3 * (i / 3 + 1));
	assert_int_equal(cotrace_breakpoints_of(f->s, 5, NULL, 0), BREAKPOINTS);
	assert_int_equal(cotrace_breakpoints_of(f->s, 6, v, 3), -ENOENT);
	assert_int_equal(cotrace_breakpoints_of(f->s, 0, v, 3), -ENOENT);
}

static void a_call_brings_the_kernels_answer(void **state)
{
	const uint64_t args[6] = { 1, 2, 3, 4, 5, 6 };
	struct fixture *f = *state;
	int64_t result = 0;

	assert_int_equal(cotrace_syscall(f->s, 4, 39, args, &result, 1000), 0);
	assert_int_equal(result, -ENOENT);
	assert_int_equal(f->call.task, 4);
	assert_int_equal(f->call.nr, 39);
	assert_int_equal(f->call.timeout_ns, 1000);
	assert_memory_equal(f->call.args, args, sizeof args);
	assert_int_equal(cotrace_syscall(f->s, 0, 39, args, &result, 1000), -EINVAL);
}

static void a_call_that_the_engine_forgets_times_out(void **state)
{
	const uint64_t args[6] = { 0 };
	struct fixture *f = *state;
	int64_t result = 5;
	uint64_t before;

	/* So that only the call itself waits. */
	assert_int_equal(cotrace_syscall(f->s, 4, 39, args, &result, 0), 0);
	result = 5;
	atomic_store(&f->mute, true);
	before = clock_now_ns();
	assert_int_equal(cotrace_syscall(f->s, 4, 39, args, &result, 1000), -ETIMEDOUT);
	assert_true(clock_now_ns() - before >= CLOCK_SECOND);
	assert_int_equal(result, 5);
}

static void a_siginfo_is_cut_to_the_room_there_is(void **state)
{
	struct fixture *f = *state;
	char buf[128] = "";

	assert_int_equal(cotrace_siginfo_read(f->s, 4, buf, sizeof buf), 9);
	assert_string_equal(buf, "a siginfo");
	memset(buf, 0, sizeof buf);
	assert_int_equal(cotrace_siginfo_read(f->s, 4, buf, 3), 3);
	assert_string_equal(buf, "a s");
	assert_int_equal(cotrace_siginfo_read(f->s, 0, buf, 3), -EINVAL);
}

static void an_older_engine_is_not_asked_what_it_cannot_know(void **state)
{
	const uint64_t args[6] = { 0 };
	struct cotrace_regset set = { .task = 1, .set = NT_SIGINFO };
	struct cotrace_break_info info;
	struct fixture *f = *state;
	int64_t result;
	uint64_t id;
	char byte;

	assert_int_equal(cotrace_step(f->s, 1, COTRACE_STEP_BLOCK, 0, 0), -ENOSYS);
	assert_int_equal(cotrace_break(f->s, &id, &plain), -ENOSYS);
	assert_int_equal(cotrace_clear(f->s, 1), -ENOSYS);
	assert_int_equal(cotrace_breakpoints(f->s, &info, 1), -ENOSYS);
	assert_int_equal(cotrace_breakpoints_of(f->s, 5, &info, 1), -ENOSYS);
	assert_int_equal(cotrace_syscall(f->s, 1, 0, args, &result, -1), -ENOSYS);
	assert_int_equal(cotrace_siginfo_read(f->s, 1, &byte, 1), -ENOSYS);
	assert_int_equal(cotrace_regset_read_all(f->s, &set, 1), 0);
	assert_int_equal(set.result, -ENOSYS);
	assert_int_equal(atomic_load(&f->asked), 0);
	assert_int_equal(atomic_load(&f->mock.told), 0);
	assert_int_equal(cotrace_kill(f->s, 1), 0);
}

static void many_register_sets_come_with_as_many_replies_as_it_takes(void **state)
{
	struct fixture *f = *state;
	char bytes[2][8];
	struct cotrace_regset v[2] = {
		{ .task = 1, .buf = bytes[0], .size = 8 },
		{ .task = 2, .buf = bytes[1], .size = 3 },
	};

	for (unsigned count = 1; count <= 2; count++) {
		atomic_store(&f->regsets, count);
		atomic_store(&f->asked, 0);
		assert_int_equal(cotrace_regset_read_all(f->s, v, 2), 0);
		assert_int_equal(atomic_load(&f->asked), 3 - count);
		assert_int_equal(v[0].result, 4);
		assert_memory_equal(bytes[0], "regs", 4);
		assert_int_equal(v[1].result, -ENOBUFS);
	}
	for (unsigned count = 0; count <= 3; count += 3) { /* none, or more than were asked for */
		atomic_store(&f->regsets, count);
		assert_int_equal(cotrace_regset_read_all(f->s, v, 2), -EPROTO);
	}
}

static void a_step_is_told_without_waiting(void **state)
{
	struct wire_reader datagram, body;
	struct wire_header h;
	struct wire_step step;
	struct cotrace *s;
	uint8_t buf[256];
	int ends[2];
	ssize_t n;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(session_new(&s, ends[0]), 0);
	s->version = WIRE_VERSION;
	assert_int_equal(cotrace_step(s, 0, COTRACE_STEP_INSTRUCTION, 0, 0), -EINVAL);
	assert_int_equal(cotrace_step(s, 3, 0, 0, 0), -EINVAL);
	assert_int_equal(cotrace_step(s, 3, 5, 0, 0), -EINVAL);
	assert_int_equal(cotrace_step(s, 3, COTRACE_STEP_BLOCK, 0, 1), -EINVAL);
	assert_int_equal(cotrace_step(s, 3, COTRACE_STEP_RANGE, 16, 16), -EINVAL);
	assert_int_equal(cotrace_step(s, 3, COTRACE_STEP_RANGE, 16, 32), 0);
	n = recv(ends[1], buf, sizeof buf, MSG_DONTWAIT);
	assert_true(n > 0);
	wire_reader_init(&datagram, buf, (size_t)n);
	assert_int_equal(wire_next(&datagram, &h, &body), 1);
	assert_int_equal(h.type, WIRE_STEP);
	assert_int_equal(h.flags, WIRE_REQUEST_NO_REPLY);
	assert_true(wire_get_step(&body, &step));
	assert_int_equal(step.task, 3);
	assert_int_equal(step.kind, COTRACE_STEP_RANGE);
	assert_int_equal(step.from, 16);
	assert_int_equal(step.to, 32);
	cotrace_close(s);
	close(ends[1]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_breakpoint_reaches_the_engine_whole),
		CASE(the_largest_breakpoint_fits),
		CASE(a_senseless_breakpoint_never_leaves_the_library),
		CASE(breakpoints_come_page_by_page),
		CASE(those_of_a_session_come_page_by_page),
		CASE(a_call_brings_the_kernels_answer),
		CASE(a_call_that_the_engine_forgets_times_out),
		CASE(a_siginfo_is_cut_to_the_room_there_is),
		CASE(many_register_sets_come_with_as_many_replies_as_it_takes),
		cmocka_unit_test_setup_teardown(an_older_engine_is_not_asked_what_it_cannot_know,
						setup_old, teardown),
		cmocka_unit_test(a_step_is_told_without_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
