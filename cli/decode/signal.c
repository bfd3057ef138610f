/* SPDX-License-Identifier: MIT */
/* Signal numbers, sets, actions and siginfo. */
#include <signal.h>
#include <string.h>

#include "cli/decode/names.h"
#include "cli/decode/show.h"
#include "cli/decode/structs.h"

#define FIRST_RT 32 /* as the kernel counts: libc keeps the first two for itself */

/* Without "SIG". */
static void show_short_name(struct out *out, int64_t signo)
{
	const char *name = names_find(NAMES_signals, (uint64_t)signo);

	if (name)
		out_str(out, name + 3);
	else if (signo == FIRST_RT)
		out_str(out, "RTMIN");
	else {
		out_str(out, "RT_");
		out_i64(out, signo - FIRST_RT);
	}
}

void decode_signal_name(struct out *out, int64_t signo)
{
	if (signo <= 0 || signo > 64) {
		out_i64(out, signo);
		return;
	}
	out_str(out, "SIG");
	show_short_name(out, signo);
}

void signal_show_set(struct out *out, uint64_t set)
{
	bool first = true;

	/* What is missing is shorter to tell for a set that is nearly full. */
	if (__builtin_popcountll(set) > 42) {
		out_char(out, '~');
		set = ~set;
	}
	out_char(out, '[');
	for (; set; set &= set - 1) {
		if (!first)
			out_char(out, ' ');
		first = false;
		show_short_name(out, __builtin_ctzll(set) + 1);
	}
	out_char(out, ']');
}

static uint64_t word_at(const struct decode *d, const uint8_t *p, unsigned i)
{
	uint64_t v = 0;

	memcpy(&v, p + i * d->word, d->word);
	return v;
}

/* The kernel's order is handler, flags, restorer, mask. */
void signal_show_action(struct decode *d, const uint8_t *p, size_t size)
{
	uint64_t handler, flags, mask;

	if (size < 3 * d->word + 8)
		return;
	handler = word_at(d, p, 0);
	flags = word_at(d, p, 1);
	memcpy(&mask, p + 3 * d->word, 8);
	out_str(d->out, "{sa_handler=");
	if (handler <= 1)
		out_str(d->out, handler ? "SIG_IGN" : "SIG_DFL");
	else
		out_hex(d->out, handler);
	out_str(d->out, ", sa_mask=");
	signal_show_set(d->out, mask);
	out_str(d->out, ", sa_flags=");
	show_flags(d->out, NAMES_sa_flags, flags, 4);
	if (flags & 0x4000000) {
		out_str(d->out, ", sa_restorer=");
		show_pointer(d->out, word_at(d, p, 2));
	}
	out_char(d->out, '}');
}

/* What siginfo_t and a signal event have in common. */
struct info {
	int32_t signo, code, error, pid, status;
	uint32_t uid;
	uint64_t addr, value;
};

static unsigned code_names(int32_t signo, int32_t code)
{
	if (code <= 0 || code == SI_KERNEL)
		return NAMES_si_code;
	switch (signo) {
	case SIGCHLD:
		return NAMES_code_chld;
	case SIGSEGV:
		return NAMES_code_segv;
	case SIGFPE:
		return NAMES_code_fpe;
	case SIGILL:
		return NAMES_code_ill;
	case SIGBUS:
		return NAMES_code_bus;
	case SIGTRAP:
		return NAMES_code_trap;
	case SIGIO:
		return NAMES_code_poll;
	case SIGSYS:
		return NAMES_code_sys;
	default:
		return NAMES_si_code;
	}
}

static void show_sender(struct out *out, const struct info *i)
{
	out_str(out, ", si_pid=");
	out_i64(out, i->pid);
	out_str(out, ", si_uid=");
	out_u64(out, i->uid);
}

static void show_sent_value(struct out *out, uint64_t v)
{
	out_str(out, ", si_int=");
	out_i64(out, (int32_t)v);
	out_str(out, ", si_ptr=");
	show_pointer(out, v);
}

static void show_chld(struct out *out, const struct info *i)
{
	show_sender(out, i);
	out_str(out, ", si_status=");
	if (i->code == CLD_EXITED)
		out_i64(out, i->status);
	else
		decode_signal_name(out, i->status);
	out_str(out, ", ...");
}

static void show_details(struct out *out, const struct info *i)
{
	if (i->code == SI_TIMER) {
		show_sent_value(out, i->value);
	} else if (i->code < 0 && i->code != SI_TKILL) {
		show_sender(out, i);
		show_sent_value(out, i->value);
	} else if (i->code == SI_USER || i->code == SI_TKILL) {
		show_sender(out, i);
	} else if (i->signo == SIGCHLD) {
		show_chld(out, i);
	} else if (i->code != SI_KERNEL &&
		   (i->signo == SIGSEGV || i->signo == SIGBUS || i->signo == SIGILL ||
		    i->signo == SIGFPE || i->signo == SIGTRAP || i->signo == SIGSYS)) {
		out_str(out, i->signo == SIGSYS ? ", si_call_addr=" : ", si_addr=");
		show_pointer(out, i->addr);
	}
}

static void show_info(struct out *out, const struct info *i)
{
	out_str(out, "{si_signo=");
	decode_signal_name(out, i->signo);
	out_str(out, ", si_code=");
	show_enum(out, code_names(i->signo, i->code), (uint64_t)(int64_t)i->code);
	if (i->error) {
		const char *name = decode_error_name(i->error);

		out_str(out, ", si_errno=");
		if (name)
			out_str(out, name);
		else
			out_i64(out, i->error);
	}
	show_details(out, i);
	out_char(out, '}');
}

void decode_signal(struct out *out, const struct cotrace_event *ev)
{
	struct info i = { .signo = ev->signal.signo,
			  .code = ev->signal.code,
			  .error = ev->signal.error,
			  .pid = ev->signal.sender_pid,
			  .uid = ev->signal.sender_uid,
			  .status = ev->signal.status,
			  .addr = ev->signal.addr,
			  .value = ev->signal.value };

	show_info(out, &i);
}

static int32_t int_at(const uint8_t *p, size_t at)
{
	int32_t v;

	memcpy(&v, p + at, sizeof v);
	return v;
}

/* Signal, error and code, then a union that is aligned to the word size. */
void signal_show_info(struct decode *d, const uint8_t *p, size_t size)
{
	size_t at = d->word == 8 ? 16 : 12;
	struct info i = { 0 };

	if (size < at + 12 + d->word)
		return;
	i.signo = int_at(p, 0);
	i.error = int_at(p, 4);
	i.code = int_at(p, 8);
	i.pid = int_at(p, at);
	i.uid = (uint32_t)int_at(p, at + 4);
	i.status = int_at(p, at + 8);
	memcpy(&i.addr, p + at, d->word);
	memcpy(&i.value, p + at + 8, d->word);
	if (!i.signo && !i.code)
		out_str(d->out, "{}");
	else
		show_info(d->out, &i);
}
