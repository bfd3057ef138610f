/* SPDX-License-Identifier: MIT */
/*
 * arena FILE WHERE OFFSET SIZE... : maps parts of a file, shared, to be executed, and waits to
 * be made to. Addresses in hexadecimal.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "test/targets/common.h"

int main(int argc, char **argv)
{
	int fd = open(argv[1], O_RDWR);

	MUST(fd >= 0);
	for (int i = 2; i + 2 < argc; i += 3) {
		void *where = (void *)(uintptr_t)strtoull(argv[i], NULL, 16);
		size_t size = strtoul(argv[i + 2], NULL, 16);

		MUST(mmap(where, size, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_SHARED | MAP_FIXED_NOREPLACE, fd,
			  (off_t)strtoul(argv[i + 1], NULL, 16)) == where);
	}
	close(fd);
	say("ready\n");
	for (;;)
		pause();
}
