// SPDX-License-Identifier: GPL-2.0
/*
 * usage: bench SCENE PARAM DEMAND PARAM [--seed N] [--fill PERCENT]
 *
 * One measurement of the bench, run as the only job of a guest: makes the scene,
 * looks at what every page is, makes the demand, and says what it took. Lines on
 * standard output: "row METRIC VALUE". Needs nothing that a stock kernel lacks.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "../kselftest.h"

/* What the kernel counts on the way. */
static const char * const counters[] = {
	"pgmigrate_success", "pgmigrate_fail", "compact_migrate_scanned",
	"compact_free_scanned", "compact_isolated", "compact_stall",
	"compact_fail", "compact_success", "compact_daemon_wake",
	"allocstall_normal", "allocstall_dma32", "allocstall_movable",
	"pgscan_direct", "pgsteal_direct", "pgscan_kswapd", "pgsteal_kswapd",
	"pswpout", "thp_fault_alloc", "thp_fault_fallback", "oom_kill",
};

static long before[ARRAY_SIZE(counters)];
static long deferred_before;

#define ROW	"row"
#define TRACE	"/sys/kernel/tracing/"
#define KLOG_READ_ALL	3

void die(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

void row(const char *metric, double value)
{
	printf(ROW "\t%s\t%.10g\n", metric, value);
}

__u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return x < y ? -1 : x > y;
}

void row_spread(const char *metric, __u64 *value, size_t nr)
{
	static const unsigned int points[] = {
		10, 20, 30, 40, 50, 60, 70, 80, 90, 99, 100,
	};
	char name[64];
	__u64 sum = 0;
	size_t i;

	if (!nr)
		return;
	qsort(value, nr, sizeof(*value), compare);
	for (i = 0; i < nr; i++)
		sum += value[i];
	snprintf(name, sizeof(name), "%s_mean", metric);
	row(name, (double)sum / nr);
	for (i = 0; i < ARRAY_SIZE(points); i++) {
		size_t at = (nr * points[i] + 99) / 100;

		snprintf(name, sizeof(name), "%s_p%u", metric, points[i]);
		row(name, value[at ? at - 1 : 0]);
	}
}

/*
 * How often compaction was put off no counter tells, but there is a tracepoint. The
 * events themselves are not kept: one page for each CPU is enough to count them.
 */
static void count_deferrals(void)
{
	cu_write_text(TRACE "buffer_size_kb", "4");
	cu_write_text(TRACE "events/compaction/mm_compaction_deferred/enable",
		      "1");
}

static long deferrals(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF), sum = 0, cpu, nr;
	char path[96], line[96];
	FILE *f;

	for (cpu = 0; cpu < cpus; cpu++) {
		snprintf(path, sizeof(path), TRACE "per_cpu/cpu%ld/stats", cpu);
		f = fopen(path, "r");
		if (!f)
			return -1;
		while (fgets(line, sizeof(line), f))
			if (sscanf(line, "entries: %ld", &nr) == 1 ||
			    sscanf(line, "overrun: %ld", &nr) == 1)
				sum += nr;
		fclose(f);
	}
	return sum;
}

/* What the kernel takes for itself: its code, and what it leaves for others. */
static void report_size(void)
{
	static char log[1 << 19];
	int len = klogctl(KLOG_READ_ALL, log, sizeof(log) - 1);
	char *at;
	long kib;

	log[len > 0 ? len : 0] = '\0';
	at = strstr(log, "K available (");
	if (at && sscanf(at, "K available (%ldK kernel code", &kib) == 1)
		row("code_kib", kib);
	row("memory_kib", cu_meminfo("MemTotal") * (cu_psize >> 10));
}

static void read_counters(void)
{
	size_t i;

	deferred_before = deferrals();
	cu_write_text("/proc/sys/vm/stat_refresh", "1");
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		before[i] = cu_vmstat(counters[i]);
}

static void report_counters(void)
{
	size_t i;

	cu_write_text("/proc/sys/vm/stat_refresh", "1");
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		if (before[i] >= 0)
			row(counters[i], cu_vmstat(counters[i]) - before[i]);
	if (deferred_before >= 0)
		row("deferred", deferrals() - deferred_before);
}

static const struct scene_kind *scene_by(const char *name)
{
	const struct scene_kind *kind;

	for (kind = scene_kinds; kind->name; kind++)
		if (!strcmp(kind->name, name))
			return kind;
	die("no such scene");
	return NULL;
}

static const struct demand_kind *demand_by(const char *name)
{
	const struct demand_kind *kind;

	for (kind = demand_kinds; kind->name; kind++)
		if (!strcmp(kind->name, name))
			return kind;
	die("no such demand");
	return NULL;
}

static void usage(void)
{
	fprintf(stderr,
		"bench SCENE PARAM DEMAND PARAM [--seed N] [--fill PERCENT]\n");
	exit(2);
}

static void parse(int argc, char **argv, struct scene *scene)
{
	static const struct option longopt[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "fill", required_argument, NULL, 'f' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longopt, NULL)) != -1) {
		if (c == 's')
			scene->seed = cu_number(optarg, ~0UL);
		else if (c == 'f')
			scene->fill = cu_number(optarg, 95);
		else
			usage();
	}
	if (argc - optind != 4)
		usage();
}

static void report_plan(const struct plan *plan, size_t attainable)
{
	/* what was made is free or in use as a huge page */
	long huge = cu_read_long("/proc/sys/vm/nr_hugepages");
	char name[32];
	size_t i;

	if (huge > 0)
		row("plan", plan_cost(plan, huge));
	row("plan_attainable", plan_cost(plan, attainable));
	for (i = 1; i <= PARTS; i++) {
		snprintf(name, sizeof(name), "part%zu_plan", i);
		row(name, plan_cost(plan, part_of(attainable, i)));
	}
}

static void measure(struct scene *scene, char **words)
{
	const struct demand_kind *demand = demand_by(words[2]);
	struct plan plan;
	size_t attainable;

	if (take_snapshot(scene, &plan))
		die("cannot read the page flags");
	attainable = plan_attainable(&plan);
	row("attainable", attainable);
	read_counters();
	demand->make(scene, words[3], attainable);
	report_counters();
	report_plan(&plan, attainable);
	plan_end(&plan);
}

int main(int argc, char **argv)
{
	struct scene scene = { .seed = 1, .fill = 90 };

	cu_init();
	parse(argc, argv, &scene);
	scene.param = argv[optind + 1];
	cu_rng_seed(&scene.rng, scene.seed);
	/* what the bench has not asked for is not to be measured */
	cu_swap_knob(CU_PROACTIVE, 0);
	report_size();
	count_deferrals();
	scene_by(argv[optind])->make(&scene);
	measure(&scene, argv + optind);
	return 0;
}
