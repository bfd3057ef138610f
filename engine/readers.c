/* SPDX-License-Identifier: MIT */
/*
 * Who wants to see what a task is like waits for the end of a call into it (R11), or of its way
 * to another stop, on which it cannot be seen.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/call.h"
#include "engine/request.h"
#include "engine/task.h"

#define READERS_MAX 64 /* of one connection */

struct reader {
	struct list in_engine;
	uint64_t task;
	struct reading what;
};

static void free_reader(struct reader *r)
{
	list_remove(&r->in_engine);
	r->what.conn->waiters--;
	free(r);
}

static int add(const struct task *t, const struct reading *what)
{
	struct reader *r = what->conn->waiters < READERS_MAX ? calloc(1, sizeof *r) : NULL;

	if (r == NULL)
		return -EBUSY;
	r->task = t->id;
	r->what = *what;
	what->conn->waiters++;
	list_append(&t->engine->readers, &r->in_engine);
	return 0;
}

void readers_reply(struct request *rq, struct task *t, struct reading what)
{
	int r = t == NULL ? -ESRCH : task_stands(t) ? 0 : -EBUSY;

	what.conn = rq->conn;
	what.cookie = rq->header->cookie;
	if (r == 0 && (t->resting || call_hides(t, rq->session->id))) {
		r = add(t, &what);
		if (r == 0)
			return;
	}
	what.reply(&what, t, r);
}

void readers_answer(struct task *t, int error)
{
	list_for_each (&t->engine->readers, node, after) {
		struct reader *r = list_entry(node, struct reader, in_engine);

		if (r->task != t->id)
			continue;
		r->what.reply(&r->what, t, error);
		free_reader(r);
	}
}

void readers_drop_conn(struct engine *e, const struct conn *conn)
{
	list_for_each (&e->readers, node, after) {
		struct reader *r = list_entry(node, struct reader, in_engine);

		if (r->what.conn == conn)
			free_reader(r);
	}
}
