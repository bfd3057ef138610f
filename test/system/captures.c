/* SPDX-License-Identifier: MIT */
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/system.h"

static unsigned char data[COTRACE_CAPTURES_MAX * COTRACE_CAPTURE_BYTES_MAX];

static struct cotrace *puppet_with(struct target *t, long nr, const struct cotrace_capture *slots,
				   size_t count)
{
	struct cotrace *s;

	puppet_start(t);
	s = attached(t->pid, NULL);
	CHECK_EQ(cotrace_capture(s, 0, (int)nr, slots, count), 0);
	subscribe_call(s, nr, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_NOTE);
	return s;
}

static void take_data(struct cotrace *s, struct cotrace_event *ev, enum cotrace_event_kind kind)
{
	*ev = EVENT_NULL;
	memset(data, 0xee, sizeof data);
	CHECK_EQ(cotrace_next_data(s, ev, data, sizeof data, test_ns(5000)), 1);
	CHECK_EQ(ev->kind, kind);
}

static void check_piece(const struct cotrace_event *ev, unsigned i, const void *bytes, size_t size)
{
	CHECK_OP(ev->captured_count, >, i);
	CHECK_EQ(ev->captured[i].size, size);
	CHECK(memcmp(data + ev->captured[i].offset, bytes, size) == 0);
}

static void finish(struct cotrace *s, struct target *t)
{
	cotrace_close(s);
	puppet_end(t);
}

TEST(a_string_argument_is_captured)
{
	static const struct cotrace_capture slots[] = {
		{ .kind = COTRACE_CAPTURE_STRING, .phase = COTRACE_ENTRY, .arg = 1 },
	};
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SYS_openat, slots, 1);

	puppet_ask(&t, "open /no/such/file");
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	check_piece(&ev, 0, "/no/such/file", 13);
	CHECK_EQ(ev.captured_count, 1);
	CHECK_EQ(ev.captured[0].arg, 1);
	CHECK_EQ(ev.captured[0].slot, 0);
	CHECK_EQ(ev.captured[0].flags, 0);
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK_EQ(ev.captured_count, 0);
	finish(s, &t);
}

TEST(a_string_is_cut_at_the_maximum_and_says_so)
{
	static const struct cotrace_capture slots[] = {
		{ .kind = COTRACE_CAPTURE_STRING, .phase = COTRACE_ENTRY, .arg = 1, .max = 4 },
		{ .kind = COTRACE_CAPTURE_BYTES, .phase = COTRACE_ENTRY, .arg = 1, .max = 8 },
	};
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SYS_openat, slots, 2);

	puppet_ask(&t, "open /etc/passwd");
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	check_piece(&ev, 0, "/etc", 4);
	CHECK_EQ(ev.captured[0].flags, COTRACE_CAPTURED_MORE);
	check_piece(&ev, 1, "/etc/pas", 8);
	/* With a buffer too small for all, pieces are cut and say so. */
	puppet_ask(&t, "open /etc/passwd");
	skip_to(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	ev = EVENT_NULL;
	CHECK_EQ(cotrace_next_data(s, &ev, data, 6, test_ns(5000)), 1);
	CHECK_EQ(ev.captured[0].size + ev.captured[1].size, 6);
	CHECK(ev.captured[1].flags & COTRACE_CAPTURED_MORE);
	finish(s, &t);
}

TEST(bytes_counted_by_an_argument_are_captured)
{
	static const struct cotrace_capture slots[] = {
		{ .kind = COTRACE_CAPTURE_COUNTED,
		  .phase = COTRACE_ENTRY,
		  .arg = 1,
		  .count_arg = 2 },
	};
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SYS_write, slots, 1);

	puppet_ask(&t, "raw %d -1 $hello,world 5", SYS_write);
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	check_piece(&ev, 0, "hello", 5);
	finish(s, &t);
}

