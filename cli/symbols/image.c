/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/symbols/symbols.h"

#define VDSO_BYTES_MAX (1 << 20)

static struct image *images;

bool addresses_have(const struct addresses *a, uint64_t address)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->v[i] == address)
			return true;
	return false;
}

void addresses_remove(struct addresses *a, uint64_t address)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->v[i] == address) {
			a->v[i] = a->v[--a->count];
			return;
		}
}

bool addresses_add(struct addresses *a, uint64_t address)
{
	uint64_t *v;

	if (addresses_have(a, address))
		return true;
	v = realloc(a->v, (a->count + 1) * sizeof *v);
	if (!v)
		return false;
	a->v = v;
	a->v[a->count++] = address;
	return true;
}

void addresses_free(struct addresses *a)
{
	free(a->v);
	*a = (struct addresses){ 0 };
}

/* What the kernel maps without a file. */
static int open_memory(struct cotrace *s, pid_t pid, const struct mapping *map)
{
	size_t size = map->end - map->start;
	char *bytes = size <= VDSO_BYTES_MAX ? malloc(size) : NULL;
	int fd = -1;

	if (bytes && cotrace_read_memory(s, pid, map->start, bytes, size) == (ssize_t)size)
		fd = memfd_create("vdso", MFD_CLOEXEC);
	if (fd >= 0 && pwrite(fd, bytes, size, 0) != (ssize_t)size) {
		close(fd);
		fd = -1;
	}
	free(bytes);
	return fd;
}

/* The very file, even if it was replaced since; else the one of that name. */
static int open_mapped(pid_t pid, const struct mapping *map)
{
	char name[64], *there;
	size_t length = strlen(map->name);
	int fd;

	snprintf(name, sizeof name, "/proc/%d/map_files/%llx-%llx", (int)pid,
		 (unsigned long long)map->start, (unsigned long long)map->end);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (length > 10 && !strcmp(map->name + length - 10, " (deleted)"))
		return -1;
	if (asprintf(&there, "/proc/%d/root%s", (int)pid, map->name) < 0)
		return -1;
	fd = open(there, O_RDONLY | O_CLOEXEC);
	free(there);
	return fd;
}

static bool read_header(struct image *image)
{
	GElf_Addr bias;
	GElf_Ehdr head;

	image->elf = dwfl_module_getelf(image->module, &bias);
	if (!image->elf || !gelf_getehdr(image->elf, &head))
		return false;
	image->word = head.e_ident[EI_CLASS] == ELFCLASS64 ? 8 : 4;
	image->arch = head.e_machine == EM_386	    ? COTRACE_ARCH_I386
		      : head.e_machine == EM_X86_64 ? COTRACE_ARCH_X86_64
						    : COTRACE_ARCH_ANY;
	return true;
}

static bool report(struct image *image)
{
	static char *debug_path = NULL; /* the default: /usr/lib/debug and beside the file */
	static const Dwfl_Callbacks callbacks = {
		.find_elf = dwfl_build_id_find_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo,
		.section_address = dwfl_offline_section_address,
		.debuginfo_path = &debug_path,
	};

	int fd = fcntl(image->fd, F_DUPFD_CLOEXEC, 0);

	image->dwfl = fd < 0 ? NULL : dwfl_begin(&callbacks);
	if (image->dwfl) {
		dwfl_report_begin(image->dwfl);
		image->module =
			dwfl_report_elf(image->dwfl, image_name(image), image->path, fd, 0, true);
	}
	if (!image->module) {
		close(fd);
		return false;
	}
	dwfl_report_end(image->dwfl, NULL, NULL);
	return read_header(image);
}

static void image_free(struct image *image)
{
	dwfl_end(image->dwfl);
	if (image->fd >= 0)
		close(image->fd);
	free(image->path);
	free(image);
}

static struct image *find_open(const char *path, uint64_t device, uint64_t inode)
{
	for (struct image *i = images; i; i = i->next)
		if (i->inode == inode && i->device == device && !strcmp(i->path, path))
			return i;
	return NULL;
}

struct image *image_open(struct cotrace *s, pid_t pid, const struct mapping *map)
{
	uint64_t device = map->inode ? (uint64_t)map->dev_major << 32 | map->dev_minor
				     : map->end - map->start;
	struct image *image = find_open(map->name, device, map->inode);
	int fd;

	if (image)
		return image_hold(image);
	fd = map->inode ? open_mapped(pid, map) : open_memory(s, pid, map);
	if (fd < 0)
		return NULL;
	image = calloc(1, sizeof *image);
	if (!image) {
		close(fd);
		return NULL;
	}
	image->fd = fd;
	image->path = strdup(map->name);
	if (!image->path || !report(image)) {
		image_free(image);
		return NULL;
	}
	image->device = device;
	image->inode = map->inode;
	/* Kept to the end: the same libraries are met again and again. */
	image->users = 2;
	image->next = images;
	images = image;
	return image;
}

struct image *image_hold(struct image *image)
{
	image->users++;
	return image;
}

void image_release(struct image *image)
{
	if (--image->users)
		return;
	for (struct image **at = &images; *at; at = &(*at)->next)
		if (*at == image) {
			*at = image->next;
			break;
		}
	image_free(image);
}

const char *image_name(const struct image *image)
{
	const char *slash = strrchr(image->path, '/');

	return slash ? slash + 1 : image->path;
}

bool image_bias(struct image *image, uint64_t start, uint64_t offset, uint64_t *bias)
{
	size_t n;

	if (elf_getphdrnum(image->elf, &n) < 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(image->elf, (int)i, &ph) || ph.p_type != PT_LOAD)
			continue;
		/* The mapping begins at a page's begin, the segment somewhere in it. */
		if (ph.p_flags & PF_X && offset <= ph.p_offset + ph.p_filesz &&
		    offset + 0x10000 > ph.p_offset) {
			*bias = start - (ph.p_vaddr - ph.p_offset + offset);
			return true;
		}
	}
	return false;
}

bool image_is_called(const struct image *image, const char *name)
{
	const char *own = image_name(image);
	size_t n = strlen(name);

	if (strchr(name, '/'))
		return !strcmp(image->path, name);
	if (strncmp(own, name, n) != 0 || !n)
		return false;
	return !own[n] || !strncmp(own + n, ".so", 3) ||
	       (own[n] == '-' && own[n + 1] >= '0' && own[n + 1] <= '9');
}

bool image_segment(struct image *image, uint32_t type, GElf_Phdr *ph)
{
	size_t n;

	if (elf_getphdrnum(image->elf, &n) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(image->elf, (int)i, ph) && ph->p_type == type)
			return true;
	return false;
}

bool image_is_code(struct image *image, uint64_t addr)
{
	size_t n;

	if (elf_getphdrnum(image->elf, &n) < 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;

		if (gelf_getphdr(image->elf, (int)i, &ph) && ph.p_type == PT_LOAD &&
		    ph.p_flags & PF_X && addr - ph.p_vaddr < ph.p_memsz)
			return true;
	}
	return false;
}
