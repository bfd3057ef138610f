/* SPDX-License-Identifier: MIT */
/* R9: what a session does to a target is told to the others that want to know. */
#ifndef RULES_TOLD_H
#define RULES_TOLD_H

#include <cotrace.h>
#include <stdbool.h>
#include <stdint.h>

/* What a session has done. */
struct told_act {
	uint64_t session; /* whose doing */
	uint32_t what;	  /* enum cotrace_change; 0: nothing */
	uint64_t length;  /* MEMORY: bytes written */
	bool unknown;	  /* to a task that nobody has been told of yet */
};

/* One that may be told. */
struct told_listener {
	uint64_t session;
	bool covers; /* the process is in its target */
	bool wants;  /* it has subscribed to CHANGED */
	bool ended;
};

/*
 * What it is to the others when a session held a task by its own wish before and does
 * after: enum cotrace_change or 0. An open offer or a full queue is no such hold.
 */
uint32_t told_of_hold(bool before, bool after);
bool told_is_due(const struct told_act *act, const struct told_listener *l);

#endif
