/* SPDX-License-Identifier: MIT */
/* Lines of source files to addresses. */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli/symbols/symbols.h"

struct search {
	struct image *image;
	const char *file;
	size_t file_length;
	int wanted, best; /* the smallest line >= wanted that has code */
	struct row {
		uint64_t addr;
		uint64_t function; /* names the function or copy it is in */
		uint64_t symbol;   /* and the part of it */
	} * rows;
	size_t count;
	Dwarf_Addr bias;
};

/* "a.c" is the end of "dir/a.c", not of "ba.c". */
static bool is_file(const struct search *s, const char *path)
{
	size_t n = path ? strlen(path) : 0;

	return n >= s->file_length && !strcmp(path + n - s->file_length, s->file) &&
	       (n == s->file_length || path[n - s->file_length - 1] == '/');
}

/* Which function, or inlined copy of one, the address is in. */
static uint64_t function_at(Dwarf_Die *unit, uint64_t addr)
{
	Dwarf_Die *scopes = NULL;
	int n = dwarf_getscopes(unit, addr, &scopes);
	uint64_t found = 0;

	for (int i = 0; i < n && !found; i++) {
		int tag = dwarf_tag(&scopes[i]);

		if (tag == DW_TAG_inlined_subroutine || tag == DW_TAG_subprogram)
			found = dwarf_dieoffset(&scopes[i]);
	}
	free(scopes);
	return found;
}

static uint64_t symbol_at(struct image *image, uint64_t addr)
{
	GElf_Off offset = 0;
	GElf_Sym sym;

	return dwfl_module_addrinfo(image->module, addr, &offset, &sym, NULL, NULL, NULL)
		       ? addr - offset
		       : 0;
}

/* Of the rows in one function only the first counts: it is run once each time. */
static void add_row(struct search *s, Dwarf_Die *unit, uint64_t addr)
{
	struct row row = { addr + s->bias, function_at(unit, addr),
			   symbol_at(s->image, addr + s->bias) };
	struct row *rows;

	for (size_t i = 0; i < s->count; i++)
		if (s->rows[i].function == row.function && s->rows[i].symbol == row.symbol) {
			if (row.addr < s->rows[i].addr)
				s->rows[i].addr = row.addr;
			return;
		}
	rows = realloc(s->rows, (s->count + 1) * sizeof *rows);
	if (!rows)
		return;
	s->rows = rows;
	s->rows[s->count++] = row;
}

static void take_line(struct search *s, Dwarf_Die *unit, Dwarf_Line *line)
{
	bool is_stmt = false, end = false;
	Dwarf_Addr addr;
	int number;

	if (dwarf_lineno(line, &number) || number < s->wanted || number > s->best ||
	    dwarf_lineendsequence(line, &end) || end || dwarf_linebeginstatement(line, &is_stmt) ||
	    !is_stmt || dwarf_lineaddr(line, &addr) || !addr ||
	    !is_file(s, dwarf_linesrc(line, NULL, NULL)))
		return;
	if (number < s->best)
		s->count = 0;
	s->best = number;
	add_row(s, unit, addr);
}

static bool unit_has_file(const struct search *s, Dwarf_Die *unit)
{
	Dwarf_Files *files;
	size_t n;

	if (dwarf_getsrcfiles(unit, &files, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (is_file(s, dwarf_filesrc(files, i, NULL, NULL)))
			return true;
	return false;
}

void image_lines(struct image *image, const char *file, int line, struct addresses *found,
		 int *used)
{
	struct search s = { image, file, strlen(file), line, INT_MAX, NULL, 0, 0 };
	Dwarf_Die *unit = NULL, whole;

	*found = (struct addresses){ 0 };
	while (image_next_unit(image, &unit, &whole, &s.bias)) {
		Dwarf_Lines *lines;
		size_t n;

		if (!unit_has_file(&s, unit) || dwarf_getsrclines(unit, &lines, &n))
			continue;
		for (size_t i = 0; i < n; i++)
			take_line(&s, &whole, dwarf_onesrcline(lines, i));
	}
	*used = s.count ? s.best : 0;
	for (size_t i = 0; i < s.count; i++)
		addresses_add(found, s.rows[i].addr);
	free(s.rows);
}
