/* SPDX-License-Identifier: MIT */
/* The parts of cotrace core. */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include <signal.h>

#include "cli/maps.h"
#include "cli/out.h"
#include "cli/snapshot.h"

/* What a core file of an architecture looks like, beyond its register sets. */
struct core_arch {
	uint32_t id;	     /* enum cotrace_arch */
	uint16_t machine;    /* EM_* */
	uint16_t word;	     /* bytes of a long */
	uint16_t user_bytes; /* of a user id in NT_PRPSINFO */
};

/* A mapping, and how many of its bytes are stored, from its start on. */
struct core_part {
	const struct mapping *mapping;
	uint64_t bytes;
};

struct core {
	struct snapshot snapshot;
	const struct core_arch *arch;
	struct maps maps;
	struct core_part *parts;
	size_t part_count;
	struct out notes;
	size_t left_out;     /* tasks whose registers cannot be had */
	uint64_t unreadable; /* bytes that were to be stored */
	uint64_t stored;
};

/* ---- arch.c ---- */
const struct core_arch *core_arch_find(uint32_t id);
const struct core_arch *core_arch_of_machine(unsigned machine);

/* ---- parts.c ---- */
/* @filter: the bits of core(5)'s coredump_filter. Returns 0 or a negative errno. */
int core_choose(struct core *c, unsigned filter, bool all);
/* Of the process; the kernel's default if it cannot be read. */
unsigned core_filter_of(pid_t tid);

/* ---- notes.c ---- */
/* Fills c->notes. Returns 0 or a negative errno. */
int core_take_notes(struct core *c);
void core_note_begin(struct core *c, const char *owner, uint32_t type, size_t size);
void core_note_end(struct core *c);
/* A number in the size of a long. */
void core_put_word(struct core *c, uint64_t v);

/* ---- task.c ---- */
#define CORE_SETS_MAX 32u

struct core_task {
	const struct cotrace_task_info *info;
	bool has_signal;
	siginfo_t siginfo; /* as the engine gave it */
};
/* Register sets of some tasks, `count` of each. */
struct core_sets {
	unsigned kinds[CORE_SETS_MAX];
	size_t count;
	struct cotrace_regset *v;
	uint8_t *bytes;
};

/* Which sets there are, and room for those of @tasks tasks. Returns 0 or -ENOMEM. */
int core_sets_init(struct core_sets *sets, const struct core *c, size_t tasks);
void core_sets_deinit(struct core_sets *sets);
/* Those of @n tasks. Returns 0 or a negative errno. */
int core_sets_read(struct core_sets *sets, const struct core *c, const struct core_task *tasks,
		   size_t n);
/* All notes of one task with these sets. Returns 0 or a negative errno. */
int core_put_task(struct core *c, const struct core_task *t, const struct cotrace_regset *sets,
		  size_t count);
/* The process's own note. */
void core_put_process(struct core *c);

/* ---- siginfo.c ---- */
/* Puts a siginfo_t of ours into the target's layout, which has as many bytes. */
void core_convert_siginfo(const struct core_arch *a, const siginfo_t *s, void *to);

/* ---- pages.c ---- */
/* Which pages were ever touched: reading the others would have the kernel make them. */
struct core_pages {
	pid_t tid;
	int fd;	   /* of /proc/TID/pagemap, or -1: nothing is known */
	bool slow; /* the kernel cannot search */
	uint64_t *entries;
};

void core_pages_open(struct core_pages *p, pid_t tid);
void core_pages_close(struct core_pages *p);
/* The next range with content in [*from, end): from *from to the result; false: none. */
bool core_pages_next(struct core_pages *p, uint64_t *from, uint64_t end, uint64_t *to);
/* The file behind a shared mapping, where it may be looked at; else -1. */
int core_pages_file(const struct core_pages *p, const struct mapping *m);
/* As core_pages_next(), by the holes of that file. */
bool core_pages_next_data(int fd, const struct mapping *m, uint64_t *from, uint64_t end,
			  uint64_t *to);

/* ---- file.c ---- */
/* None for a file, which takes memory as fast as it can be copied; some for what may be slow. */
#define CORE_BUFFER_DEFAULT SIZE_MAX
#define CORE_BUFFER_MIB 64u

struct core_file {
	int fd;
	bool seekable;
	bool is_stdout;
	uint8_t *buffer; /* what is written only when the target runs again; NULL: nothing more */
	size_t buffered, buffer_size;
	uint64_t hole;	  /* bytes to be left out before what is written next */
	char *made;	  /* our file, which goes if we fail; NULL: not ours */
	const char *path; /* as it shall be called in the end */
};

/* @buffer: bytes, or CORE_BUFFER_DEFAULT. Returns 0; else it has complained and returns the exit status. */
int core_file_open(struct core_file *f, const char *path, bool force, size_t buffer);
/* Returns 0 or a negative errno. */
int core_file_put(struct core_file *f, const void *bytes, size_t n);
/* Zeros, as a hole if the file can have one. */
void core_file_skip(struct core_file *f, uint64_t n);
/* Gives the file its name, or removes it if @status is not 0. Returns the exit status. */
int core_file_close(struct core_file *f, int status);

/* ---- write.c ---- */
/*
 * Headers, notes and memory. *target_failed tells whose fault an error is. Returns 0 or a
 * negative errno.
 */
int core_write(struct core *c, struct core_file *f, bool *target_failed);

#endif
