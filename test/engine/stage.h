/* SPDX-License-Identifier: MIT */
/* An engine over the fake kernel, with clients that speak the wire protocol to it. */
#ifndef TEST_ENGINE_STAGE_H
#define TEST_ENGINE_STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backend/fake/fake.h"
#include "engine/engine.h"
#include "engine/task.h"
#include "test/engine/virtual_clock.h"
#include "wire/wire.h"

#define STAGE_CLIENTS 40
#define PID 100 /* the process that most tests are about; its leader */

struct message {
	struct wire_header header;
	size_t size;
	uint8_t *body;
	int fd; /* the taker's */
};

struct client {
	struct stage *stage;
	int fd;
	bool hung_up;
	bool deaf; /* does not read */
	uint64_t cookie;
	uint64_t session;
	struct message *messages; /* not taken yet, in order */
	size_t count, capacity;
	struct wire_writer writer;
	uint8_t out[WIRE_DATAGRAM_MAX];
};

struct stage {
	struct fake *kernel;
	struct engine *engine;
	struct client *keeper; /* its session, the first, keeps the engine from leaving */
	struct client *clients[STAGE_CLIENTS];
	size_t client_count;
};

/* An event as a client sees it. */
struct seen {
	unsigned kind, flags;
	uint64_t seq;
	struct wire_event_head head;
	union {
		struct wire_e_syscall_exit syscall; /* entry too */
		struct wire_e_seccomp seccomp;
		struct wire_e_signal signal;
		struct wire_e_child child;
		struct wire_e_exec exec;
		struct wire_e_exit exit;
		struct wire_e_job job;
		struct wire_e_breakpoint breakpoint;
		struct wire_e_watchpoint watchpoint;
		struct wire_e_step step;
		struct wire_e_stop stop;
		struct wire_e_changed changed;
		struct wire_e_lost lost;
		struct wire_e_refused refused;
		struct wire_e_end end;
	};
	int fd;		    /* the test's */
	uint8_t tail[8192]; /* captured pieces */
	size_t tail_size;
};

/* Fixtures for cmocka: a stage with one process PID of one task; nobody is attached. */
int stage_setup(void **state);
int stage_teardown(void **state);
#define STAGED(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

/* A client; it has said HELLO. */
struct client *client_new(struct stage *st);
/* One that uses @fd, which is a session's already. */
struct client *client_from_fd(struct stage *st, int fd);
void client_close(struct client *c);
/* One that has attached to PID as a controller of that process. */
struct client *client_attached(struct stage *st);
struct client *client_attached_as(struct stage *st, struct wire_attach how);
struct client *with_tree(struct stage *st);

/* Sends one request: begin, put the body into c->writer, send. Returns its cookie. */
uint64_t client_begin(struct client *c, unsigned type, unsigned flags);
void client_send(struct client *c, int fd);
#define request(c, NAME, name, ...)                                                               \
	(client_begin(c, WIRE_##NAME, 0),                                                         \
	 wire_put_##name(&(c)->writer, &(struct wire_##name){ __VA_ARGS__ }), client_send(c, -1), \
	 settle((c)->stage))
/* The error that the plain reply to @NAME carries. */
#define refused(c, NAME, name, ...) \
	(request(c, NAME, name, __VA_ARGS__), client_reply_error(c, WIRE_##NAME))
#define granted(c, NAME, name, ...) assert_int_equal(refused(c, NAME, name, __VA_ARGS__), 0)

/* Lets the engine take turns until nothing is left to do; the clients receive. */
void settle(struct stage *st);
void pass_time(struct stage *st, uint64_t ns);
/* A task that @parent makes by FORK, VFORK or CLONE, and that has had its first stop. */
void give_birth(struct stage *st, pid_t parent, enum backend_kind kind, pid_t child);

/* One turn without a look at the sockets: for many events in a row. */
void turn(struct stage *st);

/* The next message of the type, out of order. False: there is none. */
bool client_take(struct client *c, unsigned type, struct message *out);
/* Throws away what has come. */
void client_forget(struct client *c);
int client_reply_error(struct client *c, unsigned request_type);
/* Takes the next event, whatever it is; kind 0: none. */
struct seen next_event(struct client *c);
/* The next event must be that one. */
struct seen expect(struct client *c, unsigned kind);
void expect_none(struct client *c);

/* What tests do all the time. */
void subscribe(struct client *c, unsigned kind, unsigned mode);
void subscribe_calls(struct client *c, unsigned phases, unsigned mode);
void subscribe_signals(struct client *c, uint64_t set, unsigned mode);
void answer(struct client *c, const struct seen *ev, unsigned action, int64_t value);
void resume_all(struct client *c);
/* Holds all of the target, or one task, and does not wait. */
void stop_all(struct client *c);
void stop_task(struct client *c, pid_t tid);
/* A breakpoint or watchpoint; by default a note in PID. */
void set(struct client *c, struct wire_break b);
/* The answer to that, if it has come. */
bool is_answered(struct client *c, struct wire_r_break *reply);
int error_of(struct client *c, struct wire_break b);
uint64_t must_set(struct client *c, struct wire_break b);
uint64_t task_id(struct stage *st, pid_t tid);
bool runs(struct stage *st, pid_t tid);

#endif
