/* SPDX-License-Identifier: MIT */
/*
 * Code that gdb 13.1 has made. The program was
 *
 *	struct node { int id; char name[8]; struct node *next; unsigned flag : 3; int small : 4;
 *		      unsigned short port; };
 *	struct node second = { 22, "second", 0, 5, -3, 8080 };
 *	struct node first = { 11, "first", &second, 2, 7, 443 };
 *	int counter = 42; unsigned limit = 4000000000u; long total = -5;
 *	unsigned long big = 0xfedcba9876543210; short sh = -2; unsigned char byte = 200;
 *	signed char sc = -100; _Bool yes = 1; int table[4] = { 10, -20, 30, -40 };
 *	const char *words[2] = { "alpha", "beta" };
 *	int visit(int x, const char *p, struct node *n)
 *	{
 *		int local = x * 2;
 *		return local + *p + n->id;
 *	}
 *	int main(void) { return visit(3, "abc", &first); }
 *
 * compiled with gcc -g -O0 -no-pie -fcf-protection=none. In gdb: set breakpoint
 * condition-evaluation target, set breakpoint always-inserted on, target remote | gdbserver - X,
 * stopped at the return of visit(), set debug remote 1, break LINE if EXPRESSION: the code is
 * in the packet Z0,ADDR,1;XLENGTH,CODE. The values are those that gdb's printf "%lx" shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/expr.h"
#include "wire/agent.h"

/* What the program's memory was there. */
static const char text[] = "\x01\x00\x02\x00\x61\x6c\x70\x68\x61\x00\x62\x65\x74\x61\x00\x61"
			   "\x62\x63\x00\x00";
static const char data[] = "\x16\x00\x00\x00\x73\x65\x63\x6f\x6e\x64\x00\x00\x00\x00\x00\x00"
			   "\x00\x00\x00\x00\x00\x00\x00\x00\x6d\x00\x90\x1f\x00\x00\x00\x00"
			   "\x0b\x00\x00\x00\x66\x69\x72\x73\x74\x00\x00\x00\x00\x00\x00\x00"
			   "\x20\x40\x40\x00\x00\x00\x00\x00\x3a\x00\xbb\x01\x00\x00\x00\x00"
			   "\x2a\x00\x00\x00\x00\x28\x6b\xee\xfb\xff\xff\xff\xff\xff\xff\xff"
			   "\x10\x32\x54\x76\x98\xba\xdc\xfe\xfe\xff\xc8\x9c\x01\x00\x00\x00"
			   "\x0a\x00\x00\x00\xec\xff\xff\xff\x1e\x00\x00\x00\xd8\xff\xff\xff"
			   "\x04\x20\x40\x00\x00\x00\x00\x00\x0a\x20\x40\x00\x00\x00\x00\x00"
			   "\x07\x00\x00\x00";
static const char stack[] = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
			    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
			    "\x00\x00\x00\x00\x00\x00\x00\x00\x40\x40\x40\x00\x00\x00\x00\x00"
			    "\x0f\x20\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00"
			    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x00\x00"
			    "\xa0\xe4\xff\xff\xff\x7f\x00\x00\x4e\x11\x40\x00\x00\x00\x00\x00";

static const struct {
	uint64_t addr;
	const char *bytes;
	size_t size;
} memory[] = {
	{ 0x402000, text, sizeof text - 1 },
	{ 0x404020, data, sizeof data - 1 },
	{ 0x7fffffffe440, stack, sizeof stack - 1 },
};

static int read_register(void *data_, unsigned number, uint64_t *value)
{
	static const struct {
		unsigned number;
		uint64_t value;
	} known[] = { { 1, 0x7fffffffe5b8 }, { 3, 0x404040 },	    { 4, 0x40200f }, { 5, 3 },
		      { 6, 0x7fffffffe490 }, { 7, 0x7fffffffe490 }, { 16, 0x40111d } };

	(void)data_;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].number == number) {
			*value = known[i].value;
			return 0;
		}
	return -EIO;
}

