// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of processes that is moved while its owners leave, let go of it, fork, or
 * have it in the swap cache alone.
 *
 * Processes that own a few pages each watch where these are, in pagemap and in
 * kpageflags, and act at the moment in which one is on its way. Meanwhile memory
 * is compacted through several doors, and the module "race" makes migration wait
 * where the act is to fall, and watches the anon_vmas.
 *
 * What it proves:
 *  - a page whose only owner leaves while it is on its way has somebody to hold
 *    its anon_vma until it has arrived;
 *  - who lets go of a page that is about to be unmapped for migration takes the
 *    anon_vma along: nobody gets it for a page that is not mapped;
 *  - pages of the swap cache that no page table maps can move, and are found
 *    again: by a fault, by swapoff, and by a forked child;
 *  - who forks while pages are on their way shares them with the child as it does
 *    those that are in place, through generations of children: each sees what it
 *    has written itself, and nothing of what another writes.
 *
 * What makes it fail: an anon_vma that nobody holds, or that is got where there is
 * none to get (the module warns, and a warning ends the guest); a page whose
 * contents are not what its owner wrote; a process that does not get over a fault,
 * or swapoff that does not end; pages that stay isolated, and free pages that are
 * not counted. Where nothing has come about to be proved, a line fails as well.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/swap.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_dev.h"
#include "compact_pressure.h"
#include "compact_race.h"
#include "compact_owner.h"

#define SWAP_MIB	128
#define SETTLE_MS	5000
#define MAX_KEEPERS	6

/* What the module sees come about, in the order in which it says so. */
enum sight {
	REMAPPED,		/* a page mapped again */
	HELD,			/* by an anon_vma that migration alone holds */
	LATE,			/* an anon_vma asked for when nothing is mapped */
	ORPHAN,			/* moved in the swap cache, the anon_vma gone */
	CACHED,			/* moved in the swap cache */
	NR_SIGHTS,
};

#define SIGHTS	"alive: %ld remapped, %ld held alone, %ld too late, %ld orphans, %ld cached"

struct race {
	const char *name;
	const char *function;	/* that waits, at every so-manieth call */
	long microseconds;
	int every;
	int keepers;
	int nice;		/* those who look and sleep, or compaction first? */
	long patience;		/* ms to watch for a page on its way */
	bool swap;
	enum sight proof;
	void (*life)(struct area *a, struct cu_rng *rng);
	void (*meanwhile)(void);
};

static struct {
	__u64 seed;
	unsigned long seconds;
} opt = { .seed = 1, .seconds = 8 };

static const struct race *race;
static char disk[32];

/* At random, so that what is seen too late is seen in time as well. */
static bool wait_a_while(struct area *a, struct cu_rng *rng,
			 bool (*see)(struct area *a))
{
	return wait_to_see(a, cu_rand(rng) % race->patience,
			   race->microseconds / 5000, see);
}

/* Of the memory alone, which is quicker, or of everything. */
static void leave(const struct area *a, struct cu_rng *rng)
{
	tell(&told->caught, 1);
	if (cu_chance(rng, 50))
		munmap(a->at, BYTES);
	_exit(0);
}

/* An owner that leaves when its pages have been unmapped. */
static void live_and_leave(struct area *a, struct cu_rng *rng)
{
	int i;

	area_open(a);
	area_make(a);
	for (i = 0; i < 5; i++) {
		if (wait_a_while(a, rng, see_away) && cu_chance(rng, 75))
			leave(a, rng);
		area_check(a);
	}
}

/* An owner that lets go of its pages when they are about to be unmapped. */
static void live_and_drop(struct area *a, struct cu_rng *rng)
{
	bool seen;
	int i;

	area_open(a);
	area_make(a);
	for (i = 0; i < 5; i++) {
		seen = wait_a_while(a, rng, see_taken);
		if (seen)
			tell(&told->caught, 1);
		else
			area_check(a);
		switch (cu_rand(rng) % 4) {
		case 0:
			munmap(a->at, BYTES);
			area_make(a);
			break;
		case 1:
			_exit(0);
		default:
			madvise(a->at, BYTES, MADV_DONTNEED);
			area_fill(a, 0, PAGES);
		}
	}
}

/*
 * The swap cache. A child reads three of four pages back while its parent has all
 * of them in swap, and leaves: these stay in the cache with an anon_vma, and where
 * they are is known. The rest is read ahead and has none.
 */

static bool is_known(size_t i)
{
	return i % 4 != 3;
}

static void note_cached(struct area *a)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		if (is_known(i) && !cu_page_ok(page_of(a, i), a->seed[i], i))
			tell(&told->bad, 1);
	area_reopen(a);
	area_look(a);
	for (i = 0; i < PAGES; i++)
		a->cached[i] = is_known(i) ? frame_of(a->entry[i]) : 0;
	_exit(0);
}

