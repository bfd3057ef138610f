/* SPDX-License-Identifier: MIT */
#include "lib/evaluate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int evaluate_read_memory(void *data, uint64_t addr, void *buf, size_t size)
{
	(void)data;
	if (addr < 65536)
		return -EFAULT;
	memcpy(buf, (const void *)(uintptr_t)addr, size);
	return 0;
}

uint64_t evaluate(enum cotrace_arch arch, const char *text, const struct agent_env *env)
{
	char message[512] = "";
	uint64_t value = 0xdead;
	uint8_t *code;
	size_t size;

	if (cotrace_compile(&code, &size, arch, text, message, sizeof message) < 0)
		fail_msg("%s: %s", text, message);
	assert_int_equal(cotrace_check_expression(arch, code, size), 0);
	if (agent_eval(code, env, &value) != AGENT_NO_FAULT)
		fail_msg("%s has no value", text);
	free(code);
	return value;
}
