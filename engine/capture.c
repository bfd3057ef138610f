/* SPDX-License-Identifier: MIT */
/* Copying the target's memory when a system call event happens. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "engine/event.h"
#include "engine/space.h"

#define CAPTURE_SETS_MAX 8192 /* per session */
#define STRING_STEP 256	      /* most strings end within it */
#define IOVECS_MAX 64

/* Where one piece is being copied to. */
struct piece {
	struct task *task;
	uint8_t *buf;
	size_t max, used;
	bool fault, more;
};

static uint64_t key_of(uint32_t arch, int64_t nr)
{
	return 1 + ((uint64_t)arch << 32 | (uint32_t)nr);
}

static const struct capture_set *find(const struct session *s, const struct task *t)
{
	if (t->call.nr < 0 || t->call.nr > INT32_MAX)
		return NULL;
	return map_get(&s->captures, key_of(t->call.arch, t->call.nr));
}

static unsigned phase_of(const struct task *t)
{
	return t->kind == COTRACE_EVENT_SYSCALL_EXIT ? COTRACE_EXIT : COTRACE_ENTRY;
}

bool capture_wanted(const struct session *s, const struct task *t)
{
	const struct capture_set *set = find(s, t);

	for (unsigned i = 0; set != NULL && i < set->count; i++)
		if (set->slots[i].phase == phase_of(t))
			return true;
	return false;
}

int capture_set(struct session *s, uint32_t arch, int64_t nr, const struct wire_slot *slots,
		size_t count)
{
	struct capture_set *set;

	free(map_take(&s->captures, key_of(arch, nr)));
	if (count == 0)
		return 0;
	if (s->captures.count >= CAPTURE_SETS_MAX)
		return -ENOSPC;
	set = calloc(1, sizeof *set);
	if (set == NULL || map_put(&s->captures, key_of(arch, nr), set) < 0) {
		free(set);
		return -ENOMEM;
	}
	set->count = (uint8_t)count;
	memcpy(set->slots, slots, count * sizeof *slots);
	return 0;
}

int captures_copy(struct session *to, const struct session *from)
{
	for (size_t i = 0; i < from->captures.capacity; i++) {
		const struct capture_set *set = from->captures.slots[i].value;
		struct capture_set *copy = set ? malloc(sizeof *copy) : NULL;

		if (set == NULL)
			continue;
		if (copy == NULL || map_put(&to->captures, from->captures.slots[i].key, copy) < 0) {
			free(copy);
			return -ENOMEM;
		}
		*copy = *set;
	}
	return 0;
}

static size_t read_memory(struct piece *p, uint64_t at, void *buf, size_t size)
{
	ssize_t n = size ? space_read(p->task, at, buf, size) : 0;

	return n < 0 ? 0 : (size_t)n;
}

static void take_bytes(struct piece *p, uint64_t at, uint64_t size)
{
	size_t want = size < p->max - p->used ? (size_t)size : p->max - p->used, got;

	p->more = p->more || want < size;
	got = read_memory(p, at, p->buf + p->used, want);
	p->fault = p->fault || got < want;
	p->used += got;
}

static void take_string(struct piece *p, uint64_t at)
{
	while (p->used < p->max && !p->fault) {
		size_t step = p->max - p->used < STRING_STEP ? p->max - p->used : STRING_STEP;
		uint8_t *from = p->buf + p->used, *end;
		size_t got = read_memory(p, at, from, step);

		end = memchr(from, 0, got);
		if (end != NULL) {
			p->used += (size_t)(end - from);
			return;
		}
		p->used += got;
		at += got;
		p->fault = got < step;
	}
	p->more = !p->fault;
}

static uint64_t load_word(const uint8_t *from, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, from, size); /* target and engine share their byte order */
	return v;
}

/* Of each string at most @each bytes, so that a long one does not crowd out the others. */
static void take_strings(struct piece *p, uint64_t at, unsigned word, size_t each)
{
	size_t max = p->max;
	uint8_t raw[8];

	while (!p->fault && !p->more) {
		uint64_t string;

		if (read_memory(p, at, raw, word) < word) {
			p->fault = true;
			return;
		}
		string = load_word(raw, word);
		if (string == 0)
			return;
		if (each && each < max - p->used)
			p->max = p->used + each;
		take_string(p, string);
		p->max = max;
		if (p->used >= max) {
			p->more = true;
			return;
		}
		p->more = false;
		p->buf[p->used++] = 0;
		at += word;
	}
}

