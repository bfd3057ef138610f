/* SPDX-License-Identifier: MIT */
#include "lib/box.h"

#include <errno.h>

#include "lib/session.h"

#define ANSWERS_WORTH 32u /* a round trip and a page */

void box_init(struct box *b)
{
	pthread_mutex_init(&b->lock, NULL);
}

void box_deinit(struct box *b)
{
	b->page = mailbox_unmap(b->page);
	pthread_mutex_destroy(&b->lock);
}

/* Nothing is told meanwhile: both sides begin to count at the same place. */
static void ask_for_page(struct cotrace *s)
{
	struct mailbox *page = NULL;
	int saved = errno;
	struct call c;

	if (call_begin(&c, s, WIRE_MAILBOX) < 0)
		return;
	wire_put_mailbox(&c.out, &(struct wire_mailbox){ 0 });
	pthread_mutex_lock(&s->box.lock);
	if (call_run(&c, -1, CLOCK_NEVER) == 0 && mailbox_map(&page, c.fd) == 0) {
		s->box.told = 0;
		s->box.page = page;
	}
	pthread_mutex_unlock(&s->box.lock);
	call_end(&c);
	errno = saved;
	if (page == NULL)
		return;
	pthread_mutex_lock(&s->intake.lock);
	s->intake.lane = &page->events;
	pthread_mutex_unlock(&s->intake.lock);
}

void box_answered(struct cotrace *s)
{
	if (atomic_load_explicit(&s->box.answers, memory_order_relaxed) < ANSWERS_WORTH &&
	    atomic_fetch_add(&s->box.answers, 1) + 1 == ANSWERS_WORTH)
		ask_for_page(s);
}

int box_tell(struct cotrace *s, const struct wire_writer *out, int fd, uint64_t deadline)
{
	struct box *b = &s->box;
	int r = 0;

	pthread_mutex_lock(&b->lock);
	if (fd >= 0 || b->page == NULL ||
	    !lane_post(&b->page->requests, b->told, out->buf, out->used)) {
		r = exchange_send(s->fd, out, fd, deadline);
		b->told += r == 0;
	}
	pthread_mutex_unlock(&b->lock);
	return r;
}
