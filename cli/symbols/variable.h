/* SPDX-License-Identifier: MIT */
/* Variables by name, as text of expressions. */
#ifndef SYMBOLS_VARIABLE_H
#define SYMBOLS_VARIABLE_H

#include "cli/symbols/location.h"
#include "cli/symbols/type.h"

/* A variable or a part of one. */
struct value {
	struct place place;
	Dwarf_Die type;
	bool has_type;
	const char *plain_type; /* without debug information */
};

/* Each returns 0, or a negative errno, with rw->message if that is -EINVAL. */
int variable_find(struct rewriting *rw, const char *name, struct value *v);
/* "->name" or ".name" behind @v. */
int variable_member(struct rewriting *rw, struct value *v, bool arrow, const char *name);
/* From where it is to what it is. */
int variable_load(struct rewriting *rw, struct value *v, const char *name);

#endif
