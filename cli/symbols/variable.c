/* SPDX-License-Identifier: MIT */
/* Names of variables in expressions, replaced by what stands for them at a place. */
#include <ctype.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/symbols/location.h"

#define NAME_MAX_BYTES 256

/* A variable or a part of one. */
struct value {
	struct place place;
	Dwarf_Die type;
	bool has_type;
	const char *plain_type; /* without debug information */
};

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

static bool type_of(Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Attribute attr;

	return dwarf_attr_integrate(die, DW_AT_type, &attr) && dwarf_formref_die(&attr, type) &&
	       peel(type);
}

static const char *integer_type(Dwarf_Die *type, bool *is_signed)
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

static bool is_pointer(Dwarf_Die *type)
{
	int tag = dwarf_tag(type);

	return tag == DW_TAG_pointer_type || tag == DW_TAG_reference_type ||
	       tag == DW_TAG_rvalue_reference_type;
}

static bool is_scalar(Dwarf_Die *type)
{
	int tag = dwarf_tag(type);

	return tag == DW_TAG_base_type || tag == DW_TAG_enumeration_type;
}

static bool is_struct(Dwarf_Die *type)
{
	int tag = dwarf_tag(type);

	return tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type;
}

/* "int", "signed char *", "int **"; what is no number is void. */
static const char *type_text(Dwarf_Die *type, char text[64])
{
	Dwarf_Die at = *type;
	const char *name;
	unsigned stars = 0;
	bool is_signed, known = true;

	while (known && is_pointer(&at) && stars < 8) {
		stars++;
		known = type_of(&at, &at);
	}
	name = known && is_scalar(&at) ? integer_type(&at, &is_signed) : stars ? "void" : NULL;
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

static enum variable_format format_of(const struct value *v)
{
	Dwarf_Die type = v->type, to;
	bool is_signed = true;

	if (!v->has_type)
		return VARIABLE_SIGNED;
	if (is_pointer(&type) || dwarf_tag(&type) == DW_TAG_array_type)
		return type_of(&type, &to) && is_char(&to) ? VARIABLE_STRING : VARIABLE_POINTER;
	integer_type(&type, &is_signed);
	return is_signed ? VARIABLE_SIGNED : VARIABLE_UNSIGNED;
}

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

/* From where it is to what it is. */
static int load(struct rewriting *rw, struct value *v, const char *name)
{
	char buf[64];
	const char *type = v->has_type ? type_text(&v->type, buf) : v->plain_type;
	Dwarf_Die element;

	if (v->has_type && dwarf_tag(&v->type) == DW_TAG_array_type && !v->place.is_value) {
		if (!type_of(&v->type, &element) || !type_text(&element, buf))
			snprintf(buf, sizeof buf, "void");
		return set_text(&v->place, format("((%s *)%s)", buf, v->place.text));
	}
	if (!type && v->has_type && is_struct(&v->type))
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
		    is_struct(&inner) && member_of(&inner, name, member, offset)) {
			*offset += here;
			return true;
		}
	} while (!dwarf_siblingof(&at, &at));
	return false;
}

/* "->name" or ".name" behind @v. */
static int select_member(struct rewriting *rw, struct value *v, bool arrow, const char *name)
{
	Dwarf_Attribute attr;
	Dwarf_Die member, type;
	uint64_t offset = 0;
	int r;

	if (!v->has_type)
		return refuse(rw, "the members of what has no debug information are not known");
	if (is_pointer(&v->type)) {
		if (!arrow && dwarf_tag(&v->type) == DW_TAG_pointer_type)
			return refuse(rw, "write -> before %s: it is a pointer's", name);
		r = load(rw, v, name);
		if (r)
			return r;
		if (!type_of(&v->type, &type))
			return refuse(rw, "what the pointer before ->%s points to has no members",
				      name);
		v->type = type;
		v->place.is_value = false;
	}
	if (!is_struct(&v->type) || v->place.is_value)
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

static int find_variable(struct rewriting *rw, const char *name, struct value *v)
{
	Dwarf_Die *scopes, die;
	Dwarf_Addr bias;
	int n = image_scopes(rw->module->image, rw->addr, &scopes, &bias), r;

	*v = (struct value){ 0 };
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

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " \t\n");
}

static const char *take_name(const char *text, char name[NAME_MAX_BYTES])
{
	size_t n = 0;

	while (is_name_char(*text) || (text[0] == ':' && text[1] == ':' && is_name_char(text[2]))) {
		size_t step = *text == ':' ? 2 : 1;

		if (n + step < NAME_MAX_BYTES) {
			memcpy(name + n, text, step);
			n += step;
		}
		text += step;
	}
	name[n] = '\0';
	return text;
}