static void area_to_cache(struct area *a)
{
	pid_t pid;
	size_t i;

	madvise(a->at, BYTES, MADV_PAGEOUT);
	pid = begin_child();
	if (!pid)
		note_cached(a);
	end_child(pid);
	for (i = 0; i < PAGES; i++)
		if (!is_known(i))
			madvise(page_of(a, i), cu_psize, MADV_WILLNEED);
	for (i = 0; i < PAGES; i++)
		if (!frame_is(a->cached[i], cu_kpf(CU_KPF_SWAPCACHE) |
					    cu_kpf(KPF_MMAP),
			      cu_kpf(CU_KPF_SWAPCACHE)))
			a->cached[i] = 0;
}

static void area_make_cached(struct area *a)
{
	area_open(a);
	area_make(a);
	madvise(a->at, BYTES, MADV_DOFORK);
	a->cached = mmap(NULL, PAGES * sizeof(a->cached[0]),
			 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);
	if (a->cached == MAP_FAILED)
		give_up();
	area_to_cache(a);
}

/* Pages that are mapped where they were not when they were in the cache. */
static void count_moved(struct area *a)
{
	size_t i;

	area_look(a);
	for (i = 0; i < PAGES; i++)
		if (a->cached[i] && is_there(a->entry[i]) &&
		    frame_of(a->entry[i]) != a->cached[i])
			tell(&told->moved, 1);
}

static void wait_in_cache(struct area *a, struct cu_rng *rng)
{
	if (wait_a_while(a, rng, see_cached_taken) && cu_chance(rng, 75))
		leave(a, rng);
}

static void live_and_fault(struct area *a, struct cu_rng *rng)
{
	area_make_cached(a);
	wait_in_cache(a, rng);
	area_check(a);
	count_moved(a);
	area_write(a, rng, 50);
	area_check(a);
}

static void live_to_swapoff(struct area *a, struct cu_rng *rng)
{
	unsigned long swapoffs = ask(&told->swapoffs);
	int patience = 300;
	size_t i;

	area_make_cached(a);
	wait_in_cache(a, rng);
	while (ask(&told->swapoffs) == swapoffs && patience--)
		cu_sleep_ms(10);
	count_moved(a);
	for (i = 0; i < PAGES; i++)
		if (a->cached[i] && is_there(a->entry[i]))
			tell(&told->back, 1);
	area_check(a);
}

static void live_in_child(struct area *a, struct cu_rng *rng)
{
	pid_t pid;

	area_make_cached(a);
	wait_in_cache(a, rng);
	pid = begin_child();
	if (!pid) {
		area_reopen(a);
		area_check(a);
		count_moved(a);
		area_write(a, rng, 50);
		area_check(a);
		_exit(0);
	}
	area_check(a);
	area_write(a, rng, 50);
	end_child(pid);
	area_check(a);
}

/*
 * Fork. What was in place of a page before and is in the child for the same page, but
 * less than it was, has been copied: the type of who may write is the highest.
 */
static void count_copied(struct area *a, int nr)
{
	__u64 before[PAGES];
	size_t i;

	memcpy(before, a->entry, sizeof(before));
	area_reopen(a);
	area_look(a);
	for (i = 0; i < PAGES; i++)
		if (is_away(before[i]) && is_away(a->entry[i]) &&
		    frame_of(before[i]) == frame_of(a->entry[i]) &&
		    (before[i] & PM_TYPE) > (a->entry[i] & PM_TYPE)) {
			tell(&told->caught, 1);
			tell(&told->copied[nr], 1);
		}
}

static bool each_generation_copied(void)
{
	int nr;

	for (nr = 0; nr < GENERATIONS; nr++)
		if (!told->copied[nr])
			return false;
	return true;
}

static void generation(struct area *a, struct cu_rng *rng, int nr);

/* Pages that have moved stay where they are: new ones are more likely to move. */
static void renew(struct area *a, struct cu_rng *rng)
{
	size_t i = cu_rand(rng) % PAGES, nr = cu_rand(rng) % (PAGES - i) + 1;

	madvise(page_of(a, i), nr * cu_psize, MADV_DONTNEED);
	area_fill(a, i, nr);
}

static pid_t fork_away(struct area *a, struct cu_rng *rng, int nr)
{
	int patience = 10;
	pid_t pid;

	while (!wait_a_while(a, rng, see_away) && patience--)
		renew(a, rng);
	pid = begin_child();
	if (pid)
		return pid;
	count_copied(a, nr);
	cu_rng_seed(rng, new_seed());
	area_write(a, rng, 50);
	area_check(a);
	generation(a, rng, nr + 1);
	_exit(0);
}

