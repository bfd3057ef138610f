/* SPDX-License-Identifier: MIT */
/*
 * Instructions of real programs, executed where they stand and displaced: all registers, the
 * whole xstate, memory, signals and their addresses must be the same.
 */
#include <unistd.h>

#include "test/code/trials.h"
#include "test/kernel/raw.h"

#define SAMPLES_MAX 30000

static struct sample samples[SAMPLES_MAX];

static void compare(bool wide, size_t count, struct tally *tally)
{
	struct arena a;

	arena_start(&a, wide);
	compare_all(&a, samples, count, tally);
	tally_tell(&a, tally, count);
	for (size_t i = 0; i < CLASS_COUNT; i++)
		tally->of_class[i] += (a.xcr0 & classes[i].xcr0) != classes[i].xcr0;
	arena_end(&a);
	CHECK_EQ(tally->bad, 0);
}

static const char *const programs_64[] = {
	"/lib/x86_64-linux-gnu/libc.so.6",	   "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
	"/lib/x86_64-linux-gnu/libm.so.6",	   "/usr/bin/python3",
	"/usr/lib/x86_64-linux-gnu/libdav1d.so.6", "/usr/lib/x86_64-linux-gnu/libavcodec.so.59",
	"/usr/lib/x86_64-linux-gnu/libgmp.so.10",  "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
};

static const char *const programs_32[] = {
	"/lib32/libc.so.6",	"/lib32/libm.so.6",	   "/lib32/ld-linux.so.2",
	"/lib32/libgcc_s.so.1", "/lib32/libquadmath.so.0", "/lib32/libgomp.so.1",
};

static size_t take(const char *const *programs, size_t programs_count, bool wide)
{
	size_t count = 0;

	for (size_t i = 0; i < programs_count; i++)
		count = samples_take(programs[i], wide, samples, count, SAMPLES_MAX);
	return count;
}

TEST(instructions_of_programs_do_the_same_displaced, .timeout_s = 600)
{
	struct tally tally = { 0 };
	size_t count = take(programs_64, sizeof programs_64 / sizeof *programs_64, true);

	if (access(programs_64[1], R_OK) < 0)
		test_skip("%s is not installed: too few instructions", programs_64[1]);
	compare(true, count, &tally);
	CHECK_OP(tally.executed, >=, 2000);
	CHECK_OP(tally.signals[SIGFPE], >, 0);
	for (size_t i = 0; i < CLASS_COUNT; i++)
		if (tally.of_class[i] == 0)
			FAIL("none of class %s", classes[i].name);
}

TEST(instructions_of_32_bit_programs_do_the_same_displaced, .timeout_s = 600)
{
	struct tally tally = { 0 };
	size_t count = take(programs_32, sizeof programs_32 / sizeof *programs_32, false);

	if (count == 0)
		test_skip("no 32-bit library here");
	compare(false, count, &tally);
	CHECK_OP(tally.executed, >=, 400);
}

TEST(rare_instructions_do_the_same_displaced, .timeout_s = 600)
{
	struct tally tally = { 0 };

	compare(true, samples_take_odd(true, samples, SAMPLES_MAX), &tally);
}

TEST(rare_32_bit_instructions_do_the_same_displaced, .timeout_s = 600)
{
	struct tally tally = { 0 };

	target_path("arena-32");
	compare(false, samples_take_odd(false, samples, SAMPLES_MAX), &tally);
}
