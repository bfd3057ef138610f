/* SPDX-License-Identifier: MIT */
/* One argument of a call. */
#ifndef DECODE_ARG_H
#define DECODE_ARG_H

#include "cli/decode/decode.h"

/* Shows argument @a, which is in register @reg, as far as the event's phase lets it. */
void arg_show(struct decode *d, const struct arg *a, unsigned reg);
/* At entry: shows what was captured of an argument that waits for the exit. */
void arg_show_before(struct decode *d, const struct arg *a, unsigned reg);
/* At exit: @before is what arg_show_before() showed, or NULL. */
void arg_show_changed(struct decode *d, const struct arg *a, unsigned reg, const char *before,
		      size_t before_size);

#endif