static void generation(struct area *a, struct cu_rng *rng, int nr)
{
	pid_t child[CHILDREN];
	int i;

	for (i = 0; i < CHILDREN && nr < GENERATIONS; i++) {
		child[i] = fork_away(a, rng, nr);
		area_write(a, rng, 60);
		area_check(a);
	}
	/* The last ones stay for a while, to see what the others write. */
	if (nr == GENERATIONS)
		wait_a_while(a, rng, see_away);
	area_check(a);
	while (i--) {
		end_child(child[i]);
		area_check(a);
	}
}

static void live_and_fork(struct area *a, struct cu_rng *rng)
{
	area_open(a);
	area_make(a);
	madvise(a->at, BYTES, MADV_DOFORK);
	generation(a, rng, 0);
}

/* There is no swap for the others: pages would go there that are to stay. */
static const char *begin_swap(void)
{
	const char *why;

	if (*disk)
		return swapon(disk, 0) ? "no swap" : NULL;
	why = dev_zram(disk, sizeof(disk), SWAP_MIB);
	return why ? why : dev_swap(disk, SWAP_MIB);
}

/* In a child: it would not end while there is a page that it does not find. */
static void end_swap(void)
{
	pid_t pid = begin_child();

	if (!pid)
		_exit(!!swapoff(disk));
	end_child(pid);
}

static void swapoff_again(void)
{
	cu_sleep_ms(500);
	end_swap();
	tell(&told->swapoffs, 1);
	if (swapon(disk, 0))
		tell(&told->failed, 1);
}

static void only_wait(void)
{
	cu_sleep_ms(500);
}

static const struct race races[] = {
	{
		.name = "the owner of a page on its way leaves",
		.function = "move_to_new_folio",
		.microseconds = 20000,
		.every = 8,
		.keepers = 6,
		.nice = -10,
		.patience = 100,
		.proof = HELD,
		.life = live_and_leave,
		.meanwhile = only_wait,
	},
	{
		.name = "the owner lets go of a page that is to be unmapped",
		.function = "folio_get_anon_vma",
		.microseconds = 5000,
		.every = 16,
		.keepers = 6,
		.nice = -10,
		.patience = 100,
		.proof = LATE,
		.life = live_and_drop,
		.meanwhile = only_wait,
	},
	{
		.name = "the swap cache's pages move, and a fault finds them",
		.function = "move_to_new_folio",
		.microseconds = 20000,
		.every = 8,
		.keepers = 6,
		.nice = -10,
		.patience = 1000,
		.swap = true,
		.proof = ORPHAN,
		.life = live_and_fault,
		.meanwhile = only_wait,
	},
	{
		.name = "the swap cache's pages move, and swapoff finds them",
		.function = "folio_migrate_mapping",
		.microseconds = 20000,
		.every = 8,
		.keepers = 6,
		.nice = -10,
		.patience = 300,
		.swap = true,
		.proof = CACHED,
		.life = live_to_swapoff,
		.meanwhile = swapoff_again,
	},
	{
		.name = "the swap cache's pages move, and a child finds them",
		.function = "move_to_new_folio",
		.microseconds = 20000,
		.every = 8,
		.keepers = 6,
		.nice = -10,
		.patience = 1000,
		.swap = true,
		.proof = CACHED,
		.life = live_in_child,
		.meanwhile = only_wait,
	},
	{
		.name = "fork copies the places of pages on their way",
		.function = "move_to_new_folio",
		.microseconds = 20000,
		.every = 8,
		.keepers = 2,
		.nice = -10,
		.patience = 100,
		.life = live_and_fork,
		.meanwhile = only_wait,
	},
};

/* One life after the other, each in a process of its own. */
static void keep(int nr)
{
	static struct area area;
	struct cu_rng rng;
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	cu_rng_seed(&rng, opt.seed * MAX_KEEPERS + nr);
	setpriority(PRIO_PROCESS, 0, race->nice);
	while (!ask(&told->stop)) {
		__u64 seed = cu_rand(&rng);

		pid = begin_child();
		if (!pid) {
			cu_rng_seed(&rng, seed);
			race->life(&area, &rng);
			_exit(0);
		}
		end_child(pid);
		tell(&told->lives, 1);
	}
	_exit(0);
}

/* Returns false if the module does not say. */
static bool read_sights(long *seen)
{
	FILE *in = fopen(RACE, "r");
	bool found = false;
	char line[256];

	memset(seen, 0, NR_SIGHTS * sizeof(*seen));
	while (in && !found && fgets(line, sizeof(line), in))
		found = sscanf(line, SIGHTS, &seen[REMAPPED], &seen[HELD],
			       &seen[LATE], &seen[ORPHAN], &seen[CACHED]) == NR_SIGHTS;
	if (in)
		fclose(in);
	return found;
}

static void begin_watch(void)
{
	if (race_alive() || race_delay(race->function, race->microseconds,
				       race->every))
		ksft_exit_fail_msg("%s cannot be made to wait\n",
				   race->function);
}

