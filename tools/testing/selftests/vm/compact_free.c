// SPDX-License-Identifier: GPL-2.0
/*
 * Free pages are counted right while blocks are isolated.
 *
 * Contiguous ranges are taken and given back, and memory goes offline and comes
 * back, each of which isolates pageblocks, while tasks on all CPUs allocate and
 * free without pause, and memory is compacted. After every round, and all the time
 * meanwhile, the kernel's count of free pages is compared with what lies on its free
 * lists, under their lock.
 *
 * What it proves: the two are equal, for all pages and for those of CMA; a page in
 * an isolated block is on the list of isolated pages, one of CMA on the list of
 * CMA, and no other page is.
 *
 * What makes it fail: a page that was freed while its block was being isolated, or
 * that a per-cpu list has kept from before, and is counted or listed by the type
 * that the block had; free pages of an isolated block that merge with others, or
 * that were split from a larger one across its edge; a range given back that
 * somebody else has isolated, which offlining would wait for without end.
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

#define MAX_CPUS	16
#define MAX_LOADS	(MAX_CPUS + 13)
#define ALLOC_CONTIG	"/sys/kernel/debug/alloc_contig"
#define ALLOC_WHOLE	"/sys/kernel/debug/alloc_whole"
#define MEMORY		"/sys/devices/system/memory/"
#define MIB_PAGES	((1L << 20) / (long)cu_psize)
#define LOAD_PAGES	512
#define ISOLATE		"set_migratetype_isolate"
#define UNISOLATE	"unset_migratetype_isolate"
#define NR_HUGEPAGES	"/proc/sys/vm/nr_hugepages"
/* Long for one memory block on an emulated machine, short of without end. */
#define OFFLINE_SECONDS	60

static struct {
	__u64 seed;
	unsigned long rounds;
	unsigned long mib;
	const char *client;	/* the one that is wanted, or NULL */
} opt = { .seed = 1, .rounds = 30, .mib = 8 };

static struct cu_rng rng;
static pid_t load[MAX_LOADS];
static int nr_loads;
static int stuck;

/* What is found while a round goes on. */
static struct {
	unsigned long audits;
	unsigned long wrong;
} *meanwhile;
static char movable[300];	/* a memory block that is one */

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

/* Takes pages of the largest orders, and so splits those that are larger. */
static void load_huge(void)
{
	struct cu_rng own;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	cu_rng_seed(&own, opt.seed);
	for (;;)
		cu_write_long(NR_HUGEPAGES, cu_rand(&own) % 96);
}

/* Tries ranges all over memory: few of this size are to be had. */
static void load_contig(void)
{
	struct cu_rng own;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	cu_rng_seed(&own, opt.seed + getpid());
	for (;;)
		cu_write_long(ALLOC_CONTIG, (32 + cu_rand(&own) % 256) * MIB_PAGES);
}

/* Keeps a page of several blocks for some time, again and again. */
static void load_whole(void)
{
	struct cu_rng own;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	cu_rng_seed(&own, opt.seed + getpid());
	for (;;)
		cu_write_long(ALLOC_WHOLE, 1 + cu_rand(&own) % 2000);
}

static bool audit_is_wrong(const char *when)
{
	struct free_audit audit;

	if (free_audit(&audit))
		ksft_exit_fail_msg("no audit\n");
	if (!audit.unequal && !audit.misplaced && !audit.bad)
		return false;
	ksft_print_msg("%s: %ld unequal, %ld misplaced, %ld bad of %ld\n", when,
		       audit.unequal, audit.misplaced, audit.bad, audit.free);
	return true;
}

/*
 * What is in a wrong place is allocated and freed again, as a rule, before the round
 * has ended.
 */
static void audit_all_the_time(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		if (!meanwhile->wrong)
			meanwhile->wrong += audit_is_wrong("during a round");
		meanwhile->audits++;
		usleep(200);
	}
}

static void load_one(void (*todo)(void))
{
	load[nr_loads] = fork();
	if (!load[nr_loads])
		todo();
	nr_loads++;
}

static void load_begin(void)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN);

	for (nr_loads = 0; nr_loads < cpus && nr_loads < MAX_CPUS; nr_loads++) {
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
	race_clear();
	cu_write_long(NR_HUGEPAGES, 0);
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

/* Three pageblocks: at one end or the other a page of several is cut in two. */
static bool use_odd(void)
{
	return !cu_write_long(ALLOC_CONTIG, 3 << cu_huge_order());
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* A signal ends what does not end by itself. */
static int offline(const char *path)
{
	int err;

	alarm(OFFLINE_SECONDS);
	err = cu_write_text(path, "offline");
	if (!alarm(0))
		stuck++;
	return err;
}

static bool off_and_on(const char *path)
{
	if (offline(path))
		return false;
	if (cu_write_text(path, "online_movable"))
		cu_write_text(path, "online");
	return true;
}

/* One memory block after the other, from one chosen at random on. */
static bool use_hotplug(void)
{
	struct dirent *entry;
	bool done = false;
	DIR *dir = opendir(MEMORY);
	long skip = cu_rand(&rng) % 8, nr;

	while (dir && !done && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "memory%ld", &nr) != 1 || skip-- > 0)
			continue;
		snprintf(movable, sizeof(movable), MEMORY "%s/state", entry->d_name);
		done = off_and_on(movable);
	}
	if (dir)
		closedir(dir);
	return done;
}

/* The same block again and again. */
static bool use_movable(void)
{
	return off_and_on(movable);
}

