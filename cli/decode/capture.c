/* SPDX-License-Identifier: MIT */
#include "cli/decode/capture.h"

#include "cli/decode/structs.h"

#define ADDRESS_MAX 128 /* of a socket address or an option's value */
#define CONTROL_MAX 512 /* of a message's control data */

/* Adds a slot, or widens the one that already captures the same. */
static void add_slot(struct syscall *s, struct cotrace_capture slot)
{
	for (unsigned i = 0; i < s->slot_count; i++) {
		struct cotrace_capture *had = &s->slots[i];

		if (had->kind != slot.kind || had->phase != slot.phase || had->arg != slot.arg ||
		    had->count_arg != slot.count_arg || had->unit != slot.unit)
			continue;
		if (!slot.max || (had->max && slot.max > had->max))
			had->max = slot.max;
		return;
	}
	if (s->slot_count < COTRACE_CAPTURES_MAX)
		s->slots[s->slot_count++] = slot;
}

/* @max elements of @unit bytes, within what a capture can hold. */
static uint16_t limit_bytes(size_t unit, size_t max)
{
	size_t bytes = unit * max;

	if (bytes > COTRACE_CAPTURE_BYTES_MAX)
		bytes = COTRACE_CAPTURE_BYTES_MAX / unit * unit;
	return (uint16_t)bytes;
}

static void add_many(struct syscall *s, const struct arg *a, struct cotrace_capture slot,
		     size_t unit, size_t max)
{
	slot.count_arg = a->extent == EXTENT_ARG || a->extent == EXTENT_AT ? a->count : 0;
	slot.unit = (uint16_t)unit;
	slot.max = limit_bytes(unit, a->extent == EXTENT_FIXED ? a->count : max);
	slot.kind = a->extent == EXTENT_ARG	 ? COTRACE_CAPTURE_COUNTED
		    : a->extent == EXTENT_RESULT ? COTRACE_CAPTURE_RESULT
		    : a->extent == EXTENT_AT	 ? COTRACE_CAPTURE_LENGTH_AT
						 : COTRACE_CAPTURE_BYTES;
	if (slot.kind == COTRACE_CAPTURE_BYTES || slot.kind == COTRACE_CAPTURE_LENGTH_AT)
		slot.unit = 0;
	if (slot.max)
		add_slot(s, slot);
}

static size_t sized_max(const struct type *type)
{
	return type->show == SHOW_DIRENTS ? COTRACE_CAPTURE_BYTES_MAX : ADDRESS_MAX;
}

/* A msghdr: its words 0, 2 and 4 point at name, iovecs and control data. */
static void add_message(struct syscall *s, struct cotrace_capture slot, unsigned limit)
{
	const struct {
		uint8_t kind, word;
		uint16_t unit, max;
	} pieces[] = {
		{ COTRACE_CAPTURE_BYTES, 0, 0,
		  (uint16_t)struct_layout(STRUCT_msghdr, s->word)->size },
		{ COTRACE_CAPTURE_MEMBER, 0, 0, ADDRESS_MAX },
		{ COTRACE_CAPTURE_MEMBER, 2, (uint16_t)(2 * s->word),
		  limit_bytes(2 * s->word, limit) },
		{ COTRACE_CAPTURE_MEMBER_IOVEC, 2, 0, limit_bytes(1, 8 * (size_t)limit) },
		{ COTRACE_CAPTURE_MEMBER, 4, 0, CONTROL_MAX },
	};

	for (unsigned i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		slot.kind = pieces[i].kind;
		slot.count_arg = pieces[i].word;
		slot.unit = pieces[i].unit;
		slot.max = pieces[i].max;
		if (slot.max)
			add_slot(s, slot);
	}
}