TEST(what_a_call_has_read_is_captured_at_its_exit)
{
	static const struct cotrace_capture slots[] = {
		{ .kind = COTRACE_CAPTURE_RESULT, .phase = COTRACE_EXIT, .arg = 1 },
	};
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s;

	puppet_start(&t);
	puppet_ask(&t, "thread"); /* so that the puppet's own reads come by pread only once */
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_capture(s, 0, SYS_readlink, slots, 1), 0);
	subscribe_call(s, SYS_readlink, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_NOTE);
	CHECK_OP(puppet_ask(&t, "raw %d $/proc/self/cwd & 100", SYS_readlink), >, 0);
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.captured_count, 0);
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK_EQ(ev.captured[0].size, ev.syscall.result);
	CHECK_EQ(data[0], '/');
	/* A call that fails has read nothing. */
	CHECK_EQ(puppet_ask(&t, "raw %d $/no & 100", SYS_readlink), -ENOENT);
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK(ev.captured_count == 0 || ev.captured[0].size == 0);
	puppet_ask(&t, "thread-end");
	finish(s, &t);
}

TEST(an_argument_vector_is_captured)
{
	static const struct cotrace_capture slots[] = {
		{ .kind = COTRACE_CAPTURE_STRING, .phase = COTRACE_ENTRY, .arg = 0 },
		{ .kind = COTRACE_CAPTURE_STRINGS, .phase = COTRACE_ENTRY, .arg = 1 },
	};
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SYS_execve, slots, 2);

	puppet_tell(&t, "exec /no/such one two three");
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	check_piece(&ev, 0, "/no/such", 8);
	check_piece(&ev, 1, "/no/such\0one\0two\0three", 23);
	CHECK_EQ(puppet_answer(&t), -ENOENT);
	finish(s, &t);
}

TEST(gathered_bytes_are_captured)
{
	static const struct cotrace_capture slots[] = {
		{ .kind = COTRACE_CAPTURE_IOVEC, .phase = COTRACE_ENTRY, .arg = 1, .count_arg = 2 },
	};
	struct {
		uint64_t base, size;
	} v[2];
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SYS_writev, slots, 1);
	uint64_t buffer = (uint64_t)puppet_ask(&t, "buffer");

	v[0].base = buffer + 100, v[0].size = 3;
	v[1].base = buffer + 200, v[1].size = 4;
	CHECK_EQ(cotrace_write_memory(s, t.pid, buffer, v, sizeof v), (ssize_t)sizeof v);
	CHECK_EQ(cotrace_write_memory(s, t.pid, buffer + 100, "abc", 3), 3);
	CHECK_EQ(cotrace_write_memory(s, t.pid, buffer + 200, "defg", 4), 4);
	CHECK_EQ(puppet_ask(&t, "raw %d -1 & 2", SYS_writev), -EBADF);
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	check_piece(&ev, 0, "abcdefg", 7);
	finish(s, &t);
}

TEST(memory_that_cannot_be_read_is_flagged)
{
	static const struct cotrace_capture slots[] = {
		{ .kind = COTRACE_CAPTURE_STRING, .phase = COTRACE_ENTRY, .arg = 0 },
		{ .kind = COTRACE_CAPTURE_BYTES, .phase = COTRACE_ENTRY, .arg = 1, .max = 100 },
	};
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SYS_chdir, slots, 2);
	uint64_t buffer = (uint64_t)puppet_ask(&t, "buffer");

	CHECK_EQ(puppet_ask(&t, "raw %d 16 0x%llx", SYS_chdir, (unsigned long long)buffer + 4046),
		 -EFAULT);
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.captured_count, 2);
	CHECK_EQ(ev.captured[0].size, 0);
	CHECK(ev.captured[0].flags & COTRACE_CAPTURED_FAULT);
	CHECK(ev.captured[1].size >= 50);
	finish(s, &t);
}

