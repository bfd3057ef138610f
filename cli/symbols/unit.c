/* SPDX-License-Identifier: MIT */
/* Compile units: what the debug information has of one source file. */
#include <dwarf.h>
#include <elfutils/libdw.h>

#include "cli/symbols/symbols.h"

/* Where most of it is in a file of its own (.dwo), that part, as far as it can be found. */
static Dwarf_Die whole_unit(Dwarf_Die *unit)
{
	Dwarf_Die part;
	uint8_t type;

	if (dwarf_cu_info(unit->cu, NULL, &type, NULL, &part, NULL, NULL, NULL) == 0 &&
	    type == DW_UT_skeleton && part.addr)
		return part;
	return *unit;
}

bool image_next_unit(struct image *image, Dwarf_Die **unit, Dwarf_Die *whole, Dwarf_Addr *bias)
{
	*unit = dwfl_module_nextcu(image->module, *unit, bias);
	if (*unit)
		*whole = whole_unit(*unit);
	return *unit != NULL;
}

/* Not every compiler writes an index of addresses. */
static Dwarf_Die *search(struct image *image, uint64_t addr, Dwarf_Addr *bias)
{
	Dwarf_Die *unit = NULL;

	while ((unit = dwfl_module_nextcu(image->module, unit, bias)))
		if (dwarf_haspc(unit, addr - *bias) > 0)
			return unit;
	return NULL;
}

Dwarf_Die *image_unit(struct image *image, uint64_t addr, Dwarf_Addr *bias)
{
	Dwarf_Die *unit = dwfl_module_addrdie(image->module, addr, bias);

	return unit ? unit : search(image, addr, bias);
}

int image_scopes(struct image *image, uint64_t addr, Dwarf_Die **scopes, Dwarf_Addr *bias)
{
	Dwarf_Die *unit = image_unit(image, addr, bias), whole;
	int n;

	*scopes = NULL;
	if (!unit)
		return 0;
	whole = whole_unit(unit);
	n = dwarf_getscopes(&whole, addr - *bias, scopes);
	return n > 0 ? n : 0;
}

bool image_source(struct image *image, uint64_t addr, const char **file, int *line)
{
	Dwarf_Addr bias;
	Dwarf_Die *unit = image_unit(image, addr, &bias);
	Dwarf_Line *found = unit ? dwarf_getsrc_die(unit, addr - bias) : NULL;

	*file = found ? dwarf_linesrc(found, NULL, NULL) : NULL;
	return *file && dwarf_lineno(found, line) == 0 && *line > 0;
}
