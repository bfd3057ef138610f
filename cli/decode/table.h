/* SPDX-License-Identifier: MIT */
/* System calls by number, with what is known of them. */
#ifndef DECODE_TABLE_H
#define DECODE_TABLE_H

#include "cli/decode/type.h"

#define SYSCALL_MAX 1023

/* A call of one architecture. */
struct syscall {
	const struct call *call;
	int nr;
	uint8_t word; /* 4 or 8 */
	uint8_t slot_count;
	struct cotrace_capture slots[COTRACE_CAPTURES_MAX];
	/* Variants: chains by a hash of the selecting argument's value. */
	uint16_t *chains;
	const struct selector *selector;
};

#define VARIANT_CHAINS 64

/* Returns 0 or -ENOMEM. To be called once, before all else. */
int table_init(void);
/* Makes every call's slots: what has to be captured to show strings of that length;
   @verbose: environments too. */
void table_capture(unsigned string_limit, bool verbose);
/* NULL for a number that is not known. */
const struct syscall *table_get(uint32_t arch, int64_t nr);
/* Number of a call by name; -1 when the architecture has none. */
int table_number(uint32_t arch, const char *name);
/* The signature of calls.def by name, or NULL. */
const struct call *table_call(const char *name);
/* The signature for these arguments. */
const struct call *syscall_signature(const struct syscall *s, const uint64_t *args);
/* Walks the signature of calls.def and those of variants.def; *at starts at 0. */
const struct call *syscall_each_signature(const struct syscall *s, unsigned *at);
/* The name that is most like @name, or NULL. */
const char *table_nearest(const char *name);
/* Which class has this name, or 0. */
uint32_t table_class(const char *name);

#endif
