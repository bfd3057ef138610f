/* SPDX-License-Identifier: MIT */
/* The instruction sets that arch_code_by_id() knows. */
#ifndef ARCH_GENERIC_CODES_H
#define ARCH_GENERIC_CODES_H

#include "arch/code.h"

extern const struct arch_code arch_code_x86_64;
extern const struct arch_code arch_code_i386;

#endif
