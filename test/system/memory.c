/* SPDX-License-Identifier: MIT */
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/system.h"

static struct cotrace *puppet_at(struct target *t, uint64_t *buffer)
{
	struct cotrace *s;

	puppet_start(t);
	*buffer = (uint64_t)puppet_ask(t, "buffer");
	s = attached(t->pid, NULL);
	return s;
}

static void finish(struct cotrace *s, struct target *t)
{
	cotrace_close(s);
	check_untouched(t->pid);
	puppet_end(t);
}

TEST(memory_of_a_running_task_is_read_and_written)
{
	uint64_t buffer;
	struct target t;
	struct cotrace *s = puppet_at(&t, &buffer);
	uint8_t bytes[10] = { 0 };

	puppet_ask(&t, "write 5 99");
	CHECK_EQ(cotrace_read_memory(s, t.pid, buffer, bytes, 10), 10);
	CHECK_EQ(bytes[5], 99);
	CHECK_EQ(cotrace_write_memory(s, t.pid, buffer + 6, "\x2a", 1), 1);
	CHECK_EQ(puppet_ask(&t, "read 6"), 42);
	finish(s, &t);
}

/* 92 */
TEST(a_read_tells_how_far_memory_goes)
{
	static uint8_t bytes[70000];
	uint64_t buffer;
	struct target t;
	struct cotrace *s = puppet_at(&t, &buffer);
	uint64_t page = buffer & ~4095ull, end;

	/* Ask the puppet to unmap what follows, then read over the edge. */
	end = page + 4096;
	puppet_ask(&t, "raw %d 0x%llx 65536", SYS_munmap, (unsigned long long)(page + 4096));
	CHECK_EQ(cotrace_read_memory(s, t.pid, end - 100, bytes, sizeof bytes), 100);
	CHECK_EQ(cotrace_read_memory(s, t.pid, end, bytes, 10), -EFAULT);
	CHECK_EQ(cotrace_read_memory(s, t.pid, 16, bytes, 10), -EFAULT);
	CHECK_EQ(cotrace_read_memory(s, t.pid, UINT64_MAX - 5, bytes, 10), -EFAULT);
	CHECK_EQ(cotrace_write_memory(s, t.pid, 16, bytes, 10), -EFAULT);
	CHECK_EQ(cotrace_read_memory(s, t.pid, page, bytes, 0), 0);
	cotrace_kill(s, 0);
	target_wait(&t, 2000);
	cotrace_close(s);
}

/* 93 */
TEST(a_read_only_private_page_can_be_written)
{
	uint64_t buffer, code;
	struct target t;
	struct cotrace *s = puppet_at(&t, &buffer);
	char text[9] = { 0 };

	code = (uint64_t)puppet_ask(&t, "code");
	CHECK_EQ(cotrace_read_memory(s, t.pid, code, text, 8), 8);
	CHECK_STR(text, "readonly");
	CHECK_EQ(cotrace_write_memory(s, t.pid, code, "written!", 8), 8);
	CHECK_EQ(cotrace_read_memory(s, t.pid, code, text, 8), 8);
	CHECK_STR(text, "written!");
	finish(s, &t);
}

TEST(large_blocks_go_both_ways)
{
	static uint8_t there[4096], back[4096];
	uint64_t buffer;
	struct target t;
	struct cotrace *s = puppet_at(&t, &buffer);
	long big;
	static uint8_t out[300000], in[300000];

	for (size_t i = 0; i < sizeof there; i++)
		there[i] = (uint8_t)(i * 7);
	CHECK_EQ(cotrace_write_memory(s, t.pid, buffer, there, sizeof there), 4096);
	CHECK_EQ(cotrace_read_memory(s, t.pid, buffer, back, sizeof back), 4096);
	CHECK(memcmp(there, back, sizeof there) == 0);
	big = puppet_ask(&t, "raw %d 0 300000 3 0x22 -1 0", SYS_mmap);
	CHECK_OP(big, >, 0);
	for (size_t i = 0; i < sizeof out; i++)
		out[i] = (uint8_t)(i * 13 + i / 999);
	CHECK_EQ(cotrace_write_memory(s, t.pid, (uint64_t)big, out, sizeof out), 300000);
	CHECK_EQ(cotrace_read_memory(s, t.pid, (uint64_t)big, in, sizeof in), 300000);
	CHECK(memcmp(out, in, sizeof out) == 0);
	finish(s, &t);
}

