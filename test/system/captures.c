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
