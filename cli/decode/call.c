/* SPDX-License-Identifier: MIT */
/* A call from its entry to its result. */
#include <string.h>

#include "cli/decode/arg.h"
#include "cli/decode/names.h"
#include "cli/decode/show.h"
#include "cli/decode/structs.h"

const char *decode_name(uint32_t arch, int64_t nr, char buf[32])
{
	const struct syscall *s = table_get(arch, nr);
	struct out out = { .buf = buf, .cap = 31, .fd = -1 };

	if (s)
		return s->call->name;
	out_str(&out, "syscall_");
	out_hex(&out, (uint64_t)nr);
	buf[out.len] = '\0';
	return buf;
}

/* Six numbers, for calls that are not known. */
static const struct call unknown_call = {
	.name = "",
	.result = { SHOW_HEX, B_LONG, 0 },
#define ANY                                                                            \
	{                                                                              \
		"arg", { SHOW_HEX, B_ULONG, 0 }, FORM_VALUE, 0, EXTENT_ONE, 0, 0, 0, 0 \
	}
	.args = { ANY, ANY, ANY, ANY, ANY, ANY },
};
static const struct syscall unknown = { .call = &unknown_call, .word = 8 };

/*
 * socketcall() is one number for all socket calls: what it stands for is shown, with the
 * arguments that it points at. What those point at is not captured.
 */
static void unwrap(struct decode_call *c, const struct cotrace_event *ev, const uint8_t *data)
{
	static const char *const names[] = {
		"",	      "socket",	     "bind",	    "connect",	  "listen",
		"accept",     "getsockname", "getpeername", "socketpair", "",
		"",	      "sendto",	     "recvfrom",    "shutdown",	  "setsockopt",
		"getsockopt", "sendmsg",     "recvmsg",	    "accept4",	  "recvmmsg",
		"sendmmsg"
	};
	uint64_t which = c->args[0];
	const struct call *call;

	if (c->arch != COTRACE_ARCH_I386 || strcmp(c->call->name, "socketcall") ||
	    which >= sizeof names / sizeof names[0] || !ev->captured_count ||
	    ev->captured[0].size < 4 * ARGS_MAX)
		return;
	call = table_call(names[which]);
	if (!call)
		return;
	c->unwrapped = (struct syscall){ .call = call, .nr = (int)c->nr, .word = 4 };
	c->syscall = &c->unwrapped;
	for (unsigned i = 0; i < ARGS_MAX; i++) {
		uint32_t v;

		memcpy(&v, data + ev->captured[0].offset + 4 * i, sizeof v);
		c->args[i] = v;
	}
	c->call = call;
}

const char *decode_call_name(const struct decode_call *c, char buf[32])
{
	return c->syscall == &c->unwrapped ? c->call->name : decode_name(c->arch, c->nr, buf);
}

void decode_enter(struct decode_call *c, const struct cotrace_event *ev, const void *data)
{
	c->nr = ev->syscall.nr;
	c->arch = ev->arch;
	c->syscall = table_get(ev->arch, ev->syscall.nr);
	memcpy(c->args, ev->syscall.args, sizeof c->args);
	if (!c->syscall)
		c->syscall = &unknown;
	c->call = syscall_signature(c->syscall, c->args);
	c->entered = ev->kind == COTRACE_EVENT_SYSCALL_ENTRY;
	c->shown = 0;
	c->kept.len = 0;
	c->kept_mask = 0;
	unwrap(c, ev, data);
}

static struct decode prepare(const struct decode_call *c, const struct decode_style *style,
			     struct out *out, const struct cotrace_event *ev, const void *data)
{
	return (struct decode){
		.style = style,
		.out = out,
		.ev = ev,
		.data = data,
		.syscall = c->syscall,
		.call = c->call,
		.args = c->args,
		.word = c->arch == COTRACE_ARCH_I386 ? 4 : 8,
		.exit = ev->kind == COTRACE_EVENT_SYSCALL_EXIT,
		.failed = ev->kind == COTRACE_EVENT_SYSCALL_EXIT && ev->syscall.is_error,
	};
}

/* Walks the arguments with the register that each is in. */
#define for_each_arg(c, i, a, reg)                                                             \
	for (unsigned i = 0, reg = 0, next_ = 0; i < ARGS_MAX && (c)->call->args[i].name; i++) \
		for (const struct arg *a = &(c)->call->args[i];                                \
		     a && (reg = a->reg ? a->reg - 1u : next_,                                 \
			  next_ = reg + (a->form == FORM_PAIR ? 2 : 1), reg < ARGS_MAX);       \
		     a = NULL)

static bool is_shown(const struct decode_call *c, const struct arg *a)
{
	return !a->when || c->args[0] & a->when;
}

static void separate(const struct decode *d, unsigned i)
{
	if (!i)
		return;
	if (d->style->separator)
		out_char(d->out, d->style->separator);
	else
		out_mem(d->out, ", ", 2);
}

static void begin_arg(const struct decode *d, const struct arg *a, unsigned i)
{
	separate(d, i);
	if (a->named) {
		out_str(d->out, a->name);
		out_char(d->out, '=');
	}
}

