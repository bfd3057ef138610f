/* SPDX-License-Identifier: MIT */
/* Planted bytes are hidden from whoever reads, at every instant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "wire/sites.h"

#define TRAP 0xcc
#define BASE 0x400000u
#define MEMORY 4096u

static int setup(void **state)
{
	struct sites *s = malloc(sizeof *s);

	assert_int_equal(sites_create(s, 4), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	sites_destroy(*state);
	free(*state);
	return 0;
}

static void put(struct sites *s, uint64_t addr, const char *bytes)
{
	assert_int_equal(sites_insert(s, addr, bytes, strlen(bytes)), 0);
}

/* What a reader of @size dots at @at gets to see. */
static const char *seen(const struct sites *s, uint64_t at, size_t size)
{
	static char buf[64];

	memset(buf, '.', sizeof buf);
	sites_hide(s->table, s->size, at, buf, size);
	for (size_t i = size; i < sizeof buf; i++)
		assert_int_equal(buf[i], '.');
	buf[size] = '\0';
	return buf;
}

static void what_lies_beneath_is_put_back(void **state)
{
	struct sites *s = *state;

	assert_string_equal(seen(s, 98, 8), "........");
	put(s, 100, "abc");
	put(s, 104, "x");
	assert_string_equal(seen(s, 98, 8), "..abc.x.");
	put(s, 104, "y");
	assert_string_equal(seen(s, 98, 8), "..abc.y.");
	assert_int_equal(sites_remove(s, 100), 0);
	assert_string_equal(seen(s, 98, 8), "......y.");
	assert_int_equal(sites_remove(s, 100), -ENOENT);
	assert_int_equal(sites_remove(s, 104), 0);
	assert_string_equal(seen(s, 98, 8), "........");
}

static void a_read_may_begin_and_end_within_a_site(void **state)
{
	struct sites *s = *state;

	put(s, 100, "abcdefg");
	assert_string_equal(seen(s, 99, 1), ".");
	assert_string_equal(seen(s, 99, 2), ".a");
	assert_string_equal(seen(s, 102, 3), "cde");
	assert_string_equal(seen(s, 106, 3), "g..");
	assert_string_equal(seen(s, 107, 1), ".");
	assert_string_equal(seen(s, 100, 0), "");
}

static void sites_may_lie_at_both_ends_of_all_addresses(void **state)
{
	struct sites *s = *state;

	put(s, 0, "a");
	put(s, UINT64_MAX, "z");
	put(s, UINT64_MAX - 3, "yy");
	assert_string_equal(seen(s, 0, 3), "a..");
	assert_string_equal(seen(s, 1, 3), "...");
	assert_string_equal(seen(s, UINT64_MAX - 3, 4), "yy.z");
	assert_string_equal(seen(s, UINT64_MAX - 2, 3), "y.z");
	assert_string_equal(seen(s, UINT64_MAX, 1), "z");
	assert_int_equal(sites_insert(s, UINT64_MAX, "ab", 2), -EINVAL);
	assert_int_equal(sites_insert(s, 5, "", 0), -EINVAL);
	assert_int_equal(sites_insert(s, 5, "12345678", 8), -EINVAL);
}

static void a_full_table_is_replaced_by_a_larger_one(void **state)
{
	struct sites *s = *state;
	struct sites_view before, after;
	struct site site;

	assert_int_equal(sites_view_init(&before, s->fd), 0);
	for (uint64_t i = 0; i < 4; i++)
		put(s, 100 + i, "a");
	assert_false(sites_replaced(&before));
	sites_begin(s);
	put(s, 104, "b");
	assert_true(sites_replaced(&before));
	assert_int_equal(sites_read_begin(&before) & 1, 0);
	assert_int_equal(atomic_load(&s->table->sequence) & 1, 1);
	sites_end(s);
	assert_int_equal(sites_view_init(&after, s->fd), 0);
	assert_false(sites_replaced(&after));
	assert_int_equal(sites_read_begin(&after) & 1, 0);
	assert_string_equal(seen(s, 99, 7), ".aaaab.");
	assert_true(sites_get(after.table, after.size, 4, &site));
	assert_int_equal(site.addr, 104);
	assert_int_equal(site.length, 1);
	assert_int_equal(site.bytes[0], 'b');
	assert_false(sites_get(after.table, after.size, 5, &site));
	sites_view_deinit(&before);
	sites_view_deinit(&after);
}

static void who_gets_the_fd_can_only_look(void **state)
{
	struct sites *s = *state;
	char path[64];
	int again;

	assert_int_equal(write(s->fd, "x", 1), -1);
	assert_int_equal(ftruncate(s->fd, 0), -1);
	assert_int_equal(ftruncate(s->fd, 1 << 20), -1);
	assert_ptr_equal(mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0),
			 MAP_FAILED);
	snprintf(path, sizeof path, "/proc/self/fd/%d", s->fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(write(again, "x", 1), -1);
	close(again);
}

