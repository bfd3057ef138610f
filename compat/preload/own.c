/* SPDX-License-Identifier: MIT */
/*
 * The program's memory, at addresses that it has given: what is not there is EFAULT, as from the
 * kernel. The kernel is asked about a page once; pages that a program points to seldom go.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "compat/preload/preload.h"

#define PAGE 4096u
enum { KNOWN = 64 };

/* Numbers of pages, each in its place; those that can be written to have an odd one. */
static uint64_t known[KNOWN];

static bool is_known(uint64_t page, bool writable)
{
	uint64_t v = known[page % KNOWN];

	return page != 0 && v >> 1 == page && (v & 1) >= writable;
}

static void know(uint64_t page, bool writable)
{
	known[page % KNOWN] = page << 1 | writable;
}

static int check_read(uint64_t addr, size_t size)
{
	for (uint64_t page = addr / PAGE; page <= (addr + size - 1) / PAGE; page++) {
		if (is_known(page, false))
			continue;
		if (page == 0 || msync((void *)(uintptr_t)(page * PAGE), 1, MS_ASYNC) < 0)
			return -EFAULT;
		know(page, false);
	}
	return 0;
}

/* Something is written that the caller overwrites. */
static int check_write(uint64_t addr, size_t size)
{
	uint64_t first = addr / PAGE, last = (addr + size - 1) / PAGE;

	if (is_known(first, true) && is_known(last, true) && last - first <= 1)
		return 0;
	for (size_t done = 0; done < size;) {
		ssize_t n = getrandom((void *)(uintptr_t)(addr + done), size - done, GRND_NONBLOCK);

		if (n <= 0)
			return n < 0 && errno == EINTR ? check_write(addr + done, size - done)
						       : -EFAULT;
		done += (size_t)n;
	}
	know(first, true);
	know(last, true);
	return 0;
}

int own_read(uint64_t addr, void *buf, size_t size)
{
	int r = size == 0 ? 0 : check_read(addr, size);

	if (r == 0)
		memcpy(buf, (const void *)(uintptr_t)addr, size);
	return r;
}

int own_write(uint64_t addr, const void *buf, size_t size)
{
	int r = size == 0 ? 0 : check_write(addr, size);

	if (r == 0)
		memcpy((void *)(uintptr_t)addr, buf, size);
	return r;
}
