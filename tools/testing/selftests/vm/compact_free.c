// SPDX-License-Identifier: GPL-2.0
/*
 * Free pages are counted right while blocks are isolated.
 *
 * Contiguous ranges are taken and given back, and memory goes offline and comes
 * back, each of which isolates pageblocks, while tasks on all CPUs allocate and
 * free without pause, and memory is compacted. After every round the kernel's count
 * of free pages is compared with what lies on its free lists, under their lock.
 *
 * What it proves: the two are equal, for all pages and for those of CMA; a page in
 * an isolated block is on the list of isolated pages, one of CMA on the list of
 * CMA, and no other page is.
 *
 * What makes it fail: a page that was freed while its block was being isolated, or
 * that a per-cpu list has kept from before, and is counted or listed by the type
 * that the block had; free pages of an isolated block that merge with others.
 * Boot with "cma=" for the first and some movable memory for the third.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_pressure.h"
#include "compact_race.h"

#define MAX_LOADS	16
#define ALLOC_CONTIG	"/sys/kernel/debug/alloc_contig"
#define MEMORY		"/sys/devices/system/memory/"
#define MIB_PAGES	((1L << 20) / (long)cu_psize)
#define LOAD_PAGES	512

static struct {
	__u64 seed;
	unsigned long rounds;
	unsigned long mib;
} opt = { .seed = 1, .rounds = 30, .mib = 8 };

static struct cu_rng rng;
static pid_t load[MAX_LOADS];
static int nr_loads;

/*
 * Takes and gives back some pages without end: of all orders up to that of a pipe's
 * buffer and of a process, so that they go through the per-cpu lists and past them.
 */
static void load_cpu(int cpu)
{
	char *area = cu_map(LOAD_PAGES);
	struct cu_rng own;
	cpu_set_t set;
	size_t i, nr;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	cu_rng_seed(&own, opt.seed + cpu);
	for (;;) {
		nr = cu_rand(&own) % LOAD_PAGES;
		for (i = 0; i < nr; i++)
			cu_touch(area + i * cu_psize, i);
		madvise(area, nr * cu_psize, MADV_DONTNEED);
	}
}

static void load_begin(void)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN);

	for (nr_loads = 0; nr_loads < cpus && nr_loads < MAX_LOADS; nr_loads++) {
		load[nr_loads] = fork();
		if (!load[nr_loads])
			load_cpu(nr_loads);
	}
}

static void load_end(void)
{
	while (nr_loads) {
		kill(load[--nr_loads], SIGKILL);
		waitpid(load[nr_loads], NULL, 0);
	}
}

/* Each of these isolates blocks once. Returns whether that succeeded. */

static bool use_cma(void)
{
	long nr = opt.mib * MIB_PAGES;

	if (cu_write_long(PRESS_CMA_DIR "alloc", nr))
		return false;
	return !cu_write_long(PRESS_CMA_DIR "free", nr);
}

static bool use_contig(void)
{
	return !cu_write_long(ALLOC_CONTIG, opt.mib * MIB_PAGES);
}

/* One memory block after the other, from one chosen at random on. */
static bool use_hotplug(void)
{
	struct dirent *entry;
	char path[300];
	bool done = false;
	DIR *dir = opendir(MEMORY);
	long skip = cu_rand(&rng) % 8, nr;

	while (dir && !done && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "memory%ld", &nr) != 1 || skip-- > 0)
			continue;
		snprintf(path, sizeof(path), MEMORY "%s/state", entry->d_name);
		if (cu_write_text(path, "offline"))
			continue;
		done = true;
		cu_write_text(path, "online_movable");
		/* or whatever it may be */
		cu_write_text(path, "online");
	}
	if (dir)
		closedir(dir);
	return done;
}

static bool use_all(void)
{
	bool a = use_cma(), b = use_contig(), c = use_hotplug();

	return a || b || c;
}

struct client {
	const char *name;
	const char *needs;
	bool (*use)(void);
};

static const struct client clients[] = {
	{ "CMA", PRESS_CMA_DIR "alloc", use_cma },
	{ "alloc_contig_pages", ALLOC_CONTIG, use_contig },
	{ "memory offlining", MEMORY "block_size_bytes", use_hotplug },
	{ "all of them", PRESS_CMA_DIR "alloc", use_all },
};

/* One of the rounds in which nothing succeeds says nothing. */
static void test_client(const struct client *client, bool compacting)
{
	struct pressure pressure = { .churn_percent = 20, .seed = opt.seed };
	unsigned int doors = PRESS_CHURN | PRESS_MEMORY | PRESS_FAULTS;
	unsigned long done = 0, wrong = 0, i;
	struct free_audit audit;

	if (access(client->needs, F_OK)) {
		ksft_test_result_skip("%s is not there\n", client->name);
		return;
	}
	load_begin();
	if (compacting && pressure_begin(&pressure, doors))
		ksft_exit_fail_msg("no processes\n");
	for (i = 0; i < opt.rounds; i++) {
		done += client->use();
		if (free_audit(&audit))
			ksft_exit_fail_msg("no audit\n");
		if (!audit.unequal && !audit.misplaced && !audit.bad)
			continue;
		ksft_print_msg("round %lu: %ld unequal, %ld misplaced, %ld bad of %ld\n",
			       i, audit.unequal, audit.misplaced, audit.bad,
			       audit.free);
		wrong++;
	}
	if (compacting)
		pressure_end(&pressure);
	load_end();
	ksft_test_result(!wrong && done > opt.rounds / 4,
			 "%s%s: %lu of %lu rounds succeeded, the counts were wrong in %lu\n",
			 client->name, compacting ? ", compacting" : "", done,
			 opt.rounds, wrong);
}

static void usage(void)
{
	fprintf(stderr, "compact_free [--seed N] [--rounds N] [--mib N]\n");
	exit(KSFT_FAIL);
}

static void parse(int argc, char **argv)
{
	static const struct option longopt[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "mib", required_argument, NULL, 'm' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longopt, NULL)) != -1) {
		if (c == 's')
			opt.seed = cu_number(optarg, ~0UL);
		else if (c == 'r')
			opt.rounds = cu_number(optarg, 1000000);
		else if (c == 'm')
			opt.mib = cu_number(optarg, 1024);
		else
			usage();
	}
	if (optind < argc || !opt.rounds || !opt.mib)
		usage();
}

int main(int argc, char **argv)
{
	struct free_audit audit;
	size_t i;
	int err;

	cu_init();
	parse(argc, argv);
	ksft_print_header();
	err = free_audit(&audit);
	if (err)
		ksft_exit_skip("no audit: %s\n", strerror(-err));
	race_load(ALLOC_CONTIG, "contig.ko");
	ksft_set_plan(2 * ARRAY_SIZE(clients));
	ksft_print_msg("seed %llu\n", (unsigned long long)opt.seed);
	cu_rng_seed(&rng, opt.seed);
	for (i = 0; i < ARRAY_SIZE(clients); i++) {
		test_client(&clients[i], false);
		test_client(&clients[i], true);
	}
	ksft_finished();
}
