/* SPDX-License-Identifier: MIT */
#include <elf.h>

#include "cli/core/core.h"

static const struct core_arch arches[] = {
	{ COTRACE_ARCH_X86_64, EM_X86_64, 8, 4 },
	{ COTRACE_ARCH_I386, EM_386, 4, 2 },
	{ COTRACE_ARCH_AARCH64, EM_AARCH64, 8, 4 },
};

const struct core_arch *core_arch_find(uint32_t id)
{
	for (size_t i = 0; i < sizeof arches / sizeof arches[0]; i++)
		if (arches[i].id == id)
			return &arches[i];
	return NULL;
}

const struct core_arch *core_arch_of_machine(unsigned machine)
{
	for (size_t i = 0; i < sizeof arches / sizeof arches[0]; i++)
		if (arches[i].machine == machine)
			return &arches[i];
	return NULL;
}