static int read_memory(void *data_, uint64_t addr, void *buf, size_t size)
{
	(void)data_;
	for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
		if (addr >= memory[i].addr && addr - memory[i].addr + size <= memory[i].size) {
			memcpy(buf, memory[i].bytes + (addr - memory[i].addr), size);
			return 0;
		}
	return -EFAULT;
}

static const struct agent_env env = { read_register, read_memory, NULL };

static const struct sample {
	const char *text, *code;
	uint64_t value;
	const char
		*ours; /* the same for cotrace_compile(), variables as debug information has them */
} samples[] = {
	{ "x != 3 || n->next != 0",
	  "26000622100222dc1608021916202203130e20003126000622100222c81608021a2210021a2200130e200031"
	  "2200210033220127",
	  0x1, NULL },
	{ "local + x", "26000622100222ec16080219162026000622100222dc16080219162002162027", 0x9,
	  "(*(int *)($rbp - 4)) + (*(int *)($rbp - 20))" },
	{ "counter > 41 && counter < 43",
	  "240040406019162022292b142000122100282400404060191620222b14200023210028220121002a220027",
	  0x1, "(*(int *)0x404060) > 41 && (*(int *)0x404060) < 43" },
	{ "limit > 3000000000", "2400404064192500000000b2d05e002b1427", 0x1,
	  "(*(unsigned *)0x404064) > 3000000000" },
	{ "limit + 500000000", "240040406419241dcd65002a20022a2027", 0xc388d00,
	  "(*(unsigned *)0x404064) + 500000000" },
	{ "total < 0", "24004040681a164022001427", 0x1, "(*(long *)0x404068) < 0" },
	{ "total / 2", "24004040681a1640220205164027", 0xfffffffffffffffe,
	  "(*(long *)0x404068) / 2" },
	{ "total % 3", "24004040681a1640220307164027", 0xfffffffffffffffe,
	  "(*(long *)0x404068) % 3" },
	{ "total >> 1", "24004040681a164022010a164027", 0xfffffffffffffffd,
	  "(*(long *)0x404068) >> 1" },
	{ "big >> 4", "24004040701a22042a400b2a4027", 0xfedcba987654321,
	  "(*(unsigned long *)0x404070) >> 4" },
	{ "big / 16", "24004040701a22102a40062a4027", 0xfedcba987654321,
	  "(*(unsigned long *)0x404070) / 16" },
	{ "big % 1000", "24004040701a2303e82a40082a4027", 0x2d0,
	  "(*(unsigned long *)0x404070) % 1000" },
	{ "(unsigned char) big", "24004040701a2a0827", 0x10,
	  "(unsigned char) (*(unsigned long *)0x404070)" },
	{ "sh == -2", "240040407818161022fe16081327", 0x1, "(*(short *)0x404078) == -2" },
	{ "byte > 100", "240040407a1722642b1427", 0x1, "(*(unsigned char *)0x40407a) > 100" },
	{ "sc < 0", "240040407b17160822001427", 0x1, "(*(signed char *)0x40407b) < 0" },
	{ "yes && !x",
	  "240040407c1720000c21002626000622100222dc1608021916200e2000212100262201210028220027", 0x0,
	  "(*(bool *)0x40407c) && !(*(int *)($rbp - 20))" },
	{ "table[1] < table[0]",
	  "24004040802201220404022a4019162024004040802200220404022a401916201427", 0x1,
	  "((int *)0x404080)[1] < ((int *)0x404080)[0]" },
	{ "table[x]", "240040408026000622100222dc160802191620220404022a4019162027",
	  0xffffffffffffffd8, "((int *)0x404080)[(*(int *)($rbp - 20))]" },
	{ "-table[3]", "220024004040802203220404022a4019162003162027", 0x28,
	  "-((int *)0x404080)[3]" },
	{ "~counter", "240040406019162012162027", 0xffffffffffffffd5, "~(*(int *)0x404060)" },
	{ "counter << 3", "2400404060191620220309162027", 0x150, "(*(int *)0x404060) << 3" },
	{ "counter & 0xf | 0x100", "2400404060191620220f0f2301001027", 0x10a,
	  "(*(int *)0x404060) & 0xf | 0x100" },
	{ "counter ^ limit", "24004040601916202400404064192b2a202b1127", 0xee6b282a,
	  "(*(int *)0x404060) ^ (*(unsigned *)0x404064)" },
	{ "n->next->id == 22", "26000622100222c81608021a2210021a19162022161327", 0x1, NULL },
	{ "n->next->flag", "26000622100222c81608021a2210021a221802172a0327", 0x5, NULL },
	{ "n->next->small", "26000622100222c81608021a2210021a2218021722030b160427",
	  0xfffffffffffffffd, NULL },
	{ "n->small", "26000622100222c81608021a2218021722030b160427", 0x7, NULL },
	{ "n->port + n->next->port",
	  "26000622100222c81608021a221a021826000622100222c81608021a2210021a221a021802162027",
	  0x214b, NULL },
	{ "n->next->next == 0", "26000622100222c81608021a2210021a2210021a22001327", 0x1, NULL },
	{ "words[0][4]", "24004040902200220804022a401a2204022a4017160827", 0x61,
	  "((const char **)0x404090)[0][4]" },
	{ "&table[2] - &table[0]", "24004040802202220404022a4024004040802200220404022a400322040627",
	  0x2, "&((int *)0x404080)[2] - &((int *)0x404080)[0]" },
	{ "p[2] - p[0]",
	  "26000622100222d01608021a2202022a4017160826000622100222d01608021a2200022a401716080316202"
	  "7",
	  0x2, "(*(const char **)($rbp - 32))[2] - (*(const char **)($rbp - 32))[0]" },
	{ "x ? table[0] : table[1]",
	  "26000622100222dc1608021916200e20002524004040802200220404022a4019162021003524004040802201"
	  "220404022a4019162027",
	  0xa, "(*(int *)($rbp - 20)) ? ((int *)0x404080)[0] : ((int *)0x404080)[1]" },
	{ "sizeof (struct node)", "222027", 0x20, NULL },
	{ "*(int *) &first", "240040404019162027", 0xb, "*(int *) &(*(char *)0x404040)" },
	{ "$rsp < $rbp", "2600072a402600062a401527", 0x0, "$rsp < $rbp" },
	{ "$rip", "2600102a4027", 0x40111d, "$rip" },
	{ "(short) $rdx", "2600031640161027", 0x4040, "(short) $rdx" },
	{ "counter == 42 ? x > 2 ? 1 : 2 : 3",
	  "2400404060191620222a130e20002f26000622100222dc16080219162022022b140e20002a220121002c2202"
	  "210031220327",
	  0x1, "(*(int *)0x404060) == 42 ? (*(int *)($rbp - 20)) > 2 ? 1 : 2 : 3" },
};

