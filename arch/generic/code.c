/* SPDX-License-Identifier: MIT */
#include "arch/generic/codes.h"

static const struct arch_code *const known[] = { &arch_code_x86_64, &arch_code_i386 };

const struct arch_code *arch_code_by_id(unsigned arch)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i]->arch == arch)
			return known[i];
	return NULL;
}
