/* SPDX-License-Identifier: MIT */
/* Wait statuses, clone flags and sets of processors. */
#include <sys/wait.h>

#include "cli/decode/names.h"
#include "cli/decode/show.h"

void process_show_wait_status(struct out *out, uint32_t status)
{
	int s = (int)status;

	if (WIFEXITED(s)) {
		out_str(out, "{WIFEXITED(s) && WEXITSTATUS(s) == ");
		out_i64(out, WEXITSTATUS(s));
	} else if (WIFSTOPPED(s)) {
		out_str(out, "{WIFSTOPPED(s) && WSTOPSIG(s) == ");
		decode_signal_name(out, WSTOPSIG(s) & 0x7f);
		if (WSTOPSIG(s) & 0x80)
			out_str(out, " | 0x80");
	} else if (WIFCONTINUED(s)) {
		out_str(out, "{WIFCONTINUED(s)");
	} else {
		out_str(out, "{WIFSIGNALED(s) && WTERMSIG(s) == ");
		decode_signal_name(out, WTERMSIG(s));
		if (WCOREDUMP(s))
			out_str(out, " && WCOREDUMP(s)");
	}
	out_char(out, '}');
	if (s >> 16 & 0xff && WIFSTOPPED(s)) {
		out_str(out, " | ");
		out_hex(out, (uint32_t)s & 0xff0000);
	}
}

/* The low byte is the signal that the parent gets at the end. */
void process_show_clone(struct out *out, uint64_t v)
{
	uint64_t flags = v & ~0xffull;

	if (flags)
		show_flags(out, NAMES_clone, flags, 8);
	if (v & 0xff) {
		if (flags)
			out_char(out, '|');
		decode_signal_name(out, (int64_t)(v & 0xff));
	} else if (!flags)
		out_char(out, '0');
}

void process_show_cpuset(struct decode *d, const uint8_t *p, size_t size)
{
	bool first = true;

	out_char(d->out, '[');
	for (size_t i = 0; i < 8 * size; i++) {
		if (!(p[i / 8] >> i % 8 & 1))
			continue;
		if (!first)
			out_char(d->out, ' ');
		first = false;
		out_u64(d->out, i);
	}
	out_char(d->out, ']');
}
