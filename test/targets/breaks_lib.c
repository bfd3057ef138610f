/* SPDX-License-Identifier: MIT */
/* A library that breaks.c loads. */
int lib_ready;

int lib_work(int n);

__attribute__((constructor)) static void lib_begin(void)
{
	lib_ready = 1;
}

int lib_work(int n)
{
	return lib_ready * n * 7; /* line: lib */
}