static void what_is_no_table_is_refused(void **state)
{
	struct sites *s = *state;
	struct sites_view v;
	int fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(pwrite(fd, s->table, sizeof *s->table, 0), sizeof *s->table);
	assert_int_equal(sites_view_init(&v, fd), -EPROTO);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(sites_view_init(&v, fd), 0);
	sites_view_deinit(&v);
	assert_int_equal(pwrite(fd, "?", 1, 0), 1);
	assert_int_equal(sites_view_init(&v, fd), -EPROTO);
	assert_null(v.table);
	close(fd);
	fd = memfd_create("short", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(sites_view_init(&v, fd), -EPROTO);
	close(fd);
	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	assert_int_equal(sites_view_init(&v, fd), -EPROTO);
	close(fd);
}

/* Built by hand: more than fits, out of order, too long. */
static void a_table_that_lies_harms_nobody(void **state)
{
	const size_t records = 64 * sizeof(struct sites_record);
	const size_t whole = sizeof(struct sites_table) + records;
	struct sites_table *t = malloc(whole);
	struct site site;
	uint8_t buf[32];

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		uint8_t *raw = (uint8_t *)t->records;

		memset(t, 0, sizeof *t);
		atomic_store(&t->end, round & 1 ? UINT64_MAX : 64);
		atomic_store(&t->begin, round & 2 ? (uint64_t)rand() % 100 : 0);
		for (size_t i = 0; i < records; i++)
			raw[i] = i % 16 < 8 ? (uint8_t)(rand() % 2 * 0xff) : (uint8_t)rand();
		for (unsigned i = 0; i < 64; i++)
			if (rand() % 2)
				atomic_store(&t->records[i].addr, (uint64_t)rand() % 64);
		sites_hide(t, whole, (uint64_t)rand() % 64, buf, sizeof buf);
		sites_hide(t, whole, UINT64_MAX - 15, buf, sizeof buf);
		sites_hide(t, sizeof *t, 0, buf, sizeof buf);
		assert_false(sites_get(t, whole, 64, &site));
	}
	free(t);
}

static void a_change_that_never_ends_delays_readers_once(void **state)
{
	struct sites *s = *state;
	struct sites_view v;
	uint64_t start;

	assert_int_equal(sites_view_init(&v, s->fd), 0);
	put(s, 100, "a");
	sites_begin(s);
	start = clock_now_ns();
	assert_false(sites_read_retry(&v, sites_read_begin(&v)));
	assert_true(clock_now_ns() - start >= 100 * CLOCK_MS);
	assert_string_equal(seen(s, 100, 2), "a.");
	start = clock_now_ns();
	for (int i = 0; i < 100; i++)
		assert_int_equal(sites_read_begin(&v) & 1, 1);
	assert_true(clock_now_ns() - start < 50 * CLOCK_MS);
	sites_end(s);
	assert_int_equal(sites_read_begin(&v) & 1, 0);
	sites_view_deinit(&v);
}

/* ---- Against a model: memory with traps in it, and how it was. ---- */

struct model {
	uint8_t original[MEMORY], memory[MEMORY];
	bool planted[MEMORY];
};

static void model_init(struct model *m)
{
	for (unsigned i = 0; i < MEMORY; i++)
		m->memory[i] = m->original[i] = (uint8_t)(rand() % TRAP);
	memset(m->planted, 0, sizeof m->planted);
}

static void toggle(struct model *m, struct sites *s, unsigned i)
{
	sites_begin(s);
	if (m->planted[i]) {
		__atomic_store_n(&m->memory[i], m->original[i], __ATOMIC_RELEASE);
		assert_int_equal(sites_remove(s, BASE + i), 0);
	} else {
		assert_int_equal(sites_insert(s, BASE + i, &m->original[i], 1), 0);
		__atomic_store_n(&m->memory[i], TRAP, __ATOMIC_RELEASE);
	}
	m->planted[i] = !m->planted[i];
	sites_end(s);
}

static void any_order_of_changes_leaves_nothing_to_be_seen(void **state)
{
	static struct model m;
	static uint8_t copy[MEMORY];
	struct sites *s = *state;

	model_init(&m);
	for (unsigned round = 0; round < 20000; round++) {
		unsigned at = (unsigned)rand() % MEMORY, size = (unsigned)rand() % (MEMORY - at);

		toggle(&m, s, (unsigned)rand() % MEMORY);
		memcpy(copy, m.memory + at, size);
		sites_hide(s->table, s->size, BASE + at, copy, size);
		assert_memory_equal(copy, m.original + at, size);
	}
}

/* Processor time of @count insertions, one every @step bytes. */
static clock_t time_of(unsigned count, int64_t step)
{
	clock_t start = clock();
	struct sites s;

	assert_int_equal(sites_create(&s, 1024), 0);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(sites_insert(&s, (1ull << 40) + (uint64_t)(i * step), "a", 1), 0);
	assert_int_equal(sites_count(&s), count);
	for (unsigned i = count; i-- > 0;)
		assert_int_equal(sites_remove(&s, (1ull << 40) + (uint64_t)(i * step)), 0);
	assert_int_equal(sites_count(&s), 0);
	sites_destroy(&s);
	return clock() - start;
}