static void add_arg(struct syscall *s, const struct arg *a, unsigned reg, unsigned phase,
		    unsigned limit)
{
	struct cotrace_capture slot = { .phase = (uint8_t)phase, .arg = (uint8_t)reg };
	size_t size = type_size(&a->type, s->word);

	switch (a->form) {
	case FORM_POINTER:
		slot.kind = COTRACE_CAPTURE_BYTES;
		slot.max = (uint16_t)size;
		add_slot(s, slot);
		break;
	case FORM_ARRAY:
		add_many(s, a, slot, size, limit);
		break;
	case FORM_STRING:
	case FORM_PATH:
		slot.kind = COTRACE_CAPTURE_STRING;
		slot.max = a->form == FORM_PATH ? 0 : limit_bytes(1, limit + 1);
		add_slot(s, slot);
		break;
	case FORM_BYTES:
	case FORM_HEXBYTES:
		add_many(s, a, slot, 1, limit);
		break;
	case FORM_STRINGS:
		slot.kind = COTRACE_CAPTURE_STRINGS;
		slot.unit = limit_bytes(1, limit + 1); /* one more tells that it is longer */
		add_slot(s, slot);
		break;
	case FORM_ENV:
		slot.kind = COTRACE_CAPTURE_BYTES;
		add_slot(s, slot);
		break;
	case FORM_IOVEC:
		add_many(s, a, slot, 2 * s->word, limit);
		slot.kind = COTRACE_CAPTURE_IOVEC;
		slot.count_arg = a->count;
		slot.max = limit_bytes(1, 8 * (size_t)limit);
		if (slot.max)
			add_slot(s, slot);
		break;
	case FORM_MESSAGE:
		add_message(s, slot, limit);
		break;
	case FORM_SIZED:
		add_many(s, a, slot, 1, sized_max(&a->type));
		break;
	}
}

static void add_signature(struct syscall *s, const struct call *call, unsigned phase,
			  unsigned limit)
{
	unsigned dir = phase == COTRACE_ENTRY ? DIR_IN : DIR_OUT;
	unsigned next = 0;

	for (unsigned i = 0; i < ARGS_MAX && call->args[i].name; i++) {
		const struct arg *a = &call->args[i];
		unsigned reg = a->reg ? a->reg - 1u : next;

		next = reg + (a->form == FORM_PAIR ? 2 : 1);
		/* Room is kept for what select() gives back. */
		if (call->result.show == SHOW_RESULT_SELECT && i == 5)
			continue;
		if (a->dir & dir)
			add_arg(s, a, reg, phase, limit);
	}
}

/* What poll() and select() change is shown behind the result. */
static void add_changed(struct syscall *s, unsigned limit)
{
	unsigned show = s->call->result.show;

	if (show == SHOW_RESULT_POLL)
		add_arg(s, &s->call->args[0], 0, COTRACE_EXIT, limit);
	if (show == SHOW_RESULT_SELECT && s->call->args[1].form == FORM_SIZED)
		for (unsigned i = 1; i <= 3; i++)
			add_arg(s, &s->call->args[i], i, COTRACE_EXIT, limit);
}

/* The strings themselves, where else they are only counted. */
static void add_environment(struct syscall *s)
{
	for (unsigned i = 0; i < ARGS_MAX && s->call->args[i].name; i++)
		if (s->call->args[i].form == FORM_ENV)
			add_slot(s, (struct cotrace_capture){ .kind = COTRACE_CAPTURE_STRINGS,
							      .phase = COTRACE_ENTRY,
							      .arg = (uint8_t)i });
}

void capture_slots(struct syscall *s, unsigned string_limit, bool verbose)
{
	const struct call *call;

	s->slot_count = 0;
	for (unsigned at = 0; (call = syscall_each_signature(s, &at));)
		add_signature(s, call, COTRACE_ENTRY, string_limit);
	for (unsigned at = 0; (call = syscall_each_signature(s, &at));)
		add_signature(s, call, COTRACE_EXIT, string_limit);
	add_changed(s, string_limit);
	if (verbose)
		add_environment(s);
}
