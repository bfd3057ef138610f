/* SPDX-License-Identifier: MIT */
/* Types of the debug information, in the words of cotrace_compile(). */
#ifndef SYMBOLS_TYPE_H
#define SYMBOLS_TYPE_H

#include "cli/symbols/symbols.h"

/* The type of a variable or member, or to what a type refers; without names and qualifiers. */
bool type_of(Dwarf_Die *die, Dwarf_Die *type);
bool type_is_pointer(Dwarf_Die *type); /* or a reference */
bool type_is_scalar(Dwarf_Die *type);
bool type_is_struct(Dwarf_Die *type);
/* The integer of that size and sign; NULL: it is none. */
const char *type_integer(Dwarf_Die *type, bool *is_signed);
/* "int", "signed char *", "int **"; to what is no number, "void *". NULL: it is neither. */
const char *type_text(Dwarf_Die *type, char text[64]);
enum variable_format type_format(const Dwarf_Die *type);

#endif