static void downwards_is_as_good_as_upwards(void **state)
{
	clock_t up = time_of(32768, 5), down = time_of(32768, -5);

	(void)state;
	printf("up %ld us, down %ld us\n", (long)up, (long)down);
	assert_true(down < 10 * up);
}

/* They come at one end and go at the other. */
static void a_window_that_moves_does_not_outgrow_its_table(void **state)
{
	struct sites *s = *state;
	size_t size = s->size;

	for (int64_t way = -1; way <= 1; way += 2)
		for (int64_t i = 0; i < 1000; i++) {
			put(s, (uint64_t)(100000 + way * i), "a");
			if (i >= 3)
				assert_int_equal(
					sites_remove(s, (uint64_t)(100000 + way * (i - 3))), 0);
		}
	assert_int_equal(sites_count(s), 6);
	assert_true(s->size <= 4 * size);
}

struct stress {
	struct model model;
	struct sites sites;
	atomic_bool end;
	unsigned long changes;
};

static void *change(void *argument)
{
	struct stress *x = argument;
	unsigned seed = 5;

	while (!atomic_load(&x->end)) {
		toggle(&x->model, &x->sites, (unsigned)rand_r(&seed) % MEMORY);
		x->changes++;
		if (x->changes % 8 == 0)
			sched_yield();
	}
	return NULL;
}

static bool read_once(const struct stress *x, struct sites_view *v, unsigned at, unsigned size)
{
	uint8_t copy[64];
	uint32_t seq = sites_read_begin(v);

	for (unsigned i = 0; i < size; i++)
		copy[i] = __atomic_load_n(&x->model.memory[at + i], __ATOMIC_ACQUIRE);
	sites_hide(v->table, v->size, BASE + at, copy, size);
	if (sites_read_retry(v, seq))
		return false;
	assert_memory_equal(copy, x->model.original + at, size);
	return true;
}

static void a_reader_beside_a_busy_writer_sees_nothing_either(void **state)
{
	static struct stress x;
	uint64_t end = clock_now_ns() + 500 * CLOCK_MS;
	unsigned long reads = 0, again = 0;
	struct sites_view v;
	pthread_t writer;

	(void)state;
	model_init(&x.model);
	assert_int_equal(sites_create(&x.sites, MEMORY), 0);
	assert_int_equal(sites_view_init(&v, x.sites.fd), 0);
	assert_int_equal(pthread_create(&writer, NULL, change, &x), 0);
	while (clock_now_ns() < end)
		if (read_once(&x, &v, (unsigned)rand() % (MEMORY - 64), 64))
			reads++;
		else
			again++;
	atomic_store(&x.end, true);
	pthread_join(writer, NULL);
	printf("%lu reads, %lu repeated, %lu changes\n", reads, again, x.changes);
	assert_true(reads > 100 && x.changes > 100);
	sites_view_deinit(&v);
	sites_destroy(&x.sites);
}

/* Even addresses stay, odd ones come and go until the killer comes. */
static void change_until_killed(struct sites *s)
{
	unsigned seed = (unsigned)getpid();

	for (;;) {
		uint64_t addr = BASE + 2 * ((uint64_t)rand_r(&seed) % 256) + 1;
		uint8_t byte = (uint8_t)addr;

		if (sites_remove(s, addr) < 0)
			sites_insert(s, addr, &byte, 1);
	}
}

static void check_survivors(const struct sites *s)
{
	uint64_t last = 0, even = 0;
	struct site site;

	for (size_t i = 0; sites_get(s->table, s->size, i, &site); i++) {
		assert_true(site.addr >= last);
		if (site.addr % 2 == 0 && site.addr != last && site.length)
			even++;
		if (site.length)
			assert_int_equal(site.bytes[0], (uint8_t)site.addr);
		if (site.length)
			last = site.addr;
	}
	assert_int_equal(even, 256);
}

static void a_writer_killed_at_any_instant_leaves_a_whole_table(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct sites s;
		pid_t pid;

		assert_int_equal(sites_create(&s, 600), 0);
		for (uint64_t i = 0; i < 256; i++) {
			uint8_t byte = (uint8_t)(BASE + 2 * i);

			assert_int_equal(sites_insert(&s, BASE + 2 * i, &byte, 1), 0);
		}
		pid = fork();
		if (pid == 0)
			change_until_killed(&s);
		usleep(200 + (useconds_t)rand() % 1000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		check_survivors(&s);
		sites_destroy(&s);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_lies_beneath_is_put_back),
		CASE(a_read_may_begin_and_end_within_a_site),
		CASE(sites_may_lie_at_both_ends_of_all_addresses),
		CASE(a_full_table_is_replaced_by_a_larger_one),
		CASE(who_gets_the_fd_can_only_look),
		CASE(what_is_no_table_is_refused),
		CASE(a_table_that_lies_harms_nobody),
		CASE(a_change_that_never_ends_delays_readers_once),
		CASE(any_order_of_changes_leaves_nothing_to_be_seen),
		CASE(downwards_is_as_good_as_upwards),
		CASE(a_window_that_moves_does_not_outgrow_its_table),
		CASE(a_reader_beside_a_busy_writer_sees_nothing_either),
		CASE(a_writer_killed_at_any_instant_leaves_a_whole_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
