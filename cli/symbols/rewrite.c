/* SPDX-License-Identifier: MIT */
/* Names of variables in expressions, replaced by what stands for them at a place. */
#include <ctype.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/symbols/variable.h"

#define NAME_MAX_BYTES 256

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

static bool is_tag(const char *name)
{
	return !strcmp(name, "struct") || !strcmp(name, "union") || !strcmp(name, "enum");
}

static int rewrite_name(struct rewriting *rw, const char **text, struct out *out, bool address)
{
	char name[NAME_MAX_BYTES];
	const char *at = take_name(*text, name), *next;
	struct value v = { 0 };
	int r = is_tag(name) ? refuse(rw, "casts to structures are not known here; name a variable "
					  "of that type")
			     : variable_find(rw, name, &v);

	while (!r) {
		bool arrow;

		next = skip_blanks(at);
		arrow = next[0] == '-' && next[1] == '>';
		if (!arrow && next[0] != '.')
			break;
		next = skip_blanks(next + (arrow ? 2 : 1));
		at = take_name(next, name);
		r = variable_member(rw, &v, arrow, name);
	}
	/* A reference stands for what it refers to. */
	if (!r && v.has_type && type_is_pointer(&v.type) &&
	    dwarf_tag(&v.type) != DW_TAG_pointer_type) {
		Dwarf_Die type;

		r = variable_load(rw, &v, name);
		v.place.is_value = false;
		if (!r && type_of(&v.type, &type))
			v.type = type;
	}
	if (!r && address && v.place.is_value)
		r = refuse(rw, "%s is in a register and has no address", name);
	else if (!r && !address) {
		rw->format = v.has_type ? type_format(&v.type) : VARIABLE_SIGNED;
		r = variable_load(rw, &v, name);
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
		"char",	   "short",    "int",	    "long",	 "signed",   "unsigned", "void",
		"const",   "volatile", "bool",	    "_Bool",	 "sizeof",   "int8_t",	 "int16_t",
		"int32_t", "int64_t",  "uint8_t",   "uint16_t",	 "uint32_t", "uint64_t", "size_t",
		"ssize_t", "intptr_t", "uintptr_t", "ptrdiff_t",
	};
	char name[NAME_MAX_BYTES];

	take_name(text, name);
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (!strcmp(words[i], name))
			return true;
	return false;
}

/* '&' that takes an address, and does not join two numbers or conditions. */
static bool takes_address(const struct out *out)
{
	size_t n = out->len, signs = 0;

	while (n && isspace((unsigned char)out->buf[n - 1]))
		n--;
	for (; n && out->buf[n - 1] == '&'; n--)
		signs++;
	if (signs == 2)
		return false;
	for (; n && isspace((unsigned char)out->buf[n - 1]); n--)
		;
	return signs && (signs == 3 || !n || strchr("(,=!<>+-*/%|^~?:&", out->buf[n - 1]));
}

static void drop_ampersand(struct out *out)
{
	while (out->len && out->buf[out->len - 1] != '&')
		out->len--;
	if (out->len)
		out->len--;
}

/* Behind 'a' or '\n', which contain no names. */
static const char *skip_character(const char *text)
{
	text++;
	while (*text && *text != '\'')
		text += *text == '\\' && text[1] ? 2 : 1;
	return *text ? text + 1 : text;
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
		} else if (*text == '\'')
			text = skip_character(text);
		else if (!is_name_char(*text))
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
