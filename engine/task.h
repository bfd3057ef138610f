/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_TASK_H
#define ENGINE_TASK_H

#include "engine/engine.h"

/* process.c */
struct process *process_by_pid(struct engine *e, pid_t pid);
struct process *process_new(struct engine *e, pid_t pid);
/* Attaches all of @pid; see backend_ops.attach for errors. */
int process_attach(struct engine *e, pid_t pid, struct process **out, pid_t *tracer);
/* Others that are traced may have the same memory, and then it is full of their traps. */
void process_find_space(struct process *p);
/* Works out what all sessions together want; interrupts tasks that must change course. */
void process_interests(struct process *p);
/* No session covers it any more. */
void process_release(struct process *p);
/* Those in @s that no session covers may have no reason to stay any more. */
void process_release_guests(struct space *s);
/* A session covers one of @s now: those who are being let go stay. */
void process_keep_guests(struct space *s);
/* The first trap is about to be planted in @s: nobody who runs in it may be left alone. */
void process_gather(struct space *s);
void process_release_all(struct engine *e);
/*
 * The engine is about to leave: tasks that could be at a system call's entry then must be
 * detached one by one.
 */
void process_let_go_softly(struct process *p);
/* Those that have been let go completely. */
void process_discard_empty(struct engine *e);
/* Forgets it; it has no tasks and no covers. */
void process_discard(struct process *p);
/*
 * Opens its memory while the program is known: the kernel ties the files to the address space
 * of that time, so that no later exec can slip in. 0, or why the kernel does not let it be read.
 */
int process_open_memory(struct process *p, pid_t tid);
/* A copy of its memory file for a client, or -errno. */
int process_memory(struct process *p);
/* A living task of it, for /proc. */
pid_t process_any_tid(const struct process *p);
void process_late_exit(struct process *p, const struct task *t, int status);
void process_late_exits_told(struct process *p, enum cotrace_exit_cause cause);
void process_ended(struct process *p, int status);

/* task.c */
struct task *task_by_tid(struct engine *e, pid_t tid);
struct task *task_by_id(struct engine *e, uint64_t id);
struct task *task_new(struct engine *e, struct process *p, pid_t tid);
void task_free(struct task *t);
/* With all sessions that cover @p. 0, or -ENOMEM and nothing is changed. */
int task_join_process(struct task *t, struct process *p);
/* stop.c: what the backend reported. */
void task_stand(struct task *t, const struct backend_event *ev, uint32_t kind);
void task_event(struct engine *e, const struct backend_event *ev);
/* run.c: one turn after another, until an answer is waited for. */
void task_ask(struct task *t);
/* run.c: goes on with the turns at a stop, and lets the task run when nothing is in the way. */
void task_proceed(struct task *t);
/* Takes a hold for @s; the task is interrupted if it runs. */
void task_hold(struct task *t, struct session *s);
/* Gives up holds of @s for the reasons @why. */
void task_release(struct task *t, struct session *s, unsigned why);
void task_leave(struct task *t, struct session *s);
/* @s (NULL: nobody yet known) has changed a call that a SECCOMP event is about. */
void task_entry_due(struct task *t, const struct session *s);
/* @s wrote registers or memory: see rules_changed(). */
void task_reoffer(struct task *t, struct session *s);
/* Those who asked for the stop at which it stands learn of it. */
void task_tell_holders(struct task *t);
void task_note_hold(struct rules_party *p, uint32_t reason, uint64_t seq);
/* Any stop is as good as the one that was asked for. */
void task_unpoke(struct task *t);
/* Something it is to do differently takes effect at its next stop, which comes soon. */
void task_poke(struct task *t);
/* It stands, but a call into it is under way: when that is over. */
void task_poke_in_call(struct task *t);
/* A call under way may give up because of an interrupt. */
void task_set_disturbed(struct task *t, bool disturbed);
void task_set_stops_at_calls(struct task *t, bool stops);
/* It stands before its first instruction, and some hold it already. */
void task_tell_born(struct task *t);
/* Those who wait for it to stand need not any longer. */
void task_awaited_no_more(struct task *t);
/* A session wrote its registers. */
void task_registers_written(struct task *t);
void task_interrupt(struct task *t);
/* It has exited, or is just doing so, and will not stand again. */
bool task_has_left(const struct task *t);
/* It stands at its exit: it will not for long. */
void task_limit_exit_stop(struct task *t);
/* May it be looked at? */
bool task_stands(const struct task *t);
/* Its call is still to be made. */
bool task_at_entry(const struct task *t);

/* When it goes on it stays stopped by job control. */
bool task_listens(const struct task *t);
/* It was stopped by job control, and is no more. */
void task_job_continued(struct task *t);

/* birth.c: children and their announcement */
void birth_event(struct task *parent, const struct backend_event *ev);
void birth_first_stop(struct engine *e, const struct backend_event *ev);
/* All sessions have the parent's event. */
void birth_announced(struct task *parent);
/* The parent's stop ends before all have been asked: they are told. */
void birth_cut_short(struct task *parent);
/* A task that is not announced, or not even known, has another event: it was killed. */
void birth_killed(struct task *t);
void birth_died(struct engine *e, pid_t tid, int status);
/* Those that died before they were announced, and are announced now. */
void birth_deaths(struct engine *e);
/* The parent will not tell any more. */
void birth_orphaned(struct engine *e, pid_t pid);
void birth_start(struct task *t);

/* death.c */
void death_event(struct task *t, int status);
void death_exiting(struct task *t);
void death_by_exec(struct task *t);
void death_no_return(struct task *t);
/* It was interrupted, or steps in place: if it is a leader it may exit without a stop. */
void death_expect_leader(struct task *t);

/* verdict.c */
/* Carries out an answer; returns 0 or the -errno of its refusal. */
int verdict_apply(struct task *t, struct session *s, const struct wire_answer *answer,
		  const void *siginfo, size_t size);

#endif
