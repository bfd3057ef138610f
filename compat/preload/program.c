/* SPDX-License-Identifier: MIT */
#include "compat/preload/program.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SCRIPTS_MAX = 4 };

struct file {
	const uint8_t *at;
	size_t size;
	/* Of its dynamic section, or NULL. */
	const char *names;
	size_t names_size;
};

/* What stands at an offset, if @size bytes of it are there. */
static const void *at_offset(const struct file *f, uint64_t offset, size_t size)
{
	return offset <= f->size && size <= f->size - offset ? f->at + offset : NULL;
}

static const ElfW(Phdr) * header_of(const struct file *f, uint32_t type, unsigned *from)
{
	const ElfW(Ehdr) *elf = (const void *)f->at;

	for (; *from < elf->e_phnum; ++*from) {
		const ElfW(Phdr) *p =
			at_offset(f, elf->e_phoff + *from * sizeof(ElfW(Phdr)), sizeof *p);

		if (p != NULL && p->p_type == type)
			return p;
	}
	return NULL;
}

static const ElfW(Phdr) * first_header(const struct file *f, uint32_t type)
{
	unsigned from = 0;

	return header_of(f, type, &from);
}

static const void *at_address(const struct file *f, uint64_t address, size_t size)
{
	const ElfW(Phdr) * p;

	for (unsigned i = 0; (p = header_of(f, PT_LOAD, &i)) != NULL; i++)
		if (address >= p->p_vaddr && address - p->p_vaddr < p->p_filesz)
			return at_offset(f, address - p->p_vaddr + p->p_offset, size);
	return NULL;
}

static bool is_native(const struct file *f)
{
	const ElfW(Ehdr) *elf = (const void *)f->at;

	return f->size >= sizeof *elf && memcmp(f->at, ELFMAG, SELFMAG) == 0 &&
	       elf->e_ident[EI_CLASS] == (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32);
}

static const ElfW(Dyn) * find_dynamic(struct file *f, size_t *count)
{
	const ElfW(Phdr) *p = first_header(f, PT_DYNAMIC);
	const ElfW(Dyn) *dyn = p != NULL ? at_offset(f, p->p_offset, p->p_filesz) : NULL;

	*count = dyn != NULL ? p->p_filesz / sizeof *dyn : 0;
	for (size_t i = 0; i < *count; i++) {
		if (dyn[i].d_tag == DT_STRTAB)
			f->names = at_address(f, dyn[i].d_un.d_ptr, 1);
		if (dyn[i].d_tag == DT_STRSZ)
			f->names_size = dyn[i].d_un.d_val;
	}
	if (f->names != NULL && (const uint8_t *)f->names + f->names_size > f->at + f->size)
		f->names = NULL;
	return dyn;
}

static bool is_named(const struct file *f, uint64_t name, const char *what, bool whole)
{
	size_t length = strlen(what) + whole;

	return f->names != NULL && name < f->names_size && f->names_size - name >= length &&
	       memcmp(f->names + name, what, length) == 0;
}

/* Sanitizers want to be the first library of all, and end the program if they are not. */
static bool has_sanitizer(const struct file *f, const ElfW(Dyn) * dyn, size_t count)
{
	static const char *const names[] = { "libasan", "liblsan", "libtsan", "libhwasan",
					     "libclang_rt." };

	for (size_t i = 0; i < count; i++)
		for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
			if (dyn[i].d_tag == DT_NEEDED &&
			    is_named(f, dyn[i].d_un.d_val, names[n], false))
				return true;
	return false;
}

static bool is_of_this_library(const struct file *f)
{
	const ElfW(Phdr) *p = first_header(f, PT_INTERP);
	const char *interpreter = p != NULL ? at_offset(f, p->p_offset, p->p_filesz) : NULL;

	return interpreter != NULL && p->p_filesz > 0 &&
	       memmem(interpreter, p->p_filesz, "/ld-linux", 9) != NULL;
}

static enum program_kind look_at_elf(struct file *f, const char **why)
{
	const ElfW(Dyn) * dyn;
	size_t count;

	*why = "is for another architecture";
	if (!is_native(f))
		return PROGRAM_ALONE;
	*why = "is statically linked";
	if (first_header(f, PT_INTERP) == NULL)
		return PROGRAM_ALONE;
	*why = "uses another C library";
	if (!is_of_this_library(f))
		return PROGRAM_ALONE;
	dyn = find_dynamic(f, &count);
	*why = "has a sanitizer, which wants to be the first library";
	if (has_sanitizer(f, dyn, count))
		return PROGRAM_ALONE;
	*why = NULL;
	return PROGRAM_FIT;
}

/* The interpreter of a script. False: it is none. */
static bool find_interpreter(const struct file *f, char *path, size_t size)
{
	const char *text = (const char *)f->at, *end = text + (f->size < size ? f->size : size);
	size_t n = 0;

	if (f->size < 3 || memcmp(text, "#!", 2) != 0)
		return false;
	for (text += 2; text < end && (*text == ' ' || *text == '\t'); text++)
		;
	while (text < end && n < size - 1 && *text != ' ' && *text != '\t' && *text != '\n')
		path[n++] = *text++;
	path[n] = '\0';
	return true;
}

static bool map_file(struct file *f, const char *path, const char **why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *at = MAP_FAILED;

	*f = (struct file){ 0 };
	*why = "cannot be read";
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0 && S_ISREG(st.st_mode))
		at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (fd >= 0)
		close(fd);
	if (at == MAP_FAILED)
		return false;
	f->at = at;
	f->size = (size_t)st.st_size;
	*why = "gains privileges when it starts";
	if (!(st.st_mode & (S_ISUID | S_ISGID)))
		return true;
	munmap(at, f->size);
	return false;
}

enum program_kind program_look(const char *path, const char **why)
{
	enum program_kind kind = PROGRAM_ALONE;
	char next[256];

	for (int i = 0; i < SCRIPTS_MAX; i++) {
		struct file f;
		bool script;

		if (!map_file(&f, path, why))
			return PROGRAM_ALONE;
		script = find_interpreter(&f, next, sizeof next);
		if (!script)
			kind = look_at_elf(&f, why);
		munmap((void *)(uintptr_t)f.at, f.size);
		if (!script)
			return kind;
		path = next;
	}
	*why = "is a script of a script";
	return kind;
}
