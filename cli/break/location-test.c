/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/break/location.h"
#include "cli/command.h"

static char complaint[256];

int complain(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(complaint, sizeof complaint, format, args);
	va_end(args);
	return status;
}

static void check(const char *text, enum location_kind kind, const char *module, const char *name,
		  uint64_t addr, int line, const char *condition)
{
	struct location l;

	assert_int_equal(location_parse(&l, text), 0);
	assert_int_equal(l.kind, kind);
	assert_int_equal(l.addr, addr);
	assert_int_equal(l.line, line);
	assert_int_equal(l.module != NULL, module != NULL);
	if (module)
		assert_string_equal(l.module, module);
	assert_int_equal(l.name != NULL, name != NULL);
	if (name)
		assert_string_equal(l.name, name);
	assert_int_equal(l.condition != NULL, condition != NULL);
	if (condition)
		assert_string_equal(l.condition, condition);
	location_free(&l);
}

static void places_are_told_apart(void **state)
{
	(void)state;
	check("main", LOCATION_SYMBOL, NULL, "main", 0, 0, NULL);
	check(" main+0x1c ", LOCATION_SYMBOL, NULL, "main", 0x1c, 0, NULL);
	check("a.b+16", LOCATION_SYMBOL, NULL, "a.b", 16, 0, NULL);
	check("file.c:12", LOCATION_LINE, NULL, "file.c", 0, 12, NULL);
	check("/a/b.cc:7", LOCATION_LINE, NULL, "/a/b.cc", 0, 7, NULL);
	check("libc.so.6:malloc", LOCATION_SYMBOL, "libc.so.6", "malloc", 0, 0, NULL);
	check("*0x401000", LOCATION_ADDRESS, NULL, NULL, 0x401000, 0, NULL);
	check("*16", LOCATION_ADDRESS, NULL, NULL, 16, 0, NULL);
}

static void cpp_names_keep_their_colons_and_signs(void **state)
{
	(void)state;
	check("ns::C::f", LOCATION_SYMBOL, NULL, "ns::C::f", 0, 0, NULL);
	check("::f", LOCATION_SYMBOL, NULL, "::f", 0, 0, NULL);
	check("libx.so:ns::C::f+4", LOCATION_SYMBOL, "libx.so", "ns::C::f", 4, 0, NULL);
	check("ns::C::operator+", LOCATION_SYMBOL, NULL, "ns::C::operator+", 0, 0, NULL);
	check("ns::C::operator++", LOCATION_SYMBOL, NULL, "ns::C::operator++", 0, 0, NULL);
	check("C::f(int, char const*) const", LOCATION_SYMBOL, NULL, "C::f(int, char const*) const",
	      0, 0, NULL);
}

static void conditions_stand_behind_if(void **state)
{
	(void)state;
	check("f if a == 1", LOCATION_SYMBOL, NULL, "f", 0, 0, "a == 1");
	check("x.c:3  if  (a)", LOCATION_LINE, NULL, "x.c", 0, 3, "(a)");
	check("f if(a)", LOCATION_SYMBOL, NULL, "f", 0, 0, "(a)");
	check("diff if life", LOCATION_SYMBOL, NULL, "diff", 0, 0, "life");
	check("if_up", LOCATION_SYMBOL, NULL, "if_up", 0, 0, NULL);
}

static void nonsense_is_refused(void **state)
{
	static const char *const texts[] = { "",
					     "if x",
					     " ",
					     "x.c:",
					     ":12",
					     "x.c:0",
					     "*main",
					     "*",
					     "+4",
					     "f if ",
					     "a.c:99999999999",
					     "*0x1g",
					     "lib.so:+4" };

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct location l;

		*complaint = '\0';
		if (location_parse(&l, texts[i]) != EXIT_USAGE || !*complaint)
			fail_msg("'%s' was taken", texts[i]);
		location_free(&l);
	}
}

static void expressions_are_parted_by_commas(void **state)
{
	struct prints p = { 0 };

	(void)state;
	assert_int_equal(prints_parse(&p, "a, *(int *)(b + 1):x ,f[c, d]:s"), 0);
	assert_int_equal(p.count, 3);
	assert_string_equal(p.v[0].text, "a");
	assert_int_equal(p.v[0].format, 0);
	assert_string_equal(p.v[1].text, "*(int *)(b + 1)");
	assert_int_equal(p.v[1].format, 'x');
	assert_string_equal(p.v[2].text, "f[c, d]");
	assert_int_equal(p.v[2].format, 's');
	assert_int_equal(prints_parse(&p, "c == ',', (x ? y:z), q:d"), 0);
	assert_int_equal(p.count, 6);
	assert_string_equal(p.v[3].text, "c == ','");
	assert_string_equal(p.v[4].text, "(x ? y:z)");
	assert_int_equal(p.v[4].format, 0);
	assert_int_equal(prints_parse(&p, "g"), EXIT_USAGE);
	prints_free(&p);
	assert_int_equal(prints_parse(&p, "a,,b"), EXIT_USAGE);
	prints_free(&p);
	assert_int_equal(prints_parse(&p, ""), EXIT_USAGE);
	prints_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_are_told_apart),
		cmocka_unit_test(cpp_names_keep_their_colons_and_signs),
		cmocka_unit_test(conditions_stand_behind_if),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(expressions_are_parted_by_commas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