static int rewrite_name(struct rewriting *rw, const char **text, struct out *out, bool address)
{
	char name[NAME_MAX_BYTES];
	const char *at = take_name(*text, name), *next;
	struct value v;
	int r = find_variable(rw, name, &v);

	while (!r) {
		bool arrow;

		next = skip_blanks(at);
		arrow = next[0] == '-' && next[1] == '>';
		if (!arrow && next[0] != '.')
			break;
		next = skip_blanks(next + (arrow ? 2 : 1));
		at = take_name(next, name);
		r = select_member(rw, &v, arrow, name);
	}
	/* A reference stands for what it refers to. */
	if (!r && v.has_type && is_pointer(&v.type) && dwarf_tag(&v.type) != DW_TAG_pointer_type) {
		Dwarf_Die type;

		r = load(rw, &v, name);
		v.place.is_value = false;
		if (!r && type_of(&v.type, &type))
			v.type = type;
	}
	if (!r && address && v.place.is_value)
		r = refuse(rw, "%s is in a register and has no address", name);
	else if (!r && !address) {
		rw->format = format_of(&v);
		r = load(rw, &v, name);
	}
	if (!r)
		out_str(out, v.place.text);
	free(v.place.text);
	*text = at;
	return r;
}

static bool is_keyword(const char *text)
{
	static const char *const words[] = {
		"char",	    "short",	"int",	    "long",    "signed",   "unsigned",
		"void",	    "const",	"volatile", "bool",    "_Bool",	   "sizeof",
		"int8_t",   "int16_t",	"int32_t",  "int64_t", "uint8_t",  "uint16_t",
		"uint32_t", "uint64_t", "size_t",   "ssize_t", "intptr_t", "uintptr_t",
	};
	char name[NAME_MAX_BYTES];

	take_name(text, name);
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (!strcmp(words[i], name))
			return true;
	return false;
}

/* '&' that takes an address, and does not join two numbers. */
static bool takes_address(const struct out *out)
{
	size_t n = out->len;

	while (n && isspace((unsigned char)out->buf[n - 1]))
		n--;
	if (!n || out->buf[n - 1] != '&')
		return false;
	for (n--; n && isspace((unsigned char)out->buf[n - 1]);)
		n--;
	return !n || (strchr("(,=!<>+-*/%|^~?:", out->buf[n - 1]) != NULL);
}

static void drop_ampersand(struct out *out)
{
	while (out->len && out->buf[out->len - 1] != '&')
		out->len--;
	if (out->len)
		out->len--;
}

int variable_rewrite(struct rewriting *rw, const char *text, char **result)
{
	struct out out = OUT_NULL;
	unsigned names = 0;
	const char *from = text;
	int r = 0;

	*result = NULL;
	*rw->message = '\0';
	rw->format = VARIABLE_ANY;
	while (*text && !r) {
		const char *begin = text;

		if (*text == '$' || isdigit((unsigned char)*text)) {
			do
				text++;
			while (is_name_char(*text));
		} else if (!is_name_char(*text))
			text++;
		else if (is_keyword(text))
			while (is_name_char(*text))
				text++;
		else {
			bool address = takes_address(&out);

			if (address)
				drop_ampersand(&out);
			r = rewrite_name(rw, &text, &out, address);
			names++;
			/* Only a variable alone says how to show it. */
			if (skip_blanks(from) != begin || *skip_blanks(text) || address)
				rw->format = VARIABLE_ANY;
			continue;
		}
		out_mem(&out, begin, (size_t)(text - begin));
	}
	if (names != 1)
		rw->format = VARIABLE_ANY;
	out_char(&out, '\0');
	if (!r && out.error)
		r = -ENOMEM;
	if (r)
		out_deinit(&out);
	else
		*result = out.buf;
	return r;
}

static void result_of(Dwarf_Die *function, struct result *result)
{
	struct value v = { .has_type = true };
	Dwarf_Attribute attr;

	result->kind = RESULT_NONE;
	if (!dwarf_attr_integrate(function, DW_AT_type, &attr))
		return;
	result->kind = RESULT_OTHER;
	if (!type_of(function, &v.type))
		return;
	/* As assemblers write it. */
	if (dwarf_tag(&v.type) == DW_TAG_unspecified_type)
		result->kind = RESULT_UNKNOWN;
	if ((!is_pointer(&v.type) && !is_scalar(&v.type)))
		return;
	if (is_scalar(&v.type) && !integer_type(&v.type, &(bool){ false }))
		return;
	result->kind = RESULT_NUMBER;
	result->bytes = (unsigned)dwarf_bytesize(&v.type);
	result->format = format_of(&v);
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