/* Was there something to be proved? Without the module that is up to luck. */
static bool come_about(bool wide)
{
	long seen[NR_SIGHTS];

	if (race->swap && !told->moved)
		return false;
	if (race->meanwhile == swapoff_again && !told->back)
		return false;
	if (!wide)
		return true;
	if (race->life == live_and_fork && !each_generation_copied())
		return false;
	if (race_hits(race->function) <= 0 || (!race->swap && !told->caught))
		return false;
	return !read_sights(seen) || seen[race->proof] > 0;
}

static void end_watch(void)
{
	long seen[NR_SIGHTS];

	ksft_print_msg("%s waited %ld times\n", race->function,
		       race_hits(race->function));
	if (read_sights(seen))
		ksft_print_msg(SIGHTS "\n", seen[REMAPPED], seen[HELD],
			       seen[LATE], seen[ORPHAN], seen[CACHED]);
	if (race->life == live_and_fork)
		ksft_print_msg("copied by the first forks, the next and so on: %lu, %lu, %lu\n",
			       told->copied[0], told->copied[1], told->copied[2]);
	race_clear();
}

/* A slow machine gets more time. */
static void run_keepers(bool wide)
{
	long end = cu_now_ms() + opt.seconds * 1000;
	long last = end + 4 * opt.seconds * 1000;
	pid_t keeper[MAX_KEEPERS];
	int i;

	for (i = 0; i < race->keepers; i++) {
		keeper[i] = fork();
		if (!keeper[i])
			keep(i);
	}
	do {
		race->meanwhile();
	} while (cu_now_ms() < end ||
		 (!come_about(wide) && cu_now_ms() < last));
	tell(&told->stop, 1);
	for (i = 0; i < race->keepers; i++)
		end_child(keeper[i]);
}

static bool run_race(void)
{
	struct pressure pressure = { .seed = opt.seed };
	bool wide = race_there(), proved;

	if (wide)
		begin_watch();
	/* The pages of who only keeps memory scattered would move in our place. */
	if (pressure_begin(&pressure, PRESS_ALL & ~PRESS_CHURN))
		ksft_exit_fail_msg("no pressure\n");
	run_keepers(wide);
	pressure_end(&pressure);
	proved = come_about(wide);
	if (wide)
		end_watch();
	return proved;
}

static void test_race(void)
{
	const char *why = race->swap ? begin_swap() : NULL;
	long migrated = cu_vmstat("pgmigrate_success");
	bool proved;

	if (why) {
		ksft_test_result_skip("%s: %s\n", race->name, why);
		return;
	}
	memset(told, 0, sizeof(*told));
	told->seeds = opt.seed << 32;
	proved = run_race();
	migrated = cu_vmstat("pgmigrate_success") - migrated;
	if (race->swap)
		end_swap();
	ksft_print_msg("%lu lives, %lu acts on a page on its way, %ld pages migrated\n",
		       told->lives, told->caught, migrated);
	if (race->swap)
		ksft_print_msg("%lu moved in the swap cache, %lu back by %lu swapoffs\n",
			       told->moved, told->back, told->swapoffs);
	ksft_test_result(!told->bad && !told->failed && told->lives &&
			 migrated > 0 && proved,
			 "%s (%lu pages wrong, %lu failures)\n", race->name,
			 told->bad, told->failed);
}

static long isolated(void)
{
	return cu_vmstat("nr_isolated_anon") + cu_vmstat("nr_isolated_file");
}

static void test_rest(void)
{
	long end = cu_now_ms() + SETTLE_MS;
	struct free_audit audit;

	while (isolated() && cu_now_ms() < end)
		cu_sleep_ms(100);
	if (free_audit(&audit))
		ksft_print_msg("no exact audit of the free pages\n");
	ksft_test_result(!isolated() && !audit.unequal && !audit.bad,
			 "at rest no page is isolated (%ld) or miscounted (%ld, %ld bad)\n",
			 isolated(), audit.unequal, audit.bad);
}

static void set_stage(void)
{
	if (access(CU_COMPACT, W_OK) || owners_begin())
		ksft_exit_skip("needs root and a kernel with compaction\n");
	if (!race_there())
		ksft_print_msg("no module to widen races with\n");
}

static const struct cu_option options[] = {
	{ "seconds", "N", &opt.seconds, 0, 3600 },
	{ }
};

int main(int argc, char **argv)
{
	size_t i;

	cu_init();
	cu_parse(argc, argv, &opt.seed, options);
	ksft_print_header();
	set_stage();
	ksft_set_plan(ARRAY_SIZE(races) + 1);
	ksft_print_msg("seed %llu\n", opt.seed);

	for (i = 0; i < ARRAY_SIZE(races); i++) {
		race = &races[i];
		test_race();
	}
	test_rest();
	ksft_finished();
}
