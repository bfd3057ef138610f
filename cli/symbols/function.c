/* SPDX-License-Identifier: MIT */
/* Functions and data by name, and back. */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

#include "cli/symbols/symbols.h"

static void take_symbol(struct image *image, struct functions *f, const GElf_Sym *sym,
			uint64_t addr)
{
	switch (GELF_ST_TYPE(sym->st_info)) {
	case STT_GNU_IFUNC:
		addresses_add(&f->resolvers, addr);
		break;
	case STT_OBJECT:
	case STT_COMMON:
	case STT_TLS:
		f->is_data = true;
		break;
	case STT_FUNC:
	case STT_NOTYPE: /* of a program in assembly */
		if (image_is_code(image, addr))
			addresses_add(&f->code, addr);
		break;
	}
}

void image_symbols(struct image *image, const char *name, struct functions *f)
{
	int n = dwfl_module_getsymtab(image->module);

	for (int i = 1; i < n; i++) {
		const char *symbol;
		GElf_Sym sym;
		GElf_Addr addr;
		GElf_Word section;

		symbol = dwfl_module_getsym_info(image->module, i, &sym, &addr, &section, NULL,
						 NULL);
		if (symbol && *symbol && section != SHN_UNDEF && name_matches(symbol, name))
			take_symbol(image, f, &sym, addr);
	}
}

struct copies {
	struct image *image;
	const char *name;
	struct addresses *code;
	Dwarf_Addr bias;
};

static int take_copy(Dwarf_Die *copy, void *arg)
{
	struct copies *c = arg;
	Dwarf_Addr at;

	if (!dwarf_entrypc(copy, &at))
		addresses_add(c->code, at + c->bias);
	return DWARF_CB_OK;
}

static int take_inlined(Dwarf_Die *function, void *arg)
{
	struct copies *c = arg;
	const char *name = dwarf_diename(function);
	Dwarf_Attribute a;
	const char *linkage =
		dwarf_formstring(dwarf_attr_integrate(function, DW_AT_linkage_name, &a));

	if (dwarf_func_inline(function) &&
	    ((name && !strcmp(name, c->name)) || (linkage && name_matches(linkage, c->name))))
		dwarf_func_inline_instances(function, take_copy, c);
	return DWARF_CB_OK;
}

/* Where the function was put into its callers. */
static void take_copies(struct image *image, const char *name, struct functions *f)
{
	struct copies c = { image, name, &f->code, 0 };
	Dwarf_Die *unit = NULL, whole;

	while (image_next_unit(image, &unit, &whole, &c.bias))
		dwarf_getfuncs(&whole, take_inlined, &c, 0);
}

void image_functions(struct image *image, const char *name, struct functions *f)
{
	*f = (struct functions){ 0 };
	image_symbols(image, name, f);
	take_copies(image, name, f);
}

void functions_free(struct functions *f)
{
	addresses_free(&f->code);
	addresses_free(&f->resolvers);
}

bool image_object(struct image *image, const char *name, GElf_Sym *sym, uint64_t *addr)
{
	int n = dwfl_module_getsymtab(image->module);

	for (int i = 1; i < n; i++) {
		GElf_Word section;
		const char *symbol =
			dwfl_module_getsym_info(image->module, i, sym, addr, &section, NULL, NULL);
		int type = GELF_ST_TYPE(sym->st_info);

		if (symbol && section != SHN_UNDEF && (type == STT_OBJECT || type == STT_TLS) &&
		    name_matches(symbol, name))
			return true;
	}
	return false;
}

/* The name of the innermost function in the debug information, where a copy was inlined. */
static const char *inlined_name(struct image *image, uint64_t addr)
{
	Dwarf_Addr bias;
	Dwarf_Die *scopes;
	int n = image_scopes(image, addr, &scopes, &bias);
	const char *name = NULL;

	for (int i = 0; i < n; i++) {
		int tag = dwarf_tag(&scopes[i]);

		if (tag == DW_TAG_inlined_subroutine)
			name = dwarf_diename(&scopes[i]);
		if (tag == DW_TAG_inlined_subroutine || tag == DW_TAG_subprogram)
			break;
	}
	free(scopes);
	return name;
}

bool image_show_symbol(struct image *image, uint64_t addr, struct out *out)
{
	const char *symbol, *inlined = inlined_name(image, addr);
	GElf_Off offset;
	GElf_Sym sym;
	char *text;

	symbol = dwfl_module_addrinfo(image->module, addr, &offset, &sym, NULL, NULL, NULL);
	if (inlined) {
		out_str(out, inlined);
		out_str(out, " in ");
	}
	if (!symbol)
		return inlined != NULL;
	text = name_demangle(symbol);
	if (text)
		out_str(out, text);
	else
		out_mem(out, symbol, strcspn(symbol, "@"));
	if (offset) {
		out_char(out, '+');
		out_hex(out, offset);
	}
	free(text);
	return true;
}

uint64_t image_after_prologue(struct image *image, uint64_t addr)
{
	Dwarf_Addr bias, low, *at = NULL;
	Dwarf_Die *scopes;
	int n = image_scopes(image, addr, &scopes, &bias);

	for (int i = 0; i < n; i++)
		if (dwarf_tag(&scopes[i]) == DW_TAG_subprogram) {
			if (!dwarf_lowpc(&scopes[i], &low) && low + bias == addr &&
			    dwarf_entry_breakpoints(&scopes[i], &at) > 0)
				addr = at[0] + bias;
			break;
		}
	free(at);
	free(scopes);
	return addr;
}
