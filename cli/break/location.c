/* SPDX-License-Identifier: MIT */
#include "cli/break/location.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

static int no_memory(void)
{
	return complain(EXIT_FAILURE, "out of memory");
}

/* @end points behind the last blank that is none. */
static char *trimmed(const char *from, const char *end)
{
	while (from < end && isspace((unsigned char)*from))
		from++;
	while (end > from && isspace((unsigned char)end[-1]))
		end--;
	return strndup(from, (size_t)(end - from));
}

/* A whole number, as C writes it. */
static bool number(const char *text, uint64_t *v)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*v = strtoull(text, &end, 0);
	return !errno && !*end;
}

/* The word "if" between blanks. */
static const char *find_if(const char *text)
{
	for (const char *at = text; (at = strstr(at, "if")); at++)
		if ((at == text || isspace((unsigned char)at[-1])) &&
		    (!at[2] || isspace((unsigned char)at[2]) || at[2] == '('))
			return at;
	return NULL;
}

/* A colon that is not half of "::". */
static char *single_colon(char *text)
{
	for (char *at = text; (at = strchr(at, ':'));) {
		if (at[1] != ':')
			return at;
		at += 2;
	}
	return NULL;
}

static int parse_symbol(struct location *l, char *text)
{
	char *plus = strrchr(text, '+');

	l->kind = LOCATION_SYMBOL;
	if (plus && number(plus + 1, &l->addr))
		*plus = '\0';
	else
		l->addr = 0;
	if (!*text)
		return complain(EXIT_USAGE, "'%s' names no function", l->text);
	l->name = strdup(text);
	return l->name ? 0 : no_memory();
}

static int parse_colon(struct location *l, char *text, char *colon)
{
	uint64_t line;

	*colon++ = '\0';
	if (!*text || !*colon)
		return complain(EXIT_USAGE, "'%s' is neither FILE:LINE nor MODULE:SYMBOL", l->text);
	if (!number(colon, &line)) {
		l->module = strdup(text);
		return l->module ? parse_symbol(l, colon) : no_memory();
	}
	if (!line || line > INT_MAX)
		return complain(EXIT_USAGE, "'%s': lines are counted from 1", l->text);
	l->kind = LOCATION_LINE;
	l->line = (int)line;
	l->name = strdup(text);
	return l->name ? 0 : no_memory();
}

static int parse_place(struct location *l, char *text)
{
	char *colon;

	if (!*text)
		return complain(EXIT_USAGE, "-b takes a place, such as main or file.c:12");
	if (*text == '*') {
		l->kind = LOCATION_ADDRESS;
		if (number(text + 1, &l->addr))
			return 0;
		return complain(EXIT_USAGE, "'%s': behind * stands an address, such as *0x401000",
				l->text);
	}
	colon = single_colon(text);
	return colon ? parse_colon(l, text, colon) : parse_symbol(l, text);
}

int location_parse(struct location *l, const char *text)
{
	const char *word = find_if(text), *end = text + strlen(text);
	char *copy;
	int status;

	*l = (struct location){ 0 };
	l->text = trimmed(text, word ? word : end);
	copy = l->text ? strdup(l->text) : NULL;
	if (!copy)
		return no_memory();
	status = parse_place(l, copy);
	free(copy);
	if (status || !word)
		return status;
	l->condition = trimmed(word + 2, end);
	if (l->condition && !*l->condition)
		return complain(EXIT_USAGE, "'%s': an expression belongs behind if", text);
	return l->condition ? 0 : no_memory();
}

void location_free(struct location *l)
{
	free(l->text);
	free(l->condition);
	free(l->module);
	free(l->name);
	*l = (struct location){ 0 };
}

static int add_print(struct prints *p, const char *from, const char *end)
{
	struct print *print = &p->v[p->count];
	size_t n;

	if (p->count == COTRACE_BREAK_VALUES_MAX)
		return complain(EXIT_USAGE, "--print takes at most %d expressions",
				COTRACE_BREAK_VALUES_MAX);
	print->text = trimmed(from, end);
	if (!print->text)
		return no_memory();
	p->count++;
	print->format = 0;
	n = strlen(print->text);
	if (n > 2 && print->text[n - 2] == ':' && strchr(PRINT_FORMATS, print->text[n - 1])) {
		print->format = print->text[n - 1];
		print->text[n - 2] = '\0';
	}
	return *print->text ? 0 : complain(EXIT_USAGE, "--print: an expression is missing");
}

int prints_parse(struct prints *p, const char *list)
{
	const char *from = list, *at;
	int depth = 0, status = 0;

	for (at = list; !status; at++) {
		if (*at == '\'' && at[1] && at[2] == '\'')
			at += 2;
		else if (*at == '(' || *at == '[')
			depth++;
		else if (*at == ')' || *at == ']')
			depth--;
		else if (!*at || (*at == ',' && depth <= 0)) {
			status = add_print(p, from, at);
			from = at + 1;
		}
		if (!*at)
			break;
	}
	return status;
}

void prints_free(struct prints *p)
{
	while (p->count)
		free(p->v[--p->count].text);
}
