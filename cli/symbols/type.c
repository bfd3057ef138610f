/* SPDX-License-Identifier: MIT */
#include "cli/symbols/type.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdio.h>
#include <stdlib.h>

/* Through names and qualifiers to what the type is. False: void. */
static bool peel(Dwarf_Die *type)
{
	for (;;) {
		Dwarf_Attribute attr;

		switch (dwarf_tag(type)) {
		case DW_TAG_typedef:
		case DW_TAG_const_type:
		case DW_TAG_volatile_type:
		case DW_TAG_restrict_type:
		case DW_TAG_atomic_type:
			if (!dwarf_attr_integrate(type, DW_AT_type, &attr) ||
			    !dwarf_formref_die(&attr, type))
				return false;
			break;
		default:
			return true;
		}
	}
}

bool type_of(Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Attribute attr;

	return dwarf_attr_integrate(die, DW_AT_type, &attr) && dwarf_formref_die(&attr, type) &&
	       peel(type);
}

const char *type_integer(Dwarf_Die *type, bool *is_signed)
{
	static const char *const names[2][4] = {
		{ "unsigned char", "unsigned short", "unsigned int", "unsigned long long" },
		{ "signed char", "short", "int", "long long" },
	};
	Dwarf_Attribute attr;
	Dwarf_Word encoding = DW_ATE_unsigned;
	int bytes = dwarf_bytesize(type);

	if (dwarf_tag(type) == DW_TAG_base_type &&
	    dwarf_attr_integrate(type, DW_AT_encoding, &attr))
		dwarf_formudata(&attr, &encoding);
	if (encoding == DW_ATE_float || encoding == DW_ATE_complex_float ||
	    encoding == DW_ATE_decimal_float)
		return NULL;
	*is_signed = encoding == DW_ATE_signed || encoding == DW_ATE_signed_char;
	switch (bytes) {
	case 1:
		return names[*is_signed][0];
	case 2:
		return names[*is_signed][1];
	case 4:
		return names[*is_signed][2];
	case 8:
		return names[*is_signed][3];
	}
	return NULL;
}

bool type_is_pointer(Dwarf_Die *type)
{
	int tag = dwarf_tag(type);

	return tag == DW_TAG_pointer_type || tag == DW_TAG_reference_type ||
	       tag == DW_TAG_rvalue_reference_type;
}

bool type_is_scalar(Dwarf_Die *type)
{
	int tag = dwarf_tag(type);

	return tag == DW_TAG_base_type || tag == DW_TAG_enumeration_type;
}

bool type_is_struct(Dwarf_Die *type)
{
	int tag = dwarf_tag(type);

	return tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type;
}

/* "int", "signed char *", "int **"; what is no number is void. */
const char *type_text(Dwarf_Die *type, char text[64])
{
	Dwarf_Die at = *type;
	const char *name;
	unsigned stars = 0;
	bool is_signed, known = true;

	while (known && type_is_pointer(&at) && stars < 8) {
		stars++;
		known = type_of(&at, &at);
	}
	name = known && type_is_scalar(&at) ? type_integer(&at, &is_signed) : stars ? "void" : NULL;
	if (!name && stars)
		name = "void";
	if (!name)
		return NULL;
	snprintf(text, 64, "%s%s%.*s", name, stars ? " " : "", (int)stars, "********");
	return text;
}

static bool is_char(Dwarf_Die *type)
{
	return dwarf_tag(type) == DW_TAG_base_type && dwarf_bytesize(type) == 1;
}

enum variable_format type_format(const Dwarf_Die *die)
{
	Dwarf_Die type = *die, to;
	bool is_signed = true;

	if (type_is_pointer(&type) || dwarf_tag(&type) == DW_TAG_array_type)
		return type_of(&type, &to) && is_char(&to) ? VARIABLE_STRING : VARIABLE_POINTER;
	type_integer(&type, &is_signed);
	return is_signed ? VARIABLE_SIGNED : VARIABLE_UNSIGNED;
}

static void result_of(Dwarf_Die *function, struct result *result)
{
	Dwarf_Die type;
	Dwarf_Attribute attr;

	result->kind = RESULT_NONE;
	if (!dwarf_attr_integrate(function, DW_AT_type, &attr))
		return;
	result->kind = RESULT_OTHER;
	if (!type_of(function, &type))
		return;
	/* As assemblers write it. */
	if (dwarf_tag(&type) == DW_TAG_unspecified_type)
		result->kind = RESULT_UNKNOWN;
	if ((!type_is_pointer(&type) && !type_is_scalar(&type)))
		return;
	if (type_is_scalar(&type) && !type_integer(&type, &(bool){ false }))
		return;
	result->kind = RESULT_NUMBER;
	result->bytes = (unsigned)dwarf_bytesize(&type);
	result->format = type_format(&type);
}

void image_result(struct image *image, uint64_t addr, struct result *result)
{
	Dwarf_Die *scopes;
	Dwarf_Addr bias;
	int n = image_scopes(image, addr, &scopes, &bias);

	*result = (struct result){ 0 };
	for (int i = 0; i < n; i++) {
		int tag = dwarf_tag(&scopes[i]);

		if (tag == DW_TAG_inlined_subroutine)
			result->kind = RESULT_INLINED;
		else if (tag == DW_TAG_subprogram)
			result_of(&scopes[i], result);
		if (tag == DW_TAG_inlined_subroutine || tag == DW_TAG_subprogram)
			break;
	}
	free(scopes);
}
