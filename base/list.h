/* SPDX-License-Identifier: MIT */
/* Intrusive doubly linked list. A zeroed node is in no list; a list head is never zeroed. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define list_entry(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

/* Walks @head; the current entry may be removed, no other. */
#define list_for_each(head, node, after)                                            \
	for (struct list *node = (head)->next, *after = node->next; node != (head); \
	     node = after, after = node->next)

static inline void list_init(struct list *head)
{
	head->next = head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline bool list_linked(const struct list *node)
{
	return node->next != NULL;
}

static inline void list_insert_before(struct list *at, struct list *node)
{
	node->prev = at->prev;
	node->next = at;
	at->prev->next = node;
	at->prev = node;
}

static inline void list_append(struct list *head, struct list *node)
{
	list_insert_before(head, node);
}

static inline size_t list_length(const struct list *head)
{
	size_t n = 0;

	for (const struct list *node = head->next; node != head; node = node->next)
		n++;
	return n;
}

/* Removing a node that is in no list does nothing. */
static inline void list_remove(struct list *node)
{
	if (!list_linked(node))
		return;
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = node->prev = NULL;
}

#endif