static bool use_all(void)
{
	bool a = use_cma(), b = use_contig(), c = use_hotplug();

	return a || b || c;
}

/*
 * Time between one block of a range and the next, for larger pages to be split, and
 * somebody who does it: pages that can move come from movable memory first.
 */
static void begin_slow(void)
{
	int tries = 20;

	while (!use_hotplug() && --tries)
		;
	race_delay(ISOLATE, 1000, 1);
	race_delay(UNISOLATE, 1000, 1);
	load_one(load_huge);
}

static void begin_beside(void)
{
	load_one(load_contig);
	load_one(load_contig);
}

/*
 * What is freed meanwhile is there to be split before isolation ends, and so is what
 * lies across the edge of the range, if it is still whole.
 */
static void begin_whole(void)
{
	int i;

	race_delay(ISOLATE, 1000, 1);
	race_delay(UNISOLATE, 5000, 1);
	race_delay("split_free_page", 5000, 1);
	for (i = 0; i < 8; i++)
		load_one(load_whole);
	load_one(load_huge);
}

struct client {
	const char *key;	/* for --client */
	const char *name;
	const char *needs;
	bool (*use)(void);
	void (*begin)(void);	/* what else goes on, or NULL */
	unsigned int percent;	/* of its rounds succeed at least */
};

static const struct client clients[] = {
	{ "cma", "CMA", PRESS_CMA_DIR "alloc", use_cma, NULL, 80 },
	{ "contig", "alloc_contig_pages", ALLOC_CONTIG, use_contig, NULL, 80 },
	{ "offline", "memory offlining", MEMORY "block_size_bytes",
	  use_hotplug, NULL, 30 },
	{ "blocks", "memory offlining, block by block", RACE,
	  use_movable, begin_slow, 50 },
	{ "beside", "memory offlining beside contiguous ranges", ALLOC_CONTIG,
	  use_hotplug, begin_beside, 30 },
	{ "whole", "alloc_contig_pages beside large pages", ALLOC_WHOLE, use_odd,
	  begin_whole, 50 },
	{ "all", "all of them", PRESS_CMA_DIR "alloc", use_all, NULL, 80 },
};

/* One of the rounds in which nothing succeeds says nothing. */
static void test_client(const struct client *client, bool compacting)
{
	struct pressure pressure = { .churn_percent = 20, .seed = opt.seed };
	unsigned int doors = PRESS_CHURN | PRESS_MEMORY | PRESS_FAULTS;
	unsigned long done = 0, wrong = 0, i;
	char when[40];

	if (opt.client && strcmp(opt.client, client->key)) {
		ksft_test_result_skip("%s is not wanted\n", client->name);
		return;
	}
	if (access(client->needs, F_OK)) {
		ksft_test_result_skip("%s is not there\n", client->name);
		return;
	}
	stuck = 0;
	memset(meanwhile, 0, sizeof(*meanwhile));
	load_begin();
	load_one(audit_all_the_time);
	if (client->begin)
		client->begin();
	if (compacting && pressure_begin(&pressure, doors))
		ksft_exit_fail_msg("no processes\n");
	/* Free pages that it has in hand, while their blocks are isolated. */
	if (compacting)
		race_delay("release_targets", 2000, 2);
	for (i = 0; i < opt.rounds; i++) {
		done += client->use();
		snprintf(when, sizeof(when), "after round %lu", i);
		wrong += audit_is_wrong(when);
	}
	if (compacting)
		pressure_end(&pressure);
	load_end();
	ksft_print_msg("%lu audits meanwhile\n", meanwhile->audits);
	ksft_test_result(!wrong && !meanwhile->wrong && meanwhile->audits &&
			 !stuck && 100 * done >= client->percent * opt.rounds,
			 "%s%s: %lu of %lu rounds succeeded, the counts were wrong after %lu%s, %d without end\n",
			 client->name, compacting ? ", compacting" : "", done,
			 opt.rounds, wrong,
			 meanwhile->wrong ? " and meanwhile" : "", stuck);
}

static void usage(void)
{
	fprintf(stderr, "compact_free [--seed N] [--rounds N] [--mib N] [--client KEY]\n");
	exit(KSFT_FAIL);
}

static bool is_client(const char *key)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(clients); i++)
		if (!strcmp(clients[i].key, key))
			return true;
	return false;
}

static void parse(int argc, char **argv)
{
	static const struct option longopt[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "mib", required_argument, NULL, 'm' },
		{ "client", required_argument, NULL, 'c' },
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
		else if (c == 'c')
			opt.client = optarg;
		else
			usage();
	}
	if (optind < argc || !opt.rounds || !opt.mib ||
	    (opt.client && !is_client(opt.client)))
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
	meanwhile = mmap(NULL, sizeof(*meanwhile), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (meanwhile == MAP_FAILED)
		ksft_exit_fail_msg("no memory\n");
	race_load(ALLOC_CONTIG, "contig.ko");
	race_load(RACE, "race.ko");
	sigaction(SIGALRM, &(struct sigaction){ .sa_handler = on_alarm }, NULL);
	ksft_set_plan(2 * ARRAY_SIZE(clients));
	ksft_print_msg("seed %llu\n", (unsigned long long)opt.seed);
	cu_rng_seed(&rng, opt.seed);
	for (i = 0; i < ARRAY_SIZE(clients); i++) {
		test_client(&clients[i], false);
		test_client(&clients[i], true);
	}
	ksft_finished();
}
