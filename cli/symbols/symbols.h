/* SPDX-License-Identifier: MIT */
/*
 * Names and addresses of programs, by elfutils. An image is an ELF file; addresses in it
 * are the file's own. A module is an image in a process: its addresses lie @bias higher.
 */
#ifndef CLI_SYMBOLS_H
#define CLI_SYMBOLS_H

#include <cotrace.h>
#include <elfutils/libdwfl.h>
#include <stdbool.h>

#include "cli/maps.h"
#include "cli/out.h"

struct image {
	char *path; /* as the process names it */
	uint64_t device, inode;
	unsigned users;
	int fd;
	enum cotrace_arch arch;
	unsigned word; /* bytes of a pointer */
	Dwfl *dwfl;
	Dwfl_Module *module;
	Elf *elf;
	struct image *next;
};

struct module {
	struct image *image;
	uint64_t bias;
};

struct modules {
	struct module *v;
	size_t count;
};

/* Addresses in an image, or other numbers, each once. */
struct addresses {
	uint64_t *v;
	size_t count;
};

/* Returns false without memory. */
bool addresses_add(struct addresses *a, uint64_t address);
bool addresses_have(const struct addresses *a, uint64_t address);
void addresses_remove(struct addresses *a, uint64_t address);
void addresses_free(struct addresses *a);

/* image.c */
/*
 * The file that is mapped there in a process; the image that was made of it before if there
 * is one. NULL if it cannot be read as ELF.
 */
struct image *image_open(struct cotrace *s, pid_t pid, const struct mapping *map);
struct image *image_hold(struct image *image);
void image_release(struct image *image);
const char *image_name(const struct image *image);
/* How much higher than in the file what has this file offset lies, when mapped at @start. */
bool image_bias(struct image *image, uint64_t start, uint64_t offset, uint64_t *bias);
/* "libc.so.6", "libc" or the whole path. */
bool image_is_called(const struct image *image, const char *name);
bool image_is_code(struct image *image, uint64_t addr);
/* The program header of this type. */
bool image_segment(struct image *image, uint32_t type, GElf_Phdr *ph);

/* modules.c */
/* What code is mapped in a process, in order of its addresses. Returns 0 or a negative errno. */
int modules_read(struct modules *m, struct cotrace *s, pid_t pid);
void modules_free(struct modules *m);
int modules_copy(struct modules *to, const struct modules *from);
bool modules_have(const struct modules *m, const struct module *module);
/* The module of the program itself; NULL if it is not known. */
const struct module *modules_program(const struct modules *m, pid_t pid);

/* function.c */
struct functions {
	struct addresses code;
	struct addresses resolvers; /* of indirect functions: run once, to choose the code */
	bool is_data;		    /* the name is that of data */
};

/* All functions of this name, as the linker or a C++ programmer would write it. */
void image_functions(struct image *image, const char *name, struct functions *f);
/* The same without inlined copies; adds to @f. */
void image_symbols(struct image *image, const char *name, struct functions *f);
void functions_free(struct functions *f);
/* The data object of this name. */
bool image_object(struct image *image, const char *name, GElf_Sym *sym, uint64_t *addr);
/* "ns::f(int)+0x4"; nothing if there is no symbol. Returns whether there is one. */
bool image_show_symbol(struct image *image, uint64_t addr, struct out *out);
/* The place after a function's prologue, if @addr is its entry; else @addr. */
uint64_t image_after_prologue(struct image *image, uint64_t addr);

/* unit.c */
/* All compile units, from *unit = NULL. @whole: with what lies in a file of its own. */
bool image_next_unit(struct image *image, Dwarf_Die **unit, Dwarf_Die *whole, Dwarf_Addr *bias);
/* The one that has the code at @addr, or NULL. Addresses in it are @bias lower. */
Dwarf_Die *image_unit(struct image *image, uint64_t addr, Dwarf_Addr *bias);
/* What the code at @addr is in, the innermost first; to be freed. Returns how many. */
int image_scopes(struct image *image, uint64_t addr, Dwarf_Die **scopes, Dwarf_Addr *bias);
/* The source line of an address; false if it is not known. */
bool image_source(struct image *image, uint64_t addr, const char **file, int *line);

/* demangle.c */
/* Whether a symbol is what @name means: "f", "ns::C::f", "ns::f(int)", "_Z1fv". */
bool name_matches(const char *symbol, const char *name);
/* For people; to be freed. NULL: it is no mangled name. */
char *name_demangle(const char *symbol);

/* line.c */
/*
 * Where the code of a line begins: in each function and inlined copy one address. If the
 * line has none, that of the next that has: *used says which it is. 0: there is none.
 */
void image_lines(struct image *image, const char *file, int line, struct addresses *found,
		 int *used);

/* ifunc.c */
/*
 * The code that an indirect function of @owner has been resolved to, as the modules' tables
 * of addresses tell it.
 */
void modules_resolve(const struct modules *m, const struct module *owner, uint64_t resolver,
		     const char *name, struct cotrace *s, pid_t pid, struct addresses *found);

/* variable.c */
enum variable_format {
	VARIABLE_ANY, /* nothing is known */
	VARIABLE_SIGNED,
	VARIABLE_UNSIGNED,
	VARIABLE_POINTER,
	VARIABLE_STRING
};

struct rewriting {
	const struct modules *modules;
	const struct module *module;
	uint64_t addr;	     /* in the image */
	bool needs_prologue; /* a name is right only behind the function's prologue */
	bool is_lost;	     /* on failure: the compiler kept no trace of it at this place */
	enum variable_format format;
	char message[200]; /* on failure */
};

/*
 * Puts registers and addresses in place of the names of variables, which gives the text
 * that cotrace_compile() takes. *out is to be freed. Returns 0 or a negative errno.
 */
int variable_rewrite(struct rewriting *rw, const char *text, char **out);

enum result_kind {
	RESULT_UNKNOWN, /* there is no debug information */
	RESULT_NONE,	/* nothing, void */
	RESULT_OTHER,	/* neither an integer nor a pointer */
	RESULT_NUMBER,
	RESULT_INLINED /* it is no function of its own, and does not return */
};

/* What the function around an address returns. */
struct result {
	enum result_kind kind;
	unsigned bytes;
	enum variable_format format;
};

void image_result(struct image *image, uint64_t addr, struct result *result);

/* location.c */
/* The text of the address to which the function around @addr will return; to be freed. */
char *text_of_return_address(const struct module *m, uint64_t addr);
/* The text of what the stack pointer will be there; to be freed. */
char *text_of_frame(const struct module *m, uint64_t addr);
/* The text of the register in which a function returns an address; to be freed. */
char *text_of_result(const struct module *m);

#endif