/* 64, 66: never another program's bytes. */
TEST(a_read_that_an_exec_overtook_fails_once)
{
	uint64_t buffer;
	struct target t;
	struct cotrace *s = puppet_at(&t, &buffer);
	uint8_t byte;

	CHECK_EQ(cotrace_read_memory(s, t.pid, buffer, &byte, 1), 1);
	puppet_tell(&t, "exec %s", target_path("puppet"));
	target_expect(&t, "ready");
	buffer = (uint64_t)puppet_ask(&t, "buffer");
	CHECK_EQ(cotrace_read_memory(s, t.pid, buffer, &byte, 1), -ESTALE);
	CHECK_EQ(cotrace_read_memory(s, t.pid, buffer, &byte, 1), 1);
	CHECK_EQ(cotrace_write_memory(s, t.pid, buffer, &byte, 1), 1);
	finish(s, &t);
}

TEST(reads_fail_until_the_exec_event_was_taken)
{
	struct cotrace_event ev;
	uint64_t buffer;
	struct target t;
	struct cotrace *s = puppet_at(&t, &buffer);
	uint8_t byte;

	subscribe(s, COTRACE_EVENT_EXEC, COTRACE_NOTE);
	CHECK_EQ(cotrace_read_memory(s, t.pid, buffer, &byte, 1), 1);
	puppet_tell(&t, "exec %s", target_path("puppet"));
	target_expect(&t, "ready");
	buffer = (uint64_t)puppet_ask(&t, "buffer");
	CHECK_EQ(cotrace_read_memory(s, t.pid, buffer, &byte, 1), -ESTALE);
	CHECK_EQ(cotrace_read_memory(s, t.pid, buffer, &byte, 1), -ESTALE);
	CHECK_EQ(cotrace_write_memory(s, t.pid, buffer, &byte, 1), -ESTALE);
	take_kind(s, &ev, COTRACE_EVENT_EXEC);
	CHECK_EQ(cotrace_read_memory(s, t.pid, buffer, &byte, 1), 1);
	CHECK_EQ(cotrace_write_memory(s, t.pid, buffer, &byte, 1), 1);
	finish(s, &t);
}

TEST(memory_of_a_forked_child_is_read_by_its_pid)
{
	struct cotrace *s;
	struct target t;
	uint64_t buffer;
	uint8_t byte = 0;
	pid_t child;

	puppet_start(&t);
	buffer = (uint64_t)puppet_ask(&t, "buffer");
	puppet_ask(&t, "write 0 11");
	s = attached(t.pid, OPTIONS(.scope = COTRACE_TREE));
	child = (pid_t)puppet_ask(&t, "child");
	puppet_ask(&t, "write 0 22");
	CHECK_EQ(cotrace_read_memory(s, child, buffer, &byte, 1), 1);
	CHECK_EQ(byte, 11);
	CHECK_EQ(cotrace_read_memory(s, t.pid, buffer, &byte, 1), 1);
	CHECK_EQ(byte, 22);
	CHECK_EQ(cotrace_read_memory(s, getpid(), buffer, &byte, 1), -ESRCH);
	finish(s, &t);
}

TEST(memory_of_a_dead_process_is_told_as_such)
{
	uint64_t buffer;
	struct target t;
	struct cotrace *s = puppet_at(&t, &buffer);
	pid_t pid = t.pid;
	uint8_t byte;

	CHECK_EQ(cotrace_read_memory(s, pid, buffer, &byte, 1), 1);
	puppet_end(&t);
	test_sleep_ms(20);
	CHECK_OP(cotrace_read_memory(s, pid, buffer, &byte, 1), <, 0);
	CHECK_OP(cotrace_write_memory(s, pid, buffer, &byte, 1), <, 0);
	cotrace_close(s);
}
