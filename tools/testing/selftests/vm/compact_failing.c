// SPDX-License-Identifier: GPL-2.0
/*
 * Every way in which isolation and migration can fail, one at a time, and what is
 * left behind.
 *
 * A function on the way of a page fails at every so-manieth call, while processes
 * compact through several doors and memory is freed and touched. It has to happen
 * through each door that is sure to lead there, kcompactd among them. Then nothing
 * may be left of it:
 *  - no page is counted as isolated, and no pageblock is isolated;
 *  - the counters of free pages are what the free lists hold, and each free page is
 *    where it belongs;
 *  - the pages accounted for are as many as before: those that are free, on the
 *    LRU lists, of hugetlb and zram, slab, page tables and stacks;
 *  - memory of all kinds holds what was written to it;
 *  - whoever was at work ends within seconds.
 * The same with fault injection, by which the allocator fails for those who compact.
 * At the end everything is given back, and so much has to be free as at the start.
 *
 * What makes it fail: a path of failure that does not put a page back, or count it
 * back, does not give back a page that was to be filled, leaves a block isolated,
 * or loses the way back to the contents.
 *
 * It needs the modules of lab/module, two nodes, two ram disks and zram, and for two
 * of its entries CMA: "cma=" at boot, with CONFIG_DMA_CMA.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_mixture.h"
#include "compact_open.h"
#include "compact_race.h"
#include "compact_rest.h"
#include "compact_scene.h"

/* For how long the doors are open, and at most. */
#define OPEN_MS		400
#define HITS_MS		20000
/* Pages that are not there at the end all the same. */
#define MORE		256

#define PAGES		(MEMORY | HUGE | RANGE | MOVE | DAEMON)
#define GIVEN		(RANGE | MOVE | OFFLINE)

struct entry {
	const char *function;
	long value;
	int every;
	unsigned int doors;	/* through each of which it has to happen */
	unsigned int beside;	/* that are open beside these */
	const char *too;	/* fails as well, with -EBUSY, at every call */
	bool cma;		/* happens there alone */
};

/*
 * Each value is one that the function may return before it has done anything.
 * folio_get_anon_vma() is not among them: NULL is for pages that nobody maps. Nor
 * does __isolate_free_page() fail for pages of isolated blocks, so not for GIVEN.
 */
