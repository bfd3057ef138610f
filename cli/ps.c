/* SPDX-License-Identifier: MIT */
/* cotrace ps */
#include <cotrace.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/look.h"
#include "cli/options.h"

const char ps_help[] =
	"Usage: cotrace ps [-v] [--json]\n"
	"\n"
	"Lists every engine that can be seen, its sessions with owner, role, scope, target,\n"
	"number of breakpoints and watchpoints, and counters, and the tasks that are held: by\n"
	"whom, since when, and why. A session is named ENGINE:ID, as 'cotrace end' takes it.\n"
	"\n"
	"  -v, --verbose   each breakpoint and watchpoint, too, with its address and hits\n"
	"      --json   an array of engines: {pid, sessions: [{session, owner_pid, owner_uid,\n"
	"               command, role, scope, policy, target, processes, tasks, holds, notes,\n"
	"               stops, lost, queued_bytes, age, breakpoints: [{id, kind, addr, length,\n"
	"               pid, hits, state}]}], holds: [{task, tid, pid, session, owner_pid,\n"
	"               command, reason, age}]}, ages in seconds\n"
	"\n"
	"Exit status: 0, also when there is no engine; 1 when one could not be asked.\n";

static const char *role(const struct cotrace_session_info *s)
{
	return s->role == COTRACE_OBSERVER ? "observer" : "controller";
}

static const char *scope(const struct cotrace_session_info *s)
{
	return s->scope == COTRACE_TREE ? "tree" : "process";
}

static const char *break_kind(const struct cotrace_break_info *b)
{
	switch (b->kind) {
	case COTRACE_BREAK_SOFTWARE:
		return "breakpoint";
	case COTRACE_BREAK_HARDWARE:
		return "hardware breakpoint";
	case COTRACE_WATCH_WRITE:
		return "write watchpoint";
	default:
		return "access watchpoint";
	}
}

static const char *break_state(const struct cotrace_break_info *b)
{
	if (!b->planted)
		return "waits for memory there";
	return b->planted == COTRACE_PLANTED_STEPPING ? "by stepping, slow" : "planted";
}

static void print_breaks(const struct look *l, uint64_t session)
{
	struct look_breaks breaks = look_breaks(l, session);

	for (int i = 0; i < breaks.count; i++) {
		const struct cotrace_break_info *b = &breaks.v[i];

		printf("  %s %llu of session %d:%llu at 0x%llx", break_kind(b),
		       (unsigned long long)b->id, (int)cotrace_engine_pid(l->engine),
		       (unsigned long long)session, (unsigned long long)b->addr);
		if (b->length)
			printf(", %u byte%s,", b->length, b->length == 1 ? "" : "s");
		printf(" in process %d: %llu hit%s, %s\n", (int)b->pid, (unsigned long long)b->hits,
		       b->hits == 1 ? "" : "s", break_state(b));
	}
	free(breaks.v);
}

static void print_session(const struct look *l, const struct cotrace_session_info *s)
{
	char name[32], age[24], command[64], owner[40], target[40];

	snprintf(name, sizeof name, "%d:%llu", (int)cotrace_engine_pid(l->engine),
		 (unsigned long long)s->session);
	snprintf(owner, sizeof owner, "%d %.16s", (int)s->owner_pid, s->owner_command);
	if (s->root_pid)
		snprintf(target, sizeof target, "%d %.20s", (int)s->root_pid,
			 look_command(s->root_pid, command));
	else
		snprintf(target, sizeof target, "(only looks)");
	printf("%-12s %-20s %-10s%s %-7s %-20s %5u %5u %5u %6d %9llu %8llu %6llu %7llu %s\n", name,
	       owner, role(s), s->flags & COTRACE_POLICY ? "*" : " ", scope(s), target,
	       s->processes, s->tasks, s->holds, look_break_count(l, s->session),
	       (unsigned long long)s->notes, (unsigned long long)s->stops,
	       (unsigned long long)s->lost, (unsigned long long)s->queued_bytes,
	       look_age(s->since_ns, age));
}

static void print_hold(const struct look *l, const struct cotrace_hold *h)
{
	char age[24];

	printf("  task %d of process %d is held by session %d:%llu (%d %.16s) for %s: %s\n",
	       (int)h->tid, (int)h->pid, (int)cotrace_engine_pid(l->engine),
	       (unsigned long long)h->session, (int)h->owner_pid, h->owner_command,
	       look_age(h->since_ns, age), look_reason(h));
}

static void print_engine(const struct look *l, bool verbose)
{
	for (int i = 0; i < l->session_count; i++) {
		print_session(l, &l->sessions[i]);
		if (verbose)
			print_breaks(l, l->sessions[i].session);
	}
	for (int i = 0; i < l->hold_count; i++)
		print_hold(l, &l->holds[i]);
}

static void print_text(const char *text)
{
	putchar('"');
	for (; *text; text++)
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if (*text < ' ' || *text > '~')
			printf("\\u00%02x", (unsigned char)*text);
		else
			putchar(*text);
	putchar('"');
}

