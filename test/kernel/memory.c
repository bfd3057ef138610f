/* SPDX-License-Identifier: MIT */
/* /proc/PID/mem: the proof of access and the way to write. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "test/kernel/raw.h"

static int open_mem(pid_t pid, int flags)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
	return (int)CHECK_SYS(open(path, flags | O_CLOEXEC));
}

/* How the engine knows that an fd it was handed is the mem file of that process. */
TEST(an_open_mem_file_has_the_identity_of_a_fresh_stat)
{
	struct stat opened, fresh, other_stat;
	struct target t, other;
	char path[64];
	int fd;

	TARGET_START(&t, "puppet");
	TARGET_START(&other, "puppet");
	target_expect(&t, "ready");
	target_expect(&other, "ready");
	fd = open_mem(t.pid, O_RDWR);
	CHECK_SYS(fstat(fd, &opened));
	snprintf(path, sizeof path, "/proc/%d/mem", (int)t.pid);
	CHECK_SYS(stat(path, &fresh));
	snprintf(path, sizeof path, "/proc/%d/mem", (int)other.pid);
	CHECK_SYS(stat(path, &other_stat));
	CHECK(opened.st_dev == fresh.st_dev && opened.st_ino == fresh.st_ino);
	CHECK(opened.st_ino != other_stat.st_ino);
	close(fd);
	target_kill(&t);
	target_kill(&other);
}

static ssize_t read_at(int fd, uint64_t addr, void *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size, (off_t)addr);

	return n < 0 ? -errno : n;
}

/* 66 */
TEST(a_mem_file_opened_before_exec_reads_end_of_file)
{
	struct target t;
	char buf[8], line[64];
	uint64_t addr;
	int fd;

	TARGET_START(&t, "puppet");
	target_expect(&t, "ready");
	CHECK(write(t.in, "buffer\n", 7) == 7);
	target_line(&t, line, sizeof line);
	addr = strtoull(line + 2, NULL, 0);
	fd = open_mem(t.pid, O_RDONLY);
	CHECK_EQ(read_at(fd, addr, buf, sizeof buf), 8);
	dprintf(t.in, "exec %s\n", target_path("puppet"));
	target_expect(&t, "ready");
	CHECK_EQ(read_at(fd, addr, buf, sizeof buf), 0);
	close(fd);
	target_kill(&t);
}

static void hold_page(void)
{
	pause();
}

/* 93 */
TEST(a_read_only_private_page_is_written_through_mem_but_not_by_process_vm_writev)
{
	char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), byte = 'x';
	pid_t pid = raw_child(hold_page);
	struct iovec here = { &byte, 1 }, there = { page, 1 };
	int fd;

	raw_seize(pid, 0);
	raw_stop(pid);
	CHECK(process_vm_writev(pid, &here, 1, &there, 1, 0) == -1 && errno == EFAULT);
	fd = open_mem(pid, O_RDWR);
	CHECK_EQ(pwrite(fd, &byte, 1, (off_t)(uintptr_t)page), 1);
	byte = 0;
	CHECK_EQ(process_vm_readv(pid, &here, 1, &there, 1, 0), 1);
	CHECK_EQ(byte, 'x');
	CHECK_EQ(page[0], 0);
	close(fd);
	raw_kill(pid);
	munmap(page, 4096);
}

TEST(a_read_only_shared_page_cannot_be_written_at_all)
{
	char *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = raw_child(hold_page);
	int fd;

	raw_seize(pid, 0);
	raw_stop(pid);
	fd = open_mem(pid, O_RDWR);
	CHECK(pwrite(fd, "x", 1, (off_t)(uintptr_t)page) == -1);
	CHECK_EQ(raw(PTRACE_POKEDATA, pid, (uintptr_t)page, 1), -EIO);
	close(fd);
	raw_kill(pid);
	munmap(page, 4096);
}

/* Memory ends in the middle: reads tell how far they got. */
TEST(process_vm_readv_stops_where_memory_ends)
{
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid;
	char buf[200];
	struct iovec here = { buf, 200 }, there = { pages + 4096 - 100, 200 };

	munmap(pages + 4096, 4096);
	pid = raw_child(hold_page);
	/* One piece per page, or the kernel may give nothing. */
	CHECK_EQ(process_vm_readv(pid, &here, 1, &there, 1, 0), 100);
	raw_kill(pid);
	munmap(pages, 4096);
}
