/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "wire/mailbox.h"

#define ROUNDS 200000u

static struct mailbox *ours, *theirs;

static int create(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(mailbox_create(&ours, &fd), 0);
	assert_int_equal(mailbox_map(&theirs, fd), 0);
	assert_int_equal(ftruncate(fd, 0), -1); /* nobody takes the page away */
	fd_close(fd);
	return 0;
}

static int destroy(void **state)
{
	(void)state;
	ours = mailbox_unmap(ours);
	theirs = mailbox_unmap(theirs);
	return 0;
}

static void only_who_looks_gets_it(void **state)
{
	uint8_t buf[LANE_BYTES];
	struct lane *w = &ours->events, *r = &theirs->events;

	(void)state;
	assert_false(lane_post(w, 0, "a", 1));
	assert_int_equal(lane_take(r, buf), 0);
	lane_look(r, 7);
	assert_true(lane_is_quiet(r));
	assert_int_equal(atomic_load(&w->seen), 7);
	assert_true(lane_post(w, 3, "abc", 3));
	assert_false(lane_post(w, 3, "d", 1));
	assert_false(lane_is_quiet(r));
	assert_false(lane_leave(r));
	lane_look(r, 8); /* it is full: nothing is lost by that */
	assert_int_equal(atomic_load(&r->after), 3);
	assert_int_equal(lane_take(r, buf), 3);
	assert_memory_equal(buf, "abc", 3);
	assert_int_equal(lane_take(r, buf), 0);
	lane_look(r, 8);
	assert_true(lane_leave(r));
	assert_false(lane_post(w, 0, "e", 1));
}

static void a_ring_ends_the_quiet(void **state)
{
	(void)state;
	lane_look(&theirs->events, 0);
	lane_ring(&ours->events);
	assert_false(lane_is_quiet(&theirs->events));
	assert_true(lane_leave(&theirs->events));
	lane_look(&theirs->events, 0);
	assert_true(lane_is_quiet(&theirs->events));
	assert_true(lane_leave(&theirs->events));
}

static void sizes_that_cannot_be_are_refused(void **state)
{
	uint8_t buf[LANE_BYTES] = { 0 };
	struct lane *l = &ours->requests;

	(void)state;
	lane_look(l, 0);
	assert_false(lane_post(l, 0, buf, LANE_BYTES + 1));
	assert_false(lane_post(l, 0, buf, 0));
	assert_true(lane_post(l, 0, buf, LANE_BYTES));
	assert_int_equal(lane_take(l, buf), LANE_BYTES);
	lane_look(l, 0);
	assert_true(lane_post(l, 0, buf, 1));
	atomic_store(&l->size, LANE_BYTES + 1);
	assert_int_equal(lane_take(l, buf), -EBADMSG);
	assert_int_equal(lane_take(l, buf), 0);
}

/* By the lane where somebody looks, else not at all: then again. */
static void *writer(void *arg)
{
	for (uint32_t i = 1; i <= ROUNDS; i++)
		while (!lane_post(&ours->events, 0, &i, sizeof i))
			sched_yield();
	return arg;
}

static void nothing_is_lost_or_doubled(void **state)
{
	struct lane *l = &theirs->events;
	uint8_t buf[LANE_BYTES];
	uint32_t got;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, writer, NULL), 0);
	for (uint32_t i = 1; i <= ROUNDS; i++) {
		lane_look(l, 0);
		for (unsigned n = 0; lane_is_quiet(l); n++) {
			sched_yield();
			if (n == i % 3 && lane_leave(l))
				lane_look(l, 0);
		}
		assert_int_equal(lane_take(l, buf), sizeof got);
		memcpy(&got, buf, sizeof got);
		assert_int_equal(got, i);
	}
	pthread_join(thread, NULL);
}

static void what_is_no_mailbox_is_not_mapped(void **state)
{
	int fd = memfd_create("none", MFD_CLOEXEC);
	struct mailbox *box;

	(void)state;
	assert_int_equal(mailbox_map(&box, -1), -EPROTO);
	assert_int_equal(mailbox_map(&box, fd), -EPROTO);
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(mailbox_map(&box, fd), -EPROTO);
	assert_null(box);
	fd_close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_who_looks_gets_it, create, destroy),
		cmocka_unit_test_setup_teardown(a_ring_ends_the_quiet, create, destroy),
		cmocka_unit_test_setup_teardown(sizes_that_cannot_be_are_refused, create, destroy),
		cmocka_unit_test_setup_teardown(nothing_is_lost_or_doubled, create, destroy),
		cmocka_unit_test(what_is_no_mailbox_is_not_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