static const struct entry entries[] = {
	{ "try_to_compact_pages", 1, 2, HUGE | MOVE, 0, NULL, false },
	/* While huge pages are whole. */
	{ "alloc_migration_target", 0, 1, MOVE, RANGE | OFFLINE, "split_huge_page_to_list",
	  false },
	/* Pages that are on their way. */
	{ "move_to_new_folio", -EAGAIN, 1, PAGES, 0, NULL, false },
	{ "move_to_new_folio", -EBUSY, 2, PAGES | OFFLINE, 0, NULL, false },
	{ "folio_migrate_mapping", -EAGAIN, 1, PAGES, 0, NULL, false },
	{ "migrate_folio", -EAGAIN, 1, PAGES, 0, NULL, false },
	{ "buffer_migrate_folio", -EAGAIN, 1, MEMORY | MOVE | DAEMON, HUGE | RANGE, NULL, false },
	{ "buffer_migrate_folio_norefs", -EAGAIN, 1, MEMORY | MOVE | DAEMON,
	  HUGE | RANGE, NULL, false },
	{ "migrate_huge_page_move_mapping", -EAGAIN, 1, MOVE, RANGE | OFFLINE, NULL, false },
	{ "try_to_migrate", 0, 2, PAGES, 0, NULL, false },
	{ "migrate_pages_batch", -ENOMEM, 2, PAGES, 0, NULL, false },
	{ "migrate_pages", -ENOMEM, 2, PAGES, 0, NULL, false },
	{ "migrate_pages", 1, 2, PAGES | OFFLINE, 0, NULL, false },
	/* Pages to move to. */
	{ "compaction_alloc", 0, 1, MEMORY | HUGE | DAEMON, 0, NULL, false },
	{ "compaction_alloc", 0, 50, MEMORY | HUGE | DAEMON, 0, NULL, false },
	{ "__isolate_free_page", 0, 2, MEMORY | HUGE | DAEMON, 0, NULL, false },
	{ "alloc_migration_target", 0, 50, GIVEN, 0, NULL, false },
	{ "alloc_huge_page_nodemask", 0, 1, MOVE, RANGE | OFFLINE, NULL, false },
	/* Pages that are to be isolated. */
	{ "isolate_lru_page", -EBUSY, 2, MOVE | OFFLINE, 0, NULL, false },
	{ "isolate_movable_page", -EBUSY, 2, MEMORY | RANGE, OFFLINE, NULL, false },
	{ "zs_page_isolate", 0, 2, MEMORY | RANGE, OFFLINE, NULL, false },
	{ "zs_page_migrate", -EAGAIN, 1, MEMORY, RANGE | OFFLINE, NULL, false },
	{ "folio_isolate_hugetlb", -EBUSY, 2, MOVE | OFFLINE, RANGE, NULL, false },
	{ "isolate_or_dissolve_huge_page", -EBUSY, 1, RANGE, HUGE, NULL, true },
	{ "isolate_or_dissolve_huge_page", -ENOMEM, 1, RANGE, HUGE, NULL, true },
	{ "isolate_source", -EINTR, 3, PAGES & ~MOVE, MOVE, NULL, false },
	{ "isolate_source", -EAGAIN, 2, PAGES & ~MOVE, MOVE, NULL, false },
	{ "isolate_migratepages_range", -ENOMEM, 3, RANGE, MEMORY, NULL, false },
	/* Ranges. */
	{ "__alloc_contig_migrate_range", -EBUSY, 1, RANGE, MEMORY, NULL, false },
	{ "isolate_freepages_range", 0, 1, RANGE, MEMORY, NULL, false },
	{ "test_pages_isolated", -EBUSY, 1, RANGE | OFFLINE, 0, NULL, false },
	{ "set_migratetype_isolate", -EBUSY, 3, RANGE | OFFLINE, 0, NULL, false },
	{ "start_isolate_page_range", -EBUSY, 2, RANGE | OFFLINE, 0, NULL, false },
	{ "dissolve_free_huge_pages", -EBUSY, 1, OFFLINE, 0, NULL, false },
};

/*
 * What the allocator is told to fail at, and where it must come to that. Who compacts
 * allocates nothing for it, so it is others whom it is to fail for.
 */
static const struct injection {
	const char *name;
	unsigned int sure;
} injections[] = {
	{ "failslab", HUGE | RANGE | MOVE },
	{ "fail_page_alloc", HUGE | RANGE | MOVE | OFFLINE },
};

static struct {
	unsigned long rounds;
	unsigned long fill;
	const char *only;
} opt = { .rounds = 1, .fill = 30 };

static char *churned;
static size_t churned_pages;

/* Leaves holes of all sizes, for compaction to do something about. */
static void scatter(void)
{
	size_t i;

	for (i = 0; i < churned_pages; i++)
		cu_touch(churned + i * cu_psize, i);
	cu_free_random(churned, churned_pages, 55, &rng, NULL);
}

/* An eighth of the area is given back in part, and touched again in part. */
static void churn(void)
{
	size_t part = churned_pages / 8, i;
	char *from = churned + cu_rand(&rng) % 8 * part * cu_psize;

	cu_free_random(from, part, 80, &rng, NULL);
	for (i = 0; i < part; i++)
		if (cu_chance(&rng, 20))
			cu_touch(from + i * cu_psize, i);
}

/* Fault injection, for those who compact alone. */

#define TIMES	1000000

static void set_fault(const char *name, const char *file, long value)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", name, file);
	cu_write_long(path, value);
}

static void begin_fault(const char *name)
{
	set_fault(name, "verbose", 0);
	set_fault(name, "interval", 1);
	set_fault(name, "space", 0);
	set_fault(name, "ignore-gfp-wait", 0);
	set_fault(name, "ignore-gfp-highmem", 0);
	set_fault(name, "min-order", 0);
	set_fault(name, "task-filter", 1);
	set_fault(name, "times", TIMES);
	set_fault(name, "probability", 20);
}

