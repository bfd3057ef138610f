/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/symbols/symbols.h"

static void names_of_the_linker_match(void **state)
{
	(void)state;
	assert_true(name_matches("main", "main"));
	assert_false(name_matches("main", "mai"));
	assert_false(name_matches("main", "mains"));
	assert_true(name_matches("memcpy@@GLIBC_2.14", "memcpy"));
	assert_true(name_matches("_ZN2ns1C1fEi", "_ZN2ns1C1fEi"));
}

static void copies_stand_in_for_functions_and_parts_do_not(void **state)
{
	(void)state;
	assert_true(name_matches("f.isra.0", "f"));
	assert_true(name_matches("f.constprop.1", "f"));
	assert_true(name_matches("f.constprop.1", "f.constprop.1"));
	assert_false(name_matches("f.cold", "f"));
	assert_false(name_matches("f.isra.0.cold", "f"));
	assert_false(name_matches("f.part.0", "f"));
	assert_true(name_matches("_ZN2ns1C1fEi.isra.0", "ns::C::f"));
}

static void cpp_names_match_without_parameters(void **state)
{
	(void)state;
	assert_true(name_matches("_ZN2ns1C1fEi", "ns::C::f"));
	assert_true(name_matches("_ZNK2ns1C1fEPKc", "ns::C::f"));
	assert_false(name_matches("_ZN2ns1C1fEi", "C::f"));
	assert_false(name_matches("_ZN2ns1C1fEi", "ns::C"));
	assert_true(name_matches("_ZN2ns1CC1Ei", "ns::C::C"));
	assert_true(name_matches("_ZN2ns1CD2Ev", "ns::C::~C"));
	assert_true(name_matches("_ZN2ns1CclEi", "ns::C::operator()"));
	assert_true(name_matches("_ZN2ns1CplEi", "ns::C::operator+"));
	assert_true(name_matches("_ZN2ns1ClsEi", "ns::C::operator<<"));
	assert_true(name_matches("_Z1fB5cxx11v", "f"));
}

static void parameters_choose_among_overloads(void **state)
{
	(void)state;
	assert_true(name_matches("_ZN2ns1C1fEi", "ns::C::f(int)"));
	assert_false(name_matches("_ZN2ns1C1fEi", "ns::C::f(long)"));
	assert_true(name_matches("_ZNK2ns1C1fEPKc", "ns::C::f(char const*) const"));
	assert_true(name_matches("_ZNK2ns1C1fEPKc", "ns::C::f(char const *)const"));
	assert_false(name_matches("_ZNK2ns1C1fEPKc", "ns::C::f(int)"));
	assert_true(name_matches("_ZN2ns1C1fEv", "ns::C::f()"));
	assert_false(name_matches("_ZN2ns1C1fEi", "ns::C::f()"));
}

static void templates_and_anonymous_namespaces_may_be_left_out(void **state)
{
	(void)state;
	assert_true(name_matches("_ZN2ns5twiceIiEET_S1_", "ns::twice"));
	assert_true(name_matches("_ZN2ns5twiceIiEET_S1_", "ns::twice<int>"));
	assert_false(name_matches("_ZN2ns5twiceIiEET_S1_", "ns::twice<double>"));
	assert_true(name_matches("_ZN2ns1VIiE4pushEi", "ns::V::push"));
	assert_true(name_matches("_ZN2ns1VIiE4pushEi", "ns::V<int>::push"));
	assert_true(name_matches("_ZN2ns12_GLOBAL__N_16hiddenERi", "ns::hidden"));
	assert_true(name_matches("_ZN2ns12_GLOBAL__N_16hiddenERi",
				 "ns::(anonymous namespace)::hidden"));
}

static void people_see_parameters_and_no_return_type(void **state)
{
	char *text = name_demangle("_ZN2ns5twiceIiEET_S1_");

	(void)state;
	assert_string_equal(text, "ns::twice<int>(int)");
	free(text);
	assert_null(name_demangle("main"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_the_linker_match),
		cmocka_unit_test(copies_stand_in_for_functions_and_parts_do_not),
		cmocka_unit_test(cpp_names_match_without_parameters),
		cmocka_unit_test(parameters_choose_among_overloads),
		cmocka_unit_test(templates_and_anonymous_namespaces_may_be_left_out),
		cmocka_unit_test(people_see_parameters_and_no_return_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
