/* SPDX-License-Identifier: MIT */
#include "lib/played.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/frame.h"

char *mark, *big;
static void *page;

int played_memory(const struct played *f, int flags)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/mem", (int)f->target);
	return open(path, flags | O_CLOEXEC);
}

static void answer_memory(struct played *f, struct mock *m, const struct wire_header *h)
{
	int fd = played_memory(f, O_RDONLY);

	atomic_fetch_add(&f->asked, 1);
	wire_put_r_memory(mock_begin(m, h),
			  &(struct wire_r_memory){ .error = fd < 0 ? -ESRCH : 0,
						   .generation = atomic_load(&f->generation) });
	if (f->given >= 0)
		close(f->given);
	atomic_store(&f->given, fd);
	mock_send(m, fd);
}

static void answer_write(struct played *f, struct mock *m, const struct wire_header *h,
			 struct wire_reader *body)
{
	struct wire_r_memory_write reply = { 0 };
	struct wire_memory_write write;

	assert_true(wire_get_memory_write(body, &write));
	if (write.generation != atomic_load(&f->generation))
		reply.error = -ESTALE;
	else
		reply.written = (uint32_t)wire_left(body);
	wire_put_r_memory_write(mock_begin(m, h), &reply);
	mock_send(m, -1);
}

static void answer_sites(struct played *f, struct mock *m, const struct wire_header *h)
{
	int fd = atomic_load(&f->table);
	struct wire_r_sites reply = { .error = fd < 0 ? fd : 0,
				      .generation = atomic_load(&f->generation) };

	atomic_fetch_add(&f->asked_sites, 1);
	if (atomic_load(&f->hurried) > 0) {
		atomic_fetch_sub(&f->hurried, 1);
		reply.generation++;
	}
	wire_put_r_sites(mock_begin(m, h), &reply);
	mock_send(m, fd < 0 ? -1 : fd);
}

static void answer(struct mock *m, const struct wire_header *h, struct wire_reader *body)
{
	struct played *f = m->argument;

	if (h->type == WIRE_MEMORY)
		answer_memory(f, m, h);
	else if (h->type == WIRE_MEMORY_WRITE)
		answer_write(f, m, h, body);
	else if (h->type == WIRE_SITES)
		answer_sites(f, m, h);
	else
		mock_done(m, h, 0);
}

static int start(void **state, uint32_t version)
{
	struct played *f = calloc(1, sizeof *f);
	int pipe_ends[2];
	char byte;

	page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	munmap((char *)page + PAGE, PAGE);
	mark = (char *)page + PAGE - 16;
	strcpy(mark, "the old program");
	big = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(big, MAP_FAILED);
	memset(big, 'o', BIG);
	assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
	f->target = fork();
	if (f->target == 0) {
		close(pipe_ends[1]);
		if (read(pipe_ends[0], &byte, 1) == 0)
			execl("/bin/sleep", "sleep", "60", (char *)NULL);
		_exit(1);
	}
	close(pipe_ends[0]);
	f->go = pipe_ends[1];
	atomic_store(&f->generation, 1);
	assert_int_equal(sites_create(&f->sites, 64), 0);
	atomic_store(&f->table, f->sites.fd);
	f->memory = played_memory(f, O_RDWR);
	f->given = -1;
	f->mock.version = version;
	assert_int_equal(cotrace_from_fd(&f->s, mock_start(&f->mock, answer, f)), 0);
	*state = f;
	return 0;
}

int played_setup(void **state)
{
	return start(state, 0);
}

int played_setup_old(void **state)
{
	return start(state, 1);
}

int played_teardown(void **state)
{
	struct played *f = *state;

	kill(f->target, SIGKILL);
	waitpid(f->target, NULL, 0);
	if (f->go >= 0)
		close(f->go);
	cotrace_close(f->s);
	mock_join(&f->mock);
	munmap(page, PAGE);
	munmap(big, BIG);
	sites_destroy(&f->sites);
	close(f->memory);
	if (f->given >= 0)
		close(f->given);
	free(f);
	return 0;
}

static bool runs_sleep(const struct played *f)
{
	char path[64], comm[32] = "";
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/comm", (int)f->target);
	file = fopen(path, "re");
	if (file == NULL || fgets(comm, sizeof comm, file) == NULL)
		comm[0] = '\0';
	if (file != NULL)
		fclose(file);
	return strcmp(comm, "sleep\n") == 0;
}

void let_it_exec(struct played *f)
{
	close(f->go);
	f->go = -1;
	while (!runs_sleep(f))
		usleep(1000);
	atomic_store(&f->generation, 2);
}

void send_exec_event(struct played *f)
{
	struct cotrace_event ev = { .size = sizeof ev };
	uint8_t buf[256];
	struct wire_writer w;

	wire_writer_init(&w, buf, sizeof buf);
	wire_begin(&w, WIRE_EVENT(COTRACE_EVENT_EXEC), 0, 1);
	wire_put_event_head(&w, &(struct wire_event_head){ .pid = f->target });
	wire_put_e_exec(&w, &(struct wire_e_exec){ .generation = 2 });
	wire_finish(&w);
	frame_send(f->mock.session, buf, w.used, -1);
	assert_int_equal(cotrace_next(f->s, &ev, -1), 1);
}

ssize_t read_mark(struct played *f)
{
	char buf[16];
	ssize_t n = cotrace_read_memory(f->s, f->target, (uintptr_t)mark, buf, sizeof buf);

	if (n == sizeof buf)
		assert_string_equal(buf, "the old program");
	return n;
}

ssize_t write_mark(struct played *f)
{
	return cotrace_write_memory(f->s, f->target, (uintptr_t)mark, "x", 1);
}