TEST(captures_end_when_replaced_by_none_and_bad_ones_are_refused)
{
	static const struct cotrace_capture slots[] = {
		{ .kind = COTRACE_CAPTURE_STRING, .phase = COTRACE_ENTRY, .arg = 1 },
	};
	static const struct cotrace_capture bad_arg = { .kind = COTRACE_CAPTURE_STRING,
							.phase = COTRACE_ENTRY,
							.arg = 6 };
	static const struct cotrace_capture bad_kind = { .kind = 99, .phase = COTRACE_ENTRY };
	struct cotrace_capture many[7] = { 0 };
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SYS_openat, slots, 1);

	CHECK_EQ(cotrace_capture(s, 0, SYS_openat, &bad_arg, 1), -EINVAL);
	CHECK_EQ(cotrace_capture(s, 0, SYS_openat, &bad_kind, 1), -EINVAL);
	CHECK_EQ(cotrace_capture(s, 0, SYS_openat, many, 7), -EINVAL);
	CHECK_EQ(cotrace_capture(s, 0, SYS_openat, NULL, 0), 0);
	puppet_ask(&t, "open /etc/passwd");
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.captured_count, 0);
	finish(s, &t);
}

TEST(an_event_taken_without_data_skips_it)
{
	static const struct cotrace_capture slots[] = {
		{ .kind = COTRACE_CAPTURE_STRING, .phase = COTRACE_ENTRY, .arg = 1 },
	};
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SYS_openat, slots, 1);

	puppet_ask(&t, "open /etc/passwd");
	puppet_ask(&t, "open /etc/group");
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	check_piece(&ev, 0, "/etc/group", 10);
	finish(s, &t);
}

TEST(the_largest_captures_arrive_whole)
{
	static const struct cotrace_capture slots[] = {
		{ .kind = COTRACE_CAPTURE_BYTES, .phase = COTRACE_ENTRY, .arg = 1 },
		{ .kind = COTRACE_CAPTURE_BYTES, .phase = COTRACE_ENTRY, .arg = 1 },
		{ .kind = COTRACE_CAPTURE_BYTES, .phase = COTRACE_ENTRY, .arg = 1 },
		{ .kind = COTRACE_CAPTURE_BYTES, .phase = COTRACE_ENTRY, .arg = 1 },
		{ .kind = COTRACE_CAPTURE_BYTES, .phase = COTRACE_ENTRY, .arg = 1 },
		{ .kind = COTRACE_CAPTURE_BYTES, .phase = COTRACE_ENTRY, .arg = 1 },
	};
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SYS_chdir, slots, 6);

	puppet_ask(&t, "write 4095 77");
	puppet_ask(&t, "raw %d 0 &", SYS_chdir);
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.captured_count, 6);
	for (int i = 0; i < 6; i++) {
		CHECK_EQ(ev.captured[i].size, 4096);
		CHECK_EQ(data[ev.captured[i].offset + 4095], 77);
	}
	finish(s, &t);
}

/* ---- Structures that point on: messages ---- */

/* A msghdr, its iovecs and their buffers, laid out in a puppet's buffer. */
struct layout {
	const char *program;
	unsigned word;
	long socketpair, sendmsg, recvmsg;
};

static const struct layout layouts[] = {
	{ "puppet", 8, 53, 46, 47 },
	{ "puppet-32", 4, 360, 370, 372 },
};

#define HEADER_AT 64u
#define IOVECS_AT 160u
#define FIRST_AT 256u
#define SECOND_AT 320u
#define CONTROL_AT 400u

static void put_word(struct cotrace *s, struct target *t, const struct layout *l, uint64_t at,
		     uint64_t value)
{
	CHECK_EQ(cotrace_write_memory(s, t->pid, at, &value, l->word), (ssize_t)l->word);
}

/* Two pieces, of 3 and of @second bytes; @control bytes of control data. */
static void put_message(struct cotrace *s, struct target *t, const struct layout *l,
			uint64_t buffer, uint64_t second, uint64_t control)
{
	const uint64_t words[] = {
		0, 0, buffer + IOVECS_AT, 2, control ? buffer + CONTROL_AT : 0, control, 0
	};
	const uint64_t iovecs[] = { buffer + FIRST_AT, 3, buffer + SECOND_AT, second };

	for (unsigned i = 0; i < 7; i++)
		put_word(s, t, l, buffer + HEADER_AT + i * l->word, words[i]);
	for (unsigned i = 0; i < 4; i++)
		put_word(s, t, l, buffer + IOVECS_AT + i * l->word, iovecs[i]);
}

