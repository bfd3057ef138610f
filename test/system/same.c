/* SPDX-License-Identifier: MIT */
#include "test/system/same.h"

#include <stdio.h>
#include <unistd.h>

static char untraced[65536], traced[65536];

static int end_of(struct target *t, char *output, size_t size)
{
	target_output(t, output, size);
	return target_wait(t, 20000);
}

static void close_input(struct target *t)
{
	close(t->in);
	t->in = -1;
}

static int run_untraced(const char *const argv[])
{
	struct target t;

	target_start(&t, argv);
	close_input(&t);
	return end_of(&t, untraced, sizeof untraced);
}

static int run_traced(const struct way *way, const char *const argv[])
{
	struct cotrace *s;
	struct target t;
	int status;

	s = spawned(&t, OPTIONS(.scope = way->scope), argv);
	close_input(&t);
	subscribe_all(s, way->mode);
	cotrace_resume(s, 0);
	way->drive(s);
	status = end_of(&t, traced, sizeof traced);
	cotrace_close(s);
	return status;
}

void check_same(const struct way *ways, unsigned count, const char *const argv[])
{
	int expected = run_untraced(argv);

	for (unsigned i = 0; i < count; i++) {
		int status = run_traced(&ways[i], argv);

		if (status != expected)
			FAIL("way %u: %s, untraced status %x", i, target_status_text(status),
			     (unsigned)expected);
		CHECK_STR(traced, untraced);
	}
}

void check_variants(const struct way *ways, unsigned count, const char *name, const char *a,
		    const char *b)
{
	static const char *const suffixes[] = { "", "-32", "-static" };

	for (int i = 0; i < 3; i++) {
		char program[64];

		snprintf(program, sizeof program, "%s%s", name, suffixes[i]);
		check_same(ways, count, (const char *const[]){ program, a, b, NULL });
	}
}

void check_pipeline(const struct way *ways, unsigned count)
{
	check_same(
		ways, count,
		(const char *const[]){ "/bin/sh", "-c",
				       "for i in 1 2 3; do echo $i; done | sort -r | tr 1-3 a-c; "
				       "(exit 3) || echo failed $?; kill -9 $$",
				       NULL });
}