static size_t unhex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	unsigned byte;

	for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
		out[n++] = (uint8_t)byte;
	return n;
}

static void code_of_gdb_is_good_and_gives_what_gdb_prints(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		uint8_t code[AGENT_BYTES_MAX];
		size_t size = unhex(samples[i].code, code);
		uint64_t value = 0;

		if (cotrace_check_expression(COTRACE_ARCH_X86_64, code, size) < 0 ||
		    agent_eval(code, &env, &value) != AGENT_NO_FAULT || value != samples[i].value)
			fail_msg("%s: %#lx", samples[i].text, value);
	}
}

static void code_of_ours_gives_the_same(void **state)
{
	size_t compiled = 0;

	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		char message[512] = "";
		uint64_t value = 0;
		uint8_t *code;
		size_t size;

		if (samples[i].ours == NULL)
			continue;
		compiled++;
		if (cotrace_compile(&code, &size, COTRACE_ARCH_X86_64, samples[i].ours, message,
				    sizeof message) < 0)
			fail_msg("%s: %s", samples[i].text, message);
		if (agent_eval(code, &env, &value) != AGENT_NO_FAULT || value != samples[i].value)
			fail_msg("%s: %#lx", samples[i].text, value);
		free(code);
	}
	assert_true(compiled >= 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(code_of_gdb_is_good_and_gives_what_gdb_prints),
		cmocka_unit_test(code_of_ours_gives_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
