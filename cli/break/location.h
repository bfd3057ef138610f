/* SPDX-License-Identifier: MIT */
/* What -b names, and what --print wants to see there. */
#ifndef BREAK_LOCATION_H
#define BREAK_LOCATION_H

#include <cotrace.h>
#include <stdbool.h>

enum location_kind { LOCATION_ADDRESS, LOCATION_SYMBOL, LOCATION_LINE };

struct location {
	enum location_kind kind;
	char *text;	 /* as given */
	char *condition; /* NULL: none */
	char *module;	 /* NULL: any */
	char *name;	 /* symbol or file */
	uint64_t addr;	 /* ADDRESS; SYMBOL: offset from it */
	int line;
};

/* "LOCATION [if EXPR]". Returns 0; else it has complained and returns the exit status. */
int location_parse(struct location *l, const char *text);
void location_free(struct location *l);

/* One expression of --print. */
struct print {
	char *text;
	char format; /* one of PRINT_FORMATS; 0: as fits */
};

#define PRINT_FORMATS "duxocps"

struct prints {
	struct print v[COTRACE_BREAK_VALUES_MAX];
	unsigned count;
};

/* "EXPR[:FORMAT], ..."; adds to @p. Returns as location_parse(). */
int prints_parse(struct prints *p, const char *list);
void prints_free(struct prints *p);

#endif
