/* SPDX-License-Identifier: MIT */
/*
 * DWARF location expressions run on a stack machine. Here it is run on texts, so that
 * what is left on top is the text of an expression.
 */
#include "cli/symbols/location.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 16
#define NESTING_MAX 4

#define refuse_lost(rw, ...) ((rw)->is_lost = true, refuse(rw, __VA_ARGS__))

struct machine {
	struct rewriting *rw;
	const char *name;      /* of the variable, for messages */
	Dwarf_Die *scope;      /* the innermost one */
	Dwarf_Attribute *attr; /* whose expression is run */
	char *stack[DEPTH_MAX];
	unsigned depth, nesting;
	Dwarf_Addr bias; /* of the debug information */
	bool is_value, uses_frame, below_frame;
};

int refuse(struct rewriting *rw, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(rw->message, sizeof rw->message, format, args);
	va_end(args);
	return -EINVAL;
}

static int push(struct machine *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int push(struct machine *m, const char *format, ...)
{
	va_list args;
	int n;

	if (m->depth == DEPTH_MAX)
		return refuse(m->rw, "the place of %s is too complicated", m->name);
	va_start(args, format);
	n = vasprintf(&m->stack[m->depth], format, args);
	va_end(args);
	if (n < 0)
		return -ENOMEM;
	m->depth++;
	return 0;
}

static char *pop(struct machine *m)
{
	return m->depth ? m->stack[--m->depth] : NULL;
}

struct wanted {
	int number;
	char name[32];
};

static int take_register(void *arg, int number, const char *set, const char *prefix,
			 const char *name, int bits, int type)
{
	struct wanted *w = arg;

	(void)set;
	(void)prefix;
	(void)bits;
	(void)type;
	if (number != w->number)
		return 0;
	snprintf(w->name, sizeof w->name, "%s", name);
	return 1;
}

static int push_register(struct machine *m, uint64_t number, int64_t offset)
{
	struct wanted w = { (int)number, "" };

	dwfl_module_register_names(m->rw->module->image->module, take_register, &w);
	if (!*w.name)
		return refuse(m->rw, "%s is in a register that has no name here", m->name);
	return offset ? push(m, "($%s %c %" PRIu64 ")", w.name, offset < 0 ? '-' : '+',
			     offset < 0 ? -(uint64_t)offset : (uint64_t)offset)
		      : push(m, "$%s", w.name);
}

static int run(struct machine *m, const Dwarf_Op *ops, size_t n);

/* By the first unwind tables that know the place. */
static Dwarf_Frame *frame_at(Dwfl_Module *module, uint64_t addr)
{
	Dwarf_Frame *frame = NULL;
	Dwarf_Addr bias;
	Dwarf_CFI *cfi = dwfl_module_eh_cfi(module, &bias);

	if (cfi && !dwarf_cfi_addrframe(cfi, addr - bias, &frame))
		return frame;
	cfi = dwfl_module_dwarf_cfi(module, &bias);
	return cfi && !dwarf_cfi_addrframe(cfi, addr - bias, &frame) ? frame : NULL;
}

/* The canonical frame address: what the unwind tables say at this place. */
static int push_cfa(struct machine *m)
{
	Dwarf_Frame *frame = frame_at(m->rw->module->image->module, m->rw->addr);
	Dwarf_Op *ops;
	size_t n;
	int r;

	if (!frame)
		return refuse(m->rw, "%s is on the stack, and there are no unwind tables", m->name);
	r = dwarf_frame_cfa(frame, &ops, &n) ? refuse(m->rw, "the unwind tables are broken")
					     : run(m, ops, n);
	free(frame);
	return r;
}

static bool starts_at(Dwarf_Die *function, uint64_t addr)
{
	Dwarf_Addr low;

	return !dwarf_lowpc(function, &low) && low == addr;
}

/* The function, not inlined, that the scope is in. */
static bool find_frame(struct machine *m, Dwarf_Die *function)
{
	Dwarf_Die *scopes = NULL;
	int n = dwarf_getscopes_die(m->scope, &scopes);
	bool found = false;

	for (int i = 0; i < n && !found; i++)
		if (dwarf_tag(&scopes[i]) == DW_TAG_subprogram) {
			*function = scopes[i];
			found = true;
		}
	free(scopes);
	return found;
}

static int push_frame(struct machine *m, int64_t offset)
{
	Dwarf_Attribute attr, *outer = m->attr;
	Dwarf_Die function;
	Dwarf_Op *ops;
	size_t n;
	char *base;
	int r;

	if (!find_frame(m, &function) || !dwarf_attr(&function, DW_AT_frame_base, &attr) ||
	    dwarf_getlocation_addr(&attr, m->rw->addr - m->bias, &ops, &n, 1) != 1)
		return refuse(m->rw, "%s is on the stack, and where that begins is not known",
			      m->name);
	m->uses_frame = true;
	if (n != 1 || ops[0].atom != DW_OP_call_frame_cfa || offset < 0)
		m->below_frame = true;
	m->attr = &attr;
	r = run(m, ops, n);
	m->attr = outer;
	/* A register is the base itself. */
	m->is_value = false;
	if (r)
		return r;
	base = pop(m);
	r = push(m, "(%s %c %" PRIu64 ")", base, offset < 0 ? '-' : '+',
		 offset < 0 ? -(uint64_t)offset : (uint64_t)offset);
	free(base);
	return r;
}

/* The value that the caller put there: it is still there at the function's entry. */
static int push_entry_value(struct machine *m, const Dwarf_Op *op)
{
	Dwarf_Attribute inner;
	Dwarf_Die function;
	Dwarf_Op *ops;
	size_t n;

	if (!find_frame(m, &function) || !starts_at(&function, m->rw->addr - m->bias) ||
	    dwarf_getlocation_attr(m->attr, op, &inner) || dwarf_getlocation(&inner, &ops, &n) ||
	    n != 1 || ops[0].atom < DW_OP_reg0 || ops[0].atom > DW_OP_reg31)
		return refuse_lost(m->rw,
				   "%s was optimized out here; its value at the function's entry "
				   "may be had there",
				   m->name);
	return push_register(m, ops[0].atom - DW_OP_reg0, 0);
}

static int push_static(struct machine *m, uint64_t addr)
{
	return push(m, "0x%" PRIx64, addr + m->bias + m->rw->module->bias);
}

static int push_indexed(struct machine *m, const Dwarf_Op *op)
{
	Dwarf_Attribute entry;
	Dwarf_Addr addr;

	if (dwarf_getlocation_attr(m->attr, op, &entry) || dwarf_formaddr(&entry, &addr))
		return refuse(m->rw, "the place of %s is broken debug information", m->name);
	return push_static(m, addr);
}

static int operate(struct machine *m, const char *operator)
{
	char *b = pop(m), *a = pop(m);
	int r = a && b ? push(m, "(%s %s %s)", a, operator, b) : -EINVAL;

	free(a);
	free(b);
	return r;
}

static int dereference(struct machine *m, unsigned bytes)
{
	const char *type = bytes == 8	? "unsigned long long"
			   : bytes == 4 ? "unsigned int"
			   : bytes == 2 ? "unsigned short"
					: "unsigned char";
	char *a = pop(m);
	int r = a ? push(m, "(*(%s *)%s)", type, a) : -EINVAL;

	free(a);
	return r;
}

static int add_offset(struct machine *m, uint64_t n)
{
	int r = push(m, "%" PRIu64, n);

	return r ? r : operate(m, "+");
}

static const char *sign_of(uint8_t atom)
{
	switch (atom) {
	case DW_OP_plus:
		return "+";
	case DW_OP_minus:
		return "-";
	case DW_OP_mul:
		return "*";
	case DW_OP_and:
		return "&";
	case DW_OP_or:
		return "|";
	case DW_OP_shl:
		return "<<";
	default:
		return NULL;
	}
}

/* What a register holds, or is. 1: it is not about one. */
static int run_register(struct machine *m, const Dwarf_Op *op)
{
	uint8_t atom = op->atom;

	if (atom >= DW_OP_breg0 && atom <= DW_OP_breg31)
		return push_register(m, atom - DW_OP_breg0, (int64_t)op->number);
	if (atom == DW_OP_bregx)
		return push_register(m, op->number, (int64_t)op->number2);
	if (atom != DW_OP_regx && (atom < DW_OP_reg0 || atom > DW_OP_reg31))
		return 1;
	m->is_value = true;
	return push_register(m, atom == DW_OP_regx ? op->number : (unsigned)atom - DW_OP_reg0, 0);
}

/* 1: it is not one. */
static int run_constant(struct machine *m, const Dwarf_Op *op)
{
	switch (op->atom) {
	case DW_OP_lit0 ... DW_OP_lit31:
		return push(m, "%d", op->atom - DW_OP_lit0);
	case DW_OP_const1u:
	case DW_OP_const2u:
	case DW_OP_const4u:
	case DW_OP_const8u:
	case DW_OP_constu:
		return push(m, "%" PRIu64, op->number);
	case DW_OP_const1s:
	case DW_OP_const2s:
	case DW_OP_const4s:
	case DW_OP_const8s:
	case DW_OP_consts:
		return push(m, "(%" PRId64 ")", (int64_t)op->number);
	default:
		return 1;
	}
}

static int run_other(struct machine *m, const Dwarf_Op *op)
{
	switch (op->atom) {
	case DW_OP_addr:
		return push_static(m, op->number);
	case DW_OP_addrx:
	case DW_OP_GNU_addr_index:
		return push_indexed(m, op);
	case DW_OP_fbreg:
		return push_frame(m, (int64_t)op->number);
	case DW_OP_call_frame_cfa:
		return push_cfa(m);
	case DW_OP_entry_value:
	case DW_OP_GNU_entry_value:
		return push_entry_value(m, op);
	case DW_OP_plus_uconst:
		return add_offset(m, op->number);
	case DW_OP_deref:
		return dereference(m, m->rw->module->image->word);
	case DW_OP_deref_size:
		return dereference(m, (unsigned)op->number);
	case DW_OP_stack_value:
		m->is_value = true;
		return 0;
	case DW_OP_nop:
		return 0;
	case DW_OP_piece:
	case DW_OP_bit_piece:
		return refuse_lost(m->rw, "%s is kept in several places here", m->name);
	case DW_OP_GNU_push_tls_address:
	case DW_OP_form_tls_address:
		return refuse(m->rw, "%s is thread-local, which cannot be read here", m->name);
	default:
		return refuse_lost(m->rw,
				   "%s was optimized: its place here cannot be said (DWARF 0x%x)",
				   m->name, op->atom);
	}
}

static int run_one(struct machine *m, const Dwarf_Op *op)
{
	const char *sign = sign_of(op->atom);
	int r = sign ? operate(m, sign) : run_register(m, op);

	if (r > 0)
		r = run_constant(m, op);
	return r > 0 ? run_other(m, op) : r;
}

static int run(struct machine *m, const Dwarf_Op *ops, size_t n)
{
	int r = 0;

	if (++m->nesting > NESTING_MAX)
		return refuse(m->rw, "the place of %s is too complicated", m->name);
	for (size_t i = 0; i < n && !r; i++) {
		r = run_one(m, &ops[i]);
		if (r == -EINVAL && !*m->rw->message)
			refuse(m->rw, "the place of %s is broken debug information", m->name);
	}
	m->nesting--;
	return r;
}

static int constant(struct rewriting *rw, Dwarf_Die *die, struct place *place)
{
	Dwarf_Attribute attr;
	Dwarf_Sword value;

	if (!dwarf_attr_integrate(die, DW_AT_const_value, &attr) || dwarf_formsdata(&attr, &value))
		return refuse_lost(rw, "%s was optimized out", dwarf_diename(die));
	place->is_value = true;
	return asprintf(&place->text, "(%" PRId64 ")", (int64_t)value) < 0 ? -ENOMEM : 0;
}

int location_read(struct rewriting *rw, Dwarf_Die *die, const char *name, struct place *place)
{
	Dwarf_Die *scopes = NULL;
	Dwarf_Attribute attr;
	Dwarf_Addr bias = 0;
	int r = image_scopes(rw->module->image, rw->addr, &scopes, &bias);
	struct machine m = {
		.rw = rw, .name = name, .scope = r ? scopes : NULL, .bias = bias, .attr = &attr
	};
	Dwarf_Op *ops;
	size_t n;

	*place = (struct place){ 0 };
	if (!dwarf_attr_integrate(die, DW_AT_location, &attr)) {
		free(scopes);
		return constant(rw, die, place);
	}
	if (dwarf_getlocation_addr(&attr, rw->addr - bias, &ops, &n, 1) != 1 || !n)
		r = refuse_lost(rw, "%s is not there at this place: it was optimized out", name);
	else
		r = run(&m, ops, n);
	if (!r) {
		place->text = pop(&m);
		place->is_value = m.is_value;
		place->is_behind_prologue =
			m.below_frame && dwarf_whatform(&attr) == DW_FORM_exprloc;
	}
	while (m.depth)
		free(pop(&m));
	free(scopes);
	return r ? r : place->text ? 0 : refuse(rw, "%s has no place", name);
}

/* An address has no sign, whatever a register may have. */
static char *as_word(char *text)
{
	char *word;

	if (!text || asprintf(&word, "(unsigned long)%s", text) < 0)
		word = NULL;
	free(text);
	return word;
}

char *text_of_return_address(const struct module *module, uint64_t addr)
{
	struct rewriting rw = { .module = module, .addr = addr };
	struct machine m = { .rw = &rw, .name = "the return address" };
	Dwarf_Frame *frame = frame_at(module->image->module, addr);
	int number = frame ? dwarf_frame_info(frame, NULL, NULL, NULL) : -1, r = -1;
	Dwarf_Op mem[3], *ops = mem;
	char *text = NULL;
	size_t n = 0;

	/* In memory, or still in the register that calls put it into. */
	if (number >= 0 && !dwarf_frame_register(frame, number, mem, &ops, &n)) {
		if (n)
			r = run(&m, ops, n);
		else if (!ops)
			r = push_register(&m, (uint64_t)number, 0);
		if (!r && n && !m.is_value)
			r = dereference(&m, module->image->word);
	}
	if (!r)
		text = as_word(pop(&m));
	while (m.depth)
		free(pop(&m));
	free(frame);
	return text;
}

char *text_of_frame(const struct module *module, uint64_t addr)
{
	struct rewriting rw = { .module = module, .addr = addr };
	struct machine m = { .rw = &rw, .name = "the frame" };
	char *text = push_cfa(&m) ? NULL : as_word(pop(&m));

	while (m.depth)
		free(pop(&m));
	return text;
}

char *text_of_result(const struct module *module)
{
	struct rewriting rw = { .module = module };
	struct machine m = { .rw = &rw, .name = "the result" };

	/* DWARF's number 0 on x86, x86-64 and aarch64. */
	return push_register(&m, 0, 0) ? NULL : as_word(pop(&m));
}
