/* SPDX-License-Identifier: MIT */
/* ids: prints "uid R E gid R E secure S", for set-user-ID programs under trace. */
#include <sys/auxv.h>

#include "test/targets/common.h"

int main(void)
{
	say("uid %u %u gid %u %u secure %lu\n", getuid(), geteuid(), getgid(), getegid(),
	    getauxval(AT_SECURE));
	return 0;
}