static long faults_of(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/times", name);
	return TIMES - cu_read_long(path);
}

/* What fails: begun by the caller, and counted before the doors are closed. */
struct failing {
	unsigned int doors;
	unsigned int sure;	/* where it has to happen */
	unsigned int hit;	/* where it has happened */
	bool injected;		/* by fault injection, for the doors alone */
	const char *name;
	const char *too;
	long nr_hits;
};

static void count_hits(struct failing *f)
{
	int i;

	if (f->injected) {
		f->nr_hits = faults_of(f->name);
		f->hit = f->nr_hits ? f->doors : 0;
		return;
	}
	f->nr_hits = race_hits(f->name);
	for (i = 0; i < NR_DOORS; i++)
		if (race_hits_by(f->name, door_name[i]) > 0 &&
		    (!f->too || race_hits_by(f->too, door_name[i]) > 0))
			f->hit |= 1U << i;
}

static bool is_proved(const struct failing *f)
{
	return !(f->sure & ~f->hit);
}

static bool work(struct failing *f)
{
	long begin = cu_now_ms();
	pid_t pid[NR_DOORS] = { 0 };
	long open;
	int i;

	*stop = false;
	opened = f->doors;
	for (i = 0; i < NR_DOORS; i++)
		if (f->doors & (1U << i))
			pid[i] = open_door(i, f->injected);
	do {
		churn();
		open = cu_now_ms() - begin;
		count_hits(f);
	} while (open < OPEN_MS || (!is_proved(f) && open < HITS_MS));
	return close_doors(pid);
}

/* Fails if anything is left behind of what went on with the doors open. */
static bool nothing_left(struct failing *f)
{
	struct rest was;
	bool right;

	look_twice(&was);
	right = work(f);
	race_clear();
	put_back();
	right &= at_rest(&was);
	right &= contents_right();
	if (negative_reports()) {
		ksft_print_msg("a count of isolated pages is below zero\n");
		right = false;
	}
	return right;
}

static bool begin_failing(const struct entry *e)
{
	int err = race_fail(e->function, e->value, e->every);

	if (!err && e->too)
		err = race_fail(e->too, -EBUSY, 1);
	if (err)
		ksft_print_msg("%s cannot be made to fail: %s\n", e->function,
			       strerror(-err));
	return !err;
}

static void test_entry(const struct entry *e)
{
	long failed = cu_vmstat("pgmigrate_fail");
	struct failing f = {
		.doors = e->doors | e->beside,
		.sure = e->doors,
		.name = e->function,
		.too = e->too,
	};
	bool right;

	if (e->cma && access(CMA "alloc", W_OK)) {
		ksft_test_result_skip("%s: no CMA\n", e->function);
		return;
	}
	scatter();
	refresh_kinds();
	if (e->too)
		refresh_thp();
	right = begin_failing(e) && nothing_left(&f);
	race_clear();
	ksft_print_msg("through%s; %ld pages did not move\n", names_of(f.hit),
		       cu_vmstat("pgmigrate_fail") - failed);
	ksft_test_result(right && is_proved(&f),
			 "%s %ld%s%s, 1 of %d: %ld times\n",
			 e->function, e->value, e->too ? " with " : "",
			 e->too ? e->too : "", e->every, f.nr_hits);
}

static void test_fault(const struct injection *in, int door)
{
	struct failing f = {
		.doors = 1U << door,
		.injected = true,
		.sure = in->sure & (1U << door),
		.name = in->name,
	};
	bool right;

	scatter();
	refresh_kinds();
	begin_fault(in->name);
	right = nothing_left(&f);
	set_fault(in->name, "probability", 0);
	ksft_test_result(right && is_proved(&f),
			 "%s, %s: %ld times\n", in->name, door_name[door],
			 f.nr_hits);
}

static void test_faults(const struct injection *in)
{
	char path[64];
	int door;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s", in->name);
	for (door = 0; door < NR_DOORS; door++) {
		if (access(path, F_OK))
			ksft_test_result_skip("no %s\n", in->name);
		else
			test_fault(in, door);
	}
}