/* Remembers as text what only the entry's captures can show. */
static void keep(struct decode_call *c, struct decode *d, const struct arg *a, unsigned i,
		 unsigned reg)
{
	struct out *out = d->out;

	if (!(a->dir & DIR_IN))
		return;
	d->out = &c->kept;
	c->kept_at[i] = (uint32_t)c->kept.len;
	arg_show_before(d, a, reg);
	c->kept_size[i] = (uint32_t)c->kept.len - c->kept_at[i];
	c->kept_mask |= 1u << i;
	d->out = out;
}

void decode_entry_args(struct decode_call *c, const struct decode_style *style, struct out *out,
		       const struct cotrace_event *ev, const void *data)
{
	struct decode d = prepare(c, style, out, ev, data);
	bool waiting = false;

	for_each_arg(c, i, a, reg)
	{
		if (a->dir & DIR_OUT && !waiting) {
			waiting = true;
			if (!style->whole)
				separate(&d, i);
		}
		if (waiting || style->whole)
			keep(c, &d, a, i, reg);
		if (!waiting && is_shown(c, a)) {
			begin_arg(&d, a, i);
			arg_show(&d, a, reg);
		}
		if (!waiting && !style->whole)
			c->shown = i + 1;
	}
}

void decode_exit_args(struct decode_call *c, const struct decode_style *style, struct out *out,
		      const struct cotrace_event *ev, const void *data)
{
	struct decode d = prepare(c, style, out, ev, data);
	unsigned first = c->shown;

	for_each_arg(c, i, a, reg)
	{
		bool kept = c->kept_mask >> i & 1;

		if (i < first || !is_shown(c, a))
			continue;
		if (i > first || !first || !c->entered)
			begin_arg(&d, a, i);
		if (kept && a->dir & DIR_OUT)
			arg_show_changed(&d, a, reg, c->kept.buf + c->kept_at[i], c->kept_size[i]);
		else if (kept)
			out_mem(out, c->kept.buf + c->kept_at[i], c->kept_size[i]);
		else
			arg_show(&d, a, reg);
	}
}

unsigned decode_arg_count(const struct decode_call *c)
{
	unsigned n = 0;

	while (n < ARGS_MAX && c->call->args[n].name)
		n++;
	return n;
}

const char *decode_error_name(int64_t error)
{
	return error > 0 && error < 4096 ? strerrorname_np((int)error) : NULL;
}

/* Errors that only a tracer sees: the kernel acts on them before the program could. */
static const char *restart_text(int64_t error)
{
	switch (error) {
	case 512:
		return "ERESTARTSYS (To be restarted if SA_RESTART is set)";
	case 513:
		return "ERESTARTNOINTR (To be restarted)";
	case 514:
		return "ERESTARTNOHAND (To be restarted if no handler)";
	case 516:
		return "ERESTART_RESTARTBLOCK (Interrupted by signal)";
	default:
		return NULL;
	}
}

static void show_error(struct out *out, int64_t error)
{
	const char *restart = restart_text(error), *name = decode_error_name(error);

	if (restart) {
		out_mem(out, "? ", 2);
		out_str(out, restart);
		return;
	}
	out_mem(out, "-1 ", 3);
	if (!name) {
		out_str(out, "(errno ");
		out_i64(out, error);
		out_char(out, ')');
		return;
	}
	out_str(out, name);
	out_mem(out, " (", 2);
	out_str(out, strerrordesc_np((int)error));
	out_char(out, ')');
}

/* 0x1 (flags FD_CLOEXEC) */
static void show_named_result(struct decode *d, const struct type *type, uint64_t v)
{
	const char *name;

	if (type->show == SHOW_RESULT_ENUM) {
		name = names_find(type->ref, (uint32_t)v);
		out_i64(d->out, (int64_t)v);
		if (name) {
			out_mem(d->out, " (", 2);
			out_str(d->out, name);
			out_char(d->out, ')');
		}
		return;
	}
	if (v)
		out_hex(d->out, v);
	else
		out_char(d->out, '0');
	if (!v && names_get(type->ref)->v[0].value)
		return;
	out_str(d->out, " (flags ");
	show_flags(d->out, type->ref, v, 4);
	out_char(d->out, ')');
}

static void show_success(struct decode *d, const struct type *type, uint64_t v)
{
	switch (type->show) {
	case SHOW_RESULT_FLAGS:
	case SHOW_RESULT_ENUM:
		show_named_result(d, type, type_narrow(type, d->word, v));
		break;
	case SHOW_RESULT_POLL:
		out_i64(d->out, (int64_t)v);
		poll_show_result(d, v);
		break;
	case SHOW_RESULT_SELECT:
		out_i64(d->out, (int64_t)v);
		poll_show_select_result(d, v);
		break;
	case SHOW_PTR:
	case SHOW_HEX:
		if (d->word == 4)
			v = (uint32_t)v;
		if (v)
			out_hex(d->out, v);
		else
			out_char(d->out, '0');
		break;
	default:
		show_value(d, type, v);
	}
}

void decode_result(struct decode_call *c, const struct decode_style *style, struct out *out,
		   const struct cotrace_event *ev, const void *data)
{
	struct decode d = prepare(c, style, out, ev, data);

	if (ev->syscall.is_error)
		show_error(out, -ev->syscall.result);
	else
		show_success(&d, &c->call->result, (uint64_t)ev->syscall.result);
}

void decode_call_deinit(struct decode_call *c)
{
	out_deinit(&c->kept);
}
