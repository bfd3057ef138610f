/* SPDX-License-Identifier: MIT */
/* Who wants to see the registers of a task waits for the end of a call into it (R11). */
#include <errno.h>
#include <stdlib.h>

#include "engine/call.h"
#include "engine/request.h"

#define READERS_MAX 64 /* of one connection */

struct reader {
	struct list in_engine;
	uint64_t task;
	struct conn *conn;
	uint64_t cookie;
	unsigned set;
};

static void free_reader(struct reader *r)
{
	list_remove(&r->in_engine);
	r->conn->waiters--;
	free(r);
}

int readers_add(struct request *rq, const struct task *t, unsigned set)
{
	struct reader *r = rq->conn->waiters < READERS_MAX ? calloc(1, sizeof *r) : NULL;

	if (r == NULL)
		return -EBUSY;
	r->task = t->id;
	r->conn = rq->conn;
	r->cookie = rq->header->cookie;
	r->set = set;
	rq->conn->waiters++;
	list_append(&t->engine->readers, &r->in_engine);
	return 0;
}

void readers_answer(struct task *t, int error)
{
	list_for_each (&t->engine->readers, node, after) {
		struct reader *r = list_entry(node, struct reader, in_engine);

		if (r->task != t->id)
			continue;
		reply_regset(r->conn, r->cookie, t, r->set, error);
		free_reader(r);
	}
}

void readers_drop_conn(struct engine *e, const struct conn *conn)
{
	list_for_each (&e->readers, node, after) {
		struct reader *r = list_entry(node, struct reader, in_engine);

		if (r->conn == conn)
			free_reader(r);
	}
}