static uint64_t buffer_of(struct target *t, const struct layout *l)
{
	uint64_t at = (uint64_t)puppet_ask(t, "buffer");

	return l->word == 4 ? (uint32_t)at : at;
}

static void check_sent(const struct layout *l)
{
	const struct cotrace_capture slots[] = {
		{ COTRACE_CAPTURE_MEMBER, COTRACE_ENTRY, 1, 2, (uint16_t)(2 * l->word), 0 },
		{ COTRACE_CAPTURE_MEMBER_IOVEC, COTRACE_ENTRY, 1, 2, 0, 0 },
		{ COTRACE_CAPTURE_MEMBER, COTRACE_ENTRY, 1, 4, 0, 0 },
		{ COTRACE_CAPTURE_MEMBER_IOVEC, COTRACE_ENTRY, 1, 2, 0, 5 },
		{ COTRACE_CAPTURE_MEMBER, COTRACE_ENTRY, 1, 0, 0, 0 },
	};
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	uint64_t buffer;

	puppet_start_as(&t, l->program);
	buffer = buffer_of(&t, l);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_capture(s, 0, (int)l->sendmsg, slots, 5), 0);
	subscribe_call(s, l->sendmsg, COTRACE_ENTRY, COTRACE_NOTE);
	put_message(s, &t, l, buffer, 4, 10);
	CHECK_EQ(cotrace_write_memory(s, t.pid, buffer + FIRST_AT, "abc", 3), 3);
	CHECK_EQ(cotrace_write_memory(s, t.pid, buffer + SECOND_AT, "defgh", 5), 5);
	CHECK_EQ(cotrace_write_memory(s, t.pid, buffer + CONTROL_AT, "0123456789", 10), 10);
	CHECK_EQ(puppet_ask(&t, "raw %ld -1 0x%llx 0", l->sendmsg,
			    (unsigned long long)buffer + HEADER_AT),
		 -EBADF);
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.captured_count, 5);
	CHECK_EQ(ev.captured[0].size, 4 * l->word);
	for (unsigned i = 0; i < 4; i++) {
		const uint64_t expected[] = { buffer + FIRST_AT, 3, buffer + SECOND_AT, 4 };

		CHECK(memcmp(data + ev.captured[0].offset + i * l->word, &expected[i], l->word) ==
		      0);
	}
	check_piece(&ev, 1, "abcdefg", 7);
	CHECK_EQ(ev.captured[1].flags, 0);
	check_piece(&ev, 2, "0123456789", 10);
	check_piece(&ev, 3, "abcde", 5);
	CHECK_EQ(ev.captured[3].flags, COTRACE_CAPTURED_MORE);
	/* There is no name: nothing to store, and nothing wrong. */
	CHECK_EQ(ev.captured[4].size, 0);
	CHECK_EQ(ev.captured[4].flags, 0);
	/* No structure at all. */
	CHECK_EQ(puppet_ask(&t, "raw %ld -1 16 0", l->sendmsg), -EBADF);
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	for (unsigned i = 0; i < 5; i++) {
		CHECK_EQ(ev.captured[i].size, 0);
		CHECK_EQ(ev.captured[i].flags, COTRACE_CAPTURED_FAULT);
	}
	finish(s, &t);
}

TEST(the_parts_of_a_message_that_is_sent_are_captured)
{
	check_sent(&layouts[0]);
}

TEST(the_parts_of_a_message_that_a_32_bit_program_sends_are_captured)
{
	check_sent(&layouts[1]);
}

