/* SPDX-License-Identifier: MIT */
#include "cli/symbols/variable.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Replaces the text by what the format makes of it. */
static int set_text(struct place *place, char *text)
{
	if (!text)
		return -ENOMEM;
	free(place->text);
	place->text = text;
	return 0;
}

static char *format(const char *pattern, ...) __attribute__((format(printf, 1, 2)));

static char *format(const char *pattern, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, pattern);
	n = vasprintf(&text, pattern, args);
	va_end(args);
	return n < 0 ? NULL : text;
}

int variable_load(struct rewriting *rw, struct value *v, const char *name)
{
	char buf[64];
	const char *type = v->has_type ? type_text(&v->type, buf) : v->plain_type;
	Dwarf_Die element;

	if (v->has_type && dwarf_tag(&v->type) == DW_TAG_array_type && !v->place.is_value) {
		if (!type_of(&v->type, &element) || !type_text(&element, buf))
			snprintf(buf, sizeof buf, "void");
		return set_text(&v->place, format("((%s *)%s)", buf, v->place.text));
	}
	if (!type && v->has_type && type_is_struct(&v->type))
		return refuse(rw, "%s is a structure; name a member of it", name);
	if (!type)
		return refuse(rw, "%s is neither an integer nor a pointer", name);
	return set_text(&v->place, v->place.is_value ? format("((%s)%s)", type, v->place.text)
						     : format("(*(%s *)%s)", type, v->place.text));
}

static bool member_of(Dwarf_Die *type, const char *name, Dwarf_Die *member, uint64_t *offset)
{
	Dwarf_Die at;

	if (dwarf_child(type, &at))
		return false;
	do {
		const char *own = dwarf_diename(&at);
		int tag = dwarf_tag(&at);
		Dwarf_Attribute attr;
		Dwarf_Word here = 0;
		Dwarf_Die inner;

		if (tag != DW_TAG_member && tag != DW_TAG_inheritance)
			continue;
		if (dwarf_attr(&at, DW_AT_data_member_location, &attr))
			dwarf_formudata(&attr, &here);
		if (own && tag == DW_TAG_member && !strcmp(own, name)) {
			*member = at;
			*offset += here;
			return true;
		}
		/* Members of a base, and of a structure without a name, are its own. */
		if ((tag == DW_TAG_inheritance || !own) && type_of(&at, &inner) &&
		    type_is_struct(&inner) && member_of(&inner, name, member, offset)) {
			*offset += here;
			return true;
		}
	} while (!dwarf_siblingof(&at, &at));
	return false;
}

int variable_member(struct rewriting *rw, struct value *v, bool arrow, const char *name)
{
	Dwarf_Attribute attr;
	Dwarf_Die member, type;
	uint64_t offset = 0;
	int r;

	if (!v->has_type)
		return refuse(rw, "the members of what has no debug information are not known");
	if (type_is_pointer(&v->type)) {
		if (!arrow && dwarf_tag(&v->type) == DW_TAG_pointer_type)
			return refuse(rw, "write -> before %s: it is a pointer's", name);
		r = variable_load(rw, v, name);
		if (r)
			return r;
		if (!type_of(&v->type, &type))
			return refuse(rw, "what the pointer before ->%s points to has no members",
				      name);
		v->type = type;
		v->place.is_value = false;
	}
	if (!type_is_struct(&v->type) || v->place.is_value)
		return refuse(rw, "there is no structure in memory before %s", name);
	if (!member_of(&v->type, name, &member, &offset))
		return refuse(rw, "there is no member %s", name);
	if (dwarf_attr(&member, DW_AT_bit_size, &attr))
		return refuse(rw, "%s is a bit field, which cannot be read here", name);
	if (!type_of(&member, &v->type))
		return refuse(rw, "%s has no type", name);
	return set_text(&v->place,
			format("((unsigned long long)%s + %" PRIu64 ")", v->place.text, offset));
}

/* A variable of any unit of the image that is not in a function. */
static bool global_die(struct image *image, const char *name, Dwarf_Die *found)
{
	Dwarf_Die *unit = NULL, whole, child;
	Dwarf_Addr bias;

	while (image_next_unit(image, &unit, &whole, &bias)) {
		if (dwarf_child(&whole, &child))
			continue;
		do {
			const char *own =
				dwarf_tag(&child) == DW_TAG_variable ? dwarf_diename(&child) : NULL;
			Dwarf_Attribute attr;

			if (own && !strcmp(own, name) &&
			    dwarf_attr_integrate(&child, DW_AT_location, &attr)) {
				*found = child;
				return true;
			}
		} while (!dwarf_siblingof(&child, &child));
	}
	return false;
}

static int use_object(struct rewriting *rw, const struct module *module, const char *name,
		      const GElf_Sym *sym, uint64_t addr, struct value *v)
{
	static const char *const types[] = {
		[1] = "signed char", [2] = "short", [4] = "int", [8] = "long long"
	};
	Dwarf_Die die;

	if (GELF_ST_TYPE(sym->st_info) == STT_TLS)
		return refuse(rw, "%s is thread-local, which cannot be read here", name);
	v->has_type = global_die(module->image, name, &die) && type_of(&die, &v->type);
	if (!v->has_type && (sym->st_size > 8 || !types[sym->st_size]))
		return refuse(rw, "%s has %llu bytes and no debug information: cast its address",
			      name, (unsigned long long)sym->st_size);
	v->plain_type = v->has_type ? NULL : types[sym->st_size];
	v->place.text = format("0x%" PRIx64, addr + module->bias);
	return v->place.text ? 0 : -ENOMEM;
}

/* By symbol: in the module of the breakpoint first. */
static int find_object(struct rewriting *rw, const char *name, struct value *v)
{
	uint64_t addr;
	GElf_Sym sym;

	if (image_object(rw->module->image, name, &sym, &addr))
		return use_object(rw, rw->module, name, &sym, addr, v);
	for (size_t i = 0; i < rw->modules->count; i++)
		if (image_object(rw->modules->v[i].image, name, &sym, &addr))
			return use_object(rw, &rw->modules->v[i], name, &sym, addr, v);
	return refuse(rw, "there is no variable %s here", name);
}

int variable_find(struct rewriting *rw, const char *name, struct value *v)
{
	Dwarf_Die *scopes, die;
	Dwarf_Addr bias;
	int n = image_scopes(rw->module->image, rw->addr, &scopes, &bias), r;

	r = n ? dwarf_getscopevar(scopes, n, name, 0, NULL, 0, 0, &die) : -1;
	free(scopes);
	if (r < 0)
		return find_object(rw, name, v);
	v->has_type = type_of(&die, &v->type);
	if (!v->has_type)
		return refuse(rw, "%s has no type", name);
	r = location_read(rw, &die, name, &v->place);
	/* Declared here, defined elsewhere. */
	if (r == -EINVAL && dwarf_hasattr(&die, DW_AT_declaration)) {
		*rw->message = '\0';
		return find_object(rw, name, v);
	}
	rw->needs_prologue |= v->place.is_behind_prologue;
	return r;
}
