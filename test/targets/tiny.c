/* SPDX-License-Identifier: MIT */
/* tiny STATUS: a few system calls, and that exit status. */
#include <sys/syscall.h>

#include "test/targets/common.h"

int main(int argc, char **argv)
{
	syscall(SYS_getppid);
	syscall(SYS_close, 77);
	return (int)number(argc, argv, 1, 0);
}