static void check_received(const struct layout *l)
{
	const struct cotrace_capture slots[] = {
		{ COTRACE_CAPTURE_MEMBER_IOVEC, COTRACE_EXIT, 1, 2, 0, 0 },
		{ COTRACE_CAPTURE_MEMBER, COTRACE_EXIT, 1, 2, (uint16_t)(2 * l->word), 0 },
	};
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	uint64_t buffer;
	int fds[2];

	puppet_start_as(&t, l->program);
	buffer = buffer_of(&t, l);
	s = attached(t.pid, NULL);
	/* A pair of datagram sockets; their numbers lie at the start of the buffer. */
	CHECK_EQ(puppet_ask(&t, "raw %ld 1 2 0 &", l->socketpair), 0);
	CHECK_EQ(cotrace_read_memory(s, t.pid, buffer, fds, sizeof fds), (ssize_t)sizeof fds);
	put_message(s, &t, l, buffer, 4, 0);
	CHECK_EQ(cotrace_write_memory(s, t.pid, buffer + FIRST_AT, "abc", 3), 3);
	CHECK_EQ(cotrace_write_memory(s, t.pid, buffer + SECOND_AT, "defgh", 5), 5);
	CHECK_EQ(puppet_ask(&t, "raw %ld %d 0x%llx 0", l->sendmsg, fds[0],
			    (unsigned long long)buffer + HEADER_AT),
		 7);
	CHECK_EQ(cotrace_capture(s, 0, (int)l->recvmsg, slots, 2), 0);
	subscribe_call(s, l->recvmsg, COTRACE_EXIT, COTRACE_NOTE);
	/* More room than what comes: the result says how much of it counts. */
	put_message(s, &t, l, buffer, 50, 0);
	CHECK_EQ(cotrace_write_memory(s, t.pid, buffer + FIRST_AT, "xxxxxx", 6), 6);
	CHECK_EQ(puppet_ask(&t, "raw %ld %d 0x%llx 0", l->recvmsg, fds[1],
			    (unsigned long long)buffer + HEADER_AT),
		 7);
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK_EQ(ev.captured_count, 2);
	check_piece(&ev, 0, "abcdefg", 7);
	CHECK_EQ(ev.captured[0].flags, 0);
	CHECK_EQ(ev.captured[1].size, 4 * l->word);
	/* A call that fails has received nothing. */
	CHECK_EQ(puppet_ask(&t, "raw %ld %d 0x%llx 0x40", l->recvmsg, fds[1],
			    (unsigned long long)buffer + HEADER_AT),
		 -EAGAIN);
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK_EQ(ev.captured[0].size, 0);
	finish(s, &t);
}

TEST(the_parts_of_a_message_that_is_received_are_captured)
{
	check_received(&layouts[0]);
}

TEST(the_parts_of_a_message_that_a_32_bit_program_receives_are_captured)
{
	check_received(&layouts[1]);
}

/* ---- Many at once ---- */

TEST(captures_of_many_calls_are_set_at_once)
{
	static const struct cotrace_capture path = { .kind = COTRACE_CAPTURE_STRING,
						     .phase = COTRACE_ENTRY,
						     .arg = 1 };
	static struct cotrace_captures many[3000];
	const size_t count = sizeof many / sizeof *many;
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	for (size_t i = 0; i < count; i++)
		many[i] = (struct cotrace_captures){ COTRACE_ARCH_X86_64, 1000 + (int)i, &path, 1 };
	/* The last ones are what counts: in a message of their own, and in order. */
	many[count - 1].nr = SYS_openat;
	CHECK_EQ(cotrace_capture_all(s, many, count), 0);
	subscribe_call(s, SYS_openat, COTRACE_ENTRY, COTRACE_NOTE);
	puppet_ask(&t, "open /no/such/file");
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	check_piece(&ev, 0, "/no/such/file", 13);
	/* One that makes no sense; then one that ends it. */
	many[1].nr = -1;
	CHECK_EQ(cotrace_capture_all(s, many, 2), -EINVAL);
	many[0] = (struct cotrace_captures){ COTRACE_ARCH_ANY, SYS_openat, NULL, 0 };
	CHECK_EQ(cotrace_capture_all(s, many, 1), 0);
	CHECK_EQ(cotrace_capture_all(s, NULL, 0), 0);
	puppet_ask(&t, "open /no/such/file");
	take_data(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.captured_count, 0);
	many[0] = (struct cotrace_captures){ COTRACE_ARCH_ANY, SYS_openat, &path,
					     COTRACE_CAPTURES_MAX + 1 };
	CHECK_EQ(cotrace_capture_all(s, many, 1), -EINVAL);
	finish(s, &t);
}