static void take_iovec(struct piece *p, uint64_t at, uint64_t count, uint64_t limit, unsigned word)
{
	uint8_t raw[16];

	for (uint64_t i = 0; i < count && i < IOVECS_MAX && limit && !p->fault && !p->more; i++) {
		uint64_t size;

		if (read_memory(p, at + i * 2 * word, raw, 2 * word) < 2 * word) {
			p->fault = true;
			return;
		}
		size = load_word(raw + word, word);
		size = size < limit ? size : limit;
		take_bytes(p, load_word(raw, word), size);
		limit -= size;
	}
}

/* A pointer and a length, one after the other in a structure at @at. */
static void take_member(struct piece *p, uint64_t at, const struct wire_slot *slot, uint64_t limit,
			unsigned word)
{
	uint64_t pointer, length;
	uint8_t raw[16];

	at += (uint64_t)slot->count_arg * word;
	if (read_memory(p, at, raw, 2 * word) < 2 * word) {
		p->fault = true;
		return;
	}
	pointer = load_word(raw, word);
	length = load_word(raw + word, 4);
	if (slot->kind == COTRACE_CAPTURE_MEMBER_IOVEC)
		take_iovec(p, pointer, length, limit, word);
	else if (pointer != 0)
		take_bytes(p, pointer, length * (slot->unit ? slot->unit : 1));
}

static void take_slot(struct piece *p, const struct wire_slot *slot, unsigned word)
{
	const struct backend_syscall *call = &p->task->call;
	uint64_t at = call->args[slot->arg], count = call->args[slot->count_arg];
	uint64_t unit = slot->unit ? slot->unit : 1;
	uint64_t result = call->result > 0 ? (uint64_t)call->result : 0;
	bool at_exit = slot->phase == COTRACE_EXIT;

	switch (slot->kind) {
	case COTRACE_CAPTURE_STRING:
		take_string(p, at);
		break;
	case COTRACE_CAPTURE_BYTES:
		take_bytes(p, at, p->max);
		break;
	case COTRACE_CAPTURE_COUNTED:
		take_bytes(p, at, count > UINT64_MAX / unit ? UINT64_MAX : count * unit);
		break;
	case COTRACE_CAPTURE_RESULT:
		take_bytes(p, at, result * unit);
		break;
	case COTRACE_CAPTURE_LENGTH_AT: {
		uint8_t raw[4];

		p->fault = read_memory(p, count, raw, 4) < 4;
		if (!p->fault)
			take_bytes(p, at, load_word(raw, 4));
		break;
	}
	case COTRACE_CAPTURE_STRINGS:
		take_strings(p, at, word, slot->unit);
		break;
	case COTRACE_CAPTURE_IOVEC:
		take_iovec(p, at, count, at_exit ? result : UINT64_MAX, word);
		break;
	case COTRACE_CAPTURE_MEMBER:
	case COTRACE_CAPTURE_MEMBER_IOVEC:
		take_member(p, at, slot, at_exit ? result : UINT64_MAX, word);
		break;
	}
}

unsigned capture_take(struct session *s, const struct task *t, struct wire_writer *w)
{
	const struct capture_set *set = find(s, t);
	const struct arch *arch = arch_by_id(t->call.arch);
	unsigned taken = 0;

	for (unsigned i = 0; set != NULL && i < set->count; i++) {
		const struct wire_slot *slot = &set->slots[i];
		struct wire_piece head = { .slot = (uint8_t)i, .arg = slot->arg };
		size_t head_at = w->used, end;
		struct piece p = { .task = (struct task *)t };

		if (slot->phase != phase_of(t) || t->call.args[slot->arg] == 0)
			continue;
		wire_put_piece(w, &head);
		if (w->overflow)
			break;
		p.buf = w->buf + w->used;
		p.max = slot->max ? slot->max : COTRACE_CAPTURE_BYTES_MAX;
		if (p.max > w->size - w->used)
			p.max = w->size - w->used;
		take_slot(&p, slot, arch ? arch->word_size : sizeof(void *));
		head.size = (uint32_t)p.used;
		head.flags = (p.fault ? COTRACE_CAPTURED_FAULT : 0) |
			     (p.more ? COTRACE_CAPTURED_MORE : 0);
		end = w->used + p.used;
		w->used = head_at;
		wire_put_piece(w, &head);
		w->used = end;
		taken++;
	}
	return taken;
}
