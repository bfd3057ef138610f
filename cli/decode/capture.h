/* SPDX-License-Identifier: MIT */
/* What to have captured for a call, and where a captured piece is. */
#ifndef DECODE_CAPTURE_H
#define DECODE_CAPTURE_H

#include "cli/decode/table.h"

/* Fills s->slots from the signatures: all that is read at entry, then at exit. */
void capture_slots(struct syscall *s, unsigned string_limit, bool verbose);

#endif
