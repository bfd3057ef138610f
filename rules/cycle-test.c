/* SPDX-License-Identifier: MIT */
/*
 * No cycles (R10): every graph of up to four processes and every tracer and target in it
 * against the transitive closure; then worlds in which tracers come and go, that never
 * have a cycle and refuse nothing else. COTRACE_TEST_SEED chooses other worlds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/cycle.h"
#include "test/runner/random.h"

#define NODES 12

/* edge[a][b]: a can stop b. Process n has the number n + 1. */
struct graph {
	unsigned nodes;
	bool edge[NODES][NODES];
};

static int decide(const struct graph *g, unsigned tracer, unsigned target)
{
	unsigned asked = 0;
	struct cycle c;
	pid_t pid;
	int r;

	cycle_init(&c, (pid_t)tracer + 1);
	while ((pid = cycle_next(&c)) != 0) {
		asked++;
		for (unsigned by = 0; by < g->nodes; by++)
			if (g->edge[by][pid - 1])
				cycle_add(&c, (pid_t)by + 1);
	}
	assert_true(asked <= g->nodes); /* none is looked up twice */
	r = cycle_closes(&c, (pid_t)target + 1);
	cycle_deinit(&c);
	return r;
}

static void close_transitively(struct graph *g)
{
	for (unsigned k = 0; k < g->nodes; k++)
		for (unsigned i = 0; i < g->nodes; i++)
			for (unsigned j = 0; j < g->nodes; j++)
				g->edge[i][j] |= g->edge[i][k] && g->edge[k][j];
}

static bool has_cycle(struct graph g)
{
	close_transitively(&g);
	for (unsigned i = 0; i < g.nodes; i++)
		if (g.edge[i][i])
			return true;
	return false;
}

static struct graph graph_of(unsigned nodes, unsigned bits)
{
	struct graph g = { .nodes = nodes };

	for (unsigned i = 0; i < nodes; i++)
		for (unsigned j = 0; j < nodes; j++) {
			if (i == j)
				continue;
			g.edge[i][j] = bits & 1;
			bits >>= 1;
		}
	return g;
}

static void every_graph_of_four_is_decided_as_its_closure_says(void **state)
{
	unsigned refused = 0;

	(void)state;
	for (unsigned nodes = 1; nodes <= 4; nodes++)
		for (unsigned bits = 0; bits < 1u << (nodes * (nodes - 1)); bits++) {
			struct graph g = graph_of(nodes, bits), closed = g;

			close_transitively(&closed);
			for (unsigned a = 0; a < nodes; a++)
				for (unsigned b = 0; b < nodes; b++) {
					bool cycle = a == b || closed.edge[b][a];

					assert_int_equal(decide(&g, a, b), cycle ? -EDEADLK : 0);
					refused += cycle;
				}
		}
	assert_true(refused > 0);
}

/* From a graph without a cycle, exactly the edges that would make one are refused. */
static void every_attach_that_is_let_through_leaves_no_cycle(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 1u << 12; bits++) {
		struct graph g = graph_of(4, bits);

		if (has_cycle(g))
			continue;
		for (unsigned a = 0; a < 4; a++)
			for (unsigned b = 0; b < 4; b++) {
				struct graph after = g;

				after.edge[a][b] = true;
				assert_int_equal(decide(&g, a, b) < 0, has_cycle(after));
			}
	}
}

static struct random random_numbers;

static unsigned below(unsigned n)
{
	return random_below(&random_numbers, n);
}

static void tracers_that_come_and_go_never_make_a_cycle(void **state)
{
	struct graph g = { .nodes = NODES };
	unsigned refused = 0, granted = 0;

	(void)state;
	random_begin(&random_numbers, random_seed_or(20261123));
	for (unsigned i = 0; i < 100000; i++) {
		unsigned a = below(NODES), b = below(NODES);
		struct graph after = g;

		after.edge[a][b] = true;
		if (below(3) == 0) {
			g.edge[a][b] = false;
		} else if (decide(&g, a, b) < 0) {
			assert_true(has_cycle(after));
			refused++;
		} else {
			g = after;
			granted++;
		}
		assert_false(has_cycle(g));
	}
	assert_true(refused > 1000 && granted > 1000);
}

static void a_long_row_of_tracers_is_walked_to_its_end(void **state)
{
	struct cycle c;
	pid_t pid;

	(void)state;
	cycle_init(&c, 1);
	while ((pid = cycle_next(&c)) != 0)
		if (pid < 5000)
			cycle_add(&c, pid + 1);
	assert_int_equal(cycle_closes(&c, 5000), -EDEADLK);
	assert_int_equal(cycle_closes(&c, 5001), 0);
	cycle_deinit(&c);
}

static void numbers_that_are_no_process_are_nobody(void **state)
{
	struct cycle c;

	(void)state;
	cycle_init(&c, 3);
	cycle_add(&c, 0);
	cycle_add(&c, -1);
	assert_int_equal(cycle_next(&c), 3);
	assert_int_equal(cycle_next(&c), 0);
	assert_int_equal(cycle_closes(&c, 0), 0);
	assert_int_equal(cycle_closes(&c, -1), 0);
	cycle_deinit(&c);
}

static void what_is_not_known_whole_is_not_let_through(void **state)
{
	struct cycle c;

	(void)state;
	cycle_init(&c, 3);
	c.error = -ENOMEM;
	assert_int_equal(cycle_closes(&c, 4), -ENOMEM);
	assert_int_equal(cycle_closes(&c, 3), -EDEADLK);
	cycle_deinit(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_graph_of_four_is_decided_as_its_closure_says),
		cmocka_unit_test(every_attach_that_is_let_through_leaves_no_cycle),
		cmocka_unit_test(tracers_that_come_and_go_never_make_a_cycle),
		cmocka_unit_test(a_long_row_of_tracers_is_walked_to_its_end),
		cmocka_unit_test(numbers_that_are_no_process_are_nobody),
		cmocka_unit_test(what_is_not_known_whole_is_not_let_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
