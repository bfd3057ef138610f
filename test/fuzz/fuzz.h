/* SPDX-License-Identifier: MIT */
/* What the fuzz targets share: the input taken byte by byte, and checks that abort. */
#ifndef TEST_FUZZ_FUZZ_H
#define TEST_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define FUZZ_CHECK(condition)                                                                     \
	do {                                                                                      \
		if (!(condition)) {                                                               \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

struct input {
	const uint8_t *at;
	size_t left;
};

/* The next byte; 0 at the end. */
static inline unsigned input_byte(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

static inline unsigned input_below(struct input *in, unsigned n)
{
	return input_byte(in) % n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
