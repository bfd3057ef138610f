/* SPDX-License-Identifier: MIT */
/* What is declared public is exported; everything else stays hidden. */
#ifndef LIB_PUBLIC_H
#define LIB_PUBLIC_H

#pragma GCC visibility push(default)
#include <cotrace.h>
#pragma GCC visibility pop

#endif
