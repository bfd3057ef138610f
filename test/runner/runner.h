/* SPDX-License-Identifier: MIT */
/*
 * A test program is this library and tests:
 *
 *	TEST(a_closed_session_leaves_no_task_stopped)
 *	{
 *		CHECK(cotrace_attach(&s, pid, NULL) == 0);
 *	}
 *
 * Each test runs in a process of its own, with a time limit. It fails when a check fails,
 * when it dies, when it leaves an fd open, or when a process that it started, directly or
 * not (so also an engine), is still there two seconds after it ended. Output is TAP.
 *
 *	program             runs all; program NAME... runs some; program -l lists them
 *	program -n NAME     runs one in this very process, for a debugger; no time limit
 */
#ifndef TEST_RUNNER_RUNNER_H
#define TEST_RUNNER_RUNNER_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

struct test {
	const char *name;
	void (*body)(void);
	const char *file;
	bool must_fail;	    /* passes when the body fails */
	bool is_long;	    /* only in campaigns (COTRACE_TEST_LONG) */
	unsigned timeout_s; /* 0: 30, or 1200 in a campaign; scaled by COTRACE_TEST_SCALE */
	struct test *next;
};

#define TEST(test_name, ...)                                                                    \
	static void test_name(void);                                                            \
	static struct test test_##test_name = { #test_name, test_name, __FILE__, __VA_ARGS__ }; \
	__attribute__((constructor)) static void add_##test_name(void)                          \
	{                                                                                       \
		test_add(&test_##test_name);                                                    \
	}                                                                                       \
	static void test_name(void)

void test_add(struct test *test);

/* Ends the test as failed or skipped, from any thread of it. */
void test_fail(const char *file, int line, const char *format, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
void test_skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* A line of explanation in the output. */
void test_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)

#define CHECK(condition)                        \
	do {                                    \
		if (!(condition))               \
			FAIL("%s", #condition); \
	} while (0)

/* CHECK_OP(read(fd, b, 1), ==, 1): shows both values, and errno's name for a negative errno. */
#define CHECK_OP(a, op, b)                                                              \
	do {                                                                            \
		long long check_a_ = (long long)(a), check_b_ = (long long)(b);         \
		if (!(check_a_ op check_b_))                                            \
			FAIL("%s %s %s: got %lld (%s) and %lld", #a, #op, #b, check_a_, \
			     test_errno_name(check_a_), check_b_);                      \
	} while (0)
#define CHECK_EQ(a, b) CHECK_OP(a, ==, b)

/* For calls that set errno. Gives the call's value. */
#define CHECK_SYS(call)                                         \
	({                                                      \
		long long check_r_ = (long long)(call);         \
		if (check_r_ == -1)                             \
			FAIL("%s: %s", #call, strerror(errno)); \
		check_r_;                                       \
	})

#define CHECK_STR(a, b)                                                           \
	do {                                                                      \
		const char *check_a_ = (a), *check_b_ = (b);                      \
		if (strcmp(check_a_, check_b_) != 0)                              \
			FAIL("%s: \"%s\" is not \"%s\"", #a, check_a_, check_b_); \
	} while (0)

const char *test_errno_name(long long value);

/* True in a campaign; how often to repeat something. */
bool test_long(void);
unsigned test_rounds(unsigned normal, unsigned campaign);
/* A time limit, stretched on slow builds (COTRACE_TEST_SCALE). */
unsigned test_ms(unsigned ms);
int64_t test_ns(unsigned ms);
bool test_sanitized(void);

/* Polls @condition every millisecond for at most @ms (scaled). */
#define WAIT_FOR(condition, ms)                                                  \
	({                                                                       \
		uint64_t wait_until_ = test_now_ns() + test_ns(ms);              \
		bool wait_ok_;                                                   \
		while (!(wait_ok_ = (condition)) && test_now_ns() < wait_until_) \
			test_sleep_ms(1);                                        \
		wait_ok_;                                                        \
	})
#define CHECK_SOON(condition, ms)                                                 \
	do {                                                                      \
		if (!WAIT_FOR(condition, ms))                                     \
			FAIL("not within %u ms: %s", (unsigned)(ms), #condition); \
	} while (0)

uint64_t test_now_ns(void);
void test_sleep_ms(unsigned ms);

#endif