static void json_breaks(const struct look *l, uint64_t session)
{
	struct look_breaks breaks = look_breaks(l, session);

	for (int i = 0; i < breaks.count; i++) {
		const struct cotrace_break_info *b = &breaks.v[i];

		printf("%s{\"id\":%llu,\"kind\":\"%s\",\"addr\":\"0x%llx\",\"length\":%u,"
		       "\"pid\":%d,\"hits\":%llu,\"state\":\"%s\"}",
		       i ? "," : "", (unsigned long long)b->id, break_kind(b),
		       (unsigned long long)b->addr, b->length, (int)b->pid,
		       (unsigned long long)b->hits, break_state(b));
	}
	free(breaks.v);
}

static void json_session(const struct look *l, const struct cotrace_session_info *s)
{
	printf("{\"session\":\"%d:%llu\",\"owner_pid\":%d,\"owner_uid\":%u,\"command\":",
	       (int)cotrace_engine_pid(l->engine), (unsigned long long)s->session,
	       (int)s->owner_pid, s->owner_uid);
	print_text(s->owner_command);
	printf(",\"role\":\"%s\",\"scope\":\"%s\",\"policy\":%s,\"target\":%d,\"processes\":%u,"
	       "\"tasks\":%u,\"holds\":%u,\"notes\":%llu,\"stops\":%llu,\"lost\":%llu,"
	       "\"queued_bytes\":%llu,\"age\":%.3f,\"breakpoints\":[",
	       role(s), scope(s), s->flags & COTRACE_POLICY ? "true" : "false", (int)s->root_pid,
	       s->processes, s->tasks, s->holds, (unsigned long long)s->notes,
	       (unsigned long long)s->stops, (unsigned long long)s->lost,
	       (unsigned long long)s->queued_bytes, look_seconds(s->since_ns));
	json_breaks(l, s->session);
	printf("]}");
}

static void json_hold(const struct look *l, const struct cotrace_hold *h)
{
	printf("{\"task\":%llu,\"tid\":%d,\"pid\":%d,\"session\":\"%d:%llu\",\"owner_pid\":%d,"
	       "\"command\":",
	       (unsigned long long)h->task, (int)h->tid, (int)h->pid,
	       (int)cotrace_engine_pid(l->engine), (unsigned long long)h->session,
	       (int)h->owner_pid);
	print_text(h->owner_command);
	printf(",\"reason\":");
	print_text(look_reason(h));
	printf(",\"age\":%.3f}", look_seconds(h->since_ns));
}

static void json_engine(const struct look *l)
{
	printf("{\"pid\":%d,\"sessions\":[", (int)cotrace_engine_pid(l->engine));
	for (int i = 0; i < l->session_count; i++) {
		if (i)
			putchar(',');
		json_session(l, &l->sessions[i]);
	}
	printf("],\"holds\":[");
	for (int i = 0; i < l->hold_count; i++) {
		if (i)
			putchar(',');
		json_hold(l, &l->holds[i]);
	}
	printf("]}");
}

static void print_heading(void)
{
	printf("%-12s %-20s %-11s %-7s %-20s %5s %5s %5s %6s %9s %8s %6s %7s %s\n", "SESSION",
	       "OWNER", "ROLE", "SCOPE", "TARGET", "PROCS", "TASKS", "HOLDS", "BREAKS", "NOTES",
	       "STOPS", "LOST", "QUEUED", "AGE");
}

struct options {
	bool json, verbose, help;
};

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int take_option(void *options, int c)
{
	struct options *o = options;

	*(c == 'j' ? &o->json : c == 'v' ? &o->verbose : &o->help) = true;
	return 0;
}

/* An engine may have left since it was listed: that is no failure. */
static int show(const pid_t *engines, int count, const struct options *o)
{
	int status = 0, others = 0;
	bool first = true;

	for (int i = 0; i < count; i++) {
		struct look l;
		int r = look_open(&l, engines[i]);

		if (r == -EPERM) {
			others++;
			continue;
		}
		if (r) {
			if (r == -ETIMEDOUT)
				status = complain_of_silence(engines[i]);
			else if (r != -ENOENT && r != -ESHUTDOWN && r != -ESRCH)
				status = complain(EXIT_FAILURE, "engine %d cannot be asked: %s",
						  (int)engines[i], strerror(-r));
			continue;
		}
		if (!first && o->json)
			putchar(',');
		if (first && !o->json)
			print_heading();
		first = false;
		if (o->json)
			json_engine(&l);
		else
			print_engine(&l, o->verbose);
		look_close(&l);
	}
	if (others && !o->json)
		printf("%d engine%s of other users\n", others, others == 1 ? "" : "s");
	else if (first && !o->json)
		puts("no engine is running: nothing is being traced");
	return status;
}

#define ENGINES_MAX 1024

int ps_main(int argc, char **argv)
{
	pid_t engines[ENGINES_MAX];
	struct options o = { 0 };
	int count, status = options_read(argc, argv, ":vh", long_options, take_option, &o);

	if (status)
		return status;
	if (o.help) {
		fputs(ps_help, stdout);
		return 0;
	}
	if (optind < argc)
		return complain(EXIT_USAGE, "ps takes no %s; see cotrace ps --help", argv[optind]);
	count = cotrace_engines(engines, ENGINES_MAX);
	if (count < 0)
		return complain(EXIT_FAILURE, "the engines cannot be listed: %s", strerror(-count));
	if (o.json)
		putchar('[');
	status = show(engines, count < ENGINES_MAX ? count : ENGINES_MAX, &o);
	if (o.json)
		puts("]");
	return status;
}
