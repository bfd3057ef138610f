/* SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

int bench_rounds = 7;
bool bench_quick;
bool bench_cpu_time;
static const char *wanted = "";

void bench_die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void usage(const char *name, FILE *out)
{
	fprintf(out,
		"Usage: %s [--rounds N] [--quick] [--cpu-time] [--table WORDS]\n"
		"  --rounds N     measure each row N times (5 to %d)\n"
		"  --quick        less work per measurement: figures are coarser\n"
		"  --cpu-time     time of CPUs instead of elapsed time, where a target works\n"
		"  --table WORDS  only tables with these words in their titles\n",
		name, BENCH_ROUNDS_MAX);
}

void bench_init(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'r' },
		{ "quick", no_argument, NULL, 'q' },
		{ "cpu-time", no_argument, NULL, 'c' },
		{ "table", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'r')
			bench_rounds = atoi(optarg);
		else if (c == 'q')
			bench_quick = true;
		else if (c == 'c')
			bench_cpu_time = true;
		else if (c == 't')
			wanted = optarg;
		else
			usage(argv[0], c == 'h' ? stdout : stderr), exit(c == 'h' ? 0 : 2);
	}
	if (optind != argc || bench_rounds < 5 || bench_rounds > BENCH_ROUNDS_MAX) {
		usage(argv[0], stderr);
		exit(2);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
}

double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

void bench_pin(int cpu)
{
	cpu_set_t set;

	memset(&set, 0xff, sizeof set);
	if (cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
	}
	if (sched_setaffinity(0, sizeof set, &set) < 0)
		bench_die("sched_setaffinity");
}

void *bench_shared(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		bench_die("mmap");
	return at;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double bench_median(double *v, size_t count)
{
	qsort(v, count, sizeof *v, compare);
	return count % 2 ? v[count / 2] : (v[count / 2 - 1] + v[count / 2]) / 2;
}

static void print_row(const struct bench_table *table, const struct bench_row *row)
{
	const struct bench_row *peer = &table->rows[table->peer];
	double v[BENCH_ROUNDS_MAX], ratio[BENCH_ROUNDS_MAX];
	size_t n = (size_t)bench_rounds;
	double median;

	for (size_t i = 0; i < n; i++) {
		if (row->v[i] < 0) {
			printf("  %-46s not available here\n", row->name);
			return;
		}
		v[i] = row->v[i];
		ratio[i] = peer->v[i] > 0 ? row->v[i] / peer->v[i] : 0;
	}
	median = bench_median(v, n);
	printf("  %-46s %11.*f %11.*f %11.*f", row->name, median < 100 ? 2 : 0, median,
	       median < 100 ? 2 : 0, v[0], median < 100 ? 2 : 0, v[n - 1]);
	if (row == peer || peer->v[0] <= 0) {
		printf("       %s\n", row == peer ? "1" : "-");
		return;
	}
	median = bench_median(ratio, n);
	printf("  %7.3f %7.3f %7.3f\n", median, ratio[0], ratio[n - 1]);
}

/* Jiffies since boot; *idle: of them idle, over all CPUs. */
static double jiffies(double *idle)
{
	double v[8] = { 0 }, all = 0;
	FILE *f = fopen("/proc/stat", "r");

	if (f != NULL && fscanf(f, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &v[0], &v[1], &v[2],
				&v[3], &v[4], &v[5], &v[6], &v[7]) == 8)
		for (int i = 0; i < 8; i++)
			all += v[i];
	if (f != NULL)
		fclose(f);
	*idle = v[3] + v[4];
	return all;
}

/* How busy others keep the machine: per cent of all CPUs. */
static double others(void)
{
	double idle[2], all[2];

	all[0] = jiffies(&idle[0]);
	usleep(500000);
	all[1] = jiffies(&idle[1]);
	return all[1] > all[0] ? 100 - 100 * (idle[1] - idle[0]) / (all[1] - all[0]) : 0;
}

static void print_head(const struct bench_table *table)
{
	printf("\n%s%s; %s; CPUs busy before: %.0f%%\n", table->title,
	       bench_cpu_time ? ", CPU time" : "", table->cpu < 0 ? "not pinned" : "all on one CPU",
	       others());
	printf("  %-46s %11s %11s %11s  %7s %7s %7s\n", table->unit, "median", "min", "max",
	       "ratio", "min", "max");
}

/* Negative as soon as one of them is. */
static double figure(double *v, size_t count)
{
	double median = bench_median(v, count);

	return v[0] < 0 ? v[0] : median;
}

static void measure_round(struct bench_table *table, int round)
{
	double v[BENCH_ROWS_MAX][BENCH_TURNS_MAX];
	size_t turns = table->turns ? (size_t)table->turns : 1;

	for (size_t i = 0; i < turns * table->count; i++) {
		size_t turn = i / table->count, n = (i + turn + (size_t)round) % table->count;

		v[n][turn] = table->rows[n].measure(&table->rows[n], table->cpu);
	}
	for (size_t n = 0; n < table->count; n++)
		table->rows[n].v[round] = figure(v[n], turns);
}

void bench_run(struct bench_table *table)
{
	if (strstr(table->title, wanted) == NULL)
		return;
	print_head(table);
	for (int round = 0; round < bench_rounds; round++)
		measure_round(table, round);
	for (size_t i = 0; i < table->count; i++)
		print_row(table, &table->rows[i]);
}

void bench_run_both(const char *title, const char *unit, struct bench_row *rows, size_t count,
		    size_t peer)
{
	struct bench_table table = { title, unit, rows, count, peer, .cpu = 0 };

	bench_run(&table);
	table.cpu = BENCH_ANY_CPU;
	bench_run(&table);
}
