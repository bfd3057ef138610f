/* SPDX-License-Identifier: MIT */
/* Where a variable is, by its debug information, as text of an expression. */
#ifndef SYMBOLS_LOCATION_H
#define SYMBOLS_LOCATION_H

#include "cli/symbols/symbols.h"

struct place {
	char *text;    /* of its address, or of its value */
	bool is_value; /* in a register, or a constant */
	bool is_behind_prologue;
};

/* @die: a variable, valid at rw->addr. Returns 0, or a negative errno with rw->message. */
int location_read(struct rewriting *rw, Dwarf_Die *die, const char *name, struct place *place);
/* Fills rw->message. Returns -EINVAL. */
int refuse(struct rewriting *rw, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