/* Everything that was taken goes back. */

static void give_back_all(void)
{
	int id;

	for (id = 0; id < NR_KINDS; id++)
		munmap(kinds[id].area, kinds[id].pages * cu_psize);
	cu_unmap(churned, churned_pages);
	huge_base = 0;
	put_back();
}

/* Pages that are not free, when there is nothing that could be dropped. */
static long used_pages(void)
{
	static struct cu_zones zones;
	long used = 0;
	int z;

	sync();
	cu_drop_caches();
	cu_sleep_ms(100);
	drain_lru();
	cu_read_zones(&zones);
	for (z = 0; z < zones.nr; z++)
		used += zones.zone[z].managed - zones.zone[z].free -
			zones.zone[z].pcp;
	return used;
}

/* The slab and the like may have grown, by what a single failure may lose. */
static void test_end(long used)
{
	give_back_all();
	used = used_pages() - used;
	ksft_test_result(used <= MORE,
			 "all memory comes back (%ld missing, up to %d is noise)\n",
			 used, MORE);
}

static bool wanted(const char *name)
{
	return !opt.only || !strcmp(opt.only, name);
}

static unsigned int nr_results(void)
{
	unsigned int nr = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(entries); i++)
		nr += wanted(entries[i].function);
	for (i = 0; i < ARRAY_SIZE(injections); i++)
		nr += wanted(injections[i].name) * NR_DOORS;
	return opt.rounds * nr + 1;
}

static void test_all(void)
{
	unsigned long round;
	size_t i;

	for (round = 0; round < opt.rounds; round++) {
		for (i = 0; i < ARRAY_SIZE(entries); i++)
			if (wanted(entries[i].function))
				test_entry(&entries[i]);
		for (i = 0; i < ARRAY_SIZE(injections); i++)
			if (wanted(injections[i].name))
				test_faults(&injections[i]);
	}
}

static const char *prepare(void)
{
	const char *why = scene_set("madvise");

	if (why)
		return why;
	if (!race_there() || race_load(CONTIG, "contig.ko"))
		return "needs the modules race.ko and contig.ko";
	if (access(NODES "node1", F_OK))
		return "needs two nodes";
	if (!rest_begin())
		return "the kernel log cannot be read";
	stop = mmap(NULL, cu_psize, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return stop == MAP_FAILED ? "no memory" : NULL;
}

static void map_churned(void)
{
	churned_pages = cu_meminfo("MemAvailable") * opt.fill / 100;
	churned = cu_map(churned_pages);
	if (!churned)
		ksft_exit_fail_msg("no memory\n");
}

static void usage(void)
{
	fprintf(stderr,
		"compact_failing [--seed N] [--rounds N]\n"
		"\t[--fill PERCENT] [--bound PAGES] [--only FUNCTION]\n");
	exit(KSFT_FAIL);
}

static void parse(int argc, char **argv)
{
	static const struct option longopt[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "fill", required_argument, NULL, 'f' },
		{ "bound", required_argument, NULL, 'b' },
		{ "only", required_argument, NULL, 'o' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longopt, NULL)) != -1) {
		if (c == 's')
			mix_seed = cu_number(optarg, ~0UL);
		else if (c == 'r')
			opt.rounds = cu_number(optarg, 1000);
		else if (c == 'f')
			opt.fill = cu_number(optarg, 80);
		else if (c == 'b')
			rest_bound = cu_number(optarg, 1000000);
		else if (c == 'o')
			opt.only = optarg;
		else
			usage();
	}
	if (optind != argc)
		usage();
}

int main(int argc, char **argv)
{
	const char *why;
	long used;

	cu_init();
	parse(argc, argv);
	ksft_print_header();
	why = prepare();
	if (why)
		ksft_exit_skip("%s\n", why);
	cu_rng_seed(&rng, mix_seed);
	find_block();
	make_files();
	ksft_set_plan(nr_results());
	ksft_print_msg("seed %llu, %s goes offline\n", mix_seed,
		       offline_block);
	used = used_pages();
	make_areas();
	map_churned();
	test_all();
	test_end(used);
	ksft_finished();
}
