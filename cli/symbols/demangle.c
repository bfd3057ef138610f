/* SPDX-License-Identifier: MIT */
/* C++ names, and what compilers put behind names of functions. */
#include <ctype.h>
#include <libiberty/demangle.h>
#include <stdlib.h>
#include <string.h>

#include "cli/symbols/symbols.h"

static bool is_mangled(const char *symbol)
{
	return symbol[0] == '_' && (symbol[1] == 'Z' || symbol[1] == 'R');
}

/*
 * The length of a symbol without the suffixes of copies that stand in for the function.
 * 0: it is only a part of one, which does not run once for each call.
 */
static size_t own_length(const char *symbol)
{
	static const char *const copies[] = { "isra", "constprop", "lto_priv", "llvm", "clone" };
	const char *dot = strchr(symbol + 1, '.');
	size_t whole = strcspn(symbol, "@"); /* a version stands behind it */

	if (!dot || (size_t)(dot - symbol) > whole)
		return whole;
	for (size_t i = 0; i < sizeof copies / sizeof copies[0]; i++)
		if (!strncmp(dot + 1, copies[i], strlen(copies[i])))
			return strstr(dot, ".cold") || strstr(dot, ".part")
				       ? 0
				       : (size_t)(dot - symbol);
	return strstr(dot, ".cold") || strstr(dot, ".part") ? 0 : whole;
}

/* Takes every @piece out of @text. */
static void remove_all(char *text, const char *piece)
{
	size_t n = strlen(piece);

	for (char *at = text; (at = strstr(at, piece));)
		memmove(at, at + n, strlen(at + n) + 1);
}

/* "f[abi:cxx11]" is written "f". */
static void remove_tags(char *text)
{
	for (char *at = text; (at = strstr(at, "[abi:"));) {
		char *end = strchr(at, ']');

		if (!end)
			return;
		memmove(at, end + 1, strlen(end + 1) + 1);
	}
}

static void remove_blanks(char *text)
{
	char *to = text;

	for (; *text; text++)
		if (!isspace((unsigned char)*text))
			*to++ = *text;
	*to = '\0';
}

/* "v<int>::f<char>" becomes "v::f"; operators have their own < and >. */
static void remove_templates(char *text)
{
	char *to = text;
	int depth = 0;

	if (strstr(text, "operator<") || strstr(text, "operator>") || strstr(text, "operator-"))
		return;
	for (; *text; text++) {
		if (*text == '<')
			depth++;
		else if (*text == '>' && depth)
			depth--;
		else if (!depth)
			*to++ = *text;
	}
	*to = '\0';
}

static bool same(const char *demangled, const char *name)
{
	char *a = strdup(demangled), *b = strdup(name);
	bool equal = false;

	if (a && b) {
		remove_tags(a);
		remove_blanks(a);
		remove_blanks(b);
		equal = !strcmp(a, b);
		if (!equal && !strstr(b, "(anonymousnamespace)"))
			remove_all(a, "(anonymousnamespace)::");
		if (!equal && !strchr(b, '<'))
			remove_templates(a);
		equal = equal || !strcmp(a, b);
	}
	free(a);
	free(b);
	return equal;
}

/* Parameters, if they are given, choose among overloads. */
static bool has_parameters(const char *name)
{
	char *copy = strdup(name);
	bool has;

	if (!copy)
		return false;
	remove_all(copy, "(anonymous namespace)");
	remove_all(copy, "operator()");
	has = strchr(copy, '(');
	free(copy);
	return has;
}

/*
 * Demangling is slow: most names are told apart by their last part, which stands in the
 * mangled name too. Names of operators and constructors do not.
 */
static bool may_match(const char *symbol, const char *name)
{
	size_t end = strcspn(name, "(<"), from = end;
	char part[64];

	while (from && (isalnum((unsigned char)name[from - 1]) || name[from - 1] == '_'))
		from--;
	if (from < 2 || name[from - 1] != ':' || end - from >= sizeof part ||
	    strstr(name, "operator"))
		return true;
	memcpy(part, name + from, end - from);
	part[end - from] = '\0';
	/* A constructor is called as its class. */
	return from >= 2 + end - from && !strncmp(name + from - 2 - (end - from), part, end - from)
		       ? true
		       : strstr(symbol, part) != NULL;
}

bool name_matches(const char *symbol, const char *name)
{
	size_t own = own_length(symbol);
	bool equal = false;
	char *copy, *text;

	if (!strcmp(symbol, name))
		return true;
	if (!own)
		return false;
	if (strlen(name) == own && !strncmp(symbol, name, own))
		return true;
	if (!is_mangled(symbol) || !may_match(symbol, name))
		return false;
	copy = strndup(symbol, own);
	text = copy ? cplus_demangle(copy, DMGL_AUTO | DMGL_ANSI | DMGL_RET_DROP |
						   (has_parameters(name) ? DMGL_PARAMS : 0))
		    : NULL;
	if (text)
		equal = same(text, name);
	free(text);
	free(copy);
	return equal;
}

char *name_demangle(const char *symbol)
{
	return is_mangled(symbol)
		       ? cplus_demangle(symbol, DMGL_AUTO | DMGL_PARAMS | DMGL_ANSI | DMGL_RET_DROP)
		       : NULL;
}
